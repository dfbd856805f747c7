//! What scanners found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How many findings of one report are kept, the gravest first. The others are counted.
const FINDINGS_MOST: usize = 500;

/// How grave a finding is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nobody has said yet.
    #[default]
    Unknown,
    /// Hardly.
    Low,
    /// Somewhat.
    Medium,
    /// Grave.
    High,
    /// As grave as can be.
    Critical,
}

impl Severity {
    /// All of them, the gravest first.
    pub const ALL: [Self; 5] = [
        Self::Critical,
        Self::High,
        Self::Medium,
        Self::Low,
        Self::Unknown,
    ];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Returns what a tool means by its word for a severity, in whatever case.
    pub(crate) fn of_tool(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "critical" => Self::Critical,
            "high" | "important" => Self::High,
            "medium" | "moderate" => Self::Medium,
            "low" | "negligible" | "minor" | "info" | "informational" | "none" => Self::Low,
            _ => Self::Unknown,
        }
    }

    /// Returns what a score of CVSS means, from 0 to 10.
    pub(crate) fn of_score(score: f64) -> Self {
        if score >= 9.0 {
            Self::Critical
        } else if score >= 7.0 {
            Self::High
        } else if score >= 4.0 {
            Self::Medium
        } else if score >= 0.0 {
            Self::Low
        } else {
            Self::Unknown
        }
    }
}

/// One finding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Finding {
    /// The tool that found it.
    pub tool: String,
    /// The rule that is broken, or the name of the weakness, such as `CVE-2026-1234`.
    pub id: String,
    /// Other names of the same weakness.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// How grave it is.
    pub severity: Severity,
    /// Where it is: a package with its version, or a file with its line.
    pub place: String,
    /// What it is, in one line.
    pub title: String,
}

impl Finding {
    /// Says whether this is one of its names.
    pub fn is_called(&self, id: &str) -> bool {
        let mut names = self.names();
        names.any(|name| name.eq_ignore_ascii_case(id))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        [&self.id]
            .into_iter()
            .chain(&self.aliases)
            .map(String::as_str)
    }

    fn is(&self, other: &Self) -> bool {
        self.place == other.place && self.names().any(|name| other.is_called(name))
    }
}

/// What scanners found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Findings {
    /// The findings that are kept, the gravest first.
    pub list: Vec<Finding>,
    /// How many more there are, by severity.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub more: BTreeMap<Severity, u64>,
    /// How many the tool itself leaves out because somebody told it to.
    pub suppressed: u64,
    /// Why what was found may not be all, such as that the scanner failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
}

impl Findings {
    /// Makes findings of a list in which the same thing may stand more than once.
    pub(crate) fn of(list: Vec<Finding>) -> Self {
        let mut findings = Self {
            list: once_each(list),
            ..Self::default()
        };
        findings.list.sort_by(|one, other| {
            let key = |finding: &Finding| std::cmp::Reverse(finding.severity);
            let names = |finding: &Finding| (finding.id.clone(), finding.place.clone());
            key(one)
                .cmp(&key(other))
                .then_with(|| names(one).cmp(&names(other)))
        });
        for left_out in findings
            .list
            .drain(FINDINGS_MOST.min(findings.list.len())..)
        {
            *findings.more.entry(left_out.severity).or_default() += 1;
        }
        findings
    }

    /// Returns how many there are that are as grave as this.
    pub fn count(&self, severity: Severity) -> u64 {
        let listed = self.list.iter().filter(|f| f.severity == severity).count();
        let more = self.more.get(&severity).copied().unwrap_or_default();
        more.saturating_add(listed as u64)
    }

    /// Returns how many there are in all.
    pub fn total(&self) -> u64 {
        let more = self.more.values().copied().fold(0, u64::saturating_add);
        more.saturating_add(self.list.len() as u64)
    }

