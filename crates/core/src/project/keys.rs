//! Mappings with fixed keys: one list of keys from which everything else follows.

use super::codes::{CONTRADICTION, UNKNOWN_KEY, UNSUPPORTED};
use super::problem::{Span, quoted};
use super::read::{Read, Reader, Setting};
use super::suggest;
use super::yaml::{Key, Node, Value};

/// Returns a key as it is written: one that is a word of Rust is escaped in the code.
pub(super) fn name(key: &'static str) -> &'static str {
    key.strip_prefix("r#").unwrap_or(key)
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
                reader.note(&UNSUPPORTED, key.at, message, hint);
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
                let mut entries = $crate::project::keys::Entries::of(node, $what, reader)?;
                let value = Self {
                    $($key: entries.take($crate::project::keys::name(stringify!($key)), reader),)+
                };
                $(entries.at_most_one(
                    &[$((
                        stringify!($alternative),
                        value.$alternative.is_present(),
                    )),+],
                    reader,
                );)?
                entries.finish(reader);
                $($check(&value, node.at, reader);)?
                Some(value)
            }

            fn of_nothing() -> Option<Self> {
                let empty: &[$crate::project::keys::Emptiness] =
                    &[$($crate::project::keys::Emptiness::$empty)?];
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
