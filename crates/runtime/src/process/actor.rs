//! Brings one instance to where it should be, and tells what it sees of it.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use leadsman_core::id::{EnvironmentId, InstanceId};
use leadsman_core::workload::{Instance, InstanceState, ObservedInstance};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::ports::is_free;
use super::probe::Prober;
use super::readiness::Watch;
use super::record::{Ready, Record, folder_of, orphaned, seen, unstarted};
use super::{Shared, Wish, now, prepare};
use crate::files::{FileError, create_private_folder};
use crate::machine::ProcessId;
use crate::shim::{Backoff, Folder, Pauses, State, Status};
use crate::{Supervised, words};

/// How long to wait before something is tried again that failed for a reason outside of it.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// The task of one instance.
pub(super) struct Actor {
    shared: Arc<Shared>,
    id: InstanceId,
    environment: EnvironmentId,
    folder: PathBuf,
    wish: watch::Receiver<Wish>,
    backoff: Backoff,
    /// The port that is its own until nothing of it is left.
    port: Option<u16>,
}

/// An instance whose shim lives.
struct Live {
    shim: Supervised,
    record: Record,
    prober: Prober,
}

type Answer = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

impl Actor {
    pub(super) fn new(
        shared: Arc<Shared>,
        id: InstanceId,
        environment: EnvironmentId,
        wish: watch::Receiver<Wish>,
    ) -> Self {
        let folder = folder_of(&shared.config.state, &id);
        let backoff = Backoff::new(Pauses::default());
        let port = Record::read(&folder).ok().map(|record| record.port);
        Self {
            shared,
            id,
            environment,
            folder,
            wish,
            backoff,
            port,
        }
    }

    /// Runs until the instance is neither wanted nor there.
    pub(super) async fn run(mut self) {
        let mut live = self.find().await;
        loop {
            let wish = self.wish.borrow_and_update().clone();
            live = match (wish, live) {
                (Wish::Unwanted, live) => {
                    if self.remove(live).await {
                        return;
                    }
                    None
                }
                (Wish::Wanted(_) | Wish::Unknown, Some(live)) => self.watch(live).await,
                (Wish::Wanted(instance), None) => self.start(instance).await,
                (Wish::Unknown, None) => {
                    if self.wish.changed().await.is_err() {
                        return;
                    }
                    None
                }
            };
        }
    }

    /// Finds the instance where an earlier control left it.
    async fn find(&mut self) -> Option<Live> {
        match Supervised::attach(&self.folder).await {
            Ok(Some(shim)) => {
                let files = Record::read(&self.folder)
                    .and_then(|record| Ok((record, Folder::new(&self.folder).spec()?)));
                match files {
                    Ok((record, spec)) => {
                        let prober =
                            prepare::prober(&record, &spec, Folder::new(&self.folder).mark());
                        return Some(Live {
                            shim,
                            record,
                            prober,
                        });
                    }
                    Err(error) => {
                        tracing::warn!(instance = %self.id, error = words(&error), "is started anew");
                        shim.stop().await;
                    }
                }
            }
            Ok(None) => {
                if let (Ok(record), Ok(status)) = (
                    Record::read(&self.folder),
                    Folder::new(&self.folder).status(),
                ) {
                    self.observe(orphaned(&record, &status));
                }
            }
            Err(error) => self.fail(words(&error)),
        }
        None
    }

    /// Starts the instance. Where that is not possible it says why, and waits a while.
    async fn start(&mut self, instance: Arc<Instance>) -> Option<Live> {
        match self.try_to_start(&instance).await {
            Ok(live) => Some(live),
            Err(problem) => {
                self.fail(problem);
                let pause = self.backoff.broken();
                self.unless_told_otherwise(tokio::time::sleep(pause)).await;
                None
            }
        }
    }

