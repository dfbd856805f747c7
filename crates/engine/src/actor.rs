//! One environment: its state, and the passes that drive it.
//!
//! A pass: observe, plan, record the facts that hold, carry out the effects; again until nothing
//! more follows at this moment; then sleep until something is heard of or time alone changes
//! something. What is recorded is on disk before anything is done about it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use leadsman_core::entry::KnownFacts;
use leadsman_core::id::{EnvironmentId, EnvironmentName, ReleaseNumber};
use leadsman_core::route::{AcknowledgedRoutes, Routes};
use leadsman_core::time::Timestamp;
use leadsman_core::workload::{InstanceState, Workloads};
use leadsman_core::{Command, Environment, Event, Observed, Plan, decide, evolve, plan};
use leadsman_runtime::{Runtime, words};
use leadsman_store::{Append, AppendError, EventLog, FigureLog, FigureRow, Recorded, StreamName};
use tokio::sync::{Mutex, Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::by::By;
use crate::checks::{Checking, Inspector};
use crate::clock::Clock;
use crate::data_plane::{DataPlane, SideWindow};
use crate::error::Error;
use crate::judging::{Judging, series};
use crate::kept;
use crate::known::Known;
use crate::metrics::{MetricSources, Polling};
use crate::moments::Moments;
use crate::rates::Rates;
use crate::rows::Rows;
use crate::traffic::{self, Minute, Record};
use crate::view::{View, Views};

/// The name under which the engine records what holds without anybody having asked for it.
const ENGINE: &str = "leadsman";

/// After this many rounds a pass gives way to messages. A rollout of many services records a few
/// facts per round, so that real work never comes near it.
const ROUNDS: usize = 64;

/// How often within [`AGAIN`] somebody else may have written before this control stands back.
const CONFLICTS: usize = 3;

/// How long to wait before trying again what could not be recorded or applied.
const AGAIN: Duration = Duration::from_secs(1);

/// How many rows of figures are kept at once, which is far below what one append may hold.
const ROWS: usize = 16;

/// How many rows of figures wait for room on the disk: more than an hour's.
const ROWS_WAITING: usize = 1_000;

/// How far back the minutes lie at the most that a new control takes in, in milliseconds.
const LOOK_BACK: u64 = 20 * 60 * 1_000;

/// After how many windows it is read what somebody else may have recorded. There should be one control
/// only; should there ever be two, the one that is left must not go on without what the other did.
const CATCH_UP_EVERY: u64 = 30;

/// What an actor works with; shared by all of them.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) figures: Arc<dyn FigureLog>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) data_plane: Arc<dyn DataPlane>,
    pub(crate) metrics: Arc<dyn MetricSources>,
    pub(crate) inspector: Arc<dyn Inspector>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) views: Arc<watch::Sender<Views>>,
    /// What is known of releases, reports and people.
    pub(crate) known: Arc<Known>,
}

/// What an actor is told.
pub(crate) enum Message {
    /// A command of a person.
    Command {
        command: Box<Command>,
        /// The version of what was looked at, where that is said.
        seen: Option<u64>,
        by: By,
        reply: oneshot::Sender<Result<Vec<Recorded>, Error>>,
    },
    /// A closed window, or why there is none.
    Window(Result<Arc<SideWindow>, Arc<str>>),
}

/// One environment's actor.
pub(crate) struct Actor {
    tools: Tools,
    stream: StreamName,
    state: Environment,
    judging: Judging,
    polling: Polling,
    checking: Checking,
    traffic: Record,
    rates: Rates,
    /// How many windows it has heard of.
    heard: u64,
    /// Figures that are to be kept.
    unkept: Vec<FigureRow>,
    observed: Observed,
    moments: Moments,
    /// The routes that were told last, so as not to repeat them for nothing.
    applied: Option<Routes>,
    /// The workloads that were told last.
    wanted: Option<Workloads>,
    problem: Option<String>,
    /// Since when somebody else has written, and how often.
    conflicts: (Timestamp, usize),
}

