//! What a release says about its services, with every default filled in and every overlay applied.
//!
//! The project file is how people write this; [`crate::project`] turns it into these types.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use leadsman_analysis::Limits;
use serde::{Deserialize, Serialize};

use crate::bundle::Bundle;
use crate::entrance::Entrance;
use crate::entry::EntryRules;
use crate::id::{ApplicationName, Digest, EnvironmentName, ServiceName};
use crate::metric::MetricSource;
use crate::migration::Migration;
use crate::traffic::{Condition, RequestLimits, Traffic};
use crate::weight::Weight;

/// Everything that one environment of one release is: what runs, and how requests reach it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentSpec {
    /// The application.
    pub application: ApplicationName,
    /// The environment.
    pub environment: EnvironmentName,
    /// Where the data plane accepts requests for this environment.
    pub listen: SocketAddr,
    /// What is asked of those who connect, and added to what they are answered.
    #[serde(default)]
    pub entrance: Entrance,
    /// What is asked of a release before it enters.
    #[serde(default)]
    pub entry: EntryRules,
    /// The services, by name.
    pub services: BTreeMap<ServiceName, ServiceSpec>,
    /// How requests find their service, the most specific rule first.
    pub routes: Vec<RouteRule>,
    /// What is needed of the schema of the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<Migration>,
}

impl EnvironmentSpec {
    /// Returns where requests are made to it from this machine, as a URL without a path.
    pub fn url(&self) -> String {
        let mut address = self.listen;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
        let scheme = match self.entrance.tls {
            Some(_) => "https",
            None => "http",
        };
        format!("{scheme}://{address}")
    }
}

/// Which requests go to which service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteRule {
    /// Only requests for this host, in lower case and without port; `None` is any host.
    pub host: Option<String>,
    /// Only requests whose path is this or lies below it; begins with `/`.
    pub path: String,
    /// Only requests with one of these methods, in capitals and in order; empty for every method.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Only requests that meet all of these conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<Condition>,
    /// The service that answers.
    pub service: ServiceName,
    /// What its requests may be, and how many of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<RequestLimits>,
}

impl RouteRule {
    /// Returns the rule that sends all requests below `path` to `service`.
    pub fn to(service: ServiceName, path: impl Into<String>) -> Self {
        Self {
            host: None,
            path: path.into(),
            methods: Vec::new(),
            when: Vec::new(),
            service,
            limits: None,
        }
    }

    /// Returns how specific it is: of the rules that are for a request the largest one counts.
    fn rank(&self) -> (bool, usize, bool, usize, usize) {
        let values = self.when.iter().filter(|c| c.value.is_some());
        (
            self.host.is_some(),
            self.path.trim_end_matches('/').len(),
            !self.methods.is_empty(),
            self.when.len(),
            values.count(),
        )
    }

    /// Returns the order in which rules are listed: the most specific one first.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let place = |rule: &Self| (rule.host.clone(), rule.path.clone());
        (other.rank().cmp(&self.rank())).then_with(|| place(self).cmp(&place(other)))
    }

    /// Whether one request could be meant by both, with nothing to say which of them is.
    pub(crate) fn conflicts_with(&self, other: &Self) -> bool {
        let shares_methods =
            self.methods.is_empty() || self.methods.iter().any(|m| other.methods.contains(m));
        let excluded = |mine: &Condition| other.when.iter().any(|theirs| mine.excludes(theirs));
        self.rank() == other.rank()
            && self.host == other.host
            && self.path == other.path
            && shares_methods
            && !self.when.iter().any(excluded)
    }
}

/// What instances speak with those who ask them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 in the clear, from the first byte on.
    Http2,
}

impl Protocol {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One service, completely described: two equal ones run the same thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// How many instances run when it serves alone; at least 1.
    pub instances: u16,
    /// The program and its arguments. `$PORT` and `${NAME}` stand for the instance's port and for
    /// its environment variables. No shell is involved. Empty where files are served.
    pub run: Vec<String>,
    /// How the files of its folder are served; `None` where it is a program of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serve: Option<Bundle>,
    /// What is unpacked for it, by path relative to the project file; `None` runs a command that
    /// is already there.
    pub artifact: Option<String>,
    /// The folder it runs in, relative to the unpacked artifact (or to the project file's folder
    /// where there is no artifact); `.` by default.
    pub folder: String,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// The user it runs as; `None` is the user of Leadsman itself.
    pub user: Option<String>,
    /// How much memory an instance may use, in bytes.
    pub memory: Option<u64>,
    /// How many files an instance may have open.
    pub files: Option<u64>,
    /// What its instances speak with those who ask them.
    #[serde(default, skip_serializing_if = "Protocol::is_default")]
    pub protocol: Protocol,
    /// When an instance counts as ready.
    pub ready: Readiness,
    /// How an instance is stopped.
    pub stop: Stop,
    /// The services that must be promoted before this one moves.
    pub after: Vec<ServiceName>,
    /// How a new revision comes in.
    pub strategy: Strategy,
    /// What it is held to while it comes in.
    pub limits: Limits,
    /// Where the values of the metrics in `limits` come from, by the same names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, MetricSource>,
    /// How its requests are treated.
    #[serde(default, skip_serializing_if = "Traffic::is_default")]
    pub traffic: Traffic,
}

