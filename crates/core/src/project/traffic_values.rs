//! The values that say how requests are treated, and how each is written.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::codes::{BAD_CONDITION, BAD_HEADER, BAD_RATE, BAD_SHARE, BAD_SIZE, OUT_OF_RANGE};
use super::problem::{Span, quoted};
use super::read::{Merge, Read, Reader};
use super::shape::MapKey;
use super::units;
use super::values::{Words, hundredths, schema};
use super::yaml::{Key, Node};
use crate::traffic::Role;
use crate::weight::Weight;

/// The longest text that can be answered during maintenance, in bytes.
const ANSWER_MAX: usize = 64 * 1024;

/// A method of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method(pub(super) &'static str);

impl Words for Method {
    const ALL: &'static [(&'static str, Self)] = &[
        ("GET", Self("GET")),
        ("HEAD", Self("HEAD")),
        ("POST", Self("POST")),
        ("PUT", Self("PUT")),
        ("PATCH", Self("PATCH")),
        ("DELETE", Self("DELETE")),
        ("OPTIONS", Self("OPTIONS")),
        ("TRACE", Self("TRACE")),
    ];
}

impl Words for Role {
    const ALL: &'static [(&'static str, Self)] =
        &[("canary", Self::Canary), ("stable", Self::Stable)];
}

/// Whether it is a token (RFC 9110, 5.6.2): what headers, cookies and methods are named by.
pub(super) fn is_token(text: &str) -> bool {
    let of_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    (1..=200).contains(&text.len()) && text.chars().all(of_token)
}

const TOKEN_PATTERN: &str = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,200}$";

fn token<'n>(node: &'n Node, what: &str, like: &str, reader: &mut Reader) -> Option<&'n str> {
    let form = format!("write it like `{like}`");
    let text = reader.text(node, what, &form)?;
    if is_token(text) {
        return Some(text);
    }
    let message = format!("{} is not {what}", quoted(text));
    reader.note(&BAD_CONDITION, node.at, message, form);
    None
}

/// The name of a header, in lower case.
#[derive(Clone, Debug)]
pub(super) struct HeaderName(pub(super) String);

impl Read for HeaderName {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = token(node, "the name of a header", "x-user", reader)?;
        Some(Self(text.to_ascii_lowercase()))
    }
}

impl Merge for HeaderName {}

schema!(
    HeaderName,
    json_schema!({ "title": "name of a header", "type": "string", "pattern": TOKEN_PATTERN })
);

/// The name of a cookie; `None` for one that follows from the name of the service.
#[derive(Clone, Debug)]
pub(super) struct CookieName(pub(super) Option<String>);

impl Read for CookieName {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = token(node, "the name of a cookie", "shop-side", reader)?;
        Some(Self(Some(text.to_owned())))
    }
}

impl Merge for CookieName {}

schema!(
    CookieName,
    json_schema!({ "title": "name of a cookie", "type": "string", "pattern": TOKEN_PATTERN })
);

/// The keys of a mapping are the names of headers, or of cookies.
#[derive(Clone, Debug)]
pub(super) struct TokenKey;

impl MapKey for TokenKey {
    const WHAT: &'static str = "a mapping of names and values";
    const PATTERN: &'static str = TOKEN_PATTERN;

    fn check(key: &Key, reader: &mut Reader) -> bool {
        let usable = is_token(&key.text);
        if !usable {
            let message = format!(
                "{} is not the name of a header or cookie",
                quoted(&key.text)
            );
            reader.note(
                &BAD_CONDITION,
                key.at,
                message,
                "write it like `x-track: beta`",
            );
        }
        usable
    }
}

/// The value that a header or a cookie has to have; `None` for any. In a `COOKIE` less can stand.
#[derive(Clone, Debug)]
pub(super) struct Expected<const COOKIE: bool>(pub(super) Option<String>);

