//! Numbers in JSON, by path.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::error::{ReadError, Wrong};
use super::json;
use super::limits::Limits;
use crate::facts::{Says, bounded};
use crate::kind::ReportKind;

/// How many numbers one report may have that are all taken.
const NUMBERS_MOST: usize = 1000;

/// How long a name may be.
const NAME_MOST: usize = 200;

/// Where a number stands: a JSON Pointer such as `/sizes/0/kb` if it begins with `/`, and otherwise a
/// dotted path such as `sizes.0.kb`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NumberPath {
    written: String,
    parts: Vec<String>,
}

impl NumberPath {
    /// Reads a path; `None` if it is empty, too long, or a JSON Pointer with a `~` that means nothing.
    pub fn of(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > 1000 {
            return None;
        }
        let parts = match text.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(unescaped).collect::<Option<_>>()?,
            None => text.split('.').map(str::to_owned).collect(),
        };
        Some(Self {
            written: text.to_owned(),
            parts,
        })
    }

    fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.parts
            .iter()
            .try_fold(value, |value, part| match value {
                Value::Object(object) => object.get(part),
                Value::Array(list) => list.get(part.parse::<usize>().ok()?),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
            })
    }
}

impl fmt::Display for NumberPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// Reads `~1` as `/` and `~0` as `~`.
fn unescaped(part: &str) -> Option<String> {
    let rest = part.replace("~1", "").replace("~0", "");
    (!rest.contains('~')).then(|| part.replace("~1", "/").replace("~0", "~"))
}

/// Reads single numbers of a JSON document, each under a name of the caller's choice.
///
/// # Errors
///
/// What is wrong with the document, or which of the paths leads to no number.
pub fn numbers(
    bytes: &[u8],
    limits: &Limits,
    wanted: &BTreeMap<String, NumberPath>,
) -> Result<Says, ReadError> {
    let read = || {
        let value: Value = json::document(limits.text(bytes)?, limits)?;
        let mut numbers = BTreeMap::new();
        for (name, path) in wanted {
            let found = path.find(&value);
            let Some(number) = found.and_then(Value::as_f64) else {
                let path = bounded(&path.written, 200);
                let what = match found {
                    Some(_) => format!("something else than a number at `{path}`"),
                    None => format!("nothing at `{path}`"),
                };
                return Err(ReadError::new(Wrong::OtherKind(what)));
            };
            numbers.insert(name.clone(), number);
        }
        Ok(Says {
            numbers,
            ..Says::default()
        })
    };
    read().map_err(|error: ReadError| error.of(ReportKind::Numbers, bytes))
}

/// Takes every number by its dotted path.
pub(super) fn read(text: &str, limits: &Limits) -> Result<Says, ReadError> {
    let value: Value = json::document(text, limits)?;
    let mut numbers = BTreeMap::new();
    let mut waiting = vec![(String::new(), &value)];
    while let Some((path, value)) = waiting.pop() {
        let below = |part: &str| match path.as_str() {
            "" => part.to_owned(),
            path => format!("{path}.{part}"),
        };
        match value {
            Value::Number(number) => {
                let fits = path.len() <= NAME_MOST && path == bounded(&path, NAME_MOST);
                if let Some(number) = number.as_f64().filter(|_| fits && !path.is_empty()) {
                    numbers.insert(path, number);
                }
                if numbers.len() > NUMBERS_MOST {
                    let (what, most) = ("numbers", NUMBERS_MOST);
                    return Err(ReadError::new(Wrong::TooMany { what, most }));
                }
            }
            // A path that is too long leads to no name that fits.
            Value::Object(_) | Value::Array(_) if path.len() > NAME_MOST => {}
            Value::Object(object) => {
                waiting.extend(object.iter().map(|(key, value)| (below(key), value)));
            }
            Value::Array(list) => {
                let items = list.iter().enumerate();
                waiting.extend(items.map(|(at, value)| (below(&at.to_string()), value)));
            }
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }
    if numbers.is_empty() {
        return Err(ReadError::new(Wrong::OtherKind(
            "no number in it".to_owned(),
        )));
    }
    Ok(Says {
        numbers,
        ..Says::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_path() {
        let text = br#"{"a": {"b.c": 1, "d/e": [2, {"f": 3.5}]}, "g~h": -4, "s": "5"}"#;
        for (path, found) in [
            ("/a/b.c", Ok(1.0)),
            ("/a/d~1e/0", Ok(2.0)),
            ("a.d/e.1.f", Ok(3.5)),
            ("/g~0h", Ok(-4.0)),
            ("a.b.c", Err("nothing at `a.b.c`")),
            ("s", Err("something else than a number at `s`")),
            ("a", Err("something else than a number at `a`")),
        ] {
            let path = NumberPath::of(path).unwrap();
            let wanted = BTreeMap::from([("n".to_owned(), path.clone())]);
            let told = numbers(text, &Limits::default(), &wanted);
            let told = told.map(|says| says.numbers["n"]);
            let told = told.map_err(|error| error.to_string());
            let found = found.map_err(|what| {
                format!("failed to read the report as JSON with numbers: it has {what}")
            });
            assert_eq!(told, found, "{path}");
        }
        for text in ["", "/a~2"] {
            assert_eq!(NumberPath::of(text), None, "{text}");
        }
    }
}
