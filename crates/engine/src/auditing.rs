//! The stream of the audit: what was denied and refused, and what leaves no other trace.
//!
//! Nobody waits for it to be understood and nothing is decided by it, so it is only written. What
//! cannot be written is logged: a full disk must not keep anybody from saying no.

use std::sync::Arc;

use leadsman_core::audit::{Denials, Due, Event};
use leadsman_store::{Append, AppendError, EventLog, StreamKind, StreamName};
use tokio::sync::Mutex;

use crate::by::By;
use crate::clock::Clock;

/// The name under which counts are recorded that belong to nobody.
const ENGINE: &str = "leadsman";

/// How often it is tried to append behind what somebody else has appended meanwhile.
const TRIES: usize = 5;

/// Writes the audit.
pub(crate) struct Auditing {
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    stream: StreamName,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    denials: Denials,
    /// How many events the stream has, where that is known.
    version: Option<u64>,
}

impl Auditing {
    pub(crate) fn new(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>) -> Self {
        Self {
            log,
            clock,
            stream: StreamName::from(&StreamKind::Audit),
            state: Mutex::default(),
        }
    }

    /// Takes note of what was denied or refused.
    pub(crate) async fn denied(&self, by: &By, event: &Event) {
        let mut state = self.state.lock().await;
        let asked = by.asked.clone().unwrap_or_default();
        let due = state
            .denials
            .note(self.clock.now(), &by.name, &asked, event);
        if let Some(due) = due {
            self.write(&mut state, due).await;
        }
    }

    /// Records that somebody did something.
    pub(crate) async fn acted(&self, by: &By, event: Event) {
        let due = Due {
            by: Some(by.name.clone()),
            asked: by.asked.clone(),
            event,
        };
        let mut state = self.state.lock().await;
        self.write(&mut state, due).await;
    }

    /// Writes down what was counted long enough; all of it if it is the `end`.
    pub(crate) async fn settle(&self, end: bool) {
        let mut state = self.state.lock().await;
        for due in state.denials.due(self.clock.now(), end) {
            self.write(&mut state, due).await;
        }
    }

    async fn write(&self, state: &mut State, due: Due) {
        let by = By {
            name: due.by.unwrap_or_else(|| ENGINE.to_owned()),
            asked: due.asked,
        };
        for _ in 0..TRIES {
            let version = match state.version {
                Some(version) => version,
                None => match self.log.read_stream(&self.stream, 0).await {
                    Ok(events) => events.last().map_or(0, |last| last.version),
                    Err(error) => {
                        tracing::warn!(%error, event = %due.event, "not in the audit");
                        return;
                    }
                },
            };
            let append = Append {
                stream: self.stream.clone(),
                expected_version: version,
                at: self.clock.now(),
                actor: by.name.clone(),
                events: vec![by.store(due.event.kind(), &due.event)],
            };
            match self.log.append(append).await {
                Ok(_) => {
                    state.version = Some(version + 1);
                    return;
                }
                Err(AppendError::Conflict { .. }) => state.version = None,
                Err(error) => {
                    // It may have been written all the same.
                    state.version = None;
                    tracing::warn!(%error, event = %due.event, "not in the audit");
                    return;
                }
            }
        }
        tracing::warn!(event = %due.event, "not in the audit: others append all the time");
    }
}
