//! The place of a request in a trace, as headers carry it (W3C Trace Context, level 1).

use http::header::{HeaderMap, HeaderName};

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The length of a `traceparent` of version 00; later ones may be longer, but not shorter.
const LENGTH: usize = 55;

/// What a request says of the trace that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Carried {
    pub(super) trace: u128,
    /// The span that it is a child of.
    pub(super) parent: u64,
    pub(super) is_sampled: bool,
}

/// Returns what a request says of its trace; `None` if that is nothing, or nonsense.
pub(super) fn carried(headers: &HeaderMap) -> Option<Carried> {
    let mut said = headers.get_all(TRACEPARENT).iter();
    match (said.next(), said.next()) {
        (Some(one), None) => parse(one.as_bytes()),
        _ => None,
    }
}

fn parse(text: &[u8]) -> Option<Carried> {
    let (known, rest) = text.split_at_checked(LENGTH)?;
    let dashes = [2, 35, 52].map(|at| known[at] == b'-');
    if dashes != [true; 3] {
        return None;
    }
    let version = number(&known[..2])?;
    // Of what later versions append, the part that is known here is understood all the same.
    let may_go_on = rest.is_empty() || (version > 0 && rest[0] == b'-');
    let trace = number(&known[3..35])?;
    let parent = number(&known[36..52])?;
    let flags = number(&known[53..])?;
    let is_valid = version != 0xff && trace != 0 && parent != 0 && may_go_on;
    is_valid.then(|| Carried {
        trace,
        parent: u64::try_from(parent).unwrap_or_default(),
        is_sampled: flags & 1 == 1,
    })
}

/// Reads up to 32 digits; capital ones are none.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        let values = values.iter();
        let values = values.map(|value| (name.clone(), HeaderValue::from_str(value).unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn a_traceparent_is_read_by_the_rules() {
        let upper = TRACE.to_uppercase();
        for (text, sampled) in [
            (format!("00-{TRACE}-{SPAN}-01"), Some(true)),
            (format!("00-{TRACE}-{SPAN}-00"), Some(false)),
            // Only the lowest bit means something here.
            (format!("00-{TRACE}-{SPAN}-03"), Some(true)),
            (format!("00-{TRACE}-{SPAN}-fe"), Some(false)),
            // Later versions may append.
            (format!("01-{TRACE}-{SPAN}-01"), Some(true)),
            (
                format!("cc-{TRACE}-{SPAN}-01-what-the-future-brings"),
                Some(true),
            ),
            (format!("cc-{TRACE}-{SPAN}-01.what"), None),
            (format!("00-{TRACE}-{SPAN}-01-more"), None),
            (format!("00-{TRACE}-{SPAN}-01-"), None),
            (format!("ff-{TRACE}-{SPAN}-01"), None),
            (format!("00-{}-{SPAN}-01", "0".repeat(32)), None),
            (format!("00-{TRACE}-{}-01", "0".repeat(16)), None),
            (format!("00-{upper}-{SPAN}-01"), None),
            (format!("00-{TRACE}-{SPAN}-0"), None),
            (format!("00-{TRACE}-{SPAN}"), None),
            (format!("0x-{TRACE}-{SPAN}-01"), None),
            (format!("00_{TRACE}-{SPAN}-01"), None),
            (format!("00-{TRACE}-{SPAN}-1g"), None),
            (format!("00-{}x-{SPAN}-01", &TRACE[1..]), None),
            (String::new(), None),
        ] {
            let read = carried(&headers(TRACEPARENT, &[&text]));
            assert_eq!(read.map(|carried| carried.is_sampled), sampled, "{text}");
            if let Some(carried) = read {
                assert_eq!(format!("{:032x}", carried.trace), TRACE);
                assert_eq!(format!("{:016x}", carried.parent), SPAN);
            }
        }
        let good = format!("00-{TRACE}-{SPAN}-01");
        assert_eq!(carried(&headers(TRACEPARENT, &[&good, &good])), None);
        assert_eq!(carried(&HeaderMap::new()), None);
    }
}
