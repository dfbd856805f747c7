//! A log in memory: for tests, and for what need not outlive the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use leadsman_core::time::Timestamp;

use crate::chain::{self, Head, Row, Verified};
use crate::error::{AppendError, ReadError, VerifyError};
use crate::event::{Append, Recorded};
use crate::figure::{self, FigureRow};
use crate::log::{BoxFuture, EventLog, FigureLog};
use crate::stream::StreamName;

/// A log that is gone when it is dropped.
#[derive(Debug, Default)]
pub struct MemoryLog {
    contents: Mutex<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    events: Vec<Recorded>,
    /// The position of each event of a stream, in order.
    streams: BTreeMap<StreamName, Vec<u64>>,
    figures: BTreeMap<(String, Timestamp), String>,
}

impl MemoryLog {
    /// Returns an empty log.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        // Every change below is made by steps that cannot panic, so it is whole even then.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    fn head(&self) -> Head {
        self.events.last().map_or(Head::GENESIS, |last| Head {
            position: last.position,
            hash: last.hash,
        })
    }

    fn after(&self, position: u64) -> &[Recorded] {
        let index = usize::try_from(position).unwrap_or(usize::MAX);
        self.events.get(index..).unwrap_or_default()
    }

    fn append(&mut self, append: Append) -> Result<Vec<Recorded>, AppendError> {
        let Append {
            stream,
            expected_version: expected,
            at,
            actor,
            events,
        } = append;
        let actual = self
            .streams
            .get(&stream)
            .map_or(0, |positions| positions.len() as u64);
        if actual != expected {
            return Err(AppendError::Conflict {
                stream,
                expected,
                actual,
            });
        }
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let mut head = self.head();
        let recorded: Vec<_> = (expected + 1..)
            .zip(&events)
            .map(|(version, event)| head.record(&stream, version, at, &actor, event))
            .collect();
        self.streams
            .entry(stream)
            .or_default()
            .extend(recorded.iter().map(|it| it.position));
        self.events.extend(recorded.iter().cloned());
        Ok(recorded)
    }
}

impl EventLog for MemoryLog {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Vec<Recorded>, AppendError>> {
        Box::pin(async move {
            append.check()?;
            self.lock().append(append)
        })
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamName,
        after_version: u64,
    ) -> BoxFuture<'a, Result<Vec<Recorded>, ReadError>> {
        Box::pin(async move {
            let contents = self.lock();
            let positions = contents.streams.get(stream).map_or(&[][..], Vec::as_slice);
            let skipped = usize::try_from(after_version).unwrap_or(usize::MAX);
            let events = positions.iter().skip(skipped);
            Ok(events
                .filter_map(|position| contents.after(position - 1).first().cloned())
                .collect())
        })
    }

    fn read_all(
        &self,
        after_position: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>> {
        Box::pin(async move {
            Ok(self
                .lock()
                .after(after_position)
                .iter()
                .take(limit)
                .cloned()
                .collect())
        })
    }

    fn streams(&self) -> BoxFuture<'_, Result<Vec<StreamName>, ReadError>> {
        Box::pin(async move { Ok(self.lock().streams.keys().cloned().collect()) })
    }

    fn verify(&self) -> BoxFuture<'_, Result<Verified, VerifyError>> {
        Box::pin(async move {
            let contents = self.lock();
            chain::verify(Some(contents.head()), |after| {
                let events = contents
                    .after(u64::try_from(after).unwrap_or(0))
                    .iter()
                    .cloned();
                let row = |event: Recorded| Row {
                    position: event.position.cast_signed(),
                    event: Some(event),
                };
                Ok(events.map(row).collect())
            })
        })
    }
}

impl FigureLog for MemoryLog {
    fn append_figures(&self, rows: Vec<FigureRow>) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(async move {
            figure::check(&rows)?;
            let rows = rows.into_iter().map(|row| ((row.series, row.at), row.body));
            self.lock().figures.extend(rows);
            Ok(())
        })
    }

    fn read_figures<'a>(
        &'a self,
        series: &'a str,
        since: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<FigureRow>, ReadError>> {
        Box::pin(async move {
            let contents = self.lock();
            let rows = contents.figures.range((series.to_owned(), since)..);
            let rows = rows.take_while(|((found, _), _)| found == series);
            let rows = rows.take(limit);
            let row = |((series, at), body): (&(String, Timestamp), &String)| FigureRow {
                series: series.clone(),
                at: *at,
                body: body.clone(),
            };
            Ok(rows.map(row).collect())
        })
    }

    fn figure_series(&self) -> BoxFuture<'_, Result<Vec<(String, Timestamp)>, ReadError>> {
        Box::pin(async move {
            let contents = self.lock();
            let last = contents.figures.keys().map(|(series, at)| (series, *at));
            let last: BTreeMap<&String, Timestamp> = last.collect();
            let owned = |(series, at): (&String, Timestamp)| (series.clone(), at);
            Ok(last.into_iter().map(owned).collect())
        })
    }

    fn prune_figures<'a>(
        &'a self,
        series: &'a str,
        before: Timestamp,
    ) -> BoxFuture<'a, Result<u64, AppendError>> {
        Box::pin(async move {
            let figures = &mut self.lock().figures;
            let count = figures.len();
            figures.retain(|(found, at), _| found != series || *at >= before);
            Ok((count - figures.len()) as u64)
        })
    }
}
