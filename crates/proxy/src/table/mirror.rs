//! Requests that a side gets in copy.

use serde::{Deserialize, Serialize};

use super::rule::is_method;
use super::{Service, WEIGHT_WHOLE};

/// Sends copies of users' requests to a side and throws its answers away. Copies carry the header
/// `x-leadsman-mirrored`, are counted apart, and are never waited for. What was not copied because
/// something stood against it (a bound, no healthy instance) is not made up for later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    /// The name of the side that gets copies, at weight 0 too.
    pub side: String,
    /// The share of the requests to other sides that are copied, 1 to [`WEIGHT_WHOLE`].
    pub share: u32,
    /// Requests with which methods are copied. An instance acts on a copy as on a request.
    #[serde(default = "safe_methods")]
    pub methods: Vec<String>,
    /// The longest body that is copied, in bytes; it is kept in memory until it is complete. 0
    /// copies requests without a body only.
    #[serde(default)]
    pub body_max: u64,
    /// How many copies may be under way at the same time; each worker has its part of it.
    #[serde(default = "some_in_flight")]
    pub in_flight_max: u32,
}

/// Methods that ask for nothing to be done (RFC 9110, 9.2.1).
fn safe_methods() -> Vec<String> {
    ["GET", "HEAD", "OPTIONS"].map(str::to_owned).into()
}

fn some_in_flight() -> u32 {
    100
}

impl Mirror {
    /// The longest body that can be asked for, in bytes.
    pub const BODY_MAX: u64 = 16 * 1024 * 1024;

    pub(super) fn fault(&self, service: &Service) -> Option<String> {
        let Self {
            side,
            share,
            methods,
            body_max,
            in_flight_max: _,
        } = self;
        if !service.sides.iter().any(|known| known.name == *side) {
            Some(format!("there is no side `{side}`"))
        } else if !(1..=WEIGHT_WHOLE).contains(share) {
            Some(format!("{share} is not a share from 1 to {WEIGHT_WHOLE}"))
        } else if let Some(method) = methods.iter().find(|method| !is_method(method)) {
            Some(format!("`{method}` is no method"))
        } else if *body_max > Self::BODY_MAX {
            Some(format!("a body of {body_max} bytes is too long to be kept"))
        } else {
            None
        }
    }
}
