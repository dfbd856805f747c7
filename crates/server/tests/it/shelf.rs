//! A shelf on which nothing lies.

use bytes::Bytes;
use leadsman_core::id::{Digest, InstanceId};
use leadsman_server::{BoxFuture, Lines, Shelf, ShelfError};
use tokio::sync::mpsc;

pub(crate) struct EmptyShelf;

impl Shelf for EmptyShelf {
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
        Box::pin(async { Ok(Vec::new()) })
    }

    fn lines<'a>(
        &'a self,
        _instance: &'a InstanceId,
        _tail: usize,
        _follow: bool,
    ) -> BoxFuture<'a, Result<Lines, ShelfError>> {
        Box::pin(async { Ok(mpsc::channel(1).1) })
    }
}
