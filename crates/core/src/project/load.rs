//! The keys of a load, and what they come to.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::codes::{BAD_CONDITION, BAD_PATH, CONTRADICTION, MISSING_KEY, OUT_OF_RANGE};
use super::keys::keys;
use super::metric_values::Amount;
use super::problem::{Span, quoted};
use super::read::{Merge, Read, Reader, Setting};
use super::shape::{List, Map, Short, short_form};
use super::texts::FolderPath;
use super::traffic_values::{Method, TokenKey};
use super::values::{Share, Time, Whole, Word, schema};
use super::yaml::Node;
use crate::load::{self, Load, LoadModel, LoadRequest, LoadStage, LoadThreshold};
use crate::spec::Protocol;

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// The most requests a second, and the most users.
const MOST: f64 = 1_000_000.0;

keys! {
    /// A load: requests that are made to see how they are answered. It has either `rate` or `users`.
    #[schemars(rename = "Load")]
    struct LoadKeys("a load") {
        /// What is asked for: a path such as `/cart`, or a URL. Where there are `requests` it names
        /// the server alone.
        url: Place,
        /// So many requests a second, whether or not others are answered.
        rate: Amount,
        /// So many users, each of which waits for an answer and thinks.
        users: Whole<1, 1_000_000>,
        /// How long it is measured.
        #[schemars(extend("default" = "30s"))]
        r#for: Time<1000, { 7 * DAY }>,
        /// In how long the rate, or the number of users, is reached evenly; that is not measured.
        #[schemars(extend("default" = "0s"))]
        ramp: Time<0, DAY>,
        /// How long it then goes on before it is measured.
        #[schemars(extend("default" = "0s"))]
        warm_up: Time<0, DAY>,
        /// How the rate, or the number of users, changes once it is measured, instead of `for`.
        stages: List<Stage, 100>,
        /// How long a user thinks between an answer and the next request, on average.
        #[schemars(extend("default" = "1s"))]
        think: Time<0, HOUR>,
        /// The method, if it is not `GET`.
        method: Word<Method>,
        /// Headers; `${name}` in them stands for a value of `data`.
        headers: Map<TokenKey, LoadText, 100>,
        /// The body; `${name}` in it stands for a value of `data`.
        body: LoadText,
        /// Which statuses are no errors.
        #[schemars(extend("default" = ["2xx", "3xx"]))]
        expect: List<StatusText, 20>,
        /// What the body of every answer contains.
        contains: LoadText,
        /// Several requests, which are made in turn.
        requests: List<Short<RequestKeys>, 1000>,
        /// Rows of values: a CSV file with their names in its first line, or one JSON object a line,
        /// relative to the project file.
        data: FolderPath,
        /// How long a request may take from when it is due.
        #[schemars(extend("default" = "10s"))]
        timeout: Time<1, HOUR>,
        /// How many connections there may be at a time with a `rate`; users have one each.
        #[schemars(extend("default" = 1000))]
        connections: Whole<1, 1_000_000>,
        /// What is spoken.
        #[schemars(extend("default" = "http1"))]
        protocol: Word<Protocol>,
        /// Certificates in PEM form that are trusted beside those of the machine: a file, relative to
        /// the project file.
        trust: FolderPath,
        /// The mean of all latencies is at most this.
        mean: Time<0, HOUR>,
        /// Half of the answers take at most so long.
        p50: Time<0, HOUR>,
        /// 90 of 100 answers take at most so long.
        p90: Time<0, HOUR>,
        /// 95 of 100 answers take at most so long.
        p95: Time<0, HOUR>,
        /// 99 of 100 answers take at most so long.
        p99: Time<0, HOUR>,
        /// 999 of 1000 answers take at most so long.
        p999: Time<0, HOUR>,
        /// Every answer takes at most so long.
        max: Time<0, HOUR>,
        /// The share of requests that may fail.
        #[schemars(extend("default" = "1%"))]
        errors: Share<100>,
        /// So many requests a second are answered as they should be.
        rate_at_least: Amount,
    }
    one_of: rate, users;
}

keys! {
    /// A part of a load.
    struct Stage("a stage") {
        /// The rate, or the number of users, in its end.
        to: Amount,
        /// How long it takes to get there.
        over: Time<0, DAY>,
    }
}

