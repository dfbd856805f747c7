//! The values that gates are made of, and how each is written.

use std::borrow::Cow;

use leadsman_gates::{Day, Severity, check_rule};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::codes::{BAD_DATE, BAD_NAME, BAD_RULE, BAD_WORD};
use super::problem::{Span, quoted};
use super::read::{Merge, Read, Reader};
use super::shape::{Map, MapKey};
use super::suggest;
use super::units;
use super::values::{NameKey, Share, Words, schema};
use super::yaml::{Key, Node, Value};

/// The keys of `numbers`: names as reports have them.
#[derive(Clone, Debug)]
pub(super) struct FactKey;

impl MapKey for FactKey {
    const WHAT: &'static str = "a mapping of numbers";
    const PATTERN: &'static str = "^[A-Za-z0-9_][A-Za-z0-9_./-]{0,99}$";

    fn check(key: &Key, reader: &mut Reader) -> bool {
        let text = key.text.as_str();
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-');
        let usable = (1..=100).contains(&text.len())
            && text.chars().all(fits)
            && !text.starts_with(['.', '/', '-']);
        if !usable {
            let message = format!("{} is not usable as the name of a number", quoted(text));
            let hint =
                "use 1 to 100 of letters, digits, `_`, `.`, `/` and `-`, such as `bundle.kb`";
            reader.note(&BAD_NAME, key.at, message, hint);
        }
        usable
    }
}

/// How much coverage there must be: of all, or of groups by name.
#[derive(Clone, Debug)]
pub(super) enum CoverageForm {
    All(f64),
    Groups(Map<NameKey, Share<100>, 50>),
}

impl Read for CoverageForm {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Map(_) => Map::read(node, reader).map(Self::Groups),
            Value::Null | Value::Refused | Value::Scalar { .. } | Value::List(_) => {
                Share::<100>::read(node, reader).map(|share| Self::All(share.0))
            }
        }
    }
}

impl Merge for CoverageForm {
    fn under(self, upper: Self) -> Self {
        match (self, upper) {
            (Self::Groups(lower), Self::Groups(upper)) => Self::Groups(lower.under(upper)),
            (_, upper) => upper,
        }
    }
}

impl JsonSchema for CoverageForm {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "CoverageForm".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "title": "share", "type": "string", "pattern": units::SHARE_PATTERN },
                generator.subschema_for::<Map<NameKey, Share<100>, 50>>(),
            ],
        })
    }
}

/// That all tests have to pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass;

impl Words for Pass {
    const ALL: &'static [(&'static str, Self)] = &[("pass", Self)];
}

impl Words for Severity {
    const ALL: &'static [(&'static str, Self)] = &[
        ("critical", Self::Critical),
        ("high", Self::High),
        ("medium", Self::Medium),
        ("low", Self::Low),
        ("any", Self::Unknown),
    ];
}

/// A day, such as `2026-12-31`.
#[derive(Clone, Copy, Debug)]
pub(super) struct DayText(pub(super) Day);

impl Read for DayText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `2026-12-31`";
        let text = reader.scalar(node, "a day", FORM)?;
        let day = Day::parse(text);
        if day.is_none() {
            let message = format!("{} is not a day", quoted(text));
            reader.note(&BAD_DATE, node.at, message, FORM);
        }
        day.map(Self)
    }
}

impl Merge for DayText {}

schema!(
    DayText,
    json_schema!({ "title": "day", "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" })
);

/// One line that is not empty, for people or as a name that others gave.
#[derive(Clone, Debug)]
pub(super) struct Line(pub(super) String);

impl Read for Line {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it in one line of at most 300 characters";
        let text = reader.scalar(node, "a line of text", FORM)?.trim();
        let usable = (1..=300).contains(&text.chars().count()) && !text.contains(char::is_control);
        if !usable {
            let message = format!("{} is not a line of text", quoted(text));
            reader.note(&BAD_WORD, node.at, message, FORM);
        }
        usable.then(|| Self(text.to_owned()))
    }
}

impl Merge for Line {}

schema!(
    Line,
    json_schema!({ "title": "text", "type": ["string", "number"] })
);

/// A rule that can be evaluated.
#[derive(Clone, Debug)]
pub(super) struct RuleText(pub(super) String);

impl Read for RuleText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `\"numbers.bundle_kb <= 250\"`";
        let text = reader.scalar(node, "a rule", FORM)?;
        let problems = check_rule(text);
        for problem in &problems {
            let hint = match &problem.unknown {
                Some((name, known)) => suggest::hint(name, known.iter().map(String::as_str)),
                None if problem.hint.is_empty() => {
                    "the guide on gates lists what a rule can say".to_owned()
                }
                None => problem.hint.clone(),
            };
            let at = within(node.at, text, &problem.at);
            let message = printable(&problem.message);
            reader.note(&BAD_RULE, at, message, hint);
        }
        problems.is_empty().then(|| Self(text.to_owned()))
    }
}

impl Merge for RuleText {}

schema!(
    RuleText,
    json_schema!({ "title": "rule", "type": ["string", "boolean"] })
);

/// Returns where a part of text stands in the file. Where it is written with escapes or in several
/// lines, that is the whole of it.
fn within(node: Span, text: &str, part: &std::ops::Range<usize>) -> Span {
    let start = match (node.end - node.start).checked_sub(text.len()) {
        Some(0) => node.start,
        Some(2) => node.start + 1,
        Some(_) | None => return node,
    };
    Span {
        start: start + part.start,
        end: start + part.end,
    }
}

/// Returns a message without what a terminal would obey: it repeats what was written.
fn printable(message: &str) -> String {
    message.replace(char::is_control, "\u{fffd}")
}
