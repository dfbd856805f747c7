//! The gate on what scanners find, and exceptions from it.

use serde::{Deserialize, Serialize};

use super::{GateResult, quoted};
use crate::day::Day;
use crate::facts::{Facts, Finding, Severity, bounded};
use crate::words::{count, counted, some_of};

/// What somebody answers for, until a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// What is excepted: the name of a weakness or a rule; of licences the name of a component.
    pub id: String,
    /// The last day on which it counts.
    pub until: Day,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// How grave what scanners find may be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FindingsGate {
    /// The least severity that is not let pass; [`Severity::Unknown`] is every one.
    pub from: Severity,
    /// What is let pass all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
}

/// Which exceptions were met.
#[derive(Default)]
pub(super) struct Excepted<'e> {
    active: Vec<&'e Exception>,
    expired: Vec<&'e Exception>,
    /// How many things were let pass.
    count: u64,
}

impl<'e> Excepted<'e> {
    /// Says whether something is let pass by one of the exceptions for which `is` holds.
    pub(super) fn lets_pass(
        &mut self,
        exceptions: &'e [Exception],
        today: Day,
        is: impl Fn(&str) -> bool,
    ) -> bool {
        let met: Vec<&Exception> = exceptions.iter().filter(|e| is(&e.id)).collect();
        if let Some(active) = met.iter().find(|exception| exception.until >= today) {
            self.count += 1;
            if !self.active.contains(active) {
                self.active.push(active);
            }
            return true;
        }
        for exception in met {
            if !self.expired.contains(&exception) {
                self.expired.push(exception);
            }
        }
        false
    }

    /// Adds to a sentence what was excepted, and what is so no longer.
    pub(super) fn tell(&self, why: &mut String) {
        let told = |exceptions: &[&Exception], word: &str| {
            let each = exceptions.iter().map(|exception| {
                let (id, until) = (quoted(&exception.id), exception.until);
                match exception.reason.as_str() {
                    "" => format!("{id} {word} {until}"),
                    reason => format!("{id} {word} {until} ({})", bounded(reason, 100)),
                }
            });
            some_of(&each.collect::<Vec<_>>(), 3)
        };
        if self.count > 0 {
            let until = told(&self.active, "until");
            why.push_str(&format!(", {} excepted: {until}", count(self.count)));
        }
        if !self.expired.is_empty() {
            let ended = told(&self.expired, "ended on");
            why.push_str(&format!(", an exception counts no more: {ended}"));
        }
    }

    /// Returns the first day on which one of the exceptions counts no more.
    pub(super) fn ends(&self) -> Option<Day> {
        let last = self.active.iter().map(|exception| exception.until).min();
        last.map(|last| last.plus(1))
    }
}

impl FindingsGate {
    pub(super) fn evaluate(&self, facts: &Facts, today: Day) -> GateResult {
        let name = "findings";
        let Some(findings) = facts.findings() else {
            let kinds = "`sarif`, `trivy`, `grype` or `cyclonedx`";
            return GateResult::missing(name, "findings", kinds);
        };
        if let Some(why) = &findings.incomplete {
            return GateResult::unknown(name, why, "have the scanner run to its end");
        }
        let mut excepted = Excepted::default();
        let blocks = |finding: &&Finding| finding.severity >= self.from;
        let mut blocking = Vec::new();
        for finding in findings.list.iter().filter(blocks) {
            if !excepted.lets_pass(&self.exceptions, today, |id| finding.is_called(id)) {
                blocking.push(told(finding));
            }
        }
        let more = findings
            .more
            .iter()
            .filter(|(grave, _)| **grave >= self.from);
        let more = more.map(|(_, count)| *count).fold(0, u64::saturating_add);
        let found = more.saturating_add(blocking.len() as u64);
        let wanted = match self.from {
            Severity::Unknown => "none is let pass".to_owned(),
            Severity::Critical => "critical ones are not let pass".to_owned(),
            from => format!("{} and graver ones are not let pass", from.as_str()),
        };
        let total = findings.total();
        let verb = if found == 1 { "counts" } else { "count" };
        let mut why = match found {
            0 => format!("none of {} counts, {wanted}", counted(total, "finding")),
            found => format!(
                "{} of {} {verb}, {wanted}: {}",
                count(found),
                counted(total, "finding"),
                some_of(&blocking, 3)
            ),
        };
        if total == 0 {
            why = "nothing was found".to_owned();
        }
        excepted.tell(&mut why);
        let unrated = findings.count(Severity::Unknown);
        if self.from != Severity::Unknown && unrated > 0 {
            why.push_str(&format!(", {} not rated yet", count(unrated)));
        }
        GateResult {
            expires: excepted.ends(),
            ..GateResult::open_if(name, found == 0, &why)
        }
    }
}

fn told(finding: &Finding) -> String {
    let (id, severity) = (quoted(&finding.id), finding.severity.as_str());
    match finding.place.as_str() {
        "" => format!("{id} ({severity})"),
        place => format!("{id} in {} ({severity})", bounded(place, 100)),
    }
}
