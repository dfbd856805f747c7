//! The values that say what a metric is, and how each is written.

use std::borrow::Cow;

use leadsman_analysis::Worse;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::codes::{BAD_METRIC, BAD_NUMBER, BAD_QUERY, BAD_URL, RESERVED_NAME};
use super::problem::quoted;
use super::read::{Merge, Read, Reader};
use super::shape::MapKey;
use super::values::{NameKey, Words, schema};
use super::yaml::{Key, Node};
use super::{suggest, units};
use crate::metric::{BadQuery, BadSelector, Fold, Measured, Query, Selector};

/// The keys of `metrics`. Names that limits have already cannot be used again.
#[derive(Clone, Debug)]
pub(super) struct MetricKey;

impl MapKey for MetricKey {
    const WHAT: &'static str = "a mapping of metrics";
    const TAKEN: &'static [&'static str] = &["errors", "p95", "p99", "memory", "cpu", "restarts"];
    const PATTERN: &'static str = NameKey::PATTERN;

    fn check(key: &Key, reader: &mut Reader) -> bool {
        if Self::TAKEN.contains(&key.text.as_str()) {
            let message = format!("`{}` is the name of a limit that is built in", key.text);
            reader.note(&RESERVED_NAME, key.at, message, "choose another name");
            return false;
        }
        NameKey::check(key, reader)
    }
}

/// A number: plain, a share, or a number of bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amount(pub(super) f64);

impl Read for Amount {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `100`, `0.5`, `80%` or `512MiB`";
        let text = reader.scalar(node, "a number", FORM)?;
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        #[expect(
            clippy::cast_precision_loss,
            reason = "bytes are not counted one by one"
        )]
        let size = || units::parse_size(text).ok().map(|bytes| bytes as f64);
        let amount = number
            .or_else(|| units::parse_share(text).ok())
            .or_else(size);
        if amount.is_none() {
            let message = format!("{} is not a number", quoted(text));
            reader.note(&BAD_NUMBER, node.at, message, FORM);
        }
        amount.map(Self)
    }
}

impl Merge for Amount {}

schema!(
    Amount,
    json_schema!({ "title": "number, share or size", "type": ["number", "string"] })
);

/// Which series a service shows.
#[derive(Clone, Debug)]
pub(super) struct SelectorText(pub(super) Selector);

impl Read for SelectorText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `jobs_waiting` or `jobs_waiting{queue=\"mail\"}`";
        let text = reader.text(node, "the name of a metric", FORM)?;
        match Selector::parse(text) {
            Ok(selector) => Some(Self(selector)),
            Err(why) => {
                // What was written may hold what a terminal would obey.
                let said = match &why {
                    BadSelector::Labels(rest) => format!("{} is not understood", quoted(rest)),
                    BadSelector::Name | BadSelector::Pattern | BadSelector::TooLong => {
                        why.to_string()
                    }
                };
                let hint = match why {
                    BadSelector::Pattern => "ask Prometheus for it: `prometheus: ...`",
                    BadSelector::Name | BadSelector::Labels(_) if text.contains('(') => {
                        "a query is for Prometheus: `prometheus: ...`"
                    }
                    BadSelector::Name | BadSelector::Labels(_) | BadSelector::TooLong => FORM,
                };
                let message = format!("{} is not a metric: {said}", quoted(text));
                reader.note(&BAD_METRIC, node.at, message, hint);
                None
            }
        }
    }
}

impl Merge for SelectorText {}

/// What [`Selector::parse`] accepts, as a regular expression for the JSON Schema.
fn selector_pattern() -> String {
    let value = r#"("([^"\\]|\\.)*"|'([^'\\]|\\.)*')"#;
    let label = format!(r"[A-Za-z_][A-Za-z0-9_]*\s*!?=\s*{value}");
    let labels = format!(r"\{{\s*({label}(\s*,\s*{label})*\s*,?)?\s*\}}");
    format!(r"^\s*[A-Za-z_:][A-Za-z0-9_:]*\s*({labels})?\s*$")
}

