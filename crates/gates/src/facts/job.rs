//! How a job ended that tried a release where it serves.

use serde::{Deserialize, Serialize};

/// How a job ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobEnd {
    /// Whether it passed.
    pub passed: bool,
    /// Why not, in words; empty if it passed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}