    async fn try_to_start(&mut self, instance: &Arc<Instance>) -> Result<Live, String> {
        let port = self.port()?;
        let prepared = {
            let (shared, id, environment) = (
                Arc::clone(&self.shared),
                self.id.clone(),
                self.environment.clone(),
            );
            let instance = Arc::clone(instance);
            tokio::task::spawn_blocking(move || {
                prepare::spec(&shared, &id, &environment, &instance, port)
            })
        };
        let spec = match prepared.await {
            Ok(Ok(spec)) => spec,
            Ok(Err(problem)) => return Err(problem),
            Err(error) => return Err(words(&error)),
        };
        let earlier_restarts = Record::restarts_with_next(&self.folder);
        let record = Record {
            id: self.id.clone(),
            environment: self.environment.clone(),
            revision: instance.revision.clone(),
            port,
            readiness: instance.service.spec.ready.clone(),
            protocol: instance.service.spec.protocol,
            artifact: instance.service.artifact.clone(),
            earlier_restarts,
        };
        self.write(&record).map_err(|error| words(&error))?;
        let shim = Supervised::start(&self.shared.config.executable, &self.folder, &spec)
            .await
            .map_err(|error| words(&error))?;
        let prober = prepare::prober(&record, &spec, Folder::new(&self.folder).mark());
        Ok(Live {
            shim,
            record,
            prober,
        })
    }

    fn write(&self, record: &Record) -> Result<(), FileError> {
        create_private_folder(&self.folder)?;
        record.write(&self.folder)?;
        // Its restarts are part of the record now, and must not be counted twice.
        Folder::new(&self.folder).forget_status()
    }

    /// Returns the port that the instance had before, where nobody else took it, or a new one.
    fn port(&mut self) -> Result<u16, String> {
        if let Some(port) = self.port {
            if is_free(port) {
                return Ok(port);
            }
            self.shared.ports.give_back(port);
        }
        self.port = self.shared.ports.take();
        self.port.ok_or_else(|| "no port is free for it".to_owned())
    }

    /// Tells what is seen of the instance until its shim ends, or the instance is not wanted.
    async fn watch(&mut self, live: Live) -> Option<Live> {
        let Live {
            mut shim,
            record,
            prober,
        } = live;
        let mut status = shim.status();
        let mut watch = self.watch_of(&status);
        let mut answer = next_answer(&prober, &status, Duration::ZERO);
        self.tell(&record, &status, &watch);
        loop {
            tokio::select! {
                wished = self.wish.changed() => {
                    if wished.is_err() || matches!(*self.wish.borrow(), Wish::Unwanted) {
                        return Some(Live { shim, record, prober });
                    }
                }
                next = shim.next() => match next {
                    Some(next) => {
                        if next.child != status.child {
                            watch = self.watch_of(&next);
                            answer = next_answer(&prober, &next, Duration::ZERO);
                        }
                        status = next;
                        self.tell(&record, &status, &watch);
                        if has_lost_its_port(&record, &status) {
                            // It would fail for ever. The next start finds another port for it.
                            shim.stop().await;
                            self.pause_after(&status).await;
                            return None;
                        }
                    }
                    None => {
                        self.lost(&record, &status).await;
                        return None;
                    }
                },
                answered = &mut answer => {
                    if watch.record(answered, now()) {
                        self.remember(status.child, &watch);
                        self.tell(&record, &status, &watch);
                    }
                    let pause = watch.pause(record.readiness.every);
                    answer = next_answer(&prober, &status, pause);
                }
            }
        }
    }

    fn watch_of(&self, status: &Status) -> Watch {
        Watch::since(
            status
                .child
                .and_then(|child| Ready::of(&self.folder, child)),
        )
    }

    fn remember(&self, child: Option<ProcessId>, watch: &Watch) {
        match (child, watch.ready_since) {
            (Some(child), Some(since)) => {
                if let Err(error) = (Ready { child, since }).write(&self.folder) {
                    // It is ready all the same; only a restart of control would not know.
                    tracing::warn!(instance = %self.id, error = words(&error), "readiness is not kept");
                }
            }
            _ => Ready::forget(&self.folder),
        }
    }

    /// The shim has ended without being asked. What it left is gone already.
    async fn lost(&mut self, record: &Record, status: &Status) {
        self.observe(orphaned(record, status));
        self.pause_after(status).await;
    }

    /// Waits before another shim is started: longer each time, as a shim does.
    async fn pause_after(&mut self, status: &Status) {
        let pause = self.backoff.after(now().since(status.started_at));
        self.unless_told_otherwise(tokio::time::sleep(pause)).await;
    }