/// When an instance counts as ready for requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// How to find out.
    pub probe: Probe,
    /// How often to ask.
    pub every: Duration,
    /// How long one answer may take.
    pub timeout: Duration,
    /// How long after its start an instance may take to become ready.
    pub within: Duration,
    /// How long it must stay ready without a break before it gets requests.
    pub steady: Duration,
}

/// A question whose answer tells whether an instance is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// `GET` of this path answers with a status from 200 to 399.
    Http(String),
    /// Its port accepts a connection.
    Tcp,
    /// A command ends with status 0. It has the instance's environment, `PORT` included.
    Command(Vec<String>),
}

/// How an instance is stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// The signal that asks it to end, such as `TERM` or `INT`.
    pub signal: String,
    /// How long requests under way may take after it gets no new ones.
    pub drain: Duration,
    /// How long it may take to end after the signal before it is killed.
    pub grace: Duration,
}

/// How a new revision takes over from the one that serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strategy {
    /// The stages in order. The last one always has all the weight.
    pub steps: Vec<Step>,
    /// How many instances each side has on the way.
    pub sizing: Sizing,
    /// How long the previous revision stays ready after promotion, so that the way back is one
    /// switch. Zero stops it as soon as it has drained.
    pub keep_warm: Duration,
    /// How long a step may stay inconclusive after its soak before `on_inconclusive` applies.
    pub patience: Duration,
    /// What happens then.
    pub on_inconclusive: OnInconclusive,
    /// What the new revision is compared with; only a canary ([`Sizing::Proportional`]) can have
    /// something else than stable.
    #[serde(default, skip_serializing_if = "BaselineKind::is_stable")]
    pub baseline: BaselineKind,
}

impl Strategy {
    /// Returns how many instances the new revision needs for `weight`, if `whole` are needed for
    /// all requests.
    pub fn instances_at(&self, weight: Weight, whole: u16) -> u16 {
        match self.sizing {
            Sizing::Proportional | Sizing::InTurn => weight.of_instances(whole).max(1),
            Sizing::Full => whole,
        }
    }

    /// Whether a fresh copy of stable is started beside the new revision.
    pub fn has_fresh_baseline(&self) -> bool {
        self.baseline == BaselineKind::Fresh && self.sizing == Sizing::Proportional
    }
}

/// One stage of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The new revision's share of requests.
    pub weight: Weight,
    /// How long it is held, and judged. `None` goes on as soon as the data plane has acknowledged
    /// the weight: the step rests on readiness alone.
    pub soak: Option<Duration>,
}

/// How many instances each side has during a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sizing {
    /// The new side is as large as its weight asks for, the old side stays whole: canary.
    Proportional,
    /// Both sides are whole from the beginning: blue/green.
    Full,
    /// One is started, one is stopped, in turn: rolling. The old side shrinks on the way, so the
    /// way back has to grow first.
    InTurn,
}

/// What a new revision is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BaselineKind {
    /// The revision that serves, as it runs.
    #[default]
    Stable,
    /// A copy of it that is started together with the canary, has as many instances and as much
    /// traffic: what is new about being started then differs no more.
    Fresh,
}

impl BaselineKind {
    /// Whether nothing is started for it.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_stable(&self) -> bool {
        *self == Self::Stable
    }
}

/// What happens to a step that stays inconclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnInconclusive {
    /// It waits for a person.
    Hold,
    /// It is rolled back.
    Rollback,
    /// It goes on although nothing was proven, if nothing speaks against it. A step without any
    /// figures waits for a person all the same.
    Advance,
}

/// A service of a release as it is deployed: its description and the digest of its artifact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReleasedService {
    /// What it is.
    pub spec: ServiceSpec,
    /// The artifact's digest; `None` where a command runs that is already there.
    pub artifact: Option<Digest>,
    /// The project file's folder: an absolute path, the working folder where there is no artifact.
    pub origin: String,
}
