//! Owns the tellers: there is one for each subscription, for as long as that is there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use leadsman_core::time::Timestamp;
use leadsman_engine::{By, Engine, Runs};
use leadsman_store::{BoxFuture, EventLog, ReadError};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::kept::{Kept, Subscriptions};
use super::pace::Pace;
use super::post::Post;
use super::teller::{Teller, Telling, World};
use crate::handlers::audit::last_position;
use crate::problem::words;

/// How long after something happened it is looked at the latest, where nobody says that it did.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often is looked at most: an engine that is busy says so many times a second.
const LOOK_APART: Duration = Duration::from_millis(50);

/// How long is waited when the log cannot be read.
const UNWELL: Duration = Duration::from_secs(5);

/// How many events are read at once to see how long the log is.
const ROWS: usize = 8;

/// The name under which the audit knows what nobody asked for.
const LEADSMAN: &str = "leadsman";

/// Owns the tellers.
pub(crate) struct Owner {
    telling: Arc<Telling>,
    engine: Engine,
    runs: Runs,
}

impl World for Engine {
    fn log(&self) -> Arc<dyn EventLog> {
        Self::log(self)
    }

    fn now(&self) -> Timestamp {
        Self::now(self)
    }

    fn acted<'a>(&'a self, act: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(Self::acted(self, By::from(LEADSMAN), act, None))
    }
}

/// What tells one subscription from another of the same name that comes after it.
type Key = (String, Timestamp);

impl Owner {
    pub(crate) fn new(engine: Engine, runs: Runs, kept: Arc<Subscriptions>) -> Self {
        let telling = Arc::new(Telling {
            world: Arc::new(engine.clone()),
            kept,
            post: Post::default(),
            pace: Pace::default(),
            turn: Arc::default(),
        });
        Self {
            telling,
            engine,
            runs,
        }
    }

    /// Returns what tellers share, for who sends something by hand.
    pub(crate) fn telling(&self) -> Arc<Telling> {
        Arc::clone(&self.telling)
    }

    /// Has every subscription told until `ended` becomes true.
    pub(crate) async fn run(self, mut ended: watch::Receiver<bool>) {
        tokio::select! {
            // An error means that nobody is left who could end it: then it ends.
            _ = ended.wait_for(|ended| *ended) => {}
            () = self.tell_all() => {}
        }
    }

    async fn tell_all(&self) {
        let mut changes = self.telling.kept.changes();
        // All of them end with this function.
        let mut tellers = JoinSet::new();
        let mut running: BTreeMap<Key, AbortHandle> = BTreeMap::new();
        let (sender, end) = watch::channel(0);
        loop {
            changes.mark_unchanged();
            let known = match self.telling.kept.all() {
                Ok(known) => known,
                Err(error) => {
                    let why = words(&error);
                    tracing::warn!(why, "subscriptions cannot be told for now");
                    tokio::time::sleep(UNWELL).await;
                    continue;
                }
            };
            running.retain(|key, teller| {
                let is_there = known.iter().any(|kept| key_of(kept) == *key);
                if !is_there {
                    teller.abort();
                }
                is_there
            });
            let new = known
                .into_iter()
                .filter(|kept| !running.contains_key(&key_of(kept)));
            let new: Vec<Kept> = new.collect();
            if !new.is_empty() {
                let Some(source) = self.source().await else {
                    // Nothing was recorded yet: there is nothing to tell.
                    tokio::select! {
                        () = tokio::time::sleep(LOOK_EVERY) => {}
                        changed = changes.changed() => if changed.is_err() { return },
                    }
                    continue;
                };
                for kept in new {
                    let key = key_of(&kept);
                    let telling = Arc::clone(&self.telling);
                    let teller = Teller::run(telling, kept, Arc::clone(&source), end.clone());
                    running.insert(key, tellers.spawn(teller));
                }
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                ended = tellers.join_next(), if !tellers.is_empty() => {
                    // One that ended by itself has nothing more to tell.
                    if let Some(Err(error)) = ended && error.is_panic() {
                        tracing::error!(%error, "telling a subscription broke off: it begins again");
                        running.retain(|_, teller| teller.id() != error.id());
                        tokio::time::sleep(UNWELL).await;
                    }
                }
                () = self.look(&sender), if !tellers.is_empty() => {}
            }
        }
    }

    /// Says how long the log is whenever it has grown. It has no end of its own.
    async fn look(&self, sender: &watch::Sender<u64>) {
        let (mut views, mut runs) = (self.engine.views(), self.runs.version());
        loop {
            if let Err(error) = grow(&*self.engine.log(), sender).await {
                tracing::warn!(%error, "the log cannot be looked at for now");
                tokio::time::sleep(UNWELL).await;
            }
            tokio::time::sleep(LOOK_APART).await;
            let changed = async {
                tokio::select! {
                    Ok(()) = views.changed() => {}
                    Ok(()) = runs.changed() => {}
                    else => std::future::pending().await,
                }
            };
            // Reports come in without a word.
            drop(tokio::time::timeout(LOOK_EVERY, changed).await);
        }
    }

    /// Returns how receivers know this Leadsman: by the first link of its log, which is the log's
    /// alone and goes where that goes. `None` while the log is empty.
    async fn source(&self) -> Option<Arc<str>> {
        source(&*self.engine.log()).await.ok().flatten()
    }
}

/// Returns how receivers know the Leadsman whose log this is; `None` while it is empty.
pub(crate) async fn source(log: &dyn EventLog) -> Result<Option<Arc<str>>, ReadError> {
    let first = log.read_all(0, 1).await?;
    let digits = first.first().map(|first| first.hash.to_string());
    let digits = digits.map(|digits| digits.chars().take(32).collect::<String>());
    Ok(digits.map(|digits| Arc::from(format!("urn:leadsman:{digits}"))))
}

/// Finds out how long the log is.
async fn grow(log: &dyn EventLog, sender: &watch::Sender<u64>) -> Result<(), ReadError> {
    let mut end = *sender.borrow();
    if end == 0 {
        end = last_position(log).await?;
    }
    loop {
        let rows = log.read_all(end, ROWS).await?;
        let Some(last) = rows.last() else { break };
        end = last.position;
    }
    sender.send_if_modified(|known| std::mem::replace(known, end) != end);
    Ok(())
}

fn key_of(kept: &Kept) -> Key {
    (kept.name.clone(), kept.added_at)
}
