use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use expect_test::{expect, expect_file};
use leadsman_analysis::{AgainstStable, BUCKETS, Judge, Limits, Verdict};
use leadsman_core::time::Timestamp;
use leadsman_store::memory::MemoryLog;
use leadsman_store::sqlite::SqliteLog;
use leadsman_store::{FigureLog, FigureRow};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::rows;

fn figures() -> impl Strategy<Value = Figures> {
    let count = prop_oneof![8 => 1..40_u64, 1 => Just(u64::MAX)];
    let latency = vec((0..BUCKETS as u16, count), 0..40);
    let over = option::weighted(0.3, any::<[u64; 2]>());
    (0..2_000_u64, 0..60_u64, latency, over).prop_map(|(requests, errors, latency, over)| Figures {
        requests,
        errors,
        latency: Histogram::from(latency),
        over,
    })
}

/// Numbers of every size, and those that are none.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..2.0_f64,
        1 => any::<f64>(),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0]),
    ]
}

fn metric() -> impl Strategy<Value = Metric> {
    prop_oneof![
        Just(Metric::Memory),
        Just(Metric::Cpu),
        "[a-z \"\u{e9}]{0,9}".prop_map(Metric::Named),
    ]
}

fn told() -> impl Strategy<Value = Told> {
    let history = (number(), figures(), option::of(figures()));
    let arms = (figures(), option::of(figures()), option::of(figures()));
    prop_oneof![
        2 => history.prop_map(|(seconds, baseline, reference)| Told::History(History {
            seconds,
            baseline,
            reference,
        })),
        1 => (0.0..1.0_f64, number())
            .prop_map(|(canary, baseline)| Told::Step(Split { canary, baseline })),
        9 => (number(), arms, 0..3_u32).prop_map(
            |(seconds, (canary, baseline, reference), restarts)| Told::Window(Window {
                seconds,
                canary,
                baseline,
                reference,
                restarts,
            })
        ),
        2 => (metric(), number(), option::of(number()), option::of(number())).prop_map(
            |(metric, seconds, canary, baseline)| Told::Sample(Sample {
                metric,
                seconds,
                canary,
                baseline,
            })
        ),
        1 => (option::of(metric()), number(), ".{0,20}").prop_map(|(metric, seconds, why)| {
            Told::Failed(Failed {
                metric,
                seconds,
                why,
            })
        }),
    ]
}

/// The bits of a value with floats: two that are not numbers are alike, 0 and -0 are not.
fn bits(value: impl Debug) -> String {
    format!("{value:?}")
}

/// The default limits, absolute ones on top, and none at all.
fn limits() -> impl Strategy<Value = Limits> {
    let absolute = Limits {
        p95: Some(Duration::from_millis(300)),
        p99: Some(Duration::from_secs(1)),
        cpu: Some(0.8),
        ..Limits::default()
    };
    let none = Limits {
        errors: None,
        memory: None,
        restarts: None,
        against_stable: AgainstStable::default(),
        ..Limits::default()
    };
    prop::sample::select(vec![Limits::default(), absolute, none])
}

/// Returns every verdict, each as it is after it was recorded and read again.
fn verdicts(limits: &Limits, told: &[Told]) -> Vec<String> {
    let mut judge = Judge::new(limits.clone());
    let verdict = |told| {
        judge.tell(told);
        let verdict = bits(judge.verdict());
        let recorded = serde_json::to_string(&judge.verdict()).unwrap();
        let read: Verdict = serde_json::from_str(&recorded).unwrap();
        assert_eq!(bits(read), verdict, "{recorded}");
        verdict
    };
    told.iter().map(verdict).collect()
}

/// Keeps what was told in rows of these sizes, as an engine does, and reads it again.
async fn kept_and_read(log: &dyn FigureLog, told: &[Told], together: usize) -> Vec<Told> {
    let rows = told.chunks(together).zip(1..).map(|(told, at)| {
        let items: Vec<String> = told.iter().map(|told| item(told, None)).collect();
        FigureRow {
            series: "shop/production/1/web".to_owned(),
            at: Timestamp::from_millis(at),
            body: body(items.iter().map(String::as_str)),
        }
    });
    log.append_figures(rows.collect()).await.unwrap();
    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let page = rows::told(log, "shop/production/1/web", after).await;
        let page = page.unwrap();
        let Some(last) = page.last() else { return read };
        after = Some(last.at);
        read.extend(page.into_iter().flat_map(|row| row.told));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_was_told_comes_back_to_the_last_bit_and_is_judged_alike(
        told in vec(told(), 0..150),
        limits in limits(),
        together in 1..9_usize,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let logs: [Arc<dyn FigureLog>; 2] = [
            Arc::new(MemoryLog::new()),
            Arc::new(SqliteLog::open(folder.path().join("events.db")).unwrap()),
        ];
        for log in logs {
            let read = runtime.block_on(kept_and_read(&*log, &told, together));
            prop_assert_eq!(bits(&read), bits(&told));
            prop_assert_eq!(verdicts(&limits, &read), verdicts(&limits, &told));
        }
    }

    #[test]
    fn whatever_else_is_in_a_row_is_refused_or_read_without_harm(body in "[\\[\\]{}\",:hswmf0-9null.e-]{0,60}") {
        if let Ok(told) = read(&body) {
            verdicts(&Limits::default(), &told);
        }
    }
}

