//! What happens to requests while a service is not to get any, or cannot.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Lets requests wait rather than be refused: while the service is paused, and while none of its
/// instances can be reached and nothing was sent to any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// How long a request waits at most; then it is refused after all.
    pub wait: Duration,
    /// How many requests wait at most; more are refused at once. Each worker has its part of it.
    pub requests_max: u32,
}

/// What is answered instead of the service. Testers go through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Maintenance {
    /// The status, 200 to 599.
    pub status: u16,
    /// The body, at most [`BODY_MAX`](Self::BODY_MAX) bytes.
    pub body: String,
    /// What the body is.
    pub content_type: String,
    /// After which time it is worth to ask again.
    #[serde(skip_serializing_if = "Option::is_none")]
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

impl Hold {
    /// The longest wait: a client that hears nothing for longer has given up.
    pub const WAIT_MAX: Duration = Duration::from_secs(300);

    pub(super) fn fault(&self) -> Option<String> {
        (self.wait > Self::WAIT_MAX).then(|| format!("{:?} are too long to wait", self.wait))
    }
}

impl Maintenance {
    /// The longest body, in bytes.
    pub const BODY_MAX: usize = 64 * 1024;

    pub(super) fn fault(&self) -> Option<String> {
        let Self {
            status,
            body,
            content_type,
            retry_after: _,
        } = self;
        if !(200..=599).contains(status) {
            Some(format!("{status} is no status to answer with"))
        } else if body.len() > Self::BODY_MAX {
            Some(format!("the body has {} bytes", body.len()))
        } else if http::HeaderValue::from_str(content_type).is_err() {
            Some(format!("`{content_type}` cannot be the type of a body"))
        } else {
            None
        }
    }
}
