//! Texts in which `${name}` stands for a value of the data.

use std::fmt;
use std::str::FromStr;

/// A text with places for values. `$${` stands for `${` itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(String),
}

impl FromStr for Template {
    type Err = String;

    /// Reads a template. The error says how to mend it.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, after) = (&rest[..at], &rest[at + 2..]);
            if let Some(before) = before.strip_suffix('$') {
                plain.push_str(before);
                plain.push_str("${");
                rest = after;
                continue;
            }
            plain.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                return Err("a `${` has no `}`: write `$${` where no value is meant".to_owned());
            };
            let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
            if name.is_empty() || !name.chars().all(fits) {
                return Err(format!(
                    "`${{{name}}}` is no name of a value: write `$${{` where none is meant"
                ));
            }
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Value(name.to_owned()));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => f.write_str(&text.replace("${", "$${"))?,
                Part::Value(name) => write!(f, "${{{name}}}")?,
            }
        }
        Ok(())
    }
}

impl Template {
    /// Returns a template without places for values.
    pub fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        let parts = if text.is_empty() {
            Vec::new()
        } else {
            vec![Part::Text(text)]
        };
        Self { parts }
    }

    /// Says whether nothing stands in it.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Returns the names of the values that it has places for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// Returns what stands between the values.
    pub(crate) fn literals(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Value(_) => None,
        })
    }

    /// Says whether it begins with this character, or with a value, which may.
    pub(crate) fn starts_with(&self, character: char) -> bool {
        match self.parts.first() {
            Some(Part::Text(text)) => text.starts_with(character),
            Some(Part::Value(_)) => true,
            None => false,
        }
    }

    /// Returns the text with the values that `value` has for the names, each put there by `put`.
    pub(crate) fn fill<'v>(
        &self,
        value: impl Fn(&str) -> &'v str,
        put: impl Fn(&mut String, &str),
    ) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Value(name) => put(&mut text, value(name)),
            }
        }
        text
    }
}

/// Puts a value into a path or a query: whatever would end the one or part the other is written
/// as `%41`. A `/` stays, so that a value can be a whole path.
pub(crate) fn into_path(text: &mut String, value: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// Puts a value where it stands for itself.
pub(crate) fn as_it_is(text: &mut String, value: &str) {
    text.push_str(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_where_their_names_stand() {
        let value = |name: &str| match name {
            "id" => "7",
            "name" => "a b&c/d",
            _ => "?",
        };
        for (template, filled) in [
            ("/", "/"),
            ("/p/${id}", "/p/7"),
            ("/p/${id}?q=${name}#", "/p/7?q=a%20b%26c/d#"),
            ("$${id}${id}", "${id}7"),
            ("a$b}{", "a$b}{"),
            ("", ""),
        ] {
            let read: Template = template.parse().unwrap();
            assert_eq!(read.fill(value, into_path), filled, "{template}");
            assert_eq!(read.to_string(), template);
        }
    }

    #[test]
    fn what_is_no_template_says_what_to_write() {
        for (text, hint) in [
            ("/${id", "a `${` has no `}`"),
            ("/${}", "`${}` is no name of a value"),
            ("/${a b}", "`${a b}` is no name of a value"),
        ] {
            let error = text.parse::<Template>().unwrap_err();
            assert!(error.starts_with(hint), "{text}: {error}");
        }
    }
}
