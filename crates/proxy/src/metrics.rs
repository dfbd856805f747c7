//! The sums as Prometheus reads them (text format, version 0.0.4).
//!
//! Labels hold names of the table, words of ours and addresses of listeners, and nothing that
//! clients say: what they send makes no series.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use leadsman_analysis::{BUCKETS, Histogram};

use crate::control::{Arrivals, Certificate, Kinds, Told};
use crate::figures::SideFigures;
use crate::table::{Side, Table, WEIGHT_WHOLE};
use crate::totals::{OfSide, Totals, escaped, labels_of_sides};

/// The type of the text.
pub(crate) const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How many buckets of a histogram are shown as one: sixteen of them are a factor of 1.44.
const BUCKETS_SHOWN_AS_ONE: usize = 16;

/// What is shown.
pub(crate) struct Shown<'a> {
    pub(crate) program: &'a str,
    /// When the process was started, in seconds since 1970.
    pub(crate) started_at: f64,
    pub(crate) totals: &'a Totals,
    pub(crate) table: &'a Table,
    /// Sides of the table that were cut off.
    pub(crate) tripped: usize,
    pub(crate) is_saved: bool,
    /// Whether an instance is believed to answer, by name.
    pub(crate) is_healthy: &'a dyn Fn(&str) -> bool,
    /// What is in flight, by instance.
    pub(crate) in_flight: &'a BTreeMap<String, Kinds>,
    pub(crate) arrivals: &'a BTreeMap<SocketAddr, Arrivals>,
    pub(crate) certificates: &'a [Certificate],
    pub(crate) told: &'a Told,
}

