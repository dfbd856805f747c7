//! Figures over time, drawn: both sides, the limit, and how sure one can be.

use askama::Template;
use leadsman_api::words::{duration, latency, percent, rate, whole_seconds};
use leadsman_api::{Counted, Point, ServiceSeries};

/// Where the picture begins and ends, in its own units.
const LEFT: f64 = 40.0;
const RIGHT: f64 = 350.0;
const TOP: f64 = 18.0;
const BOTTOM: f64 = 140.0;

/// How far apart two labels of steps stand at least.
const LABELS_APART: f64 = 34.0;

/// How many standard deviations a band is wide to each side: 95 % of a normal distribution.
const Z: f64 = 1.959_964;

#[derive(Template)]
#[template(path = "chart.html")]
pub(crate) struct Chart {
    title: &'static str,
    label: String,
    grid: Vec<(String, String, String)>,
    steps: Vec<(String, String, String)>,
    band: Option<String>,
    stable: Vec<String>,
    canary: Vec<String>,
    limit: Option<(String, String, String)>,
    from: String,
    to: &'static str,
}

impl askama::filters::HtmlSafe for Chart {}

/// Between what a value lies, as far as one can be sure.
type Range = fn(&Counted) -> Option<[f64; 2]>;

/// What a side came to in so many milliseconds; `None` where nothing was counted.
type Value = fn(&Counted, u64) -> Option<f64>;

/// What is drawn of a point.
struct Drawn {
    title: &'static str,
    value: Value,
    /// How sure one can be of it.
    range: Option<Range>,
    limit: Option<f64>,
    words: fn(f64) -> String,
    /// What the axis reaches at least.
    least: f64,
}

/// Returns the charts of a service: errors and latency.
pub(crate) fn charts(series: &ServiceSeries) -> Vec<Chart> {
    let errors = Drawn {
        title: "Errors since the step began (band: where the true share is, with 95 %)",
        value: |counted, _| errors(counted),
        range: Some(wilson),
        limit: series.error_limit,
        words: |share| percent(share * 100.0),
        // The limit is always in sight.
        least: series.error_limit.unwrap_or_default().clamp(0.01, 0.5),
    };
    let slow = Drawn {
        title: "95th percentile of latency",
        value: |counted, _| counted.p95_ms,
        range: None,
        limit: series.p95_limit_ms,
        words: latency,
        least: 1.0,
    };
    let errors = chart(&since_step(&series.points), &errors);
    let slow = chart(&series.points, &slow);
    errors.into_iter().chain(slow).collect()
}

/// Returns all charts of a service: requests, errors and latency.
pub(crate) fn all_charts(series: &ServiceSeries) -> Vec<Chart> {
    let requests = Drawn {
        title: "Requests per second",
        value: |counted, span_ms| {
            let seconds = span_ms as f64 / 1000.0;
            (span_ms > 0).then(|| counted.requests as f64 / seconds)
        },
        range: None,
        limit: None,
        words: rate,
        least: 1.0,
    };
    let requests = chart(&series.points, &requests);
    requests.into_iter().chain(charts(series)).collect()
}

/// Returns each point with all that was counted since its step began. A few requests say little by
/// themselves; it is all of them together that the judge goes by.
fn since_step(points: &[Point]) -> Vec<Point> {
    let mut sums: Vec<Point> = Vec::with_capacity(points.len());
    for point in points {
        let mut sum = point.clone();
        let last = sums.last();
        if let Some(last) = last.filter(|it| same_step(it, point)) {
            add(&mut sum.canary, &last.canary);
            sum.stable = match (sum.stable, &last.stable) {
                (Some(mut sum), Some(last)) => {
                    add(&mut sum, last);
                    Some(sum)
                }
                (sum, last) => sum.or_else(|| last.clone()),
            };
        }
        sums.push(sum);
    }
    sums
}

fn same_step(one: &Point, other: &Point) -> bool {
    (one.weight_percent - other.weight_percent).abs() < 1e-9
}

fn add(sum: &mut Counted, more: &Counted) {
    sum.requests += more.requests;
    sum.errors += more.errors;
}

fn errors(counted: &Counted) -> Option<f64> {
    (counted.requests > 0).then(|| counted.errors as f64 / counted.requests as f64)
}

/// Returns between what the true share of errors lies with 95 % confidence, after E. B. Wilson,
/// *Probable inference* (1927).
fn wilson(counted: &Counted) -> Option<[f64; 2]> {
    let share = errors(counted)?;
    let n = counted.requests as f64;
    let z2 = Z * Z;
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    Some([(middle - half).max(0.0), (middle + half).min(1.0)])
}

