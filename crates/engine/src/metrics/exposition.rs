//! The text format in which services show metrics to Prometheus.
//!
//! Read line by line. What is malformed is an error, wherever it stands: a page that is not what
//! it should be (an error page, half an answer) must not look like one without the metric.

use std::collections::BTreeMap;

use leadsman_core::metric::Selector;

/// One series of a metric: its labels and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// A page that is not in the text format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not in the text format of Prometheus: `{text}`")]
pub(super) struct Malformed {
    line: usize,
    /// Its beginning.
    text: String,
}

/// Returns the series of a page that `selector` means, in its order.
pub(super) fn select(page: &str, selector: &Selector) -> Result<Vec<Series>, Malformed> {
    let mut found = Vec::new();
    for (index, line) in page.lines().enumerate() {
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (name, series) = sample(text).ok_or_else(|| Malformed {
            line: index + 1,
            text: printable(text),
        })?;
        if selector.matches(name, &series.labels) {
            found.push(series);
        }
    }
    Ok(found)
}

/// Writes the labels of a series as a person would: `{queue="mail"}`.
pub(super) fn labels(labels: &BTreeMap<String, String>) -> String {
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", printable(value)))
        .collect();
    format!("{{{}}}", labels.join(","))
}

/// Says which several series there are where one is wanted.
pub(super) fn several<'s>(
    all: impl ExactSizeIterator<Item = &'s BTreeMap<String, String>>,
) -> String {
    const NAMED: usize = 3;
    let count = all.len();
    let mut named: Vec<String> = all.take(NAMED).map(labels).collect();
    if count > NAMED {
        named.push(format!("{} more", count - NAMED));
    }
    format!("{count} series where one is wanted: {}", named.join(", "))
}

/// Returns the beginning of a text, without what a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    const LENGTH: usize = 80;
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut printable: String = text.chars().take(LENGTH).map(shown).collect();
    if text.chars().nth(LENGTH).is_some() {
        printable.push('…');
    }
    printable
}

/// Reads `name{label="value"} 1.5`, behind which there may be a moment and an example.
fn sample(text: &str) -> Option<(&str, Series)> {
    let (name, rest) = name(text, true)?;
    let rest = rest.trim_start();
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => label_list(inside)?,
        None => (BTreeMap::new(), rest),
    };
    let mut words = rest.split_ascii_whitespace();
    let value = words.next()?.parse().ok()?;
    let is_moment = |word: &str| word.parse::<f64>().is_ok();
    match (words.next(), words.next()) {
        (None, _) => {}
        (Some(word), next) if is_moment(word) => {
            if next.is_some_and(|next| !next.starts_with('#')) {
                return None;
            }
        }
        (Some(word), _) if word.starts_with('#') => {}
        (Some(_), _) => return None,
    }
    Some((name, Series { labels, value }))
}

/// Splits off a name; only that of a metric may have colons.
fn name(text: &str, colons: bool) -> Option<(&str, &str)> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || colons && c == ':';
    let end = text.find(|c| !fits(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let usable = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
    usable.then_some((name, rest))
}

/// Reads the labels up to the closing bracket.
fn label_list(text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = name(rest, false)?;
        let after = after.trim_start().strip_prefix('=')?;
        let (value, after) = quoted(after.trim_start())?;
        labels.insert(name.to_owned(), value);
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(after) => after.trim_start(),
            None if after.starts_with('}') => after,
            None => return None,
        };
    }
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut characters = inside.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, inside.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                c => value.push(c),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(page: &str, selector: &str) -> Result<Vec<f64>, Malformed> {
        let selector = Selector::parse(selector).unwrap();
        let series = select(page, &selector)?;
        Ok(series.into_iter().map(|series| series.value).collect())
    }

    const PAGE: &str = "\
# HELP jobs Jobs, \"waiting\" { and not.
# TYPE jobs gauge
jobs{queue=\"mail\"} 3
jobs{queue=\"print\",} 4 1700000000000

  jobs { queue = \"a\\\"b\\\\c\\nd\" , x=\"{}\" } 5e1
jobs_total 1027 # {trace_id=\"x\"} 0.5
job:rate5m -0.25 1700000000.5 # {trace_id=\"x\"} 0.5
broken_value NaN
infinite +Inf
";

    #[test]
    fn series_are_found_by_name_and_labels() {
        for (selector, found) in [
            ("jobs", &[3.0, 4.0, 50.0] as &[f64]),
            ("jobs{queue=\"mail\"}", &[3.0]),
            ("jobs{queue!=\"mail\"}", &[4.0, 50.0]),
            ("jobs{queue=\"a\\\"b\\\\c\\nd\"}", &[50.0]),
            ("jobs_total", &[1027.0]),
            ("job:rate5m", &[-0.25]),
            ("infinite", &[f64::INFINITY]),
            ("job", &[]),
        ] {
            assert_eq!(values(PAGE, selector).as_deref(), Ok(found), "{selector}");
        }
        let broken = values(PAGE, "broken_value").unwrap();
        assert!(broken.first().is_some_and(|value| value.is_nan()));
    }

    #[test]
    fn what_is_not_in_the_format_is_an_error_wherever_it_stands() {
        for line in [
            "<!doctype html>",
            "{\"status\":\"ok\"}",
            "jobs",
            "jobs{",
            "jobs{queue=\"mail} 3",
            "jobs{queue=\"mail\"",
            "jobs{queue='mail'} 3",
            "jobs{queue=mail} 3",
            "jobs{queue=\"a\" b=\"c\"} 3",
            "jobs{9=\"a\"} 3",
            "jobs{queue=\"mail\"} three",
            "jobs 3 4 5",
            "jobs 3 x",
            "9jobs 3",
            "jobs{queue=\"\\",
        ] {
            let page = format!("up 1\n{line}\n");
            let error = values(&page, "up").unwrap_err();
            assert_eq!((error.line, error.text.as_str()), (2, line));
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_repeated() {
        let error = values("\u{1b}[31m", "up").unwrap_err();
        assert!(!error.to_string().contains('\u{1b}'));
        assert_eq!(printable(&"ü".repeat(100)).chars().count(), 81);
    }

    proptest::proptest! {
        #[test]
        fn no_page_does_harm(page in "(\\PC|[\\n\\t\\\\\"{}=,#]){0,200}") {
            let selector = Selector::parse("jobs").unwrap();
            drop(select(&page, &selector));
        }

        #[test]
        fn what_was_written_is_read(value in "\\PC{0,20}", number: f64) {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            let page = format!("jobs{{queue=\"{escaped}\"}} {number:?}\n");
            let selector = Selector::parse("jobs").unwrap();
            let series = select(&page, &selector).unwrap();
            let labels = BTreeMap::from([("queue".to_owned(), value)]);
            proptest::prop_assert_eq!(&series.first().unwrap().labels, &labels);
            let read = series.first().unwrap().value;
            let same = read.total_cmp(&number).is_eq();
            proptest::prop_assert!(same || read.is_nan() && number.is_nan());
        }
    }

    #[test]
    fn several_series_are_named() {
        let series = |value: &str| BTreeMap::from([("queue".to_owned(), value.to_owned())]);
        let all: Vec<_> = ["a", "b", "c", "d", "e"].map(series).into();
        assert_eq!(
            several(all.iter().take(2)),
            "2 series where one is wanted: {queue=\"a\"}, {queue=\"b\"}"
        );
        assert_eq!(
            several(all.iter()),
            "5 series where one is wanted: {queue=\"a\"}, {queue=\"b\"}, {queue=\"c\"}, 2 more"
        );
    }
}
