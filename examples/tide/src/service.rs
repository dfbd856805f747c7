//! What is answered, and what goes wrong on the way when it was told to.

use std::cell::Cell;
use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::behaviour::Behaviour;
use crate::tide;

/// How far the work spreads: one request in twenty takes `e^(1.645 × 0.35)` = 1.8 times the median.
const WORK_SPREAD: f64 = 0.35;

/// The service, on one thread.
pub(crate) struct Service {
    release: String,
    release_header: HeaderValue,
    behaviour: Behaviour,
    /// Requests other than for health, so far.
    count: Cell<u64>,
    first_request: Notify,
}

impl Service {
    pub(crate) fn new(release: &str, behaviour: Behaviour) -> anyhow::Result<Self> {
        let release_header = HeaderValue::from_str(release)
            .with_context(|| format!("`{release}` cannot be sent in a header"))?;
        Ok(Self {
            release: release.to_owned(),
            release_header,
            behaviour,
            count: Cell::new(0),
            first_request: Notify::new(),
        })
    }

    /// Ends when the service is to crash; never, when it is not.
    pub(crate) async fn crash(&self) {
        let Some(after) = self.behaviour.crash_after else {
            return std::future::pending().await;
        };
        self.first_request.notified().await;
        sleep(after).await;
    }

    /// Answers one request.
    pub(crate) async fn respond(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let readable = matches!(*request.method(), Method::GET | Method::HEAD);
        let path = request.uri().path().to_owned();
        let (status, kind, body) = match path.as_str() {
            "/readings" if request.method() == Method::POST => readings(request.into_body()).await,
            _ if !readable => (
                StatusCode::METHOD_NOT_ALLOWED,
                TEXT,
                "read only\n".to_owned(),
            ),
            "/health" if self.behaviour.ready => (StatusCode::OK, TEXT, "ready\n".to_owned()),
            "/health" => (
                StatusCode::SERVICE_UNAVAILABLE,
                TEXT,
                "not ready\n".to_owned(),
            ),
            path => self.work(path).await,
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response
            .headers_mut()
            .insert("x-release", self.release_header.clone());
        Ok(response)
    }

    async fn work(&self, path: &str) -> (StatusCode, &'static str, String) {
        let count = self.count.get() + 1;
        self.count.set(count);
        if count == 1 {
            self.first_request.notify_one();
        }
        match path {
            "/" => {
                let median = self.behaviour.work.mul_f64(self.behaviour.slow);
                sleep(work(count, median)).await;
            }
            "/version" | "/table" => {}
            _ => return (StatusCode::NOT_FOUND, TEXT, "no such page\n".to_owned()),
        }
        if is_error(count, self.behaviour.errors) {
            let body = "the gauge is stuck\n".to_owned();
            return (StatusCode::INTERNAL_SERVER_ERROR, TEXT, body);
        }
        match path {
            "/" => (StatusCode::OK, JSON, report(tide::at(SystemTime::now()))),
            "/table" => (StatusCode::OK, CSV, table(SystemTime::now())),
            _ => (StatusCode::OK, TEXT, format!("{}\n", self.release)),
        }
    }
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const CSV: &str = "text/csv; charset=utf-8";

/// How many readings are taken at once, in bytes.
const READINGS_BYTES_MAX: usize = 1 << 20;

/// What a tide table covers, and how far apart its lines are.
const TABLE: Duration = Duration::from_secs(14 * 24 * 3600);
const TABLE_STEP: Duration = Duration::from_secs(600);

/// Counts what a gauge has read, a line each. Nobody keeps it.
async fn readings(body: Incoming) -> (StatusCode, &'static str, String) {
    match Limited::new(body, READINGS_BYTES_MAX).collect().await {
        Ok(read) => {
            let read = read.to_bytes();
            let lines = read.iter().filter(|byte| **byte == b'\n').count();
            (StatusCode::OK, JSON, format!("{{\"readings\":{lines}}}\n"))
        }
        Err(_) => {
            let body = format!("readings have at most {READINGS_BYTES_MAX} bytes\n");
            (StatusCode::PAYLOAD_TOO_LARGE, TEXT, body)
        }
    }
}

/// Returns the tide table of the fortnight that begins now.
fn table(begins: SystemTime) -> String {
    use std::fmt::Write as _;
    let mut lines = "minutes_from_now,height_metres,metres_per_hour\n".to_owned();
    let mut after = Duration::ZERO;
    while after < TABLE {
        let tide = tide::at(begins + after);
        let minutes = after.as_secs() / 60;
        let line = writeln!(lines, "{minutes},{:.3},{:.3}", tide.height, tide.rate);
        line.expect("writing to a string cannot fail");
        after += TABLE_STEP;
    }
    lines
}

fn report(tide: tide::Tide) -> String {
    let trend = if tide.rate < 0.0 { "falling" } else { "rising" };
    format!(
        "{{\"height_metres\":{:.3},\"metres_per_hour\":{:.3},\"trend\":\"{trend}\"}}\n",
        tide.height, tide.rate
    )
}

/// Says whether answer number `count` is an error, so that of any 10,000 in a row exactly `share`
/// are, as evenly apart as can be.
fn is_error(count: u64, share: u64) -> bool {
    // Only the place within 10,000 matters, which also keeps the product small.
    let place = count % 10_000;
    (place * share).div_ceil(10_000) != ((place + 1) * share).div_ceil(10_000)
}

/// Returns how long the work of request number `count` takes: log-normal, but the same every time.
fn work(count: u64, median: Duration) -> Duration {
    // Multiples of the golden ratio fill the unit interval evenly, in no visible order. A few
    // thousand of them are spread as well as all are, and are exact.
    let place = u32::try_from(count % 4096).unwrap_or_default();
    let share = (0.5 + f64::from(place) * 0.618_033_988_749_895).fract();
    // The logistic curve stands in for the normal one: within a few hundredths up to the 99th
    // percentile. Its ends are cut, or one request in thousands would take for ever.
    let share = share.clamp(0.001, 0.999);
    let normal = (share / (1.0 - share)).ln() / 1.702;
    median.mul_f64((WORK_SPREAD * normal).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_share_of_answers_are_errors_and_they_are_spread() {
        for share in [0, 1, 50, 500, 3333, 9999, 10_000] {
            let errors: Vec<u64> = (1..=20_000)
                .filter(|&count| is_error(count, share))
                .collect();
            assert_eq!(errors.len() as u64, 2 * share, "{share}");
            let apart = errors.windows(2).map(|pair| pair[1] - pair[0]);
            let (least, most) = apart.fold((u64::MAX, 0), |(a, b), x| (a.min(x), b.max(x)));
            assert!(
                errors.is_empty() || most - least <= 1,
                "{share}: {least} to {most} apart"
            );
        }
    }

    #[test]
    fn the_first_answer_is_no_error_when_few_are() {
        assert!(!is_error(1, 500));
    }

    #[test]
    fn work_takes_a_few_milliseconds_with_a_tail() {
        let mut times: Vec<Duration> = (0..4096)
            .map(|count| work(count, Duration::from_millis(4)))
            .collect();
        times.sort();
        let at = |share: usize| times[4096 * share / 100].as_secs_f64() * 1000.0;
        assert!((3.9..4.1).contains(&at(50)), "p50 {} ms", at(50));
        assert!((6.8..7.6).contains(&at(95)), "p95 {} ms", at(95));
        assert!(at(99) < 11.0, "p99 {} ms", at(99));
        assert!(times[4095] < Duration::from_millis(20), "{:?}", times[4095]);
    }
}
