//! Events as [CDEvents](https://cdevents.dev) 0.4.1 have them, within CloudEvents.
//!
//! Only what CDEvents have a word for is told in them, and nothing is bent to fit one: a service
//! was deployed, upgraded, rolled back or removed where it has all its traffic or none of it, not
//! at a step on the way; a pause, an approval or a freeze is nothing there. What Leadsman itself
//! says of the event goes along as custom data.

use leadsman_core::id::{ApplicationName, EnvironmentId, ServiceName};
use leadsman_core::run::{FailureKind, Outcome, RunEvent, RunId, RunResult, outcome_words};
use leadsman_core::{ApplicationEvent, Deployment, Event, Origin, Revision};
use serde_json::{Map, Value, json};

/// The version of the specification.
const SPECIFICATION: &str = "0.4.1";

/// What an event is among CDEvents.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// Subject, predicate and version.
    kind: &'static str,
    /// What it is about: its type and its name.
    subject: (&'static str, String),
    content: Value,
    /// Which of several that one event is.
    pub(crate) part: Option<String>,
}

/// Returns a CDEvent within a CloudEvent. `own` is what Leadsman says of it.
pub(crate) fn event(change: &Change, id: &str, source: &str, time: &str, own: &Value) -> Value {
    let Change {
        subject, content, ..
    } = change;
    let mut event = json!({
        "context": {
            "version": SPECIFICATION,
            "id": id,
            "source": source,
            "type": change.kind,
            "timestamp": time,
        },
        "subject": { "id": subject.1, "type": subject.0, "content": content },
    });
    if let (true, Some(event)) = (own.is_object(), event.as_object_mut()) {
        event.insert("customData".to_owned(), own.clone());
        event.insert(
            "customDataContentType".to_owned(),
            json!("application/json"),
        );
    }
    json!({
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": change.kind,
        "subject": subject.1,
        "time": time,
        "datacontenttype": "application/json",
        "data": event,
    })
}

/// Returns what tells of nothing: a custom event, since CDEvents have none.
pub(crate) fn trial(name: &str) -> Change {
    Change {
        kind: "dev.cdeventsx.leadsman-subscription.tested.0.1.0",
        subject: ("leadsman-subscription", name.to_owned()),
        content: json!({}),
        part: None,
    }
}

/// Returns what an event of an environment is, which is of `deployment`.
pub(crate) fn environment(
    id: &EnvironmentId,
    event: &Event,
    deployment: Option<&Deployment>,
) -> Vec<Change> {
    let change = match event {
        Event::ServicePromoted { service, .. } => promoted(id, service, deployment),
        Event::ServiceReturned { service } => returned(id, service, deployment),
        Event::DeploymentQueued { .. }
        | Event::DeploymentStarted { .. }
        | Event::MigrationStarted { .. }
        | Event::MigrationEnded { .. }
        | Event::OldWatched { .. }
        | Event::RolloutStarted { .. }
        | Event::BaselineGivenUp { .. }
        | Event::WeightShifted { .. }
        | Event::SoakStarted { .. }
        | Event::VerdictReached { .. }
        | Event::StepPassed { .. }
        | Event::StepsSkipped { .. }
        | Event::DeploymentPromoted {}
        | Event::DeploymentPaused { .. }
        | Event::DeploymentResumed { .. }
        | Event::RollbackStarted { .. }
        | Event::DeploymentFrozen { .. }
        | Event::DeploymentEnded { .. }
        | Event::ServicesClosed { .. }
        | Event::ServicesOpened { .. }
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
        | Event::FreezeBegun { .. }
        | Event::FreezeExcepted { .. }
        | Event::FreezeEnded { .. } => None,
    };
    change.into_iter().collect()
}

/// A service has all its traffic on what came in.
fn promoted(
    id: &EnvironmentId,
    service: &ServiceName,
    deployment: Option<&Deployment>,
) -> Option<Change> {
    let deployment = deployment?;
    let rollout = deployment.rollouts.get(service)?;
    let kind = match (deployment.origin, &rollout.from) {
        (Origin::Rollback { .. }, Some(_)) => "dev.cdevents.service.rolledback.0.2.0",
        (Origin::Ship | Origin::Retry, Some(_)) => "dev.cdevents.service.upgraded.0.2.0",
        (_, None) => "dev.cdevents.service.deployed.0.2.0",
    };
    Some(of_service(id, service, kind, Some(&rollout.to)))
}

/// A service has no traffic on what came in any more.
fn returned(
    id: &EnvironmentId,
    service: &ServiceName,
    deployment: Option<&Deployment>,
) -> Option<Change> {
    let rollout = deployment?.rollouts.get(service)?;
    let kind = match &rollout.from {
        Some(_) => "dev.cdevents.service.rolledback.0.2.0",
        None => "dev.cdevents.service.removed.0.2.0",
    };
    Some(of_service(id, service, kind, rollout.from.as_ref()))
}

