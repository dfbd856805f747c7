//! What the domain says no to. A refusal is a value: nothing went wrong, the wish does not fit.

use std::fmt;

use crate::closing::Closed;
use crate::id::{EnvironmentId, ReleaseNumber, ServiceName};

/// Why a command is not granted. Its text says what stands in the way; [`Refusal::hint`] says what
/// to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no deployment to act on.
    #[error("nothing is on its way into `{0}`")]
    NothingOnItsWay(EnvironmentId),
    /// The release is on its way already.
    #[error("{0} is already on its way")]
    AlreadyOnItsWay(ReleaseNumber),
    /// The release is what runs.
    #[error("{0} already serves, and nothing in it differs")]
    AlreadyServes(ReleaseNumber),
    /// The release failed before.
    #[error("{release} was rejected: {cause}")]
    Rejected {
        /// The release.
        release: ReleaseNumber,
        /// Why it was rejected.
        cause: String,
    },
    /// It is held already.
    #[error("it is already paused, by {by}")]
    AlreadyPaused {
        /// Who paused it.
        by: String,
    },
    /// It is not held.
    #[error("it is not paused")]
    NotPaused,
    /// All traffic is on the new release already.
    #[error("{0} is already promoted")]
    AlreadyPromoted(ReleaseNumber),
    /// It goes back already.
    #[error("{0} is already on its way back")]
    AlreadyReturning(ReleaseNumber),
    /// It is frozen.
    #[error("{release} is frozen: {why}")]
    Frozen {
        /// The release.
        release: ReleaseNumber,
        /// What blocks its way.
        why: String,
    },
    /// No rollout is at a point where a step can be passed.
    #[error("no step can be passed now: {0}")]
    NoStepToPass(String),
    /// There is no failed release to try again.
    #[error("no release of `{0}` failed, so there is none to try again")]
    NothingToRetry(EnvironmentId),
    /// There is no earlier release that stands.
    #[error("`{0}` has no earlier release to go back to")]
    NoPrevious(EnvironmentId),
    /// The release was never in this environment.
    #[error("{release} was never in `{environment}`")]
    UnknownRelease {
        /// The release.
        release: ReleaseNumber,
        /// The environment.
        environment: EnvironmentId,
    },
    /// The release was here, but never took all traffic, or was rejected since.
    #[error("{0} never took all traffic here, or was rejected since")]
    NotARollbackTarget(ReleaseNumber),
    /// There is no such service.
    #[error("there is no service `{0}` here")]
    UnknownService(ServiceName),
    /// The service does not change in this deployment.
    #[error("`{service}` is not part of what is on its way")]
    NotPartOfIt {
        /// The service.
        service: ServiceName,
    },
    /// Without a previous revision there is no way back.
    #[error("{0} is the first release here: there is nothing to go back to")]
    NoWayBack(ReleaseNumber),
    /// No requests come there that could be kept away.
    #[error("no requests are routed to `{0}`")]
    NothingToClose(String),
    /// It is closed already.
    #[error("it is already {how}")]
    AlreadyClosed {
        /// In which way.
        how: Closed,
    },
    /// It is not closed in this way.
    #[error("it is not {how}")]
    NotClosed {
        /// In which way it would have to be.
        how: Closed,
    },
}

impl Refusal {
    /// Returns the code under which `leadsman explain` has a page.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NothingOnItsWay(_) => "R001",
            Self::AlreadyOnItsWay(_) => "R002",
            Self::AlreadyServes(_) => "R003",
            Self::Rejected { .. } => "R004",
            Self::AlreadyPaused { .. } => "R005",
            Self::NotPaused => "R006",
            Self::AlreadyPromoted(_) => "R007",
            Self::AlreadyReturning(_) => "R008",
            Self::Frozen { .. } => "R009",
            Self::NoStepToPass(_) => "R010",
            Self::NothingToRetry(_) => "R011",
            Self::NoPrevious(_) => "R012",
            Self::UnknownRelease { .. } => "R013",
            Self::NotARollbackTarget(_) => "R014",
            Self::UnknownService(_) => "R015",
            Self::NotPartOfIt { .. } => "R016",
            Self::NoWayBack(_) => "R017",
            Self::NothingToClose(_) => "R018",
            Self::AlreadyClosed { .. } => "R019",
            Self::NotClosed { .. } => "R020",
        }
    }

    /// Returns what a person can do about it.
    pub fn hint(&self) -> Hint<'_> {
        Hint(self)
    }

    /// Returns the codes of all refusals.
    pub fn codes() -> impl Iterator<Item = String> {
        (1..=20).map(|number| format!("R{number:03}"))
    }
}

/// What a person can do about a refusal, in one sentence.
#[derive(Clone, Copy, Debug)]
pub struct Hint<'a>(&'a Refusal);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hint = match self.0 {
            Refusal::NothingOnItsWay(_) => "ship a release with `leadsman ship`",
            Refusal::AlreadyOnItsWay(_) => "watch it with `leadsman status --watch`",
            Refusal::AlreadyServes(_) => {
                "change something, or see what runs with `leadsman status`"
            }
            Refusal::Rejected { .. } => {
                "ship a mended release, or bring this one in again with `leadsman retry`"
            }
            Refusal::AlreadyPaused { .. } => "let it go on with `leadsman resume`",
            Refusal::NotPaused => "see what it waits for with `leadsman why`",
            Refusal::AlreadyPromoted(_) => "take it back with `leadsman rollback`",
            Refusal::AlreadyReturning(_) => "watch it with `leadsman status --watch`",
            Refusal::Frozen { .. } => {
                "try the way back again with `leadsman retry`, ship another release, or accept \
                 what serves with `leadsman abort`"
            }
            Refusal::NoStepToPass(_) => "see what it waits for with `leadsman why`",
            Refusal::NothingToRetry(_) => "see what happened with `leadsman history`",
            Refusal::NoPrevious(_) | Refusal::NotARollbackTarget(_) => {
                "see which releases there were with `leadsman history`"
            }
            Refusal::UnknownRelease { .. } => {
                "see which releases there were with `leadsman history`"
            }
            Refusal::UnknownService(_) | Refusal::NotPartOfIt { .. } => {
                "see the services with `leadsman status`"
            }
            Refusal::NoWayBack(_) => "ship a mended release: it takes the place of this one",
            Refusal::NothingToClose(_) => "see what serves with `leadsman status`",
            Refusal::AlreadyClosed { how: Closed::Held } => {
                "let requests in with `leadsman hold off`"
            }
            Refusal::AlreadyClosed {
                how: Closed::Maintenance,
            } => "let requests in with `leadsman maintenance off`",
            Refusal::NotClosed { .. } => "see which services are closed with `leadsman status`",
        };
        f.write_str(hint)
    }
}