fn chart(points: &[Point], drawn: &Drawn) -> Option<Chart> {
    let (first, last) = (points.first()?, points.last()?);
    let begin = first.at.0.saturating_sub(first.span_ms);
    let span = last.at.0.saturating_sub(begin).max(1) as f64;
    let x = |at: u64| LEFT + at.saturating_sub(begin) as f64 / span * (RIGHT - LEFT);
    let value = |counted: &Counted, point: &Point| (drawn.value)(counted, point.span_ms);
    let canary = |point: &Point| value(&point.canary, point);
    let stable = |point: &Point| value(point.stable.as_ref()?, point);
    let values = points.iter().flat_map(|it| [canary(it), stable(it)]);
    let highest = values.flatten().fold(drawn.least, f64::max);
    // A limit far above everything would press all that matters to the ground.
    let limit = drawn.limit.filter(|limit| *limit <= highest * 4.0);
    let top = nice(highest.max(limit.unwrap_or(0.0)) * 1.1);
    let y = |value: f64| BOTTOM - (value / top).clamp(0.0, 1.0) * (BOTTOM - TOP);
    let grid = [0.0, 0.5, 1.0].map(|part| {
        let at = y(top * part);
        let words = (drawn.words)(top * part);
        (number(at), number(at + 4.0), words)
    });
    let middle = |point: &Point| x(point.at.0.saturating_sub(point.span_ms / 2));
    let ends = |point: &Point| (x(point.at.0.saturating_sub(point.span_ms)), x(point.at.0));
    let band = drawn.range.map(|range| {
        let ranges = points
            .iter()
            .filter_map(|point| Some((middle(point), range(&point.canary)?)));
        let ranges: Vec<(f64, [f64; 2])> = ranges.collect();
        let up = ranges.iter().map(|(x, range)| (*x, y(range[1])));
        let down = ranges.iter().rev().map(|(x, range)| (*x, y(range[0])));
        line(up.chain(down))
    });
    let of_last = |value: Option<f64>| value.map_or_else(|| "nothing".to_owned(), drawn.words);
    let label = format!(
        "{}: lately {} on the new release and {} on stable{}",
        drawn.title,
        of_last(points.iter().rev().find_map(canary)),
        of_last(points.iter().rev().find_map(stable)),
        drawn
            .limit
            .map(|limit| format!(", limit {}", (drawn.words)(limit)))
            .unwrap_or_default()
    );
    Some(Chart {
        title: drawn.title,
        label,
        grid: grid.into(),
        steps: steps(points, begin, x),
        band: band.filter(|band| !band.is_empty()),
        stable: pieces(points, ends, |point| {
            Some((middle(point), y(stable(point)?)))
        }),
        canary: pieces(points, ends, |point| {
            Some((middle(point), y(canary(point)?)))
        }),
        limit: limit.map(|limit| {
            let at = y(limit);
            let words = format!("limit {}", (drawn.words)(limit));
            (number(at), number(at - 3.0), words)
        }),
        from: format!("{} ago", duration(whole_seconds(span as u64))),
        to: "now, or its end",
    })
}

/// Returns where each step begins; labels that would stand on each other are left out.
fn steps(points: &[Point], begin: u64, x: impl Fn(u64) -> f64) -> Vec<(String, String, String)> {
    let mut steps = Vec::new();
    let (mut weight, mut label_at) = (None, f64::MIN);
    let mut from = begin;
    for point in points {
        if weight != Some(point.weight_percent) {
            weight = Some(point.weight_percent);
            let at = x(from);
            let is_free = at - label_at >= LABELS_APART;
            let words = if is_free {
                label_at = at;
                percent(point.weight_percent)
            } else {
                String::new()
            };
            steps.push((number(at), number(at + 2.0), words));
        }
        from = point.at.0;
    }
    steps
}

/// Returns lines through the points that have a value; where there is none, the line breaks off. A
/// point that stands alone is as long as what it was counted in.
fn pieces(
    points: &[Point],
    ends: impl Fn(&Point) -> (f64, f64),
    place: impl Fn(&Point) -> Option<(f64, f64)>,
) -> Vec<String> {
    let place = |point| Some((ends(point), place(point)?));
    let places: Vec<Option<_>> = points.iter().map(place).collect();
    let pieces = places.split(Option::is_none);
    let lines = pieces.filter(|piece| !piece.is_empty()).map(|piece| {
        let mut places = piece.iter().flatten();
        if let ([Some(_)], Some(((begin, end), (_, y)))) = (piece, places.next()) {
            return line([(*begin, *y), (*end, *y)].into_iter());
        }
        line(piece.iter().flatten().map(|(_, place)| *place))
    });
    lines.collect()
}

