//! Tags of answers: by them nothing is sent twice, and nothing is decided on what is older.
//!
//! A tag is weak: what it stands for is the state, and figures change all the time beside it.

use axum::Json;
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use crate::problem::Failure;

/// Answers with `value`, and with the tag of `version`.
pub(crate) fn tagged(version: u64, value: impl Serialize) -> Response {
    with_tag(&version.to_string(), Json(value).into_response())
}

/// Answers with `value`, which changes only with `tag`, unless whoever asks has it already.
pub(crate) fn unless_known(headers: &HeaderMap, tag: &str, value: impl Serialize) -> Response {
    let known = headers.get(IF_NONE_MATCH).and_then(|it| it.to_str().ok());
    let mut known = known.into_iter().flat_map(|it| it.split(','));
    let response = if known.any(|it| opaque(it) == Some(tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(value).into_response()
    };
    with_tag(tag, response)
}

fn with_tag(tag: &str, mut response: Response) -> Response {
    if let Ok(tag) = HeaderValue::try_from(format!("W/\"{tag}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Returns what a tag says, weak or strong.
fn opaque(tag: &str) -> Option<&str> {
    let tag = tag.trim();
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.strip_prefix('"')?.strip_suffix('"')
}

/// Returns the version of what was looked at, where that is said.
///
/// # Errors
///
/// What is said is no tag of ours.
pub(crate) fn seen(headers: &HeaderMap) -> Result<Option<u64>, Failure> {
    let Some(value) = headers.get(IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    if text.trim() == "*" {
        return Ok(None);
    }
    let version = opaque(text).filter(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
    let version = version.and_then(|it| it.parse().ok());
    let version = version.ok_or_else(|| {
        Failure::bad_request("`If-Match` is one tag, as `ETag` had it, such as `W/\"12\"`")
    })?;
    Ok(Some(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_as_it_was_given_and_nothing_else_is_one() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_MATCH, HeaderValue::from_static(text));
            seen(&headers).ok()
        };
        assert_eq!(seen(&HeaderMap::new()).ok(), Some(None));
        for (text, expected) in [
            ("W/\"12\"", Some(Some(12))),
            ("\"12\"", Some(Some(12))),
            ("*", Some(None)),
            ("12", None),
            ("\"x\"", None),
            ("\"+1\"", None),
            ("\"\"", None),
            ("W/\"1\", W/\"2\"", None),
            ("", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
