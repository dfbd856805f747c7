//! Makes a load and says what came of it.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::connect::{Connector, Error as ConnectError};
use crate::limits::{Lacking, make_room};
use crate::prepared::prepare;
use crate::report::{Figures, Report, invalid};
use crate::scenario::{Model, Scenario};
use crate::worker::{Counted, Plan, run as work};

/// How often it is told how far things are.
const TELL: Duration = Duration::from_millis(250);

/// How long workers may take to get ready.
const READY: Duration = Duration::from_millis(20);

/// Requests a second that one worker is there for; with more there is another, if there is a core.
const RATE_OF_WORKER: f64 = 5000.0;

/// Users that one worker is there for.
const USERS_OF_WORKER: f64 = 100.0;

/// Why a load was not made at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The scenario is wrong.
    #[error("the load cannot be made as it is described: {}", .0.join("; "))]
    Wrong(Vec<String>),
    /// The server cannot be asked.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// There are too few open files or ports.
    #[error("{wanted} connections at a time are asked for, and {what} are enough for {possible}")]
    Room {
        /// How many connections the load may need at a time.
        wanted: usize,
        /// How many there can be.
        possible: u64,
        /// What is lacking.
        what: &'static str,
    },
    /// The system failed.
    #[error("failed to start the threads that make requests")]
    Start {
        /// Why.
        source: io::Error,
    },
}

/// How far a load is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// How long it has gone on.
    pub elapsed: Duration,
    /// How long it is to go on.
    pub length: Duration,
    /// Whether it is still warming up.
    pub is_warming_up: bool,
    /// Requests under way.
    pub under_way: u64,
    /// What was counted so far.
    pub figures: Figures,
}

/// Ends a load early, from anywhere.
#[derive(Clone, Debug)]
pub struct Cancel(watch::Sender<bool>);

impl Default for Cancel {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Cancel {
    /// Ends the load. What was measured so far is reported.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Says whether the load is to end.
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }
}

/// Makes a load and returns what came of it, once all is over. `progress` is told now and then how
/// far things are.
///
/// # Errors
///
/// The scenario is wrong, the server cannot be asked at all, or this machine has no room for so
/// many connections. Nothing was measured then.
pub fn run(
    scenario: &Scenario,
    mut progress: impl FnMut(&Progress),
    cancel: &Cancel,
) -> Result<Report, Error> {
    let problems = scenario.problems();
    if !problems.is_empty() {
        return Err(Error::Wrong(problems));
    }
    let prepared = prepare(scenario).map_err(|problem| Error::Wrong(vec![problem]))?;
    let wanted = scenario.connections_max();
    make_room(wanted).map_err(|lacking| match lacking {
        Lacking::Files { connections } => Error::Room {
            wanted,
            possible: connections,
            what: "the files that a process may have open",
        },
        Lacking::Ports { connections } => Error::Room {
            wanted,
            possible: connections,
            what: "the ports to connect from",
        },
    })?;
    let connector = try_out(scenario)?;
    let workers = scenario.workers.unwrap_or_else(|| usual_workers(scenario));
    let plan = Arc::new(Plan {
        scenario: scenario.clone(),
        prepared,
        connector,
        begin: Instant::now() + READY,
        workers,
        cancel: cancel.0.subscribe(),
    });
    let counted: Vec<_> = (0..workers)
        .map(|_| Arc::new(Counted::new(scenario.requests.len())))
        .collect();
    let (done, all_done) = channel();
    let mut threads = Vec::new();
    for (number, counted) in counted.iter().enumerate() {
        let (plan, counted, done) = (Arc::clone(&plan), Arc::clone(counted), done.clone());
        let thread = thread::Builder::new()
            .name(format!("load-{number}"))
            .spawn(move || {
                let worked = work(&plan, number, &counted);
                // Whoever waits for it waits for the thread, too.
                let _ = done.send(());
                worked
            });
        match thread {
            Ok(thread) => threads.push(thread),
            Err(source) => {
                cancel.cancel();
                return Err(Error::Start { source });
            }
        }
    }
    drop(done);
    let mut cancelled_at = None;
    let mut left = threads.len();
    while left > 0 {
        match all_done.recv_timeout(TELL) {
            Ok(()) => left -= 1,
            Err(RecvTimeoutError::Timeout) => {}
            // A worker that broke off says so when it is waited for.
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if cancelled_at.is_none() && cancel.is_cancelled() {
            cancelled_at = Some(plan.begin.elapsed());
        }
        progress(&look(&plan, &counted));
    }
    for thread in threads {
        let worked = thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("a worker broke off")));
        worked.map_err(|source| Error::Start { source })?;
    }
    Ok(report(
        &plan,
        &counted,
        cancelled_at.filter(|at| *at < scenario.length()),
    ))
}

