//! The single values of a project file: how each is written, its bounds, its JSON Schema.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::codes::{
    BAD_ADDRESS, BAD_DURATION, BAD_NAME, BAD_SHARE, BAD_SIZE, BAD_VARIABLE, BAD_WEIGHT, BAD_WORD,
    Code, OUT_OF_RANGE, RESERVED_NAME,
};
use super::problem::{Span, quoted};
use super::read::{Located, Merge, Read, Reader};
use super::shape::MapKey;
use super::yaml::{Key, Node, Value};
use super::{suggest, units};
use crate::id::is_name;
use crate::spec::{BaselineKind, OnInconclusive, Protocol};
use crate::weight::Weight;

const NAME_PATTERN: &str = "^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$";
const NAME_HINT: &str =
    "use 1 to 40 of a-z, 0-9 and -, beginning with a letter and not ending with -";

/// Gives a value its JSON Schema, described in place wherever it is used.
macro_rules! schema {
    (for<$(const $bound:ident: $number:ty),+> $type:ty, $schema:expr) => {
        schema!(@ [<$(const $bound: $number),+>] $type, $schema);
    };
    (@ [$($generic:tt)*] $type:ty, $schema:expr) => {
        impl$($generic)* JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
    ($type:ty, $schema:expr) => {
        schema!(@ [] $type, $schema);
    };
}
pub(super) use schema;

/// Notes it if a value lies outside its bounds, which come as text.
fn in_range(
    inside: bool,
    at: Span,
    text: &str,
    bounds: (&str, &str),
    reader: &mut Reader,
) -> Option<()> {
    if !inside {
        let message = format!("{} is out of range", quoted(text));
        let hint = format!("choose one from {} to {}", bounds.0, bounds.1);
        reader.note(&OUT_OF_RANGE, at, message, hint);
    }
    inside.then_some(())
}

/// The name of something.
#[derive(Clone, Debug)]
pub(super) struct Name(pub(super) Located<String>);

impl Read for Name {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = reader.text(node, "a name", NAME_HINT)?;
        usable_name(text, node.at, reader).then(|| {
            Self(Located {
                value: text.to_owned(),
                at: node.at,
            })
        })
    }
}

impl Merge for Name {}

schema!(
    Name,
    json_schema!({ "title": "name", "type": "string", "pattern": NAME_PATTERN })
);

fn usable_name(text: &str, at: Span, reader: &mut Reader) -> bool {
    let usable = is_name(text);
    if !usable {
        reader.note(
            &BAD_NAME,
            at,
            format!("{} is not usable as a name", quoted(text)),
            NAME_HINT,
        );
    }
    usable
}

/// The keys of a mapping are names.
#[derive(Clone, Debug)]
pub(super) struct NameKey;

impl MapKey for NameKey {
    const WHAT: &'static str = "a mapping of names";
    const PATTERN: &'static str = NAME_PATTERN;

    fn check(key: &Key, reader: &mut Reader) -> bool {
        usable_name(&key.text, key.at, reader)
    }
}

/// The keys of a mapping are environment variables.
#[derive(Clone, Debug)]
pub(super) struct VariableKey;

impl MapKey for VariableKey {
    const WHAT: &'static str = "a mapping of environment variables";
    const TAKEN: &'static [&'static str] = &["PORT"];
    const PATTERN: &'static str = "^[A-Za-z_][A-Za-z0-9_]{0,199}$";

    fn check(key: &Key, reader: &mut Reader) -> bool {
        let text = key.text.as_str();
        if text == "PORT" {
            let message = "`PORT` is set by Leadsman, a different one for each instance";
            let hint = "take it out, and have the service listen on $PORT";
            reader.note(&RESERVED_NAME, key.at, message, hint);
            return false;
        }
        let usable = !text.starts_with(|c: char| c.is_ascii_digit())
            && (1..=200).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !usable {
            let message = format!("{} cannot be an environment variable", quoted(text));
            let hint = "use letters, digits and _, and no digit at the beginning";
            reader.note(&BAD_VARIABLE, key.at, message, hint);
        }
        usable
    }
}

/// The value of an environment variable: any scalar, exactly as it is written.
#[derive(Clone, Debug)]
pub(super) struct VariableText(pub(super) String);

