//! What is done about instances that fail, are full, or are new.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::WEIGHT_WHOLE;

/// Leaves out an instance whose answers fail in a row: those of status 500 to 599, those that do
/// not come in time, and connections that cannot be made. Each worker finds out by itself.
///
/// When the time is over, one request finds out whether it answers again; if it does not, the
/// instance is left out for twice as long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ejection {
    /// How many failures in a row it takes, at least 1.
    pub failures: u32,
    /// For how long it is left out the first time; longer than nothing.
    pub time: Duration,
    /// For how long at most.
    pub time_max: Duration,
    /// The share of a side's instances that may be left out at the same time, up to
    /// [`WEIGHT_WHOLE`]. One may always, and never all.
    pub share_max: u32,
}

/// How many requests may be sent again, so that a service in trouble is not asked for more than it
/// would be without. A part for each request, and so many each second, saved up for about ten
/// seconds; each worker has its part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryBudget {
    /// The share of requests that may be sent again, up to [`WEIGHT_WHOLE`].
    pub share: u32,
    /// How many more each second, however few requests there are.
    pub per_second: u32,
}

/// How many requests instances get at the same time, all workers together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// How many requests, and so connections, each instance has under way at most; at least 1.
    pub in_flight_max: u32,
    /// How many requests of the service wait for an instance that has room; more are refused.
    pub pending_max: u32,
    /// How long they wait at most.
    pub pending_wait: Duration,
}

impl Ejection {
    pub(super) fn fault(&self) -> Option<String> {
        let Self {
            failures,
            time,
            time_max,
            share_max,
        } = self;
        if *failures == 0 {
            Some("no failure at all would be enough".to_owned())
        } else if time.is_zero() || time > time_max {
            Some(format!("{time:?} is no time up to {time_max:?}"))
        } else if *share_max > WEIGHT_WHOLE {
            Some(format!("{share_max} is no share up to {WEIGHT_WHOLE}"))
        } else {
            None
        }
    }
}

impl RetryBudget {
    pub(super) fn fault(&self) -> Option<String> {
        let share = self.share;
        (share > WEIGHT_WHOLE).then(|| format!("{share} is no share up to {WEIGHT_WHOLE}"))
    }
}

impl Capacity {
    pub(super) fn fault(&self) -> Option<String> {
        (self.in_flight_max == 0).then(|| "there is no room for any request".to_owned())
    }
}
