//! What happened, and why things are as they are.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use leadsman_api::{Deployment, Event as WireEvent, History, HistoryQuery, Moment, Release, Why};
use leadsman_core::id::ReleaseNumber;
use leadsman_core::time::Timestamp;
use leadsman_core::{Environment, Event, evolve};
use leadsman_engine::Application;
use leadsman_store::{Recorded, StreamName};

use super::status::status_of;
use super::{AskedEnvironment, Shared, view};
use crate::extract::{Path, Query};
use crate::problem::Failure;
use crate::serve::Server;
use crate::wire;

/// How many deployments and events are given where nothing else is asked for.
const LIMIT: u32 = 100;

/// One environment's past, folded.
pub(super) struct Past {
    state: Environment,
    /// Every deployment, as it is now or was when it ended.
    pub(super) deployments: BTreeMap<u64, Deployment>,
    events: Vec<WireEvent>,
}

pub(crate) async fn history(
    State(server): Shared,
    Path(asked): AskedEnvironment,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<History>, Failure> {
    let view = view(&server, &asked)?;
    let past = past(&server, &view.environment, |_, _| {}).await?;
    let limit = usize::try_from(query.limit.unwrap_or(LIMIT)).unwrap_or(usize::MAX);
    let application = server.engine.releases(&past.state.id.application).await;
    let application = application.ok();
    let sought = |deployment: &Deployment| is_sought(&query, deployment, application.as_ref());
    let sought: BTreeSet<u64> = past
        .deployments
        .iter()
        .filter(|(_, deployment)| sought(deployment))
        .map(|(number, _)| *number)
        .collect();
    let in_time = |at: Moment| {
        query.since.is_none_or(|since| at.0 >= since)
            && query.until.is_none_or(|until| at.0 < until)
    };
    let of_some = asks_for_some(&query);
    let mut events = past.events;
    events.retain(|event| {
        let is_of_them = event.deployment.is_some_and(|it| sought.contains(&it));
        in_time(event.at) && (!of_some || is_of_them)
    });
    let before = query.before.unwrap_or(u64::MAX);
    let first = events.first().map(|event| event.position);
    let events: Vec<WireEvent> = events
        .into_iter()
        .rev()
        .filter(|event| event.position < before)
        .take(limit)
        .collect();
    let last = events.last().map(|event| event.position);
    let next = last.filter(|last| first.is_some_and(|first| first < *last));
    // Behind the first page those that began while the events of the page happened.
    let newest = events.first().map_or(0, |event| event.at.0);
    let oldest = events.last().map_or(0, |event| event.at.0);
    let on_page = |began: u64| query.before.is_none() || (oldest..=newest).contains(&began);
    let mut deployments: Vec<Deployment> = past
        .deployments
        .into_values()
        .rev()
        .filter(|deployment| sought.contains(&deployment.number))
        .filter(|deployment| in_time(deployment.started_at) && on_page(deployment.started_at.0))
        .take(limit)
        .collect();
    let mut releases = Vec::new();
    if let Some(application) = application {
        for deployment in &mut deployments {
            let number = ReleaseNumber(deployment.release);
            let record = application.releases.get(&number);
            deployment.note = record.and_then(|record| record.made_of.note.clone());
        }
        for (number, record) in application.releases.iter().rev() {
            let Some(known) = past.state.releases.get(number) else {
                continue;
            };
            releases.push(Release {
                number: number.0,
                standing: wire::standing(&known.standing),
                shipped_at: wire::moment(record.at),
                actor: record.by.clone(),
                note: record.made_of.note.clone(),
                artifacts: record
                    .made_of
                    .artifacts
                    .iter()
                    .map(|(service, digest)| (service.to_string(), digest.to_string()))
                    .collect(),
            });
        }
    }
    let (application, environment) = asked;
    Ok(Json(History {
        application,
        environment,
        releases,
        deployments,
        events,
        next,
    }))
}

/// Whether only some deployments are looked for.
const fn asks_for_some(query: &HistoryQuery) -> bool {
    query.release.is_some()
        || query.commit.is_some()
        || query.actor.is_some()
        || query.phase.is_some()
}

/// Whether a deployment is one of them, whenever it began.
fn is_sought(
    query: &HistoryQuery,
    deployment: &Deployment,
    application: Option<&Application>,
) -> bool {
    let number = ReleaseNumber(deployment.release);
    let record = application.and_then(|application| application.releases.get(&number));
    let commit = record.and_then(|record| record.made_of.source.commit.as_deref());
    let of_commit = |wanted: &String| {
        let wanted = wanted.trim().to_lowercase();
        commit.is_some_and(|commit| commit.to_lowercase().starts_with(&wanted))
    };
    query.release.is_none_or(|it| it == deployment.release)
        && query.commit.as_ref().is_none_or(of_commit)
        && query
            .actor
            .as_ref()
            .is_none_or(|it| *it == deployment.actor)
        && query.phase.is_none_or(|it| it == deployment.phase)
}

pub(crate) async fn why(
    State(server): Shared,
    Path(asked): AskedEnvironment,
) -> Result<Json<Why>, Failure> {
    let view = view(&server, &asked)?;
    Ok(Json(Why {
        status: status_of(&server, &view).await,
        events: of_newest(&server, &view).await?,
    }))
}

/// Returns what was recorded of the newest deployment, the oldest first.
pub(crate) async fn of_newest(
    server: &Server,
    view: &leadsman_engine::View,
) -> Result<Vec<WireEvent>, Failure> {
    let mut events = past(server, &view.environment, |_, _| {}).await?.events;
    let last = view.environment.last_deployment.0;
    events.retain(|event| event.deployment == Some(last));
    Ok(events)
}

/// Folds what happened to an environment; `look` sees each event before it is folded.
pub(super) async fn past(
    server: &Server,
    environment: &Environment,
    mut look: impl FnMut(Timestamp, &Event),
) -> Result<Past, Failure> {
    let stream = StreamName::from(&environment.id);
    let read = server.engine.log().read_stream(&stream, 0).await;
    let recorded = read.map_err(leadsman_engine::Error::NotRead)?;
    let mut past = Past {
        state: Environment::new(environment.id.clone()),
        deployments: BTreeMap::new(),
        events: Vec::with_capacity(recorded.len()),
    };
    for recorded in recorded {
        past.fold(&recorded, &mut look)?;
    }
    Ok(past)
}

impl Past {
    fn fold(
        &mut self,
        recorded: &Recorded,
        look: &mut impl FnMut(Timestamp, &Event),
    ) -> Result<(), Failure> {
        let event: Event = serde_json::from_str(&recorded.body)
            .map_err(|error| Failure::internal("an event of the past is not readable", error))?;
        look(recorded.at, &event);
        let before = self
            .state
            .deployment
            .as_ref()
            .map(|deployment| deployment.number.0);
        let environment = Environment::new(self.state.id.clone());
        self.state = evolve(
            std::mem::replace(&mut self.state, environment),
            recorded.at,
            &event,
        );
        if let Some(deployment) = &self.state.deployment {
            let wire = wire::deployment_on_its_way(deployment);
            self.deployments.insert(deployment.number.0, wire);
        }
        if let Some(ended) = &self.state.last_end {
            self.deployments
                .insert(ended.number.0, wire::ended_deployment(ended));
        }
        let after = self
            .state
            .deployment
            .as_ref()
            .map(|deployment| deployment.number.0);
        self.events.push(WireEvent {
            position: recorded.position,
            at: wire::moment(recorded.at),
            actor: recorded.actor.clone(),
            kind: recorded.kind.clone(),
            // What ends a deployment belongs to it.
            deployment: if matches!(event, Event::DeploymentEnded { .. }) {
                before
            } else {
                after
            },
            sentence: event.to_string(),
            output: match event {
                Event::MigrationEnded { last, .. } => last,
                _ => Vec::new(),
            },
        });
        Ok(())
    }
}
