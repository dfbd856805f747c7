//! Checklists: what has to be looked at, by the machine or by a person.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::Moment;

/// A checklist that is open just now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checklist {
    /// Which: `before`, `during`, `after` or `after_rollback`.
    pub when: String,
    /// The release that it is about.
    pub release: u64,
    /// The digest of what that is: what answers are bound to.
    pub digest: Option<String>,
    /// Since when it is open.
    pub since: Moment,
    /// Its items, by name.
    pub items: Vec<ChecklistItem>,
}

/// An item of a checklist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChecklistItem {
    /// Its name.
    pub name: String,
    /// What it asks, in words.
    pub asks: String,
    /// The role of whoever has to confirm it; not there where the machine finds it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// How it stands.
    pub state: ItemState,
    /// What was found or said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// Who has answered; Leadsman itself, for the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// Until when it may stay open, or what was said counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
    /// Whether the release goes back if it is not done by then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rollback: bool,
}

/// How an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
    /// Nobody has answered.
    Open,
    /// It holds.
    Done,
    /// The machine has found that it does not hold, or could not find out.
    Failed,
    /// What a person said about it counts no longer.
    Expired,
    /// It was not done in time.
    Missed,
}

/// A checklist of an environment, as a plan lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedChecklist {
    /// Which: `before`, `during`, `after` or `after_rollback`.
    pub when: String,
    /// What it asks, each in a few words.
    pub items: Vec<String>,
}
