//! The log and the figures, as one control has them.

use std::sync::Arc;

use leadsman_core::time::Timestamp;
use leadsman_store::{
    Append, AppendError, BoxFuture, EventLog, FigureLog, FigureRow, ReadError, Recorded,
    StreamName, Verified, VerifyError,
};

use super::hands::Hands;
use super::sea::Kind;

/// The log, as one control has it.
pub(super) struct HandLog(pub(super) Arc<Hands>);

fn path() -> std::path::PathBuf {
    "events.db".into()
}

fn error(kind: std::io::ErrorKind) -> Arc<std::io::Error> {
    Arc::new(std::io::Error::from(kind))
}

impl HandLog {
    fn is(&self, kind: Kind) -> bool {
        let now = self.0.sea.moment();
        self.0.sea.truth().trouble.is(kind, now)
    }

    /// Whether nothing can be written, and why.
    fn refusal(&self) -> Option<AppendError> {
        let path = path();
        if self.is(Kind::DiskFull) {
            let source = error(std::io::ErrorKind::StorageFull);
            return Some(AppendError::Full { path, source });
        }
        let refuses = self.is(Kind::LogRefuses);
        let source = error(std::io::ErrorKind::PermissionDenied);
        refuses.then_some(AppendError::Io { path, source })
    }

    fn readable(&self) -> Result<(), ReadError> {
        if self.is(Kind::LogUnreadable) {
            let source = error(std::io::ErrorKind::Other);
            return Err(ReadError::Io {
                path: path(),
                source,
            });
        }
        Ok(())
    }
}

impl EventLog for HandLog {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Vec<Recorded>, AppendError>> {
        Box::pin(async move {
            self.0.gate.pass().await;
            if let Some(refusal) = self.refusal() {
                return Err(refusal);
            }
            let appended = self.0.sea.log.append(append).await;
            if let Err(error) = &appended {
                let (now, control) = (self.0.sea.moment(), self.0.control);
                let mut truth = self.0.sea.truth();
                truth.checks.tell(now, || {
                    format!("control {control} records nothing: {error}")
                });
            }
            let recorded = appended?;
            {
                let mut truth = self.0.sea.truth();
                let truth = &mut *truth;
                let now = self.0.sea.moment();
                let proxy = &truth.proxy;
                truth
                    .checks
                    .recorded(self.0.control, now, &recorded, proxy, &truth.natures);
            }
            if self.is(Kind::LogLies) {
                let source = error(std::io::ErrorKind::Other);
                return Err(AppendError::Io {
                    path: path(),
                    source,
                });
            }
            self.0.gate.pass().await;
            Ok(recorded)
        })
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamName,
        after_version: u64,
    ) -> BoxFuture<'a, Result<Vec<Recorded>, ReadError>> {
        Box::pin(async move {
            self.0.gate.pass().await;
            self.readable()?;
            self.0.sea.log.read_stream(stream, after_version).await
        })
    }

    fn read_all(
        &self,
        after_position: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>> {
        self.0.sea.log.read_all(after_position, limit)
    }

    fn streams(&self) -> BoxFuture<'_, Result<Vec<StreamName>, ReadError>> {
        Box::pin(async move {
            self.0.gate.pass().await;
            self.readable()?;
            self.0.sea.log.streams().await
        })
    }

    fn verify(&self) -> BoxFuture<'_, Result<Verified, VerifyError>> {
        self.0.sea.log.verify()
    }
}

impl FigureLog for HandLog {
    fn append_figures(&self, rows: Vec<FigureRow>) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(async move {
            self.0.gate.pass().await;
            match self.refusal() {
                Some(refusal) => Err(refusal),
                None => self.0.sea.log.append_figures(rows).await,
            }
        })
    }

    fn read_figures<'a>(
        &'a self,
        series: &'a str,
        since: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<FigureRow>, ReadError>> {
        Box::pin(async move {
            self.0.gate.pass().await;
            self.readable()?;
            self.0.sea.log.read_figures(series, since, limit).await
        })
    }

    fn figure_series(&self) -> BoxFuture<'_, Result<Vec<(String, Timestamp)>, ReadError>> {
        self.0.sea.log.figure_series()
    }

    fn prune_figures<'a>(
        &'a self,
        series: &'a str,
        before: Timestamp,
    ) -> BoxFuture<'a, Result<u64, AppendError>> {
        self.0.sea.log.prune_figures(series, before)
    }
}
