//! What a deployment waits for: the same sentence in the CLI, the page, the API and the tests.

use std::fmt;
use std::time::Duration;

use crate::checklist::When;
use crate::entry::Missing;
use crate::id::{ReleaseNumber, ServiceName};
use crate::migration::Course;
use crate::spec::OnInconclusive;
use crate::time::Timestamp;
use crate::weight::Weight;

/// One thing that is waited for: `always-a-reason`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What is waited for.
    pub waiting: Waiting,
    /// Since when.
    pub since: Timestamp,
    /// Until when at the latest, where that is known.
    pub until: Option<Timestamp>,
    /// Who can move it.
    pub who: Who,
}

/// Who can move what is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// It goes on by itself.
    Leadsman,
    /// A person, with one of these commands.
    Person(&'static [&'static str]),
    /// Both: it goes on by itself, and a person can make it sooner.
    Either(&'static [&'static str]),
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Services that come first.
    Dependencies {
        /// Who waits.
        service: ServiceName,
        /// For whom.
        on: Vec<ServiceName>,
    },
    /// Instances of the new revision.
    Ready {
        /// The service.
        service: ServiceName,
        /// How many are ready.
        ready: u16,
        /// How many are needed.
        needed: u16,
        /// What stands between one of them and being ready.
        detail: Option<String>,
    },
    /// Instances of the copy that the new revision is to be compared with.
    Baseline {
        /// The service.
        service: ServiceName,
        /// How many are ready.
        ready: u16,
        /// How many are needed.
        needed: u16,
        /// What stands between one of them and being ready.
        detail: Option<String>,
    },
    /// The data plane's acknowledgement.
    Acknowledgement {
        /// The service.
        service: ServiceName,
        /// The weight that was decided.
        weight: Weight,
        /// Why it does not come.
        problem: Option<String>,
    },
    /// The rest of a soak.
    Soak {
        /// The service.
        service: ServiceName,
        /// The weight that is held.
        weight: Weight,
        /// The step, counted from 1.
        step: usize,
        /// How many steps there are.
        steps: usize,
        /// How much of the soak is left.
        left: Duration,
        /// Why it is compared with stable although its strategy asks for a fresh baseline.
        given_up: Option<String>,
    },
    /// The judge, after the soak is over.
    Verdict {
        /// The service.
        service: ServiceName,
        /// The weight that is held.
        weight: Weight,
        /// What the judge says, with the time and the requests that it still needs.
        sentence: String,
        /// Why it is compared with stable although its strategy asks for a fresh baseline.
        given_up: Option<String>,
        /// What happens once its patience has ended, and in how long; `None` is nothing, or that
        /// it has ended.
        then: Option<(OnInconclusive, Duration)>,
    },
    /// A person who paused it.
    Paused {
        /// Who.
        by: String,
    },
    /// What has to be looked at.
    Checklist {
        /// Which list.
        when: When,
        /// The release that it is about.
        release: ReleaseNumber,
        /// What is open of it, each in words.
        open: Vec<String>,
    },
    /// The end of a maintenance window.
    Maintenance {
        /// Which, in words.
        works: String,
    },
    /// The time for which the previous revision is kept warm.
    Settling {
        /// The release that is promoted.
        release: ReleaseNumber,
        /// How much of it is left.
        left: Duration,
    },
    /// Traffic to be back on the previous revision.
    Return {
        /// The service.
        service: ServiceName,
        /// Why it goes back.
        cause: String,
        /// How many instances of the previous revision are ready.
        ready: u16,
        /// How many it needs.
        needed: u16,
    },
    /// A person, because the way back is blocked.
    Frozen {
        /// What blocks it.
        why: String,
    },
    /// A migration of the schema of the database.
    Migration {
        /// What is run.
        course: Course,
        /// Why it has not begun, if that is known.
        problem: Option<String>,
    },
    /// What serves to show that it works on the new schema.
    OldWatched {
        /// The release that serves.
        release: Option<ReleaseNumber>,
        /// The schema.
        schema: u64,
        /// For how long it is still watched.
        left: Duration,
    },
    /// The data plane, which does not answer.
    DataPlane,
    /// What a release lacks before it enters.
    Entry {
        /// The release.
        release: ReleaseNumber,
        /// What it lacks.
        missing: Vec<Missing>,
    },
}

impl Reason {
    /// Returns the reason as one sentence, without a full stop.
    pub fn sentence(&self) -> String {
        self.waiting.to_string()
    }
}

