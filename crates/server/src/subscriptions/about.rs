//! What an event is about, beside where it happened.

use leadsman_core::id::{ReleaseNumber, ServiceName};
use leadsman_core::pipeline::JobName;
use leadsman_core::run::RunEvent;
use leadsman_core::{ApplicationEvent, Event};

/// Returns the release that an event of an environment names, and the service.
pub(crate) fn environment(event: &Event) -> (Option<ReleaseNumber>, Option<&ServiceName>) {
    match event {
        Event::DeploymentQueued { release, .. }
        | Event::DeploymentStarted { release, .. }
        | Event::EntryRequested { release, .. }
        | Event::EntryApproved { release, .. }
        | Event::EntryJudged { release, .. }
        | Event::ApprovalsRevoked { release, .. }
        | Event::EntryRejected { release, .. }
        | Event::EntryExpired { release }
        | Event::EntryOvertaken { release, .. }
        | Event::EntryAdmitted { release, .. }
        | Event::ItemAnswered { release, .. }
        | Event::ItemMissed { release, .. }
        | Event::FreezeExcepted { release, .. } => (Some(*release), None),
        Event::RolloutStarted { service }
        | Event::BaselineGivenUp { service, .. }
        | Event::WeightShifted { service, .. }
        | Event::SoakStarted { service, .. }
        | Event::VerdictReached { service, .. }
        | Event::StepPassed { service, .. }
        | Event::StepsSkipped { service, .. }
        | Event::ServicePromoted { service, .. }
        | Event::ServiceReturned { service } => (None, Some(service)),
        Event::MigrationStarted { .. }
        | Event::MigrationEnded { .. }
        | Event::OldWatched { .. }
        | Event::DeploymentPromoted {}
        | Event::DeploymentPaused { .. }
        | Event::DeploymentResumed { .. }
        | Event::RollbackStarted { .. }
        | Event::DeploymentFrozen { .. }
        | Event::DeploymentEnded { .. }
        | Event::ServicesClosed { .. }
        | Event::ServicesOpened { .. }
        | Event::FreezeBegun { .. }
        | Event::FreezeEnded { .. } => (None, None),
    }
}

/// Whether an event of an environment is of the deployment that is on its way, and so about its
/// release, although it names none.
pub(crate) fn is_of_deployment(event: &Event) -> bool {
    match event {
        Event::RolloutStarted { .. }
        | Event::BaselineGivenUp { .. }
        | Event::WeightShifted { .. }
        | Event::SoakStarted { .. }
        | Event::VerdictReached { .. }
        | Event::StepPassed { .. }
        | Event::StepsSkipped { .. }
        | Event::ServicePromoted { .. }
        | Event::ServiceReturned { .. }
        | Event::MigrationStarted { .. }
        | Event::MigrationEnded { .. }
        | Event::OldWatched { .. }
        | Event::DeploymentPromoted {}
        | Event::DeploymentPaused { .. }
        | Event::DeploymentResumed { .. }
        | Event::RollbackStarted { .. }
        | Event::DeploymentFrozen { .. }
        | Event::DeploymentEnded { .. } => true,
        Event::DeploymentQueued { .. }
        | Event::DeploymentStarted { .. }
        | Event::EntryRequested { .. }
        | Event::EntryApproved { .. }
        | Event::EntryJudged { .. }
        | Event::ApprovalsRevoked { .. }
        | Event::EntryRejected { .. }
        | Event::EntryExpired { .. }
        | Event::EntryOvertaken { .. }
        | Event::EntryAdmitted { .. }
        | Event::ItemAnswered { .. }
        | Event::ItemMissed { .. }
        | Event::ServicesClosed { .. }
        | Event::ServicesOpened { .. }
        | Event::FreezeBegun { .. }
        | Event::FreezeExcepted { .. }
        | Event::FreezeEnded { .. } => false,
    }
}

/// Returns the release that an event of an application is about.
pub(crate) fn application(event: &ApplicationEvent) -> ReleaseNumber {
    match event {
        ApplicationEvent::ReleaseCreated { number, .. } => *number,
        ApplicationEvent::ReportReceived { release, .. } => *release,
    }
}

/// Returns the release that an event of a run is about, and the job.
pub(crate) fn run(event: &RunEvent) -> (Option<ReleaseNumber>, Option<&JobName>) {
    match event {
        RunEvent::JobReused { job, .. }
        | RunEvent::JobStarted { job, .. }
        | RunEvent::JobEnded { job, .. }
        | RunEvent::JobSkipped { job, .. } => (None, Some(job)),
        RunEvent::BudgetExceeded { job, .. } => (None, job.as_ref()),
        RunEvent::RunReleased { release } => (Some(*release), None),
        RunEvent::RunStarted { .. }
        | RunEvent::RunCancelled { .. }
        | RunEvent::RunEnded { .. }
        | RunEvent::RunNotReleased { .. }
        | RunEvent::RunResumed { .. } => (None, None),
    }
}
