//! What the judge says.

use super::Judge;
use crate::words;
use crate::{Evidence, Finding, Outcome};

/// What the limits on requests are about, in the order in which they are judged.
const NAMES: [&str; 6] = ["errors", "p95", "p99", "errors", "p95", "p99"];

/// If chance alone would leave the canary without a request less often than this, something is
/// wrong: `exp(-13.8)` is one in a million.
const UNLIKELY: f64 = 13.8;

impl Judge {
    /// Says why it failed.
    pub(super) fn failure(&self, gauges: &[Finding]) -> String {
        let requests = self.findings(Outcome::Fail);
        let all = requests.iter().chain(gauges);
        let exceeded: Vec<&str> = all
            .filter(|finding| finding.outcome == Outcome::Fail)
            .map(|finding| finding.sentence.as_str())
            .collect();
        let exceeded = words::list(&exceeded);
        let count = self.requests_seen();
        let after = if count > 0 {
            format!(" after {}", words::requests(count))
        } else {
            String::new()
        };
        match self.said_evidence() {
            Some(evidence) => format!("{exceeded}: evidence {evidence}{after}"),
            None => format!("{exceeded}{after}"),
        }
    }

    /// How strong the evidence is that requests gave, where it is strong enough.
    fn said_evidence(&self) -> Option<String> {
        if self.alone_fails() {
            return Some(words::odds(self.alone.capital()));
        }
        if !self.comparison.fails() {
            return None;
        }
        let total = self.comparison.capital();
        let beyond = words::odds(total.beyond);
        if total.beyond >= self.comparison.needed().at_all {
            return Some(beyond);
        }
        let at_all = words::odds(total.at_all);
        Some(format!(
            "{beyond} beyond the limit and {at_all} of being worse,"
        ))
    }

    /// How many of the canary's requests the evidence rests on.
    fn requests_seen(&self) -> u64 {
        self.comparison.seen().canary.requests
    }

    pub(super) fn no_request(&self) -> String {
        let elsewhere = self.comparison.requests().baseline;
        let share = self.split.map_or(0.0, |split| split.canary);
        let on_stable = self.split.map_or(0.0, |split| split.baseline);
        let due = elsewhere as f64 * share / on_stable.max(f64::MIN_POSITIVE);
        if on_stable > 0.0 && due > UNLIKELY {
            return format!(
                "no request has reached the new revision, although {} reached stable",
                words::requests(elsewhere)
            );
        }
        "no request has reached the new revision so far".to_owned()
    }

    pub(super) fn success(&self, gauges: &[Finding]) -> String {
        let after = words::requests(self.requests());
        let judged = self.comparison.is_judging() || self.limits.restarts.is_some();
        if !judged && gauges.is_empty() {
            return format!("there is no limit to exceed after {after}");
        }
        if self.warned {
            return format!("worse than stable, but within every limit after {after}");
        }
        format!("every limit is kept after {after}")
    }

    /// Says what is missing to be sure.
    pub(super) fn not_sure(&self, evidence: &Evidence) -> String {
        let so_far = words::requests(self.requests());
        let mut unmet: Vec<&str> = Vec::with_capacity(NAMES.len());
        for name in self.unmet().map(|i| NAMES[i]) {
            if !unmet.contains(&name) {
                unmet.push(name);
            }
        }
        let about = if unmet.is_empty() {
            "it".to_owned()
        } else {
            words::list(&unmet)
        };
        let state = if self.warned {
            "worse than stable, but not shown to be worse than is tolerated"
        } else if self.comparison.is_suspicious() {
            "under suspicion"
        } else if evidence.fails_first() {
            "what was seen so far speaks against it"
        } else {
            "nothing speaks against it"
        };
        let rate = self.comparison.canary_rate();
        let needed = |seconds: f64| {
            let requests = (seconds * rate).ceil().max(1.0);
            let more = words::count(requests);
            format!("in about {} ({more} more requests)", words::rough(seconds))
        };
        let outlook = match (evidence.fails_in, evidence.passes_in) {
            (Some(fails), _) if evidence.fails_first() => {
                format!("at this rate it fails {}", needed(fails))
            }
            (_, Some(passes)) => format!("at this rate it passes {}", needed(passes)),
            _ => format!("at this rate {about} cannot be told"),
        };
        format!("not sure of {about} after {so_far}: {state}, {outlook}")
    }
}

/// Says what came out as `outcome` of all findings together; `None` where nothing did.
pub(super) fn of(findings: &[Finding], outcome: Outcome) -> Option<String> {
    let said: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.outcome == outcome)
        .map(|finding| finding.sentence.as_str())
        .collect();
    (!said.is_empty()).then(|| words::list(&said))
}
