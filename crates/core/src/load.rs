//! A load as a project describes it: requests that are made to a release to see how it bears them.
//!
//! It is only described here; who makes it takes this apart.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::spec::Protocol;

/// A load that somebody described; every value lies within its bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// The server it is made to, as a URL without a path; `None` for the one that is meant where it
    /// stands.
    pub server: Option<String>,
    /// Whether it is a rate or users.
    pub model: LoadModel,
    /// How much there is of that in the beginning.
    pub start: f64,
    /// Where that leads, stage by stage.
    pub stages: Vec<LoadStage>,
    /// How long is not measured in the beginning.
    pub warm_up: Duration,
    /// How long a request may take.
    pub timeout: Option<Duration>,
    /// How many connections there may be at a time.
    pub connections: Option<u64>,
    /// What is spoken.
    pub protocol: Protocol,
    /// Certificates that are trusted beside those of the machine: a file, relative to the project
    /// file.
    pub trust: Option<String>,
    /// Rows of values for requests: a file, relative to the project file.
    pub data: Option<String>,
    /// The requests, at least one.
    pub requests: Vec<LoadRequest>,
    /// What must hold.
    pub thresholds: Vec<LoadThreshold>,
}

/// Whether a load is a rate or users.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum LoadModel {
    /// So many requests a second.
    Rate,
    /// So many users, who think for so long on average.
    Users {
        /// How long.
        think: Option<Duration>,
    },
}

/// A part of a load, in which the rate or the number of users grows or shrinks evenly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadStage {
    /// What there is in the end.
    pub to: f64,
    /// How long it takes.
    pub over: Duration,
}

/// A request of a load. In path, headers and body `${name}` stands for a value of the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadRequest {
    /// What it is called in the report; method and path if `None`.
    pub name: Option<String>,
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: String,
    /// Which statuses are expected, both ends included; the usual ones if there is none.
    pub expect: Vec<(u16, u16)>,
    /// What the body of the answer contains.
    pub contains: Option<String>,
    /// How often it is made in a row.
    pub times: u64,
}

/// What must hold of the figures of a load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum LoadThreshold {
    /// The mean latency is at most this.
    Mean(Duration),
    /// Half of the answers take at most so long.
    P50(Duration),
    /// 90 of 100 answers take at most so long.
    P90(Duration),
    /// 95 of 100 answers take at most so long.
    P95(Duration),
    /// 99 of 100 answers take at most so long.
    P99(Duration),
    /// 999 of 1000 answers take at most so long.
    P999(Duration),
    /// Every answer takes at most so long.
    Max(Duration),
    /// At most this share of requests fails, 1 being all.
    Errors(f64),
    /// At least so many requests a second are answered as they should be.
    RateAtLeast(f64),
}

/// How long a load is measured where nothing is said.
pub const LENGTH: Duration = Duration::from_secs(30);

/// The share of requests that may fail where nothing is said: a server that answers everything with
/// an error at once would keep every other threshold.
pub const ERRORS: f64 = 0.01;
