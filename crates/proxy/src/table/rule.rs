//! Which requests a rule is for.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;

use http::{HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};

use super::{Limits, Listener};

/// Sends requests to a service. Of the rules that are for a request the most specific one counts,
/// whatever their order: one with a host before one without; then the longer path; then one with
/// methods; then the one with more conditions; then the one with more values in them.
///
/// Two rules that are equal in all of this and could both be for one request are a fault of the
/// table: there is no telling which of them is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The host name without port, compared without regard to case; `None` is any host.
    #[serde(default)]
    pub host: Option<String>,
    /// The path or a prefix of it that ends on a segment border: `/a` is for `/a` and `/a/b`, not
    /// for `/ab`. Begins with `/`.
    pub path: String,
    /// Only requests with one of these methods, in capitals; empty for every method.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Only requests that meet all of these conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<Condition>,
    /// The name of a service of the same listener.
    pub service: String,
    /// What its requests may be, and how many of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
}

/// Something that a request says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// In a header; of several of the same name the first one counts.
    Header(Named),
    /// In a cookie; of several of the same name the first one counts.
    Cookie(Named),
}

/// A header or a cookie.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Named {
    /// Its name; that of a header is compared without regard to case.
    pub name: String,
    /// Its exact value; `None` is any value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl Rule {
    /// Returns how specific it is: the larger one counts.
    pub(crate) fn rank(&self) -> impl Ord + use<> {
        let values = self.when.iter().filter(|c| c.named().value.is_some());
        (
            self.host.is_some(),
            self.prefix().len(),
            !self.methods.is_empty(),
            self.when.len(),
            values.count(),
        )
    }

    /// Returns the path without a slash at its end; empty for all paths.
    pub(crate) fn prefix(&self) -> &str {
        self.path.trim_end_matches('/')
    }

    /// Returns a number that tells it from the other rules of all listeners, as long as this program
    /// runs.
    pub(crate) fn identity(&self, listener: SocketAddr) -> u64 {
        let Self {
            host,
            path,
            methods,
            when,
            service: _,
            limits: _,
        } = self;
        let mut hasher = DefaultHasher::new();
        (listener, host, path, methods, when).hash(&mut hasher);
        hasher.finish()
    }

    /// Whether a request could be meant by both, with nothing to say which of them is.
    pub(crate) fn conflicts_with(&self, other: &Self) -> bool {
        let host = |rule: &Self| rule.host.as_ref().map(|host| host.to_ascii_lowercase());
        let shares_methods =
            self.methods.is_empty() || self.methods.iter().any(|m| other.methods.contains(m));
        let excluded = self
            .when
            .iter()
            .any(|mine| other.when.iter().any(|theirs| mine.excludes(theirs)));
        self.rank() == other.rank()
            && host(self) == host(other)
            && self.prefix() == other.prefix()
            && shares_methods
            && !excluded
    }

    /// Returns what is wrong with it as a rule of `listener`.
    pub(super) fn fault(&self, listener: &Listener) -> Option<String> {
        let Self {
            host,
            path,
            methods,
            when,
            service,
            limits,
        } = self;
        if !listener.services.contains_key(service) {
            return Some(format!(
                "the rule for `{path}` names a service `{service}` that is not there"
            ));
        }
        if !is_path(path) || path.contains(['?', '#']) {
            return Some(format!(
                "the path `{path}` of a rule has to begin with `/`, without query or space"
            ));
        }
        if let Some(host) = host.as_ref().filter(|host| !is_host(host)) {
            return Some(format!(
                "the host `{host}` of a rule has to be a name without port"
            ));
        }
        if let Some(method) = methods.iter().find(|method| !is_method(method)) {
            return Some(format!("`{method}` in a rule for `{path}` is no method"));
        }
        let of_limits = || limits.as_ref().and_then(Limits::fault);
        let fault = when.iter().find_map(Condition::fault).or_else(of_limits);
        fault.map(|fault| format!("a rule for `{path}`: {fault}"))
    }
}

impl Condition {
    pub(crate) fn named(&self) -> &Named {
        match self {
            Self::Header(named) | Self::Cookie(named) => named,
        }
    }

    /// Whether no request can meet both.
    fn excludes(&self, other: &Self) -> bool {
        let same_name = match (self, other) {
            (Self::Header(mine), Self::Header(theirs)) => {
                mine.name.eq_ignore_ascii_case(&theirs.name)
            }
            (Self::Cookie(mine), Self::Cookie(theirs)) => mine.name == theirs.name,
            (Self::Header(_), Self::Cookie(_)) | (Self::Cookie(_), Self::Header(_)) => false,
        };
        let values = self
            .named()
            .value
            .as_ref()
            .zip(other.named().value.as_ref());
        same_name && values.is_some_and(|(mine, theirs)| mine != theirs)
    }