/// A family of metrics: its name, its type, and what it says.
type Family = (&'static str, &'static str, &'static str);

const INFO: Family = (
    "leadsman_proxy_info",
    "gauge",
    "Always 1; the label says which program it is.",
);
const STARTED: Family = (
    "leadsman_proxy_start_time_seconds",
    "gauge",
    "When the process was started, since 1970. Counters begin anew with it.",
);
const GENERATION: Family = (
    "leadsman_proxy_table_generation",
    "gauge",
    "The generation of the route table in force; 0 before there was one.",
);
const SAVED: Family = (
    "leadsman_proxy_table_saved",
    "gauge",
    "1 while the table in force is on disk, else 0.",
);
const TRIPPED: Family = (
    "leadsman_proxy_sides_tripped",
    "gauge",
    "Sides of the table that a tripwire has cut off.",
);
const REQUESTS: Family = (
    "leadsman_proxy_requests_total",
    "counter",
    "Attempts at requests on a side, of users, of testers, or of mirrored copies.",
);
const ERRORS: Family = (
    "leadsman_proxy_errors_total",
    "counter",
    "Attempts that failed: status 5xx, no answer, or one that broke off.",
);
const ANSWERS: Family = (
    "leadsman_proxy_answers_total",
    "counter",
    "Answers of instances to users, by class of status.",
);
const SECONDS: Family = (
    "leadsman_proxy_answer_duration_seconds",
    "histogram",
    "How long users waited for the head of an answer. Failures have none. The sum is made of \
     buckets, and exact to 1.2 %.",
);
const IN_FLIGHT: Family = (
    "leadsman_proxy_in_flight",
    "gauge",
    "Requests in flight to instances of the table: unanswered, with a body under way, or upgraded.",
);
const BYTES_IN: Family = (
    "leadsman_proxy_request_body_bytes_total",
    "counter",
    "Bytes of the bodies of requests. Those of upgraded connections are counted at their end.",
);
const BYTES_OUT: Family = (
    "leadsman_proxy_answer_body_bytes_total",
    "counter",
    "Bytes of the bodies of answers. Those of upgraded connections are counted at their end.",
);
const RETRIES: Family = (
    "leadsman_proxy_retries_total",
    "counter",
    "Requests that came to a side after another instance could not answer them.",
);
const WEIGHT: Family = (
    "leadsman_proxy_side_weight_ratio",
    "gauge",
    "The share of the service's requests that is a side's, 0 to 1.",
);
const INSTANCES: Family = (
    "leadsman_proxy_instances",
    "gauge",
    "Instances of a side, by whether they are believed to answer.",
);
const REFUSED: Family = (
    "leadsman_proxy_refused_total",
    "counter",
    "Requests that the data plane answered itself, by the reason that it gave.",
);
const EJECTIONS: Family = (
    "leadsman_proxy_ejections_total",
    "counter",
    "How often an instance was left out because its answers failed, by any worker.",
);
const CONNECTIONS: Family = (
    "leadsman_proxy_connections_total",
    "counter",
    "Connections of clients that were accepted.",
);
const UNANNOUNCED: Family = (
    "leadsman_proxy_unannounced_total",
    "counter",
    "Connections that should have begun with the PROXY protocol, and did not.",
);
const HANDSHAKES: Family = (
    "leadsman_proxy_handshakes_total",
    "counter",
    "TLS handshakes, by what came of them.",
);
const FLOODS: Family = (
    "leadsman_proxy_floods_total",
    "counter",
    "Connections of HTTP/2 that were ended because they were flooded.",
);
const UNTAKEN: Family = (
    "leadsman_proxy_untaken_total",
    "counter",
    "Connections, and requests of HTTP/2, that were given up because the client took nothing.",
);
const CERTIFICATE_EXPIRES: Family = (
    "leadsman_proxy_certificate_expires_timestamp_seconds",
    "gauge",
    "When a certificate expires, since 1970.",
);
const CERTIFICATE_READABLE: Family = (
    "leadsman_proxy_certificate_usable",
    "gauge",
    "1 for a certificate that nothing is wrong with, else 0.",
);
const LINES: Family = (
    "leadsman_proxy_access_log_lines_total",
    "counter",
    "Lines of the access log that were written.",
);
const LINES_DROPPED: Family = (
    "leadsman_proxy_access_log_dropped_total",
    "counter",
    "Lines of the access log that were not, because the disk was too slow or full.",
);

const SPANS: Family = (
    "leadsman_proxy_spans_total",
    "counter",
    "Spans that a collector took.",
);
const SPANS_DROPPED: Family = (
    "leadsman_proxy_spans_dropped_total",
    "counter",
    "Spans that none did, because it was too slow or gone, or refused them.",
);

/// How a number is found in what is shown.
type Count<T> = fn(&T) -> u64;

impl Shown<'_> {
    /// Returns the text.
    pub(crate) fn text(&self) -> String {
        let mut page = Page::default();
        let program = format!("program=\"{}\"", escaped(self.program));
        page.family(INFO).one(&program, 1);
        page.family(STARTED).one("", self.started_at);
        page.family(GENERATION).one("", self.table.generation);
        page.family(SAVED).one("", u8::from(self.is_saved));
        page.family(TRIPPED).one("", self.tripped);
        self.sides(&mut page);
        self.table(&mut page);
        page.family(REFUSED);
        for (reason, count) in self.totals.refused() {
            page.one(&format!("reason=\"{}\"", escaped(reason)), count);
        }
        page.family(EJECTIONS);
        for (instance, count) in self.totals.ejected() {
            page.one(&format!("instance=\"{}\"", escaped(instance)), count);
        }
        self.doors(&mut page);
        page.family(LINES).one("", self.told.lines);
        page.family(LINES_DROPPED).one("", self.told.lines_dropped);
        page.family(SPANS).one("", self.told.spans);
        page.family(SPANS_DROPPED).one("", self.told.spans_dropped);
        page.0
    }

    fn sides(&self, page: &mut Page) {
        page.family(REQUESTS);
        self.by_kind(page, |figures| figures.figures.requests);
        page.family(ERRORS);
        self.by_kind(page, |figures| figures.figures.errors);
        page.family(ANSWERS);
        for side in self.totals.sides() {
            for (class, count) in (1..).zip(side.users.status) {
                page.one(&format!("{},class=\"{class}xx\"", side.labels), count);
            }
        }
        page.family(SECONDS);
        for side in self.totals.sides() {
            page.histogram(&side.labels, &side.users.figures.latency);
        }
        let moved: [(Family, Count<OfSide>); 3] = [
            (BYTES_IN, |side| side.moved.bytes_in),
            (BYTES_OUT, |side| side.moved.bytes_out),
            (RETRIES, |side| side.moved.retries),
        ];
        for (family, count) in moved {
            page.family(family);
            for side in self.totals.sides() {
                page.one(&side.labels, count(side));
            }
        }
    }

    fn by_kind(&self, page: &mut Page, count: impl Fn(&SideFigures) -> u64) {
        for side in self.totals.sides() {
            let kinds = [
                ("users", &side.users),
                ("testers", &side.testers),
                ("mirrored", &side.mirrored),
            ];
            for (kind, figures) in kinds {
                // Most services have neither testers nor copies.
                if kind == "users" || figures.figures.requests > 0 {
                    let labels = format!("{},kind=\"{kind}\"", side.labels);
                    page.one(&labels, count(figures));
                }
            }
        }
    }

    /// What is so at this moment of the sides of the table.
    fn table(&self, page: &mut Page) {
        let labels = labels_of_sides(self.table);
        let sides: Vec<(&str, &Side)> = self
            .table
            .sides()
            .filter_map(|side| Some((labels.get(side.name.as_str())?.as_str(), side)))
            .collect();
        page.family(IN_FLIGHT);
        let states: [(&str, Count<Kinds>); 3] = [
            ("unanswered", |kinds| kinds.requests),
            ("body", |kinds| kinds.bodies),
            ("upgraded", |kinds| kinds.upgrades),
        ];
        for (labels, side) in &sides {
            for (state, count) in states {
                let of_side = side.instances.keys();
                let in_flight = of_side.filter_map(|name| self.in_flight.get(name));
                let labels = format!("{labels},state=\"{state}\"");
                page.one(&labels, in_flight.map(count).sum::<u64>());
            }
        }
        page.family(WEIGHT);
        for (labels, side) in &sides {
            page.one(labels, f64::from(side.weight) / f64::from(WEIGHT_WHOLE));
        }
        page.family(INSTANCES);
        for (labels, side) in &sides {
            let healthy = side.instances.keys().filter(|name| (self.is_healthy)(name));
            let healthy = healthy.count();
            let unhealthy = side.instances.len() - healthy;
            for (state, count) in [("healthy", healthy), ("unhealthy", unhealthy)] {
                page.one(&format!("{labels},state=\"{state}\""), count);
            }
        }
    }

    /// What came to listeners, and what they show.
    fn doors(&self, page: &mut Page) {
        let counts: [(Family, Count<Arrivals>); 2] = [
            (CONNECTIONS, |arrivals| arrivals.connections),
            (UNANNOUNCED, |arrivals| arrivals.unannounced),
        ];
        for (family, count) in counts {
            page.family(family);
            for (address, arrivals) in self.arrivals {
                page.one(&format!("listener=\"{address}\""), count(arrivals));
            }
        }
        page.family(HANDSHAKES);
        for (address, arrivals) in self.arrivals {
            let outcomes = [
                ("new", arrivals.handshakes.saturating_sub(arrivals.resumed)),
                ("resumed", arrivals.resumed),
                ("failed", arrivals.handshakes_failed),
                ("late", arrivals.handshakes_late),
            ];
            for (outcome, count) in outcomes {
                let labels = format!("listener=\"{address}\",outcome=\"{outcome}\"");
                page.one(&labels, count);
            }
        }
        page.family(FLOODS);
        for (address, arrivals) in self.arrivals {
            page.one(&format!("listener=\"{address}\""), arrivals.floods);
        }
        page.family(UNTAKEN);
        for (address, arrivals) in self.arrivals {
            page.one(&format!("listener=\"{address}\""), arrivals.untaken);
        }
        let labels = |certificate: &Certificate| {
            let chain = certificate.chain.display().to_string();
            let listener = certificate.listener;
            format!("listener=\"{listener}\",chain=\"{}\"", escaped(&chain))
        };
        // By their labels: a file may be named twice, and a series may not.
        let of = self.certificates.iter();
        let all: BTreeMap<String, &Certificate> = of.map(|one| (labels(one), one)).collect();
        page.family(CERTIFICATE_EXPIRES);
        for (labels, certificate) in &all {
            if let Some(expires_at_ms) = certificate.expires_at_ms {
                page.one(labels, expires_at_ms / 1000);
            }
        }
        page.family(CERTIFICATE_READABLE);
        for (labels, certificate) in &all {
            page.one(labels, u8::from(certificate.problem.is_none()));
        }
    }
}

