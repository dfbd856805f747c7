//! What a stream is called.

use std::fmt;
use std::str::FromStr;

use leadsman_core::id::EnvironmentId;

/// The most bytes that a stream name has.
const STREAM_NAME_BYTES_MAX: usize = 128;

/// Names a stream: the events that belong together and are ordered by a version of their own.
///
/// 1 to 128 bytes: parts of `a-z`, `0-9`, `.`, `_` and `-`, each beginning with a letter or a
/// digit, joined by `/`. `shop/production` is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(String);

/// A text is not usable as the name of a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a stream name: parts of a-z, 0-9, ., _ and -, each beginning with a letter or a \
     digit, joined by /, {STREAM_NAME_BYTES_MAX} bytes at most"
)]
pub struct InvalidStreamName(pub String);

impl StreamName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_part(part: &str) -> bool {
    part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && part
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
}

impl TryFrom<String> for StreamName {
    type Error = InvalidStreamName;

    fn try_from(text: String) -> Result<Self, InvalidStreamName> {
        if text.len() <= STREAM_NAME_BYTES_MAX && text.split('/').all(is_part) {
            Ok(Self(text))
        } else {
            Err(InvalidStreamName(text))
        }
    }
}

impl FromStr for StreamName {
    type Err = InvalidStreamName;

    fn from_str(text: &str) -> Result<Self, InvalidStreamName> {
        Self::try_from(text.to_owned())
    }
}

impl From<&EnvironmentId> for StreamName {
    fn from(environment: &EnvironmentId) -> Self {
        // Both parts are names of at most 40 bytes, whose alphabet is a part of ours.
        Self(environment.to_string())
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in [
            "a",
            "shop/production",
            "shop/production/web-2",
            "0.a_b",
            &"a".repeat(128),
        ] {
            assert_eq!(good.parse::<StreamName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "../etc",
            "a/..",
            "Shop",
            "a b",
            "ä",
            &"a".repeat(129),
        ] {
            assert!(bad.parse::<StreamName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_environment_has_a_stream() {
        let longest = "a".repeat(40);
        let environment = EnvironmentId {
            application: longest.parse().unwrap(),
            environment: longest.parse().unwrap(),
        };
        let stream = StreamName::from(&environment);
        assert_eq!(stream.as_str().parse(), Ok(stream.clone()));
    }
}