/// Keeps an actor running until the inbox is closed. A mistake of ours in one environment (a panic)
/// must not take the others with it, nor stay: the actor is loaded anew from what is recorded.
pub(crate) async fn keep(first: Actor, inbox: mpsc::Receiver<Message>, nudge: Arc<Notify>) {
    let inbox = Arc::new(Mutex::new(inbox));
    let (tools, id) = (first.tools.clone(), first.state.id.clone());
    let mut actor = first;
    loop {
        // Dropped with this future, so that the one inside ends with the one outside.
        let mut running = JoinSet::new();
        running.spawn(actor.run(Arc::clone(&inbox), Arc::clone(&nudge)));
        let Some(Err(error)) = running.join_next().await else {
            return;
        };
        tracing::error!(environment = %id, %error, "BUG: an environment's actor broke off");
        actor = loop {
            tokio::time::sleep(AGAIN).await;
            match Actor::load(tools.clone(), id.clone()).await {
                Ok(actor) => break actor,
                Err(error) => tracing::error!(environment = %id, %error, "not loaded anew"),
            }
        };
    }
}

impl Actor {
    /// Loads the environment `id` from the log.
    pub(crate) async fn load(tools: Tools, id: EnvironmentId) -> Result<Self, Error> {
        let mut actor = Self {
            stream: StreamName::from(&id),
            tools,
            state: Environment::new(id),
            judging: Judging::default(),
            polling: Polling::default(),
            checking: Checking::default(),
            traffic: Record::default(),
            rates: Rates::default(),
            heard: 0,
            unkept: Vec::new(),
            observed: Observed::default(),
            moments: Moments::default(),
            applied: None,
            wanted: None,
            problem: None,
            conflicts: (Timestamp::default(), 0),
        };
        actor.catch_up().await?;
        actor.restore_traffic().await?;
        actor.restore_judges().await?;
        // Whoever asks from now on must not be told that there is no such environment.
        actor.look().await;
        Ok(actor)
    }

    /// Runs until the inbox is closed.
    async fn run(mut self, inbox: Arc<Mutex<mpsc::Receiver<Message>>>, nudge: Arc<Notify>) {
        let mut inbox = inbox.lock().await;
        loop {
            let wake_at = self.pass().await;
            let clock = Arc::clone(&self.tools.clock);
            let inspector = Arc::clone(&self.tools.inspector);
            // In this order, so that the same happens again where all else is the same; each is followed
            // by a pass, so that none is put off for ever.
            tokio::select! {
                biased;
                message = inbox.recv() => {
                    let Some(message) = message else { return };
                    self.hear(message).await;
                    while let Ok(message) = inbox.try_recv() {
                        self.hear(message).await;
                    }
                }
                () = nudge.notified() => {}
                polled = self.polling.next(&*clock) => self.judging.polled(polled),
                (check, found) = self.checking.next(&inspector, &*clock) => {
                    self.observed.checks.insert(check, found);
                }
                () = clock.sleep_until(wake_at.unwrap_or_default()), if wake_at.is_some() => {}
            }
        }
    }

    async fn hear(&mut self, message: Message) {
        match message {
            Message::Command {
                command,
                seen,
                by,
                reply,
            } => {
                let result = self.command(&command, seen, &by).await;
                // Whoever asks next must see what was recorded.
                self.look().await;
                // Whoever asked may be gone; what was recorded stands all the same.
                drop(reply.send(result));
            }
            Message::Window(Ok(window)) => self.window(&window).await,
            Message::Window(Err(why)) => self.judging.source_failed(&why),
        }
    }

    async fn command(
        &mut self,
        command: &Command,
        seen: Option<u64>,
        by: &By,
    ) -> Result<Vec<Recorded>, Error> {
        loop {
            if let Some(seen) = seen {
                self.state.still(seen)?;
            }
            let events = decide(&self.state, command, &by.name)?;
            match self.record(&events, by).await {
                // Somebody else wrote: decide again on what is true now.
                Err(AppendError::Conflict { .. }) => self.catch_up().await?,
                Err(error) => {
                    // It may have been written all the same: know it before anything else.
                    self.catch_up().await?;
                    return Err(Error::NotRecorded(error));
                }
                Ok(recorded) => return Ok(recorded),
            }
        }
    }

    async fn window(&mut self, window: &SideWindow) {
        self.rates.observe(&self.state.id, window);
        // Observed anew, so that a restart is judged with the window in which it happened.
        self.observe().await;
        let minutes = self.traffic.observe(&self.state, window);
        self.unkept.extend(minutes);
        self.judging.observe(&self.state, &self.observed, window);
        self.keep_if_due().await;
        self.heard += 1;
        if self.heard.is_multiple_of(CATCH_UP_EVERY) {
            // Where it cannot be read, whatever is to be recorded finds out.
            drop(self.catch_up().await);
        }
    }

    async fn keep_if_due(&mut self) {
        if !self.unkept.is_empty() || self.judging.is_due() {
            self.keep().await;
        }
    }

