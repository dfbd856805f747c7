//! A request as a span, in the JSON of OTLP.

use http::Version;
use serde::Serialize;
use serde::ser::{SerializeSeq as _, Serializer};

use super::Trace;
use super::entry::{End, Entry, Text};

/// The kind of a span that answers somebody else's request.
const SERVER: u8 = 2;

/// What a failed span's status is.
const ERROR: u8 = 2;

/// Of a span's flags: sampled, and that it is known whether its parent is elsewhere; it is.
const SAMPLED: u32 = 0x101;
const PARENT_IS_ELSEWHERE: u32 = 0x200;

/// Methods that may be told as they are; others might be anything (RFC 9110 and RFC 5789).
const METHODS: [&str; 9] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Span<'a> {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    flags: u32,
    name: &'a str,
    kind: u8,
    // Numbers of 64 bits are texts there.
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Attributes<'a>,
    status: Status,
}

#[derive(Serialize)]
struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
}

/// Attributes, by the semantic conventions for HTTP where they have a name.
struct Attributes<'a>(&'a Entry);

#[derive(Serialize)]
struct Attribute<'a> {
    key: &'static str,
    value: Value<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Value<'a> {
    StringValue(&'a str),
    IntValue(String),
}

/// Returns the span of `entry`, whose place in a trace is `trace`.
pub(super) fn written(entry: &Entry, trace: &Trace) -> serde_json::Result<String> {
    let remote = if trace.parent.is_some() {
        PARENT_IS_ELSEWHERE
    } else {
        0
    };
    let duration = u64::try_from(entry.duration.as_nanos()).unwrap_or(u64::MAX);
    let span = Span {
        trace_id: format!("{:032x}", trace.trace),
        span_id: format!("{:016x}", trace.span),
        parent_span_id: trace.parent.map(|parent| format!("{parent:016x}")),
        flags: SAMPLED | remote,
        name: method(entry).unwrap_or("HTTP"),
        kind: SERVER,
        start_time_unix_nano: entry.arrived_ns.to_string(),
        end_time_unix_nano: entry.arrived_ns.saturating_add(duration).to_string(),
        attributes: Attributes(entry),
        status: Status {
            code: failure(entry).is_some().then_some(ERROR),
        },
    };
    serde_json::to_string(&span)
}

/// Returns what is exported at once: all spans of a batch, with who they are from.
pub(super) fn envelope(spans: &[String], service: &str, version: &str) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let attribute = |key, value| {
        format!(
            "{{\"key\":\"{key}\",\"value\":{{\"stringValue\":{}}}}}",
            text(value)
        )
    };
    format!(
        "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":[{},{}]}},\
         \"scopeSpans\":[{{\"scope\":{{\"name\":\"leadsman\"}},\"spans\":[{}]}}]}}]}}",
        attribute("service.name", service),
        attribute("service.version", version),
        spans.join(",")
    )
}

fn method(entry: &Entry) -> Option<&str> {
    entry
        .text(Text::Method)
        .filter(|method| METHODS.contains(method))
}

/// Returns what is wrong with a request as a whole, in a word.
fn failure(entry: &Entry) -> Option<String> {
    match (entry.end, entry.status) {
        (_, Some(status)) if status >= 500 => Some(status.to_string()),
        (End::BrokeOff, _) => Some("broke-off".to_owned()),
        // That a client leaves is its own affair, and a refusal of what is wrong is no failure.
        _ => None,
    }
}

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entry = self.0;
        let (host, port) = entry.text(Text::Host).map_or((None, None), host_and_port);
        let client = entry.client.to_string();
        let failure = failure(entry);
        let end = match entry.end {
            End::Complete => None,
            End::ClientLeft => Some("client-left"),
            End::BrokeOff => Some("broke-off"),
        };
        let version = match entry.version {
            Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2",
            _ => "1.1",
        };
        let texts = [
            (
                "http.request.method",
                Some(method(entry).unwrap_or("_OTHER")),
            ),
            (
                "url.scheme",
                Some(if entry.is_encrypted { "https" } else { "http" }),
            ),
            ("url.path", entry.text(Text::Path)),
            ("server.address", host),
            ("client.address", Some(&*client)),
            ("network.protocol.name", Some("http")),
            ("network.protocol.version", Some(version)),
            ("user_agent.original", entry.text(Text::Agent)),
            ("error.type", failure.as_deref()),
            ("leadsman.request_id", entry.text(Text::Id)),
            ("leadsman.refused", entry.text(Text::Reason)),
            ("leadsman.ended", end),
            ("leadsman.service", entry.text(Text::Service)),
            ("leadsman.side", entry.text(Text::Side)),
            ("leadsman.instance", entry.text(Text::Instance)),
        ];
        let numbers = [
            ("server.port", port.map(u64::from)),
            ("http.response.status_code", entry.status.map(u64::from)),
            ("http.request.body.size", Some(entry.bytes_in)),
            ("http.response.body.size", Some(entry.bytes_out)),
            ("leadsman.attempts", Some(entry.attempts.into())),
        ];
        let mut attributes = serializer.serialize_seq(None)?;
        for (key, value) in texts {
            if let Some(value) = value.map(Value::StringValue) {
                attributes.serialize_element(&Attribute { key, value })?;
            }
        }
        for (key, value) in numbers {
            if let Some(value) = value.map(|number| Value::IntValue(number.to_string())) {
                attributes.serialize_element(&Attribute { key, value })?;
            }
        }
        attributes.end()
    }
}

