//! The driver of runs: it loads them, looks at their attempts, plans, records, and carries out.
//!
//! One task drives all runs of the machine, since they share its places. As with environments,
//! everything is level-triggered and the log comes before the effect: an attempt is recorded before
//! its runner is started, and what an attempt made is where it stays before that is recorded.

mod begin;
mod deliveries;
mod driver;
mod error;
mod retention;
mod reuse;
mod schedule;
mod spec;
mod trying;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use leadsman_core::id::{ApplicationName, RunNumber};
use leadsman_core::pipeline::{JobName, Made};
use leadsman_core::run::{
    Delivery, Run, RunCommand, RunEvent, RunId, Wait, decide, evolve, started,
};
use leadsman_core::time::Timestamp;
use leadsman_runtime::ReadFrom;
use leadsman_runtime::job::{AttemptId, Jobs, Repository};
use leadsman_store::{Append, AppendError, EventLog, Recorded, StreamKind, StreamName};
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinSet;

use crate::by::By;
use crate::clock::Clock;
use crate::engine::Engine;
use crate::error::Error;

use deliveries::Deliveries;

pub use begin::NewRun;
pub use error::RunError;

/// All runs of the machine. Cheap to clone; the last clone that is dropped ends the driver.
#[derive(Clone)]
pub struct Runs {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    jobs: Jobs,
    /// How many attempts may run at once.
    places: usize,
    state: Mutex<State>,
    nudge: Arc<Notify>,
    version: watch::Sender<u64>,
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct State {
    runs: BTreeMap<RunId, KnownRun>,
    /// The number of the newest run of each application.
    newest: BTreeMap<ApplicationName, RunNumber>,
    /// What attempts made that are over, until it is recorded; `None` while it is being taken.
    taken: BTreeMap<AttemptId, Option<Result<Made, String>>>,
    /// The minute that was looked at last for what is due by the clock.
    minute: u64,
    /// Attempts that could not be begun, and why.
    not_begun: BTreeMap<AttemptId, String>,
    /// What webhooks delivered that began a run.
    deliveries: Deliveries,
}

/// A run as it is known at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownRun {
    /// What is recorded.
    pub run: Run,
    /// What each job waits for that has not begun.
    pub waits: BTreeMap<JobName, Wait>,
    /// Why nothing can be recorded at present, if so: nothing moves then.
    pub problem: Option<String>,
}

impl Runs {
    /// Loads every run from the log and begins to drive those that are not over.
    ///
    /// # Errors
    ///
    /// The log cannot be read, or holds what this version does not understand.
    pub async fn start(
        engine: Engine,
        clock: Arc<dyn Clock>,
        jobs: Jobs,
        places: usize,
    ) -> Result<Self, Error> {
        let log = engine.log();
        let mut state = State::default();
        for stream in log.streams().await.map_err(Error::NotRead)? {
            if let Some(StreamKind::Run(id)) = stream.kind()
                && let Some(run) = load(&*log, &id).await?
            {
                state.add(run);
            }
        }
        let (version, _) = watch::channel(0);
        let inner = Arc::new(Inner {
            engine,
            log,
            clock,
            jobs,
            places: places.max(1),
            state: Mutex::new(state),
            nudge: Arc::new(Notify::new()),
            version,
            tasks: Mutex::default(),
        });
        let driving = driver::drive(Arc::downgrade(&inner));
        inner.tasks.lock().await.spawn(driving);
        Ok(Self { inner })
    }

    /// Returns the runs of an application, or of all, the newest first.
    pub async fn list(&self, application: Option<&ApplicationName>) -> Vec<KnownRun> {
        let state = self.inner.state.lock().await;
        let runs = state.runs.values().rev();
        let of = |known: &&KnownRun| application.is_none_or(|of| known.run.id.application == *of);
        runs.filter(of).cloned().collect()
    }

    /// Returns what `look` makes of all runs, in order. Nothing moves meanwhile, so it must not take
    /// long.
    pub async fn look<T>(&self, look: impl FnOnce(&BTreeMap<RunId, KnownRun>) -> T) -> T {
        look(&self.inner.state.lock().await.runs)
    }

    /// Returns the applications of which there are runs whose commits are in `repository`.
    pub async fn applications_of(&self, repository: &str) -> BTreeSet<ApplicationName> {
        let state = self.inner.state.lock().await;
        let runs = state.runs.values().map(|known| &known.run);
        runs.filter(|run| run.about.repository == repository)
            .map(|run| run.id.application.clone())
            .collect()
    }

    /// Returns the run that a delivery of a webhook began already.
    pub async fn taken(&self, delivery: &Delivery) -> Option<RunId> {
        let state = self.inner.state.lock().await;
        state.deliveries.taken(delivery).cloned()
    }

    /// Brings what the branch or tag `reference` has at `url` into the repository in `folder`,
    /// which is made where there is none.
    ///
    /// # Errors
    ///
    /// There is no such branch or tag, or it cannot be read.
    pub async fn fetch(folder: &str, url: &str, reference: &str) -> Result<(), RunError> {
        let fetched = Repository::at(folder).fetch(url, reference).await;
        fetched.map_err(RunError::NotFetched)
    }

    /// Returns a run.
    ///
    /// # Errors
    ///
    /// There is no such run, or it cannot be read.
    pub async fn get(&self, id: &RunId) -> Result<KnownRun, RunError> {
        if let Some(known) = self.inner.state.lock().await.runs.get(id) {
            return Ok(known.clone());
        }
        let run = load(&*self.inner.log, id).await?;
        let run = run.ok_or_else(|| RunError::Unknown(id.clone()))?;
        Ok(KnownRun::of(run))
    }