    /// Stops the instance and removes its folder. Returns whether its task has come to its end.
    async fn remove(&mut self, live: Option<Live>) -> bool {
        if let Some(Live {
            mut shim, record, ..
        }) = live
        {
            shim.ask_to_stop();
            self.observe(ObservedInstance {
                state: InstanceState::Stopping,
                ready_since: None,
                ..seen(&record, &shim.status(), None, None)
            });
            // It ends within the grace time; what cannot be killed is stopping for as long as it
            // is there.
            while shim.next().await.is_some() {}
        }
        match crate::supervised::remove(&self.folder).await {
            Ok(true) => {}
            Ok(false) => {
                // A shim lives that was not known: one that had just begun.
                if let Ok(Some(shim)) = Supervised::attach(&self.folder).await {
                    shim.stop().await;
                }
                return false;
            }
            Err(error) => {
                self.complain(words(&error));
                tokio::time::sleep(TRY_AGAIN).await;
                return false;
            }
        }
        if let Some(port) = self.port.take() {
            self.shared.ports.give_back(port);
        }
        self.clear_up().await;
        let mut entries = self.shared.entries();
        // Under the lock: whoever wants it again either is seen here, or finds no entry.
        if matches!(*self.wish.borrow(), Wish::Unwanted) {
            entries.remove(&self.id);
            drop(entries);
            self.shared.changed.notify_one();
            return true;
        }
        false
    }

    async fn clear_up(&self) {
        let (shared, id) = (Arc::clone(&self.shared), self.id.clone());
        let cleared = tokio::task::spawn_blocking(move || {
            shared.releases.release(&id)?;
            let known: Vec<String> = shared
                .entries()
                .keys()
                .map(|id| id.as_str().to_owned())
                .collect();
            shared.logs.prune(shared.config.logs_bytes_max, |name| {
                known.iter().any(|known| known == name)
            })
        });
        match cleared.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(instance = %self.id, error = words(&error), "something is left of it");
            }
            Err(error) => tracing::warn!(instance = %self.id, %error, "something is left of it"),
        }
    }

    async fn unless_told_otherwise(&mut self, pause: impl Future<Output = ()>) {
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => return,
                changed = self.wish.changed() => {
                    if changed.is_err() || matches!(*self.wish.borrow(), Wish::Unwanted) {
                        return;
                    }
                }
            }
        }
    }

    fn fail(&self, problem: String) {
        let entries = self.shared.entries();
        let Some(entry) = entries.get(&self.id) else {
            return;
        };
        let seen = unstarted(entry.observed.revision.clone(), entry.observed.started_at);
        drop(entries);
        self.observe(ObservedInstance {
            state: InstanceState::Broken,
            detail: Some(problem),
            ..seen
        });
    }

    fn complain(&self, problem: String) {
        let entries = self.shared.entries();
        let Some(entry) = entries.get(&self.id) else {
            return;
        };
        let seen = entry.observed.clone();
        drop(entries);
        self.observe(ObservedInstance {
            detail: Some(problem),
            ..seen
        });
    }

    fn tell(&self, record: &Record, status: &Status, watch: &Watch) {
        self.observe(seen(
            record,
            status,
            watch.ready_since,
            watch.unready.as_deref(),
        ));
    }

    fn observe(&self, seen: ObservedInstance) {
        let mut entries = self.shared.entries();
        let Some(entry) = entries.get_mut(&self.id) else {
            return;
        };
        let before = std::mem::replace(&mut entry.observed, seen);
        // What is measured moves all the time, and is read when somebody wants to know.
        let after = ObservedInstance {
            memory: before.memory,
            cpu: before.cpu,
            ..entry.observed.clone()
        };
        drop(entries);
        if before != after {
            self.shared.changed.notify_one();
        }
    }
}

/// Whether an instance ends again and again while somebody else listens on its port.
fn has_lost_its_port(record: &Record, status: &Status) -> bool {
    status.state == State::Restarting && status.restarts > 0 && !is_free(record.port)
}

/// Resolves with the answer of an instance that is asked after `pause`; never, while it does not
/// run.
fn next_answer(prober: &Prober, status: &Status, pause: Duration) -> Answer {
    if status.state != State::Running {
        return Box::pin(std::future::pending());
    }
    let prober = prober.clone();
    let at = Instant::now() + pause;
    Box::pin(async move {
        sleep_until(at).await;
        prober.ask().await
    })
}
