//! From a tree of nodes to typed values, noticing every problem on the way.
//!
//! A value that cannot be read is noted and passed over as [`Setting::Broken`]; the reading goes
//! on, and what follows from a broken value is not reported a second time.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::codes::{CONTRADICTION, Code, TOO_LARGE, UNKNOWN_KEY, WRONG_TYPE};
use super::problem::{Finding, Span, quoted};
use super::suggest;
use super::yaml::{Key, Node, Value};

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
            Value::Null | Value::Scalar { .. } | Value::List(_) | Value::Map(_) => {
                self.scalar(node, what, form)
            }
        }
    }

    fn place(&self) -> String {
        if self.path.is_empty() {
            "at the top level".to_owned()
        } else {
            format!("in {}", quoted(&self.path.join(".")))
        }
    }

    fn within<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
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

    fn is_present(&self) -> bool {
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

/// The entries of a mapping while its keys are asked for one by one.
pub(super) struct Entries<'n> {
    pub(super) at: Span,
    what: &'static str,
    entries: Vec<Option<&'n (Key, Node)>>,
    asked: Vec<&'static str>,
}

impl<'n> Entries<'n> {
    pub(super) fn of(node: &'n Node, what: &'static str, reader: &mut Reader) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            reader.wrong_type(node, what, "write keys below it, or between `{` and `}`");
            return None;
        };
        let entries = entries.iter().map(Some).collect();
        Some(Self {
            at: node.at,
            what,
            entries,
            asked: Vec::new(),
        })
    }

    /// Reads the value of a key.
    pub(super) fn take<T: Read>(&mut self, key: &'static str, reader: &mut Reader) -> Setting<T> {
        self.asked.push(key);
        let entry = self
            .entries
            .iter_mut()
            .find(|e| e.is_some_and(|(k, _)| k.text == key));
        match entry.and_then(Option::take) {
            None => Setting::Absent,
            Some((_, node)) => reader.within(key, |reader| Setting::read(node, reader)),
        }
    }

    /// Notes the keys that nobody asked for.
    pub(super) fn finish(self, reader: &mut Reader) {
        for (key, _) in self.entries.into_iter().flatten() {
            let place = reader.place();
            if key.text == "<<" {
                let hint = "write the keys out; what services share stands at the top level";
                let message = "a merge key cannot be used in a project file";
                reader.note(&super::codes::UNSUPPORTED, key.at, message, hint);
            } else if !key.text.is_empty() {
                let message = format!("unknown key {} {place}", quoted(&key.text));
                let hint = suggest::hint(&key.text, self.asked.iter().copied());
                reader.note(&UNKNOWN_KEY, key.at, message, hint);
            }
        }
    }

    /// Notes it if more than one of some keys is there.
    pub(super) fn at_most_one(&self, present: &[(&'static str, bool)], reader: &mut Reader) {
        let present: Vec<_> = present
            .iter()
            .filter(|(_, is)| *is)
            .map(|(key, _)| format!("`{key}`"))
            .collect();
        if present.len() > 1 {
            let message = format!(
                "{} has {}, which exclude each other",
                self.what,
                present.join(" and ")
            );
            reader.note(
                &CONTRADICTION,
                self.at,
                message,
                "keep the one that is meant",
            );
        }
    }
}

/// Whether a setting takes part in the question which of several alternatives is meant.
pub(super) fn is_present<T>(setting: &Setting<T>) -> bool {
    setting.is_present()
}

/// What `null` in the place of a mapping says about each of its keys.
#[derive(Clone, Copy)]
pub(super) enum Emptiness {
    /// Nothing.
    Left,
    /// That what a lower layer says does not count.
    Taken,
}

impl Emptiness {
    pub(super) fn of_each_key<T: Read>(self) -> Setting<T> {
        match self {
            Self::Left => Setting::Absent,
            Self::Taken => T::of_nothing().map_or(Setting::Removed, Setting::Given),
        }
    }
}

/// Defines a mapping with fixed keys: the type, how it is read, how one is laid over another and
/// its JSON Schema, all from one list of keys.
///
/// Of the keys in `one_of` only one may be given; an upper layer that gives one of them takes the
/// others out of the lower one. `empty` says what it means if the mapping is `null`: that its keys
/// are [`Emptiness::Left`] out or [`Emptiness::Taken`] out; without it, the whole is taken out.
macro_rules! keys {
    (
        $(#[$meta:meta])*
        struct $name:ident($what:literal) {
            $($(#[$key_meta:meta])* $key:ident: $type:ty,)+
        }
        $(one_of: $($alternative:ident),+;)?
        $(empty: $empty:ident;)?
        $(check: $check:path;)?
    ) => {
        #[derive(Clone, Debug, Default, schemars::JsonSchema)]
        #[schemars(default, deny_unknown_fields)]
        $(#[$meta])*
        pub(super) struct $name {
            $($(#[$key_meta])* pub(super) $key: $crate::project::read::Setting<$type>,)+
        }

        impl $crate::project::read::Read for $name {
            fn read(
                node: &$crate::project::yaml::Node,
                reader: &mut $crate::project::read::Reader,
            ) -> Option<Self> {
                let mut entries = $crate::project::read::Entries::of(node, $what, reader)?;
                let value = Self { $($key: entries.take(stringify!($key), reader),)+ };
                $(entries.at_most_one(
                    &[$((
                        stringify!($alternative),
                        $crate::project::read::is_present(&value.$alternative),
                    )),+],
                    reader,
                );)?
                entries.finish(reader);
                $($check(&value, node.at, reader);)?
                Some(value)
            }

            fn of_nothing() -> Option<Self> {
                let empty: &[$crate::project::read::Emptiness] =
                    &[$($crate::project::read::Emptiness::$empty)?];
                empty.first().map(|empty| Self { $($key: empty.of_each_key(),)+ })
            }
        }

        impl $crate::project::read::Merge for $name {
            fn under(self, upper: Self) -> Self {
                let lower = self;
                $(let replaced = $(!matches!(
                    upper.$alternative,
                    $crate::project::read::Setting::Absent
                ))||+;
                let lower = if replaced {
                    Self { $($alternative: $crate::project::read::Setting::Absent,)+ ..lower }
                } else {
                    lower
                };)?
                Self { $($key: lower.$key.under(upper.$key),)+ }
            }
        }
    };
}
pub(super) use keys;

/// A mapping whose keys are chosen by the person who writes it, with at most `MOST` entries.
#[derive(Clone, Debug)]
pub(super) struct Map<K, T, const MOST: usize> {
    pub(super) entries: Vec<(Located<String>, Setting<T>)>,
    kind: std::marker::PhantomData<K>,
}

/// What the keys of a [`Map`] can be.
pub(super) trait MapKey: Clone {
    /// What the whole mapping is, for messages.
    const WHAT: &'static str;
    /// A regular expression that all keys match.
    const PATTERN: &'static str;
    /// Notes it if a key cannot be used, and returns whether it can.
    fn check(key: &Key, reader: &mut Reader) -> bool;
}

impl<K, T, const MOST: usize> Default for Map<K, T, MOST> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            kind: std::marker::PhantomData,
        }
    }
}

impl<K, T, const MOST: usize> Map<K, T, MOST> {
    pub(super) fn get(&self, key: &str) -> Option<&Setting<T>> {
        self.entries
            .iter()
            .find(|(known, _)| known.value == key)
            .map(|(_, setting)| setting)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> + Clone {
        self.entries.iter().map(|(key, _)| key.value.as_str())
    }
}

impl<K: MapKey, T: Read, const MOST: usize> Read for Map<K, T, MOST> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            reader.wrong_type(node, K::WHAT, "write names below it, each followed by `:`");
            return None;
        };
        if !few_enough(node, entries.len(), MOST, reader) {
            return None;
        }
        let mut map = Self::default();
        for (key, node) in entries {
            let usable = K::check(key, reader);
            let value = reader.within(&key.text, |reader| Setting::read(node, reader));
            if usable {
                map.entries.push((
                    Located {
                        value: key.text.clone(),
                        at: key.at,
                    },
                    value,
                ));
            }
        }
        Some(map)
    }
}

impl<K, T: Merge, const MOST: usize> Merge for Map<K, T, MOST> {
    fn under(mut self, upper: Self) -> Self {
        for (key, upper) in upper.entries {
            match self
                .entries
                .iter_mut()
                .find(|(known, _)| known.value == key.value)
            {
                None => self.entries.push((key, upper)),
                Some((at, lower)) => {
                    *lower = std::mem::take(lower).under(upper);
                    *at = key;
                }
            }
        }
        self
    }
}

impl<K: MapKey, T: JsonSchema, const MOST: usize> JsonSchema for Map<K, T, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("MapOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "object",
            "propertyNames": { "pattern": K::PATTERN },
            "additionalProperties": generator.subschema_for::<Option<T>>(),
            "maxProperties": MOST,
        })
    }
}

