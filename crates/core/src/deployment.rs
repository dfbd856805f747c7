//! A release on its way into an environment.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use leadsman_analysis::Verdict;
use serde::{Deserialize, Serialize};

use crate::checklist::{Answer, Asks};
use crate::id::{DeploymentNumber, ItemName, ReleaseNumber, RevisionId, ServiceName};
use crate::migration::Migrating;
use crate::release::ReleaseContent;
use crate::spec::{ReleasedService, Step, Strategy};
use crate::time::Timestamp;
use crate::weight::Weight;

/// A service of one release, as one deployment brought it in, with what it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// Its name.
    pub id: RevisionId,
    /// What it is.
    pub service: Arc<ReleasedService>,
}

/// A release on its way into an environment, not finished yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// Its number in the environment.
    pub number: DeploymentNumber,
    /// What it brings.
    pub release: ReleaseNumber,
    /// What that release is.
    pub content: Arc<ReleaseContent>,
    /// The release that served when it began; `None` for the first one.
    pub from: Option<ReleaseNumber>,
    /// What asked for it.
    pub origin: Origin,
    /// Who asked for it.
    pub by: String,
    /// When it started.
    pub started_at: Timestamp,
    /// The services that change, each on its own way.
    pub rollouts: BTreeMap<ServiceName, Rollout>,
    /// Where it is as a whole.
    pub phase: Phase,
    /// Held by a person.
    pub paused: Option<Pause>,
    /// What was answered of the checklist for what is on its way.
    pub answers: Vec<Answer>,
    /// Why it goes back, wholly or in part.
    pub cause: Option<Cause>,
    /// Why it comes in although its migration leaves no way back.
    pub one_way: Option<String>,
    /// Its migration, once it has begun.
    pub migration: Option<Migrating>,
}

/// What asked for a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A release was shipped.
    Ship,
    /// A release that had failed was explicitly tried again.
    Retry,
    /// A person went back to an earlier release after the later one had settled.
    Rollback {
        /// The release that is left.
        from: ReleaseNumber,
        /// Whether the schema of the database is brought back first.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        migrate_back: bool,
    },
}

/// Where a deployment is as a whole.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// Its rollouts move, forward or back.
    Moving,
    /// All traffic is on the release; the previous one is kept warm and the new one still judged.
    Settling {
        /// Since when.
        since: Timestamp,
    },
    /// The way back is blocked too. What still serves is left serving, and a person must decide.
    Frozen {
        /// Since when.
        since: Timestamp,
        /// What blocks the way.
        why: String,
    },
}

/// A deployment that is held, by a person or by a maintenance window.
#[derive(Clone, Debug, PartialEq)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// The maintenance window, in words, if it is one.
    pub works: Option<String>,
    /// By whom.
    pub by: String,
}

/// The traffic part of a deployment, for one service.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    /// The revision that comes in.
    pub to: Revision,
    /// The revision that serves and would serve again on the way back; `None` for a service that
    /// is new.
    pub from: Option<Revision>,
    /// What the new revision is compared with.
    pub baseline: Baseline,
    /// The way it takes.
    pub strategy: Strategy,
    /// Where it is.
    pub stage: Stage,
    /// The last recorded verdict on the present step.
    pub verdict: Option<Verdict>,
    /// For how long the present step was paused while it soaked. The patience with it is that much
    /// longer: it is not its fault that somebody took time to think.
    pub paused: Duration,
}

/// What the new revision of a rollout is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Baseline {
    /// The revision that serves.
    Stable,
    /// A copy of it that came with the new revision. It never becomes stable: traffic goes on to
    /// the new revision or back to the old one, and the copy is gone.
    Fresh(Revision),
    /// The revision that serves, because the copy could not be had.
    GivenUp {
        /// Why not.
        why: String,
    },
}

