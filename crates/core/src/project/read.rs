//! From a tree of nodes to typed values, noticing every problem on the way.
//!
//! A value that cannot be read is noted and passed over as [`Setting::Broken`]; the reading goes
//! on, and what follows from a broken value is not reported a second time.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::codes::{Code, WRONG_TYPE};
use super::problem::{Finding, Span, quoted};
use super::yaml::{Node, Value};

/// Collects what is wrong, and knows where in the file the reading is.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) findings: Vec<Finding>,
    path: Vec<String>,
}

impl Reader {
    /// Notes a problem.
    pub(super) fn note(
        &mut self,
        code: &'static Code,
        at: Span,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.findings.push(Finding::new(code, at, message, hint));
    }

    /// Notes that a value is of the wrong kind.
    pub(super) fn wrong_type(&mut self, node: &Node, expected: &str, hint: impl Into<String>) {
        if matches!(node.value, Value::Refused) {
            return;
        }
        let message = format!("{expected} is expected, and there is {}", node.kind());
        self.note(&WRONG_TYPE, node.at, message, hint);
    }

    /// Returns the text of a scalar as it was written, of whatever type it looks.
    pub(super) fn scalar<'n>(&mut self, node: &'n Node, what: &str, form: &str) -> Option<&'n str> {
        if let Value::Scalar { text, .. } = &node.value {
            return Some(text);
        }
        self.wrong_type(node, what, form);
        None
    }

    /// Returns text, and refuses what other readers of YAML would take for a number or a truth.
    pub(super) fn text<'n>(&mut self, node: &'n Node, what: &str, form: &str) -> Option<&'n str> {
        match &node.value {
            Value::Scalar { text, plain: true } if looks_typed(text) => {
                self.wrong_type(node, what, format!("put it in quotes: `\"{text}\"`"));
                None
            }
            Value::Null
            | Value::Refused
            | Value::Scalar { .. }
            | Value::List(_)
            | Value::Map(_) => self.scalar(node, what, form),
        }
    }

    /// Returns where the reading is, for a message.
    pub(super) fn place(&self) -> String {
        if self.path.is_empty() {
            "at the top level".to_owned()
        } else {
            format!("in {}", quoted(&self.path.join(".")))
        }
    }

    /// Reads something that stands below a key.
    pub(super) fn within<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(key.to_owned());
        let value = read(self);
        self.path.pop();
        value
    }
}

/// Whether plain text is a number or a truth to YAML.
pub(super) fn looks_typed(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    matches!(
        text.as_str(),
        "true" | "false" | ".inf" | ".nan" | "-.inf" | "+.inf"
    ) || number && (text.parse::<f64>().is_ok() || is_based_number(&text))
}

fn is_based_number(text: &str) -> bool {
    let digits = |prefix, radix| {
        text.strip_prefix(prefix).is_some_and(|digits: &str| {
            !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix))
        })
    };
    digits("0x", 16) || digits("0o", 8)
}

/// What can be read from a node.
pub(super) trait Read: Sized {
    /// Reads it, or notes why not.
    fn read(node: &Node, reader: &mut Reader) -> Option<Self>;

    /// What a key means that is there without a value; `None` takes out what a lower layer said.
    fn of_nothing() -> Option<Self> {
        None
    }
}

/// How two layers come together, such as a service and what an environment changes of it.
pub(super) trait Merge: Sized {
    /// Lays `upper` over `self`. What is not made of keys is replaced.
    #[must_use]
    fn under(self, upper: Self) -> Self {
        upper
    }
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) at: Span,
}

/// The value of a key, as far as one is known.
#[derive(Clone, Debug, Default)]
pub(super) enum Setting<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// The key is there with `null`: what a lower layer says does not count.
    Removed,
    /// The key is there, but its value cannot be used.
    Broken,
    /// The key has this value.
    Given(T),
}

impl<T: Read> Setting<T> {
    pub(super) fn read(node: &Node, reader: &mut Reader) -> Self {
        let value = if matches!(node.value, Value::Null) {
            match T::of_nothing() {
                None => return Self::Removed,
                some => some,
            }
        } else {
            T::read(node, reader)
        };
        value.map_or(Self::Broken, Self::Given)
    }
}

impl<T> Setting<T> {
    pub(super) fn get(&self) -> Option<&T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Removed | Self::Broken => None,
        }
    }

    /// Whether nothing was said, not even something that cannot be used.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Absent | Self::Removed)
    }

    /// Whether the key has a value, if only one that cannot be used.
    pub(super) fn is_present(&self) -> bool {
        matches!(self, Self::Broken | Self::Given(_))
    }
}

impl<T: Merge> Merge for Setting<T> {
    fn under(self, upper: Self) -> Self {
        match (self, upper) {
            (lower, Self::Absent) => lower,
            (Self::Given(lower), Self::Given(upper)) => Self::Given(lower.under(upper)),
            (_, upper) => upper,
        }
    }
}

impl<T: JsonSchema> JsonSchema for Setting<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }
}
