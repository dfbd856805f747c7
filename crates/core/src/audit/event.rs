//! The events of the stream `0.audit`.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A fact that belongs to nothing but the audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Somebody was not let in, or may not do what they asked for.
    Denied(Denied),
    /// Somebody may do it, and the domain said no.
    Refused(Denied),
    /// More was denied or refused than is written down one by one.
    LeftOut {
        /// How often.
        count: u64,
        /// Since when.
        since: Timestamp,
    },
    /// Somebody did what leaves no other trace in the log.
    Acted {
        /// What.
        act: String,
        /// On what; nothing where it concerns the whole machine.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on: Option<String>,
    },
}

/// What was not done for somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// What was asked for.
    pub act: String,
    /// On what; nothing where it concerns the whole machine, or is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// The code under which `leadsman explain` has a page.
    pub code: String,
    /// What was answered, the first time.
    pub why: String,
    /// How often: 1, or how often the same came again since it was last written down.
    pub count: u64,
    /// The first time that this counts.
    pub since: Timestamp,
}

impl Event {
    /// Returns the kind under which it is stored.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::Refused(_) => "refused",
            Self::LeftOut { .. } => "left_out",
            Self::Acted { .. } => "acted",
        }
    }
}

/// One sentence without its end.
impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let on = |on: &Option<String>| on.as_ref().map_or(String::new(), |on| format!(" on {on}"));
        match self {
            Self::Denied(denied) | Self::Refused(denied) => {
                let Denied {
                    act,
                    code,
                    why,
                    count,
                    ..
                } = denied;
                write!(f, "{} {act}{}: {why} ({code})", self.kind(), on(&denied.on))?;
                if *count > 1 {
                    write!(f, ", {count} times")?;
                }
                Ok(())
            }
            Self::LeftOut { count, .. } => {
                write!(
                    f,
                    "{count} more were denied or refused, and not written down one by one"
                )
            }
            Self::Acted { act, on: it } => write!(f, "{act}{}", on(it)),
        }
    }
}
