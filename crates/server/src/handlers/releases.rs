//! One release, with all that is known of it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use leadsman_api as api;
use leadsman_core::checklist::{Answer, When};
use leadsman_core::entry::{Approval, Source};
use leadsman_core::id::{ApplicationName, ReleaseNumber};
use leadsman_core::people::{Act, Reach};
use leadsman_core::time::Timestamp;
use leadsman_core::{Event, Standing};
use leadsman_engine::{Application, ReleaseRecord, View};
use leadsman_gates::GateResult;

use super::Shared;
use super::history::past;
use crate::access::Caller;
use crate::extract::Path;
use crate::problem::Failure;
use crate::serve::Server;
use crate::wire;

/// The path of a release, as it was asked for.
pub(crate) type AskedRelease = Path<(String, u64)>;

pub(crate) async fn get(
    State(server): Shared,
    caller: Caller,
    Path(asked): AskedRelease,
) -> Result<Json<api::ReleaseStatus>, Failure> {
    Ok(Json(release(&server, &caller, &asked).await?.status))
}

/// A release, with what it is made of.
pub(crate) struct Found {
    pub(crate) status: api::ReleaseStatus,
    pub(crate) record: ReleaseRecord,
}

/// What happened to a release in one environment.
#[derive(Default)]
struct Trace {
    is_there: bool,
    entered: Option<String>,
    approvals: Vec<Approval>,
    gates: Vec<GateResult>,
    answers: Vec<(When, Answer)>,
}

/// Returns a release, as far as somebody sees the environments that have seen it.
pub(crate) async fn release(
    server: &Server,
    caller: &Caller,
    (application, number): &(String, u64),
) -> Result<Found, Failure> {
    // The same for what is not there and for what they do not see.
    let nothing = || {
        let message = format!("`{application}` has no release {number} that you could see");
        Failure::not_found(message)
    };
    let name: ApplicationName = application.parse().map_err(|_| nothing())?;
    let known = server.engine.releases(&name).await.map_err(|_| nothing())?;
    let number = ReleaseNumber(*number);
    let record = known.releases.get(&number).ok_or_else(nothing)?;
    let mut environments = Vec::new();
    for view in seen(server, caller, &name) {
        environments.extend(in_environment(server, &view, number).await?);
    }
    if environments.is_empty() && !caller.can(Act::See, &Reach::Application(name.clone())) {
        return Err(nothing());
    }
    let runs = server.runs.list(Some(&name)).await;
    let made = runs.iter().map(|known| &known.run);
    let made = made.filter(|run| run.released == Some(Ok(number)));
    let Source {
        commit,
        reference,
        authors,
    } = &record.made_of.source;
    let status = api::ReleaseStatus {
        application: name.to_string(),
        number: number.0,
        at: wire::moment(server.engine.now()),
        shipped_at: wire::moment(record.at),
        actor: record.by.clone(),
        note: record.made_of.note.clone(),
        commit: commit.clone(),
        built_from: reference.as_ref().map(ToString::to_string),
        authors: authors.iter().cloned().collect(),
        runs: made.map(|run| run.id.number.0).collect(),
        services: services(server, &name, record),
        reports: reports(&known, number),
        environments,
    };
    let record = record.clone();
    Ok(Found { status, record })
}

/// Returns the environments of an application that somebody sees.
pub(crate) fn seen(
    server: &Server,
    caller: &Caller,
    application: &ApplicationName,
) -> Vec<std::sync::Arc<View>> {
    let views = server.engine.views();
    let views = views.borrow();
    let of = views.environments.values();
    let of = of.filter(|view| view.environment.id.application == *application);
    of.filter(|view| caller.sees(&view.environment.id))
        .cloned()
        .collect()
}

/// Returns how a release fared in an environment; `None` where that has not seen it.
async fn in_environment(
    server: &Server,
    view: &View,
    number: ReleaseNumber,
) -> Result<Option<api::ReleaseIn>, Failure> {
    let environment = &view.environment;
    let mut trace = Trace::default();
    let past = past(server, environment, |at, event| {
        trace.take(number, at, event);
    })
    .await?;
    let known = environment.releases.get(&number);
    if !trace.is_there && known.is_none() {
        return Ok(None);
    }
    let status = wire::status(view);
    let mut waits = status.requests.into_iter();
    let request = waits.find(|it| it.release == number.0);
    let identity = known.and_then(|known| known.identity.as_ref());
    let digest = identity.map(|identity| identity.digest.to_string());
    let deployments = past.deployments.into_values().rev();
    Ok(Some(api::ReleaseIn {
        environment: environment.id.environment.to_string(),
        digest: request.as_ref().map(|it| it.digest.clone()).or(digest),
        serves: environment.serving() == Some(number),
        standing: known.map(|known| wire::standing(&known.standing)),
        cause: known.and_then(|known| match &known.standing {
            Standing::Rejected { cause, .. } => Some(cause.clone()),
            Standing::Candidate | Standing::Promoted { .. } => None,
        }),
        entered: trace.entered.filter(|_| request.is_none()),
        approvals: match &request {
            Some(request) => request.approvals.clone(),
            None => trace.approvals.iter().map(wire::approval).collect(),
        },
        gates: match &request {
            Some(request) => request.gates.clone(),
            None => trace.gates.iter().map(wire::gate).collect(),
        },
        request,
        answers: trace.answers.iter().map(answer).collect(),
        deployments: deployments.filter(|it| it.release == number.0).collect(),
    }))
}

