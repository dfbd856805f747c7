//! What can be asked of a log, whatever it is kept in.

use std::pin::Pin;

use leadsman_core::time::Timestamp;

use crate::chain::Verified;
use crate::error::{AppendError, ReadError, VerifyError};
use crate::event::{Append, Recorded};
use crate::figure::FigureRow;
use crate::stream::StreamName;

/// A future behind a pointer, so that a log can be used as `dyn EventLog`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An append-only log of events.
///
/// What an append has answered with is durable and is seen by every read that begins later.
pub trait EventLog: Send + Sync {
    /// Records events, all of them or none, and returns them as they were recorded.
    ///
    /// An append whose future is dropped before it answers may be recorded nevertheless.
    ///
    /// # Errors
    ///
    /// [`AppendError::Conflict`] if the stream has another number of events than expected. After
    /// any error but [`AppendError::Io`] and [`AppendError::Closed`] it is certain that nothing
    /// was recorded; the log stays usable.
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Vec<Recorded>, AppendError>>;

    /// Returns the events of `stream` whose version is above `after_version`, in order. A stream
    /// that nothing was appended to is empty.
    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamName,
        after_version: u64,
    ) -> BoxFuture<'a, Result<Vec<Recorded>, ReadError>>;

    /// Returns the events whose position is above `after_position`, in order, at most `limit`.
    fn read_all(
        &self,
        after_position: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>>;

    /// Returns the streams that have events, ordered by name.
    fn streams(&self) -> BoxFuture<'_, Result<Vec<StreamName>, ReadError>>;

    /// Recomputes the whole chain.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Broken`] names the first position at which the log is not what was
    /// recorded.
    fn verify(&self) -> BoxFuture<'_, Result<Verified, VerifyError>>;
}

/// A store of measurements: not chained, replaced at will, thrown away when old.
pub trait FigureLog: Send + Sync {
    /// Stores measurements, all of them or none. One of the same series and moment is replaced.
    ///
    /// # Errors
    ///
    /// As [`EventLog::append`], but never [`AppendError::Conflict`].
    fn append_figures(&self, rows: Vec<FigureRow>) -> BoxFuture<'_, Result<(), AppendError>>;

    /// Returns the measurements of `series` at `since` or later, in order of time, at most `limit`.
    fn read_figures<'a>(
        &'a self,
        series: &'a str,
        since: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<FigureRow>, ReadError>>;

    /// Returns the series that have measurements, each with the moment of its last one, ordered by
    /// name.
    fn figure_series(&self) -> BoxFuture<'_, Result<Vec<(String, Timestamp)>, ReadError>>;

    /// Throws away the measurements of `series` from before `before`; returns how many.
    fn prune_figures<'a>(
        &'a self,
        series: &'a str,
        before: Timestamp,
    ) -> BoxFuture<'a, Result<u64, AppendError>>;
}
