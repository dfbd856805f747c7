//! What happened, and why things are as they are.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use leadsman_api::{Deployment, Event as WireEvent, History, HistoryQuery, Release, Standing, Why};
use leadsman_core::Standing as Known;
use leadsman_core::time::Timestamp;
use leadsman_core::{Environment, Event, evolve};
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
    let before = query.before.unwrap_or(u64::MAX);
    let first = past.events.first().map(|event| event.position);
    let events: Vec<WireEvent> = past
        .events
        .into_iter()
        .rev()
        .filter(|event| event.position < before)
        .take(limit)
        .collect();
    let oldest = events.last().map_or(0, |event| event.at.0);
    let last = events.last().map(|event| event.position);
    let next = last.filter(|last| first.is_some_and(|first| first < *last));
    let mut deployments: Vec<Deployment> = past
        .deployments
        .into_values()
        .rev()
        .filter(|deployment| query.before.is_none() || deployment.started_at.0 >= oldest)
        .take(limit)
        .collect();
    let mut releases = Vec::new();
    if let Ok(application) = server.engine.releases(&past.state.id.application).await {
        for deployment in &mut deployments {
            let number = leadsman_core::id::ReleaseNumber(deployment.release);
            let record = application.releases.get(&number);
            deployment.note = record.and_then(|record| record.made_of.note.clone());
        }
        for (number, record) in application.releases.iter().rev() {
            let Some(known) = past.state.releases.get(number) else {
                continue;
            };
            releases.push(Release {
                number: number.0,
                standing: match known.standing {
                    Known::Candidate => Standing::Candidate,
                    Known::Promoted { .. } => Standing::Promoted,
                    Known::Rejected { .. } => Standing::Rejected,
                },
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