keys! {
    /// One of several requests. In short: its path.
    #[schemars(rename = "Request")]
    struct RequestKeys("a request") {
        /// What it is called in the report.
        name: LoadText,
        /// Its path; `${name}` in it stands for a value of `data`.
        path: Place,
        /// Its method, if it is not `GET`.
        method: Word<Method>,
        /// Its headers, beside those of all requests.
        headers: Map<TokenKey, LoadText, 100>,
        /// Its body.
        body: LoadText,
        /// Which statuses are no errors.
        expect: List<StatusText, 20>,
        /// What the body of the answer contains.
        contains: LoadText,
        /// How often it is made in a row.
        #[schemars(extend("default" = 1))]
        times: Whole<1, 100>,
    }
}

short_form!(
    RequestKeys { path },
    json_schema!({ "title": "path", "type": "string", "pattern": "^/" })
);

/// A path, or a URL.
#[derive(Clone, Debug)]
pub(super) struct Place {
    at: Span,
    /// The URL before the path.
    server: Option<String>,
    path: String,
}

impl Read for Place {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `/cart` or `https://shop.example/cart`";
        let text = reader.text(node, "a path or a URL", FORM)?;
        let begins = match text.split_once("://") {
            Some(("http" | "https", _)) => text.find("://").map_or(0, |at| at + 3),
            _ => 0,
        };
        let rest = text.get(begins..).unwrap_or_default();
        let length = rest.find(['/', '?']).unwrap_or(rest.len());
        let (server, path) = text.split_at(begins + length);
        let is_plain = |c: char| !c.is_control() && !c.is_whitespace();
        let usable = if begins > 0 {
            length > 0
        } else {
            server.is_empty()
        };
        if !usable || text.len() > 8000 || !text.chars().all(is_plain) || server.contains('@') {
            let message = format!("{} is no path or URL", quoted(text));
            reader.note(&BAD_PATH, node.at, message, FORM);
            return None;
        }
        let path = match path {
            "" => "/".to_owned(),
            path if path.starts_with('?') => format!("/{path}"),
            path => path.to_owned(),
        };
        Some(Self {
            at: node.at,
            server: (begins > 0).then(|| server.to_owned()),
            path,
        })
    }
}

impl Merge for Place {}

schema!(
    Place,
    json_schema!({ "title": "path or URL", "type": "string", "pattern": "^(/|https?://)" })
);

/// A text that is sent or looked for.
#[derive(Clone, Debug)]
pub(super) struct LoadText(String);

impl Read for LoadText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = reader.scalar(node, "a text", "write it in quotes")?;
        Some(Self(text.to_owned()))
    }
}

impl Merge for LoadText {}

schema!(
    LoadText,
    json_schema!({ "title": "text", "type": ["string", "number", "boolean"] })
);

/// A status, or a hundred of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct StatusText(u16, u16);

impl Read for StatusText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `200` or `2xx`";
        let text = reader.scalar(node, "a status", FORM)?;
        let (digits, width) = match text.strip_suffix("xx") {
            Some(class) => (format!("{class}00"), 99),
            None => (text.to_owned(), 0),
        };
        let status = digits.parse().ok().filter(|it| (100..600).contains(it));
        let Some(status) = status.filter(|_| digits.len() == 3) else {
            let message = format!("{} is no status", quoted(text));
            reader.note(&BAD_CONDITION, node.at, message, FORM);
            return None;
        };
        Some(Self(status, status + width))
    }
}

impl Merge for StatusText {}

schema!(
    StatusText,
    json_schema!({ "title": "status", "type": ["integer", "string"] })
);

