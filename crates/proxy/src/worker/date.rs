//! What time it is, as an answer says it.

use std::time::SystemTime;

use http::HeaderValue;

/// The moment at which an answer was given, as its head says it (RFC 9110, 5.6.7). It is to the
/// second, so it is made now and then and not for each answer.
pub(super) struct Date(HeaderValue);

impl Date {
    pub(super) fn now() -> Self {
        let date = HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now()));
        Self(date.expect("a date is made of letters, digits, blanks, colons and a comma"))
    }

    pub(super) fn value(&self) -> &HeaderValue {
        &self.0
    }
}
