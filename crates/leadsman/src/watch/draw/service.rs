//! One service: its steps, both sides, the judge and the past.

use leadsman_api::words::{count, latency, outcome, percent, rate, ratio};
use leadsman_api::{Counted, Rollout, RolloutStage, ServiceSeries, ServiceStatus, Side, Verdict};

use super::page::{Page, Piece, Tone, dim, piece, plain, strong};
use super::spark::spark;
use super::standing::{judged, soak, step};
use crate::render::status::{sides, troubles};

/// How wide the past is drawn at most: as many intervals as control tells.
const PAST: usize = 120;

/// Adds a service.
pub(super) fn add(page: &mut Page, service: &ServiceStatus, series: Option<&ServiceSeries>) {
    page.gap();
    let rollout = service.rollout.as_ref();
    let moving = rollout.filter(|it| it.stage != RolloutStage::Promoted);
    let mut title = vec![plain(" "), strong(&service.name)];
    if let Some(rollout) = moving {
        title.push(plain(format!("  {}", step(rollout))));
        let soak = soak(rollout);
        if !soak.is_empty() {
            title.push(plain(format!("  {soak}")));
        }
    }
    page.row(title);
    if let Some(rollout) = rollout.filter(|it| !it.weights_percent.is_empty()) {
        page.row(steps(rollout));
    }
    let mut rows = vec![
        [
            "SIDE", "RELEASE", "WEIGHT", "READY", "REQUESTS", "ERRORS", "P95",
        ]
        .map(dim)
        .into(),
    ];
    rows.extend(sides(service).map(|(role, side)| row(role, side)));
    if rows.len() > 1 {
        page.table(3, rows);
    } else {
        page.row([dim("   nothing runs")]);
    }
    for (role, side) in sides(service) {
        if let Some(cut_off) = &side.cut_off {
            page.marked("   ! ", Tone::Bad, &format!("{role}: {cut_off}"));
        }
        for (instance, trouble) in troubles(side) {
            let trouble = format!("{} {trouble}", instance.id);
            page.marked("   ! ", Tone::Care, &trouble);
        }
    }
    if let Some(verdict) = rollout.and_then(|rollout| rollout.verdict.as_ref()) {
        judge(page, verdict);
    }
    if let Some(series) = series.filter(|series| !series.points.is_empty()) {
        past(page, series);
    }
}

/// Returns the steps with their weights, and which one it is in.
fn steps(rollout: &Rollout) -> Vec<Piece> {
    let mut line = vec![dim("   steps")];
    let present = usize::from(rollout.step);
    for (index, weight) in rollout.weights_percent.iter().enumerate() {
        let number = index + 1;
        let (tone, mark) = match rollout.stage {
            RolloutStage::Promoted => (Tone::Good, "✓"),
            _ if number < present => (Tone::Good, "✓"),
            _ if number > present => (Tone::Dim, "·"),
            RolloutStage::Returning | RolloutStage::Returned => (Tone::Bad, "✕"),
            RolloutStage::Waiting
            | RolloutStage::Preparing
            | RolloutStage::Shifting
            | RolloutStage::Soaking => (Tone::Busy, "▶"),
        };
        line.push(plain("  "));
        line.push(piece(tone, format!("{mark} {}", percent(*weight))));
    }
    line
}

fn row(role: &'static str, side: &Side) -> Vec<Piece> {
    let figures = side.figures.as_ref();
    let value = |value: Option<f64>, words: fn(f64) -> String| {
        plain(value.map_or_else(|| "–".to_owned(), words))
    };
    let ready = side.ready();
    let all = usize::from(side.wanted);
    let tone = if ready < all { Tone::Care } else { Tone::Plain };
    vec![
        plain(if role.is_empty() { "stable" } else { role }),
        plain(side.release.to_string()),
        plain(percent(side.weight_percent)),
        piece(tone, format!("{ready} of {all}")),
        value(figures.map(|it| it.requests_per_second), rate),
        value(figures.and_then(|it| it.error_ratio), ratio),
        value(figures.and_then(|it| it.p95_ms), latency),
    ]
}

fn judge(page: &mut Page, verdict: &Verdict) {
    let (tone, word) = (judged(verdict.outcome), outcome(verdict.outcome));
    let requests = count(verdict.requests, "request");
    let first = format!("   {} ", tone.shape());
    let sentence = &verdict.sentence;
    page.marked(
        &first,
        tone,
        &format!("the judge: {word} after {requests}: {sentence}"),
    );
    for finding in &verdict.findings {
        let (tone, word) = (judged(finding.outcome), outcome(finding.outcome));
        let first = format!("     {} ", tone.shape());
        page.marked(&first, tone, &format!("{}: {word}", finding.sentence));
    }
}

/// What of an interval is drawn.
struct Drawn {
    name: &'static str,
    /// The value of a side; `None` where nothing was counted.
    value: fn(&Counted, u64) -> Option<f64>,
    words: fn(f64) -> String,
    /// What it may be at most, in words.
    limit: Option<String>,
}

/// Adds how both sides have been doing since the deployment began, at one scale.
fn past(page: &mut Page, series: &ServiceSeries) {
    let all = [
        Drawn {
            name: "requests",
            value: |counted, span_ms| Some(counted.requests as f64 / (span_ms.max(1) as f64 / 1e3)),
            words: rate,
            limit: None,
        },
        Drawn {
            name: "errors",
            value: |counted, _| {
                (counted.requests > 0).then(|| counted.errors as f64 / counted.requests as f64)
            },
            words: ratio,
            limit: series.error_limit.map(|limit| percent(limit * 100.0)),
        },
        Drawn {
            name: "p95",
            value: |counted, _| counted.p95_ms,
            words: latency,
            limit: series.p95_limit_ms.map(latency),
        },
    ];
    // Name, side, what it is now, at most and may be take the rest.
    let columns = page.columns.saturating_sub(54).clamp(8, PAST);
    let mut rows = Vec::new();
    for drawn in all {
        let of_side = |side: fn(&leadsman_api::Point) -> Option<&Counted>| -> Vec<Option<f64>> {
            let points = series.points.iter();
            points
                .map(|point| (drawn.value)(side(point)?, point.span_ms))
                .collect()
        };
        let canary = of_side(|point| Some(&point.canary));
        let stable = of_side(|point| point.stable.as_ref());
        let known = canary.iter().chain(&stable).flatten().copied();
        let top = known.fold(0.0, f64::max);
        let mut name = drawn.name;
        for (role, values) in [("canary", canary), ("stable", stable)] {
            let Some(last) = values.iter().rev().find_map(|value| *value) else {
                continue;
            };
            let more = if name.is_empty() {
                String::new()
            } else {
                let limit = drawn.limit.as_ref();
                let limit = limit.map(|limit| format!(", limit {limit}"));
                format!("top {}{}", (drawn.words)(top), limit.unwrap_or_default())
            };
            rows.push(vec![
                dim(std::mem::take(&mut name)),
                plain(role),
                piece(
                    if role == "canary" {
                        Tone::Busy
                    } else {
                        Tone::Plain
                    },
                    spark(&values, columns, top),
                ),
                plain((drawn.words)(last)),
                dim(more),
            ]);
        }
    }
    page.table(3, rows);
}
