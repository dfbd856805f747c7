//! How control says no.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The media type of a [`Problem`].
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// Why a request was not carried out: the body of every answer whose status is 400 or more, as
/// RFC 9457 has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// Where the kind of problem is explained: `/errors/` and the code, on the same control.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status, repeated so that the body can be understood by itself. From 400 to 499
    /// the request has to change, or the moment; from 500 on, control failed.
    pub status: u16,
    /// The code that `leadsman explain` knows, such as `R003`.
    pub code: String,
    /// What was refused and why: one sentence for the caller.
    #[serde(rename = "detail")]
    pub message: String,
    /// What the caller can do, where there is something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The number under which control logged the request.
    pub request_id: String,
}

impl Problem {
    /// Returns where the kind of problem is explained that has `code`.
    pub fn kind_of(code: &str) -> String {
        crate::path::fill(crate::path::ERROR, &[code])
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}
