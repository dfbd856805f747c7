//! A line of the access log.

use std::net::IpAddr;
use std::time::Duration;

use http::Version;
use serde::Serialize;

use super::entry::{End, Entry, Text};

/// A request as it is written down. What does not apply is left out.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<String>,
    client: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    protocol: &'static str,
    tls: bool,
    /// 0 where the client left before there was one, so that it is a number in any case.
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    side: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    attempts: u32,
    bytes_in: u64,
    bytes_out: u64,
    ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
}

/// What is written where lines are missing.
#[derive(Serialize)]
struct Gap {
    time: String,
    dropped: u64,
}

/// Appends the line of `entry`.
pub(super) fn write(entry: &Entry, query: bool, lines: &mut Vec<u8>) {
    let trace = entry.trace.as_ref();
    let line = Line {
        time: moment(entry.arrived_ns),
        id: entry.text(Text::Id),
        trace: trace.map(|trace| format!("{:032x}", trace.trace)),
        span: trace
            .filter(|trace| trace.is_sampled)
            .map(|trace| format!("{:016x}", trace.span)),
        client: entry.client,
        method: entry.text(Text::Method),
        host: entry.text(Text::Host),
        path: entry.text(Text::Path),
        query: entry.text(Text::Query).filter(|_| query),
        protocol: protocol(entry.version),
        tls: entry.is_encrypted,
        status: entry.status.unwrap_or_default(),
        refused: entry.text(Text::Reason),
        ended: match entry.end {
            End::Complete => None,
            End::ClientLeft => Some("client-left"),
            End::BrokeOff => Some("broke-off"),
        },
        service: entry.text(Text::Service),
        side: entry.text(Text::Side),
        instance: entry.text(Text::Instance),
        attempts: entry.attempts,
        bytes_in: entry.bytes_in,
        bytes_out: entry.bytes_out,
        ms: ms(entry.duration),
        first_byte_ms: entry.first_byte.map(ms),
        agent: entry.text(Text::Agent),
    };
    put(&line, lines);
}

/// Appends a line that says how many are missing.
pub(super) fn write_gap(now_ns: u64, dropped: u64, lines: &mut Vec<u8>) {
    let time = moment(now_ns);
    put(&Gap { time, dropped }, lines);
}

fn put(line: &impl Serialize, lines: &mut Vec<u8>) {
    let before = lines.len();
    match serde_json::to_writer(&mut *lines, line) {
        Ok(()) => lines.push(b'\n'),
        // It is made of numbers and texts only; but half a line would spoil the next one.
        Err(_) => lines.truncate(before),
    }
}

/// Returns the protocol by its usual name.
fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

/// Returns milliseconds, to the microsecond.
fn ms(duration: Duration) -> f64 {
    let micros = u32::try_from(duration.as_micros()).map_or(f64::MAX, f64::from);
    if micros < f64::MAX {
        micros / 1000.0
    } else {
        duration.as_secs_f64().round() * 1000.0
    }
}

/// Returns a moment in UTC as RFC 3339 writes it, to the millisecond.
fn moment(unix_ns: u64) -> String {
    let ms = unix_ns / 1_000_000;
    let (days, of_day) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = date(days);
    let (hours, minutes) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (seconds, ms) = (of_day / 1000 % 60, of_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{ms:03}Z")
}

/// Returns the date so many days after 1970 began. Years are counted from March, so that a leap day
/// is a year's last; in 400 of them there are 146,097 days.
fn date(days: u64) -> (u64, u64, u64) {
    // From the 1st of March of the year 0.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..=9 => (year, month + 3),
        _ => (year + 1, month - 9),
    };
    (era * 400 + year, month, day)
}

#[cfg(test)]
mod tests {
    use super::super::Trace;
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (68_169_599, "1972-02-28T23:59:59.000Z"),
            (68_169_600, "1972-02-29T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_795_284_301, "2026-11-21T18:05:01.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(moment(seconds * 1_000_000_000), text, "{seconds}");
        }
        assert_eq!(moment(1_999_999), "1970-01-01T00:00:00.001Z");
    }

    #[test]
    fn a_request_is_one_line_whatever_it_says() {
        let said = [
            &b"7f"[..],
            b"GET",
            b"shop.example",
            b"/a\"b\n{}",
            b"token=secret",
            b"curl/8\r\n{\"status\":200}",
            b"",
            b"shop/web",
            b"shop/web@r7",
            b"web-0",
        ];
        let mut entry = Entry::new(IpAddr::from([203, 0, 113, 9]), said);
        entry.arrived_ns = 951_782_400_123_456_789;
        entry.status = Some(200);
        entry.attempts = 1;
        entry.bytes_out = 512;
        entry.duration = Duration::from_micros(12_345);
        entry.first_byte = Some(Duration::from_micros(11_000));
        entry.trace = Some(Trace {
            trace: 0xabc,
            span: 0xdef,
            parent: None,
            is_sampled: true,
        });
        let mut lines = Vec::new();
        write(&entry, false, &mut lines);
        write(&entry, true, &mut lines);
        write_gap(951_782_400_000_000_000, 3, &mut lines);
        let lines = String::from_utf8(lines).unwrap();
        let [without, with, gap] = lines.lines().collect::<Vec<_>>()[..] else {
            panic!("three lines: {lines}");
        };
        assert_eq!(
            without,
            "{\"time\":\"2000-02-29T00:00:00.123Z\",\"id\":\"7f\",\
             \"trace\":\"00000000000000000000000000000abc\",\"span\":\"0000000000000def\",\
             \"client\":\"203.0.113.9\",\"method\":\"GET\",\"host\":\"shop.example\",\
             \"path\":\"/a\\\"b\\n{}\",\"protocol\":\"HTTP/1.1\",\"tls\":false,\"status\":200,\
             \"service\":\"shop/web\",\"side\":\"shop/web@r7\",\"instance\":\"web-0\",\
             \"attempts\":1,\"bytes_in\":0,\"bytes_out\":512,\"ms\":12.345,\"first_byte_ms\":11.0,\
             \"agent\":\"curl/8\\r\\n{\\\"status\\\":200}\"}"
        );
        assert!(with.contains("\"query\":\"token=secret\""), "{with}");
        assert_eq!(gap, "{\"time\":\"2000-02-29T00:00:00.000Z\",\"dropped\":3}");
    }

    #[test]
    fn fuzzed_access_log() {
        crate::fuzz::fuzz("access-log", |input| {
            let mut said = [&b""[..]; 10];
            for (text, piece) in said.iter_mut().zip(input.split(|byte| *byte == b'|')) {
                *text = piece;
            }
            let entry = Entry::new(IpAddr::from([203, 0, 113, 9]), said);
            let mut lines = Vec::new();
            write(&entry, true, &mut lines);
            let (last, line) = lines.split_last().unwrap();
            assert_eq!(*last, b'\n');
            assert!(
                !line.iter().any(|byte| *byte < b' '),
                "one line, and nothing for terminals"
            );
            // A byte of nonsense becomes three, and a control character six.
            assert!(line.len() <= 10 * 6 * 1024 + 1024);
            let read: serde_json::Value = serde_json::from_slice(line).unwrap();
            for (name, text) in [
                ("id", Text::Id),
                ("path", Text::Path),
                ("agent", Text::Agent),
            ] {
                let written = read.get(name).and_then(serde_json::Value::as_str);
                assert_eq!(written, entry.text(text), "{name}");
            }
            assert_eq!(read["status"], 0, "no text can say what the status is");
            assert_eq!(read["client"], "203.0.113.9");
        });
    }
}
