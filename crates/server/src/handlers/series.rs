//! How the two sides of a rollout have been doing: what its judge was told, in fewer and longer
//! intervals.

use axum::Json;
use axum::extract::State;
use leadsman_analysis::{Figures, Limits, Split, Told, Window};
use leadsman_api::{Counted, Point, Series, SeriesQuery, ServiceSeries};
use leadsman_core::id::{DeploymentNumber, EnvironmentId, ServiceName};
use leadsman_core::time::Timestamp;

use super::replay::recorded_deployment;
use super::{AskedEnvironment, Shared, view};
use crate::extract::{Path, Query};
use crate::problem::Failure;
use crate::serve::Server;
use crate::wire;

/// How many intervals there are at most, beside one for each step: what a chart can show.
const POINTS: usize = 120;

pub(crate) async fn get(
    State(server): Shared,
    Path(asked): AskedEnvironment,
    Query(query): Query<SeriesQuery>,
) -> Result<Json<Series>, Failure> {
    let view = view(&server, &asked)?;
    let last = view.environment.last_deployment;
    let number = query.deployment.map_or(last, DeploymentNumber);
    let series = series(&server, &view.environment.id, number).await?;
    let series = series.ok_or_else(|| Failure::no_deployment(&view.environment.id, number, last));
    Ok(Json(series?))
}

/// Returns how the sides of a deployment have been doing; `None` where there is no such deployment.
pub(crate) async fn series(
    server: &Server,
    environment: &EnvironmentId,
    number: DeploymentNumber,
) -> Result<Option<Series>, Failure> {
    let Some(deployment) = recorded_deployment(server, environment, number).await? else {
        return Ok(None);
    };
    let mut services = Vec::new();
    for (service, rollout) in deployment.rollouts {
        let points = points(windows(server, environment, number, &service).await?);
        if !points.is_empty() {
            services.push(of_service(&service, &rollout.limits, points));
        }
    }
    Ok(Some(Series {
        deployment: number.0,
        services,
    }))
}

fn of_service(service: &ServiceName, limits: &Limits, points: Vec<Point>) -> ServiceSeries {
    ServiceSeries {
        service: service.to_string(),
        error_limit: limits.errors,
        p95_limit_ms: limits.p95.map(wire::latency_ms),
        points,
    }
}

/// A closed window, when it ended, and how requests were split.
struct Closed {
    at: Timestamp,
    split: Split,
    window: Window,
}

/// Returns every window that a judge was told of.
async fn windows(
    server: &Server,
    environment: &EnvironmentId,
    number: DeploymentNumber,
    service: &ServiceName,
) -> Result<Vec<Closed>, Failure> {
    let mut split = Split {
        canary: 0.0,
        baseline: 1.0,
    };
    let (mut windows, mut after) = (Vec::new(), None);
    loop {
        let told = server
            .engine
            .told(environment, number, service, after)
            .await?;
        let Some(last) = told.last() else {
            return Ok(windows);
        };
        after = Some(last.at);
        for row in told {
            let first = windows.len();
            for told in row.told {
                match told {
                    Told::Step(to) => split = to,
                    Told::Window(window) => windows.push(Closed {
                        at: row.at,
                        split,
                        window,
                    }),
                    Told::History(_) | Told::Sample(_) | Told::Failed(_) => {}
                }
            }
            // A row has the moment of its last window.
            let mut end = row.at;
            for closed in windows.iter_mut().skip(first).rev() {
                closed.at = end;
                let length = wire::in_ms(closed.window.seconds);
                end = Timestamp::from_millis(end.as_millis().saturating_sub(length));
            }
        }
    }
}

/// Joins windows that follow each other, so that there are no more points than can be shown. Those of
/// different steps are never joined.
fn points(windows: Vec<Closed>) -> Vec<Point> {
    let at_once = windows.len().div_ceil(POINTS).max(1);
    let mut points: Vec<Point> = Vec::new();
    let mut open: Option<(Closed, usize)> = None;
    for closed in windows {
        open = match open {
            Some((mut joined, count)) if count < at_once && joined.split == closed.split => {
                joined.at = closed.at;
                join(&mut joined.window, &closed.window);
                Some((joined, count + 1))
            }
            Some((done, _)) => {
                points.push(point(&done));
                Some((closed, 1))
            }
            None => Some((closed, 1)),
        };
    }
    points.extend(open.map(|(last, _)| point(&last)));
    points
}

fn join(window: &mut Window, next: &Window) {
    window.seconds += next.seconds;
    window.canary.add(&next.canary);
    match (&mut window.baseline, &next.baseline) {
        (Some(before), Some(next)) => before.add(next),
        (before @ None, Some(next)) => *before = Some(next.clone()),
        (_, None) => {}
    }
}

fn point(closed: &Closed) -> Point {
    Point {
        at: wire::moment(closed.at),
        span_ms: wire::in_ms(closed.window.seconds),
        weight_percent: closed.split.canary * 100.0,
        canary: counted(&closed.window.canary),
        stable: closed.window.baseline.as_ref().map(counted),
    }
}

fn counted(figures: &Figures) -> Counted {
    Counted {
        requests: figures.requests,
        errors: figures.errors,
        p95_ms: figures.latency.quantile(0.95).map(wire::latency_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(second: u64, canary: f64, requests: u64) -> Closed {
        Closed {
            at: Timestamp::from_millis(second * 1000),
            split: Split {
                canary,
                baseline: 1.0 - canary,
            },
            window: Window {
                seconds: 1.0,
                canary: Figures {
                    requests,
                    errors: 1,
                    ..Figures::default()
                },
                baseline: None,
                reference: None,
                restarts: 0,
            },
        }
    }

    #[test]
    fn few_windows_are_points_and_many_are_joined_within_their_step() {
        let few: Vec<Closed> = (1..=5).map(|second| closed(second, 0.05, 10)).collect();
        assert_eq!(points(few).len(), 5);
        let step = |second: u64| if second <= 301 { 0.05 } else { 0.5 };
        let many = (1..=600).map(|second| closed(second, step(second), 10));
        let points = points(many.collect());
        assert!(points.len() <= POINTS + 2, "{}", points.len());
        let all: u64 = points.iter().map(|point| point.canary.requests).sum();
        assert_eq!(all, 6_000, "nothing is lost");
        let first: Vec<_> = points
            .iter()
            .filter(|it| it.weight_percent < 10.0)
            .collect();
        assert_eq!(first.iter().map(|it| it.canary.errors).sum::<u64>(), 301);
        assert_eq!(first[0].span_ms, 5_000);
        assert_eq!(points.last().unwrap().at.0, 600_000);
    }
}
