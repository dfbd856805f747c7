//! The name of a request, by which it is found again: in the answer, in the access log, and in what
//! the instance writes.
//!
//! Every request has one, so it must cost next to nothing: names are written into a block of memory,
//! many at a time, and what is passed on is a view of that block. No request allocates for it, and
//! none asks the system for anything.

use std::cell::RefCell;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};

use crate::message::Headers;
use crate::worker::random::Random;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest name that is taken over from somebody else, in bytes.
const LENGTH_MAX: usize = 128;

/// How long a name is: 128 bits.
const LENGTH: usize = 32;

/// How many are made at a time.
const BLOCK: usize = 64;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Where names come from.
pub(super) struct RequestIds(RefCell<Bytes>);

impl RequestIds {
    pub(super) fn new() -> Self {
        Self(RefCell::default())
    }

    /// Returns a name that no other request has.
    pub(super) fn next(&self, random: &Random) -> HeaderValue {
        let mut made = self.0.borrow_mut();
        if made.is_empty() {
            *made = block(random);
        }
        let id = made.split_to(LENGTH);
        let id = HeaderValue::from_maybe_shared(id);
        said_once(id.expect("it is made of hexadecimal digits"))
    }
}

/// Returns a value that is not kept to be said again: HTTP/2 compares what it says with all that it
/// keeps of the same header, which would be every name that it has said lately.
pub(super) fn said_once(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

fn block(random: &Random) -> Bytes {
    let mut block = Vec::with_capacity(BLOCK * LENGTH);
    for _ in 0..BLOCK * 2 {
        block.extend(hexadecimal(random.next()));
    }
    block.into()
}

/// Returns the sixteen hexadecimal digits of `number`.
pub(super) fn hexadecimal(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    for (digit, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        digit[0] = DIGITS[usize::from(byte >> 4)];
        digit[1] = DIGITS[usize::from(byte & 15)];
    }
    digits
}

/// Returns the name that a request came with, if it has one that can be written down anywhere.
pub(super) fn carried(headers: &Headers) -> Option<HeaderValue> {
    let mut said = headers.get_all(REQUEST_ID);
    let (Some(id), None) = (said.next(), said.next()) else {
        return None;
    };
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=@~".contains(byte);
    let bytes = id.as_bytes();
    let is_name = (1..=LENGTH_MAX).contains(&bytes.len()) && bytes.iter().all(is_plain);
    is_name.then(|| said_once(id.clone()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_requests_have_the_same_name() {
        let (ids, random) = (RequestIds::new(), Random::new());
        let made: HashSet<HeaderValue> = (0..1000).map(|_| ids.next(&random)).collect();
        assert_eq!(made.len(), 1000);
        for id in &made {
            let id = id.to_str().unwrap();
            assert_eq!(id.len(), 32, "{id}");
            assert!(id.bytes().all(|byte| DIGITS.contains(&byte)), "{id}");
        }
    }

    #[test]
    fn only_plain_names_are_taken_over() {
        let long = "x".repeat(128);
        let too_long = "x".repeat(129);
        for (said, is_taken) in [
            (vec!["7f3a"], true),
            (vec!["f81d4fae-7dec-11d0-a765-00a0c91e6bf6"], true),
            (vec!["Root=1-67891233-abcdef/0:a+b_c~d@e."], true),
            (vec![long.as_str()], true),
            (vec![too_long.as_str()], false),
            (vec![""], false),
            (vec!["two words"], false),
            (vec!["quo\"te"], false),
            (vec!["a;b"], false),
            (vec!["gr\u{fc}n"], false),
            (vec!["one", "two"], false),
            (vec![], false),
        ] {
            let mut headers = Headers::default();
            for value in &said {
                headers.append(
                    REQUEST_ID,
                    HeaderValue::from_bytes(value.as_bytes()).unwrap(),
                );
            }
            assert_eq!(carried(&headers).is_some(), is_taken, "{said:?}");
        }
    }

    #[test]
    fn digits_stand_in_the_usual_order() {
        assert_eq!(&hexadecimal(0x0123_4567_89ab_cdef), b"0123456789abcdef");
        assert_eq!(&hexadecimal(1), b"0000000000000001");
    }
}