fn of_service(
    id: &EnvironmentId,
    service: &ServiceName,
    kind: &'static str,
    serves: Option<&Revision>,
) -> Change {
    let mut content = Map::new();
    content.insert("environment".to_owned(), json!({ "id": id.to_string() }));
    if let Some(revision) = serves {
        let version = match &revision.service.artifact {
            Some(digest) => digest.to_string(),
            // What is run lies on the machine: the release is all that tells it apart.
            None => format!("release-{}", revision.id.release.0),
        };
        let artifact = purl(&id.application, service, &version);
        content.insert("artifactId".to_owned(), json!(artifact));
    }
    Change {
        kind,
        subject: ("service", format!("{id}/{service}")),
        content: Value::Object(content),
        part: None,
    }
}

/// Returns what an event of an application is.
pub(crate) fn application(
    name: &ApplicationName,
    event: &ApplicationEvent,
    actor: &str,
) -> Vec<Change> {
    match event {
        ApplicationEvent::ReleaseCreated { artifacts, .. } => {
            let published = artifacts.iter().map(|(service, digest)| Change {
                kind: "dev.cdevents.artifact.published.0.2.0",
                subject: ("artifact", purl(name, service, digest.as_str())),
                content: json!({ "user": actor }),
                part: Some(service.to_string()),
            });
            published.collect()
        }
        ApplicationEvent::ReportReceived { .. } => Vec::new(),
    }
}

/// Returns what an event of a run is.
pub(crate) fn run(id: &RunId, event: &RunEvent) -> Vec<Change> {
    let pipeline = id.application.as_str();
    let run = format!("{}/runs/{}", id.application, id.number.0);
    let of_run = |kind, content| {
        Some(Change {
            kind,
            subject: ("pipelineRun", run.clone()),
            content,
            part: None,
        })
    };
    let of_job = |kind, job: &str, attempt: u32, ended: Option<(&str, Option<String>)>| {
        let mut content = json!({ "taskName": job, "pipelineRun": { "id": run } });
        add_end(&mut content, ended);
        Some(Change {
            kind,
            subject: ("taskRun", format!("{run}/{job}/{attempt}")),
            content,
            part: None,
        })
    };
    let change = match event {
        RunEvent::RunStarted { .. } | RunEvent::RunResumed { .. } => of_run(
            "dev.cdevents.pipelinerun.started.0.2.0",
            json!({ "pipelineName": pipeline }),
        ),
        RunEvent::RunEnded { result, .. } => {
            let ended = match result {
                RunResult::Passed => ("success", None),
                RunResult::Failed => ("failure", Some("a job did not pass".to_owned())),
                RunResult::Cancelled => ("error", Some("the run was cancelled".to_owned())),
            };
            let mut content = json!({ "pipelineName": pipeline });
            add_end(&mut content, Some(ended));
            of_run("dev.cdevents.pipelinerun.finished.0.2.0", content)
        }
        RunEvent::JobStarted { job, attempt, .. } => of_job(
            "dev.cdevents.taskrun.started.0.2.0",
            job.as_str(),
            *attempt,
            None,
        ),
        RunEvent::JobEnded {
            job,
            attempt,
            outcome,
            ..
        } => of_job(
            "dev.cdevents.taskrun.finished.0.2.0",
            job.as_str(),
            *attempt,
            Some(ended(outcome)),
        ),
        RunEvent::JobReused { .. }
        | RunEvent::JobSkipped { .. }
        | RunEvent::RunCancelled { .. }
        | RunEvent::RunReleased { .. }
        | RunEvent::RunNotReleased { .. }
        | RunEvent::BudgetExceeded { .. } => None,
    };
    change.into_iter().collect()
}

fn add_end(content: &mut Value, ended: Option<(&str, Option<String>)>) {
    if let (Some((outcome, errors)), Some(content)) = (ended, content.as_object_mut()) {
        content.insert("outcome".to_owned(), json!(outcome));
        content.extend(errors.map(|errors| ("errors".to_owned(), json!(errors))));
    }
}

/// Returns the outcome of an attempt and what went wrong. A failure is what the job found, an
/// error what kept it from finding anything.
fn ended(outcome: &Outcome) -> (&'static str, Option<String>) {
    let word = match outcome {
        Outcome::Passed => return ("success", None),
        Outcome::Failed { kind, .. } => match kind {
            FailureKind::Command | FailureKind::TimedOut | FailureKind::Missing => "failure",
            FailureKind::Disk
            | FailureKind::Processes
            | FailureKind::Service
            | FailureKind::Checkout
            | FailureKind::Secret
            | FailureKind::Tool
            | FailureKind::NotStarted => "error",
        },
        Outcome::Cancelled | Outcome::Interrupted { .. } => "error",
    };
    (word, Some(outcome_words(outcome)))
}

/// Returns the package URL of what a service runs.
fn purl(application: &ApplicationName, service: &ServiceName, version: &str) -> String {
    let version = version.replace(':', "%3A");
    format!("pkg:generic/{application}/{service}@{version}")
}
