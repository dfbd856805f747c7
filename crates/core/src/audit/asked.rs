//! From where and why something was asked for.

use serde::{Deserialize, Serialize};

/// The longest reason, in bytes.
pub const REASON_BYTES_MAX: usize = 500;

/// From where and why something was asked for. Who asked is the actor of the event.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Asked {
    /// `unix` for the socket on the machine, or else the address.
    pub from: String,
    /// The token that it was asked with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The reason that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// By what it is told apart when it is asked for again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
}

/// By what an act is told from another one when it is asked for again, because its answer was lost.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// What whoever asked gave it: new for every act.
    pub text: String,
    /// A digest of what was asked, in hexadecimal.
    pub request: String,
}

/// Returns a reason as it is recorded: on one line, without what is not text, and not too long.
/// What is left empty is none.
pub fn reason(text: &str) -> Option<String> {
    let words = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty());
    let mut reason = words.collect::<Vec<_>>().join(" ");
    while reason.len() > REASON_BYTES_MAX {
        reason.pop();
    }
    (!reason.is_empty()).then_some(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_of_bounded_length() {
        for (text, expected) in [
            ("", None),
            (" \n\t", None),
            ("a  b\n\u{7}c ", Some("a b c")),
            ("too many errors", Some("too many errors")),
        ] {
            assert_eq!(reason(text).as_deref(), expected, "{text:?}");
        }
        let long = "ä".repeat(REASON_BYTES_MAX);
        assert_eq!(reason(&long).unwrap().len(), REASON_BYTES_MAX);
    }
}
