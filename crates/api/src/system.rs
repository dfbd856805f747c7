//! Control itself, and the artifacts it keeps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::Moment;

/// The control that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct System {
    /// The version of Leadsman, such as `0.1.0`.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it was started.
    pub started_at: Moment,
    /// The folder that holds its state: an absolute path.
    pub state: String,
    /// Where it answers over the network, such as `http://127.0.0.1:7070`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
}

/// An artifact that control keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Artifact {
    /// Its digest.
    pub digest: String,
    /// Its size in bytes, packed.
    pub size: u64,
}
