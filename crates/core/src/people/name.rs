//! What people and tokens are called, and how somebody from outside is recognised.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest identity, in bytes.
const IDENTITY_BYTES_MAX: usize = 255;

/// The name under which the engine records what nobody asked for: no person can have it.
pub(crate) const ENGINE: &str = "leadsman";

/// The name of a person, as the log records it.
///
/// 1 to 40 of `a-z`, `0-9`, `.`, `_` and `-`, beginning with a letter: login names fit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PersonName(String);

/// A text is not usable as the name of a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not usable as the name of a person: 1 to 40 of a-z, 0-9, ., _ and -, beginning with \
     a letter; `{ENGINE}` itself is no person"
)]
pub struct InvalidPersonName(pub String);

impl PersonName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PersonName {
    type Error = InvalidPersonName;

    fn try_from(text: String) -> Result<Self, InvalidPersonName> {
        let usable = (1..=40).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
            && text != ENGINE;
        if usable {
            Ok(Self(text))
        } else {
            Err(InvalidPersonName(text))
        }
    }
}

impl FromStr for PersonName {
    type Err = InvalidPersonName;

    fn from_str(text: &str) -> Result<Self, InvalidPersonName> {
        Self::try_from(text.to_owned())
    }
}

impl From<PersonName> for String {
    fn from(name: PersonName) -> Self {
        name.0
    }
}

impl fmt::Display for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// By what somebody from outside is recognised as a person: written `user:mia`,
/// `email:mia@example.org` or `subject:8f2c`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Identity {
    /// A user of this machine, as the kernel names who opened the socket.
    User(String),
    /// An e-mail address that the provider of sign-ins has verified. In lower case.
    Email(String),
    /// The name that the provider of sign-ins has for a person, which never changes.
    Subject(String),
}

/// A text is not an identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an identity: `user:NAME`, `email:ADDRESS` or `subject:TEXT` is expected, \
     {IDENTITY_BYTES_MAX} bytes at most"
)]
pub struct InvalidIdentity(pub String);

impl TryFrom<String> for Identity {
    type Error = InvalidIdentity;

    fn try_from(text: String) -> Result<Self, InvalidIdentity> {
        let usable = |value: &&str| !value.is_empty() && !value.contains(char::is_control);
        let parts = text
            .split_once(':')
            .filter(|_| text.len() <= IDENTITY_BYTES_MAX)
            .filter(|(_, value)| usable(value));
        match parts {
            Some(("user", name)) if !name.contains(char::is_whitespace) => {
                Ok(Self::User(name.to_owned()))
            }
            Some(("email", address))
                if address.contains('@') && !address.contains(char::is_whitespace) =>
            {
                Ok(Self::Email(address.to_lowercase()))
            }
            Some(("subject", subject)) => Ok(Self::Subject(subject.to_owned())),
            Some(_) | None => Err(InvalidIdentity(text)),
        }
    }
}

impl FromStr for Identity {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, InvalidIdentity> {
        Self::try_from(text.to_owned())
    }
}

impl From<Identity> for String {
    fn from(identity: Identity) -> Self {
        identity.to_string()
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user:{name}"),
            Self::Email(address) => write!(f, "email:{address}"),
            Self::Subject(subject) => write!(f, "subject:{subject}"),
        }
    }
}

/// The number of a token, counted from 1 over all people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenNumber(pub u64);

impl fmt::Display for TokenNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_are_checked() {
        for good in ["a", "mia", "mia.k", "svc_ci", "a-1"] {
            assert!(good.parse::<PersonName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "Mia",
            "1a",
            "a b",
            "ä",
            "leadsman",
            "a\n",
            &"a".repeat(41),
        ] {
            assert!(bad.parse::<PersonName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn identities_are_read_back_as_they_are_written() {
        for text in ["user:mia", "email:mia@example.org", "subject:a:b c"] {
            let identity: Identity = text.parse().unwrap();
            assert_eq!(identity.to_string(), text);
        }
        let address: Identity = "email:Mia@Example.ORG".parse().unwrap();
        assert_eq!(address.to_string(), "email:mia@example.org");
        let long = format!("user:{}", "a".repeat(255));
        for bad in [
            "",
            "mia",
            "user:",
            "user:a b",
            "email:mia",
            "phone:1",
            "user:a\n",
            &long,
        ] {
            assert!(bad.parse::<Identity>().is_err(), "{bad}");
        }
    }
}
