//! Whatever is asked of them, in whatever order, all logs answer alike.

use leadsman_core::time::Timestamp;
use leadsman_store::FigureRow;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{Log, append, block_on, memory, sqlite, stream};

const STREAMS: [&str; 3] = ["shop", "shop/production", "shop/staging"];

#[derive(Clone, Debug)]
enum Step {
    /// Appends with an expectation that is `off` from the truth.
    Append {
        stream: usize,
        off: u64,
        count: usize,
    },
    ReadStream {
        stream: usize,
        after: u64,
    },
    ReadAll {
        after: u64,
        limit: usize,
    },
    Streams,
    Verify,
    AppendFigures(Vec<(usize, u64, u8)>),
    ReadFigures {
        series: usize,
        since: u64,
        limit: usize,
    },
    FigureSeries,
    PruneFigures {
        series: usize,
        before: u64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = 0..STREAMS.len();
    let step = prop_oneof![
        6 => (which.clone(), prop_oneof![4 => Just(0), 1 => 1..3_u64], 0..4_usize)
            .prop_map(|(stream, off, count)| Step::Append { stream, off, count }),
        2 => (which.clone(), 0..8_u64).prop_map(|(stream, after)| Step::ReadStream { stream, after }),
        2 => (0..20_u64, 0..9_usize).prop_map(|(after, limit)| Step::ReadAll { after, limit }),
        1 => Just(Step::Streams),
        1 => Just(Step::Verify),
        2 => vec((which.clone(), 0..6_u64, any::<u8>()), 0..4).prop_map(Step::AppendFigures),
        1 => (which.clone(), 0..7_u64, 0..4_usize)
            .prop_map(|(series, since, limit)| Step::ReadFigures { series, since, limit }),
        1 => Just(Step::FigureSeries),
        1 => (which, 0..7_u64).prop_map(|(series, before)| Step::PruneFigures { series, before }),
    ];
    vec(step, 1..40)
}

/// Takes a step and returns the answer as text: errors too must be the same.
async fn take(log: &dyn Log, step: &Step) -> String {
    match step.clone() {
        Step::Append {
            stream: index,
            off,
            count,
        } => {
            let version = log
                .read_stream(&stream(STREAMS[index]), 0)
                .await
                .unwrap()
                .len() as u64;
            let kinds = ["Shipped", "Paused", "Resumed"];
            let write = append(STREAMS[index], version + off, &kinds[..count]);
            format!("{:?}", log.append(write).await)
        }
        Step::ReadStream {
            stream: index,
            after,
        } => {
            format!(
                "{:?}",
                log.read_stream(&stream(STREAMS[index]), after).await
            )
        }
        Step::ReadAll { after, limit } => format!("{:?}", log.read_all(after, limit).await),
        Step::Streams => format!("{:?}", log.streams().await),
        Step::Verify => format!("{:?}", log.verify().await),
        Step::AppendFigures(rows) => {
            let row = |(series, at, figure): (usize, u64, u8)| FigureRow {
                series: STREAMS[series].to_owned(),
                at: Timestamp::from_millis(at),
                body: figure.to_string(),
            };
            format!(
                "{:?}",
                log.append_figures(rows.into_iter().map(row).collect())
                    .await
            )
        }
        Step::ReadFigures {
            series,
            since,
            limit,
        } => {
            let since = Timestamp::from_millis(since);
            let found = log.read_figures(STREAMS[series], since, limit).await;
            format!("{found:?}")
        }
        Step::FigureSeries => format!("{:?}", log.figure_series().await),
        Step::PruneFigures { series, before } => {
            let before = Timestamp::from_millis(before);
            format!("{:?}", log.prune_figures(STREAMS[series], before).await)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn memory_and_sqlite_answer_alike(steps in steps()) {
        let (memory, sqlite) = (memory(), sqlite());
        block_on(async {
            for step in &steps {
                let expected = take(&*memory.log, step).await;
                prop_assert_eq!(take(&*sqlite.log, step).await, expected, "{:?}", step);
            }
            Ok(())
        })?;
    }
}