/// Takes apart what stands in the header `host`.
fn host_and_port(host: &str) -> (Option<&str>, Option<u16>) {
    let Some((before, after)) = host.rsplit_once(':') else {
        return (Some(host), None);
    };
    match after.parse() {
        // What is left of an IPv6 address would have colons in it, but for its brackets.
        Ok(port) if !before.contains(':') || before.ends_with(']') => (Some(before), Some(port)),
        _ => (Some(host), None),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_request_is_a_span() {
        let said = [
            &b"7f"[..],
            b"BREW",
            b"[::1]:8080",
            b"/pot",
            b"token=secret",
            b"",
            b"",
            b"web",
            b"web@r1",
            b"web-0",
        ];
        let mut entry = Entry::new(IpAddr::from([203, 0, 113, 9]), said);
        entry.arrived_ns = 1_000_000_000;
        entry.duration = Duration::from_millis(5);
        entry.status = Some(503);
        entry.attempts = 2;
        let trace = Trace {
            trace: 0xabc,
            span: 0xdef,
            parent: Some(0x123),
            is_sampled: true,
        };
        let span = written(&entry, &trace).unwrap();
        let envelope = envelope(&[span], "le\"adsman", "1.0");
        assert!(!envelope.contains("secret"), "{envelope}");
        let read: serde_json::Value = serde_json::from_str(&envelope).unwrap();
        let service = &read["resourceSpans"][0]["resource"]["attributes"][0];
        assert_eq!(service["value"]["stringValue"], "le\"adsman");
        let span = &read["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        for (key, value) in [
            ("traceId", "00000000000000000000000000000abc"),
            ("spanId", "0000000000000def"),
            ("parentSpanId", "0000000000000123"),
            ("name", "HTTP"),
            ("startTimeUnixNano", "1000000000"),
            ("endTimeUnixNano", "1005000000"),
        ] {
            assert_eq!(span[key], value, "{key}");
        }
        assert_eq!(
            (&span["kind"], &span["flags"], &span["status"]["code"]),
            (&2.into(), &0x301.into(), &2.into())
        );
        let attributes: Vec<String> = span["attributes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|attribute| {
                let value = &attribute["value"];
                let text = value["stringValue"].as_str().or(value["intValue"].as_str());
                format!("{}={}", attribute["key"].as_str().unwrap(), text.unwrap())
            })
            .collect();
        assert_eq!(
            attributes,
            [
                "http.request.method=_OTHER",
                "url.scheme=http",
                "url.path=/pot",
                "server.address=[::1]",
                "client.address=203.0.113.9",
                "network.protocol.name=http",
                "network.protocol.version=1.1",
                "error.type=503",
                "leadsman.request_id=7f",
                "leadsman.service=web",
                "leadsman.side=web@r1",
                "leadsman.instance=web-0",
                "server.port=8080",
                "http.response.status_code=503",
                "http.request.body.size=0",
                "http.response.body.size=0",
                "leadsman.attempts=2",
            ]
        );
    }

    #[test]
    fn hosts_and_ports_are_taken_apart() {
        for (text, host, port) in [
            ("a.example", "a.example", None),
            ("a.example:80", "a.example", Some(80)),
            ("[::1]", "[::1]", None),
            ("[::1]:80", "[::1]", Some(80)),
            ("a.example:", "a.example:", None),
            ("a:b:80", "a:b:80", None),
        ] {
            assert_eq!(host_and_port(text), (Some(host), port), "{text}");
        }
    }
}