/// Where a rollout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits for the services that must be promoted before it.
    Waiting {
        /// Since when.
        since: Timestamp,
    },
    /// Instances are brought up to what step `step` (counted from 0) needs.
    Preparing {
        /// The step that is prepared; the weight is still that of the one before.
        step: usize,
        /// Since when.
        since: Timestamp,
    },
    /// The weight of the step is decided; the data plane has not acknowledged it.
    Shifting {
        /// The step.
        step: usize,
        /// Since when.
        since: Timestamp,
    },
    /// The weight is in force, is held and judged.
    Soaking {
        /// The step.
        step: usize,
        /// Since when.
        since: Timestamp,
    },
    /// The new revision has all traffic.
    Promoted {
        /// Since when.
        at: Timestamp,
    },
    /// Traffic goes back to the previous revision.
    Returning {
        /// Since when.
        since: Timestamp,
        /// The weight that the new revision had when it began.
        weight: Weight,
    },
    /// The previous revision has all traffic again.
    Returned,
}

/// Why a deployment goes back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A limit was exceeded.
    Failed {
        /// The service.
        service: ServiceName,
        /// The share of traffic it had by then.
        weight: Weight,
        /// The verdict.
        verdict: Verdict,
    },
    /// Its instances did not become ready in time, or could not be started.
    NotReady {
        /// The service.
        service: ServiceName,
        /// What was seen, in words.
        detail: String,
    },
    /// A step stayed inconclusive for longer than its patience.
    Inconclusive {
        /// The service.
        service: ServiceName,
        /// The verdict.
        verdict: Verdict,
    },
    /// Something was not done in time that it was to be checked for afterwards.
    Unchecked {
        /// The item of the checklist.
        item: ItemName,
        /// What it asks.
        asked: Asks,
    },
    /// Its migration failed, or could not be run.
    NotMigrated {
        /// What came of it, in words.
        detail: String,
    },
    /// What served did not keep working on the new schema.
    OldUnwell {
        /// What was seen, in words.
        detail: String,
    },
    /// A person aborted it on its way.
    Aborted {
        /// Who.
        by: String,
    },
    /// A person rolled it back.
    RolledBack {
        /// Who.
        by: String,
    },
    /// A newer release takes its place.
    Superseded {
        /// The newer release.
        by: ReleaseNumber,
    },
}

/// How a deployment ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The release has all traffic and the previous one is gone.
    Settled,
    /// The previous release has all traffic again.
    RolledBack,
    /// A newer release took its place.
    Superseded {
        /// The newer release.
        by: ReleaseNumber,
    },
    /// A person gave up on a frozen deployment: what serves is left as it is.
    Abandoned,
}

/// What came of a deployment that is finished, for who counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// All of the release got all traffic, and the previous one is gone.
    Settled,
    /// All of it or a part went back by itself.
    Failed,
    /// A person took it back.
    RolledBack,
    /// A person aborted it on its way.
    Aborted,
    /// A newer release took its place.
    Superseded,
    /// A person gave up on it while it was frozen.
    Abandoned,
}

impl Outcome {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Settled,
        Self::Failed,
        Self::RolledBack,
        Self::Aborted,
        Self::Superseded,
        Self::Abandoned,
    ];

    /// Returns what came of a deployment that ended so, and went back for this cause if it did.
    pub(crate) fn of(end: &End, cause: Option<&Cause>) -> Self {
        match (end, cause) {
            (End::Abandoned, _) => Self::Abandoned,
            (End::Superseded { .. }, _) => Self::Superseded,
            (End::Settled, None) => Self::Settled,
            (End::RolledBack, None) => Self::RolledBack,
            (End::Settled | End::RolledBack, Some(cause)) => match cause {
                Cause::Failed { .. }
                | Cause::NotReady { .. }
                | Cause::Inconclusive { .. }
                | Cause::Unchecked { .. }
                | Cause::NotMigrated { .. }
                | Cause::OldUnwell { .. } => Self::Failed,
                Cause::Aborted { .. } => Self::Aborted,
                Cause::RolledBack { .. } => Self::RolledBack,
                Cause::Superseded { .. } => Self::Superseded,
            },
        }
    }

    /// Returns it as a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
            Self::Aborted => "aborted",
            Self::Superseded => "superseded",
            Self::Abandoned => "abandoned",
        }
    }
}

