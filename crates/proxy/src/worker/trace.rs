//! The place of a request in a trace, as headers carry it (W3C Trace Context, level 1).

use http::header::{HeaderName, HeaderValue};

use crate::journal::Trace;
use crate::message::Headers;
use crate::worker::request_id::{hexadecimal, said_once};

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The length of a `traceparent` of version 00; later ones may be longer, but not shorter.
const LENGTH: usize = 55;

/// How many entries a `tracestate` may have.
const ENTRIES_MAX: usize = 32;

/// What a request says of the trace that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Carried {
    pub(super) trace: u128,
    /// The span that it is a child of.
    pub(super) parent: u64,
    pub(super) is_sampled: bool,
}

/// Returns what a request says of its trace; `None` if that is nothing, or nonsense.
pub(super) fn carried(headers: &Headers) -> Option<Carried> {
    let mut said = headers.get_all(TRACEPARENT);
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

/// Returns the header that makes an instance's span a child of this one.
pub(super) fn traceparent(trace: &Trace) -> HeaderValue {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    let [high, low] = [(trace.trace >> 64) as u64, trace.trace as u64];
    text[3..19].copy_from_slice(&hexadecimal(high));
    text[19..35].copy_from_slice(&hexadecimal(low));
    text[36..52].copy_from_slice(&hexadecimal(trace.span));
    text[54] = b'0' + u8::from(trace.is_sampled);
    let place = HeaderValue::from_bytes(&text);
    said_once(place.expect("it is made of hexadecimal digits and dashes"))
}

/// Says whether a trace belongs to the share (0 to 1) that is sampled: by its own number, so that all
/// who see it and have the same share agree.
pub(super) fn is_in_share(trace: u128, share: f64) -> bool {
    // The last 56 bits are those that are random in any trace; such a number has room for 53.
    let random = ((trace as u64 & ((1 << 56) - 1)) >> 3) as f64;
    random >= (1.0 - share) * (1_u64 << 53) as f64
}

/// Says whether what others have noted in `tracestate` can be passed on; also if it is nothing.
pub(super) fn is_state(headers: &Headers) -> bool {
    let mut entries = 0;
    let lines = headers.get_all(TRACESTATE);
    let mut all = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let is_valid = all.all(|entry| {
        let entry = entry.trim_ascii();
        entries += usize::from(!entry.is_empty());
        entry.is_empty() || is_entry(entry)
    });
    is_valid && entries <= ENTRIES_MAX
}

fn is_entry(entry: &[u8]) -> bool {
    let Some(equals) = entry.iter().position(|byte| *byte == b'=') else {
        return false;
    };
    let (key, value) = (&entry[..equals], &entry[equals + 1..]);
    let is_key = match key.iter().position(|byte| *byte == b'@') {
        None => is_key_part(key, 256, false),
        Some(at) => is_key_part(&key[..at], 241, true) && is_key_part(&key[at + 1..], 14, false),
    };
    let is_value = |byte: &u8| matches!(byte, b' '..=b'~') && !b",=".contains(byte);
    is_key && (1..=256).contains(&value.len()) && value.iter().all(is_value)
}

fn is_key_part(part: &[u8], length_max: usize, may_begin_with_digit: bool) -> bool {
    let begins =
        |byte: &u8| byte.is_ascii_lowercase() || may_begin_with_digit && byte.is_ascii_digit();
    let goes_on =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(byte);
    part.len() <= length_max && part.first().is_some_and(begins) && part.iter().all(goes_on)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Value;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn headers(name: HeaderName, values: &[&str]) -> Headers {
        let values = values.iter();
        let values = values.map(|value| (name.clone(), HeaderValue::from_str(value).unwrap()));
        let mut headers = Headers::default();
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
        assert_eq!(carried(&Headers::default()), None);
    }

    #[test]
    fn what_is_written_is_read_again() {
        for is_sampled in [true, false] {
            let trace = Trace {
                trace: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
                span: 7,
                parent: None,
                is_sampled,
            };
            let mut headers = Headers::default();
            headers.insert(TRACEPARENT, traceparent(&trace));
            let read = carried(&headers).unwrap();
            assert_eq!((read.trace, read.parent), (trace.trace, 7));
            assert_eq!(read.is_sampled, is_sampled);
        }
    }

    #[test]
    fn a_share_is_a_share_and_all_agree_about_it() {
        let traces = (0..1000_u128).map(|number| number << 46);
        for (share, count) in [(0.0, 0), (0.25, 250), (0.5, 500), (1.0, 1000)] {
            let sampled = traces.clone().filter(|trace| is_in_share(*trace, share));
            let sampled = sampled.count();
            assert!(
                sampled.abs_diff(count * 1000 / 1024) <= 25,
                "{share}: {sampled}"
            );
        }
        assert!(is_in_share(0, 1.0) && !is_in_share(u128::MAX, 0.0));
    }

    #[test]
    fn a_tracestate_is_checked_by_the_rules() {
        let many = |count: usize| vec!["a=1"; count].join(",");
        let long_key = |length: usize| format!("{}=1", "k".repeat(length));
        let long_value = |length: usize| format!("k={}", "v".repeat(length));
        for (lines, is_valid) in [
            (vec!["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"], true),
            (vec!["rojo=1", "congo=2"], true),
            (vec!["rojo=1 , , congo=2,"], true),
            (vec!["fw529a3039@dt=FfAAAA;bBBB:c/d"], true),
            (vec!["0tenant@system=1"], true),
            (vec!["a_b-c*d/e=with inner spaces"], true),
            (vec![""], true),
            (vec![], true),
            (vec![&many(32)], true),
            (vec![&many(33)], false),
            (vec![&long_key(256)], true),
            (vec![&long_key(257)], false),
            (vec![&long_value(256)], true),
            (vec![&long_value(257)], false),
            (vec!["0key=1"], false),
            (vec!["Key=1"], false),
            (vec!["key"], false),
            (vec!["key="], false),
            (vec!["=1"], false),
            (vec!["key=a=b"], false),
            (vec!["a@b@c=1"], false),
            (vec!["tenant@=1"], false),
            (vec!["tenant@abcdefghijklmno=1"], false),
            (vec!["rojo=1", "NO=2"], false),
        ] {
            assert_eq!(
                is_state(&headers(TRACESTATE, &lines)),
                is_valid,
                "{lines:?}"
            );
        }
    }

    #[test]
    fn fuzzed_trace() {
        crate::fuzz::fuzz("trace", |input| {
            let mut headers = Headers::default();
            for (at, line) in input.split(|byte| *byte == b'\n').take(8).enumerate() {
                if let Ok(value) = HeaderValue::from_bytes(line) {
                    let name = if at == 0 { TRACEPARENT } else { TRACESTATE };
                    headers.append(name, value);
                }
            }
            if let Some(carried) = carried(&headers) {
                assert!(carried.trace != 0 && carried.parent != 0);
                let again = traceparent(&Trace {
                    trace: carried.trace,
                    span: carried.parent,
                    parent: None,
                    is_sampled: carried.is_sampled,
                });
                assert_eq!(parse(again.as_bytes()), Some(carried));
                assert!(is_in_share(carried.trace, 1.0));
            }
            if is_state(&headers) {
                let lines = headers.get_all(TRACESTATE);
                let lines: Vec<&[u8]> = lines.map(Value::as_bytes).collect();
                let mut joined = Headers::default();
                let value = HeaderValue::from_bytes(&lines.join(&b","[..])).unwrap();
                joined.insert(TRACESTATE, value);
                assert!(is_state(&joined), "one line for all of them says the same");
            }
        });
    }
}
