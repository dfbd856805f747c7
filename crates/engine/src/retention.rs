//! How long figures are kept.
//!
//! What a judge was told is kept as a whole or not at all: half a deployment cannot be judged
//! again. So its series goes when the last row in it is old enough, and one that is still written
//! to never does. The record of traffic, which has no end, loses its beginning.

use std::sync::Weak;
use std::time::Duration;

use leadsman_core::time::Timestamp;
use leadsman_store::FigureLog;

use crate::engine::Inner;
use crate::traffic;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long after its end a deployment can be judged again.
const TOLD: Duration = DAY.saturating_mul(30);

/// How long the record of traffic is.
const TRAFFIC: Duration = DAY.saturating_mul(7);

/// How often it is looked for what is too old.
const EVERY: Duration = Duration::from_secs(3600);

/// Throws away what is too old, again and again, until the engine ends.
pub(crate) async fn keep_in_bounds(engine: Weak<Inner>) {
    loop {
        let Some(inner) = engine.upgrade() else {
            return;
        };
        inner.auditing.settle(false).await;
        let tools = inner.tools.clone();
        drop(inner);
        prune(&*tools.figures, tools.clock.now()).await;
        let next = tools.clock.now() + EVERY;
        tools.clock.sleep_until(next).await;
    }
}

async fn prune(figures: &dyn FigureLog, now: Timestamp) {
    let series = match figures.figure_series().await {
        Ok(series) => series,
        Err(error) => {
            tracing::warn!(%error, "old figures were not looked for");
            return;
        }
    };
    for (series, last) in series {
        let before = kept_since(&series, last, now);
        match figures.prune_figures(&series, before).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(series, count, "old figures were thrown away"),
            Err(error) => tracing::warn!(series, %error, "old figures were not thrown away"),
        }
    }
}

/// Returns since when the figures of a series are kept, whose last one is from `last`.
fn kept_since(series: &str, last: Timestamp, now: Timestamp) -> Timestamp {
    let ago = |duration: Duration| {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Timestamp::from_millis(now.as_millis().saturating_sub(millis))
    };
    if traffic::is_traffic(series) {
        ago(TRAFFIC)
    } else if last < ago(TOLD) {
        now
    } else {
        Timestamp::default()
    }
}

#[cfg(test)]
mod tests {
    use leadsman_store::FigureRow;
    use leadsman_store::memory::MemoryLog;

    use super::*;

    #[tokio::test]
    async fn a_deployment_goes_as_a_whole_and_traffic_day_by_day() {
        let day = |day: u64| Timestamp::from_millis(day * 24 * 3_600_000);
        let log = MemoryLog::new();
        let rows = [
            ("shop/production/1/web", [10, 69]),
            ("shop/production/2/web", [10, 71]),
            ("shop/production/traffic/web", [92, 94]),
        ];
        for (series, days) in rows {
            let row = |at| FigureRow {
                series: series.to_owned(),
                at: day(at),
                body: "[]".to_owned(),
            };
            log.append_figures(days.map(row).into()).await.unwrap();
        }
        prune(&log, day(100)).await;
        for (series, left) in [
            ("shop/production/1/web", vec![]),
            ("shop/production/2/web", vec![10, 71]),
            ("shop/production/traffic/web", vec![94]),
        ] {
            let rows = log.read_figures(series, day(0), 9).await.unwrap();
            let found: Vec<_> = rows.iter().map(|row| row.at).collect();
            let left: Vec<_> = left.into_iter().map(day).collect();
            assert_eq!(found, left, "{series}");
        }
    }
}
