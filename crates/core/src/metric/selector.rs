//! Which series of a metric are meant: `jobs_waiting{queue="mail",state!="dead"}`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest selector, in bytes.
const BYTES_MAX: usize = 1000;

/// A metric's name, and what its labels must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    /// The metric's name.
    pub name: String,
    /// What must hold of the labels. Those that are not named may have any value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
}

/// What must hold of one label. A label that a series does not have is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The label's name.
    pub name: String,
    /// The value that it must have, or must not have.
    pub value: String,
    /// Whether it must have it.
    pub is: bool,
}

/// A text that is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSelector {
    /// It does not begin with a name.
    #[error("it does not begin with the name of a metric")]
    Name,
    /// What comes behind the name is no list of labels.
    #[error("`{0}` is not understood")]
    Labels(String),
    /// It has a regular expression.
    #[error("regular expressions are not matched here")]
    Pattern,
    /// It is too long.
    #[error("it is longer than {BYTES_MAX} bytes")]
    TooLong,
}

impl Selector {
    /// Reads a selector such as `jobs_waiting{queue="mail"}`.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, BadSelector> {
        if text.len() > BYTES_MAX {
            return Err(BadSelector::TooLong);
        }
        let (name, rest) = split_name(text.trim(), true).ok_or(BadSelector::Name)?;
        let rest = rest.trim_start();
        let labels = if rest.is_empty() {
            Vec::new()
        } else {
            labels(rest)?
        };
        Ok(Self {
            name: name.to_owned(),
            labels,
        })
    }

    /// Whether a series with these labels is meant.
    pub fn matches(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        let fits = |label: &Label| {
            let value = labels.get(&label.name).map_or("", String::as_str);
            (value == label.value) == label.is
        };
        name == self.name && self.labels.iter().all(fits)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.labels.is_empty() {
            return Ok(());
        }
        f.write_str("{")?;
        for (index, Label { name, value, is }) in self.labels.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let sign = if *is { "=" } else { "!=" };
            let value = value
                .replace('\\', r"\\")
                .replace('"', "\\\"")
                .replace('\n', r"\n");
            write!(f, "{comma}{name}{sign}\"{value}\"")?;
        }
        f.write_str("}")
    }
}

fn labels(text: &str) -> Result<Vec<Label>, BadSelector> {
    let wrong = |rest: &str| BadSelector::Labels(rest.chars().take(40).collect());
    let mut rest = text.strip_prefix('{').ok_or_else(|| wrong(text))?;
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return if after.is_empty() {
                Ok(labels)
            } else {
                Err(wrong(after))
            };
        }
        let (name, after) = split_name(rest, false).ok_or_else(|| wrong(rest))?;
        let after = after.trim_start();
        if after.starts_with("=~") || after.starts_with("!~") {
            return Err(BadSelector::Pattern);
        }
        let (is, after) = match (after.strip_prefix('='), after.strip_prefix("!=")) {
            (Some(after), _) => (true, after),
            (None, Some(after)) => (false, after),
            (None, None) => return Err(wrong(after)),
        };
        let (value, after) = quoted(after.trim_start()).ok_or_else(|| wrong(after))?;
        labels.push(Label {
            name: name.to_owned(),
            value,
            is,
        });
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(after) => after,
            None if after.starts_with('}') => after,
            None => return Err(wrong(after)),
        };
    }
}

/// Splits off a name; only that of a metric may have colons.
fn split_name(text: &str, colons: bool) -> Option<(&str, &str)> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || colons && c == ':';
    let end = text.find(|c| !fits(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let usable = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
    usable.then_some((name, rest))
}

/// Splits off a value in quotes, single or double.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut characters = text.char_indices();
    let (_, quote) = characters.next().filter(|(_, c)| matches!(c, '"' | '\''))?;
    let mut value = String::new();
    while let Some((at, c)) = characters.next() {
        match c {
            c if c == quote => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                c @ ('\\' | '"' | '\'') => value.push(c),
                _ => return None,
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read_and_written() {
        for (text, written) in [
            ("up", "up"),
            (" job:errors:rate5m ", "job:errors:rate5m"),
            ("up{}", "up"),
            ("up { a = \"b\" , c != 'd' , }", "up{a=\"b\",c!=\"d\"}"),
            (r#"up{a="\"\\\n'"}"#, r#"up{a="\"\\\n'"}"#),
            ("up{a=\"ü{},\"}", "up{a=\"ü{},\"}"),
        ] {
            let selector = Selector::parse(text).unwrap();
            assert_eq!(selector.to_string(), written);
            assert_eq!(Selector::parse(written), Ok(selector), "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        let labels = |rest: &str| BadSelector::Labels(rest.to_owned());
        for (text, why) in [
            ("", BadSelector::Name),
            ("9up", BadSelector::Name),
            ("{a=\"b\"}", BadSelector::Name),
            ("sum(up)", labels("(up)")),
            ("up{a=~\"b.*\"}", BadSelector::Pattern),
            ("up{a!~\"b.*\"}", BadSelector::Pattern),
            ("up{a=b}", labels("b}")),
            ("up{a=\"b}", labels("\"b}")),
            ("up{a=\"b\" c=\"d\"}", labels("c=\"d\"}")),
            ("up{a:b=\"c\"}", labels(":b=\"c\"}")),
            ("up{a=\"b\"", labels("")),
            ("up{a=\"b\"}[5m]", labels("[5m]")),
            ("up{a=\"\\x\"}", labels("\"\\x\"}")),
            (&"x".repeat(BYTES_MAX + 1), BadSelector::TooLong),
        ] {
            assert_eq!(Selector::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_series_matches_by_its_name_and_labels() {
        let series = BTreeMap::from([("queue".to_owned(), "mail".to_owned())]);
        for (selector, matches) in [
            ("jobs", true),
            ("job", false),
            ("jobs{queue=\"mail\"}", true),
            ("jobs{queue=\"print\"}", false),
            ("jobs{queue!=\"print\"}", true),
            ("jobs{queue!=\"mail\"}", false),
            ("jobs{state=\"\"}", true),
            ("jobs{state!=\"\"}", false),
            ("jobs{queue=\"mail\",state=\"dead\"}", false),
        ] {
            let selector = Selector::parse(selector).unwrap();
            assert_eq!(selector.matches("jobs", &series), matches, "{selector}");
        }
    }
}
