//! How requests of a service are treated beside being spread by weight, and what requests may be.
//!
//! A part of it concerns how a new revision comes in (who stays with it, who tests it, what it gets
//! in copy), the rest concerns instances: see [`Traffic::introducing`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::weight::Weight;

/// How requests of a service are treated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Traffic {
    /// How a user stays with one side; `None` gives each request to the side whose turn it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// Who is led to a side, and counted apart; the first that is meant counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub testers: Vec<Tester>,
    /// What the new revision gets in copy while it comes in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Mirror>,
    /// Which requests wait that could not be answered now; `None` refuses them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// What is answered instead of the service while it is in maintenance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<Maintenance>,
    /// When an instance is left out because its answers fail; `None` for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eject: Option<Ejection>,
    /// How many requests may be sent again; `None` for all that can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<Retries>,
    /// How many requests instances get at the same time; `None` for all there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
    /// How long a new instance takes until it has its whole share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<Duration>,
}

impl Traffic {
    /// Returns what holds while a revision that asks for `new` comes in beside one that asks for
    /// `self`. How it comes in is said by the new one, as with its strategy; how instances are
    /// treated by the one that serves, so that a mistake in it does not reach all users at once.
    #[must_use]
    pub fn introducing(&self, new: &Self) -> Self {
        let Self {
            sticky,
            testers,
            mirror,
            ..
        } = new.clone();
        Self {
            sticky,
            testers,
            mirror,
            ..self.clone()
        }
    }

    /// Whether it is what holds where nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How a user stays with one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sticky {
    /// By a cookie that the data plane sets.
    Cookie {
        /// Its name.
        name: String,
        /// For which paths it is sent.
        path: String,
        /// How long it is kept; `None` is as long as the browser is open.
        max_age: Option<Duration>,
    },
    /// By the hash of this header.
    Header(String),
    /// By the hash of the client's address.
    Address,
}

/// Something that a request says, in a header or a cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Where it stands.
    pub place: Place,
    /// The name of the header, in lower case, or of the cookie.
    pub name: String,
    /// Its exact value; `None` is any.
    pub value: Option<String>,
}

/// Where a request says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In a header.
    Header,
    /// In a cookie.
    Cookie,
}

impl Condition {
    /// Whether no request can meet both.
    pub(crate) fn excludes(&self, other: &Self) -> bool {
        let values = self.value.as_ref().zip(other.value.as_ref());
        self.place == other.place
            && self.name == other.name
            && values.is_some_and(|(mine, theirs)| mine != theirs)
    }
}

/// Who is a tester, and which side he is led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tester {
    /// By what he is known.
    pub when: Condition,
    /// Where he is led to.
    pub to: Role,
}

/// One of the two sides of a rollout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The revision that comes in.
    #[default]
    Canary,
    /// The revision that served before.
    Stable,
}

/// What the new revision gets in copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    /// The share of requests to other sides that are copied.
    pub share: Weight,
    /// Requests with which methods.
    pub methods: Vec<String>,
    /// The longest body that is copied, in bytes; 0 copies requests without a body only.
    pub body: u64,
    /// How many copies may be under way at a time.
    pub at_once: u32,
}

/// Which requests wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// For how long at most.
    pub wait: Duration,
    /// How many at most.
    pub requests: u32,
}

impl Default for Hold {
    /// What holds where requests are held by hand and nothing is said.
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(30),
            requests: 1000,
        }
    }
}

/// What is answered instead of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
    /// What the body is.
    pub content_type: String,
    /// After which time it is worth to ask again.
    pub retry_after: Option<Duration>,
}

impl Default for Maintenance {
    fn default() -> Self {
        Self {
            status: 503,
            body: "closed for maintenance\n".to_owned(),
            content_type: "text/plain; charset=utf-8".to_owned(),
            retry_after: None,
        }
    }
}

/// When an instance is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ejection {
    /// After how many failures in a row.
    pub failures: u32,
    /// For how long the first time; each time twice as long.
    pub time: Duration,
    /// For how long at most.
    pub time_max: Duration,
    /// The share of a side's instances that may be left out.
    pub share: Weight,
}

/// How many requests may be sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retries {
    /// The share of requests.
    pub share: Weight,
    /// How many more each second.
    pub per_second: u32,
}

/// How many requests instances get at the same time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// How many each instance.
    pub requests: u32,
    /// How many wait for one that has room.
    pub pending: u32,
    /// For how long at most.
    pub wait: Duration,
}

/// What the requests of a route may be, and how many of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestLimits {
    /// The longest path with query, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<u32>,
    /// The longest body, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<u64>,
    /// How fast a body has to come in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
    /// How many one client may make.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_client: Option<Rate>,
    /// How many all clients together may make.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_all: Option<Rate>,
}

/// How fast a body has to come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// How long the client may send nothing.
    pub idle: Duration,
    /// The least bytes a second on average; 0 for any.
    pub bytes_per_second: u64,
    /// How much longer than that it may take.
    pub grace: Duration,
}

/// So many requests in a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// How many.
    pub requests: u32,
    /// In which time.
    pub per: Duration,
    /// How many may come at once after a pause.
    pub burst: u32,
}