fn line(places: impl Iterator<Item = (f64, f64)>) -> String {
    let places: Vec<String> = places
        .map(|(x, y)| format!("{},{}", number(x), number(y)))
        .collect();
    places.join(" ")
}

fn number(value: f64) -> String {
    format!("{value:.1}")
}

/// Returns the next number of 1, 2 or 5 with zeros that is no smaller.
fn nice(value: f64) -> f64 {
    let size = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    let found = steps.into_iter().find(|step| step * size >= value);
    found.unwrap_or(10.0) * size
}

#[cfg(test)]
mod tests {
    use leadsman_api::Moment;

    use super::*;

    fn counted(requests: u64, errors: u64) -> Counted {
        Counted {
            requests,
            errors,
            p95_ms: (requests > 0).then_some(80.0),
        }
    }

    fn point(second: u64, weight_percent: f64, requests: u64, errors: u64) -> Point {
        Point {
            at: Moment(second * 1000),
            span_ms: 1000,
            weight_percent,
            canary: counted(requests, errors),
            stable: Some(counted(100, 0)),
        }
    }

    #[test]
    fn an_axis_ends_at_a_number_that_people_like() {
        for (value, expected) in [
            (0.011, 0.02),
            (0.05, 0.05),
            (88.0, 100.0),
            (1.0, 1.0),
            (210.0, 500.0),
        ] {
            assert!(
                (nice(value) - expected).abs() < 1e-9,
                "{value}: {}",
                nice(value)
            );
        }
    }

    #[test]
    fn the_interval_is_wilsons() {
        // 5 of 100: between 2.15 % and 11.18 %, as tables have it.
        let [low, high] = wilson(&counted(100, 5)).unwrap();
        assert!(
            (low - 0.021_5).abs() < 1e-4 && (high - 0.111_8).abs() < 1e-4,
            "{low} {high}"
        );
        assert_eq!(wilson(&counted(0, 0)), None);
        assert!(wilson(&counted(10, 0)).unwrap()[0].abs() < 1e-12);
    }

    #[test]
    fn requests_are_drawn_by_the_second_also_where_there_were_none() {
        let mut long = point(4, 5.0, 30, 0);
        long.span_ms = 3000;
        let series = ServiceSeries {
            service: "web".to_owned(),
            error_limit: None,
            p95_limit_ms: None,
            points: vec![point(1, 5.0, 40, 0), long, point(5, 5.0, 0, 0)],
        };
        let charts = all_charts(&series);
        assert_eq!(charts.len(), 3);
        let requests = &charts[0];
        assert_eq!(requests.canary.len(), 1, "nobody is a number, too");
        assert!(
            requests
                .label
                .ends_with("lately 0.0/s on the new release and 100/s on stable"),
            "{}",
            requests.label
        );
        assert_eq!(requests.grid[2].2, "200/s");
    }

    #[test]
    fn a_line_breaks_off_where_nothing_was_counted() {
        let points = [
            point(1, 5.0, 10, 0),
            point(2, 5.0, 10, 1),
            point(3, 5.0, 0, 0),
            point(4, 25.0, 10, 0),
        ];
        let series = ServiceSeries {
            service: "web".to_owned(),
            error_limit: Some(0.05),
            p95_limit_ms: Some(100_000.0),
            points: points.to_vec(),
        };
        let charts = charts(&series);
        assert_eq!(charts.len(), 2);
        let errors = &charts[0];
        assert_eq!((errors.canary.len(), errors.stable.len()), (1, 1));
        let summed: Vec<u64> = since_step(&points)
            .iter()
            .map(|point| point.canary.requests)
            .collect();
        assert_eq!(summed, [10, 20, 20, 10]);
        assert_eq!(charts[1].canary.len(), 2, "where nothing was answered");
        assert_eq!(errors.steps.len(), 2, "5 % and 25 %");
        assert!(errors.limit.is_some() && errors.band.is_some());
        assert!(
            errors
                .label
                .ends_with("lately 0 % on the new release and 0 % on stable, limit 5 %"),
            "{}",
            errors.label
        );
        assert_eq!(charts[1].limit, None, "far above everything");
    }
}
