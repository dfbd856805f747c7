//! Reads the log, and says of each event what it is about.
//!
//! Which deployment an event of an environment belongs to, and what served before, follows from
//! the events before it. So the state of each environment is folded along, and read from the
//! beginning where it is not known. Only so much of it is remembered as that takes, and only one
//! reader at a time begins at the beginning: what all subscriptions need of memory is bounded.

use std::collections::BTreeMap;
use std::sync::Arc;

use leadsman_api as api;
use leadsman_core::id::{ApplicationName, EnvironmentId};
use leadsman_core::people::Reach;
use leadsman_core::run::{RunEvent, RunId};
use leadsman_core::{ApplicationEvent, Environment, Event, evolve};
use leadsman_store::{EventLog, ReadError, Recorded, StreamKind, StreamName};
use tokio::sync::Mutex;

use super::kept::Kept;
use super::notice::{Happened, Message};
use super::{about, cdevents};
use crate::wire;

/// Of how many environments the state is remembered.
const ENVIRONMENTS_MAX: usize = 32;

/// Reads the log for one subscription.
pub(crate) struct Reader {
    log: Arc<dyn EventLog>,
    source: Arc<str>,
    /// Held by who begins at the beginning of a stream.
    turn: Arc<Mutex<()>>,
    environments: BTreeMap<EnvironmentId, Environment>,
}

/// An event could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("failed to read the log")]
    NotRead(#[from] ReadError),
    #[error("event {version} of `{stream}` is not understood")]
    NotUnderstood {
        stream: StreamName,
        version: u64,
        #[source]
        source: serde_json::Error,
    },
}

impl Reader {
    /// Reads `log` for somebody who knows this Leadsman as `source`. All readers share a `turn`.
    pub(crate) fn new(log: Arc<dyn EventLog>, source: Arc<str>, turn: Arc<Mutex<()>>) -> Self {
        Self {
            log,
            source,
            turn,
            environments: BTreeMap::new(),
        }
    }

    /// Returns what a subscription is told of an event; nothing where it wants to know nothing of
    /// it.
    pub(crate) async fn messages(
        &mut self,
        row: &Recorded,
        kept: &Kept,
    ) -> Result<Vec<Message>, Error> {
        let happened = match row.stream.kind() {
            Some(StreamKind::Environment(id)) => {
                if !kept.about.covers(&Reach::Environment(id.clone())) {
                    return Ok(Vec::new());
                }
                self.of_environment(row, &id).await?
            }
            Some(StreamKind::Application(name)) => {
                if !kept.about.covers(&Reach::Application(name.clone())) {
                    return Ok(Vec::new());
                }
                of_application(row, &name)?
            }
            Some(StreamKind::Run(id)) => {
                if !kept
                    .about
                    .covers(&Reach::Application(id.application.clone()))
                {
                    return Ok(Vec::new());
                }
                of_run(row, &id)?
            }
            // Who people are and what they were denied is for those who may see the audit.
            Some(StreamKind::People | StreamKind::Audit) | None => return Ok(Vec::new()),
        };
        if !kept.only.is_empty() && !kept.only.contains(&row.kind) {
            return Ok(Vec::new());
        }
        Ok(happened.messages(kept.format, &self.source))
    }

    async fn of_environment(
        &mut self,
        row: &Recorded,
        id: &EnvironmentId,
    ) -> Result<Happened, Error> {
        let event: Event = understood(row)?;
        let before = self.before(row, id).await?;
        // What ends a deployment belongs to it.
        let is_end = matches!(event, Event::DeploymentEnded { .. });
        let ended = is_end.then(|| before.deployment.clone()).flatten();
        let after = lean(evolve(before, row.at, &event));
        let deployment = ended.as_ref().or(after.deployment.as_ref());
        let (release, service) = about::environment(&event);
        let on_its_way = deployment.filter(|_| about::is_of_deployment(&event));
        let release = release.or(on_its_way.map(|deployment| deployment.release));
        let happened = Happened {
            id: format!("{id}/{}", row.version),
            subject: id.to_string(),
            at: row.at,
            data: api::NoticeData {
                application: id.application.to_string(),
                environment: Some(id.environment.to_string()),
                run: None,
                release: release.map(|release| release.0),
                service: service.map(ToString::to_string),
                job: None,
                event: api::Event {
                    deployment: deployment.map(|deployment| deployment.number.0),
                    output: if let Event::MigrationEnded { last, .. } = &event {
                        last.clone()
                    } else {
                        Vec::new()
                    },
                    ..plain(row, event.to_string())
                },
            },
            changes: cdevents::environment(id, &event, deployment),
        };
        if self.environments.len() >= ENVIRONMENTS_MAX {
            self.environments.clear();
        }
        self.environments.insert(id.clone(), after);
        Ok(happened)
    }

    /// Returns the state of an environment before an event.
    async fn before(&mut self, row: &Recorded, id: &EnvironmentId) -> Result<Environment, Error> {
        match self.environments.remove(id) {
            Some(known) if known.version + 1 == row.version => return Ok(known),
            Some(_) | None => {}
        }
        let _turn = self.turn.lock().await;
        let mut state = Environment::new(id.clone());
        for earlier in self.log.read_stream(&row.stream, 0).await? {
            if earlier.version >= row.version {
                break;
            }
            state = lean(evolve(state, earlier.at, &understood(&earlier)?));
        }
        Ok(state)
    }
}

/// Leaves of a state what tells which deployment is under way and what served before it. Neither
/// depends on the rest, which grows with all that was ever shipped.
fn lean(mut state: Environment) -> Environment {
    state.releases.clear();
    state.promotions.clear();
    state.requests.clear();
    state
}

fn of_application(row: &Recorded, name: &ApplicationName) -> Result<Happened, Error> {
    let event: ApplicationEvent = understood(row)?;
    Ok(Happened {
        id: format!("{name}/{}", row.version),
        subject: name.to_string(),
        at: row.at,
        data: api::NoticeData {
            application: name.to_string(),
            environment: None,
            run: None,
            release: Some(about::application(&event).0),
            service: None,
            job: None,
            event: plain(row, event.to_string()),
        },
        changes: cdevents::application(name, &event, &row.actor),
    })
}

fn of_run(row: &Recorded, id: &RunId) -> Result<Happened, Error> {
    let event: RunEvent = understood(row)?;
    let subject = format!("{}/runs/{}", id.application, id.number.0);
    let (release, job) = about::run(&event);
    Ok(Happened {
        id: format!("{subject}/{}", row.version),
        subject,
        at: row.at,
        data: api::NoticeData {
            application: id.application.to_string(),
            environment: None,
            run: Some(id.number.0),
            release: release.map(|release| release.0),
            service: None,
            job: job.map(ToString::to_string),
            event: plain(row, event.to_string()),
        },
        changes: cdevents::run(id, &event),
    })
}

fn plain(row: &Recorded, sentence: String) -> api::Event {
    api::Event {
        position: row.position,
        at: wire::moment(row.at),
        actor: row.actor.clone(),
        kind: row.kind.clone(),
        deployment: None,
        sentence,
        output: Vec::new(),
    }
}

fn understood<T: serde::de::DeserializeOwned>(row: &Recorded) -> Result<T, Error> {
    serde_json::from_str(&row.body).map_err(|source| Error::NotUnderstood {
        stream: row.stream.clone(),
        version: row.version,
        source,
    })
}
