//! Headers, and what stands in them.

use std::ops::Range;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use smallvec::SmallVec;

use crate::message::Headers;

/// How many headers a head may have.
pub(in crate::worker) const HEADERS_MAX: usize = 100;

/// How many headers most heads have at most.
const HEADERS_USUAL: usize = 16;

/// Where the headers stand in the bytes of a head.
pub(in crate::worker) struct Places(SmallVec<[Place; HEADERS_USUAL]>);

struct Place {
    name: Range<u32>,
    value: Range<u32>,
}

impl Places {
    /// Returns where `lines` stand in `head`, which they were read from.
    pub(in crate::worker) fn of(lines: &[httparse::Header<'_>], head: &[u8]) -> Self {
        let place = |part: &[u8]| {
            let Range { start, end } = within(head, part);
            // No head is so long.
            u32::try_from(start).unwrap_or(u32::MAX)..u32::try_from(end).unwrap_or(u32::MAX)
        };
        let places = lines.iter().map(|line| Place {
            name: place(line.name.as_bytes()),
            value: place(line.value),
        });
        Self(places.collect())
    }

    /// Takes the headers that `heed` says are to be kept out of `head`.
    ///
    /// # Errors
    /// One of them is none, or `heed` says why not.
    pub(in crate::worker) fn headers<E: Copy>(
        &self,
        head: &Bytes,
        garbled: E,
        mut heed: impl FnMut(&HeaderName, &HeaderValue) -> Result<bool, E>,
    ) -> Result<Headers, E> {
        let mut headers = Headers::with_capacity(self.0.len());
        for Place { name, value } in &self.0 {
            let name = head.get(name.start as usize..name.end as usize);
            let name = name.and_then(|name| HeaderName::from_bytes(name).ok());
            let value = head.slice(value.start as usize..value.end as usize);
            let value = HeaderValue::from_maybe_shared(value).ok();
            let (name, value) = name.zip(value).ok_or(garbled)?;
            if heed(&name, &value)? {
                headers.append(name, value);
            }
        }
        Ok(headers)
    }
}

/// What headers say of the connection (RFC 9112, 9.3).
#[derive(Default)]
pub(in crate::worker) struct Persistence {
    closes: bool,
    stays: bool,
}

impl Persistence {
    /// Takes note of a header that is about the connection, and returns whether it says more.
    pub(in crate::worker) fn heed(&mut self, value: &HeaderValue) -> bool {
        let mut says_more = false;
        for token in tokens(value) {
            let closes = token.eq_ignore_ascii_case("close");
            let stays = token.eq_ignore_ascii_case("keep-alive");
            self.closes |= closes;
            self.stays |= stays;
            says_more |= !closes && !stays;
        }
        says_more
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
pub(in crate::worker) fn tokens(value: &HeaderValue) -> impl Iterator<Item = &str> {
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
