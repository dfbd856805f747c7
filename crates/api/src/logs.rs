//! What instances wrote.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which lines are wanted. With neither service nor instance: those of all services.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogsQuery {
    /// Only the instances of this service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Only this instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// At most so many lines of each instance from before now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<u32>,
    /// Whether the answer goes on with what is written from now on, also by instances that are
    /// started later.
    #[serde(default)]
    pub follow: bool,
}

/// One line that an instance wrote to its standard output or standard error. The answer is one
/// such object per line of text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// The instance.
    pub instance: String,
    /// The line without its end. What was not UTF-8 is replaced by U+FFFD.
    pub text: String,
}
