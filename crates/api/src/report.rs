//! Reports on a release, and what gates say of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a report came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportQuery {
    /// What kind of report it is, such as `junit`; `None` is what it looks like.
    #[serde(default)]
    pub kind: Option<String>,
    /// The path of its file.
    #[serde(default)]
    pub path: Option<String>,
    /// The job that wrote it.
    #[serde(default)]
    pub job: Option<String>,
    /// The one number of it that is taken: its name, `:`, and the path where it stands.
    #[serde(default)]
    pub number: Option<String>,
}

/// A report was read and recorded. It takes the place of an earlier one from the same place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportAccepted {
    /// What kind of report it is.
    pub kind: String,
    /// What it says, a line for each thing.
    pub lines: Vec<String>,
}

/// What a gate says of a release that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GateStatus {
    /// Its name.
    pub name: String,
    /// Whether it lets pass.
    pub outcome: GateOutcome,
    /// Why, with its numbers, in one sentence.
    pub sentence: String,
}

/// Whether a gate lets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateOutcome {
    /// It does.
    Open,
    /// It does not.
    Closed,
    /// It could not be evaluated, and does not.
    Unknown,
}
