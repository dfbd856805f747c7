//! A report of a load, as a person reads it.

use std::time::Duration;

use leadsman_load::{Figures, Held, Latency, Model, Report, Scenario, Threshold, Version};

use crate::render::table::Table;
use crate::render::{paint, words};

/// Returns a latency: `0.21 ms`, `81 ms`, `1.24 s`.
pub(super) fn latency(latency: Duration) -> String {
    let millis = latency.as_secs_f64() * 1000.0;
    if millis < 0.9995 {
        format!("{millis:.3} ms")
    } else if millis < 9.995 {
        format!("{millis:.2} ms")
    } else {
        words::latency(millis)
    }
}

/// Returns the report.
pub(crate) fn report(scenario: &Scenario, report: &Report) -> String {
    let mut lines = vec![head(scenario, report), String::new()];
    let mut figures = Table::default();
    let all = &report.all;
    figures.row([paint::dim("requests"), requests(all, &scenario.model)]);
    figures.row([
        paint::dim("answers"),
        format!("{}, {} of bodies", all.answers(), words::size(all.bytes())),
    ]);
    figures.row([paint::dim("errors"), errors(all)]);
    lines.extend(figures.to_lines(0));
    lines.push(String::new());
    lines.extend(latencies(report).to_lines(0));
    if !report.thresholds.is_empty() {
        lines.push(String::new());
        let mut thresholds = Table::default();
        for held in &report.thresholds {
            thresholds.row(threshold(held));
        }
        lines.extend(thresholds.to_lines(0));
    }
    let remarks = report
        .invalid
        .iter()
        .map(|why| paint::bad(&format!("not valid: {why}")));
    let notes = report.notes.iter().map(|note| format!("note: {note}"));
    let early = report.interrupted.then(|| {
        let length = words::duration(millis(all.length()));
        paint::care(&format!("ended early, after {length} of measuring"))
    });
    let remarks: Vec<String> = early.into_iter().chain(remarks).chain(notes).collect();
    if !remarks.is_empty() {
        lines.push(String::new());
        lines.extend(remarks);
    }
    lines.push(String::new());
    lines.join("\n")
}

fn head(scenario: &Scenario, report: &Report) -> String {
    let highest = scenario.profile().highest();
    let what = match &scenario.model {
        Model::Rate(_) => format!("{} requests/s (open model)", plain(highest)),
        Model::Users { .. } => format!("{} users (closed model)", plain(highest)),
    };
    let version = match scenario.version {
        Version::Http1 => "HTTP/1.1",
        Version::Http2 => "HTTP/2",
    };
    let length = scenario.length().saturating_sub(scenario.warm_up);
    let warm_up = if scenario.warm_up.is_zero() {
        String::new()
    } else {
        format!(" after {}", words::duration(millis(scenario.warm_up)))
    };
    format!(
        "{what} to {} over {version}, measured for {}{warm_up}, by {}",
        paint::strong(&scenario.target.to_string()),
        words::duration(millis(length)),
        words::count(report.workers as u64, "thread"),
    )
}

fn requests(all: &Figures, model: &Model) -> String {
    let rate = |rate: Option<f64>| rate.map_or("-".to_owned(), rate_of);
    let count = all.requests();
    match model {
        Model::Rate(_) => format!(
            "{count}: {} due, {} begun, {} answered as they should be",
            rate(all.asked_rate()),
            rate(all.begun_rate()),
            rate(all.good_rate())
        ),
        Model::Users { .. } => {
            format!(
                "{count}: {} answered as they should be",
                rate(all.good_rate())
            )
        }
    }
}

fn rate_of(per_second: f64) -> String {
    format!("{per_second:.1}/s")
}

fn errors(all: &Figures) -> String {
    let kinds: Vec<String> = all
        .failures()
        .iter()
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    match (all.error_share(), kinds.is_empty()) {
        (Some(share), false) => format!(
            "{} ({}): {}",
            all.errors(),
            words::percent(share * 100.0),
            kinds.join(", ")
        ),
        _ => all.errors().to_string(),
    }
}

/// The latencies that stand in the table.
const SHOWN: [Latency; 6] = [
    Latency::P50,
    Latency::P90,
    Latency::P95,
    Latency::P99,
    Latency::P999,
    Latency::Max,
];

fn latencies(report: &Report) -> Table {
    let mut table = Table::default();
    let [p50, p90, p95, p99, p999, max] = SHOWN.map(|shown| paint::dim(shown.name()));
    table.row([String::new(), p50, p90, p95, p99, p999, max]);
    let mut row = |name: String, of: &dyn Fn(Latency) -> Option<Duration>| {
        let cell = |shown| of(shown).map_or("-".to_owned(), latency);
        let [p50, p90, p95, p99, p999, max] = SHOWN.map(cell);
        table.row([name, p50, p90, p95, p99, p999, max]);
    };
    row(paint::dim("latency"), &|shown| report.all.latency(shown));
    if report.requests.len() > 1 {
        for (name, figures) in &report.requests {
            row(format!("  {}", words::clean(name)), &|shown| {
                figures.latency(shown)
            });
        }
    }
    row(paint::dim("generator late by"), &|shown| {
        report.all.late(shown)
    });
    table
}

fn threshold(held: &Held) -> [String; 3] {
    let value = match (held.threshold, held.value) {
        (_, None) => "nothing was measured".to_owned(),
        (Threshold::Latency(..), Some(seconds)) => latency(Duration::from_secs_f64(seconds)),
        (Threshold::Errors(_), Some(share)) => words::percent(share * 100.0),
        (Threshold::Rate(_), Some(rate)) => rate_of(rate),
    };
    let holds = if held.holds {
        paint::good("holds")
    } else {
        paint::bad("broken")
    };
    [holds, held.threshold.to_string(), value]
}

/// Returns a number without decimals that say nothing.
fn plain(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
