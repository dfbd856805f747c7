//! Metrics that each instance shows by itself, on a page.

use std::collections::BTreeMap;
use std::sync::Arc;

use leadsman_core::id::InstanceId;
use leadsman_core::metric::{Fold, Shown};
use leadsman_core::time::Timestamp;
use tokio::task::JoinSet;

use super::exposition::{self, Malformed, Series};
use super::http::{self, Question};
use super::{Asked, AskedInstance, AskedSide, MetricReader, Reading, finite};
use crate::data_plane::BoxFuture;

/// How many pages are read at the same time.
const AT_ONCE: usize = 8;

/// Reads the pages of both sides.
#[derive(Debug)]
pub(super) struct Pages {
    shown: Arc<Shown>,
    counters: Counters,
    /// When they were read last.
    read_at: Option<Timestamp>,
}

/// Why an instance's page tells nothing.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Asking(#[from] http::Error),
    #[error("it answers with {0}")]
    Status(hyper::StatusCode),
    #[error("its page is not text")]
    NotText(#[from] std::str::Utf8Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("{0}")]
    Several(String),
}

impl Pages {
    pub(super) fn new(shown: Shown) -> Self {
        Self {
            shown: Arc::new(shown),
            counters: Counters::default(),
            read_at: None,
        }
    }

    async fn value(&mut self, side: &AskedSide, now: Timestamp) -> Result<Option<f64>, String> {
        let mut values = Vec::new();
        for some in side.instances.chunks(AT_ONCE) {
            let mut pages = JoinSet::new();
            for instance in some {
                let (shown, instance) = (Arc::clone(&self.shown), instance.clone());
                pages.spawn(async move { (page(&shown, &instance).await, instance) });
            }
            while let Some(read) = pages.join_next().await {
                let (series, instance) = read.map_err(|error| error.to_string())?;
                let series = series.map_err(|error| {
                    let why = leadsman_runtime::words(&error);
                    format!("`{}` of {}: {why}", self.shown.path, instance.id)
                })?;
                values.extend(self.of_instance(&instance, series, now));
            }
        }
        // The order in which pages come in must not show in the last bit of a sum.
        values.sort_by(f64::total_cmp);
        Ok(self.shown.instances.of(values))
    }

    fn of_instance(
        &mut self,
        instance: &AskedInstance,
        series: Vec<Series>,
        now: Timestamp,
    ) -> Option<f64> {
        let values: Vec<f64> = if self.shown.counter {
            self.counters.rates(instance, series, now)
        } else {
            series.into_iter().map(|series| series.value).collect()
        };
        let values = values.into_iter().filter_map(finite);
        self.shown.series.unwrap_or(Fold::Max).of(values)
    }
}

impl MetricReader for Pages {
    fn read<'a>(&'a mut self, asked: &'a Asked) -> BoxFuture<'a, Result<Vec<Reading>, String>> {
        Box::pin(async move {
            let now = asked.now;
            let canary = self.value(&asked.canary, now).await?;
            let baseline = match &asked.baseline {
                Some(baseline) => self.value(baseline, now).await?,
                None => None,
            };
            let sides = asked.baseline.iter().chain([&asked.canary]);
            self.counters.forget_others(sides);
            let before = self.read_at.replace(now);
            let interval = before.map_or(self.shown.every, |before| now.since(before));
            Ok(vec![Reading {
                seconds: interval.as_secs_f64(),
                canary,
                baseline,
            }])
        })
    }
}

/// Reads the page of one instance.
async fn page(shown: &Shown, instance: &AskedInstance) -> Result<Vec<Series>, Error> {
    let answer = http::ask(Question {
        host: &instance.address.to_string(),
        path: &shown.path,
        accept: "text/plain;version=0.0.4",
        token: None,
        form: None,
    })
    .await?;
    if answer.status != hyper::StatusCode::OK {
        return Err(Error::Status(answer.status));
    }
    let series = exposition::select(std::str::from_utf8(&answer.body)?, &shown.selector)?;
    if shown.series.is_none() && series.len() > 1 {
        let labels = series.iter().map(|series| &series.labels);
        return Err(Error::Several(exposition::several(labels)));
    }
    Ok(series)
}

