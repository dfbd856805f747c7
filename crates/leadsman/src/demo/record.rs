//! What came of it, for scripts: the object that `leadsman demo --json` prints.

use std::collections::BTreeMap;

use serde::Serialize;

/// What came of the whole demo.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Record {
    /// Whether every expectation held.
    pub(crate) ok: bool,
    /// How many virtual users there were.
    pub(crate) users: usize,
    /// How many requests they sent from the first served one on.
    pub(crate) requests: u64,
    /// How many of those no release answered, though a healthy one would have.
    pub(crate) failed_by_platform: u64,
    /// The same, by what the users saw.
    pub(crate) failures: BTreeMap<String, u64>,
    /// The canary's share of the answers while its step was 5 %, 0 to 1.
    pub(crate) canary_share_at_5_percent: Option<f64>,
    /// From the start of `leadsman up` to the first answer of a release.
    pub(crate) up_to_first_request_ms: Option<u64>,
    /// From the start of the rollback by hand to the last answer of the release that was left.
    pub(crate) rollback_to_last_answer_ms: Option<u64>,
    /// How many processes of the demo ran before it was taken down; `None` with `--keep`.
    pub(crate) processes: Option<usize>,
    /// How many of them were left afterwards.
    pub(crate) processes_left: Option<usize>,
    /// How long it all took.
    pub(crate) duration_ms: u64,
    /// The acts, in the order in which they were played.
    pub(crate) acts: Vec<ActRecord>,
    /// What did not hold and belongs to no act, each one sentence.
    pub(crate) unmet: Vec<String>,
    /// The state folder of what still runs; only with `--keep`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<String>,
    /// Where it accepts requests; only with `--keep`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
}

/// What came of one act.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct ActRecord {
    /// Its name.
    pub(super) name: &'static str,
    /// The release that it is about.
    pub(super) release: u64,
    /// What became of that release.
    pub(super) outcome: Fate,
    /// What should become of it.
    pub(super) expected: Fate,
    /// Whether everything that was expected of the act held.
    pub(super) ok: bool,
    /// What did not, each one sentence.
    pub(super) unmet: Vec<String>,
    /// How many requests users sent meanwhile.
    pub(super) requests: u64,
    /// How many of them that release answered.
    pub(super) answers: u64,
    /// How many bad answers of it users saw: errors, or slower than the limit in the act about
    /// that.
    pub(super) bad_responses: u64,
    /// How many requests the platform failed.
    pub(super) failed_by_platform: u64,
    /// From the start of its first soak (of the deployment, where there was none) to the decision
    /// to take it back.
    pub(super) detected_ms: Option<u64>,
    /// From that decision to no traffic on it.
    pub(super) cut_ms: Option<u64>,
    /// How long the act took.
    pub(super) duration_ms: u64,
    /// Why it went back or was let through, in Leadsman's own words.
    pub(super) reason: Option<String>,
    /// How long nobody controlled anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) without_control_ms: Option<u64>,
    /// How many requests were answered during that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) requests_without_control: Option<u64>,
    /// What a person wants to read about it.
    #[serde(skip)]
    pub(super) story: String,
}

/// What became of a release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    /// It is still on its way.
    #[default]
    Pending,
    /// It has all traffic.
    Promoted,
    /// It had traffic and went back.
    RolledBack,
    /// It went back before it had any traffic.
    Rejected,
    /// A person would have to decide.
    Frozen,
    /// Another one took its place.
    Superseded,
    /// A person gave it up.
    Abandoned,
}

impl Fate {
    /// Returns it in words.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled back",
            Self::Rejected => "rejected",
            Self::Frozen => "frozen",
            Self::Superseded => "superseded",
            Self::Abandoned => "given up",
        }
    }
}

impl ActRecord {
    /// Notes that something should hold, and `what` is wrong if it does not.
    pub(super) fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.unmet.push(what());
        }
    }
}
