//! What a report says, in lines for people.

use super::{Components, Coverage, Findings, Load, Says, Severity, Tests, bounded};
use crate::words::{count, counted, millis, number, percent, percent_down, some_of};

/// How many things of one kind are told by name.
const NAMED_MOST: usize = 10;

impl Says {
    /// Returns it in short lines without a full stop; what belongs to the line before begins with
    /// two blanks.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(job) = &self.job {
            lines.push(match job.passed {
                true => "passed".to_owned(),
                false => format!("did not pass: {}", bounded(&job.why, 300)),
            });
        }
        if let Some(tests) = &self.tests {
            tell_tests(tests, &mut lines);
        }
        lines.extend(self.coverage.map(covered));
        if let Some(findings) = &self.findings {
            tell_findings(findings, &mut lines);
        }
        if let Some(components) = &self.components {
            tell_components(components, &mut lines);
        }
        if let Some(load) = &self.load {
            tell_load(load, &mut lines);
        }
        let numbers = self.numbers.iter();
        let numbers = numbers.map(|(name, value)| format!("{name} is {}", number(*value)));
        put_some(numbers.collect(), "", &mut lines);
        lines
    }
}

/// Adds the first lines, and how many more there are.
fn put_some(all: Vec<String>, indent: &str, lines: &mut Vec<String>) {
    let more = all.len().saturating_sub(NAMED_MOST);
    let first = all.into_iter().take(NAMED_MOST);
    lines.extend(first.map(|line| format!("{indent}{line}")));
    if more > 0 {
        lines.push(format!("{indent}and {} more", count(more as u64)));
    }
}

fn tell_tests(tests: &Tests, lines: &mut Vec<String>) {
    let mut line = format!("{} passed", counted(tests.passed, "test"));
    for (found, what) in [
        (tests.failed, "failed"),
        (tests.errors, "came to no end"),
        (tests.skipped, "left out"),
        (tests.flaky, "passed only when run again"),
    ] {
        if found > 0 {
            line.push_str(&format!(", {} {what}", count(found)));
        }
    }
    lines.push(line);
    let failures = tests.failures.iter();
    let failures = failures.map(|failure| match failure.message.as_str() {
        "" => failure.name.clone(),
        message => format!("{}: {message}", failure.name),
    });
    put_some(failures.collect(), "  ", lines);
}

fn covered(coverage: Coverage) -> String {
    let share = |share: Option<f64>| share.map_or_else(|| "nothing".to_owned(), percent_down);
    let lines = coverage.lines;
    let mut line = format!(
        "{} of {} covered",
        share(lines.share()),
        counted(lines.total, "line")
    );
    if let Some(branches) = coverage.branches {
        let total = count(branches.total);
        line.push_str(&format!(
            ", {} of {total} branches",
            share(branches.share())
        ));
    }
    line
}

fn tell_findings(findings: &Findings, lines: &mut Vec<String>) {
    let counts = Severity::ALL.into_iter().filter_map(|severity| {
        let found = findings.count(severity);
        (found > 0).then(|| format!("{} {}", count(found), severity.as_str()))
    });
    let counts: Vec<String> = counts.collect();
    let mut line = match counts.as_slice() {
        [] => "nothing was found".to_owned(),
        counts => format!(
            "{}: {}",
            counted(findings.total(), "finding"),
            counts.join(", ")
        ),
    };
    if findings.suppressed > 0 {
        let suppressed = count(findings.suppressed);
        line.push_str(&format!(
            "; {suppressed} left out because the tool was told to"
        ));
    }
    if let Some(why) = &findings.incomplete {
        line.push_str(&format!("; this may not be all: {why}"));
    }
    lines.push(line);
    let each = findings.list.iter().map(|finding| {
        let severity = finding.severity.as_str();
        let place = match finding.place.as_str() {
            "" => String::new(),
            place => format!(" in {place}"),
        };
        let title = match finding.title.as_str() {
            "" => String::new(),
            title => format!(": {title}"),
        };
        format!("{severity} {}{place}{title}", finding.id)
    });
    put_some(each.collect(), "  ", lines);
}

fn tell_components(components: &Components, lines: &mut Vec<String>) {
    let licences = components.licences.keys().filter(|name| !name.is_empty());
    lines.push(format!(
        "{} under {}",
        counted(components.total, "component"),
        counted(licences.count() as u64, "licence")
    ));
    let each = components.licences.iter().map(|(licence, under)| {
        let licence = match licence.as_str() {
            "" => "no licence stated",
            licence => licence,
        };
        let total = count(under.total);
        format!("{licence}: {total} ({})", some_of(&under.names, 3))
    });
    put_some(each.collect(), "  ", lines);
}

fn tell_load(load: &Load, lines: &mut Vec<String>) {
    let mut parts = vec![counted(load.requests, "request")];
    parts.extend(load.rate.map(|rate| format!("{}/s", number(rate))));
    parts.extend(
        load.errors
            .map(|share| format!("{} failed", percent(share))),
    );
    for (name, value) in [
        ("p50", load.p50_ms),
        ("p90", load.p90_ms),
        ("p95", load.p95_ms),
        ("p99", load.p99_ms),
        ("max", load.max_ms),
    ] {
        parts.extend(value.map(|value| format!("{name} {}", millis(value))));
    }
    lines.push(parts.join(", "));
    let invalid = load
        .invalid
        .iter()
        .map(|why| format!("  this shows nothing: {why}"));
    lines.extend(invalid);
    let crossed = load
        .crossed
        .iter()
        .map(|what| format!("threshold crossed: {what}"));
    put_some(crossed.collect(), "  ", lines);
}
