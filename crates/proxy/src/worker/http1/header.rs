//! Headers, and what stands in them.

use std::ops::Range;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, TRANSFER_ENCODING};

use crate::message::{Headers, Value};

/// How many headers a head may have.
pub(in crate::worker) const HEADERS_MAX: usize = 100;

/// Takes the headers that `heed` says are to be kept out of `lines`, which were read from `head`.
///
/// # Errors
/// One of them is none, or `heed` says why not.
pub(in crate::worker) fn headers<E: Copy>(
    lines: &[httparse::Header<'_>],
    head: &[u8],
    garbled: E,
    mut heed: impl FnMut(&HeaderName, Value<'_>) -> Result<bool, E>,
) -> Result<Headers, E> {
    let mut headers = Headers::with_capacity(lines.len());
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| garbled)?;
        // What a value consists of was looked at when its line was found.
        if heed(&name, Value::of(line.value))? {
            headers.append_read(name, within(head, line.value));
        }
    }
    Ok(headers)
}

/// What headers say of the connection (RFC 9112, 9.3).
#[derive(Default)]
pub(in crate::worker) struct Persistence {
    closes: bool,
    stays: bool,
}

impl Persistence {
    /// Takes note of a header that is about the connection, and returns whether it says more.
    pub(in crate::worker) fn heed(&mut self, value: Value<'_>) -> bool {
        // Mostly it is one word.
        if self.heed_word(value.as_bytes()) {
            return false;
        }
        let mut says_more = false;
        for token in tokens(value) {
            says_more |= !self.heed_word(token.as_bytes());
        }
        says_more
    }

    /// Returns whether it is a word for what this is about.
    fn heed_word(&mut self, word: &[u8]) -> bool {
        let closes = word.eq_ignore_ascii_case(b"close");
        let stays = word.eq_ignore_ascii_case(b"keep-alive");
        self.closes |= closes;
        self.stays |= stays;
        closes || stays
    }

    /// Returns whether it can be used again.
    pub(in crate::worker) fn persists(&self, is_first_version: bool) -> bool {
        !self.closes && (self.stays || !is_first_version)
    }
}

/// Writes a header.
pub(in crate::worker) fn write_header(name: &HeaderName, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Says whether a header may come after a body: not what a message is delimited by, nor where it
/// goes.
pub(super) fn may_follow(name: &HeaderName) -> bool {
    ![CONTENT_LENGTH, TRANSFER_ENCODING, HOST, CONNECTION].contains(name)
}

/// Returns where `part` lies in `whole`, of which it is a part.
pub(in crate::worker) fn within(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    start..start + part.len()
}

/// Returns what a header lists. What is not even text lists nothing.
pub(in crate::worker) fn tokens(value: Value<'_>) -> impl Iterator<Item = &str> {
    let text = value.to_str().unwrap_or_default();
    text.split(',').map(str::trim)
}

/// Reads digits, and nothing but digits: a sign or a blank is read differently by others.
pub(in crate::worker) fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}
