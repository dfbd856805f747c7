//! A shelf without artifacts, on which instances have written what a test says.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use leadsman_core::id::{Digest, InstanceId};
use leadsman_server::{BoxFuture, Line, Lines, Shelf, ShelfError};
use tokio::sync::mpsc;

#[derive(Default)]
pub(crate) struct TestShelf(Mutex<BTreeMap<InstanceId, Vec<String>>>);

impl TestShelf {
    /// Has an instance write a line.
    pub(crate) fn writes(&self, instance: &InstanceId, line: &str) {
        let mut all = self.0.lock().expect("nobody panics with it");
        let lines = all.entry(instance.clone()).or_default();
        lines.push(line.to_owned());
    }
}

impl Shelf for TestShelf {
    fn artifact<'a>(
        &'a self,
        _digest: &'a Digest,
    ) -> BoxFuture<'a, Result<Option<u64>, ShelfError>> {
        Box::pin(async { Ok(None) })
    }

    fn put_artifact<'a>(
        &'a self,
        _digest: &'a Digest,
        _parts: mpsc::Receiver<Result<Bytes, String>>,
    ) -> BoxFuture<'a, Result<u64, ShelfError>> {
        Box::pin(async { Err(ShelfError::Failed("the disk is full".to_owned())) })
    }

    fn logged(&self) -> BoxFuture<'_, Result<Vec<InstanceId>, ShelfError>> {
        let all = self.0.lock().expect("nobody panics with it");
        let ids = all.keys().cloned().collect();
        Box::pin(async { Ok(ids) })
    }

    /// Nothing more is written to what is followed.
    fn lines<'a>(
        &'a self,
        instance: &'a InstanceId,
        tail: usize,
        _follow: bool,
    ) -> BoxFuture<'a, Result<Lines, ShelfError>> {
        let all = self.0.lock().expect("nobody panics with it");
        let lines = all.get(instance).cloned().unwrap_or_default();
        let last = lines.len().saturating_sub(tail);
        Box::pin(async move {
            let (sender, receiver) = mpsc::channel(lines.len().max(1));
            for text in lines.into_iter().skip(last) {
                sender.send(Line { text }).await.expect("there is room");
            }
            Ok(receiver)
        })
    }
}