    /// Keeps what the judges were told and how the traffic has been. Figures are measurements:
    /// where they cannot be kept, what moves goes on, and it is tried again with the next ones.
    async fn keep(&mut self) {
        let told = self.judging.take_unkept(&self.state.id);
        self.unkept.extend(told);
        while !self.unkept.is_empty() {
            let count = self.unkept.len().min(ROWS);
            let rows: Vec<_> = self.unkept.iter().take(count).cloned().collect();
            let kept = self.tools.figures.append_figures(rows).await;
            let Err(error) = kept else {
                self.unkept.drain(..count);
                continue;
            };
            tracing::warn!(environment = %self.state.id, %error, "figures were not kept");
            let never = matches!(
                error,
                AppendError::TooLarge { .. } | AppendError::Invalid { .. }
            );
            if !never {
                let surplus = self.unkept.len().saturating_sub(ROWS_WAITING);
                self.unkept.drain(..surplus);
                return;
            }
            self.unkept.drain(..count);
        }
    }

    /// Shows how the environment stands, without doing anything about it.
    async fn look(&mut self) {
        self.observe().await;
        let now = self.tools.clock.now();
        let plan = plan(&self.state, &self.observed, now);
        self.show(&plan, now);
    }

    /// Drives the environment as far as it goes at this moment. Returns when to look again.
    async fn pass(&mut self) -> Option<Timestamp> {
        for _ in 0..ROUNDS {
            self.observe().await;
            self.keep_if_due().await;
            let now = self.tools.clock.now();
            let plan = plan(&self.state, &self.observed, now);
            if !plan.facts.is_empty() {
                if let Err(again) = self.record_facts(&plan.facts).await {
                    self.show(&plan, now);
                    return Some(now + again);
                }
                continue;
            }
            self.problem = None;
            self.show(&plan, now);
            self.poll(now);
            let asked = &plan.checks;
            self.observed
                .checks
                .retain(|check, _| asked.contains_key(check));
            self.checking.follow(asked);
            if !self.carry_out(&plan).await {
                return plan.wake_at;
            }
        }
        Some(self.tools.clock.now())
    }

    /// Has the metrics read of those rollouts that are judged.
    fn poll(&mut self, now: Timestamp) {
        let judged = self.judging.judged(&self.state);
        let sources = &*self.tools.metrics;
        self.polling
            .follow(&self.state.id, judged, &self.observed, sources, now);
    }

    async fn observe(&mut self) {
        match self.tools.runtime.observe(&self.state.id).await {
            Ok(instances) => self.observed.instances = instances,
            // What was seen last is told in this control's own time already.
            Err(error) => {
                tracing::warn!(environment = %self.state.id, %error, "instances were not observed");
            }
        }
        match self.tools.runtime.errands(&self.state.id).await {
            Ok(errands) => self.observed.errands = errands,
            Err(error) => {
                tracing::warn!(environment = %self.state.id, %error, "errands were not observed");
            }
        }
        self.observed.routes = self.tools.data_plane.acknowledged(&self.state.id);
        let now = self.tools.clock.now();
        self.moments.make_own(&mut self.observed, now);
        self.judging
            .follow(&self.state, &self.observed, &self.traffic, now);
        self.observed.verdicts = self.judging.verdicts();
        self.observed.elsewhere = self.elsewhere();
        self.observed.facts = self.facts();
        self.observed.people = self.tools.known.directory.people();
    }

    /// Returns what reports say of the releases that wait, and of the one that serves.
    fn facts(&self) -> BTreeMap<ReleaseNumber, Arc<KnownFacts>> {
        let deployment = self.state.deployment.as_ref().map(|it| it.release);
        let after = self.state.aftercare.as_ref().map(|it| it.release);
        if self.state.requests.is_empty() && deployment.is_none() && after.is_none() {
            return BTreeMap::new();
        }
        let releases = self.state.requests.keys().copied();
        let wanted = releases
            .chain(self.state.serving())
            .chain(deployment)
            .chain(after);
        self.tools.known.facts(&self.state.id.application, wanted)
    }

    /// Returns which releases took all traffic in other environments, where any waits for that.
    fn elsewhere(&self) -> BTreeMap<EnvironmentName, BTreeSet<ReleaseNumber>> {
        if self.state.requests.is_empty() {
            return BTreeMap::new();
        }
        let views = self.tools.views.borrow();
        let same = |id: &EnvironmentId| id.application == self.state.id.application;
        let others = views.environments.iter().filter(|(id, _)| same(id));
        others
            .map(|(id, view)| {
                let promoted = view.environment.promoted().collect();
                (id.environment.clone(), promoted)
            })
            .collect()
    }

