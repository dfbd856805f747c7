//! Where requests should go, and what the data plane acknowledged: the contract between plan and
//! data plane.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::closing::Closed;
use crate::entrance::Entrance;
use crate::id::{InstanceId, RevisionId, ServiceName};
use crate::spec::{Probe, Protocol, RouteRule};
use crate::time::Timestamp;
use crate::traffic::Traffic;
use crate::weight::Weight;

/// How requests of one environment should be spread. The weights of each service sum to 100 %.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Routes {
    /// Where requests are accepted.
    pub listen: SocketAddr,
    /// What is asked of those who connect, and added to what they are answered.
    #[serde(default)]
    pub entrance: Entrance,
    /// How requests find their service, the most specific rule first.
    pub rules: Vec<RouteRule>,
    /// The sides of each service.
    pub services: BTreeMap<ServiceName, Vec<Side>>,
    /// What is to be watched for in the answers of each service.
    pub watches: BTreeMap<ServiceName, Watch>,
    /// How the requests of each service are treated; left out where nothing is asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub treatments: BTreeMap<ServiceName, Treatment>,
}

impl Routes {
    /// Returns the weights by service, as the data plane acknowledges them: a service without any
    /// side has none.
    pub fn weights(&self) -> BTreeMap<ServiceName, BTreeMap<RevisionId, Weight>> {
        let mut weights: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (service, sides) in &self.services {
            for side in sides {
                let service = weights.entry(service.clone()).or_default();
                service.insert(side.revision.clone(), side.weight);
            }
        }
        weights
    }

    /// Takes the weight of revisions that were cut off, as the data plane does: it goes to the first
    /// other side, and stays where there is none.
    pub fn cut_off(&mut self, tripped: &BTreeMap<RevisionId, Tripped>) {
        let is_cut = |side: &Side| tripped.contains_key(&side.revision);
        for sides in self.services.values_mut() {
            if sides.iter().all(is_cut) {
                continue;
            }
            let mut share = 0;
            for side in sides.iter_mut().filter(|side| is_cut(side)) {
                share += std::mem::take(&mut side.weight).hundredths();
            }
            if let Some(heir) = sides.iter_mut().find(|side| !is_cut(side)) {
                heir.weight = Weight::from_hundredths(heir.weight.hundredths() + share);
            }
        }
    }

    /// Returns the instances of all sides.
    pub fn instances(&self) -> BTreeSet<InstanceId> {
        let sides = self.services.values().flatten();
        sides
            .flat_map(|side| side.instances.keys().cloned())
            .collect()
    }
}

/// One revision of a service, as a receiver of requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// The revision.
    pub revision: RevisionId,
    /// Its share of the service's requests. A side of weight 0 gets requests only while no other
    /// side has a healthy instance: it is the way back.
    pub weight: Weight,
    /// Its instances and where they accept requests; never empty for a side with weight.
    pub instances: BTreeMap<InstanceId, SocketAddr>,
    /// What its instances speak.
    #[serde(default)]
    pub protocol: Protocol,
    /// How the data plane watches over the health of its instances.
    pub probe: Probe,
    /// How long requests in flight to its instances may take to end once these have left the
    /// routes; then the data plane cuts them short.
    pub drain: Duration,
}

/// How the requests of a service are treated now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Treatment {
    /// What is asked for.
    pub traffic: Traffic,
    /// The revision that testers are led to, and that gets requests in copy; `None` while none
    /// comes in.
    pub canary: Option<RevisionId>,
    /// The revision that served before; `None` while none comes in.
    pub stable: Option<RevisionId>,
    /// The revision that testers see while it is closed and the one that is meant is not there.
    #[serde(default)]
    pub serving: Option<RevisionId>,
    /// What becomes of its requests where a person keeps them away.
    #[serde(default)]
    pub closed: Option<Closed>,
}

/// What the data plane watches for in the answers of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// The limits on p95 and on p99: answers that take longer are counted exactly.
    pub over: [Option<Duration>; 2],
    /// After this time a request without an answer counts as slow.
    pub late: Duration,
    /// What the data plane cuts off by itself, where it may.
    pub tripwire: Option<Tripwire>,
}

/// When the data plane cuts off a revision by itself, because its answers fail grossly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tripwire {
    /// The revision that may be cut off.
    pub canary: RevisionId,
    /// What it is compared with.
    pub baseline: RevisionId,
    /// The share of failures that is never gross, 0 to 1.
    pub limit: f64,
    /// The probability of cutting it off for nothing, 0 to 1.
    pub alpha: f64,
}

/// What the data plane acknowledged last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AcknowledgedRoutes {
    /// Grows with whatever is put into force, also for other environments: what was counted under a
    /// smaller one was counted before.
    #[serde(default)]
    pub generation: u64,
    /// The weights in force, by service.
    pub weights: BTreeMap<ServiceName, BTreeMap<RevisionId, Weight>>,
    /// The instances that may still get new requests.
    pub instances: BTreeSet<InstanceId>,
    /// Instances that get no new requests, but still answer older ones.
    pub draining: BTreeMap<InstanceId, Draining>,
    /// The revisions that the data plane has cut off by itself. They have no weight, whatever was
    /// asked.
    #[serde(default)]
    pub tripped: BTreeMap<RevisionId, Tripped>,
    /// The instances that are believed not to answer.
    #[serde(default)]
    pub unhealthy: BTreeSet<InstanceId>,
    /// The certificates that are shown to those who connect.
    #[serde(default)]
    pub certificates: Vec<Certificate>,
    /// Why the environment's requests are not accepted, such as a port that is taken.
    pub problem: Option<String>,
    /// Why these routes would be lost if the data plane were started again: they could not be
    /// saved. What is not saved is not acknowledged, for an older table could come back.
    pub unsaved: Option<String>,
}

impl AcknowledgedRoutes {
    /// Returns what they say, in whichever generation: each that is put into force is of another one,
    /// also where nothing else is different.
    #[must_use]
    pub fn of_any_generation(self) -> Self {
        Self {
            generation: 0,
            ..self
        }
    }
}

/// A certificate that is shown to those who connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The hosts that it is for; empty if it could not be read.
    pub hosts: Vec<String>,
    /// The full path of the file that it is in.
    pub chain: String,
    /// When it expires; `None` if it could not be read.
    pub expires_at: Option<Timestamp>,
    /// What is wrong with it and what to do about it. It costs only its own hosts.
    pub problem: Option<String>,
}

/// A revision that the data plane has cut off, because its answers failed grossly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tripped {
    /// When.
    pub at: Timestamp,
    /// How many of its answers show it.
    pub requests: u64,
    /// What was seen, with the numbers.
    pub sentence: String,
}

/// An instance that gets no new requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draining {
    /// Since when.
    pub since: Timestamp,
    /// How many requests it still answers.
    pub in_flight: u64,
}
