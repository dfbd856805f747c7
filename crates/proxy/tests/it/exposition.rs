//! A reader of Prometheus' text format, version 0.0.4, that forgives nothing.

use std::collections::{BTreeMap, BTreeSet};

/// The labels of a series.
pub(crate) type Labels = BTreeMap<String, String>;

/// A family of metrics.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) help: String,
    /// Names without the family's, labels, value.
    pub(crate) samples: Vec<(String, Labels, f64)>,
}

/// What is on a page.
#[derive(Debug)]
pub(crate) struct Page(pub(crate) Vec<Family>);

impl Page {
    /// Reads a page, or fails the test.
    pub(crate) fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut families: Vec<Family> = Vec::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a help");
                assert!(is_name(name), "{name}");
                let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE "));
                let (of, kind) = kind.and_then(|kind| kind.split_once(' ')).expect("a type");
                assert_eq!(of, name);
                assert!(
                    families.iter().all(|known| known.name != name),
                    "{name} twice"
                );
                families.push(Family {
                    name: name.to_owned(),
                    kind: kind.to_owned(),
                    help: help.to_owned(),
                    samples: Vec::new(),
                });
                continue;
            }
            let family = families.last_mut().expect("a family before its samples");
            let (name, labels, value) = sample(line);
            let suffix = name.strip_prefix(&family.name);
            assert!(suffix.is_some(), "`{name}` is no part of `{}`", family.name);
            let suffix = suffix.unwrap_or_default();
            family.samples.push((suffix.to_owned(), labels, value));
        }
        families.iter().for_each(check);
        Self(families)
    }

    pub(crate) fn family(&self, name: &str) -> &Family {
        let family = self.0.iter().find(|family| family.name == name);
        assert!(family.is_some(), "there is no {name}");
        family.expect("it is there")
    }

    /// Returns the sum of the samples of `name` that have all of these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |of: &Labels| {
            let mut labels = labels.iter();
            labels.all(|(name, value)| of.get(*name).is_some_and(|is| is == value))
        };
        let samples = self.family(name).samples.iter();
        let fitting = samples.filter(|(suffix, of, _)| suffix.is_empty() && has(of));
        fitting.map(|(_, _, value)| value).sum()
    }
}

fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(is_letter)
        && name
            .bytes()
            .all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

fn sample(line: &str) -> (&str, Labels, f64) {
    let end = line.find(['{', ' ']).expect("a value");
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").expect("a label");
            assert!(is_name(label), "{line}");
            let (value, after) = quoted(after);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            match after.strip_prefix(',') {
                Some(more) => rest = more,
                None => {
                    rest = after.strip_prefix('}').expect("an end of the labels");
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').expect("one space before the value");
    assert!(!value.contains(' '), "{line}");
    (name, labels, value.parse().expect("a number"))
}

/// Reads up to the closing quote; returns what comes behind it, too.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut letters = text.char_indices();
    loop {
        let (at, letter) = letters.next().expect("a closing quote");
        match letter {
            '"' => return (value, &text[at + 1..]),
            '\\' => {
                let (_, letter) = letters.next().expect("what the backslash is for");
                assert!("n\\\"".contains(letter), "`{letter}` needs no backslash");
                value.push(if letter == 'n' { '\n' } else { letter });
            }
            other => value.push(other),
        }
    }
}

fn check(family: &Family) {
    let Family {
        name,
        kind,
        help,
        samples,
    } = family;
    assert!(!help.is_empty() && help.ends_with('.'), "{name}: {help}");
    assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
    let series: BTreeSet<_> = samples.iter().map(|(suffix, of, _)| (suffix, of)).collect();
    assert_eq!(series.len(), samples.len(), "{name} has a series twice");
    for (suffix, labels, value) in samples {
        assert!(value.is_finite(), "{name} {labels:?}");
        assert!(kind != "counter" || *value >= 0.0, "{name} {labels:?}");
        let is_known = ["counter", "gauge", "histogram"].contains(&kind.as_str());
        assert!(is_known, "{name} is a {kind}");
        let suffixes = match kind.as_str() {
            "histogram" => &["_bucket", "_sum", "_count"][..],
            _ => &[""],
        };
        assert!(suffixes.contains(&suffix.as_str()), "{name}{suffix}");
    }
    if kind == "histogram" {
        check_buckets(family);
    }
}

fn check_buckets(family: &Family) {
    let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    let of = |suffix: &'static str| {
        let samples = family.samples.iter();
        samples.filter(move |(of, _, _)| of == suffix)
    };
    for (_, labels, value) in of("_bucket") {
        let mut labels = labels.clone();
        let edge = labels.remove("le").expect("an edge");
        buckets
            .entry(labels)
            .or_default()
            .push((edge.parse().unwrap(), *value));
    }
    for (labels, buckets) in &buckets {
        assert!(buckets.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1));
        let (edge, all) = *buckets.last().unwrap();
        assert!(edge.is_infinite(), "{labels:?}");
        let value = |suffix| {
            of(suffix)
                .find(|(_, of, _)| of == labels)
                .expect("it is there")
                .2
        };
        assert!((value("_count") - all).abs() < 0.5, "{labels:?}");
        assert!(value("_sum") >= 0.0, "{labels:?}");
    }
    assert_eq!(of("_count").count(), buckets.len());
}
