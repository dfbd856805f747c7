//! Bodies, as they are read.

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::header::may_follow;

/// How long what stands between the sizes of chunks and their data may be, in bytes, all in all. It
/// means nothing to anybody.
const EXTENSIONS_MAX: u64 = 16 * 1024;

/// How long the headers after a body may be, in bytes, and how many.
const TRAILERS_BYTES_MAX: usize = 16 * 1024;
const TRAILERS_MAX: usize = 64;

/// A body does not end where its head says, or a part of it has not the size that it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not delimited as its head says")]
pub(in crate::worker) struct Undelimited;

/// What is still to come of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::worker) enum Inbound {
    Done,
    /// So many bytes.
    Length(u64),
    /// Pieces, each of which says how long it is.
    Chunked(Chunked),
    /// Whatever comes until the connection is closed.
    UntilClose,
}

/// Where in the pieces of a body it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::worker) struct Chunked {
    at: At,
    extensions: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// The size of a piece, so far, and of how many digits.
    Size(u64, u8),
    /// Between the size of a piece and the end of its line.
    Extension(u64),
    /// The last byte of that line.
    LineEnd(u64),
    /// So many bytes of the piece are left.
    Data(u64),
    /// After a piece.
    DataEnd,
    /// After that.
    DataLineEnd,
    /// After all pieces.
    Trailers,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::worker) enum Found {
    Data(Bytes),
    Trailers(HeaderMap),
    /// The body is complete.
    End,
    /// Nothing that could be used without more.
    Nothing,
}

impl Inbound {
    pub(in crate::worker) fn chunked() -> Self {
        Self::Chunked(Chunked {
            at: At::Size(0, 0),
            extensions: 0,
        })
    }

    pub(in crate::worker) fn is_done(&self) -> bool {
        *self == Self::Done
    }

    /// Returns how much is still to come, in bytes, as far as that is known.
    pub(in crate::worker) fn left(&self) -> Option<u64> {
        match self {
            Self::Done => Some(0),
            Self::Length(left) => Some(*left),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }

    /// Takes what comes next out of `inbox`.
    ///
    /// # Errors
    /// It is no such body.
    pub(in crate::worker) fn take(&mut self, inbox: &mut BytesMut) -> Result<Found, Undelimited> {
        match self {
            Self::Done => Ok(Found::End),
            Self::Length(_) | Self::UntilClose if inbox.is_empty() => Ok(Found::Nothing),
            Self::Length(left) => {
                let data = up_to(inbox, left);
                if *left == 0 {
                    *self = Self::Done;
                }
                Ok(Found::Data(data))
            }
            Self::UntilClose => Ok(Found::Data(inbox.split().freeze())),
            Self::Chunked(chunked) => {
                let found = chunked.take(inbox)?;
                if matches!(found, Found::Trailers(_) | Found::End) {
                    *self = Self::Done;
                }
                Ok(found)
            }
        }
    }
}

/// Takes up to `left` bytes out of `inbox`, and has them left no more.
fn up_to(inbox: &mut BytesMut, left: &mut u64) -> Bytes {
    let length = usize::try_from(*left).map_or(inbox.len(), |left| left.min(inbox.len()));
    *left -= length as u64;
    inbox.split_to(length).freeze()
}

impl Chunked {
    fn take(&mut self, inbox: &mut BytesMut) -> Result<Found, Undelimited> {
        loop {
            if let At::Data(left) = &mut self.at {
                if *left == 0 {
                    self.at = At::DataEnd;
                } else if inbox.is_empty() {
                    return Ok(Found::Nothing);
                } else {
                    return Ok(Found::Data(up_to(inbox, left)));
                }
            }
            if self.at == At::Trailers {
                return trailers(inbox);
            }
            let Some(&byte) = inbox.first() else {
                return Ok(Found::Nothing);
            };
            inbox.advance(1);
            self.at = self.after(byte)?;
        }
    }

