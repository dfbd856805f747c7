//! Control over the data plane: JSON over HTTP on a Unix socket.
//!
//! | request | answer |
//! |---|---|
//! | `PUT /table` | [`Applied`] once the table is in force on every worker, and on disk |
//! | `GET /status` | [`Status`] |
//! | `GET /metrics` | the sums since the process was started, as Prometheus reads them |
//! | `GET /windows?after=N` | the [`Window`](crate::Window)s after number N, at the latest after 2 s |
//!
//! Whoever may open the socket (its owner) may do all of it. A proxy that is about to succeed this
//! one says more, on one connection for as long as both are there: `POST /handover`, then
//! `PUT /follow`, `GET /followed` and `POST /relay`.

mod client;
mod page;
mod predecessor;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use leadsman_analysis::tripwire::Trip;
use serde::{Deserialize, Serialize};

use crate::table::Table;

pub use crate::journal::Told;
pub use client::{Client, ClientError};
pub(crate) use page::show;
pub(crate) use predecessor::{Followed, Handover, Predecessor, Relayed};
pub(crate) use server::{claim, serve};

/// An acknowledgement: from now on no new request goes anywhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The generation in force. Larger than the one that was sent: that one was ignored, because
    /// a newer one had come before.
    pub generation: u64,
    /// Why listeners of the table do not accept requests, in words, by the address in the table.
    /// They are tried again every second.
    pub problems: BTreeMap<SocketAddr, String>,
}

/// What the data plane does at this moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The process.
    pub pid: u32,
    /// Which program it is: another one after an upgrade.
    #[serde(default)]
    pub program: String,
    /// Which numbers its windows have: those of a process that was succeeded go on, those of one
    /// that crashed do not.
    #[serde(default)]
    pub series: u64,
    /// The generation of the table in force; 0 before there was one.
    pub generation: u64,
    /// The table in force: the one that was sent, but sides that were cut off have no weight.
    pub table: Table,
    /// The sides of the table that a tripwire has cut off, by name.
    #[serde(default)]
    pub tripped: BTreeMap<String, Tripped>,
    /// Where requests are accepted, by the address in the table: another one for port 0.
    pub bound: BTreeMap<SocketAddr, SocketAddr>,
    /// Instances that left the table, by name. An instance is listed for about 10 s after its
    /// last request ended.
    pub draining: BTreeMap<String, Draining>,
    /// Why listeners of the table do not accept requests, in words, by the address in the table.
    pub problems: BTreeMap<SocketAddr, String>,
    /// The instances of the table that are believed not to answer.
    pub unhealthy: BTreeSet<String>,
    /// Why the table in force is not on disk, and therefore not acknowledged.
    pub unsaved: Option<String>,
    /// The certificates of the table, in its order.
    #[serde(default)]
    pub certificates: Vec<Certificate>,
    /// What came of the connections of clients, by the address of the listener in the table.
    #[serde(default)]
    pub arrivals: BTreeMap<SocketAddr, Arrivals>,
    /// What became of what is told of single requests.
    #[serde(default)]
    pub told: Told,
    /// Where the sums are shown, if they are.
    #[serde(default)]
    pub metrics: Option<SocketAddr>,
}

/// A certificate that a listener shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The address of the listener in the table.
    pub listener: SocketAddr,
    /// The file that it is in.
    pub chain: PathBuf,
    /// The host names that it is for; empty if it could not be read.
    pub names: Vec<String>,
    /// When it expires, in milliseconds since 1970; `None` if it could not be read.
    pub expires_at_ms: Option<u64>,
    /// What is wrong with it and what to do about it, in words. The other certificates of the
    /// listener are not affected.
    pub problem: Option<String>,
}

/// What came of the connections of clients since the proxy was started and the listener is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Arrivals {
    /// Connections that were accepted.
    pub connections: u64,
    /// Connections that should have begun with the PROXY protocol, and did not in time or at all.
    pub unannounced: u64,
    /// TLS handshakes that succeeded.
    pub handshakes: u64,
    /// Those of them that went on with an earlier session.
    pub resumed: u64,
    /// TLS handshakes that failed: the client went away, or did not find what it asked for.
    pub handshakes_failed: u64,
    /// TLS handshakes that took too long.
    pub handshakes_late: u64,
    /// Connections of HTTP/2 that were ended because they were flooded with what costs much and
    /// asks for nothing.
    pub floods: u64,
    /// Connections, and requests of HTTP/2, that were given up because the client took nothing of
    /// its answers for too long.
    pub untaken: u64,
}

