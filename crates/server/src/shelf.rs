//! What the server needs of the machine: artifacts and the output of instances.

use std::pin::Pin;

use bytes::Bytes;
use leadsman_core::id::{Digest, InstanceId};
use tokio::sync::mpsc;

/// A boxed future, so that the contract can be used behind `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Keeps artifacts and the output of instances.
pub trait Shelf: Send + Sync {
    /// Returns the size in bytes of an artifact that is kept.
    fn artifact<'a>(&'a self, digest: &'a Digest)
    -> BoxFuture<'a, Result<Option<u64>, ShelfError>>;

    /// Keeps an artifact whose bytes come in `parts`; an error among them means that the sender
    /// broke off. Returns its size.
    ///
    /// # Errors
    ///
    /// It is not what `digest` says, or could not be written.
    fn put_artifact<'a>(
        &'a self,
        digest: &'a Digest,
        parts: mpsc::Receiver<Result<Bytes, String>>,
    ) -> BoxFuture<'a, Result<u64, ShelfError>>;

    /// Returns the instances whose output is kept, also of those that are gone.
    fn logged(&self) -> BoxFuture<'_, Result<Vec<InstanceId>, ShelfError>>;

    /// Returns the last `tail` lines of an instance's output and, if `follow`, whatever is
    /// written from now on, until the receiver is dropped.
    ///
    /// # Errors
    ///
    /// The output could not be read.
    fn lines<'a>(
        &'a self,
        instance: &'a InstanceId,
        tail: usize,
        follow: bool,
    ) -> BoxFuture<'a, Result<Lines, ShelfError>>;
}

/// Lines as they come.
pub type Lines = mpsc::Receiver<Line>;

/// One line that an instance wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line without its end.
    pub text: String,
}

/// Why the shelf could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The sender is to blame.
    #[error("{0}")]
    Rejected(String),
    /// The machine is to blame.
    #[error("{0}")]
    Failed(String),
}
