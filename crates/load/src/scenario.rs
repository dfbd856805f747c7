//! What a load is: which requests, how many of them at a time, for how long, and what is promised.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method};

use crate::data::Data;
use crate::profile::Profile;
use crate::target::Target;
use crate::template::Template;
use crate::threshold::Threshold;

/// A load, whole and checked by nobody yet: [`Scenario::problems`] does that.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Whom requests are made to.
    pub target: Target,
    /// The requests, which are made in this order and again from the first; at least one.
    pub requests: Vec<Request>,
    /// When they are made.
    pub model: Model,
    /// How much at the beginning is not part of the figures.
    pub warm_up: Duration,
    /// How long a request may take, from the moment on at which it was due.
    pub timeout: Duration,
    /// How many bytes the body of an answer may have.
    pub answer_max: u64,
    /// The version of HTTP that is spoken.
    pub version: Version,
    /// Whether a connection is used again for the next request.
    pub reuse: bool,
    /// How many connections an open model may have at a time; users have one each.
    pub connections: usize,
    /// How many threads make requests; as many as the load needs and there are cores if `None`.
    pub workers: Option<usize>,
    /// Rows whose values stand for `${name}`.
    pub data: Option<Data>,
    /// What must hold of the figures.
    pub thresholds: Vec<Threshold>,
    /// Certificates in PEM form that are trusted beside those of the system.
    pub trusted: Option<Bytes>,
}

/// When requests are made.
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    /// Open: so many requests come a second, whether or not others are answered.
    Rate(Profile),
    /// Closed: so many users each make one request, wait for its answer, think, and make the next.
    Users {
        /// How many there are.
        users: Profile,
        /// How long a user thinks between an answer and the next request, on average: each time
        /// between half of it and one and a half times as long.
        think: Duration,
    },
}

/// One kind of request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What it is called in the report.
    pub name: String,
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub path: Template,
    /// Its headers.
    pub headers: Vec<(HeaderName, Template)>,
    /// Its body.
    pub body: Template,
    /// Which statuses are as they should be.
    pub status: Vec<Statuses>,
    /// What must stand somewhere in the body of the answer.
    pub contains: Option<Bytes>,
}

impl Request {
    /// Returns a plain `GET` of a path.
    pub fn get(path: Template) -> Self {
        Self {
            name: format!("GET {path}"),
            method: Method::GET,
            path,
            headers: Vec::new(),
            body: Template::default(),
            status: vec![Statuses { from: 200, to: 399 }],
            contains: None,
        }
    }

    /// Says whether an answer with this status is as it should be.
    pub fn expects(&self, status: u16) -> bool {
        let mut ranges = self.status.iter();
        ranges.any(|range| (range.from..=range.to).contains(&status))
    }
}

/// A range of statuses, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statuses {
    /// The lowest.
    pub from: u16,
    /// The highest.
    pub to: u16,
}

impl Statuses {
    /// Reads `200` or `2xx`. The error says how to mend it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "write it like `200` or `2xx`".to_owned();
        let (from, to) = match text.strip_suffix("xx") {
            Some(digit) => {
                let class: u16 = digit.parse().map_err(|_| wrong())?;
                let from = class.checked_mul(100).ok_or_else(wrong)?;
                (from, from.saturating_add(99))
            }
            None => {
                let status = text.parse().map_err(|_| wrong())?;
                (status, status)
            }
        };
        if (100..=599).contains(&from) {
            Ok(Self { from, to })
        } else {
            Err("a status is a number from 100 to 599".to_owned())
        }
    }
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1: one request at a time on a connection.
    Http1,
    /// HTTP/2: up to [`STREAMS`] requests at a time on a connection.
    Http2,
}

/// How many requests are made at a time on one connection of HTTP/2.
pub const STREAMS: usize = 100;

/// The most of everything: what is more is a slip of the pen, or not for one machine.
pub mod most {
    use std::time::Duration;

    /// Requests a second.
    pub const RATE: f64 = 1_000_000.0;
    /// Users at a time.
    pub const USERS: f64 = 1_000_000.0;
    /// How long all of it may take.
    pub const LENGTH: Duration = Duration::from_secs(7 * 86_400);
    /// How long one request may take.
    pub const TIMEOUT: Duration = Duration::from_secs(3600);
    /// Kinds of requests.
    pub const REQUESTS: usize = 1000;
    /// Connections at a time.
    pub const CONNECTIONS: usize = 1_000_000;
    /// Threads.
    pub const WORKERS: usize = 1024;
}

/// What there is where nothing else is said.
pub mod usual {
    use std::time::Duration;

