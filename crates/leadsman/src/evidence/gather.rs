//! All that a log has about one release.

use std::collections::BTreeMap;
use std::path::Path;

use leadsman_core::entry::Source;
use leadsman_core::id::{
    ApplicationName, Digest, EnvironmentId, EnvironmentName, ReleaseNumber, ServiceName,
};
use leadsman_core::run::{self, Run, RunEvent};
use leadsman_core::time::Timestamp;
use leadsman_core::{ApplicationEvent, Environment, Event, evolve};
use leadsman_gates::Facts;
use leadsman_store::sqlite::SqliteLog;
use leadsman_store::{EventLog as _, FigureLog as _, FigureRow, Hash, Recorded, StreamKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Error;

/// How many rows of figures are read at once.
const PAGE: usize = 1000;

/// All that there is about one release.
pub(crate) struct Gathered {
    pub(super) application: ApplicationName,
    pub(super) release: ReleaseNumber,
    /// How it was recorded.
    pub(super) created: Created,
    /// What reports say of it.
    pub(super) facts: Facts,
    /// The run that made it.
    pub(super) run: Option<Run>,
    /// What happened to it, by environment, with the words for it.
    pub(super) happened: BTreeMap<EnvironmentName, Vec<(Recorded, Event)>>,
    /// Every event about it, in the order of the log.
    pub(super) events: Vec<Recorded>,
    /// What the judge was told, by series.
    pub(super) figures: Vec<(String, Vec<FigureRow>)>,
    /// How many events the log has, and the hash of the last one.
    pub(super) head: (u64, Hash),
}

/// How a release was recorded.
pub(super) struct Created {
    pub(super) at: Timestamp,
    pub(super) by: String,
    pub(super) project: String,
    pub(super) artifacts: BTreeMap<ServiceName, Digest>,
    pub(super) note: Option<String>,
    pub(super) source: Source,
}

/// Reads everything about a release from a copy of the log, whose last event is `head`.
pub(crate) fn gather(
    log: &Path,
    head: (u64, Hash),
    application: &ApplicationName,
    release: ReleaseNumber,
) -> Result<Gathered, Error> {
    let log = SqliteLog::open(log)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(Error::Write)?;
    runtime.block_on(read(&log, head, application, release))
}

async fn read(
    log: &SqliteLog,
    head: (u64, Hash),
    application: &ApplicationName,
    release: ReleaseNumber,
) -> Result<Gathered, Error> {
    let mut created = None;
    let (mut facts, mut made_by) = (Facts::default(), None);
    let (mut events, mut happened) = (Vec::new(), BTreeMap::new());
    let mut deployments = Vec::new();
    for stream in log.streams().await? {
        let kind = stream.kind();
        let is_meant = match &kind {
            Some(StreamKind::Application(name)) => name == application,
            Some(StreamKind::Environment(id)) => id.application == *application,
            Some(StreamKind::Run(id)) => id.application == *application,
            Some(StreamKind::People | StreamKind::Audit) | None => false,
        };
        if !is_meant {
            continue;
        }
        let recorded = log.read_stream(&stream, 0).await?;
        match kind {
            Some(StreamKind::Application(_)) => {
                for recorded in recorded {
                    let event: ApplicationEvent = understood(&recorded)?;
                    match event {
                        ApplicationEvent::ReleaseCreated {
                            number,
                            project,
                            origin: _,
                            artifacts,
                            note,
                            source,
                        } if number == release => {
                            created = Some(Created {
                                at: recorded.at,
                                by: recorded.actor.clone(),
                                project,
                                artifacts,
                                note,
                                source,
                            });
                        }
                        ApplicationEvent::ReportReceived {
                            release: of,
                            source,
                            says,
                        } if of == release => facts.add(source, *says),
                        ApplicationEvent::ReleaseCreated { .. }
                        | ApplicationEvent::ReportReceived { .. } => continue,
                    }
                    events.push(recorded);
                }
            }
            Some(StreamKind::Environment(id)) => {
                let found = about(&id, recorded, release)?;
                deployments.extend(
                    found
                        .deployments
                        .iter()
                        .map(|number| format!("{id}/{number}/")),
                );
                events.extend(found.events.iter().map(|(recorded, _)| recorded.clone()));
                if !found.events.is_empty() {
                    happened.insert(id.environment, found.events);
                }
            }
            Some(StreamKind::Run(id)) => {
                let mut run: Option<Run> = None;
                for recorded in &recorded {
                    let event: RunEvent = understood(recorded)?;
                    run = match run {
                        None => run::started(id.clone(), recorded.at, &event),
                        Some(run) => Some(run::evolve(run, recorded.at, &event)),
                    };
                }
                if let Some(run) = run.filter(|run| run.release() == Some(release)) {
                    made_by = Some(run);
                    events.extend(recorded);
                }
            }
            Some(StreamKind::People | StreamKind::Audit) | None => {}
        }
    }
    events.sort_by_key(|event| event.position);
    let created = created.ok_or_else(|| Error::NoRelease {
        application: application.clone(),
        release,
    })?;
    Ok(Gathered {
        application: application.clone(),
        release,
        created,
        facts,
        run: made_by,
        happened,
        events,
        figures: figures(log, &deployments).await?,
        head,
    })
}

fn understood<T: DeserializeOwned>(recorded: &Recorded) -> Result<T, Error> {
    serde_json::from_str(&recorded.body).map_err(|source| Error::NotUnderstood {
        position: recorded.position,
        source,
    })
}

/// Which release an event is about, where it says so.
#[derive(Deserialize)]
struct Names {
    #[serde(default)]
    release: Option<ReleaseNumber>,
}

/// What an environment has about a release.
struct About {
    events: Vec<(Recorded, Event)>,
    /// The numbers of the deployments that brought it.
    deployments: Vec<u64>,
}

/// Returns the events of an environment that are about a release: those that name it, and all of its
/// deployments.
fn about(
    id: &EnvironmentId,
    recorded: Vec<Recorded>,
    release: ReleaseNumber,
) -> Result<About, Error> {
    let mut about = About {
        events: Vec::new(),
        deployments: Vec::new(),
    };
    let mut state = Environment::new(id.clone());
    for recorded in recorded {
        let event: Event = understood(&recorded)?;
        let brings = |state: &Environment| {
            let deployment = state.deployment.as_ref();
            deployment.is_some_and(|deployment| deployment.release == release)
        };
        let before = brings(&state);
        state = evolve(state, recorded.at, &event);
        let after = brings(&state);
        if let Some(deployment) = state.deployment.as_ref().filter(|_| after && !before) {
            about.deployments.push(deployment.number.0);
        }
        let names: Names = understood(&recorded)?;
        let is_meant = match names.release {
            Some(named) => named == release,
            None => before || after,
        };
        if is_meant {
            about.events.push((recorded, event));
        }
    }
    Ok(about)
}

/// Returns what was measured for these deployments.
async fn figures(
    log: &SqliteLog,
    deployments: &[String],
) -> Result<Vec<(String, Vec<FigureRow>)>, Error> {
    let mut found = Vec::new();
    for (series, _) in log.figure_series().await? {
        if !deployments.iter().any(|of| series.starts_with(of)) {
            continue;
        }
        let (mut rows, mut since): (Vec<FigureRow>, _) = (Vec::new(), Timestamp::default());
        loop {
            let page = log.read_figures(&series, since, PAGE).await?;
            let is_last = page.len() < PAGE;
            rows.extend(page);
            match rows.last() {
                Some(last) if !is_last => since = Timestamp::from_millis(last.at.as_millis() + 1),
                _ => break,
            }
        }
        found.push((series, rows));
    }
    Ok(found)
}