/// A list of at most `MOST` entries.
#[derive(Clone, Debug)]
pub(super) struct List<T, const MOST: usize> {
    pub(super) at: Span,
    pub(super) items: Vec<T>,
}

impl<T: Read, const MOST: usize> Read for List<T, MOST> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::List(nodes) = &node.value else {
            reader.wrong_type(
                node,
                "a list",
                "write it between `[` and `]`, or in lines with `- `",
            );
            return None;
        };
        if !few_enough(node, nodes.len(), MOST, reader) {
            return None;
        }
        let items: Vec<T> = nodes
            .iter()
            .filter_map(|node| T::read(node, reader))
            .collect();
        (items.len() == nodes.len()).then_some(Self { at: node.at, items })
    }
}

impl<T, const MOST: usize> Merge for List<T, MOST> {}

impl<T: JsonSchema, const MOST: usize> JsonSchema for List<T, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("ListOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "array",
            "items": generator.subschema_for::<T>(),
            "maxItems": MOST,
        })
    }
}

fn few_enough(node: &Node, count: usize, most: usize, reader: &mut Reader) -> bool {
    if count > most {
        let message = format!("{count} entries are too many here");
        reader.note(&TOO_LARGE, node.at, message, format!("{most} is the most"));
    }
    count <= most
}

/// A mapping that also has a short form.
#[derive(Clone, Debug)]
pub(super) struct Short<T>(pub(super) T);

/// What a mapping looks like in short.
pub(super) trait ShortForm: Read {
    /// Reads the short form from a node that is not a mapping, or notes why not.
    fn read_short(node: &Node, reader: &mut Reader) -> Option<Self>;
    /// Describes the short form.
    fn short_schema() -> Schema;
}

impl<T: ShortForm> Read for Short<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.value {
            Value::Map(_) => T::read(node, reader),
            Value::Null | Value::Scalar { .. } | Value::List(_) => T::read_short(node, reader),
        }
        .map(Self)
    }
}

impl<T: Merge> Merge for Short<T> {
    fn under(self, upper: Self) -> Self {
        Self(self.0.under(upper.0))
    }
}

impl<T: ShortForm + JsonSchema> JsonSchema for Short<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Short{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "anyOf": [T::short_schema(), generator.subschema_for::<T>()],
        })
    }
}