impl Cause {
    /// Whether the release is to blame, so that it must not come back by itself.
    pub fn rejects(&self) -> bool {
        match self {
            Self::Failed { .. }
            | Self::NotReady { .. }
            | Self::Inconclusive { .. }
            | Self::Unchecked { .. }
            | Self::NotMigrated { .. }
            | Self::OldUnwell { .. }
            | Self::RolledBack { .. } => true,
            Self::Aborted { .. } | Self::Superseded { .. } => false,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed {
                service,
                weight,
                verdict,
            } => {
                write!(f, "`{service}` at {weight}: {}", verdict.sentence)
            }
            Self::NotReady { service, detail } => {
                write!(f, "`{service}` did not become ready: {detail}")
            }
            Self::Inconclusive { service, verdict } => {
                write!(f, "`{service}` stayed inconclusive: {}", verdict.sentence)
            }
            Self::Unchecked { item, asked } => {
                write!(f, "`{item}` of the checklist was not done in time: {asked}")
            }
            Self::NotMigrated { detail } => write!(f, "the schema was not migrated: {detail}"),
            Self::OldUnwell { detail } => {
                write!(f, "what serves does not work on the new schema: {detail}")
            }
            Self::Aborted { by } => write!(f, "aborted by {by}"),
            Self::RolledBack { by } => write!(f, "rolled back by {by}"),
            Self::Superseded { by } => write!(f, "superseded by {by}"),
        }
    }
}

impl Deployment {
    /// Whether anything of it is going back.
    pub fn is_returning(&self) -> bool {
        self.rollouts
            .values()
            .any(|rollout| matches!(rollout.stage, Stage::Returning { .. }))
    }

    /// Whether it is on its way to more traffic, and no way back.
    pub fn goes_forward(&self) -> bool {
        let is_back = matches!(self.origin, Origin::Rollback { .. });
        self.phase == Phase::Moving && self.cause.is_none() && !is_back
    }

    /// Whether anything of it still comes in, or came: a part of it may go back alone.
    pub fn brings_something(&self) -> bool {
        let back = |stage| matches!(stage, Stage::Returning { .. } | Stage::Returned);
        match self.rollouts.is_empty() {
            true => self.cause.is_none(),
            false => self.rollouts.values().any(|rollout| !back(rollout.stage)),
        }
    }

    /// Whether the release's routes are in force: from promotion on, unless it goes back as a
    /// whole.
    pub fn routes_are_in_force(&self) -> bool {
        let unchanged = self.rollouts.is_empty() && self.cause.is_none();
        matches!(self.phase, Phase::Settling { .. })
            && (unchanged
                || self
                    .rollouts
                    .values()
                    .any(|r| matches!(r.stage, Stage::Promoted { .. })))
    }
}

impl Rollout {
    /// Returns the moment at which the patience with `step` ends, which has soaked since `since`;
    /// `None` if it does not soak.
    pub fn patient_until(&self, step: usize, since: Timestamp) -> Option<Timestamp> {
        let soak = self.step(step).soak?;
        Some(since + soak + self.strategy.patience + self.paused)
    }

    /// Returns the new revision's share of requests that is decided at present.
    pub fn weight(&self) -> Weight {
        match self.stage {
            Stage::Waiting { .. } | Stage::Returned => Weight::NONE,
            Stage::Preparing { step, .. } => self.weight_before(step),
            Stage::Shifting { step, .. } | Stage::Soaking { step, .. } => self.step(step).weight,
            Stage::Promoted { .. } => Weight::ALL,
            Stage::Returning { weight, .. } => weight,
        }
    }

