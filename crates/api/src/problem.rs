//! How control says no.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a request was not carried out: the body of every answer whose status is 400 or more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The HTTP status, repeated so that the body can be understood by itself. From 400 to 499
    /// the request has to change, or the moment; from 500 on, control failed.
    pub status: u16,
    /// The code that `leadsman explain` knows, such as `R003`.
    pub code: String,
    /// What was refused and why: one sentence for the caller.
    pub message: String,
    /// What the caller can do, where there is something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The number under which control logged the request.
    pub request_id: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}