    pub(super) fn fault(&self) -> Option<String> {
        let Named { name, value } = self.named();
        let fits = |value: &str| match self {
            Self::Header(_) => HeaderValue::from_str(value).is_ok() && value.trim() == value,
            Self::Cookie(_) => is_cookie_value(value),
        };
        let (what, named_well) = match self {
            Self::Header(_) => ("a header", is_header(name)),
            Self::Cookie(_) => ("a cookie", is_token(name)),
        };
        if !named_well {
            return Some(format!("`{name}` cannot be the name of {what}"));
        }
        let value = value.as_ref().filter(|value| !fits(value))?;
        Some(format!("`{value}` cannot be the value of {what}"))
    }
}

pub(super) fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic())
}

pub(super) fn is_method(method: &str) -> bool {
    Method::from_bytes(method.as_bytes()).is_ok() && method == method.to_ascii_uppercase()
}

pub(super) fn is_header(name: &str) -> bool {
    HeaderName::try_from(name).is_ok()
}

/// Whether it is a token (RFC 9110, 5.6.2), such as the name of a cookie.
pub(super) fn is_token(name: &str) -> bool {
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(of_token)
}

fn is_cookie_value(value: &str) -> bool {
    let of_value = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
    value.bytes().all(of_value)
}

fn is_host(host: &str) -> bool {
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    // An IPv6 address stands in brackets, as in a URL.
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(named),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> Rule {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn rules_conflict_where_nothing_says_which_is_meant() {
        let header = |name: &str, value: &str| {
            format!(r#"{{"header": {{"name": "{name}", "value": "{value}"}}}}"#)
        };
        let (beta, gamma) = (header("x-track", "beta"), header("X-Track", "gamma"));
        let any = r#"{"header": {"name": "x-track"}}"#;
        let cookie = r#"{"cookie": {"name": "track", "value": "beta"}}"#;
        let with = |when: &str| format!(r#""path": "/a", "when": [{when}]"#);
        let cases = [
            (
                r#""path": "/a""#.to_owned(),
                r#""path": "/a/""#.to_owned(),
                true,
            ),
            (
                r#""path": "/a""#.to_owned(),
                r#""path": "/b""#.to_owned(),
                false,
            ),
            (
                r#""host": "Shop", "path": "/""#.to_owned(),
                r#""host": "shop", "path": "/""#.to_owned(),
                true,
            ),
            (
                r#""methods": ["GET", "PUT"], "path": "/""#.to_owned(),
                r#""methods": ["PUT"], "path": "/""#.to_owned(),
                true,
            ),
            (
                r#""methods": ["GET"], "path": "/""#.to_owned(),
                r#""methods": ["PUT"], "path": "/""#.to_owned(),
                false,
            ),
            (
                r#""methods": ["GET"], "path": "/""#.to_owned(),
                r#""path": "/""#.to_owned(),
                false,
            ),
            (with(&beta), with(&gamma), false),
            (with(&beta), with(any), false),
            (with(&beta), with(cookie), true),
            (with(&beta), with(&format!("{cookie}, {any}")), false),
        ];
        for (one, other, conflict) in cases {
            let of = |keys: &str| rule(&format!(r#"{{{keys}, "service": "web"}}"#));
            let (first, second) = (of(&one), of(&other));
            assert_eq!(first.conflicts_with(&second), conflict, "{one} {other}");
            assert_eq!(second.conflicts_with(&first), conflict, "{other} {one}");
        }
    }

    #[test]
    fn conditions_that_cannot_be_met_are_faults() {
        for (condition, fault) in [
            (
                r#"{"header": {"name": "a b"}}"#,
                Some("`a b` cannot be the name of a header"),
            ),
            (
                r#"{"header": {"name": "x", "value": "a\nb"}}"#,
                Some("`a\nb` cannot be the value of a header"),
            ),
            (
                r#"{"cookie": {"name": "a=b"}}"#,
                Some("`a=b` cannot be the name of a cookie"),
            ),
            (
                r#"{"cookie": {"name": "a", "value": "b;c"}}"#,
                Some("`b;c` cannot be the value of a cookie"),
            ),
            (r#"{"header": {"name": "X-Track", "value": "a b"}}"#, None),
        ] {
            let condition: Condition = serde_json::from_str(condition).unwrap();
            assert_eq!(condition.fault().as_deref(), fault);
        }
    }
}