schema!(
    SelectorText,
    json_schema!({ "title": "metric", "type": "string", "pattern": selector_pattern() })
);

/// What Prometheus is asked.
#[derive(Clone, Debug)]
pub(super) struct QueryText(pub(super) Query);

impl Read for QueryText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `'avg(load{instance=~\"$INSTANCES\"})'`";
        let text = reader.text(node, "a query", FORM)?;
        match Query::parse(text) {
            Ok(query) => Some(Self(query)),
            Err(why) => {
                let hint = match &why {
                    BadQuery::UnknownVariable(name) => suggest::hint(name, Query::VARIABLES),
                    BadQuery::Empty | BadQuery::TooLong => FORM.to_owned(),
                };
                let message = format!("this is not a query: {why}");
                reader.note(&BAD_QUERY, node.at, message, hint);
                None
            }
        }
    }
}

impl Merge for QueryText {}

schema!(
    QueryText,
    json_schema!({ "title": "query", "type": "string", "pattern": r"\S" })
);

/// The address of an HTTP server, without a slash at the end.
#[derive(Clone, Debug)]
pub(super) struct Url(pub(super) String);

pub(super) const URL_PATTERN: &str = r"^http://[^\s/?#@]+(/[^\s?#@]*)?$";

impl Read for Url {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `http://127.0.0.1:9090`";
        let text = reader.text(node, "an address", FORM)?;
        let plain = text.strip_prefix("http://");
        if plain.is_some_and(is_server) {
            return Some(Self(text.trim_end_matches('/').to_owned()));
        }
        let hint = if text.starts_with("https://") {
            "only http is spoken here: have a proxy on this machine speak TLS for it"
        } else if text.contains('@') {
            "credentials never stand here: name a file with `token_file`"
        } else if text.contains(['?', '#']) {
            "take out what begins with `?` or `#`"
        } else {
            FORM
        };
        // What was written may hold a password: it is not repeated.
        let message = "this is not an address of Prometheus";
        reader.note(&BAD_URL, node.at, message, hint);
        None
    }
}

impl Merge for Url {}

schema!(
    Url,
    json_schema!({ "title": "http address", "type": "string", "pattern": URL_PATTERN })
);

/// Whether a text is a host, a port where there is one, and a path.
fn is_server(text: &str) -> bool {
    let (authority, path) = text.split_once('/').unwrap_or((text, ""));
    let path_fits =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '.' | '_' | '~' | '%');
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port != 0);
    let (host, port_fits) = match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => (host, is_port(port)),
        _ => (authority, true),
    };
    let host_fits = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            !host.is_empty() && host.chars().all(fits)
        }
    };
    text.len() <= 1024 && host_fits && port_fits && path.chars().all(path_fits)
}

impl Words for Fold {
    const ALL: &'static [(&'static str, Self)] = &[
        ("max", Self::Max),
        ("min", Self::Min),
        ("sum", Self::Sum),
        ("mean", Self::Mean),
    ];
}

impl Words for Worse {
    const ALL: &'static [(&'static str, Self)] = &[("more", Self::More), ("less", Self::Less)];
}

impl Words for Measured {
    const ALL: &'static [(&'static str, Self)] = &[("memory", Self::Memory), ("cpu", Self::Cpu)];
}

/// Returns the word for one of a few values.
pub(super) fn word<W: Words + PartialEq>(of: W) -> &'static str {
    let mut known = W::ALL.iter();
    known
        .find(|(_, value)| *value == of)
        .map_or("", |(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_is_one() {
        for (text, is) in [
            ("127.0.0.1:9090", true),
            ("prometheus", true),
            ("prometheus.example/base/path", true),
            ("[::1]:9090", true),
            ("[::1]", true),
            ("", false),
            (":9090", false),
            ("a:0", false),
            ("a:99999", false),
            ("[::1", false),
            ("[x]:1", false),
            ("user:secret@a", false),
            ("a b", false),
            ("a/b?c", false),
            ("a/b#c", false),
            ("a\r\nHost: b", false),
        ] {
            assert_eq!(is_server(text), is, "{text}");
        }
    }
}
