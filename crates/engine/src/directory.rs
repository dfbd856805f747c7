//! Who there is: the stream of people, folded and written.

use std::sync::Arc;

use leadsman_core::people::{self, Command, People};
use leadsman_store::{Append, AppendError, EventLog, Recorded, StreamKind, StreamName};
use tokio::sync::{Mutex, watch};

use crate::by::By;
use crate::clock::Clock;
use crate::error::Error;

/// Everybody who is known, as the log has it.
pub(crate) struct Directory {
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    stream: StreamName,
    /// Held by who writes, so that one order follows on the other.
    writing: Mutex<()>,
    people: watch::Sender<Arc<People>>,
}

impl Directory {
    pub(crate) async fn load(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let directory = Self {
            log,
            clock,
            stream: StreamName::from(&StreamKind::People),
            writing: Mutex::default(),
            people: watch::channel(Arc::default()).0,
        };
        directory.catch_up().await?;
        Ok(directory)
    }

    /// Returns who there is now.
    pub(crate) fn people(&self) -> Arc<People> {
        Arc::clone(&self.people.borrow())
    }

    /// Returns who there is, now and whenever it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<People>> {
        self.people.subscribe()
    }

    /// Carries out an order. When it returns, what follows from it is recorded and holds.
    pub(crate) async fn tell(
        &self,
        command: &Command,
        by: &By,
    ) -> Result<Vec<people::Event>, Error> {
        let _writing = self.writing.lock().await;
        loop {
            let now = self.clock.now();
            let people = self.people();
            let events = people::decide(&people, command, now)?;
            let append = Append {
                stream: self.stream.clone(),
                expected_version: people.version,
                at: now,
                actor: by.name.clone(),
                events: events
                    .iter()
                    .map(|event| by.store(event.kind(), event))
                    .collect(),
            };
            match self.log.append(append).await {
                Ok(recorded) => {
                    self.fold(&recorded)?;
                    return Ok(events);
                }
                Err(AppendError::Conflict { .. }) => self.catch_up().await?,
                Err(error) => {
                    // It may have been written all the same: know it before anything else.
                    self.catch_up().await?;
                    return Err(Error::NotRecorded(error));
                }
            }
        }
    }

    /// Learns what another control has recorded; says whether there was anything.
    pub(crate) async fn learn(&self) -> Result<bool, Error> {
        let _writing = self.writing.lock().await;
        let before = self.people().version;
        self.catch_up().await?;
        Ok(self.people().version > before)
    }

    /// Folds what the log has and this has not.
    async fn catch_up(&self) -> Result<(), Error> {
        let known = self.people().version;
        let more = self.log.read_stream(&self.stream, known).await;
        let more = more.map_err(Error::NotRead)?;
        if more.is_empty() {
            return Ok(());
        }
        self.fold(&more)
    }

    fn fold(&self, recorded: &[Recorded]) -> Result<(), Error> {
        let mut people = (*self.people()).clone();
        for recorded in recorded {
            let event = serde_json::from_str(&recorded.body)
                .map_err(|source| Error::not_understood(recorded, source))?;
            people = people::evolve(people, recorded.at, &event);
        }
        self.people.send_replace(Arc::new(people));
        Ok(())
    }
}
