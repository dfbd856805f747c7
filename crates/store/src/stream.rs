//! What a stream is called.

use std::fmt;
use std::str::FromStr;

use leadsman_core::id::{ApplicationName, EnvironmentId, RunNumber};
use leadsman_core::run::RunId;

/// The most bytes that a stream name has.
const STREAM_NAME_BYTES_MAX: usize = 128;

const PEOPLE: &str = "0.people";
const AUDIT: &str = "0.audit";
const RUN: &str = "0.run/";

/// Names a stream: the events that belong together and are ordered by a version of their own.
///
/// 1 to 128 bytes: parts of `a-z`, `0-9`, `.`, `_` and `-`, each beginning with a letter or a
/// digit, joined by `/`. `shop/production` is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(String);

/// What a stream is about, as its name tells.
///
/// The names of applications begin with a letter. So what belongs to none of them is kept apart
/// by a first part that begins with a digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// The releases of an application: `shop`.
    Application(ApplicationName),
    /// What happens in an environment: `shop/production`.
    Environment(EnvironmentId),
    /// People, their roles and tokens: `0.people`.
    People,
    /// What the audit has beside all others: `0.audit`.
    Audit,
    /// One run of an application's pipeline: `0.run/shop/7`.
    Run(RunId),
}

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

    /// Returns what the stream is about; `None` if this version of Leadsman makes no such stream.
    pub fn kind(&self) -> Option<StreamKind> {
        match (self.as_str(), self.0.split_once('/')) {
            (PEOPLE, _) => Some(StreamKind::People),
            (AUDIT, _) => Some(StreamKind::Audit),
            (name, _) if name.starts_with(RUN) => {
                let (application, number) = name.strip_prefix(RUN)?.split_once('/')?;
                let id = RunId {
                    application: application.parse().ok()?,
                    number: RunNumber(number.parse().ok()?),
                };
                // One run has one spelling.
                (id.number.0.to_string() == number).then_some(StreamKind::Run(id))
            }
            (name, None) => name.parse().ok().map(StreamKind::Application),
            (_, Some((application, environment))) => {
                let both = application.parse().ok().zip(environment.parse().ok());
                both.map(|(application, environment)| {
                    StreamKind::Environment(EnvironmentId {
                        application,
                        environment,
                    })
                })
            }
        }
    }
}

impl From<&StreamKind> for StreamName {
    fn from(kind: &StreamKind) -> Self {
        // Names of applications are of our alphabet, and at most 40 bytes long.
        match kind {
            StreamKind::Application(name) => Self(name.to_string()),
            StreamKind::Environment(id) => Self::from(id),
            StreamKind::People => Self(PEOPLE.to_owned()),
            StreamKind::Audit => Self(AUDIT.to_owned()),
            StreamKind::Run(id) => Self(format!("{RUN}{}/{}", id.application, id.number.0)),
        }
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
    fn a_name_tells_what_the_stream_is_about() {
        let id = |text: &str| {
            let (application, environment) = text.split_once('/').unwrap();
            EnvironmentId {
                application: application.parse().unwrap(),
                environment: environment.parse().unwrap(),
            }
        };
        for (name, kind) in [
            ("shop", StreamKind::Application("shop".parse().unwrap())),
            (
                "shop/production",
                StreamKind::Environment(id("shop/production")),
            ),
            ("people/audit", StreamKind::Environment(id("people/audit"))),
            ("0.people", StreamKind::People),
            ("0.audit", StreamKind::Audit),
            (
                "0.run/shop/7",
                StreamKind::Run(RunId {
                    application: "shop".parse().unwrap(),
                    number: RunNumber(7),
                }),
            ),
        ] {
            let stream: StreamName = name.parse().unwrap();
            assert_eq!(stream.kind(), Some(kind.clone()), "{name}");
            assert_eq!(StreamName::from(&kind), stream);
        }
        for unknown in [
            "0.other",
            "0.people/a",
            "0.run/shop",
            "0.run/shop/07",
            "0.run/shop/7/a",
            "0.run",
            "shop/a/b",
            "a.b",
            "0/a",
            "1",
        ] {
            assert_eq!(
                unknown.parse::<StreamName>().unwrap().kind(),
                None,
                "{unknown}"
            );
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
