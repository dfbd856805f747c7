//! Telling, with real receivers and real sockets, and what is told.

mod receiver;
mod schema;
mod telling;
mod tls;
mod told;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use leadsman_core::time::Timestamp;
use leadsman_store::memory::MemoryLog;
use leadsman_store::{Append, BoxFuture, EventLog, NewEvent, StreamName};

use super::teller::World;

/// A log, a clock that is set by hand, and the audit.
pub(super) struct Fake {
    log: Arc<MemoryLog>,
    now: AtomicU64,
    acted: Mutex<Vec<String>>,
}

impl World for Fake {
    fn log(&self) -> Arc<dyn EventLog> {
        Arc::clone(&self.log) as Arc<dyn EventLog>
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    fn acted<'a>(&'a self, act: &'a str) -> BoxFuture<'a, ()> {
        let acted = self.acted.lock();
        acted.expect("nobody panics with it").push(act.to_owned());
        Box::pin(async {})
    }
}

impl Fake {
    fn new() -> Self {
        Self {
            log: Arc::new(MemoryLog::new()),
            now: AtomicU64::new(1_790_000_000_000),
            acted: Mutex::default(),
        }
    }

    /// Records an event, and returns the position of the log's end.
    async fn record(&self, stream: &str, body: &str) -> u64 {
        let stream: StreamName = stream.parse().expect("it is a name");
        let value: serde_json::Value = serde_json::from_str(body).expect("it is JSON");
        let kind = value["event"].as_str().expect("it has a kind").to_owned();
        let recorded = self.log.read_stream(&stream, 0).await;
        let expected_version = recorded.expect("it can be read").len() as u64;
        let append = Append {
            stream,
            expected_version,
            at: self.now(),
            actor: "ann".to_owned(),
            events: vec![NewEvent {
                kind,
                body: body.to_owned(),
            }],
        };
        let recorded = self.log.append(append).await.expect("it can be recorded");
        recorded.last().expect("it is one").position
    }

    fn pass(&self, ms: u64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }

    fn acted_so_far(&self) -> Vec<String> {
        self.acted.lock().expect("nobody panics with it").clone()
    }
}
