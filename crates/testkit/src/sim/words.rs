//! The lines of a timeline.

use leadsman_core::id::{RevisionId, ServiceName};
use leadsman_core::route::{Routes, Side};
use leadsman_core::{Event, Passed};

/// Returns what happened, in a line.
pub(super) fn told(event: &Event) -> String {
    let kind = event.kind();
    match event {
        Event::DeploymentStarted {
            number,
            release,
            rollouts,
            ..
        } => {
            let services: Vec<&str> = rollouts.keys().map(ServiceName::as_str).collect();
            format!("{kind}: {number}, {release} ({})", services.join(", "))
        }
        Event::DeploymentQueued { release, .. } => format!("{kind}: {release}"),
        Event::WeightShifted {
            service, weight, ..
        } => format!("{kind}: {service} {weight}"),
        Event::VerdictReached { service, verdict } => {
            format!(
                "{kind}: {service} {:?}: {}",
                verdict.outcome, verdict.sentence
            )
        }
        Event::StepPassed {
            service, passed, ..
        }
        | Event::ServicePromoted { service, passed } => {
            let how = match passed {
                Passed::Judged { verdict } => format!("judged: {}", verdict.sentence),
                Passed::Unproven { verdict } => format!("unproven: {}", verdict.sentence),
                Passed::Ready => "ready".to_owned(),
                Passed::ByHand { by } => format!("by {by}"),
            };
            format!("{kind}: {service} {how}")
        }
        Event::RollbackStarted { cause, .. } => format!("{kind}: {cause}"),
        Event::DeploymentFrozen { why } => format!("{kind}: {why}"),
        Event::DeploymentEnded { end } => format!("{kind}: {end:?}"),
        Event::MigrationStarted { .. }
        | Event::MigrationEnded { .. }
        | Event::OldWatched { .. } => format!("{kind}: {event}"),
        Event::BaselineGivenUp { service, why } => format!("{kind}: {service} {why}"),
        Event::SoakStarted { service, step } => format!("{kind}: {service} step {}", step + 1),
        Event::RolloutStarted { service }
        | Event::StepsSkipped { service, .. }
        | Event::ServiceReturned { service } => format!("{kind}: {service}"),
        Event::EntryRequested { .. }
        | Event::EntryApproved { .. }
        | Event::EntryJudged { .. }
        | Event::ApprovalsRevoked { .. }
        | Event::EntryRejected { .. }
        | Event::EntryExpired { .. }
        | Event::EntryOvertaken { .. }
        | Event::EntryAdmitted { .. }
        | Event::ItemAnswered { .. }
        | Event::ItemMissed { .. }
        | Event::FreezeBegun { .. }
        | Event::FreezeExcepted { .. }
        | Event::FreezeEnded { .. } => format!("{kind}: {event}"),
        Event::DeploymentPromoted {}
        | Event::DeploymentPaused { .. }
        | Event::DeploymentResumed { .. }
        | Event::ServicesClosed { .. }
        | Event::ServicesOpened { .. } => kind.to_owned(),
    }
}

pub(super) fn in_words(routes: &Routes) -> String {
    let service = |(name, sides): (&ServiceName, &Vec<Side>)| {
        let sides = sides.iter().map(|side| {
            let RevisionId {
                release,
                deployment,
                ..
            } = &side.revision;
            format!(
                "r{}.d{} {} on {}",
                release.0,
                deployment.0,
                side.weight,
                side.instances.len()
            )
        });
        let rule = routes.rules.iter().find(|rule| rule.service == *name);
        let path = rule.filter(|rule| rule.path != "/");
        let path = path.map_or_else(String::new, |rule| format!(" at {}", rule.path));
        format!("{name} [{}]{path}", sides.collect::<Vec<_>>().join(", "))
    };
    routes
        .services
        .iter()
        .map(service)
        .collect::<Vec<_>>()
        .join(", ")
}