impl<const COOKIE: bool> Read for Expected<COOKIE> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it in quotes, or `\"*\"` for any";
        let text = reader.scalar(node, "a value", FORM)?;
        let (excluded, hint) = if COOKIE {
            let hint = "use visible characters of ASCII, without blanks, quotes, `,`, `;` and `\\`";
            (" \",;\\", hint)
        } else {
            (
                "",
                "use visible characters of ASCII, with no blank at either end",
            )
        };
        let is_visible = |c: char| c.is_ascii_graphic() || c == ' ';
        let usable = (1..=1000).contains(&text.len())
            && text.chars().all(|c| is_visible(c) && !excluded.contains(c))
            && text.trim() == text;
        if !usable {
            let message = format!("{} cannot be compared with", quoted(text));
            reader.note(&BAD_CONDITION, node.at, message, hint);
            return None;
        }
        Some(Self((text != "*").then(|| text.to_owned())))
    }
}

impl<const COOKIE: bool> Merge for Expected<COOKIE> {}

schema!(
    for<const COOKIE: bool> Expected<COOKIE>,
    json_schema!({ "title": "value, or `*` for any", "type": ["string", "number", "boolean"] })
);

/// A share of requests or instances in hundredths of a percent, at least `MIN` of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<const MIN: u16>(pub(super) Weight);

impl<const MIN: u16> Read for Part<MIN> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = reader.scalar(node, "a share", "write it like `5%` or `0.5%`")?;
        let share = match units::parse_share(text) {
            Ok(share) => share,
            Err(hint) => {
                let message = format!("{} is not a share", quoted(text));
                reader.note(&BAD_SHARE, node.at, message, hint);
                return None;
            }
        };
        let weight = hundredths(share, MIN);
        if weight.is_none() {
            let message = format!("{} is out of range", quoted(text));
            let least = units::weight(Weight::from_hundredths(MIN));
            let hint = format!("choose one from {least} to 100%, in hundredths of a percent");
            reader.note(&OUT_OF_RANGE, node.at, message, hint);
        }
        weight.map(Self)
    }
}

impl<const MIN: u16> Merge for Part<MIN> {}

schema!(
    for<const MIN: u16> Part<MIN>,
    json_schema!({
        "title": format!("share, {} to 100%", units::weight(Weight::from_hundredths(MIN))),
        "type": "string",
        "pattern": units::SHARE_PATTERN,
    })
);

/// The text that is answered during maintenance.
#[derive(Clone, Debug)]
pub(super) struct AnswerText(pub(super) String);

impl Read for AnswerText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = reader.scalar(node, "text", "put it in quotes, or in lines below `|`")?;
        if text.len() > ANSWER_MAX {
            let message = format!("{} bytes are too many to be answered", text.len());
            let hint = format!("{ANSWER_MAX} are the most; refer to pictures elsewhere");
            reader.note(&OUT_OF_RANGE, node.at, message, hint);
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

impl Merge for AnswerText {}

schema!(
    AnswerText,
    json_schema!({ "title": "text", "type": ["string", "number", "boolean"] })
);

/// What a body is, such as `text/html`.
#[derive(Clone, Debug)]
pub(super) struct MediaType(pub(super) String);

impl Read for MediaType {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `text/html; charset=utf-8`";
        let text = reader.text(node, "a media type", FORM)?;
        let (kind, parameters) = text.split_once(';').unwrap_or((text, ""));
        let named = kind.trim().split_once('/');
        let usable = named.is_some_and(|(one, other)| is_token(one) && is_token(other))
            && parameters.chars().all(|c| c.is_ascii_graphic() || c == ' ');
        if !usable {
            let message = format!("{} is not a media type", quoted(text));
            reader.note(&BAD_HEADER, node.at, message, FORM);
        }
        usable.then(|| Self(text.to_owned()))
    }
}

impl Merge for MediaType {}

schema!(
    MediaType,
    json_schema!({ "title": "media type", "type": "string", "pattern": r"^[^/;\s]+/[^/;\s]+(;.*)?$" })
);

/// A number of bytes from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<const MIN: u64, const MAX: u64>(pub(super) u64);