/// One of each kind, with and without what may be left out.
fn examples() -> Vec<Told> {
    let figures = |requests, errors, latency: &[(u16, u64)]| Figures {
        requests,
        errors,
        latency: Histogram::from(latency.to_vec()),
        over: None,
    };
    let baseline = figures(95, 1, &[(270, 40), (271, 30), (280, 20), (301, 5)]);
    let canary = Figures {
        over: Some([1, 0]),
        ..figures(5, 0, &[(0, 1), (271, 3), (599, 1)])
    };
    let window = Window {
        seconds: 1.000_312,
        canary,
        baseline: Some(baseline.clone()),
        reference: None,
        restarts: 0,
    };
    vec![
        Told::History(History {
            seconds: 1.0,
            baseline,
            reference: Some(figures(9, 0, &[(270, 9)])),
        }),
        Told::Step(Split {
            canary: 0.05,
            baseline: 0.95,
        }),
        Told::Window(window.clone()),
        Told::Window(Window {
            baseline: None,
            restarts: 1,
            ..window
        }),
        Told::Sample(Sample {
            metric: Metric::Memory,
            seconds: 1.0,
            canary: Some(0.5),
            baseline: None,
        }),
        Told::Sample(Sample {
            metric: Metric::Named("queue length".to_owned()),
            seconds: 10.0,
            canary: Some(f64::NAN),
            baseline: Some(3.25),
        }),
        Told::Failed(Failed {
            metric: None,
            seconds: 1.0,
            why: "the proxy does not answer".to_owned(),
        }),
    ]
}

#[test]
fn the_kept_form_stays_readable() {
    // Kept for as long as a deployment can be judged again: a line is never edited, only added.
    let stored = include_str!("../../tests/fixtures/told.jsonl");
    let mut lines: Vec<String> = stored.lines().map(str::to_owned).collect();
    for told in examples() {
        let line = item(&told, None);
        let read_again = read(&body([line.as_str()])).unwrap();
        assert_eq!(bits(read_again), bits([told]), "{line}");
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    expect_file!["../../tests/fixtures/told.jsonl"].assert_eq(&(lines.join("\n") + "\n"));
    for line in stored.lines() {
        assert_eq!(read(&body([line])).unwrap().len(), 1, "{line}");
    }
}

/// A log-normal service around 80 ms, drawn at even distances: `requests` latencies of it.
fn drawn(requests: u64) -> Figures {
    let mut figures = Figures {
        requests,
        ..Figures::default()
    };
    for index in 0..requests {
        // The logistic curve is near enough to the normal one, and has an inverse.
        let share = (index as f64 + 0.5) / requests as f64;
        let normal = (share / (1.0 - share)).ln() / 1.702;
        let seconds = 0.08 * (0.6 * normal).exp();
        figures.latency.record(Duration::from_secs_f64(seconds));
    }
    figures
}

#[test]
fn a_second_of_a_rollout_takes_few_bytes() {
    let mut table = String::new();
    for requests in [1, 10, 100, 1_000] {
        let canary = requests / 20;
        let window = Told::Window(Window {
            seconds: 1.000_312,
            canary: drawn(canary),
            baseline: Some(drawn(requests - canary)),
            reference: None,
            restarts: 0,
        });
        let (kept, plain) = (
            item(&window, None).len(),
            serde_json::to_string(&window).unwrap().len(),
        );
        table += &format!("{requests}/s: {kept} bytes ({plain} as objects)\n");
    }
    expect![[r#"
        1/s: 43 bytes (136 as objects)
        10/s: 82 bytes (209 as objects)
        100/s: 391 bytes (816 as objects)
        1000/s: 924 bytes (1839 as objects)
    "#]]
    .assert_eq(&table);
}

#[test]
fn a_row_knows_its_last_window_whatever_clocks_show() {
    let window = Told::Window(Window {
        seconds: 1.0,
        canary: Figures::default(),
        baseline: None,
        reference: None,
        restarts: 0,
    });
    let id = |sequence| WindowId {
        series: 7,
        sequence,
    };
    let step = Told::Step(Split {
        canary: 0.05,
        baseline: 0.95,
    });
    let items = [
        item(&window, Some(id(3))),
        item(&window, Some(id(4))),
        item(&step, None),
    ];
    let row = body(items.iter().map(String::as_str));
    let (told, last) = read_with_last(&row).unwrap();
    assert_eq!(last, Some(id(4)));
    assert_eq!(told, [window.clone(), window.clone(), step]);
    // As an older version wrote it.
    let old = body([item(&window, None).as_str()]);
    assert_eq!(read_with_last(&old).unwrap(), (vec![window], None));
}