    /// Records facts; where that fails nothing is done, and it is tried again after a while.
    async fn record_facts(&mut self, facts: &[Event]) -> Result<(), Duration> {
        let lets_in = |fact: &Event| matches!(fact, Event::EntryAdmitted { .. });
        if facts.iter().any(lets_in) {
            // Whose consent counts, and what reports say, another control may have recorded.
            match self.tools.known.learn().await {
                Ok(false) => {}
                Ok(true) => return Ok(()),
                Err(_) => return Err(AGAIN),
            }
        }
        match self.record(facts, &By::from(ENGINE)).await {
            Ok(_) => Ok(()),
            Err(AppendError::Conflict { .. }) => {
                self.catch_up().await.map_err(|_| AGAIN)?;
                if !self.stands_back() {
                    return Ok(());
                }
                // Two that see things differently, such as by clocks that differ, would answer each
                // other without end: this one lets time pass.
                self.problem = Some("another control drives this environment, too".to_owned());
                Err(AGAIN)
            }
            Err(error) => {
                let problem = words(&error);
                if self.problem.as_ref() != Some(&problem) {
                    tracing::error!(environment = %self.state.id, problem, "nothing moves");
                }
                self.problem = Some(problem);
                // It may have been written all the same; where reading fails too, the next pass
                // finds out by a conflict.
                drop(self.catch_up().await);
                Err(AGAIN)
            }
        }
    }

    /// Whether somebody else has written so often within a moment that this control lets time pass.
    fn stands_back(&mut self) -> bool {
        let now = self.tools.clock.now();
        let (since, count) = self.conflicts;
        let is_new = count == 0 || now < since || now.since(since) >= AGAIN;
        self.conflicts = if is_new { (now, 1) } else { (since, count + 1) };
        self.conflicts.1 > CONFLICTS
    }

    async fn record(&mut self, events: &[Event], by: &By) -> Result<Vec<Recorded>, AppendError> {
        // What a verdict rests on is kept before the verdict is recorded.
        self.keep().await;
        let at = self.tools.clock.now();
        let events_to_append = events
            .iter()
            .map(|event| by.store(event.kind(), event))
            .collect();
        let append = Append {
            stream: self.stream.clone(),
            expected_version: self.state.version,
            at,
            actor: by.name.clone(),
            events: events_to_append,
        };
        let recorded = self.tools.log.append(append).await?;
        for event in events {
            tracing::info!(environment = %self.state.id, event = event.kind(), by = by.name, "recorded");
            self.state = evolve(self.state.clone(), at, event);
        }
        Ok(recorded)
    }

    /// Folds what the log has and the state has not.
    async fn catch_up(&mut self) -> Result<(), Error> {
        let log = Arc::clone(&self.tools.log);
        let more = log
            .read_stream(&self.stream, self.state.version)
            .await
            .map_err(Error::NotRead)?;
        if !more.is_empty() {
            // Where that cannot be read now, it is again before anything is let in.
            drop(self.tools.known.learn().await);
        }
        for recorded in more {
            let event = serde_json::from_str(&recorded.body)
                .map_err(|source| Error::not_understood(&recorded, source))?;
            self.state = evolve(self.state.clone(), recorded.at, &event);
        }
        Ok(())
    }

    /// Feeds the judges what they had been told before control ended.
    async fn restore_judges(&mut self) -> Result<(), Error> {
        let Some(deployment) = self.state.deployment.clone() else {
            return Ok(());
        };
        for service in deployment.rollouts.keys() {
            let series = series(&self.state.id, deployment.number, service);
            let figures = Arc::clone(&self.tools.figures);
            let mut rows = Rows::new(&*figures, &series, Timestamp::default());
            while let Some(row) = rows.next().await.map_err(Error::NotRead)? {
                match kept::read_with_last(&row.body) {
                    Ok((told, last)) => {
                        let at = row.at;
                        self.judging.restore(&deployment, service, at, &told, last);
                    }
                    Err(error) => {
                        tracing::error!(series, at = %row.at, %error, "figures are not readable");
                    }
                }
            }
        }
        Ok(())
    }