/// Returns the load that the keys describe, or notes what is missing.
pub(super) fn resolve(keys: &LoadKeys, at: Span, reader: &mut Reader) -> Option<Load> {
    let amount = match (keys.rate.get(), keys.users.get()) {
        (Some(rate), _) => in_range(rate.0, true, at, reader)?,
        #[expect(clippy::cast_precision_loss, reason = "a million at most")]
        (None, Some(users)) => users.0 as f64,
        (None, None) => {
            if keys.rate.is_missing() && keys.users.is_missing() {
                let hint = "add `rate: 100` (requests a second) or `users: 150`";
                reader.note(&MISSING_KEY, at, "a load says neither rate nor users", hint);
            }
            return None;
        }
    };
    let is_open = keys.rate.is_present();
    if is_open && keys.think.is_present() {
        let hint = "take `think` out, or write `users` instead of `rate`";
        reader.note(&CONTRADICTION, at, "a rate does not think", hint);
    }
    if !is_open && keys.connections.is_present() {
        let hint = "take `connections` out";
        reader.note(&CONTRADICTION, at, "users have a connection each", hint);
    }
    let time =
        |setting: &Setting<Time<0, DAY>>| setting.get().map_or(Duration::ZERO, |time| time.0);
    let (ramp, warm_up) = (time(&keys.ramp), time(&keys.warm_up));
    let stages = stages(keys, amount, (ramp, warm_up), at, reader)?;
    let (server, requests) = requests(keys, at, reader)?;
    Some(Load {
        server,
        model: if is_open {
            LoadModel::Rate
        } else {
            LoadModel::Users {
                think: keys.think.get().map(|time| time.0),
            }
        },
        start: if ramp.is_zero() { amount } else { 0.0 },
        stages,
        warm_up: ramp + warm_up,
        timeout: keys.timeout.get().map(|time| time.0),
        connections: keys.connections.get().map(|count| count.0),
        protocol: keys.protocol.get().map_or(Protocol::Http1, |word| word.0),
        trust: keys.trust.get().map(|path| path.0.clone()),
        data: keys.data.get().map(|path| path.0.clone()),
        requests,
        thresholds: thresholds(keys, at, reader)?,
    })
}

/// Notes it if a number is no rate or number of users.
fn in_range(value: f64, above_zero: bool, at: Span, reader: &mut Reader) -> Option<f64> {
    let usable = (0.0..=MOST).contains(&value) && (value > 0.0 || !above_zero);
    if !usable {
        let message = format!("{value} a second cannot be made");
        let hint = format!("choose a number above 0 and up to {MOST}");
        reader.note(&OUT_OF_RANGE, at, message, hint);
    }
    usable.then_some(value)
}

fn stages(
    keys: &LoadKeys,
    amount: f64,
    (ramp, warm_up): (Duration, Duration),
    at: Span,
    reader: &mut Reader,
) -> Option<Vec<LoadStage>> {
    let mut stages = Vec::new();
    if !ramp.is_zero() {
        stages.push(LoadStage {
            to: amount,
            over: ramp,
        });
    }
    if !warm_up.is_zero() {
        stages.push(LoadStage {
            to: amount,
            over: warm_up,
        });
    }
    let Some(list) = keys.stages.get() else {
        let length = keys.r#for.get().map_or(load::LENGTH, |time| time.0);
        stages.push(LoadStage {
            to: amount,
            over: length,
        });
        return Some(stages);
    };
    if keys.r#for.is_present() {
        let hint = "take `for` out: each stage says how long it takes";
        reader.note(&CONTRADICTION, at, "a load has `for` and `stages`", hint);
        return None;
    }
    let mut measured = Duration::ZERO;
    for stage in &list.items {
        let (Some(to), Some(over)) = (stage.to.get(), stage.over.get()) else {
            if stage.to.is_missing() || stage.over.is_missing() {
                let hint = "write it like `{ to: 500, over: 1m }`";
                reader.note(
                    &MISSING_KEY,
                    list.at,
                    "a stage says where to and over how long",
                    hint,
                );
            }
            return None;
        };
        measured += over.0;
        stages.push(LoadStage {
            to: in_range(to.0, false, list.at, reader)?,
            over: over.0,
        });
    }
    if measured.is_zero() {
        let hint = "write it like `[{ to: 500, over: 1m }]`";
        reader.note(&OUT_OF_RANGE, list.at, "the stages take no time", hint);
        return None;
    }
    Some(stages)
}

