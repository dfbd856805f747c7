//! What the domain says no to. A refusal is a value: nothing went wrong, the wish does not fit.

use std::fmt;

use crate::checklist::When;
use crate::closing::Closed;
use crate::id::{Digest, EnvironmentId, ItemName, ReleaseNumber, ServiceName};
use crate::migration::SchemaRange;
use crate::people::Role;

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
    /// The release waits already.
    #[error("{0} already waits to enter")]
    AlreadyRequested(ReleaseNumber),
    /// The release does not wait.
    #[error("{release} does not wait to enter `{environment}`")]
    NotRequested {
        /// The release.
        release: ReleaseNumber,
        /// The environment.
        environment: EnvironmentId,
    },
    /// What it was built from may not enter.
    #[error(
        "{release} was built from {}, and only {wanted} may enter",
        from.as_deref().unwrap_or("no branch or tag that is known")
    )]
    NotFromHere {
        /// The release.
        release: ReleaseNumber,
        /// What it was built from.
        from: Option<String>,
        /// What may enter.
        wanted: String,
    },
    /// Nothing may overtake.
    #[error("`{0}` has no expedited way")]
    NoExpeditedWay(EnvironmentId),
    /// Too much waits.
    #[error("{0} releases wait already")]
    TooManyRequests(usize),
    /// What was looked at is not what waits.
    #[error("{release} as it waits is {waits}, and {seen} was looked at")]
    OtherDigest {
        /// The release.
        release: ReleaseNumber,
        /// What was looked at.
        seen: Digest,
        /// What waits.
        waits: Digest,
    },
    /// Nobody need consent to it.
    #[error("{0} needs no approval")]
    NoApprovalNeeded(ReleaseNumber),
    /// Its author may not consent to it.
    #[error("{0} has to be approved by somebody else than who wrote or shipped it")]
    OwnRelease(ReleaseNumber),
    /// A freeze has no time between its ends.
    #[error("the freeze ends before it begins")]
    EndsBeforeItBegins,
    /// A maintenance window that nobody ends would hold for ever.
    #[error("a maintenance window needs an end")]
    NoEnd,
    /// It is held by a maintenance window.
    #[error("{release} goes no further now: {works}")]
    InMaintenance {
        /// The release.
        release: ReleaseNumber,
        /// The maintenance window, in words.
        works: String,
    },
    /// No list that is open has such an item.
    #[error("nothing has to be confirmed that is called `{item}`{}", items(known))]
    NoSuchItem {
        /// The item.
        item: ItemName,
        /// The items that there are.
        known: Vec<ItemName>,
    },
    /// Several lists have such an item.
    #[error("`{item}` is asked {}", lists(of))]
    WhichItem {
        /// The item.
        item: ItemName,
        /// The lists that have it.
        of: Vec<(ReleaseNumber, When)>,
    },
    /// Somebody else has to confirm it.
    #[error("`{item}` is confirmed by somebody who is {role} here")]
    OthersConfirm {
        /// The item.
        item: ItemName,
        /// The role that it needs.
        role: Role,
    },
    /// Nobody confirms it.
    #[error("`{0}` is found out by the machine")]
    CheckedByMachine(ItemName),
    /// There is no such freeze.
    #[error("`{environment}` has {}", freezes(known))]
    NoSuchFreeze {
        /// The environment.
        environment: EnvironmentId,
        /// The freezes that there are.
        known: Vec<u64>,
    },
    /// The release may enter already.
    #[error("freeze {number} lets {release} in already")]
    AlreadyExcepted {
        /// The release.
        release: ReleaseNumber,
        /// The freeze.
        number: u64,
    },
    /// Its migration would take away from what serves what that needs.
    #[error(
        "{release} brings the schema to {to}, and {serving}, which serves until it has taken over, \
         works with {works_with}"
    )]
    BreaksWhatServes {
        /// The release.
        release: ReleaseNumber,
        /// What its migration brings the schema to.
        to: u64,
        /// The release that serves.
        serving: ReleaseNumber,
        /// The schemas that that works with.
        works_with: SchemaRange,
    },
    /// The release does not work with the schema that there is.
    #[error("the schema is at {schema}, and {release} works with {works_with}")]
    OtherSchema {
        /// The release.
        release: ReleaseNumber,
        /// What the schema is, in words.
        schema: String,
        /// The schemas that the release works with.
        works_with: SchemaRange,
        /// The release that can bring the schema back, if one can.
        back: Option<ReleaseNumber>,
    },
    /// The release that brought the schema here does not say how it is brought back.
    #[error("{0}, which brought the schema here, has no `back` in its `migration`")]
    NoMigrationBack(ReleaseNumber),
    /// The schema is where the release needs it.
    #[error("for {0} there is nothing to bring back in the schema")]
    NothingToMigrateBack(ReleaseNumber),
    /// What was looked at is not how things stand.
    #[error(
        "things have changed since they were looked at: version {seen} was seen, and this is version {now}"
    )]
    SeenBefore {
        /// The version that was looked at.
        seen: u64,
        /// The one since which nothing has changed.
        now: u64,
    },
}

