//! The name of a request, by which it is found again: in the answer, in the access log, and in what
//! the instance writes.
//!
//! Every request has one, so it must cost next to nothing: it lies where the request is known, no
//! request allocates for it, and none asks the system for anything.

use http::header::{HeaderName, HeaderValue};

use crate::message::{Headers, Said};
use crate::worker::random::Random;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest name that is taken over from somebody else, in bytes.
const LENGTH_MAX: usize = 128;

/// How long a name is: 128 bits.
const LENGTH: usize = 32;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The name of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RequestId {
    /// One that no other request has.
    Made([u8; LENGTH]),
    /// One that it came with.
    Carried(HeaderValue),
}

impl RequestId {
    /// Returns a name that no other request has.
    pub(super) fn make(random: &Random) -> Self {
        let mut digits = [0; LENGTH];
        let (high, low) = digits.split_at_mut(LENGTH / 2);
        high.copy_from_slice(&hexadecimal(random.next()));
        low.copy_from_slice(&hexadecimal(random.next()));
        Self::Made(digits)
    }
}

impl Said for RequestId {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Made(digits) => digits,
            Self::Carried(said) => said.as_bytes(),
        }
    }

    fn is_said_once(&self) -> bool {
        true
    }
}

/// Returns a value that is not kept to be said again: HTTP/2 compares what it says with all that it
/// keeps of the same header, which would be every name that it has said lately.
pub(super) fn said_once(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
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
pub(super) fn carried(headers: &Headers) -> Option<RequestId> {
    let mut said = headers.get_all(REQUEST_ID);
    let (Some(id), None) = (said.next(), said.next()) else {
        return None;
    };
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=@~".contains(byte);
    let bytes = id.as_bytes();
    let is_name = (1..=LENGTH_MAX).contains(&bytes.len()) && bytes.iter().all(is_plain);
    let id = is_name.then(|| headers.get_kept(REQUEST_ID));
    id.flatten().map(RequestId::Carried)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_requests_have_the_same_name() {
        let random = Random::new();
        let made = (0..1000).map(|_| RequestId::make(&random).bytes().to_owned());
        let made: HashSet<Vec<u8>> = made.collect();
        assert_eq!(made.len(), 1000);
        for id in &made {
            assert_eq!(id.len(), 32, "{id:?}");
            assert!(id.iter().all(|byte| DIGITS.contains(byte)), "{id:?}");
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
