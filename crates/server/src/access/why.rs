//! Why somebody asks, as they say it in a header.

use axum::http::HeaderMap;
use leadsman_api::{REASON_HEADER, path};

use crate::problem::Failure;

/// What the header may hold, as a regular expression: printable ASCII as it is, but for `%`, which
/// begins a byte in hexadecimal. By it is described what [`said`] takes.
pub(crate) const PATTERN: &str = "^([ !-$&-~]|%[0-9A-Fa-f]{2})*$";

/// Returns why something is asked for, where that is said.
///
/// # Errors
///
/// It cannot be read. To go on without would leave it out of the audit in silence.
pub(crate) fn said(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(value) = headers.get(REASON_HEADER) else {
        return Ok(None);
    };
    // A header may hold tabs, too, which nobody means.
    let text = value.to_str().ok().filter(|text| !text.contains('\t'));
    let text = text.and_then(path::decode);
    let text = text.ok_or_else(|| {
        Failure::bad_request(format!(
            "`{REASON_HEADER}` cannot be read: it is text in which all but printable ASCII, and `%` itself, \
             is percent-encoded UTF-8, such as `5%25 errors`"
        ))
    })?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_reason_is_read_as_it_was_meant_or_refused() {
        let read = |encoded: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(REASON_HEADER, HeaderValue::from_bytes(encoded).unwrap());
            said(&headers).ok().map(Option::unwrap)
        };
        for (encoded, expected) in [
            (&b"errors%20at%20night"[..], "errors at night"),
            (b"errors at night: 5%25", "errors at night: 5%"),
            (b"%C3%A4%0a%0db", "ä\n\rb"),
            (b"", ""),
        ] {
            assert_eq!(read(encoded).as_deref(), Some(expected));
        }
        for bad in [
            &b"%"[..],
            b"%zz",
            b"%2",
            b"50 % more",
            b"%ff",
            b"\xc3\xa4",
            b"a\tb",
        ] {
            assert_eq!(read(bad), None, "{}", bad.escape_ascii());
        }
        assert_eq!(said(&HeaderMap::new()).ok(), Some(None));
    }
}