impl Trace {
    fn take(&mut self, number: ReleaseNumber, at: Timestamp, event: &Event) {
        match event {
            Event::EntryRequested { release, .. } if *release == number => {
                *self = Self {
                    is_there: true,
                    answers: std::mem::take(&mut self.answers),
                    ..Self::default()
                };
            }
            Event::EntryApproved {
                release,
                note,
                owner,
                by,
                ..
            } if *release == number => self.approvals.push(Approval {
                by: by.clone(),
                at,
                note: note.clone(),
                owner: *owner,
            }),
            Event::EntryJudged { release, gates, .. } if *release == number => {
                self.gates.clone_from(gates);
            }
            Event::ApprovalsRevoked { release, .. } if *release == number => {
                self.approvals.clear();
            }
            Event::EntryAdmitted {
                release,
                approvals,
                gates,
                checks,
                ..
            } if *release == number => {
                self.approvals.clone_from(approvals);
                self.gates.clone_from(gates);
                for check in checks {
                    self.answer(When::Before, check.clone());
                }
                self.entered = Some(event.to_string());
            }
            Event::EntryRejected { release, .. }
            | Event::EntryExpired { release }
            | Event::EntryOvertaken { release, .. }
                if *release == number =>
            {
                self.entered = Some(event.to_string());
            }
            Event::ItemAnswered {
                release,
                when,
                item,
                asks,
                passed,
                said,
                by,
                ..
            } if *release == number => self.answer(
                *when,
                Answer {
                    item: item.clone(),
                    asked: asks.clone(),
                    passed: *passed,
                    said: said.clone(),
                    by: by.clone(),
                    at,
                },
            ),
            // Of another release.
            Event::EntryRequested { .. }
            | Event::EntryApproved { .. }
            | Event::EntryJudged { .. }
            | Event::ApprovalsRevoked { .. }
            | Event::EntryRejected { .. }
            | Event::EntryExpired { .. }
            | Event::EntryOvertaken { .. }
            | Event::EntryAdmitted { .. }
            | Event::ItemAnswered { .. } => {}
            // Nothing of how it entered.
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
            | Event::ServicePromoted { .. }
            | Event::DeploymentPromoted { .. }
            | Event::DeploymentPaused { .. }
            | Event::DeploymentResumed { .. }
            | Event::RollbackStarted { .. }
            | Event::ServiceReturned { .. }
            | Event::DeploymentFrozen { .. }
            | Event::DeploymentEnded { .. }
            | Event::ServicesClosed { .. }
            | Event::ServicesOpened { .. }
            | Event::ItemMissed { .. }
            | Event::FreezeBegun { .. }
            | Event::FreezeExcepted { .. }
            | Event::FreezeEnded { .. } => {}
        }
    }

    /// Takes what was answered last about an item.
    fn answer(&mut self, when: When, answer: Answer) {
        self.answers.retain(|(list, known)| {
            *list != when || known.item != answer.item || known.asked != answer.asked
        });
        self.answers.push((when, answer));
    }
}

fn answer((when, answer): &(When, Answer)) -> api::ItemAnswer {
    api::ItemAnswer {
        when: when.to_string(),
        item: answer.item.to_string(),
        asks: answer.asked.to_string(),
        passed: answer.passed,
        said: answer.said.clone(),
        actor: answer.by.clone(),
        at: wire::moment(answer.at),
    }
}

/// Returns the services of a release, as far as any environment knows them, with their artifacts.
fn services(
    server: &Server,
    application: &ApplicationName,
    record: &ReleaseRecord,
) -> Vec<api::ReleaseService> {
    let mut services: BTreeMap<String, Option<String>> = BTreeMap::new();
    let views = server.engine.views();
    let views = views.borrow();
    let of = views.environments.values();
    for view in of.filter(|view| view.environment.id.application == *application) {
        let environment = &view.environment;
        let known = environment.releases.get(&record.number);
        let content = known.map(|known| &known.content);
        let waits = environment.requests.get(&record.number);
        for content in content.into_iter().chain(waits.map(|it| &it.content)) {
            let names = content.services.keys();
            services.extend(names.map(|name| (name.to_string(), None)));
        }
    }
    let artifacts = record.made_of.artifacts.iter();
    services.extend(artifacts.map(|(name, digest)| (name.to_string(), Some(digest.to_string()))));
    let services = services.into_iter();
    services
        .map(|(name, artifact)| api::ReleaseService { name, artifact })
        .collect()
}

fn reports(application: &Application, number: ReleaseNumber) -> Vec<api::ReleaseReport> {
    let known = application.facts.get(&number);
    let reports = known.into_iter().flat_map(|known| &known.facts.reports);
    reports
        .map(|report| api::ReleaseReport {
            kind: report.source.kind.as_str().to_owned(),
            from: report.source.words(),
            lines: report.says.lines(),
        })
        .collect()
}
