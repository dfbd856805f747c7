//! Which side a user stays with, and who is no user at all.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Service;
use super::rule::{Condition, is_header, is_path, is_token};

/// How a user stays with one side of a service, so that nobody sees two versions in turn.
///
/// A side without weight, or without instances, has no users: theirs are assigned anew at once. A
/// side that has no healthy instance at the moment keeps its users; others answer for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sticky {
    /// By a cookie that the data plane sets when it assigns a user to a side. Who is assigned stays
    /// as long as that side has weight. Those who come new go to a side that got fewer requests
    /// than its weight up to twice as often as its weight says, and less often, down to never, to
    /// one that got more; so the share of *requests* moves toward the weight as users come and go.
    Cookie(StickyCookie),
    /// By the hash of a header: equal values go to equal sides. Of all values each side has the
    /// share that its weight says; when weights change, only those values move that have to. A
    /// request without the header is assigned like one of a new user, and not remembered.
    Header(String),
    /// By the hash of the client's address; of IPv6 by the network, the first 64 bits.
    Address,
}

/// The cookie of a user. Its value says nothing to anybody else, and leads nowhere but to a side
/// that has weight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StickyCookie {
    /// Its name; each service of a host needs one of its own.
    pub name: String,
    /// For which paths it is sent.
    #[serde(default = "all_paths")]
    pub path: String,
    /// How long it is kept after it was set; `None` is as long as the browser is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
}

fn all_paths() -> String {
    "/".to_owned()
}

/// Leads testers to a side, also to one of weight 0. What they do is counted apart: it says nothing
/// about users, and takes no turn of theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Who is a tester. Of several overrides that are for a request the first one counts.
    pub when: Condition,
    /// The name of a side of the service. While it has no instance, testers go where most users go.
    pub side: String,
}

impl Sticky {
    pub(super) fn fault(&self) -> Option<String> {
        match self {
            Self::Cookie(StickyCookie {
                name,
                path,
                max_age,
            }) => {
                if !is_token(name) {
                    Some(format!("`{name}` cannot be the name of a cookie"))
                } else if !is_path(path) || path.contains(';') {
                    Some(format!("`{path}` cannot be the path of a cookie"))
                } else if max_age.is_some_and(|age| age < Duration::from_secs(1)) {
                    Some("a cookie is kept for a second at least".to_owned())
                } else {
                    None
                }
            }
            Self::Header(name) => {
                (!is_header(name)).then(|| format!("`{name}` cannot be the name of a header"))
            }
            Self::Address => None,
        }
    }
}

impl Override {
    pub(super) fn fault(&self, service: &Service) -> Option<String> {
        let Self { when, side } = self;
        if !service.sides.iter().any(|known| known.name == *side) {
            return Some(format!("there is no side `{side}`"));
        }
        when.fault()
    }
}
