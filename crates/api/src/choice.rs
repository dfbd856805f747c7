//! What somebody could do to an environment now.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::command::Command;

/// What somebody could do to an environment now, and why not where they cannot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Choices {
    /// The version of the environment that this is about. It is the tag of
    /// the answer, too: sent with a command in `If-Match`, it has a decision on something older
    /// refused.
    pub version: u64,
    /// The choices, the most usual first.
    pub choices: Vec<Choice>,
}

/// Something that somebody could do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Choice {
    /// What it is called: letters, digits and `-`, such as `promote`, `approve-7` or
    /// `confirm-7-before-announced`.
    pub name: String,
    /// The command. Where a reason is expected, it has yet to be filled in.
    pub command: Command,
    /// Whether a reason goes with it.
    pub reason: Wanted,
    /// What follows from it: one sentence; `None` if it is refused.
    pub follows: Option<String>,
    /// Why it cannot be done now, or not by who asks; `None` if it can.
    pub refused: Option<Refused>,
}

/// Whether something is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// It has no place.
    No,
    /// It may be given.
    Maybe,
    /// It has to be given.
    Yes,
}

/// Why something cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refused {
    /// The code that `leadsman explain` knows.
    pub code: String,
    /// Why: one sentence.
    pub message: String,
}