    /// How long a load lasts.
    pub const LENGTH: Duration = Duration::from_secs(30);
    /// How long a request may take.
    pub const TIMEOUT: Duration = Duration::from_secs(10);
    /// How long a user thinks.
    pub const THINK: Duration = Duration::from_secs(1);
    /// How many connections an open model may have.
    pub const CONNECTIONS: usize = 1000;
    /// How many bytes the body of an answer may have.
    pub const ANSWER_MAX: u64 = 64 << 20;
}

impl Scenario {
    /// Returns a load of one plain `GET`, with everything else as it usually is.
    pub fn of(target: Target, request: Request, model: Model) -> Self {
        Self {
            target,
            requests: vec![request],
            model,
            warm_up: Duration::ZERO,
            timeout: usual::TIMEOUT,
            answer_max: usual::ANSWER_MAX,
            version: Version::Http1,
            reuse: true,
            connections: usual::CONNECTIONS,
            workers: None,
            data: None,
            thresholds: Vec::new(),
            trusted: None,
        }
    }

    /// Returns how many requests a second, or users, there are over time.
    pub fn profile(&self) -> &Profile {
        match &self.model {
            Model::Rate(profile) => profile,
            Model::Users { users, .. } => users,
        }
    }

    /// Returns how long it takes, the warm-up included, and without what the last answers take.
    pub fn length(&self) -> Duration {
        self.profile().length()
    }

    /// Returns how many connections it may have at a time.
    pub fn connections_max(&self) -> usize {
        let lanes = match &self.model {
            Model::Rate(_) => self.connections,
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "bounded by `most::USERS`, and never negative"
            )]
            Model::Users { users, .. } => users.highest().ceil() as usize,
        };
        match self.version {
            Version::Http1 => lanes,
            Version::Http2 => match &self.model {
                Model::Rate(_) => lanes,
                Model::Users { .. } => lanes.div_ceil(STREAMS),
            },
        }
    }

    /// Returns everything that is wrong with it, each as a sentence that says how to mend it.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut unless = |holds: bool, problem: String| {
            if !holds {
                found.push(problem);
            }
        };
        let (profile, what, max) = match &self.model {
            Model::Rate(profile) => (profile, "the rate", most::RATE),
            Model::Users { users, .. } => (users, "the number of users", most::USERS),
        };
        unless(
            profile.is_sound() && profile.highest() > 0.0,
            format!("{what} is 0: nothing would be asked for"),
        );
        unless(
            profile.highest() <= max,
            format!("{what} is more than {max}, which one machine does not make"),
        );
        let length = self.length();
        unless(
            !length.is_zero() && length <= most::LENGTH,
            "it must last longer than nothing and at most 7 days".to_owned(),
        );
        unless(
            self.warm_up < length,
            "the warm-up takes all the time: nothing is left to measure".to_owned(),
        );
        unless(
            !self.timeout.is_zero() && self.timeout <= most::TIMEOUT,
            "the timeout must be longer than nothing and at most an hour".to_owned(),
        );
        unless(
            (1..=most::CONNECTIONS).contains(&self.connections),
            format!("connections must be 1 to {}", most::CONNECTIONS),
        );
        unless(
            self.workers
                .is_none_or(|workers| (1..=most::WORKERS).contains(&workers)),
            format!("workers must be 1 to {}", most::WORKERS),
        );
        unless(
            (1..=most::REQUESTS).contains(&self.requests.len()),
            format!("there must be 1 to {} requests", most::REQUESTS),
        );
        for request in &self.requests {
            found.extend(self.problems_of(request));
        }
        found
    }

    fn problems_of(&self, request: &Request) -> Vec<String> {
        let mut found = Vec::new();
        let name = &request.name;
        if !request.path.starts_with('/') {
            found.push(format!("`{name}`: a path begins with `/`"));
        }
        let in_headers: Vec<&str> = request
            .headers
            .iter()
            .flat_map(|(_, value)| value.names())
            .collect();
        let mut names: Vec<&str> = request.path.names().chain(request.body.names()).collect();
        names.extend(&in_headers);
        names.sort_unstable();
        names.dedup();
        for column in names {
            match &self.data {
                None => found.push(format!(
                    "`{name}`: there is no data that has `${{{column}}}`"
                )),
                Some(data) => match data.column(column) {
                    None => found.push(format!(
                        "`{name}`: the data has no `{column}`, it has {}",
                        data.listed()
                    )),
                    Some(index) if in_headers.contains(&column) => {
                        found.extend(data.unfit_for_header(index).map(|line| {
                            format!(
                                "`{name}`: `{column}` in line {line} of the data cannot stand in a header"
                            )
                        }));
                    }
                    Some(_) => {}
                },
            }
        }
        for (header, value) in &request.headers {
            if !value.literals().all(crate::data::fits_header) {
                found.push(format!(
                    "`{name}`: `{header}` has a value that no header can have"
                ));
            }
        }
        found
    }
}
