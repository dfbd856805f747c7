//! Recorded facts as a person would say them.

use std::collections::BTreeSet;
use std::fmt;

use leadsman_gates::{GateResult, Outcome};

use crate::checklist::Asks;
use crate::deployment::{End, Origin};
use crate::event::{ApplicationEvent, Event, Passed};
use crate::id::ServiceName;
use crate::reason::duration;

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeploymentQueued { release, .. } => {
                write!(
                    f,
                    "{release} comes next, once the one on its way has gone back"
                )
            }
            Self::DeploymentStarted {
                number,
                release,
                origin,
                rollouts,
                one_way,
                ..
            } => {
                let services: Vec<String> = rollouts
                    .keys()
                    .map(|service| format!("`{service}`"))
                    .collect();
                match origin {
                    Origin::Ship => write!(f, "{release} is on its way")?,
                    Origin::Retry => write!(f, "{release} is tried again")?,
                    Origin::Rollback { from, .. } => write!(f, "back from {from} to {release}")?,
                }
                match services.as_slice() {
                    [] => write!(f, " as {number}: no service has to restart")?,
                    services => write!(f, " as {number}: {}", services.join(", "))?,
                }
                goes_one_way(f, one_way.as_deref())
            }
            Self::MigrationStarted { course } => write!(f, "{course}"),
            Self::MigrationEnded {
                failure: None,
                took,
                ..
            } => write!(f, "the schema was migrated in {}", duration(*took)),
            Self::MigrationEnded {
                failure: Some(failure),
                took,
                ..
            } => write!(
                f,
                "the migration failed after {}: {failure}",
                duration(*took)
            ),
            Self::OldWatched { release, schema } => {
                match release {
                    Some(release) => write!(f, "{release}, which serves,")?,
                    None => write!(f, "what serves")?,
                }
                write!(f, " works on schema {schema}")
            }
            Self::RolloutStarted { service } => {
                write!(f, "`{service}` starts its new instances")
            }
            Self::BaselineGivenUp { service, why } => {
                write!(
                    f,
                    "`{service}` is compared with stable from here on: its fresh baseline {why}"
                )
            }
            Self::WeightShifted {
                service, weight, ..
            } => {
                write!(
                    f,
                    "`{service}` gets {weight} of its requests on the new revision"
                )
            }
            Self::SoakStarted { service, step } => {
                write!(
                    f,
                    "`{service}` soaks: step {} is in force and judged",
                    step + 1
                )
            }
            Self::VerdictReached { service, verdict } => {
                write!(f, "`{service}`: {}", verdict.sentence)
            }
            Self::StepPassed {
                service,
                step,
                passed,
            } => {
                write!(f, "`{service}` passed step {}{passed}", step + 1)
            }
            Self::StepsSkipped { service, by } => {
                write!(
                    f,
                    "`{service}` goes straight to its last step: {by} said so"
                )
            }
            Self::ServicePromoted { service, passed } => {
                write!(f, "`{service}` is promoted{passed}")
            }
            Self::DeploymentPromoted {} => f.write_str("all traffic is on the new release"),
            Self::DeploymentPaused { works: None, by } => write!(f, "paused by {by}"),
            Self::DeploymentPaused {
                works: Some(works), ..
            } => write!(f, "held: {works}"),
            Self::DeploymentResumed { by } => write!(f, "resumed by {by}"),
            Self::RollbackStarted { cause, .. } => write!(f, "goes back: {cause}"),
            Self::ServiceReturned { service } => {
                write!(f, "`{service}` has no request on the new revision any more")
            }
            Self::DeploymentFrozen { why } => {
                write!(f, "frozen, because the way back is blocked: {why}")
            }
            Self::DeploymentEnded { end } => f.write_str(&end.to_string()),
            Self::ServicesClosed { services, how, by } => {
                let (names, are) = subject(services);
                write!(f, "{names} {are} {how} by {by}")
            }
            Self::ServicesOpened { services, by } => {
                let (names, are) = subject(services);
                write!(f, "{names} {are} opened by {by}")
            }
            Self::EntryRequested {
                release,
                expedited,
                one_way,
                ..
            } => {
                write!(f, "{release} waits to enter")?;
                goes_one_way(f, one_way.as_deref())?;
                expedites(f, expedited.as_deref())
            }
            Self::EntryApproved {
                release, note, by, ..
            } => {
                write!(f, "{release} is approved by {by}")?;
                note.as_ref().map_or(Ok(()), |note| write!(f, ": {note}"))
            }
            Self::EntryJudged { release, gates, .. } => {
                let shut = |gate: &&GateResult| gate.outcome != Outcome::Open;
                let mut shut = gates.iter().filter(shut).map(|gate| gate.sentence.as_str());
                match shut.next() {
                    None => write!(f, "every gate is open to {release}"),
                    Some(first) => {
                        write!(f, "{release} is kept out: {first}")?;
                        shut.try_for_each(|sentence| write!(f, "; {sentence}"))
                    }
                }
            }
            Self::ApprovalsRevoked { release, why } => {
                write!(
                    f,
                    "what was approved of {release} is not so any more: {why}"
                )
            }
            Self::EntryRejected { release, why, by } => {
                write!(f, "{release} is not let in by {by}: {why}")
            }
            Self::EntryExpired { release } => {
                write!(f, "{release} has waited too long and is given up")
            }
            Self::EntryOvertaken { release, by } => {
                write!(f, "{release} is given up: {by} is newer and enters")
            }
            Self::EntryAdmitted {
                release,
                approvals,
                expedited,
                ..
            } => {
                write!(f, "{release} may enter")?;
                if !approvals.is_empty() {
                    let by: Vec<&str> = approvals.iter().map(|it| it.by.as_str()).collect();
                    write!(f, ", approved by {}", by.join(" and "))?;
                }
                expedites(f, expedited.as_deref())
            }
            Self::FreezeBegun {
                number,
                maintenance: false,
                why,
                by,
                ..
            } => write!(f, "freeze {number} is declared by {by}: {why}"),
            Self::FreezeBegun {
                number,
                maintenance: true,
                why,
                by,
                ..
            } => write!(f, "maintenance window {number} is planned by {by}: {why}"),
            Self::ItemAnswered {
                release,
                when,
                item,
                asks: Asks::Confirm { what, .. },
                said,
                by,
                ..
            } => write!(
                f,
                "`{item}` of checklist `{when}` of {release} is confirmed by {by}: {what}; {said}"
            ),
            Self::ItemAnswered {
                release,
                when,
                item,
                asks: Asks::Check(_),
                passed,
                said,
                ..
            } => {
                let holds = if *passed { "holds" } else { "does not hold" };
                write!(
                    f,
                    "`{item}` of checklist `{when}` of {release} {holds}: {said}"
                )
            }
            Self::ItemMissed {
                release,
                when,
                said,
                ..
            } => write!(
                f,
                "checklist `{when}` of {release} was not done in time: {said}"
            ),
            Self::FreezeExcepted {
                number,
                release,
                why,
                by,
            } => {
                write!(
                    f,
                    "{release} is let in by {by} despite freeze {number}: {why}"
                )
            }
            Self::FreezeEnded { number, by } => write!(f, "freeze {number} is ended by {by}"),
        }
    }
}

