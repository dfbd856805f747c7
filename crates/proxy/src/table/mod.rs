//! The route table: what control asks of the data plane.
//!
//! A table is always whole; there are no partial changes. Which of two tables is newer is said by
//! their generation.

mod address;
mod check;
mod closed;
mod instances;
mod limits;
mod listener;
mod mirror;
mod network;
mod policies;
mod rule;
mod sticky;
mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::address::{Address, NoAddress, Protocol};
pub use self::check::Faults;
pub use self::closed::{Hold, Maintenance};
pub use self::instances::{Capacity, Ejection, RetryBudget};
pub use self::limits::{Limits, Pace, Rate};
pub use self::listener::Listener;
pub use self::mirror::Mirror;
pub use self::network::{Network, NoNetwork};
pub use self::rule::{Condition, Named, Rule};
pub use self::sticky::{Override, Sticky, StickyCookie};
pub use self::tls::{Acme, CertificateFiles, Challenge, Tls, TlsVersion};

/// The weights of a service sum to this: a weight of 1 is a hundredth of a percent.
pub const WEIGHT_WHOLE: u32 = 10_000;

/// A request that has no answer after this time counts as slow, unless the table says otherwise.
pub const LATE: Duration = Duration::from_secs(10);

/// Everything that the data plane should do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Grows with every change; a table older than the one in force is ignored.
    pub generation: u64,
    /// Where requests are accepted, each address once.
    pub listeners: Vec<Listener>,
    /// Which version each writer's part of it is of, by a name that the writer chose. The data
    /// plane only keeps it: a writer that finds a newer version than its own has been overtaken.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, u64>,
}

impl Table {
    /// Returns whether it has a listener with this address.
    pub(crate) fn has_listener(&self, address: SocketAddr) -> bool {
        self.listeners.iter().any(|l| l.address == address)
    }

    /// Returns the sides of all services.
    pub(crate) fn sides(&self) -> impl Iterator<Item = &Side> {
        let services = self.listeners.iter().flat_map(|l| l.services.values());
        services.flat_map(|service| &service.sides)
    }
}

/// A receiver of requests in one or several versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// The versions. Their weights sum to [`WEIGHT_WHOLE`], or all are 0: then every request is
    /// answered with status 503.
    pub sides: Vec<Side>,
    /// What its answers are held against while they are counted.
    #[serde(default)]
    pub slow: Slow,
    /// What cuts off a side whose answers fail grossly; `None` leaves that to control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tripwire: Option<Tripwire>,
    /// How a user stays with one side; `None` gives every single request to the side whose turn it
    /// is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// Who is a tester, and to which side he is led.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
    /// Which requests a side gets in copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Mirror>,
    /// When an instance is left out because its answers fail; `None` for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ejection: Option<Ejection>,
    /// How many requests may be sent again; `None` for all that can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<RetryBudget>,
    /// How many requests instances get at the same time; `None` for all there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
    /// How long an instance that is new, or answers again, takes until it has its whole share of its
    /// side's requests; what a side gets is not touched by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<Duration>,
    /// Lets requests wait that could not be answered now; `None` refuses them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Whether users' requests are kept back for a while.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// What is answered instead of the service, until further notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<Maintenance>,
}

/// What is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slow {
    /// Answers that take longer than each of these are counted exactly: the limits on the 95th and
    /// on the 99th percentile, where there are any.
    #[serde(skip_serializing_if = "is_none")]
    pub over: [Option<Duration>; 2],
    /// A request that has no answer after this time counts as slow at once. At most as long as an
    /// answer may take at all.
    pub late: Duration,
}

impl Default for Slow {
    fn default() -> Self {
        Self {
            over: [None; 2],
            late: LATE,
        }
    }
}

/// What cuts off a side whose answers fail grossly: its weight goes to the first other side that has
/// an instance, at once, and stays there until a table comes without the side that was cut off, or
/// with a higher round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tripwire {
    /// The name of the side that may be cut off.
    pub canary: String,
    /// The name of the side that it is compared with.
    pub baseline: String,
    /// The share of failures that is never gross, 0 to 1.
    pub limit: f64,
    /// The probability of cutting off a side for nothing, 0 to 1.
    pub alpha: f64,
    /// A higher one than that in which the side was cut off gives it its weight again.
    #[serde(default)]
    pub round: u32,
}

fn is_none(over: &[Option<Duration>; 2]) -> bool {
    *over == [None; 2]
}

/// One version of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// What figures are counted under; occurs once in a table.
    pub name: String,
    /// Its share of the requests, 0 to [`WEIGHT_WHOLE`]. A side of weight 0 gets requests only
    /// while no other side has a healthy instance; so does one without instances get none.
    pub weight: u32,
    /// Its instances by name; a name occurs once in a table.
    #[serde(default)]
    pub instances: BTreeMap<String, Instance>,
    /// How long requests in flight to its instances may take to end once these have left the
    /// table; then they are cut short. `None` sets no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Duration>,
    /// What its instances speak.
    #[serde(default, skip_serializing_if = "Protocol::is_default")]
    pub protocol: Protocol,
    /// The labels that its metrics have beside its name, such as the release; its service's name if
    /// there are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// A process that answers requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Where it accepts connections.
    pub address: Address,
    /// How its health is watched over; `None` only reacts to connections that fail.
    #[serde(default)]
    pub health: Option<HealthCheck>,
}

/// How the health of an instance is watched over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthCheck {
    /// `GET` on a path, by the protocol that requests come by, is answered with a status from 200 to
    /// 399.
    Http {
        /// The path, with a query if need be.
        path: String,
    },
    /// A connection can be made.
    Tcp,
}
