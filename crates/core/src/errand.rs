//! Commands that are run once, such as a migration: the contract between plan and runtime.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{DeploymentNumber, ReleaseNumber, ServiceName};
use crate::pipeline::SecretSource;
use crate::spec::ReleasedService;

/// Names an errand in its environment. What a name stands for is run once, whatever happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ErrandId {
    /// The deployment that it belongs to.
    pub deployment: DeploymentNumber,
    /// What it is for.
    pub kind: ErrandKind,
}

/// What an errand is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrandKind {
    /// It brings the schema of the database to another one.
    Migration,
    /// It finds out whether what serves works on the new schema.
    Smoke,
}

/// A command of a release that is run once, as a process that outlives control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Errand {
    /// The release whose artifact it runs from.
    pub release: ReleaseNumber,
    /// The service whose artifact, environment, user and limits it has.
    pub service: ServiceName,
    /// What that service is in that release.
    pub released: Arc<ReleasedService>,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Environment variables beside those of the service.
    pub env: BTreeMap<String, String>,
    /// Environment variables whose values nobody may see.
    pub secrets: BTreeMap<String, SecretSource>,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether it shall come to its end now. What was never begun then never is.
    pub ended: bool,
}

/// What was seen of an errand.
#[derive(Clone, Debug, PartialEq)]
pub enum ObservedErrand {
    /// It has not begun, or it runs; in words, what stands in its way, if something does.
    Running(Option<String>),
    /// It is over, and nothing of it runs any more.
    Over(ErrandEnd),
}

/// How an errand ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrandEnd {
    /// In words, why it did not end well; `None` if it did.
    pub failure: Option<String>,
    /// The last lines that it wrote, without secrets.
    pub last: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for ErrandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "d{}-{}", self.deployment.0, self.kind.as_str())
    }
}

impl ErrandKind {
    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Migration => "migration",
            Self::Smoke => "smoke",
        }
    }
}

/// A text does not name an errand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no errand")]
pub struct InvalidErrand(pub String);

impl FromStr for ErrandId {
    type Err = InvalidErrand;

    fn from_str(text: &str) -> Result<Self, InvalidErrand> {
        let parsed = || {
            let (number, kind) = text.strip_prefix('d')?.split_once('-')?;
            let kind = match kind {
                "migration" => ErrandKind::Migration,
                "smoke" => ErrandKind::Smoke,
                _ => return None,
            };
            let deployment = DeploymentNumber(number.parse().ok()?);
            Some(Self { deployment, kind })
        };
        parsed()
            .filter(|id| id.to_string() == text)
            .ok_or_else(|| InvalidErrand(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written_and_no_other() {
        for kind in [ErrandKind::Migration, ErrandKind::Smoke] {
            let id = ErrandId {
                deployment: DeploymentNumber(12),
                kind,
            };
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for text in [
            "",
            "d12",
            "d012-smoke",
            "12-smoke",
            "d12-other",
            "d-1-smoke",
            "d1-smoke/..",
        ] {
            assert!(text.parse::<ErrandId>().is_err(), "{text}");
        }
    }
}
