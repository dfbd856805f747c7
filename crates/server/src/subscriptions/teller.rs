//! Tells one subscription, in order, for as long as it is there.
//!
//! It reads the log from where it has come to, sends what the subscription wants to know, and
//! goes on only when that was answered with a success: at least once, and in order. What was told
//! is kept after each delivery. A process that is killed in between tells the last one again, and
//! leaves out none. Nobody waits for it: a receiver that is slow or gone holds up itself alone.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use leadsman_core::time::Timestamp;
use leadsman_store::{BoxFuture, EventLog, Recorded};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::{Mutex, watch};

use super::kept::{Error as KeptError, Kept, Subscriptions};
use super::notice::Message;
use super::pace::Pace;
use super::post::{Letter, Post, Sent};
use super::progress::{Delivery, Progress};
use super::reading::{Error as ReadingError, Reader};
use crate::handlers::audit::last_position;
use crate::problem::words;

/// How many events are read at once: each may be as large as the project file that it holds.
const ROWS: usize = 8;

/// How many events that it wants to know nothing of are passed over before that is kept.
const PASSED_OVER_MAX: u64 = 1_000;

/// How often the audit is told of notices that were given up, at most.
const NOTED_EVERY: Duration = Duration::from_secs(3600);

/// How long is waited when something of this machine itself does not work, such as its disk.
const UNWELL: Duration = Duration::from_secs(5);

/// What telling needs of the world.
pub(crate) trait World: Send + Sync {
    /// Returns the log.
    fn log(&self) -> Arc<dyn EventLog>;

    /// Returns the present moment.
    fn now(&self) -> Timestamp;

    /// Has the audit know that Leadsman did something.
    fn acted<'a>(&'a self, act: &'a str) -> BoxFuture<'a, ()>;
}

/// What all tellers share.
pub(crate) struct Telling {
    pub(crate) world: Arc<dyn World>,
    pub(crate) kept: Arc<Subscriptions>,
    pub(crate) post: Post,
    pub(crate) pace: Pace,
    /// What readers of the log take turns with.
    pub(crate) turn: Arc<Mutex<()>>,
}

impl Telling {
    /// Sends a subscription a message, signed at the present moment.
    pub(crate) async fn send(&self, kept: &Kept, message: &Message) -> Sent {
        let now = self.world.now();
        let signatures = kept.signatures(&message.id, now, &message.body);
        let letter = Letter {
            to: &kept.address,
            allowed: kept.allowed,
            id: &message.id,
            at: now.as_millis() / 1_000,
            signatures: &signatures,
            body: message.body.clone(),
        };
        self.post.send(letter, self.pace.answer).await
    }
}

/// Why telling went no further.
enum Stop {
    /// It was removed, or ended: there is nothing more to tell.
    Over,
    /// Something of this machine itself does not work.
    Unwell(String),
}

impl From<ReadingError> for Stop {
    fn from(error: ReadingError) -> Self {
        Self::Unwell(words(&error))
    }
}

impl From<KeptError> for Stop {
    fn from(error: KeptError) -> Self {
        Self::Unwell(words(&error))
    }
}

/// Tells one subscription.
pub(crate) struct Teller {
    telling: Arc<Telling>,
    kept: Kept,
    progress: Progress,
    reader: Reader,
    /// The position that was kept last.
    kept_position: u64,
    /// Whether the last one could not be kept, which was logged.
    unkept: bool,
}

impl Teller {
    /// Tells `kept` until it is removed or ends. `end` is how long the log is; `source` is how
    /// receivers know this Leadsman.
    pub(crate) async fn run(
        telling: Arc<Telling>,
        kept: Kept,
        source: Arc<str>,
        mut end: watch::Receiver<u64>,
    ) {
        let name = kept.name.clone();
        let mut teller = loop {
            match Self::begin(&telling, &kept, &source).await {
                Ok(teller) => break teller,
                Err(Stop::Over) => return,
                Err(Stop::Unwell(why)) => unwell(&name, &why).await,
            }
        };
        loop {
            match teller.tell(&mut end).await {
                Stop::Over => return,
                Stop::Unwell(why) => unwell(&name, &why).await,
            }
        }
    }

    async fn begin(telling: &Arc<Telling>, kept: &Kept, source: &Arc<str>) -> Result<Self, Stop> {
        let mut progress = telling.kept.progress(kept)?;
        if progress.ended_at.is_some() {
            return Err(Stop::Over);
        }
        // An older log may have taken the place of the one that was told: what it has was told.
        let log = telling.world.log();
        let end = last_position(&*log).await.map_err(ReadingError::from)?;
        progress.position = progress.position.min(end);
        Ok(Self {
            kept_position: progress.position,
            reader: Reader::new(log, Arc::clone(source), Arc::clone(&telling.turn)),
            telling: Arc::clone(telling),
            kept: kept.clone(),
            progress,
            unkept: false,
        })
    }

    async fn tell(&mut self, end: &mut watch::Receiver<u64>) -> Stop {
        loop {
            let told = self.tell_rows().await;
            match told {
                Err(stop) => return stop,
                Ok(true) => {}
                Ok(false) => {
                    let position = self.progress.position;
                    if end.wait_for(|end| *end > position).await.is_err() {
                        return Stop::Over;
                    }
                }
            }
        }
    }