impl fmt::Display for ApplicationEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReleaseCreated { number, .. } => write!(f, "{number} was recorded"),
            Self::ReportReceived {
                release, source, ..
            } => write!(f, "{} on {release} came in", source.words()),
        }
    }
}

fn expedites(f: &mut fmt::Formatter<'_>, why: Option<&str>) -> fmt::Result {
    why.map_or(Ok(()), |why| write!(f, ", on the expedited way: {why}"))
}

fn goes_one_way(f: &mut fmt::Formatter<'_>, why: Option<&str>) -> fmt::Result {
    why.map_or(Ok(()), |why| write!(f, ", without a way back: {why}"))
}

/// Returns services as the subject of a sentence, with its verb.
fn subject(services: &BTreeSet<ServiceName>) -> (String, &'static str) {
    let names: Vec<String> = services.iter().map(|name| format!("`{name}`")).collect();
    let are = if names.len() == 1 { "is" } else { "are" };
    (names.join(", "), are)
}

impl fmt::Display for Passed {
    /// Writes what let a step pass, to be put behind what passed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Judged { verdict } => write!(f, ": {}", verdict.sentence),
            Self::Unproven { verdict } => write!(f, " without proof: {}", verdict.sentence),
            Self::Ready => Ok(()),
            Self::ByHand { by } => write!(f, ": {by} said so"),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settled => f.write_str("settled: the previous revisions are gone"),
            Self::RolledBack => f.write_str("rolled back: the release has no traffic any more"),
            Self::Superseded { by } => write!(f, "superseded by {by}"),
            Self::Abandoned => f.write_str("given up: what serves is left as it is"),
        }
    }
}
