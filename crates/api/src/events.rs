//! What happens, as it happens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::Moment;

/// Which events are wanted, and from where on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// Those behind this position of the log; what is not given is where the log ends. The header
    /// `Last-Event-ID`, which browsers send when they connect again, counts before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Only what is about this application, such as `shop`, or environment, such as
    /// `shop/production`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// A recorded fact of any stream: the data of one server-sent event, whose id is the position and
/// whose name is the kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoggedEvent {
    /// Its position in the log.
    pub position: u64,
    /// When it happened.
    pub at: Moment,
    /// Who caused it: the name of a user, or `leadsman`.
    pub actor: String,
    /// The stream it is recorded in, such as `shop/production`.
    pub stream: String,
    /// What kind of fact it is, in snake case, such as `weight_shifted`.
    pub kind: String,
    /// The fact as a person would say it.
    pub sentence: String,
}
