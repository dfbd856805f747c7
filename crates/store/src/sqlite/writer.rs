//! The one thread that writes, and group commit.
//!
//! A commit is durable when the disk says so, and that takes the same time for one event as for a
//! hundred. So everything that arrives while a commit is under way waits for the next one, which
//! takes it all in one transaction; nothing is answered before its commit has returned. With one
//! caller this costs nothing, with many it multiplies what the log takes in.
//!
//! Members of a group must not harm each other. A refusal (a conflict, say) is found before
//! anything is written and concerns its own member only. If writing fails, the whole transaction
//! is undone and every member is tried again in one of its own, so that only those that really
//! cannot be written are answered with the error.

use std::mem;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::connection::append_error;
use super::events;
use crate::chain::Head;
use crate::error::AppendError;

/// The most writes in one commit: it bounds how long the first of them waits for the last.
const GROUP_SIZE_MAX: usize = 256;

/// The most writes that wait before callers wait for a place among them.
const QUEUE_SIZE_MAX: usize = 1_024;

/// Something that can be written.
pub(super) trait Write: Send + 'static {
    /// What the caller is answered.
    type Output: Send + 'static;

    /// Writes as a member of `group`.
    ///
    /// A refusal is the inner error: then nothing may have been written. The outer error is a
    /// failure of the database, which undoes the whole group.
    fn write(&self, group: &mut Group<'_>) -> rusqlite::Result<Result<Self::Output, AppendError>>;
}

/// A transaction in the making.
pub(super) struct Group<'c> {
    tx: Transaction<'c>,
    /// The head of the log once the group is committed; read when first needed.
    head: Option<Head>,
}

impl Group<'_> {
    pub(super) fn connection(&self) -> &Connection {
        &self.tx
    }

    pub(super) fn head(&mut self) -> rusqlite::Result<&mut Head> {
        let head = match self.head {
            Some(head) => head,
            None => events::head(&self.tx)?,
        };
        Ok(self.head.insert(head))
    }

    fn commit(self) -> rusqlite::Result<()> {
        if let Some(head) = self.head {
            events::set_head(&self.tx, head)?;
        }
        self.tx.commit()
    }
}

/// The writing thread. It ends, with all that was accepted written, when this is dropped.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread, which owns `connection` from now on.
    pub(super) fn start(path: PathBuf, connection: Connection) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE_SIZE_MAX);
        let thread = thread::Builder::new().name("event-log".to_owned()).spawn({
            let path = path.clone();
            move || run(connection, jobs, &path)
        })?;
        Ok(Self {
            path,
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Writes and returns the answer, once it is durable.
    pub(super) async fn write<W: Write>(&self, write: W) -> Result<W::Output, AppendError> {
        let closed = || AppendError::Closed {
            path: self.path.clone(),
        };
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Pending {
            write,
            outcome: None,
            reply,
        });
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        queue.send(job).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(path = %self.path.display(), "the writer of the event log panicked");
        }
    }
}

/// A [`Write`] with somebody waiting for its answer.
trait Job: Send {
    fn write(&mut self, group: &mut Group<'_>) -> rusqlite::Result<()>;
    /// Answers with what `write` came to.
    fn committed(self: Box<Self>);
    fn failed(self: Box<Self>, error: AppendError);
}

struct Pending<W: Write> {
    write: W,
    outcome: Option<Result<W::Output, AppendError>>,
    reply: oneshot::Sender<Result<W::Output, AppendError>>,
}

// A caller who no longer listens is no failure: what was written stays written.
impl<W: Write> Job for Pending<W> {
    fn write(&mut self, group: &mut Group<'_>) -> rusqlite::Result<()> {
        self.outcome = Some(self.write.write(group)?);
        Ok(())
    }

    fn committed(self: Box<Self>) {
        if let Some(outcome) = self.outcome {
            drop(self.reply.send(outcome));
        }
    }

    fn failed(self: Box<Self>, error: AppendError) {
        drop(self.reply.send(Err(error)));
    }
}

fn run(mut connection: Connection, mut queue: mpsc::Receiver<Box<dyn Job>>, path: &Path) {
    let mut group = Vec::new();
    while let Some(first) = queue.blocking_recv() {
        group.push(first);
        while group.len() < GROUP_SIZE_MAX
            && let Ok(next) = queue.try_recv()
        {
            group.push(next);
        }
        commit(&mut connection, mem::take(&mut group), path);
    }
}

fn commit(connection: &mut Connection, mut jobs: Vec<Box<dyn Job>>, path: &Path) {
    match try_commit(connection, &mut jobs) {
        Ok(()) => jobs.into_iter().for_each(|job| job.committed()),
        Err(error) if jobs.len() > 1 && concerns_one(&error) => {
            for job in jobs {
                commit(connection, vec![job], path);
            }
        }
        Err(error) => {
            let error = append_error(path, error);
            jobs.into_iter().for_each(|job| job.failed(error.clone()));
        }
    }
}

fn try_commit(connection: &mut Connection, jobs: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    // Immediate: nobody else writes between the reading of a version and the writing of the next.
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut group = Group { tx, head: None };
    for job in jobs {
        job.write(&mut group)?;
    }
    group.commit()
}

/// Whether the others of the group may succeed without the one that failed.
fn concerns_one(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DiskFull | ErrorCode::TooBig | ErrorCode::ConstraintViolation)
    )
}