    pub(crate) fn and(mut self, other: Self) -> Self {
        self.list.extend(other.list);
        let mut both = Self::of(self.list);
        for (severity, count) in self.more.into_iter().chain(other.more) {
            let known = both.more.entry(severity).or_default();
            *known = known.saturating_add(count);
        }
        both.suppressed = self.suppressed.saturating_add(other.suppressed);
        both.incomplete = self.incomplete.or(other.incomplete);
        both
    }
}

/// Leaves of findings that are the same only one, as grave as the gravest, with all names.
fn once_each(list: Vec<Finding>) -> Vec<Finding> {
    // By name and place: a finding has few names, so each is looked up rather than compared with all.
    let mut known: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut kept: Vec<Finding> = Vec::new();
    for finding in list {
        let key = |name: &str| (name.to_ascii_lowercase(), finding.place.clone());
        let same = finding.names().find_map(|name| known.get(&key(name)));
        let at = same.copied().unwrap_or(kept.len());
        for name in finding.names() {
            known.insert(key(name), at);
        }
        match kept.get_mut(at) {
            Some(first) => {
                debug_assert!(first.is(&finding), "found by a name that both have");
                first.severity = first.severity.max(finding.severity);
                for name in finding.names() {
                    if !first.is_called(name) && first.aliases.len() < 10 {
                        first.aliases.push(name.to_owned());
                    }
                }
            }
            None => kept.push(finding),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(id: &str, aliases: &[&str], severity: Severity, place: &str) -> Finding {
        Finding {
            tool: "scanner".to_owned(),
            id: id.to_owned(),
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
            severity,
            place: place.to_owned(),
            title: String::new(),
        }
    }

    #[test]
    fn the_same_weakness_under_two_names_is_one_as_grave_as_the_gravest() {
        let one = Findings::of(vec![
            finding("CVE-1", &[], Severity::Medium, "zlib@1"),
            finding("CVE-1", &[], Severity::Medium, "zlib@2"),
        ]);
        let other = Findings::of(vec![finding(
            "GHSA-x",
            &["cve-1"],
            Severity::High,
            "zlib@1",
        )]);
        let both = one.and(other);
        let seen: Vec<_> = both
            .list
            .iter()
            .map(|f| (f.id.as_str(), f.place.as_str(), f.severity))
            .collect();
        assert_eq!(
            seen,
            [
                ("CVE-1", "zlib@1", Severity::High),
                ("CVE-1", "zlib@2", Severity::Medium)
            ]
        );
        assert!(both.list[0].is_called("ghsa-X"));
    }

    #[test]
    fn what_is_not_kept_is_counted() {
        let many = (0..700).map(|n| {
            let severity = if n % 2 == 0 {
                Severity::High
            } else {
                Severity::Low
            };
            finding(&format!("CVE-{n}"), &[], severity, "a")
        });
        let findings = Findings::of(many.collect());
        assert_eq!(findings.list.len(), FINDINGS_MOST);
        assert_eq!(findings.count(Severity::High), 350);
        assert_eq!(findings.count(Severity::Low), 350);
        assert_eq!(findings.total(), 700);
        let twice = findings.clone().and(findings);
        assert_eq!(twice.count(Severity::High), 350, "all of these are kept");
        assert_eq!(
            twice.count(Severity::Low),
            150 + 200 + 200,
            "the rest could be others"
        );
    }

    #[test]
    fn words_of_tools_are_severities() {
        for (word, severity) in [
            ("CRITICAL", Severity::Critical),
            ("High", Severity::High),
            ("moderate", Severity::Medium),
            ("Negligible", Severity::Low),
            ("UNKNOWN", Severity::Unknown),
            ("", Severity::Unknown),
        ] {
            assert_eq!(Severity::of_tool(word), severity, "{word}");
        }
        for (score, severity) in [
            (9.0, Severity::Critical),
            (8.9, Severity::High),
            (4.0, Severity::Medium),
            (0.0, Severity::Low),
            (f64::NAN, Severity::Unknown),
        ] {
            assert_eq!(Severity::of_score(score), severity, "{score}");
        }
    }
}
