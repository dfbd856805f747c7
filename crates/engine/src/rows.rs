//! The rows of a series, one after the other, without having all of them in memory.

use std::collections::VecDeque;
use std::time::Duration;

use leadsman_analysis::Told;
use leadsman_core::time::Timestamp;
use leadsman_store::{FigureLog, FigureRow, ReadError};

use crate::error::Error;
use crate::kept;

/// How many rows are read at once: a few minutes of a rollout, some hundred kilobytes.
const PAGE: usize = 64;

/// Some of what a judge was told, as it was kept together.
#[derive(Clone, Debug, PartialEq)]
pub struct ToldRow {
    /// When the last window of it began, or a little later: rows have different moments.
    pub at: Timestamp,
    /// What was told, in order.
    pub told: Vec<Told>,
}

/// Returns the next rows of what a judge was told.
pub(crate) async fn told(
    figures: &dyn FigureLog,
    series: &str,
    after: Option<Timestamp>,
) -> Result<Vec<ToldRow>, Error> {
    let since = after.map_or(Timestamp::default(), next);
    let page = figures.read_figures(series, since, PAGE).await;
    let read = |FigureRow { at, body, .. }| match kept::read(&body) {
        Ok(told) => Ok(ToldRow { at, told }),
        Err(source) => Err(Error::FiguresNotUnderstood {
            series: series.to_owned(),
            at,
            source,
        }),
    };
    page.map_err(Error::NotRead)?
        .into_iter()
        .map(read)
        .collect()
}

fn next(moment: Timestamp) -> Timestamp {
    moment + Duration::from_millis(1)
}

/// Reads a series from a moment on.
pub(crate) struct Rows<'a> {
    figures: &'a dyn FigureLog,
    series: &'a str,
    page: VecDeque<FigureRow>,
    /// Where the next page begins; `None` behind the last one.
    since: Option<Timestamp>,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(figures: &'a dyn FigureLog, series: &'a str, since: Timestamp) -> Self {
        Self {
            figures,
            series,
            page: VecDeque::new(),
            since: Some(since),
        }
    }

    /// Returns the next row; `None` behind the last one.
    pub(crate) async fn next(&mut self) -> Result<Option<FigureRow>, ReadError> {
        if self.page.is_empty()
            && let Some(since) = self.since.take()
        {
            let page = self.figures.read_figures(self.series, since, PAGE).await?;
            if page.len() == PAGE {
                self.since = page.last().map(|row| next(row.at));
            }
            self.page = page.into();
        }
        Ok(self.page.pop_front())
    }
}