impl<const MIN: u64, const MAX: u64> Read for Bytes<MIN, MAX> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = reader.scalar(node, "a size", "write it like `8KiB` or `10MiB`")?;
        let size = match units::parse_size(text) {
            Ok(size) => size,
            Err(hint) => {
                let is_number = text.chars().all(|c| c.is_ascii_digit());
                let units = || format!("say in which unit, such as `{text}B` or `{text}KiB`");
                let hint = if is_number { units() } else { hint };
                let message = format!("{} is not a size", quoted(text));
                reader.note(&BAD_SIZE, node.at, message, hint);
                return None;
            }
        };
        if !(MIN..=MAX).contains(&size) {
            let message = format!("{} is out of range", quoted(text));
            let hint = format!(
                "choose one from {} to {}",
                units::size(MIN),
                units::size(MAX)
            );
            reader.note(&OUT_OF_RANGE, node.at, message, hint);
            return None;
        }
        Some(Self(size))
    }
}

impl<const MIN: u64, const MAX: u64> Merge for Bytes<MIN, MAX> {}

schema!(
    for<const MIN: u64, const MAX: u64> Bytes<MIN, MAX>,
    json_schema!({
        "title": format!("size, {} to {}", units::size(MIN), units::size(MAX)),
        "type": "string",
        "pattern": units::SIZE_PATTERN,
    })
);

/// So many in a second, a minute or an hour.
#[derive(Clone, Copy, Debug)]
pub(super) struct PerTime {
    pub(super) count: u32,
    pub(super) per: Duration,
    /// Where it stands.
    pub(super) at: Span,
}

const PER_TIME_UNITS: [(&str, u64); 3] = [("s", 1), ("m", 60), ("h", 3600)];
pub(super) const PER_TIME_PATTERN: &str = "^[1-9][0-9]{0,6} ?/ ?(s|m|h)$";
const PER_TIME_FORM: &str = "write it like `10/s`, `100/m` or `1000/h`";

impl PerTime {
    fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.split_once('/')?;
        let unit = unit.strip_prefix(' ').unwrap_or(unit);
        let (_, seconds) = PER_TIME_UNITS
            .into_iter()
            .find(|(known, _)| *known == unit)?;
        let count = count.strip_suffix(' ').unwrap_or(count);
        let is_number = (1..=7).contains(&count.len()) && !count.starts_with('0');
        let is_number = is_number && count.chars().all(|c| c.is_ascii_digit());
        Some(Self {
            count: count.parse().ok().filter(|_| is_number)?,
            per: Duration::from_secs(seconds),
            at: Span::default(),
        })
    }
}

/// Returns a rate as it is written in a project file, such as `10/s`.
pub(super) fn per_time(count: u32, per: Duration) -> String {
    let seconds = per.as_secs();
    let unit = PER_TIME_UNITS
        .into_iter()
        .find(|(_, known)| *known == seconds);
    format!("{count}/{}", unit.map_or("s", |(unit, _)| unit))
}

impl Read for PerTime {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = reader.scalar(node, "a rate", PER_TIME_FORM)?;
        let rate = Self::parse(text);
        if rate.is_none() {
            let message = format!("{} is not a rate", quoted(text));
            reader.note(&BAD_RATE, node.at, message, PER_TIME_FORM);
        }
        rate.map(|rate| Self {
            at: node.at,
            ..rate
        })
    }
}

impl Merge for PerTime {}

schema!(
    PerTime,
    json_schema!({ "title": "rate", "type": "string", "pattern": PER_TIME_PATTERN })
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_shown() {
        for (text, shown) in [
            ("10/s", Some("10/s")),
            ("100 / m", Some("100/m")),
            ("9999999/h", Some("9999999/h")),
            ("0/s", None),
            ("10", None),
            ("10/d", None),
            ("1.5/s", None),
            ("-1/s", None),
            ("10000000/s", None),
            ("010/s", None),
        ] {
            let read = PerTime::parse(text).map(|rate| per_time(rate.count, rate.per));
            assert_eq!(read.as_deref(), shown, "{text}");
        }
    }
}
