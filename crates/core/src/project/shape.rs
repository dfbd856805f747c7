//! What values can be put together from: mappings with names as keys, lists, and short forms.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::codes::TOO_LARGE;
use super::problem::{Span, quoted};
use super::read::{Located, Merge, Read, Reader, Setting};
use super::yaml::{Key, Node, Value};

/// A mapping whose keys are chosen by the person who writes it, with at most `MOST` entries.
#[derive(Clone, Debug)]
pub(super) struct Map<K, T, const MOST: usize> {
    pub(super) entries: Vec<(Located<String>, Setting<T>)>,
    /// How many entries are not here because their keys cannot be used.
    dropped: usize,
    kind: std::marker::PhantomData<K>,
}

/// What the keys of a [`Map`] can be.
pub(super) trait MapKey: Clone {
    /// What the whole mapping is, for messages.
    const WHAT: &'static str;
    /// A regular expression that all keys match.
    const PATTERN: &'static str;
    /// Keys that match but cannot be used.
    const TAKEN: &'static [&'static str] = &[];
    /// Notes it if a key cannot be used, and returns whether it can.
    fn check(key: &Key, reader: &mut Reader) -> bool;
}

impl<K, T, const MOST: usize> Default for Map<K, T, MOST> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            dropped: 0,
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

    /// Whether nothing was written, not even something that cannot be used.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.dropped == 0
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
            } else {
                map.dropped += 1;
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
        let mut names = serde_json::json!({ "pattern": K::PATTERN });
        if !K::TAKEN.is_empty() {
            names = serde_json::json!({ "pattern": K::PATTERN, "not": { "enum": K::TAKEN } });
        }
        schemars::json_schema!({
            "type": "object",
            "propertyNames": names,
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
            let hint = match &node.value {
                Value::Scalar { text, .. } => format!("write {}", quoted(&format!("[{text}]"))),
                Value::Null | Value::Refused | Value::List(_) | Value::Map(_) => {
                    "write it between `[` and `]`, or in lines with `- `".to_owned()
                }
            };
            reader.wrong_type(node, "a list", hint);
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

/// Gives a mapping a short form, which is the value of one of its keys; with its JSON Schema.
macro_rules! short_form {
    ($type:ident { $key:ident }, $schema:expr) => {
        impl $crate::project::shape::ShortForm for $type {
            fn read_short(
                node: &$crate::project::yaml::Node,
                reader: &mut $crate::project::read::Reader,
            ) -> Option<Self> {
                let value = $crate::project::read::Read::read(node, reader)?;
                Some(Self {
                    $key: $crate::project::read::Setting::Given(value),
                    ..Self::default()
                })
            }

            fn short_schema() -> schemars::Schema {
                $schema
            }
        }
    };
}
pub(super) use short_form;

impl<T: ShortForm> Read for Short<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.value {
            Value::Map(_) => T::read(node, reader),
            Value::Null | Value::Refused | Value::Scalar { .. } | Value::List(_) => {
                T::read_short(node, reader)
            }
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
