//! JSON as reports need it: bounded before anything is built of it, and forgiving about what single
//! fields hold.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::error::{ReadError, Wrong};
use super::limits::Limits;

/// Reads a document.
pub(super) fn document<T: DeserializeOwned>(text: &str, limits: &Limits) -> Result<T, ReadError> {
    bound(text, limits)?;
    serde_json::from_str(text).map_err(|error| problem(text, &error))
}

/// Says what the parser did not like, and where.
pub(super) fn problem(text: &str, error: &serde_json::Error) -> ReadError {
    let lines = text.split_inclusive('\n').take(error.line().max(1) - 1);
    let start: usize = lines.map(str::len).sum();
    let at = start + error.column().saturating_sub(1);
    let told = error.to_string();
    let told = told
        .rsplit_once(" at line ")
        .map_or(&*told, |(told, _)| told);
    let wrong = match error.classify() {
        serde_json::error::Category::Eof => Wrong::CutOff("in the middle of a value".to_owned()),
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
            Wrong::Syntax(format!("it is not JSON: {told}"))
        }
        serde_json::error::Category::Data => Wrong::OtherKind(told.to_owned()),
    };
    ReadError::at(wrong, text.as_bytes(), at)
}

/// Refuses what is too deep or too full, without building anything of it. What is no JSON may pass:
/// that is found later.
fn bound(text: &str, limits: &Limits) -> Result<(), ReadError> {
    let bytes = text.as_bytes();
    let (mut depth, mut values) = (0_usize, 0_usize);
    let (mut quoted, mut escaped) = (false, false);
    for (at, &byte) in bytes.iter().enumerate() {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => {
                depth += 1;
                values += 1;
                if depth > limits.depth {
                    let most = limits.depth;
                    return Err(ReadError::at(Wrong::TooDeep { most }, bytes, at));
                }
                if values > limits.values {
                    let (what, most) = ("objects and lists", limits.values);
                    return Err(ReadError::at(Wrong::TooMany { what, most }, bytes, at));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// A field that is used if it is what is expected, and passed over if it is something else.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Scalar {
    /// Nothing that can be used: it is missing, or no scalar.
    #[default]
    Other,
    Bool(bool),
    Number(f64),
    Text(String),
}

impl Scalar {
    /// Returns the text of it; of what is no text, nothing.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Other | Self::Bool(_) | Self::Number(_) => "",
        }
    }

    /// Returns the number that it is, or that its text is.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
            Self::Other | Self::Bool(_) => None,
        }
    }

    /// Returns how many it says, if it is a number that is not below zero.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float saturates, and below zero was asked before"
    )]
    pub(super) fn count(&self) -> Option<u64> {
        self.number().filter(|n| *n >= 0.0).map(|n| n as u64)
    }

    /// Returns the flag that it is.
    pub(super) fn flag(&self) -> Option<bool> {
        match self {
            Self::Bool(flag) => Some(*flag),
            Self::Other | Self::Number(_) | Self::Text(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}

/// A list; what is none counts as an empty one.
#[derive(Clone, Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}

/// Takes whatever comes, and makes nothing of what is not for `T`.
struct Any<T>(PhantomData<T>);

/// What may come of each kind of value.
trait Taken<'de>: Default {
    fn scalar(_: Scalar) -> Self {
        Self::default()
    }

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

impl Taken<'_> for Scalar {
    fn scalar(scalar: Scalar) -> Self {
        scalar
    }
}

impl<'de, T: Deserialize<'de>> Taken<'de> for List<T> {
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut taken = Vec::new();
        while let Some(item) = list.next_element()? {
            taken.push(item);
        }
        Ok(Self(taken))
    }
}

impl<'de, T: Taken<'de>> Visitor<'de> for Any<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<T, E> {
        Ok(T::scalar(Scalar::Bool(value)))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "numbers of reports are far from where a float loses one"
    )]
    fn visit_i64<E>(self, value: i64) -> Result<T, E> {
        Ok(T::scalar(Scalar::Number(value as f64)))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "numbers of reports are far from where a float loses one"
    )]
    fn visit_u64<E>(self, value: u64) -> Result<T, E> {
        Ok(T::scalar(Scalar::Number(value as f64)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<T, E> {
        Ok(T::scalar(Scalar::Number(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<T, E> {
        Ok(T::scalar(Scalar::Text(value.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(T::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_forgiving() {
        #[derive(Deserialize)]
        struct Fields {
            #[serde(default)]
            scalar: Scalar,
            #[serde(default)]
            list: List<Scalar>,
        }
        for (text, scalar, items) in [
            ("{}", Scalar::Other, 0),
            (
                r#"{"scalar": "a", "list": [1, null, {}]}"#,
                Scalar::Text("a".to_owned()),
                3,
            ),
            (r#"{"scalar": {"a": [1]}, "list": null}"#, Scalar::Other, 0),
            (r#"{"scalar": [1], "list": {"a": 1}}"#, Scalar::Other, 0),
            (r#"{"scalar": -1, "list": "a"}"#, Scalar::Number(-1.0), 0),
            (r#"{"scalar": true}"#, Scalar::Bool(true), 0),
        ] {
            let fields: Fields = document(text, &Limits::default()).unwrap();
            assert_eq!(
                (fields.scalar, fields.list.0.len()),
                (scalar, items),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_too_much_is_refused_before_it_is_built() {
        let limits = Limits {
            depth: 3,
            values: 5,
            ..Limits::default()
        };
        for (text, error) in [
            (
                "[[[[]]]]",
                "it is nested more than 3 levels deep (line 1, column 4)",
            ),
            (
                "[[],[],[],\n[],[]]",
                "it has more than 5 objects and lists (line 2, column 4)",
            ),
            ("[\"[[[[[[[[\\\"[[[\"]", ""),
            (
                "{\"a\":",
                "it ends in the middle of a value: it was cut off (line 1, column 5)",
            ),
            (
                "{]",
                "it is not JSON: key must be a string (line 1, column 2)",
            ),
        ] {
            let told = document::<IgnoredAny>(text, &limits).map(|_| ());
            let told = told
                .map_err(|error| error.to_string())
                .err()
                .unwrap_or_default();
            let wanted = match error {
                "" => String::new(),
                error => format!("failed to read the report: {error}"),
            };
            assert_eq!(told, wanted, "{text}");
        }
    }
}