impl Read for VariableText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = reader.scalar(
            node,
            "text",
            "put lists and mappings into one text in quotes",
        )?;
        if text.contains('\0') {
            let message = "an environment variable cannot hold a NUL character";
            reader.note(&BAD_VARIABLE, node.at, message, "take it out");
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

impl Merge for VariableText {}

schema!(
    VariableText,
    json_schema!({ "title": "text", "type": ["string", "number", "boolean"] })
);

/// A duration from `MIN` to `MAX` milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time<const MIN: u64, const MAX: u64>(pub(super) Duration);

impl<const MIN: u64, const MAX: u64> Read for Time<MIN, MAX> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `500ms`, `30s`, `5m`, `1h30m` or `7d`";
        let text = reader.scalar(node, "a duration", FORM)?;
        let value = parsed(
            units::parse_duration(text),
            &BAD_DURATION,
            "a duration",
            node,
            reader,
        )?;
        let [least, most] = [MIN, MAX].map(Duration::from_millis);
        let bounds = (&*units::duration(least), &*units::duration(most));
        in_range(
            (least..=most).contains(&value),
            node.at,
            text,
            bounds,
            reader,
        )?;
        Some(Self(value))
    }
}

impl<const MIN: u64, const MAX: u64> Merge for Time<MIN, MAX> {}

schema!(
    for<const MIN: u64, const MAX: u64> Time<MIN, MAX>,
    json_schema!({
        "title": format!(
            "duration, {} to {}",
            units::duration(Duration::from_millis(MIN)),
            units::duration(Duration::from_millis(MAX)),
        ),
        "type": "string",
        "pattern": units::DURATION_PATTERN,
    })
);

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole<const MIN: u64, const MAX: u64>(pub(super) u64);

impl<const MIN: u64, const MAX: u64> Read for Whole<MIN, MAX> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const WHAT: &str = "a whole number";
        let (text, plain) = match &node.value {
            Value::Scalar { text, plain } => (text, *plain),
            Value::Null | Value::Refused | Value::List(_) | Value::Map(_) => {
                reader.wrong_type(node, WHAT, format!("write a number from {MIN} to {MAX}"));
                return None;
            }
        };
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
            reader.wrong_type(node, WHAT, format!("write a number from {MIN} to {MAX}"));
            return None;
        }
        if !plain {
            reader.wrong_type(node, WHAT, "write it without quotes");
            return None;
        }
        let value = text
            .parse()
            .ok()
            .filter(|value| (MIN..=MAX).contains(value));
        let bounds = (&*MIN.to_string(), &*MAX.to_string());
        in_range(value.is_some(), node.at, text, bounds, reader)?;
        value.map(Self)
    }
}

impl<const MIN: u64, const MAX: u64> Merge for Whole<MIN, MAX> {}

schema!(
    for<const MIN: u64, const MAX: u64> Whole<MIN, MAX>,
    json_schema!({
        "title": format!("number, {MIN} to {MAX}"),
        "type": "integer",
        "minimum": MIN,
        "maximum": MAX,
    })
);

/// A share from 0 to `MOST` percent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share<const MOST: u32>(pub(super) f64);

impl<const MOST: u32> Read for Share<MOST> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = reader.scalar(node, "a share", "write it like `5%` or `0.5%`")?;
        let value = parsed(
            units::parse_share(text),
            &BAD_SHARE,
            "a share",
            node,
            reader,
        )?;
        let bounds = ("0%", &*format!("{MOST}%"));
        in_range(
            value <= f64::from(MOST) / 100.0,
            node.at,
            text,
            bounds,
            reader,
        )?;
        Some(Self(value))
    }
}

impl<const MOST: u32> Merge for Share<MOST> {}

schema!(
    for<const MOST: u32> Share<MOST>,
    json_schema!({
        "title": format!("share, 0% to {MOST}%"),
        "type": "string",
        "pattern": units::SHARE_PATTERN,
    })
);

/// Returns a share as a weight, if it is one of at least `least` hundredths of a percent, exactly.
pub(super) fn hundredths(share: f64, least: u16) -> Option<Weight> {
    let number = share * 10_000.0;
    let whole = number.round();
    let exact = (number - whole).abs() < 1e-6;
    if !exact || !(f64::from(least)..=10_000.0).contains(&whole) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it was just found to lie between 0 and 10 000"
    )]
    Some(Weight::from_hundredths(whole as u16))
}

/// The weight of a step: from 0.01 % to 100 %.
#[derive(Clone, Debug)]
pub(super) struct StepWeight(pub(super) Located<Weight>);

impl Read for StepWeight {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = reader.scalar(node, "a weight", "write it like `5%`, or `{ weight: 5% }`")?;
        let share = parsed(
            units::parse_share(text),
            &BAD_SHARE,
            "a weight",
            node,
            reader,
        )?;
        let Some(value) = hundredths(share, 1) else {
            let message = format!("{} is not a weight for a step", quoted(text));
            let hint = "choose one from `0.01%` to `100%`, in hundredths of a percent";
            reader.note(&BAD_WEIGHT, node.at, message, hint);
            return None;
        };
        Some(Self(Located { value, at: node.at }))
    }
}

