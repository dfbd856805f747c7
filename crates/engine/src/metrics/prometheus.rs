//! Metrics that Prometheus is asked for.
//!
//! Time is cut into windows whose ends are multiples of their length, and each gives one value:
//! that of the query at its end. Only closed windows are asked for: as long as one more window has
//! not passed, a scrape may still be on its way that belongs before the end. What was asked once is
//! not asked again, so a value is never told twice, and after an outage the windows that passed
//! meanwhile are asked for together.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderValue;
use leadsman_core::metric::Queried;
use leadsman_core::time::Timestamp;
use serde::Deserialize;

use super::exposition::{printable, several};
use super::http::{self, Answer, Question};
use super::{Asked, AskedSide, MetricReader, Reading, finite};
use crate::data_plane::BoxFuture;

/// How many windows are asked for together, after an outage; older ones are passed over.
const WINDOWS_MAX: u32 = 120;

/// The longest token, in bytes.
const TOKEN_BYTES_MAX: u64 = 16 << 10;

/// Reads closed windows of both sides.
#[derive(Debug)]
pub(super) struct Windows {
    queried: Queried,
    /// The end of the last window that was read.
    read: Option<Timestamp>,
}

/// Ends of windows, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    first: Timestamp,
    last: Timestamp,
}

/// Why Prometheus tells nothing.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Asking(#[from] http::Error),
    #[error("it answers with {status}")]
    Status { status: StatusCode },
    #[error("it refuses the query: {kind}: {message}")]
    Refused { kind: String, message: String },
    #[error("its answer is not understood")]
    NotUnderstood(#[source] serde_json::Error),
    #[error("its answer is not understood: {0}")]
    Strange(&'static str),
    #[error("{0}")]
    Several(String),
    #[error("read its token from `{0}`")]
    Token(String, #[source] std::io::Error),
    #[error("`{0}` holds no token")]
    NoToken(String),
}

/// An answer to `query_range`, as far as it is looked at.
#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Said {
    Success {
        data: Data,
    },
    Error {
        #[serde(rename = "errorType", default)]
        kind: String,
        #[serde(rename = "error", default)]
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    /// Histograms are no numbers.
    #[serde(default)]
    histograms: Vec<serde::de::IgnoredAny>,
}

impl Windows {
    pub(super) fn new(queried: Queried) -> Self {
        Self {
            queried,
            read: None,
        }
    }

    /// Returns the windows that are closed now and were not read, and that began in this step.
    fn closed(&self, asked: &Asked) -> Option<Ends> {
        let length = millis(self.queried.every);
        // One more window must have passed.
        let last = (asked.now.as_millis() / length).checked_sub(1)? * length;
        let began_in_step = asked.since.as_millis().div_ceil(length) * length + length;
        let unread = self.read.map_or(0, |read| read.as_millis() + length);
        let few_enough = last.saturating_sub(length * u64::from(WINDOWS_MAX - 1));
        let first = began_in_step.max(unread).max(few_enough);
        (first <= last).then(|| Ends {
            first: Timestamp::from_millis(first),
            last: Timestamp::from_millis(last),
        })
    }

    /// Returns the values of one side by the ends of their windows.
    async fn values(
        &self,
        asked: &Asked,
        side: &AskedSide,
        ends: Ends,
    ) -> Result<BTreeMap<u64, f64>, Error> {
        let query = asked.side(side, |side| self.queried.query.about(side));
        let Some(query) = query else {
            return Ok(BTreeMap::new());
        };
        let seconds = |moment: Timestamp| moment.as_millis() as f64 / 1e3;
        let form = format!(
            "query={}&start={:.3}&end={:.3}&step={:.3}&timeout=5s",
            encoded(&query),
            seconds(ends.first),
            seconds(ends.last),
            self.queried.every.as_secs_f64(),
        );
        let url = self.queried.server.url.as_str();
        let url = url.strip_prefix("http://").unwrap_or(url);
        let (host, base) = match url.find('/') {
            Some(slash) => url.split_at(slash),
            None => (url, ""),
        };
        let answer = http::ask(Question {
            host,
            path: &format!("{base}/api/v1/query_range"),
            accept: "application/json",
            token: self.token().await?,
            form: Some(form),
        })
        .await?;
        read(&answer, ends.last)
    }

    /// Reads the token anew: it may have been exchanged.
    async fn token(&self) -> Result<Option<HeaderValue>, Error> {
        use tokio::io::AsyncReadExt as _;
        let Some(path) = &self.queried.server.token_file else {
            return Ok(None);
        };
        let failed = |error| Error::Token(path.clone(), error);
        let file = tokio::fs::File::open(path).await.map_err(failed)?;
        let mut token = String::new();
        file.take(TOKEN_BYTES_MAX)
            .read_to_string(&mut token)
            .await
            .map_err(failed)?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
            .ok()
            .filter(|_| !token.trim().is_empty())
            .ok_or_else(|| Error::NoToken(path.clone()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    async fn readings(&self, asked: &Asked, ends: Ends) -> Result<Vec<Reading>, Error> {
        let canary = self.values(asked, &asked.canary, ends).await?;
        let baseline = match &asked.baseline {
            Some(baseline) => self.values(asked, baseline, ends).await?,
            None => BTreeMap::new(),
        };
        let length = millis(self.queried.every);
        let windows = (ends.last.as_millis() - ends.first.as_millis()) / length;
        let readings = (0..=windows).map(|window| {
            let end = ends.first.as_millis() + window * length;
            Reading {
                seconds: self.queried.every.as_secs_f64(),
                canary: canary.get(&end).copied(),
                baseline: baseline.get(&end).copied(),
            }
        });
        Ok(readings.collect())
    }
}

impl MetricReader for Windows {
    fn read<'a>(&'a mut self, asked: &'a Asked) -> BoxFuture<'a, Result<Vec<Reading>, String>> {
        Box::pin(async move {
            let Some(ends) = self.closed(asked) else {
                return Ok(Vec::new());
            };
            let readings = self.readings(asked, ends).await.map_err(|error| {
                let why = leadsman_runtime::words(&error);
                format!("Prometheus at {}: {why}", self.queried.server.url)
            })?;
            self.read = Some(ends.last);
            Ok(readings)
        })
    }
}

/// Reads an answer to a query that should give one series, by the ends of the windows. Several in
/// the last window are an error. In an earlier one they are no value: they were an error when that
/// window was the last one, and must not stay one for as long as it is asked for.
fn read(answer: &Answer, last: Timestamp) -> Result<BTreeMap<u64, f64>, Error> {
    let said: Said = match serde_json::from_slice(&answer.body) {
        Ok(said) => said,
        // What stands in front of Prometheus answers with pages of its own.
        Err(_) if answer.status != StatusCode::OK => {
            return Err(Error::Status {
                status: answer.status,
            });
        }
        Err(error) => return Err(Error::NotUnderstood(error)),
    };
    let data = match said {
        Said::Success { data } if answer.status == StatusCode::OK => data,
        Said::Success { .. } => {
            return Err(Error::Status {
                status: answer.status,
            });
        }
        Said::Error { kind, message } => {
            let (kind, message) = (printable(&kind), printable(&message));
            return Err(Error::Refused { kind, message });
        }
    };
    if data.result_type != "matrix" {
        return Err(Error::Strange("it is no matrix"));
    }
    let mut windows: BTreeMap<u64, Vec<(&Series, f64)>> = BTreeMap::new();
    for series in &data.result {
        if !series.histograms.is_empty() {
            return Err(Error::Strange("a histogram is no number"));
        }
        for (moment, value) in &series.values {
            let value = value
                .parse()
                .map_err(|_| Error::Strange("a value is no number"))?;
            let window = windows.entry(moment_millis(*moment)).or_default();
            window.push((series, value));
        }
    }
    if let Some(all) = windows.get(&last.as_millis())
        && all.len() > 1
    {
        return Err(Error::Several(several(
            all.iter().map(|(series, _)| &series.metric),
        )));
    }
    let one = |all: &[(&Series, f64)]| match all {
        [(_, value)] => finite(*value),
        _ => None,
    };
    let values = windows
        .iter()
        .filter_map(|(end, all)| Some((*end, one(all)?)));
    Ok(values.collect())
}

/// Returns a moment that Prometheus wrote in seconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and a moment that nobody asked for is not looked at"
)]
fn moment_millis(seconds: f64) -> u64 {
    (seconds * 1e3).round() as u64
}

/// Returns the length of a window, at least a millisecond.
fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// Writes a text for a form.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _infallible = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use leadsman_core::id::{DeploymentNumber, EnvironmentId, ReleaseNumber, RevisionId};
    use leadsman_core::metric::{PrometheusServer, Query};

    use super::*;

    fn windows(every: u64) -> Windows {
        Windows::new(Queried {
            server: PrometheusServer {
                url: "http://127.0.0.1:9090".to_owned(),
                token_file: None,
            },
            query: Query::parse("up").unwrap(),
            every: Duration::from_millis(every),
        })
    }

    fn asked(since: u64, now: u64) -> Asked {
        Asked {
            environment: EnvironmentId {
                application: "shop".parse().unwrap(),
                environment: "production".parse().unwrap(),
            },
            now: Timestamp::from_millis(now),
            since: Timestamp::from_millis(since),
            canary: AskedSide {
                revision: RevisionId {
                    service: "web".parse().unwrap(),
                    release: ReleaseNumber(1),
                    deployment: DeploymentNumber(1),
                },
                instances: Vec::new(),
            },
            baseline: None,
        }
    }

    #[test]
    fn only_closed_windows_of_the_step_are_asked_for_and_each_once() {
        for (since, now, read, ends) in [
            (0, 0, None, None),
            // The window up to 10 s is closed once the next one has passed.
            (0, 19_999, None, None),
            (0, 20_000, None, Some((10_000, 10_000))),
            (0, 39_999, None, Some((10_000, 20_000))),
            (0, 39_999, Some(10_000), Some((20_000, 20_000))),
            (0, 39_999, Some(20_000), None),
            // The one in which the step began is not of the step.
            (5_000, 39_999, None, Some((20_000, 20_000))),
            (5_000, 29_999, None, None),
            // After a long outage the oldest are passed over.
            (0, 10_000_000, None, Some((8_800_000, 9_990_000))),
        ] {
            let mut windows = windows(10_000);
            windows.read = read.map(Timestamp::from_millis);
            let closed = windows.closed(&asked(since, now));
            let closed = closed.map(|ends| (ends.first.as_millis(), ends.last.as_millis()));
            assert_eq!(closed, ends, "{since} {now} {read:?}");
        }
    }

    /// The end of the last window that was asked for.
    const LAST: Timestamp = Timestamp::from_millis(30_000);

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    fn matrix(result: &str) -> String {
        format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{result}]}}}}"#)
    }

    #[test]
    fn a_series_is_read_and_what_is_no_number_left_out() {
        let series = r#"{"metric":{"a":"b"},"values":[[10,"1.5"],[20.5,"NaN"],[30,"+Inf"],[40.001,"-2e3"]]}"#;
        let values = read(&answer(200, &matrix(series)), LAST).unwrap();
        assert_eq!(values, BTreeMap::from([(10_000, 1.5), (40_001, -2e3)]));
        assert_eq!(
            read(&answer(200, &matrix("")), LAST).unwrap(),
            BTreeMap::new()
        );
    }

    #[test]
    fn several_series_in_the_past_are_no_value() {
        let one =
            |queue, values| format!(r#"{{"metric":{{"queue":"{queue}"}},"values":[{values}]}}"#);
        let series = [
            one("mail", r#"[10,"1"],[20,"2"]"#),
            one("print", r#"[20,"3"],[30,"4"]"#),
        ];
        let values = read(&answer(200, &matrix(&series.join(","))), LAST).unwrap();
        assert_eq!(values, BTreeMap::from([(10_000, 1.0), (30_000, 4.0)]));
    }

    #[test]
    fn what_is_not_one_series_is_an_error_that_says_so() {
        let one =
            |queue| format!(r#"{{"metric":{{"queue":"{queue}"}},"values":[[20,"1"],[30,"1"]]}}"#);
        let two = matrix(&[one("mail"), one("print")].join(","));
        for (status, body, why) in [
            (
                200,
                two.as_str(),
                "2 series where one is wanted: {queue=\"mail\"}, {queue=\"print\"}",
            ),
            (
                400,
                r#"{"status":"error","errorType":"bad_data","error":"parse error: \u001b[31m"}"#,
                "it refuses the query: bad_data: parse error: \u{fffd}[31m",
            ),
            (
                502,
                "<html>bad gateway</html>",
                "it answers with 502 Bad Gateway",
            ),
            (503, &matrix(""), "it answers with 503 Service Unavailable"),
            (
                200,
                r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#,
                "its answer is not understood: it is no matrix",
            ),
            (
                200,
                &matrix(r#"{"metric":{},"values":[[1,"many"]]}"#),
                "its answer is not understood: a value is no number",
            ),
            (
                200,
                &matrix(r#"{"metric":{},"histograms":[[1,{}]]}"#),
                "its answer is not understood: a histogram is no number",
            ),
        ] {
            let error = read(&answer(status, body), LAST).unwrap_err();
            assert_eq!(leadsman_runtime::words(&error), why, "{body}");
        }
        for body in ["", "{}", "[]", "null", r#"{"status":"success"}"#, "<html>"] {
            let error = read(&answer(200, body), LAST).unwrap_err();
            assert!(matches!(error, Error::NotUnderstood(_)), "{body}: {error}");
        }
    }

    #[test]
    fn a_query_travels_unharmed() {
        assert_eq!(
            encoded("a{b=~\"c|d\"} + 1&x=ü"),
            "a%7Bb%3D~%22c%7Cd%22%7D%20%2B%201%26x%3D%C3%BC"
        );
    }
}
