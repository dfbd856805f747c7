//! The gates of an environment, written with every default.

use std::time::Duration;

use leadsman_gates::{Exception, Gates, LoadGate, NumberGate};

use super::effective::{Lines, list, or_null, scalar};
use super::metric_values::word;
use super::traffic_values::per_time;
use super::units;

/// Writes the gates below an environment.
pub(super) fn put_gates(file: &mut Lines, gates: &Gates) {
    if gates.is_empty() {
        file.put(2, "gates", "null");
        return;
    }
    file.open(2, "gates");
    if let Some(tests) = &gates.tests {
        file.open(3, "tests");
        file.put(4, "at_least", tests.at_least.max(1));
        file.put(4, "skipped", or_null(tests.skipped));
        file.put(4, "flaky", or_null(tests.flaky));
    } else {
        file.put(3, "tests", "null");
    }
    match gates.coverage.as_ref().map(|gate| (gate.all, &gate.groups)) {
        None => file.put(3, "coverage", "null"),
        Some((Some(share), _)) => file.put(3, "coverage", units::share(share)),
        Some((None, groups)) => {
            file.open(3, "coverage");
            for (group, wanted) in groups {
                file.put(4, group, units::share(*wanted));
            }
        }
    }
    if let Some(findings) = &gates.findings {
        file.open(3, "findings");
        file.put(4, "block", word(findings.from));
        put_exceptions(file, &findings.exceptions);
    } else {
        file.put(3, "findings", "null");
    }
    if let Some(licences) = &gates.licences {
        file.open(3, "licences");
        let names = |names: &[String]| {
            let names = Some(names).filter(|names| !names.is_empty());
            or_null(names.map(list))
        };
        file.put(4, "allow", names(&licences.allow));
        file.put(4, "deny", names(&licences.deny));
        put_exceptions(file, &licences.exceptions);
    } else {
        file.put(3, "licences", "null");
    }
    match &gates.load {
        Some(load) => put_load(file, load),
        None => file.put(3, "load", "null"),
    }
    let jobs: Vec<String> = gates.jobs.iter().cloned().collect();
    file.put(3, "jobs", list(&jobs));
    put_numbers(file, gates);
    if gates.rules.is_empty() {
        file.put(3, "rules", "null");
    } else {
        file.open(3, "rules");
    }
    for (name, rule) in &gates.rules {
        file.put(4, name, scalar(rule));
    }
    file.put(3, "expire", format!("{}d", gates.expire));
}

fn put_exceptions(file: &mut Lines, exceptions: &[Exception]) {
    if exceptions.is_empty() {
        file.put(4, "exceptions", "[]");
        return;
    }
    file.open(4, "exceptions");
    for Exception { id, until, reason } in exceptions {
        let (id, reason) = (scalar(id), scalar(reason));
        file.line(
            5,
            &format!("- {{ id: {id}, until: {until}, reason: {reason} }}"),
        );
    }
}

fn put_load(file: &mut Lines, load: &LoadGate) {
    file.open(3, "load");
    let time = |millis: f64| units::duration(Duration::from_secs_f64(millis / 1000.0));
    file.put(4, "p50", or_null(load.p50.map(time)));
    file.put(4, "p90", or_null(load.p90.map(time)));
    file.put(4, "p95", or_null(load.p95.map(time)));
    file.put(4, "p99", or_null(load.p99.map(time)));
    file.put(4, "max", or_null(load.max.map(time)));
    file.put(4, "errors", or_null(load.errors.map(units::share)));
    file.put(4, "rate", or_null(load.rate.map(rate)));
}

/// Writes how many in a second by the shortest time in which they are a whole number, as it was
/// written.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate was read from a whole number of seven digits"
)]
fn rate(per_second: f64) -> String {
    let times = [1_u32, 60, 3600];
    let counted = times.map(|seconds| (per_second * f64::from(seconds), seconds));
    let whole = |(count, _): &&(f64, u32)| (count - count.round()).abs() < 1e-6;
    let (count, seconds) = counted.iter().find(whole).unwrap_or(&counted[2]);
    per_time(
        count.round() as u32,
        Duration::from_secs(u64::from(*seconds)),
    )
}

fn put_numbers(file: &mut Lines, gates: &Gates) {
    if gates.numbers.is_empty() {
        file.put(3, "numbers", "null");
        return;
    }
    file.open(3, "numbers");
    for (name, number) in &gates.numbers {
        let NumberGate {
            at_most,
            at_least,
            growth,
            shrink,
        } = number;
        file.open(4, &scalar(name));
        file.put(5, "at_most", or_null(*at_most));
        file.put(5, "at_least", or_null(*at_least));
        file.put(5, "growth", or_null(growth.map(units::share)));
        file.put(5, "shrink", or_null(shrink.map(units::share)));
    }
}
