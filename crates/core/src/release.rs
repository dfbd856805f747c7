//! Releases as one environment knows them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::entrance::Entrance;
use crate::entry::{EntryRules, Identity};
use crate::id::ServiceName;
use crate::migration::Migration;
use crate::spec::{ReleasedService, RouteRule};
use crate::time::Timestamp;

/// What a release is in one environment: everything that goes out, and comes back, together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReleaseContent {
    /// How requests reach its services.
    pub routing: Routing,
    /// Its services.
    pub services: BTreeMap<ServiceName, Arc<ReleasedService>>,
    /// What is asked of a release before it enters.
    #[serde(default, skip_serializing_if = "EntryRules::is_default")]
    pub entry: EntryRules,
    /// What it needs of the schema of the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<Migration>,
}

/// How requests reach services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routing {
    /// Where requests are accepted.
    pub listen: SocketAddr,
    /// What is asked of those who connect, and added to what they are answered.
    #[serde(default, skip_serializing_if = "Entrance::is_default")]
    pub entrance: Entrance,
    /// How requests find their service, the most specific rule first.
    pub rules: Vec<RouteRule>,
}

/// A release that an environment has seen.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownRelease {
    /// What it is.
    pub content: Arc<ReleaseContent>,
    /// What exactly that is, and where it comes from; `None` where an older version recorded it.
    pub identity: Option<Identity>,
    /// Why it comes in although its migration leaves no way back, if somebody said so.
    pub one_way: Option<String>,
    /// What became of it here.
    pub standing: Standing,
}

/// What became of a release in an environment.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// It is on its way, or was taken off its way without being judged (aborted, superseded).
    Candidate,
    /// It took all traffic.
    Promoted {
        /// When.
        at: Timestamp,
    },
    /// It failed. It returns only by an explicit act: `rejected-stays-rejected`.
    Rejected {
        /// When.
        at: Timestamp,
        /// Why, in one sentence.
        cause: String,
    },
}

impl ReleasedService {
    /// Whether an instance of `self` and one of `other` are the same program, equally set up, so
    /// that nothing has to be restarted. How many there are, how they roll out, what they are held to
    /// and how requests are treated may differ.
    pub fn runs_the_same_as(&self, other: &Self) -> bool {
        let mut spec = self.spec.clone();
        spec.instances = other.spec.instances;
        spec.after.clone_from(&other.spec.after);
        spec.strategy.clone_from(&other.spec.strategy);
        spec.limits.clone_from(&other.spec.limits);
        spec.traffic.clone_from(&other.spec.traffic);
        // The folder that the project file lay in matters only where the service runs in it.
        let same_place = self.artifact.is_some() || self.origin == other.origin;
        spec == other.spec && self.artifact == other.artifact && same_place
    }
}
