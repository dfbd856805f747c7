//! The audit: who did what, when, from where and why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::Moment;

/// What is looked for in the audit. The newest comes first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditQuery {
    /// Only what this actor did, or was denied.
    pub actor: Option<String>,
    /// Only what happened at this moment or later.
    pub since: Option<u64>,
    /// Only what happened before this moment.
    pub until: Option<u64>,
    /// Only events of this kind, such as `denied`.
    pub kind: Option<String>,
    /// Only what is about this application or environment.
    pub about: Option<String>,
    /// Whether to leave out what nobody asked for.
    pub people: Option<bool>,
    /// Only what lies before this position of the log.
    pub before: Option<u64>,
    /// How many; 100 at the most, which is also what is given where nothing else is asked for.
    pub limit: Option<u32>,
}

/// Something that is in the audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// Its place in the log.
    pub position: u64,
    /// When it happened.
    pub at: Moment,
    /// Who did it; `leadsman` where nobody asked for it.
    pub actor: String,
    /// The stream it is recorded in, such as `shop/production`.
    pub stream: String,
    /// What kind of event it is.
    pub kind: String,
    /// What happened: one sentence.
    pub sentence: String,
    /// From where it was asked for: `unix`, or an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// With which token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The reason that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A page of the audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// The entries, the newest first.
    pub entries: Vec<AuditEntry>,
    /// What `before` has to be for the next page; `None` if there is no other.
    pub next: Option<u64>,
}