/// The text, as far as it is written.
#[derive(Default)]
struct Page(String, &'static str);

impl Page {
    /// Begins a family.
    fn family(&mut self, (name, kind, help): Family) -> &mut Self {
        self.1 = name;
        // To a text nothing can fail.
        write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n").ok();
        self
    }

    fn one(&mut self, labels: &str, value: impl Display) {
        self.sample("", labels, value);
    }

    fn sample(&mut self, suffix: &str, labels: &str, value: impl Display) {
        let name = self.1;
        let written = match labels {
            "" => writeln!(self.0, "{name}{suffix} {value}"),
            labels => writeln!(self.0, "{name}{suffix}{{{labels}}} {value}"),
        };
        written.ok();
    }

    fn histogram(&mut self, labels: &str, latencies: &Histogram) {
        let mut reached = 0;
        let mut sum = 0.0;
        let (counts, last) = (latencies.counts(), BUCKETS - 1);
        for (bucket, count) in counts.iter().enumerate() {
            reached += count;
            sum += *count as f64 * middle(bucket);
            // The last one has no end but infinity.
            if bucket % BUCKETS_SHOWN_AS_ONE == 0 && bucket < last {
                let edge = seconds(Histogram::edge(bucket));
                self.sample("_bucket", &format!("{labels},le=\"{edge}\""), reached);
            }
        }
        self.sample("_bucket", &format!("{labels},le=\"+Inf\""), reached);
        self.sample("_sum", labels, sum);
        self.sample("_count", labels, reached);
    }
}

/// Returns what latencies in a bucket are taken for, in seconds.
fn middle(bucket: usize) -> f64 {
    let from = bucket
        .checked_sub(1)
        .map_or(Duration::ZERO, Histogram::edge);
    match Histogram::edge(bucket) {
        Duration::MAX => seconds(from),
        edge => f64::midpoint(seconds(from), seconds(edge)),
    }
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}