    /// Asks something of a run in the name of `by`. When it returns, it is recorded.
    ///
    /// # Errors
    ///
    /// No such run, a refusal, or it could not be recorded.
    pub async fn command(
        &self,
        id: &RunId,
        command: RunCommand,
        by: &By,
    ) -> Result<KnownRun, RunError> {
        let mut state = self.inner.state.lock().await;
        if !state.runs.contains_key(id) {
            let run = load(&*self.inner.log, id).await?;
            state.add(run.ok_or_else(|| RunError::Unknown(id.clone()))?);
        }
        let known = state
            .runs
            .get_mut(id)
            .ok_or_else(|| RunError::Unknown(id.clone()))?;
        let events = decide(&known.run, command, &by.name)?;
        self.inner.record(known, &events, by).await?;
        let known = known.clone();
        drop(state);
        self.inner.nudge.notify_one();
        Ok(known)
    }

    /// Returns a number that grows whenever something about any run changes.
    pub fn version(&self) -> watch::Receiver<u64> {
        self.inner.version.subscribe()
    }

    /// Returns the present moment, by the clock that runs are driven by.
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Reads what an attempt of a job wrote: from `from` on, or the last `tail` lines, or all that
    /// is kept; at most 1 MiB at a time. Returns the text with where to go on.
    ///
    /// # Errors
    ///
    /// There is no such job, or nothing is kept of it.
    pub async fn output(
        &self,
        run: &RunId,
        job: &str,
        attempt: u32,
        from: Option<u64>,
        tail: Option<usize>,
    ) -> Result<(String, u64), RunError> {
        let unknown = || RunError::Unknown(run.clone());
        let id = AttemptId {
            run: run.clone(),
            job: job.parse().map_err(|_| unknown())?,
            attempt,
        };
        let from = match (from, tail) {
            (Some(offset), _) => ReadFrom::Offset(offset),
            (None, Some(lines)) => ReadFrom::Last(lines),
            (None, None) => ReadFrom::Offset(0),
        };
        if !self.inner.jobs.has_output(&id) {
            return Err(unknown());
        }
        let output = self.inner.jobs.output(&id, from).await;
        let output = output.map_err(|_| unknown())?;
        Ok((output.text, output.next))
    }

    /// Ends the driver. What runs goes on running.
    pub async fn shut_down(&self) {
        self.inner.tasks.lock().await.shutdown().await;
    }

    /// Ends every attempt that runs, and waits until nothing is left of it. What was cut short begins
    /// again with the next control.
    pub async fn stop_attempts(&self) {
        driver::stop_attempts(&self.inner).await;
    }
}

impl KnownRun {
    fn of(run: Run) -> Self {
        Self {
            run,
            waits: BTreeMap::new(),
            problem: None,
        }
    }
}

impl State {
    fn add(&mut self, run: Run) {
        let newest = self
            .newest
            .entry(run.id.application.clone())
            .or_insert(run.id.number);
        *newest = (*newest).max(run.id.number);
        self.deliveries.add(&run);
        self.runs.insert(run.id.clone(), KnownRun::of(run));
    }
}

/// Returns the stream of a run.
fn stream(id: &RunId) -> StreamName {
    StreamName::from(&StreamKind::Run(id.clone()))
}

/// Loads a run; `None` where nothing is recorded of it.
async fn load(log: &dyn EventLog, id: &RunId) -> Result<Option<Run>, Error> {
    let recorded = log
        .read_stream(&stream(id), 0)
        .await
        .map_err(Error::NotRead)?;
    let mut run = None;
    for recorded in recorded {
        let event = understood(&recorded)?;
        run = match run {
            None => started(id.clone(), recorded.at, &event),
            Some(run) => Some(evolve(run, recorded.at, &event)),
        };
    }
    Ok(run)
}

fn understood(recorded: &Recorded) -> Result<RunEvent, Error> {
    serde_json::from_str(&recorded.body).map_err(|source| Error::not_understood(recorded, source))
}

impl Inner {
    /// Records what holds of a run. Where somebody else wrote, the run is loaded anew and it is an
    /// error: what was to be recorded may not hold any more.
    async fn record(
        &self,
        known: &mut KnownRun,
        events: &[RunEvent],
        by: &By,
    ) -> Result<(), Error> {
        let at = self.clock.now();
        let append = append(&known.run.id, known.run.version, at, by, events);
        match self.log.append(append).await {
            Ok(_) => {
                for event in events {
                    tracing::info!(run = %known.run.id, event = event.kind(), by = by.name, "recorded");
                    known.run = evolve(known.run.clone(), at, event);
                }
                known.problem = None;
                self.version.send_modify(|version| *version += 1);
                Ok(())
            }
            Err(error) => {
                // It may have been written all the same: know it before anything else.
                if let Ok(Some(run)) = load(&*self.log, &known.run.id).await {
                    known.run = run;
                }
                if !matches!(error, AppendError::Conflict { .. }) {
                    known.problem = Some(leadsman_runtime::words(&error));
                }
                Err(Error::NotRecorded(error))
            }
        }
    }
}

fn append(
    id: &RunId,
    expected_version: u64,
    at: Timestamp,
    by: &By,
    events: &[RunEvent],
) -> Append {
    Append {
        stream: stream(id),
        expected_version,
        at,
        actor: by.name.clone(),
        events: events
            .iter()
            .map(|event| by.store(event.kind(), event))
            .collect(),
    }
}