    /// Tells of the next events; says whether there were any.
    async fn tell_rows(&mut self) -> Result<bool, Stop> {
        let log = self.telling.world.log();
        let rows = log.read_all(self.progress.position, ROWS).await;
        let rows = rows.map_err(ReadingError::from)?;
        for row in &rows {
            let messages = self.reader.messages(row, &self.kept).await?;
            let mut told = false;
            for message in &messages {
                told |= self.deliver(row, message).await?;
            }
            self.progress.position = row.position;
            if told || row.position - self.kept_position >= PASSED_OVER_MAX {
                self.keep().await;
            }
        }
        self.note_given_up(false).await;
        Ok(!rows.is_empty())
    }

    /// Sends a message until it was told or is given up; says which of the two.
    async fn deliver(&mut self, row: &Recorded, message: &Message) -> Result<bool, Stop> {
        self.progress.position = row.position - 1;
        loop {
            if self.is_over(row) {
                self.progress.given_up += 1;
                return Ok(false);
            }
            self.note_given_up(false).await;
            self.wait().await;
            let sent = self.send(message).await?;
            self.note(message, &sent);
            if sent.problem().is_none() {
                self.note_given_up(true).await;
                return Ok(true);
            }
            if sent.status() == Some(StatusCode::GONE) {
                return Err(self.end().await);
            }
            self.keep().await;
        }
    }

    /// Whether an event has been tried for too long.
    fn is_over(&self, row: &Recorded) -> bool {
        let now = self.telling.world.now();
        let is_over = |since| self.telling.pace.is_over(row.at, since, now);
        self.progress.failing_since.is_some_and(is_over)
    }

    /// Waits until it may be tried again, as the last failure left it.
    async fn wait(&self) {
        if let Some(at) = self.progress.next_at {
            // A clock that was set back makes no wait longer than it is.
            let left = at.since(self.telling.world.now());
            tokio::time::sleep(left.min(self.telling.pace.most)).await;
        }
    }

    async fn send(&mut self, message: &Message) -> Result<Sent, Stop> {
        // It may have been removed meanwhile, or have another secret.
        let known = self.telling.kept.get(&self.kept.name)?;
        let known = known.filter(|known| self.progress.is_of(known));
        self.kept = known.ok_or(Stop::Over)?;
        Ok(self.telling.send(&self.kept, message).await)
    }

    fn note(&mut self, message: &Message, sent: &Sent) {
        let now = self.telling.world.now();
        let was_failing = self.progress.failing_since.is_some();
        let delivery = delivery(message, sent, now);
        if let (Some(why), false) = (&delivery.problem, was_failing) {
            tracing::warn!(subscription = self.kept.name, why, "cannot be told");
        }
        self.progress.note(delivery);
        if self.progress.failing_since.is_some() {
            let asked = sent.answer.as_ref().ok().and_then(|it| it.retry_after);
            let pace = self.telling.pace;
            let wait = pace.wait(self.progress.failed, random());
            let wait = wait.max(asked.unwrap_or_default().min(pace.most));
            self.progress.next_at = Some(now + wait);
        } else if was_failing {
            tracing::info!(subscription = self.kept.name, "is told again");
        }
    }

    /// Ends the subscription: its address says that it is gone for good.
    async fn end(&mut self) -> Stop {
        self.progress.ended_at = Some(self.telling.world.now());
        self.progress.next_at = None;
        self.keep().await;
        let name = &self.kept.name;
        let act = format!("subscription `{name}` ended: its address answered with 410");
        self.telling.world.acted(&act).await;
        Stop::Over
    }

    /// Has the audit know of what was given up: now and then, and `at_once` when that is over.
    async fn note_given_up(&mut self, at_once: bool) {
        let (now, progress) = (self.telling.world.now(), &mut self.progress);
        let new = progress.given_up - progress.noted;
        let lately = progress
            .noted_at
            .is_some_and(|at| now.since(at) < NOTED_EVERY);
        if new == 0 || (lately && !at_once) {
            return;
        }
        progress.noted = progress.given_up;
        progress.noted_at = Some(now);
        let name = &self.kept.name;
        let act = format!("subscription `{name}` is not told of {new} events any more");
        tracing::warn!(subscription = name, events = new, "given up");
        self.telling.world.acted(&act).await;
        self.keep().await;
    }

    /// Keeps how far it was told. Where that does not work, telling goes on: at worst something is
    /// told twice.
    async fn keep(&mut self) {
        let (kept, name) = (Arc::clone(&self.telling.kept), self.kept.name.clone());
        let progress = self.progress.clone();
        let position = progress.position;
        let written = tokio::task::spawn_blocking(move || kept.keep_progress(&name, &progress));
        let problem = match written.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(words(&error)),
            Err(error) => Some(error.to_string()),
        };
        if let (Some(why), false) = (&problem, self.unkept) {
            let name = &self.kept.name;
            tracing::warn!(subscription = name, why, "how far it was told is not kept");
        }
        self.unkept = problem.is_some();
        self.kept_position = position;
    }
}

async fn unwell(name: &str, why: &str) {
    tracing::warn!(subscription = name, why, "cannot be told for now");
    tokio::time::sleep(UNWELL).await;
}

/// Returns what is remembered of a delivery that ended `now`.
pub(crate) fn delivery(message: &Message, sent: &Sent, now: Timestamp) -> Delivery {
    let took = u64::try_from(sent.took.as_millis()).unwrap_or(u64::MAX);
    Delivery {
        id: message.id.clone(),
        kind: message.kind.clone(),
        at: Timestamp::from_millis(now.as_millis().saturating_sub(took)),
        took: sent.took,
        status: sent.status().map(|status| status.as_u16()),
        problem: sent.problem(),
    }
}

/// Returns a random number; one that is not does no harm here.
fn random() -> u32 {
    let mut bytes = [0; 4];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        return u32::MAX;
    }
    u32::from_le_bytes(bytes)
}
