//! Artifacts and output, for the server: they lie in the state folder.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use leadsman_core::id::{Digest, InstanceId};
use leadsman_runtime::artifact::{Limits, Store};
use leadsman_runtime::logs::{Logs, ReadFrom};
use leadsman_server::{BoxFuture, Line, Lines, Shelf, ShelfError};
use tokio::sync::mpsc;

use crate::codes::Code;
use crate::failure::Failure;
use crate::folder::StateFolder;

/// How often a followed output is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The state folder as a shelf.
pub(super) struct StateShelf {
    artifacts: Arc<Store>,
    logs: Logs,
    logs_folder: PathBuf,
}

impl StateShelf {
    pub(super) fn open(state: &StateFolder) -> Result<Self, Failure> {
        let artifacts = Store::open(state.path(), Limits::default())
            .map_err(|error| Failure::of(Code::NotStarted, &error))?;
        let logs = Logs::new(state.path());
        let logs_folder = state.path().join("logs");
        Ok(Self {
            artifacts: Arc::new(artifacts),
            logs,
            logs_folder,
        })
    }

    /// Returns the artifacts.
    pub(super) fn store(&self) -> Arc<Store> {
        Arc::clone(&self.artifacts)
    }
}

fn failed(error: &dyn std::error::Error) -> ShelfError {
    ShelfError::Failed(leadsman_runtime::words(error))
}

/// Does what blocks where blocking is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ShelfError> + Send + 'static,
) -> Result<T, ShelfError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(failed(&error)),
    }
}

impl Shelf for StateShelf {
    fn artifact<'a>(
        &'a self,
        digest: &'a Digest,
    ) -> BoxFuture<'a, Result<Option<u64>, ShelfError>> {
        let (artifacts, digest) = (Arc::clone(&self.artifacts), digest.clone());
        Box::pin(blocking(move || Ok(artifacts.size(&digest))))
    }

    fn put_artifact<'a>(
        &'a self,
        digest: &'a Digest,
        mut parts: mpsc::Receiver<Result<Bytes, String>>,
    ) -> BoxFuture<'a, Result<u64, ShelfError>> {
        let (artifacts, digest) = (Arc::clone(&self.artifacts), digest.clone());
        Box::pin(blocking(move || {
            let mut incoming = artifacts.receive().map_err(|error| failed(&error))?;
            while let Some(part) = parts.blocking_recv() {
                let part = part
                    .map_err(|why| ShelfError::Rejected(format!("the upload broke off: {why}")))?;
                incoming.take(&part).map_err(|error| failed(&error))?;
            }
            incoming
                .finish(&digest)
                .map_err(|error| ShelfError::Rejected(leadsman_runtime::words(&error)))?;
            Ok(artifacts.size(&digest).unwrap_or_default())
        }))
    }

    fn logged(&self) -> BoxFuture<'_, Result<Vec<InstanceId>, ShelfError>> {
        let folder = self.logs_folder.clone();
        Box::pin(blocking(move || {
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                // Nothing has written anything yet.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(failed(&error)),
            };
            let names = entries
                .flatten()
                .filter_map(|entry| entry.file_name().into_string().ok());
            Ok(names.map(InstanceId::from_text).collect())
        }))
    }

    fn lines<'a>(
        &'a self,
        instance: &'a InstanceId,
        tail: usize,
        follow: bool,
    ) -> BoxFuture<'a, Result<Lines, ShelfError>> {
        let (logs, instance) = (self.logs.clone(), instance.clone());
        Box::pin(async move {
            let (sender, lines) = mpsc::channel(64);
            tokio::spawn(async move {
                let mut from = ReadFrom::Last(tail);
                loop {
                    let (logs, instance) = (logs.clone(), instance.clone());
                    let read = blocking(move || {
                        logs.read(&instance, from).map_err(|error| failed(&error))
                    });
                    // Output that is gone has been cleared away: there is no more of it.
                    let Ok(output) = read.await else { return };
                    for text in output.text.lines() {
                        let line = Line {
                            text: text.to_owned(),
                        };
                        if sender.send(line).await.is_err() {
                            return;
                        }
                    }
                    if output.text.is_empty() {
                        if !follow {
                            return;
                        }
                        tokio::select! {
                            () = sender.closed() => return,
                            () = tokio::time::sleep(LOOK_AGAIN) => {}
                        }
                    }
                    from = ReadFrom::Offset(output.next);
                }
            });
            Ok(lines)
        })
    }
}