/// Returns the server, if one is named, and the requests to it.
fn requests(
    keys: &LoadKeys,
    at: Span,
    reader: &mut Reader,
) -> Option<(Option<String>, Vec<LoadRequest>)> {
    let url = keys.url.get();
    if url.is_none() && !keys.url.is_missing() {
        return None;
    }
    let server = url.and_then(|url| url.server.clone());
    let headers = headers(&keys.headers);
    let Some(list) = keys.requests.get() else {
        if keys.requests.is_present() {
            return None;
        }
        return Some((
            server,
            vec![LoadRequest {
                name: None,
                method: method(&keys.method, &keys.body),
                path: url.map_or("/", |url| &url.path).to_owned(),
                headers,
                body: text(&keys.body).unwrap_or_default(),
                expect: statuses(&keys.expect),
                contains: text(&keys.contains),
                times: 1,
            }],
        ));
    };
    let of_one = [
        ("method", keys.method.is_present()),
        ("body", keys.body.is_present()),
        ("contains", keys.contains.is_present()),
        ("url", url.is_some_and(|url| url.path != "/")),
    ];
    for (key, _) in of_one.into_iter().filter(|(_, is_present)| *is_present) {
        let message = format!("a load has `requests` and, beside them, `{key}`");
        reader.note(&CONTRADICTION, at, message, "say it in each request");
    }
    let mut requests = Vec::new();
    for Short(request) in &list.items {
        let Some(path) = request.path.get() else {
            if request.path.is_missing() {
                reader.note(
                    &MISSING_KEY,
                    list.at,
                    "a request has no path",
                    "add `path: /`",
                );
            }
            return None;
        };
        if path.server.is_some() {
            let hint = "name the server in `url`, and a path here";
            reader.note(&BAD_PATH, path.at, "all requests go to one server", hint);
            return None;
        }
        let mut all = headers.clone();
        all.extend(self::headers(&request.headers));
        let expect = statuses(&request.expect);
        requests.push(LoadRequest {
            name: text(&request.name),
            method: method(&request.method, &request.body),
            path: path.path.clone(),
            headers: all,
            body: text(&request.body).unwrap_or_default(),
            expect: if expect.is_empty() {
                statuses(&keys.expect)
            } else {
                expect
            },
            contains: text(&request.contains),
            times: request.times.get().map_or(1, |times| times.0),
        });
    }
    if requests.is_empty() {
        reader.note(
            &MISSING_KEY,
            list.at,
            "there is no request",
            "add one, such as `/`",
        );
        return None;
    }
    Some((server, requests))
}

fn text(setting: &Setting<LoadText>) -> Option<String> {
    setting.get().map(|text| text.0.clone())
}

fn method(method: &Setting<Word<Method>>, body: &Setting<LoadText>) -> String {
    let usual = if body.is_present() { "POST" } else { "GET" };
    method.get().map_or(usual, |word| word.0.0).to_owned()
}

fn headers(
    map: &Setting<Map<TokenKey, LoadText, 100>>,
) -> std::collections::BTreeMap<String, String> {
    let entries = map.get().into_iter().flat_map(|map| &map.entries);
    entries
        .filter_map(|(name, value)| Some((name.value.to_lowercase(), value.get()?.0.clone())))
        .collect()
}

fn statuses(list: &Setting<List<StatusText, 20>>) -> Vec<(u16, u16)> {
    let items = list.get().into_iter().flat_map(|list| &list.items);
    items.map(|status| (status.0, status.1)).collect()
}