    /// Returns the fresh copy of the previous revision that the new one is compared with, where
    /// there is one.
    pub fn copy(&self) -> Option<&Revision> {
        match &self.baseline {
            Baseline::Fresh(copy) => Some(copy),
            Baseline::Stable | Baseline::GivenUp { .. } => None,
        }
    }

    /// Returns the share of requests that the copy has beside a new revision with `weight`: the
    /// same, or what is left.
    pub fn copy_weight(&self, weight: Weight) -> Weight {
        match self.baseline {
            Baseline::Fresh(_) => weight.beside(),
            Baseline::Stable | Baseline::GivenUp { .. } => Weight::NONE,
        }
    }

    /// Returns the step with index `index`; beyond the last one, the last one.
    pub fn step(&self, index: usize) -> Step {
        let steps = &self.strategy.steps;
        let all = Step {
            weight: Weight::ALL,
            soak: None,
        };
        steps.get(index).or(steps.last()).copied().unwrap_or(all)
    }

    /// Returns the weight in force before step `index` begins.
    pub fn weight_before(&self, index: usize) -> Weight {
        index
            .checked_sub(1)
            .map_or(Weight::NONE, |before| self.step(before).weight)
    }

    /// Whether step `index` is the last one.
    pub fn is_last(&self, index: usize) -> bool {
        index + 1 >= self.strategy.steps.len()
    }

    /// Returns the index of the step that it is at, where it is at one.
    pub fn step_index(&self) -> Option<usize> {
        match self.stage {
            Stage::Preparing { step, .. }
            | Stage::Shifting { step, .. }
            | Stage::Soaking { step, .. } => Some(step),
            Stage::Waiting { .. }
            | Stage::Promoted { .. }
            | Stage::Returning { .. }
            | Stage::Returned => None,
        }
    }

    /// Whether it neither moves nor will: promoted or returned.
    pub fn is_at_rest(&self) -> bool {
        matches!(self.stage, Stage::Promoted { .. } | Stage::Returned)
    }

    /// Returns the revision that serves if the deployment ends now.
    pub fn survivor(&self) -> Option<&Revision> {
        match self.stage {
            Stage::Promoted { .. } => Some(&self.to),
            // Without a previous revision, what has traffic is all there is.
            Stage::Shifting { .. } | Stage::Soaking { .. } if self.from.is_none() => Some(&self.to),
            Stage::Waiting { .. }
            | Stage::Preparing { .. }
            | Stage::Shifting { .. }
            | Stage::Soaking { .. }
            | Stage::Returning { .. }
            | Stage::Returned => self.from.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_a_deployment_is_told_by_its_end_and_its_cause() {
        let ann = || "ann".to_owned();
        let detail = || "exit status 1".to_owned();
        let newer = ReleaseNumber(3);
        let not_migrated = Cause::NotMigrated { detail: detail() };
        for (end, cause, outcome) in [
            (End::Settled, None, "settled"),
            // A part of it went back, and the rest stayed.
            (End::Settled, Some(not_migrated.clone()), "failed"),
            (End::RolledBack, Some(not_migrated.clone()), "failed"),
            (
                End::RolledBack,
                Some(Cause::OldUnwell { detail: detail() }),
                "failed",
            ),
            (
                End::RolledBack,
                Some(Cause::Aborted { by: ann() }),
                "aborted",
            ),
            (
                End::RolledBack,
                Some(Cause::RolledBack { by: ann() }),
                "rolled_back",
            ),
            (
                End::RolledBack,
                Some(Cause::Superseded { by: newer }),
                "superseded",
            ),
            (
                End::Superseded { by: newer },
                Some(not_migrated.clone()),
                "superseded",
            ),
            (End::Abandoned, Some(not_migrated), "abandoned"),
        ] {
            let told = Outcome::of(&end, cause.as_ref()).as_str();
            assert_eq!(told, outcome, "{end:?} {cause:?}");
        }
    }
}
