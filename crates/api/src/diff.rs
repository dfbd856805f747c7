//! How two releases differ.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is compared. `None` is what runs now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiffQuery {
    /// The number of the release on the left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// The number of the release on the right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// The environment that the right side is of; `None` is the same one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
}

/// How the right side differs from the left one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diff {
    /// What stands on the left, such as `release 3` or `what runs`.
    pub from: String,
    /// What stands on the right.
    pub to: String,
    /// Every difference, in the order of the paths; empty where both are the same.
    pub changes: Vec<Change>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Where in the release, such as `services.web.env.LOG_LEVEL`.
    pub path: String,
    /// What stood there; `None` where it is new.
    pub before: Option<String>,
    /// What stands there now; `None` where it is gone.
    pub after: Option<String>,
}