    /// Learns how the traffic had been before control ended.
    async fn restore_traffic(&mut self) -> Result<(), Error> {
        let now = self.tools.clock.now().as_millis();
        let since = Timestamp::from_millis(now.saturating_sub(LOOK_BACK));
        let serving = traffic::serving_alone(&self.state);
        let services: Vec<_> = serving.map(|(service, _)| service.clone()).collect();
        for service in services {
            let series = traffic::series(&self.state.id, &service);
            let rows = self.tools.figures.read_figures(&series, since, usize::MAX);
            let rows = rows.await.map_err(Error::NotRead)?;
            let minutes = rows.iter().filter_map(|row| Minute::of_row(&service, row));
            let minutes = minutes.collect();
            self.traffic.restore(&self.state, &service, minutes);
        }
        Ok(())
    }

    /// Tells the world what the plan wants of it. Returns whether anything may have changed.
    async fn carry_out(&mut self, plan: &Plan) -> bool {
        let version = self.state.version;
        // Routes first: whatever is to be stopped must have no requests coming.
        let routed = match &plan.routes {
            Some(routes) => self.put_in_force(routes).await,
            None => false,
        };
        // Where somebody else has recorded more, this plan is outdated.
        if version != self.state.version {
            return true;
        }
        self.have_run(&plan.workloads).await || routed
    }

    async fn put_in_force(&mut self, routes: &Routes) -> bool {
        let is_told = self.applied.as_ref() == Some(routes);
        if is_told && in_force(routes, self.observed.routes.as_ref()) {
            return false;
        }
        let plane = Arc::clone(&self.tools.data_plane);
        let before = plane.acknowledged(&self.state.id);
        plane
            .apply(&self.state.id, self.state.version, routes)
            .await;
        self.applied = Some(routes.clone());
        let after = plane.acknowledged(&self.state.id);
        if !in_force(routes, after.as_ref()) {
            // It may have been overtaken by somebody who knows more.
            drop(self.catch_up().await);
        }
        // Each attempt is of a generation of its own: that alone changes nothing.
        let said = AcknowledgedRoutes::of_any_generation;
        before.map(said) != after.map(said)
    }

    async fn have_run(&mut self, workloads: &Workloads) -> bool {
        let is_told = self.wanted.as_ref() == Some(workloads);
        if is_told && runs(workloads, &self.observed) {
            return false;
        }
        let runtime = Arc::clone(&self.tools.runtime);
        let told = runtime.apply(&self.state.id, self.state.version, workloads);
        match told.await {
            Ok(()) => {
                self.wanted = Some(workloads.clone());
                // Told again because an effect seems lost, it need not be seen at once.
                !is_told
            }
            Err(error) => {
                let problem = words(&error);
                tracing::error!(environment = %self.state.id, problem, "not applied");
                self.problem = Some(problem);
                false
            }
        }
    }

    fn show(&self, plan: &Plan, now: Timestamp) {
        let view = View {
            environment: self.state.clone(),
            observed: self.observed.clone(),
            reasons: plan.reasons.clone(),
            rates: self.rates.rates(),
            ejected: self.rates.ejected(),
            problem: self.problem.clone(),
            at: now,
        };
        let id = self.state.id.clone();
        let mut before = None;
        self.tools.views.send_modify(|views| {
            views.version += 1;
            before = views.environments.insert(id, Arc::new(view));
        });
        let promoted_before = before.iter().flat_map(|view| view.environment.promoted());
        if !promoted_before.eq(self.state.promoted()) {
            self.tools.known.awaited.notify_one();
        }
    }
}

/// Whether the data plane has acknowledged the weights and the instances of `routes`.
fn in_force(routes: &Routes, acknowledged: Option<&AcknowledgedRoutes>) -> bool {
    let Some(acknowledged) = acknowledged else {
        return false;
    };
    let same =
        acknowledged.weights == routes.weights() && acknowledged.instances == routes.instances();
    same && acknowledged.unsaved.is_none()
}

/// Whether what was seen to run is what should: an effect that was lost shows here.
fn runs(wanted: &Workloads, observed: &Observed) -> bool {
    let seen = &observed.instances;
    let surplus = seen.iter().filter(|(id, seen)| {
        !wanted.instances.contains_key(*id) && seen.state != InstanceState::Stopping
    });
    let is_there = |id| {
        seen.get(id)
            .is_some_and(|seen| seen.state != InstanceState::Stopping)
    };
    let begun = |id| observed.errands.contains_key(id);
    wanted.instances.keys().all(is_there)
        && surplus.count() == 0
        && wanted.errands.keys().all(begun)
}