/// Looks the server up and makes one connection for trial.
fn try_out(scenario: &Scenario) -> Result<Connector, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::Start { source })?;
    let tried = runtime.block_on(Connector::new(scenario));
    // A name that is still looked up is not waited for.
    runtime.shutdown_background();
    Ok(tried?)
}

fn usual_workers(scenario: &Scenario) -> usize {
    let of_one = match &scenario.model {
        Model::Rate(_) => RATE_OF_WORKER,
        Model::Users { .. } => USERS_OF_WORKER,
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a sound scenario has a million of either at most"
    )]
    let wanted = (scenario.profile().highest() / of_one).ceil() as usize;
    wanted.clamp(1, cores)
}

fn look(plan: &Plan, counted: &[Arc<Counted>]) -> Progress {
    let elapsed = plan.begin.elapsed();
    let length = plan.scenario.length();
    let warm_up = plan.scenario.warm_up;
    let mut figures = Figures::default();
    for kind in merged(plan, counted) {
        figures.add(&kind);
    }
    figures.length = elapsed.min(length).saturating_sub(warm_up);
    let under_way = counted
        .iter()
        .map(|counted| counted.under_way.load(Ordering::Relaxed));
    Progress {
        elapsed,
        length,
        is_warming_up: elapsed < warm_up,
        under_way: under_way.sum(),
        figures,
    }
}

/// Returns what all workers counted, by kind of request.
fn merged(plan: &Plan, counted: &[Arc<Counted>]) -> Vec<Figures> {
    let mut all = vec![Figures::default(); plan.scenario.requests.len()];
    for counted in counted {
        let figures = counted
            .figures
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (all, figures) in all.iter_mut().zip(figures.iter()) {
            all.add(figures);
        }
    }
    all
}

fn report(plan: &Plan, counted: &[Arc<Counted>], cancelled_at: Option<Duration>) -> Report {
    let scenario = &plan.scenario;
    let end = cancelled_at.unwrap_or(scenario.length());
    let length = end.saturating_sub(scenario.warm_up);
    let mut all = Figures::default();
    let mut requests: Vec<(String, Figures)> = Vec::new();
    for (request, mut figures) in scenario.requests.iter().zip(merged(plan, counted)) {
        figures.length = length;
        all.add(&figures);
        // A request may stand there several times, to be made more often than others.
        match requests.iter_mut().find(|(name, _)| *name == request.name) {
            Some((_, same)) => same.add(&figures),
            None => requests.push((request.name.clone(), figures)),
        }
    }
    all.length = length;
    let is_open = matches!(scenario.model, Model::Rate(_));
    let thresholds = scenario
        .thresholds
        .iter()
        .map(|threshold| threshold.judge(&all));
    Report {
        thresholds: thresholds.collect(),
        invalid: invalid(&all, is_open, scenario.connections),
        notes: notes(&all, scenario),
        interrupted: cancelled_at.is_some(),
        workers: plan.workers,
        all,
        requests,
    }
}

fn notes(all: &Figures, scenario: &Scenario) -> Vec<String> {
    let mut notes = Vec::new();
    let ended = all.good() + all.errors();
    let unfinished = all.requests.saturating_sub(ended);
    if unfinished > 0 {
        notes.push(format!(
            "{unfinished} requests were under way when it was ended; they count as neither"
        ));
    }
    if all.waited > 0 {
        let (waited, connections) = (all.waited, scenario.connections);
        notes.push(format!(
            "{waited} requests waited for one of {connections} connections: that time is part of \
             their latency"
        ));
    }
    notes
}