fn items(known: &[ItemName]) -> String {
    let known: Vec<String> = known.iter().map(|item| format!("`{item}`")).collect();
    match known.as_slice() {
        [] => String::new(),
        known => format!(", but {}", known.join(", ")),
    }
}

fn lists(of: &[(ReleaseNumber, When)]) -> String {
    let of = of
        .iter()
        .map(|(release, when)| format!("in `{when}` of {release}"));
    of.collect::<Vec<_>>().join(" and ")
}

fn freezes(known: &[u64]) -> String {
    let known: Vec<String> = known
        .iter()
        .map(|number| format!("freeze {number}"))
        .collect();
    match known.split_last() {
        None => "no freeze".to_owned(),
        Some((only, [])) => format!("{only} alone"),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
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
            Self::AlreadyRequested(_) => "R021",
            Self::NotRequested { .. } => "R022",
            Self::NotFromHere { .. } => "R023",
            Self::NoExpeditedWay(_) => "R024",
            Self::TooManyRequests(_) => "R025",
            Self::OtherDigest { .. } => "R026",
            Self::NoApprovalNeeded(_) => "R027",
            Self::OwnRelease(_) => "R028",
            Self::EndsBeforeItBegins => "R029",
            Self::NoSuchFreeze { .. } => "R030",
            Self::AlreadyExcepted { .. } => "R031",
            Self::NoEnd => "R032",
            Self::InMaintenance { .. } => "R033",
            Self::NoSuchItem { .. } => "R034",
            Self::WhichItem { .. } => "R035",
            Self::OthersConfirm { .. } => "R036",
            Self::CheckedByMachine(_) => "R037",
            Self::BreaksWhatServes { .. } => "R040",
            Self::OtherSchema { .. } => "R041",
            Self::NoMigrationBack(_) => "R042",
            Self::NothingToMigrateBack(_) => "R043",
            Self::SeenBefore { .. } => "R044",
        }
    }

    /// Returns what a person can do about it.
    pub fn hint(&self) -> Hint<'_> {
        Hint(self)
    }

    /// Returns the codes of all refusals.
    pub fn codes() -> impl Iterator<Item = String> {
        (1..=37)
            .chain(40..=43)
            .map(|number| format!("R{number:03}"))
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
            Refusal::AlreadyRequested(_) | Refusal::NotRequested { .. } => {
                "see what waits, and for what, with `leadsman requests`"
            }
            Refusal::NotFromHere { .. } => {
                "build it from there with `leadsman run`, or change `branches` and `tags` of the \
                 environment's `entry`"
            }
            Refusal::NoExpeditedWay(_) => {
                "ship it without `--expedite`, or give the environment's `entry` an `expedited` way"
            }
            Refusal::TooManyRequests(_) => "reject what will not enter with `leadsman reject`",
            Refusal::OtherDigest { .. } => "look at what waits with `leadsman requests`",
            Refusal::NoApprovalNeeded(_) => "see what it waits for with `leadsman requests`",
            Refusal::OwnRelease(_) => "ask somebody else to approve it",
            Refusal::NoEnd => "say when it ends, with `--until` or `--for`",
            Refusal::InMaintenance { .. } => {
                "wait until it has ended, end it with `leadsman thaw`, or let this release go on \
                 with `leadsman freeze --except`"
            }
            Refusal::NoSuchItem { .. } | Refusal::CheckedByMachine(_) => {
                "see what is asked, and how it stands, with `leadsman checklist`"
            }
            Refusal::WhichItem { .. } => "say which one, with `--release` or `--list`",
            Refusal::OthersConfirm { .. } => "ask somebody who is to confirm it",
            Refusal::EndsBeforeItBegins => "give it an end after its beginning, or none",
            Refusal::NoSuchFreeze { .. } => "see the freezes with `leadsman requests`",
            Refusal::AlreadyExcepted { .. } => {
                "see what else it waits for with `leadsman requests`"
            }
            Refusal::BreaksWhatServes { .. } => {
                "go in two releases: one that works with both schemas, then one that takes away \
                 what only the earlier needs; or ship it with `--one-way WHY`, without a way back"
            }
            Refusal::OtherSchema { back: Some(_), .. } => {
                "bring the schema back with it by `leadsman rollback --migrate-back`, or ship a \
                 mended release that works with this schema"
            }
            Refusal::OtherSchema { back: None, .. } | Refusal::NoMigrationBack(_) => {
                "ship a mended release that works with this schema, or restore a backup from before \
                 the migration: nothing else leads back"
            }
            Refusal::NothingToMigrateBack(_) => "leave out `--migrate-back`",
            Refusal::SeenBefore { .. } => "look at it again, then decide",
        };
        f.write_str(hint)
    }
}
