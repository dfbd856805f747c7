//! Writes what Prometheus reads (text format, version 0.0.4).

use std::fmt::{Display, Write as _};

/// The type of the text.
pub(crate) const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A family of metrics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// What it says, in one line.
    pub(crate) help: &'static str,
}

/// What the values of a family are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// What is so at this moment.
    Gauge,
    /// What only grows.
    Counter,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
        }
    }
}

/// The labels of a series, as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels(String);

impl Labels {
    /// Returns these labels, in this order.
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        Self::default().and(pairs)
    }

    /// Returns these labels with more behind them.
    pub(crate) fn and(&self, pairs: &[(&str, &str)]) -> Self {
        let mut text = self.0.clone();
        for (name, value) in pairs {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(name);
            text.push_str("=\"");
            escape(value, &mut text);
            text.push('"');
        }
        Self(text)
    }
}

/// Appends a text as it stands between quotes.
fn escape(text: &str, into: &mut String) {
    for letter in text.chars() {
        match letter {
            '\\' => into.push_str("\\\\"),
            '"' => into.push_str("\\\""),
            '\n' => into.push_str("\\n"),
            other => into.push(other),
        }
    }
}

/// The text, as far as it is written.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    /// The family that is being written.
    family: &'static str,
}

impl Page {
    /// Begins a family. Each may begin once only.
    pub(crate) fn family(&mut self, family: Family) -> &mut Self {
        let Family { name, kind, help } = family;
        self.family = name;
        let kind = kind.as_str();
        // To a text nothing can fail.
        write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n").ok();
        self
    }

    /// Adds a series to it.
    pub(crate) fn one(&mut self, labels: &Labels, value: impl Display) {
        let (name, Labels(labels)) = (self.family, labels);
        let written = if labels.is_empty() {
            writeln!(self.text, "{name} {value}")
        } else {
            writeln!(self.text, "{name}{{{labels}}} {value}")
        };
        written.ok();
    }

    /// Adds a series for each of `all`: 1 for the one that `is` so, and 0 for the others.
    pub(crate) fn which(&mut self, labels: &Labels, label: &str, all: &[&str], is: &str) {
        for one in all {
            self.one(&labels.and(&[(label, one)]), u8::from(*one == is));
        }
    }

    /// Returns the text.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// Returns milliseconds in seconds.
pub(crate) fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: Family = Family {
        name: "up",
        kind: Kind::Gauge,
        help: "Whether it is up.",
    };

    #[test]
    fn values_of_labels_end_where_they_should() {
        for (value, written) in [
            ("web", r#"a="web""#),
            ("", r#"a="""#),
            ("a\"b", r#"a="a\"b""#),
            (r"a\", r#"a="a\\""#),
            ("a\nb", r#"a="a\nb""#),
            ("a} 1\nup 2", r#"a="a} 1\nup 2""#),
            ("ä\t{}", "a=\"ä\t{}\""),
        ] {
            assert_eq!(Labels::of(&[("a", value)]).0, written, "{value:?}");
        }
    }

    #[test]
    fn series_are_written_in_the_order_in_which_they_come() {
        let mut page = Page::default();
        let shop = Labels::of(&[("application", "shop")]);
        page.family(UP).one(&Labels::default(), 1);
        page.family(Family {
            name: "asked_total",
            kind: Kind::Counter,
            help: "How often it was asked.",
        });
        page.one(&shop, seconds(1500));
        page.which(&shop, "state", &["a", "b"], "b");
        assert_eq!(
            page.into_text(),
            "# HELP up Whether it is up.\n# TYPE up gauge\nup 1\n\
             # HELP asked_total How often it was asked.\n# TYPE asked_total counter\n\
             asked_total{application=\"shop\"} 1.5\n\
             asked_total{application=\"shop\",state=\"a\"} 0\n\
             asked_total{application=\"shop\",state=\"b\"} 1\n"
        );
    }
}
