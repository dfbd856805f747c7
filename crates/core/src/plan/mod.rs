//! Says what follows from the state and from what was seen: which facts now hold, what should run,
//! where requests should go, when to look again, and why it is not finished.
//!
//! It is computed anew on every pass and nothing of it is kept: a crash loses nothing, an effect
//! that was lost is asked for again.
//!
//! The facts are events that the driver records on the very version of the state that they were
//! planned on. They take no second decision as commands do: their conditions were all looked at
//! here, on the same state.

mod capacity;
mod facts;
mod migrating;
mod reasons;
mod routes;
mod treatments;
mod watches;
mod workloads;

pub use capacity::{Sizes, sizes};

use std::collections::BTreeMap;

use crate::checklist::{self, Check};
use crate::entry;
use crate::environment::Environment;
use crate::event::Event;
use crate::observed::Observed;
use crate::reason::Reason;
use crate::route::Routes;
use crate::time::Timestamp;
use crate::workload::Workloads;

/// What follows from a state and an observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What holds now and is not recorded yet. If there is any, the rest of the plan is already
    /// outdated: record it, then plan again.
    pub facts: Vec<Event>,
    /// Where requests should go; `None` before anything was ever deployed.
    pub routes: Option<Routes>,
    /// What should run.
    pub workloads: Workloads,
    /// What the machine is to be asked for checklists, each with when.
    pub checks: BTreeMap<Check, Timestamp>,
    /// When to look again even if nothing is heard of by then.
    pub wake_at: Option<Timestamp>,
    /// Why it is not finished; empty if and only if nothing is on its way, waits to enter or is to be
    /// looked at.
    pub reasons: Vec<Reason>,
}

/// Plans what follows from `environment` and `observed` at the moment `now`.
pub fn plan(environment: &Environment, observed: &Observed, now: Timestamp) -> Plan {
    let routes = routes::routes(environment, observed);
    let mut facts = facts::facts(environment, observed, routes.as_ref(), now);
    if facts.is_empty() {
        facts = checklist::facts(environment, observed, now);
    }
    if facts.is_empty() {
        facts = entry::facts(environment, observed, now);
    }
    let workloads = workloads::workloads(environment, observed, now);
    let (mut reasons, wake_at) = reasons::reasons(environment, observed, now);
    let (waiting, turns_at) = entry::reasons(environment, observed, now);
    reasons.extend(waiting);
    reasons.extend(checklist::reasons(environment, observed, now));
    let (checks, asks_at) = checklist::questions(environment, observed, now);
    let wake_at = wake_at.into_iter().chain(turns_at).chain(asks_at).min();
    Plan {
        facts,
        routes,
        workloads,
        checks,
        wake_at,
        reasons,
    }
}