impl Merge for StepWeight {}

schema!(
    StepWeight,
    json_schema!({ "title": "share, 0.01% to 100%", "type": "string", "pattern": units::SHARE_PATTERN })
);

/// A number of bytes from 1 MiB to 64 TiB.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory(pub(super) u64);

impl Read for Memory {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = reader.scalar(node, "a size", "write it like `512MiB` or `1.5GiB`")?;
        let value = parsed(units::parse_size(text), &BAD_SIZE, "a size", node, reader)?;
        let inside = (1 << 20..=64 << 40).contains(&value);
        in_range(inside, node.at, text, ("1MiB", "64TiB"), reader)?;
        Some(Self(value))
    }
}

impl Merge for Memory {}

schema!(
    Memory,
    json_schema!({ "title": "size, 1MiB to 64TiB", "type": "string", "pattern": units::SIZE_PATTERN })
);

fn parsed<T>(
    result: Result<T, String>,
    code: &'static Code,
    what: &str,
    node: &Node,
    reader: &mut Reader,
) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(hint) => {
            reader.note(
                code,
                node.at,
                format!("{} is not {what}", node.kind()),
                hint,
            );
            None
        }
    }
}

/// An address that an environment listens on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listen(pub(super) SocketAddr);

impl Read for Listen {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `127.0.0.1:8080`";
        let text = reader.scalar(node, "an address", FORM)?;
        match text.parse::<SocketAddr>() {
            Ok(address) if address.port() != 0 => Some(Self(address)),
            _ => {
                let port = text
                    .rsplit(':')
                    .next()
                    .and_then(|port| port.parse::<u16>().ok());
                let hint = match port.filter(|port| *port != 0) {
                    Some(port) => format!(
                        "write `127.0.0.1:{port}` for this machine alone, `0.0.0.0:{port}` for all"
                    ),
                    None => format!("{FORM}, with a port from 1 to 65535"),
                };
                let message = format!("{} is not an address to listen on", quoted(text));
                reader.note(&BAD_ADDRESS, node.at, message, hint);
                None
            }
        }
    }
}

impl Merge for Listen {}

schema!(
    Listen,
    json_schema!({ "title": "address", "type": "string", "pattern": r"^[0-9a-fA-F.:\[\]%]+:[0-9]{1,5}$" })
);

/// One of a few words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<W>(pub(super) W);

/// The words that are possible somewhere.
pub(super) trait Words: Copy + 'static {
    const ALL: &'static [(&'static str, Self)];
}

impl<W: Words> Read for Word<W> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let known = || W::ALL.iter().map(|(word, _)| *word);
        let text = reader.scalar(node, "a word", &suggest::hint("", known()))?;
        let found = W::ALL
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| Self(*value));
        if found.is_none() {
            let message = format!("{} means nothing here", quoted(text));
            let plain = text.strip_prefix("SIG").unwrap_or(text);
            reader.note(&BAD_WORD, node.at, message, suggest::hint(plain, known()));
        }
        found
    }
}

impl<W> Merge for Word<W> {}

impl<W: Words> JsonSchema for Word<W> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Word".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // To YAML, `true` is not a word but a truth.
        let value = |word: &str| {
            if word == "true" {
                json!(true)
            } else {
                json!(word)
            }
        };
        let words: Vec<_> = W::ALL.iter().map(|(word, _)| value(word)).collect();
        json_schema!({ "enum": words })
    }
}

/// A signal that asks a process to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signal(pub(super) &'static str);

impl Words for Signal {
    const ALL: &'static [(&'static str, Self)] = &[
        ("TERM", Self("TERM")),
        ("INT", Self("INT")),
        ("QUIT", Self("QUIT")),
        ("HUP", Self("HUP")),
        ("USR1", Self("USR1")),
        ("USR2", Self("USR2")),
    ];
}

impl Words for Protocol {
    const ALL: &'static [(&'static str, Self)] = &[
        ("http1", Self::Http1),
        ("http2", Self::Http2),
        // What gRPC is spoken over.
        ("grpc", Self::Http2),
    ];
}

impl Words for OnInconclusive {
    const ALL: &'static [(&'static str, Self)] = &[
        ("hold", Self::Hold),
        ("rollback", Self::Rollback),
        ("advance", Self::Advance),
    ];
}

impl Words for BaselineKind {
    const ALL: &'static [(&'static str, Self)] =
        &[("stable", Self::Stable), ("fresh", Self::Fresh)];
}

/// The word `true`.
#[derive(Clone, Copy, Debug)]
pub(super) struct True;

impl Words for True {
    const ALL: &'static [(&'static str, Self)] = &[("true", Self)];
}
