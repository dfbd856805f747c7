//! What a request makes its answer depend on: entity tags and ranges (RFC 9110, 13 and 14).

use http::header::{IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue};

/// What is to be sent of a form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// These bytes: the first, and the one behind the last.
    Range(u64, u64),
    /// Nothing: the client has it.
    Unchanged,
    /// Nothing: the client wanted another one.
    Changed,
    /// Nothing: there are no such bytes.
    NoSuchRange,
}

/// Returns what is to be sent of `length` bytes whose tag is `tag`. `ranges` says whether the method
/// knows them.
pub(crate) fn part(headers: &HeaderMap, tag: &HeaderValue, length: u64, ranges: bool) -> Part {
    if headers.contains_key(IF_MATCH) && !names(headers, &IF_MATCH, tag, false) {
        return Part::Changed;
    }
    if names(headers, &IF_NONE_MATCH, tag, true) {
        return Part::Unchanged;
    }
    // A time says nothing here: files have none. So there it is the whole that is sent.
    let is_same = headers.get(IF_RANGE).is_none_or(|known| known == tag);
    let mut asked = headers.get_all(RANGE).iter();
    match (asked.next(), asked.next()) {
        (Some(range), None) if ranges && is_same => range
            .to_str()
            .map_or(Part::Whole, |range| range_of(range, length)),
        _ => Part::Whole,
    }
}

/// Whether a list of tags names this one, or every one.
fn names(headers: &HeaderMap, name: &HeaderName, tag: &HeaderValue, weakly: bool) -> bool {
    let Ok(tag) = tag.to_str() else { return false };
    let values = headers.get_all(name).iter();
    values
        .filter_map(|value| value.to_str().ok())
        // No tag of ours has a comma in it, so one that has is not ours however it is cut.
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| {
            let strong = if weakly {
                known.strip_prefix("W/").unwrap_or(known)
            } else {
                known
            };
            strong == tag || known == "*"
        })
}

/// Reads a range. Several at once, and what is none, are answered with the whole.
fn range_of(text: &str, length: u64) -> Part {
    let spec = text
        .split_once('=')
        .filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes"));
    let Some((first, last)) = spec.and_then(|(_, spec)| spec.trim().split_once('-')) else {
        return Part::Whole;
    };
    // Larger than any number that can be written is larger than any file.
    let number = |text: &str| {
        let is_one = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_one.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (
        number(first),
        number(last),
        first.is_empty(),
        last.is_empty(),
    ) {
        (Some(first), None, _, true) if first < length => Part::Range(first, length),
        (Some(first), Some(last), ..) if first > last => Part::Whole,
        (Some(first), Some(last), ..) if first < length => {
            Part::Range(first, last.saturating_add(1).min(length))
        }
        (None, Some(count), true, _) if count > 0 && length > 0 => {
            Part::Range(length.saturating_sub(count), length)
        }
        (Some(_), None, _, true) | (Some(_), Some(_), ..) | (None, Some(_), true, _) => {
            Part::NoSuchRange
        }
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: HeaderValue = HeaderValue::from_static("\"abc\"");

    fn said(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        pairs.collect()
    }

    #[test]
    fn tags_decide_before_ranges() {
        let part = |headers: &[_]| part(&said(headers), &TAG, 10, true);
        for (headers, expected) in [
            (&[][..], Part::Whole),
            (&[("if-none-match", "\"abc\"")], Part::Unchanged),
            (&[("if-none-match", "W/\"abc\"")], Part::Unchanged),
            (&[("if-none-match", "\"x\", \"abc\"")], Part::Unchanged),
            (
                &[("if-none-match", "\"x\""), ("if-none-match", "\"abc\"")],
                Part::Unchanged,
            ),
            (&[("if-none-match", "*")], Part::Unchanged),
            (&[("if-none-match", "\"x\"")], Part::Whole),
            (&[("if-none-match", "abc")], Part::Whole),
            (
                &[("if-none-match", "\"abc\""), ("range", "bytes=0-1")],
                Part::Unchanged,
            ),
            (&[("if-match", "\"abc\"")], Part::Whole),
            (&[("if-match", "*")], Part::Whole),
            (&[("if-match", "W/\"abc\"")], Part::Changed),
            (&[("if-match", "\"x\"")], Part::Changed),
            (
                &[("if-range", "\"abc\""), ("range", "bytes=2-3")],
                Part::Range(2, 4),
            ),
            (
                &[("if-range", "W/\"abc\""), ("range", "bytes=2-3")],
                Part::Whole,
            ),
            (
                &[("if-range", "\"x\""), ("range", "bytes=2-3")],
                Part::Whole,
            ),
            (
                &[("if-range", "\"x\""), ("range", "bytes=20-")],
                Part::Whole,
            ),
            (
                &[
                    ("if-range", "Sat, 21 Nov 2026 19:00:00 GMT"),
                    ("range", "bytes=2-3"),
                ],
                Part::Whole,
            ),
            (
                &[("range", "bytes=0-1"), ("range", "bytes=2-3")],
                Part::Whole,
            ),
            (
                &[("if-modified-since", "Sat, 21 Nov 2026 19:00:00 GMT")],
                Part::Whole,
            ),
        ] {
            assert_eq!(part(headers), expected, "{headers:?}");
        }
        let head = super::part(&said(&[("range", "bytes=0-1")]), &TAG, 10, false);
        assert_eq!(head, Part::Whole);
    }

    #[test]
    fn a_range_is_inside_or_not() {
        for (range, length, expected) in [
            ("bytes=0-0", 10, Part::Range(0, 1)),
            ("bytes=0-9", 10, Part::Range(0, 10)),
            ("bytes=5-", 10, Part::Range(5, 10)),
            ("bytes=5-99", 10, Part::Range(5, 10)),
            ("bytes=-3", 10, Part::Range(7, 10)),
            ("bytes=-99", 10, Part::Range(0, 10)),
            ("Bytes=0-1", 10, Part::Range(0, 2)),
            ("bytes=10-", 10, Part::NoSuchRange),
            ("bytes=10-12", 10, Part::NoSuchRange),
            ("bytes=-0", 10, Part::NoSuchRange),
            ("bytes=0-", 0, Part::NoSuchRange),
            ("bytes=-1", 0, Part::NoSuchRange),
            ("bytes=99999999999999999999999-", 10, Part::NoSuchRange),
            ("bytes=0-99999999999999999999999", 10, Part::Range(0, 10)),
            ("bytes=5-4", 10, Part::Whole),
            ("bytes=0-1,3-4", 10, Part::Whole),
            ("bytes=a-b", 10, Part::Whole),
            ("bytes=-", 10, Part::Whole),
            ("bytes=+1-2", 10, Part::Whole),
            ("bytes=--1", 10, Part::Whole),
            ("bytes=1-2-3", 10, Part::Whole),
            ("lines=0-1", 10, Part::Whole),
            ("bytes", 10, Part::Whole),
        ] {
            assert_eq!(range_of(range, length), expected, "{range} of {length}");
        }
    }
}
