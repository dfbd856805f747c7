//! Names and numbers by which things are called. Each is its own type, parsed at the edge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text is not usable as a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a usable name: 1 to 40 of a-z, 0-9 and -, beginning with a letter and not \
     ending with -"
)]
pub struct InvalidName(pub String);

/// Whether `text` is 1 to 40 of `a-z`, `0-9` and `-`, begins with a letter and does not end with
/// `-`: usable in host names, file names and Kubernetes alike.
pub fn is_name(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::try_from(text.to_owned())
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                if is_name(&text) { Ok(Self(text)) } else { Err(InvalidName(text)) }
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The name of an application.
    ApplicationName
}
name! {
    /// The name of a service, unique in its application.
    ServiceName
}
name! {
    /// The name of an item of a checklist.
    ItemName
}
name! {
    /// The name of a team: people who are asked for something together.
    TeamName
}
name! {
    /// The name of an environment, unique in its application.
    EnvironmentName
}

/// Names one environment of one application, written `shop/production`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EnvironmentId {
    /// The application.
    pub application: ApplicationName,
    /// The environment.
    pub environment: EnvironmentName,
}

impl fmt::Display for EnvironmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.application, self.environment)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $word:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($word, " {}"), self.0)
            }
        }
    };
}

number! {
    /// The number of a release, counted from 1 in its application. A later one is larger.
    ReleaseNumber, "release"
}
number! {
    /// The number of a deployment, counted from 1 in its environment. A later one is larger.
    DeploymentNumber, "deployment"
}

number! {
    /// The number of a run of the pipeline, counted from 1 in its application.
    RunNumber, "run"
}

/// A service of one release, as one deployment brought it into an environment.
///
/// The deployment is part of it because a release that is retried or rolled back to starts
/// fresh instances, which must not be mistaken for those of an earlier attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RevisionId {
    /// The service.
    pub service: ServiceName,
    /// The release it belongs to.
    pub release: ReleaseNumber,
    /// The deployment that brought it in.
    pub deployment: DeploymentNumber,
}

impl fmt::Display for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of {}", self.service, self.release)
    }
}

/// Names one instance: a running copy of a revision. Unique on a machine, usable as a file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(String);

impl InstanceId {
    /// Returns the name of the `ordinal`th instance (counted from 1) of `revision`.
    pub fn new(environment: &EnvironmentId, revision: &RevisionId, ordinal: u16) -> Self {
        let EnvironmentId {
            application,
            environment,
        } = environment;
        let RevisionId {
            service,
            release,
            deployment,
        } = revision;
        Self(format!(
            "{application}.{environment}.{service}.r{}.d{}.{ordinal}",
            release.0, deployment.0
        ))
    }

    /// Returns the name that `text` is, as it was read back from where it was written.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether it is an instance of this environment.
    pub fn is_of(&self, environment: &EnvironmentId) -> bool {
        let mut parts = self.0.split('.');
        parts.next() == Some(environment.application.as_str())
            && parts.next() == Some(environment.environment.as_str())
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The SHA-256 digest of an artifact's packed form, written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// A text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest: `sha256:` and 64 of 0-9 and a-f are expected")]
pub struct InvalidDigest(pub String);

impl Digest {
    /// Returns the digest whose 32 bytes are `bytes`.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(71);
        text.push_str("sha256:");
        for byte in bytes {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        }
        Self(text)
    }

    /// Returns the digest as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the 64 hexadecimal digits alone: usable as a file name.
    pub fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        let digits = text.strip_prefix("sha256:").unwrap_or("");
        if digits.len() == 64
            && digits
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        {
            Ok(Self(text))
        } else {
            Err(InvalidDigest(text))
        }
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        Self::try_from(text.to_owned())
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_ordered_by_number() {
        for (earlier, later) in [(9, 10), (255, 256), (65_535, 65_536)] {
            assert!(ReleaseNumber(earlier) < ReleaseNumber(later));
        }
    }

    #[test]
    fn names_are_checked() {
        for good in ["a", "web", "web-2", "a1"] {
            assert!(good.parse::<ServiceName>().is_ok(), "{good}");
        }
        for bad in ["", "Web", "2web", "web-", "we b", "../etc", &"a".repeat(41)] {
            assert!(bad.parse::<ServiceName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn digests_are_checked() {
        let digest = Digest::from_bytes([0xab; 32]);
        assert_eq!(digest.as_str().parse::<Digest>(), Ok(digest.clone()));
        assert_eq!(digest.hex(), "ab".repeat(32));
        assert!("sha256:AB".parse::<Digest>().is_err());
    }
}