impl Arrivals {
    /// Adds what came to another worker.
    pub(crate) fn add(&mut self, other: &Self) {
        let Self {
            connections,
            unannounced,
            handshakes,
            resumed,
            handshakes_failed,
            handshakes_late,
            floods,
            untaken,
        } = other;
        self.connections += connections;
        self.unannounced += unannounced;
        self.handshakes += handshakes;
        self.resumed += resumed;
        self.handshakes_failed += handshakes_failed;
        self.handshakes_late += handshakes_late;
        self.floods += floods;
        self.untaken += untaken;
    }
}

/// A side that gets no more requests, because its answers failed grossly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tripped {
    /// When it was cut off, in milliseconds since 1970.
    pub at_ms: u64,
    /// What was seen: by one worker, since the failures began.
    pub seen: Trip,
    /// The same in words.
    pub sentence: String,
    /// The round of the tripwire.
    #[serde(default)]
    pub round: u32,
}

/// An instance that gets no new requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draining {
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// How many requests it still answers; an upgraded connection counts until it is closed.
    pub in_flight: u64,
    /// The same by kind.
    #[serde(default)]
    pub kinds: Kinds,
    /// When what is still in flight will be cut short, or was, in milliseconds since 1970; `None`
    /// sets no limit.
    #[serde(default)]
    pub until_ms: Option<u64>,
    /// What was cut short then. It is in flight no more.
    #[serde(default)]
    pub cut_short: Kinds,
}

impl Draining {
    /// Adds what another process still answers, or had to cut short.
    pub(crate) fn add(&mut self, other: &Self) {
        self.in_flight += other.in_flight;
        self.kinds.add(other.kinds);
        self.cut_short.add(other.cut_short);
    }
}

/// Requests in flight, by what they are at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kinds {
    /// Those without an answer so far.
    pub requests: u64,
    /// Answers that have begun: their bodies are under way.
    pub bodies: u64,
    /// Connections that speak another protocol by now, such as WebSocket.
    pub upgrades: u64,
}

impl Kinds {
    /// Returns how many they are together.
    pub fn sum(&self) -> u64 {
        self.requests + self.bodies + self.upgrades
    }

    /// Adds what is in flight elsewhere.
    pub(crate) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.bodies += other.bodies;
        self.upgrades += other.upgrades;
    }
}

/// What a proxy that ended had to cut short, because its time to drain was up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutShort {
    /// How many connections of clients were still there.
    pub connections: u64,
    /// What instances still answered, by instance.
    pub in_flight: BTreeMap<String, Kinds>,
}

impl CutShort {
    /// Returns what was in flight, of all instances together.
    pub fn kinds(&self) -> Kinds {
        let mut sum = Kinds::default();
        self.in_flight.values().for_each(|kinds| sum.add(*kinds));
        sum
    }

    /// Says it, if there is anything to say, after what has happened.
    pub(crate) fn tell(&self, happened: &str) {
        let Self {
            connections,
            in_flight,
        } = self;
        if *connections > 0 || !in_flight.is_empty() {
            let kinds = self.kinds();
            tracing::warn!(connections, cut_short = %kinds, "{happened}: its time to drain was up");
        }
        for (instance, kinds) in in_flight {
            tracing::warn!(instance, cut_short = %kinds, "{happened}: its time to drain was up");
        }
    }

    /// Adds what was cut short elsewhere.
    pub(crate) fn add(&mut self, other: Self) {
        self.connections += other.connections;
        for (instance, kinds) in other.in_flight {
            self.in_flight.entry(instance).or_default().add(kinds);
        }
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.requests, "unanswered request"),
            (self.bodies, "unfinished answer"),
            (self.upgrades, "upgraded connection"),
        ];
        let mut separator = "";
        for (count, kind) in kinds.into_iter().filter(|(count, _)| *count > 0) {
            let plural = if count == 1 { "" } else { "s" };
            write!(f, "{separator}{count} {kind}{plural}")?;
            separator = ", ";
        }
        match separator {
            "" => f.write_str("nothing"),
            _ => Ok(()),
        }
    }
}

/// What is answered instead of what was asked for.
#[derive(Debug, Serialize, Deserialize)]
struct Problem {
    message: String,
}