fn thresholds(keys: &LoadKeys, at: Span, reader: &mut Reader) -> Option<Vec<LoadThreshold>> {
    let time = |setting: &Setting<Time<0, HOUR>>| setting.get().map(|time| time.0);
    let mut all: Vec<LoadThreshold> = [
        time(&keys.mean).map(LoadThreshold::Mean),
        time(&keys.p50).map(LoadThreshold::P50),
        time(&keys.p90).map(LoadThreshold::P90),
        time(&keys.p95).map(LoadThreshold::P95),
        time(&keys.p99).map(LoadThreshold::P99),
        time(&keys.p999).map(LoadThreshold::P999),
        time(&keys.max).map(LoadThreshold::Max),
    ]
    .into_iter()
    .flatten()
    .collect();
    let errors = keys.errors.get().map_or(load::ERRORS, |share| share.0);
    all.push(LoadThreshold::Errors(errors));
    if let Some(rate) = keys.rate_at_least.get() {
        all.push(LoadThreshold::RateAtLeast(in_range(
            rate.0, true, at, reader,
        )?));
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project;

    const S: Duration = Duration::from_secs(1);

    fn read(text: &str) -> Load {
        project::load(text, "load.yaml").unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn four_lines_are_a_load() {
        let load = read("url: /\nusers: 150\nfor: 2m\np95: 400ms\n");
        let request = LoadRequest {
            name: None,
            method: "GET".to_owned(),
            path: "/".to_owned(),
            headers: Default::default(),
            body: String::new(),
            expect: Vec::new(),
            contains: None,
            times: 1,
        };
        let wanted = Load {
            server: None,
            model: LoadModel::Users { think: None },
            start: 150.0,
            stages: vec![LoadStage {
                to: 150.0,
                over: S * 120,
            }],
            warm_up: Duration::ZERO,
            timeout: None,
            connections: None,
            protocol: Protocol::Http1,
            trust: None,
            data: None,
            requests: vec![request],
            thresholds: vec![
                LoadThreshold::P95(Duration::from_millis(400)),
                LoadThreshold::Errors(0.01),
            ],
        };
        assert_eq!(load, wanted);
        let kept = serde_json::to_string(&load).unwrap();
        assert_eq!(serde_json::from_str::<Load>(&kept).unwrap(), load);
    }

    #[test]
    fn ramps_and_warm_up_come_before_what_is_measured() {
        let load = read(
            "rate: 100\nramp: 10s\nwarm_up: 5s\nstages: [{ to: 500, over: 1m }, { to: 0, over: 10s }]\n",
        );
        let stage = |to, seconds| LoadStage {
            to,
            over: S * seconds,
        };
        assert!(load.start < f64::EPSILON);
        assert_eq!(load.warm_up, S * 15);
        assert_eq!(
            load.stages,
            [
                stage(100.0, 10),
                stage(100.0, 5),
                stage(500.0, 60),
                stage(0.0, 10)
            ]
        );
    }

    #[test]
    fn several_requests_share_what_is_said_once() {
        let load = read(
            "url: https://shop.example\nrate: 0.5\nheaders: { Accept: text/html, x-a: 1 }\n\
             expect: [200]\nrequests:\n- /p/${id}\n- { path: /order, body: 'x', times: 3,\n\
             headers: { x-a: 2 }, expect: [201, 4xx], name: order }\n",
        );
        assert_eq!(load.server.as_deref(), Some("https://shop.example"));
        let [page, order] = &load.requests[..] else {
            panic!("{:?}", load.requests);
        };
        assert_eq!((&*page.method, &*page.path), ("GET", "/p/${id}"));
        assert_eq!(page.expect, [(200, 200)]);
        assert_eq!((&*order.method, order.times), ("POST", 3));
        assert_eq!(order.expect, [(201, 201), (400, 499)]);
        let of = |request: &LoadRequest, name| request.headers.get(name).cloned();
        assert_eq!(of(page, "x-a").as_deref(), Some("1"));
        assert_eq!(of(order, "x-a").as_deref(), Some("2"));
        assert_eq!(of(order, "accept").as_deref(), Some("text/html"));
    }

    #[test]
    fn what_is_no_load_says_where_and_why() {
        for (text, wanted) in [
            ("url: /\n", "a load says neither rate nor users"),
            (
                "rate: 1\nusers: 1\n",
                "a load has `rate` and `users`, which exclude each other",
            ),
            ("rate: 0\n", "0 a second cannot be made"),
            ("rate: 2000000\n", "2000000 a second cannot be made"),
            ("users: 0\n", "`0` is out of range"),
            ("rate: 1\nthink: 1s\n", "a rate does not think"),
            ("users: 1\nconnections: 5\n", "users have a connection each"),
            ("rate: 1\nfor: 5\n", "`5` is not a duration"),
            (
                "rate: 1\nfor: 5s\nstages: [{ to: 1, over: 1s }]\n",
                "a load has `for` and `stages`",
            ),
            (
                "rate: 1\nstages: [{ to: 1 }]\n",
                "a stage says where to and over how long",
            ),
            ("rate: 1\nstages: []\n", "the stages take no time"),
            (
                "rate: 1\nurl: shop.example\n",
                "`shop.example` is no path or URL",
            ),
            (
                "rate: 1\nurl: 'http://a:b@x/'\n",
                "`http://a:b@x/` is no path or URL",
            ),
            ("rate: 1\nurl: 'ftp://x/'\n", "`ftp://x/` is no path or URL"),
            ("rate: 1\nexpect: [20]\n", "`20` is no status"),
            ("rate: 1\nexpect: [2xxx]\n", "`2xxx` is no status"),
            ("rate: 1\nrequests: [{}]\n", "a request has no path"),
            ("rate: 1\nrequests: []\n", "there is no request"),
            (
                "rate: 1\nrequests: ['http://x/']\n",
                "all requests go to one server",
            ),
            (
                "rate: 1\nbody: x\nrequests: [/]\n",
                "a load has `requests` and, beside them, `body`",
            ),
            (
                "rate: 1\nurl: /a\nrequests: [/]\n",
                "a load has `requests` and, beside them, `url`",
            ),
            ("rate: 1\np96: 1s\n", "unknown key `p96`"),
            ("", "a load says neither rate nor users"),
        ] {
            let problems = project::load(text, "load.yaml").unwrap_err().to_string();
            assert!(problems.contains(wanted), "{text}: {problems}");
        }
    }
}
