//! What time it is, as an answer says it.

use std::time::SystemTime;

/// The moment at which an answer was given, as its head says it (RFC 9110, 5.6.7). It is to the
/// second, so it is made now and then and not for each answer.
pub(super) struct Date(String);

impl Date {
    pub(super) fn now() -> Self {
        Self(httpdate::fmt_http_date(SystemTime::now()))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}