/// Turns counters into their growth per second.
#[derive(Debug, Default)]
struct Counters {
    last: BTreeMap<InstanceId, Counted>,
}

/// The counters of one instance as they were read last.
#[derive(Debug)]
struct Counted {
    at: Timestamp,
    started_at: Timestamp,
    values: BTreeMap<BTreeMap<String, String>, f64>,
}

impl Counters {
    /// Returns the growth per second of each series since the last time. A series that is seen
    /// for the first time, with its instance, has none yet; one that appears later began at 0.
    fn rates(&mut self, instance: &AskedInstance, series: Vec<Series>, now: Timestamp) -> Vec<f64> {
        let values = series.into_iter().map(|one| (one.labels, one.value));
        let counted = Counted {
            at: now,
            started_at: instance.started_at,
            values: values.filter(|(_, value)| value.is_finite()).collect(),
        };
        let rates = self
            .last
            .get(&instance.id)
            .map(|before| counted.rates_since(before))
            .unwrap_or_default();
        self.last.insert(instance.id.clone(), counted);
        rates
    }

    fn forget_others<'s>(&mut self, sides: impl Iterator<Item = &'s AskedSide> + Clone) {
        self.last.retain(|id, _| {
            let mut instances = sides.clone().flat_map(|side| &side.instances);
            instances.any(|instance| instance.id == *id)
        });
    }
}

impl Counted {
    fn rates_since(&self, before: &Self) -> Vec<f64> {
        let seconds = self.at.since(before.at).as_secs_f64();
        if seconds <= 0.0 {
            return Vec::new();
        }
        let restarted = self.started_at != before.started_at;
        self.values
            .iter()
            .map(|(labels, value)| {
                let last = before.values.get(labels).copied().unwrap_or(0.0);
                // A counter that fell began anew, at 0; so did those of a new process.
                let grown = if restarted || *value < last {
                    *value
                } else {
                    value - last
                };
                grown / seconds
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(started_at: u64) -> AskedInstance {
        AskedInstance {
            id: InstanceId::from_text("shop.production.web.r1.d1.1"),
            address: ([127, 0, 0, 1], 1).into(),
            started_at: Timestamp::from_millis(started_at),
        }
    }

    fn series(values: &[(&str, f64)]) -> Vec<Series> {
        let one = |(queue, value): &(&str, f64)| Series {
            labels: BTreeMap::from([("queue".to_owned(), (*queue).to_owned())]),
            value: *value,
        };
        values.iter().map(one).collect()
    }

    #[test]
    fn counters_become_rates() {
        let mut counters = Counters::default();
        for (second, started_at, shown, rates) in [
            // Nothing is known before.
            (0, 0, &[("a", 1000.0)] as &[_], &[] as &[f64]),
            (2, 0, &[("a", 1010.0)], &[5.0]),
            (4, 0, &[("a", 1010.0)], &[0.0]),
            // A series that appears has begun since.
            (6, 0, &[("a", 1010.0), ("b", 4.0)], &[0.0, 2.0]),
            // It fell: it began anew.
            (8, 0, &[("a", 6.0), ("b", 4.0)], &[3.0, 0.0]),
            // A new process, though it has counted further already.
            (10, 9000, &[("a", 8.0), ("b", 10.0)], &[4.0, 5.0]),
            // Values that are no numbers are as if they were not there.
            (12, 9000, &[("a", f64::NAN), ("b", 10.0)], &[0.0]),
            (14, 9000, &[("a", 8.0), ("b", f64::INFINITY)], &[4.0]),
        ] {
            let now = Timestamp::from_millis(second * 1000);
            let found = counters.rates(&instance(started_at), series(shown), now);
            assert_eq!(found, rates, "{second}");
        }
    }

    #[test]
    fn no_time_gives_no_rate() {
        let mut counters = Counters::default();
        let now = Timestamp::from_millis(5);
        counters.rates(&instance(0), series(&[("a", 1.0)]), now);
        let rates = counters.rates(&instance(0), series(&[("a", 2.0)]), now);
        assert!(rates.is_empty(), "{rates:?}");
    }
}