impl Waiting {
    /// Returns the kind of thing that is waited for, in snake case.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Dependencies { .. } => "dependencies",
            Self::Ready { .. } => "ready",
            Self::Baseline { .. } => "baseline",
            Self::Acknowledgement { .. } => "acknowledgement",
            Self::Soak { .. } => "soak",
            Self::Verdict { .. } => "verdict",
            Self::Paused { .. } => "paused",
            Self::Maintenance { .. } => "maintenance",
            Self::Checklist { .. } => "checklist",
            Self::Settling { .. } => "settling",
            Self::Return { .. } => "return",
            Self::Frozen { .. } => "frozen",
            Self::Migration { .. } => "migration",
            Self::OldWatched { .. } => "old_watched",
            Self::DataPlane => "data_plane",
            Self::Entry { .. } => "entry",
        }
    }

    /// Returns the service that it concerns; `None` for the whole deployment.
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::Dependencies { service, .. }
            | Self::Ready { service, .. }
            | Self::Baseline { service, .. }
            | Self::Acknowledgement { service, .. }
            | Self::Soak { service, .. }
            | Self::Verdict { service, .. }
            | Self::Return { service, .. } => Some(service),
            Self::Paused { .. }
            | Self::Maintenance { .. }
            | Self::Checklist { .. }
            | Self::Settling { .. }
            | Self::Frozen { .. }
            | Self::Migration { .. }
            | Self::OldWatched { .. }
            | Self::DataPlane
            | Self::Entry { .. } => None,
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dependencies { service, on } => {
                let on: Vec<String> = on.iter().map(|name| format!("`{name}`")).collect();
                write!(
                    f,
                    "`{service}` waits for {} to be promoted",
                    on.join(" and ")
                )
            }
            Self::Ready {
                service,
                ready,
                needed,
                detail,
            } => {
                write!(
                    f,
                    "{ready} of {needed} new instances of `{service}` are ready"
                )?;
                detailed(detail.as_deref(), f)
            }
            Self::Baseline {
                service,
                ready,
                needed,
                detail,
            } => {
                write!(
                    f,
                    "{ready} of {needed} instances of the baseline of `{service}` are ready"
                )?;
                detailed(detail.as_deref(), f)
            }
            Self::Acknowledgement {
                service,
                weight,
                problem: None,
            } => {
                write!(
                    f,
                    "the data plane has yet to acknowledge {weight} for `{service}`"
                )
            }
            Self::Acknowledgement {
                service,
                weight: _,
                problem: Some(problem),
            } => {
                write!(f, "requests do not reach `{service}`: {problem}")
            }
            Self::Soak {
                service,
                weight,
                step,
                steps,
                left,
                given_up,
            } => {
                let left = duration(*left);
                write!(
                    f,
                    "step {step} of {steps} of `{service}` holds {weight} for {left} more"
                )?;
                instead(given_up.as_deref(), f)
            }
            Self::Verdict {
                service,
                weight,
                sentence,
                given_up,
                then,
            } => {
                write!(
                    f,
                    "`{service}` stays at {weight} until the judge is sure or somebody says \
                     `leadsman promote`: {sentence}"
                )?;
                instead(given_up.as_deref(), f)?;
                match then {
                    None | Some((OnInconclusive::Hold, _)) => Ok(()),
                    Some((OnInconclusive::Rollback, left)) => {
                        write!(f, "; it goes back in {}", duration(*left))
                    }
                    Some((OnInconclusive::Advance, left)) => write!(
                        f,
                        "; if nothing speaks against it, it goes on in {} without proof",
                        duration(*left)
                    ),
                }
            }
            Self::Paused { by } => write!(f, "paused by {by}"),
            Self::Checklist {
                when,
                release,
                open,
            } => write!(f, "checklist `{when}` of {release}: {}", open.join("; ")),
            Self::Maintenance { works } => write!(f, "it goes no further now: {works}"),
            Self::Settling { release, left } => {
                let left = duration(*left);
                write!(
                    f,
                    "{release} has all traffic; the way back is kept warm for {left} more"
                )
            }
            Self::Return {
                service,
                cause,
                ready,
                needed,
            } if ready < needed => write!(
                f,
                "`{service}` goes back, {ready} of {needed} previous instances are ready ({cause})"
            ),
            Self::Return { service, cause, .. } => {
                write!(
                    f,
                    "`{service}` goes back to the previous revision ({cause})"
                )
            }
            Self::Frozen { why } => write!(f, "frozen, a person must decide: {why}"),
            Self::Migration { course, problem } => {
                write!(f, "{course}, before anything of it runs")?;
                detailed(problem.as_deref(), f)
            }
            Self::OldWatched {
                release,
                schema,
                left,
            } => {
                match release {
                    Some(release) => write!(f, "{release}, which serves,")?,
                    None => write!(f, "what serves")?,
                }
                write!(f, " is watched on schema {schema} ")?;
                if left.is_zero() {
                    write!(f, "until its `smoke` has ended")
                } else {
                    write!(f, "for {} more", duration(*left))
                }
            }
            Self::DataPlane => write!(f, "the data plane does not answer"),
            Self::Entry { release, missing } => {
                write!(f, "{release} waits to enter")?;
                for (index, lack) in missing.iter().enumerate() {
                    write!(f, "{} {lack}", if index == 0 { ":" } else { ";" })?;
                }
                Ok(())
            }
        }
    }
}

/// Writes what more is known of instances that are not ready, if anything is.
fn detailed(detail: Option<&str>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match detail {
        Some(detail) => write!(f, ": {detail}"),
        None => Ok(()),
    }
}

/// Writes why something is compared with stable that was to be compared with a copy of it.
fn instead(given_up: Option<&str>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match given_up {
        Some(why) => write!(f, "; it is compared with stable: its fresh baseline {why}"),
        None => Ok(()),
    }
}

/// Returns a duration as people say it: its two largest units, rounded up to whole seconds, or
/// milliseconds below ten seconds.
pub(crate) fn duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis < 10_000 && !millis.is_multiple_of(1000) {
        return if millis < 1000 {
            format!("{millis} ms")
        } else {
            format!("{}.{} s", millis / 1000, millis % 1000 / 100)
        };
    }
    let seconds = millis.div_ceil(1000);
    match (
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    ) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, 0) => format!("{m} min"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, 0, _) => format!("{h} h"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, 0, _, _) => format!("{d} d"),
        (d, h, _, _) => format!("{d} d {h} h"),
    }
}
