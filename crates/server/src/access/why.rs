//! Why somebody asks, as they say it in a header.

use axum::http::HeaderMap;
use leadsman_api::REASON_HEADER;

use crate::problem::Failure;

/// What the header may hold, as a regular expression: ASCII as it is, but for `%`, which begins a byte
/// in hexadecimal. By it is described what [`said`] takes.
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
    let text = decoded(value.as_bytes()).and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or_else(|| {
        Failure::bad_request(format!(
            "`{REASON_HEADER}` cannot be read: it is text in which all but ASCII, and `%` itself, is \
             percent-encoded UTF-8, such as `5%25 errors`"
        ))
    })?;
    Ok(Some(text))
}

fn decoded(encoded: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            b' '..=b'~' => byte,
            _ => return None,
        });
    }
    Some(bytes)
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