    /// Returns where it is after `byte`, which is none of a piece.
    fn after(&mut self, byte: u8) -> Result<At, Undelimited> {
        Ok(match (self.at, byte) {
            (At::Size(size, digits), _) if byte.is_ascii_hexdigit() => {
                // Sixteen digits are all that fit; more could only be zeros that hide something.
                if digits == 16 {
                    return Err(Undelimited);
                }
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                At::Size(size << 4 | u64::from(digit), digits + 1)
            }
            (At::Size(_, 0), _) => return Err(Undelimited),
            (At::Size(size, _), b'\r') | (At::Extension(size), b'\r') => At::LineEnd(size),
            (At::Size(size, _), b';' | b' ' | b'\t') => At::Extension(size),
            (At::Extension(_), b'\n') => return Err(Undelimited),
            (At::Extension(size), _) => {
                self.extensions += 1;
                if self.extensions > EXTENSIONS_MAX {
                    return Err(Undelimited);
                }
                At::Extension(size)
            }
            (At::LineEnd(0), b'\n') => At::Trailers,
            (At::LineEnd(size), b'\n') => At::Data(size),
            (At::DataEnd, b'\r') => At::DataLineEnd,
            (At::DataLineEnd, b'\n') => At::Size(0, 0),
            _ => return Err(Undelimited),
        })
    }
}

/// Takes the headers after a body out of `inbox`.
fn trailers(inbox: &mut BytesMut) -> Result<Found, Undelimited> {
    if inbox.starts_with(b"\r\n") {
        inbox.advance(2);
        return Ok(Found::End);
    }
    let mut lines = [httparse::EMPTY_HEADER; TRAILERS_MAX];
    match httparse::parse_headers(inbox, &mut lines).map_err(|_| Undelimited)? {
        httparse::Status::Partial if inbox.len() > TRAILERS_BYTES_MAX => Err(Undelimited),
        httparse::Status::Partial => Ok(Found::Nothing),
        // Also where all of them came at once.
        httparse::Status::Complete((length, _)) if length > TRAILERS_BYTES_MAX => Err(Undelimited),
        httparse::Status::Complete((length, lines)) => {
            let mut trailers = HeaderMap::with_capacity(lines.len());
            for line in lines {
                let name = HeaderName::from_bytes(line.name.as_bytes());
                let name = name.map_err(|_| Undelimited)?;
                let value = HeaderValue::from_bytes(line.value).map_err(|_| Undelimited)?;
                if may_follow(&name) {
                    trailers.append(name, value);
                }
            }
            inbox.advance(length);
            Ok(Found::Trailers(trailers))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of `text`, of which so many bytes come at a time: the data, the trailers, and
    /// what is left of the text; or nothing while it is not complete.
    type Read = Option<(Vec<u8>, Vec<(String, String)>, Vec<u8>)>;

    fn read(mut body: Inbound, text: &[u8], step: usize) -> Result<Read, Undelimited> {
        let mut inbox = BytesMut::new();
        let mut data = Vec::new();
        let mut trailers = Vec::new();
        let mut pieces = text.chunks(step);
        loop {
            match body.take(&mut inbox)? {
                Found::Data(more) => data.extend_from_slice(&more),
                Found::Trailers(headers) => {
                    trailers = headers
                        .iter()
                        .map(|(name, value)| {
                            (
                                name.to_string(),
                                String::from_utf8_lossy(value.as_bytes()).into_owned(),
                            )
                        })
                        .collect();
                }
                Found::End => {
                    let left = pieces.flatten().copied();
                    let left = inbox.iter().copied().chain(left).collect();
                    return Ok(Some((data, trailers, left)));
                }
                Found::Nothing => match pieces.next() {
                    Some(piece) => inbox.extend_from_slice(piece),
                    None => return Ok(None),
                },
            }
        }
    }

    /// The same in steps of every size, which must not make a difference.
    fn read_in_steps(body: &Inbound, text: &str) -> Result<Read, Undelimited> {
        let whole = read(body.clone(), text.as_bytes(), text.len().max(1));
        for step in 1..text.len() {
            assert_eq!(
                read(body.clone(), text.as_bytes(), step),
                whole,
                "{text:?} by {step}"
            );
        }
        whole
    }

    fn done(data: &str, left: &str) -> Result<Read, Undelimited> {
        Ok(Some((data.into(), Vec::new(), left.into())))
    }

    #[test]
    fn a_length_ends_where_it_says() {
        assert_eq!(
            read_in_steps(&Inbound::Length(5), "hello again"),
            done("hello", " again")
        );
        assert_eq!(read_in_steps(&Inbound::Length(5), "hell"), Ok(None));
        assert_eq!(read_in_steps(&Inbound::Done, "next"), done("", "next"));
        assert_eq!(read_in_steps(&Inbound::UntilClose, "hello"), Ok(None));
    }

    #[test]
    fn chunks_are_joined() {
        let cases = [
            ("0\r\n\r\nnext", done("", "next")),
            ("5\r\nhello\r\n0\r\n\r\nnext", done("hello", "next")),
            (
                "5\r\nhello\r\n6\r\n again\r\n000\r\n\r\n",
                done("hello again", ""),
            ),
            ("00000005;a=b\r\nhello\r\n0 ;c\r\n\r\n", done("hello", "")),
            (
                "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
                done("01234567890123456789", ""),
            ),
            ("5\r\nhello\r\n", Ok(None)),
            ("5\r\nhello\r\n0\r\n", Ok(None)),
            ("5\r\nhello\r\n0\r\n\r", Ok(None)),
        ];
        for (text, expected) in cases {
            assert_eq!(
                read_in_steps(&Inbound::chunked(), text),
                expected,
                "{text:?}"
            );
        }
        let text = "1\r\na\r\n0\r\nX-Sum: 1\r\ncontent-length: 9\r\nhost: b\r\n\r\nnext";
        let sum = vec![("x-sum".to_owned(), "1".to_owned())];
        let expected = Ok(Some((b"a".to_vec(), sum, b"next".to_vec())));
        assert_eq!(read_in_steps(&Inbound::chunked(), text), expected);
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        let cases = [
            "\r\nhello",
            " 5\r\nhello",
            "-5\r\nhello",
            "0x5\r\nhello",
            "5\nhello\n0\n\n",
            "5\rhello",
            "5;a\nhello",
            "5\r\nhello!\r\n",
            "5\r\nhello\n0",
            "g\r\n",
            "00000000000000005\r\nhello",
            "fffffffffffffffff\r\n",
            "0\r\na b: c\r\n\r\n",
        ];
        for text in cases {
            assert_eq!(
                read_in_steps(&Inbound::chunked(), text),
                Err(Undelimited),
                "{text:?}"
            );
        }
    }

    #[test]
    fn nothing_grows_without_end() {
        let extension = format!("5;{}", "a".repeat(17 * 1024));
        assert_eq!(
            read(Inbound::chunked(), extension.as_bytes(), 512),
            Err(Undelimited)
        );
        let trailer = format!("0\r\na: {}", "b".repeat(20 * 1024));
        assert_eq!(
            read(Inbound::chunked(), trailer.as_bytes(), 512),
            Err(Undelimited)
        );
        let whole = format!("{trailer}\r\n\r\n");
        assert_eq!(
            read(Inbound::chunked(), whole.as_bytes(), whole.len()),
            Err(Undelimited)
        );
        let many = format!("0\r\n{}\r\n", "a: b\r\n".repeat(TRAILERS_MAX + 1));
        assert_eq!(
            read(Inbound::chunked(), many.as_bytes(), 512),
            Err(Undelimited)
        );
    }

    #[test]
    fn fuzzed_chunked_body() {
        crate::fuzz::fuzz("chunked-body", |input| {
            let whole = read(Inbound::chunked(), input, input.len().max(1));
            for step in [1, 2, 3, 7, 64] {
                assert_eq!(read(Inbound::chunked(), input, step), whole, "by {step}");
            }
            let Ok(Some((data, trailers, left))) = &whole else {
                return;
            };
            assert!(data.len() + left.len() <= input.len());
            let mut again = Vec::new();
            if !data.is_empty() {
                again.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
                again.extend_from_slice(data);
                again.extend_from_slice(b"\r\n");
            }
            again.extend_from_slice(b"0\r\n");
            for (name, value) in trailers {
                again.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
            }
            again.extend_from_slice(b"\r\n");
            again.extend_from_slice(left);
            assert_eq!(read(Inbound::chunked(), &again, again.len()), whole);
        });
    }
}
