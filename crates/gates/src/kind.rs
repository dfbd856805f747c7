//! The kinds of reports.

use serde::{Deserialize, Serialize};

/// What wrote a report, so far as it matters to who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportKind {
    /// Tests, as JUnit XML.
    Junit,
    /// Coverage, as lcov writes it.
    Lcov,
    /// Coverage, as Cobertura XML.
    Cobertura,
    /// Findings, as SARIF 2.1.0.
    Sarif,
    /// Findings of Trivy, as its JSON.
    Trivy,
    /// Findings of Grype, as its JSON.
    Grype,
    /// Components, as CycloneDX JSON.
    Cyclonedx,
    /// The summary of a load test by k6, as JSON.
    K6,
    /// What `leadsman load --json` prints.
    Load,
    /// Numbers in JSON.
    Numbers,
    /// How a job ended that begins once a release serves; no file says this.
    Job,
}

impl ReportKind {
    /// All kinds that files are read as, in the order in which people are told of them.
    pub const ALL: [Self; 10] = [
        Self::Junit,
        Self::Lcov,
        Self::Cobertura,
        Self::Sarif,
        Self::Trivy,
        Self::Grype,
        Self::Cyclonedx,
        Self::K6,
        Self::Load,
        Self::Numbers,
    ];

    /// Returns the word for it in a project file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Junit => "junit",
            Self::Lcov => "lcov",
            Self::Cobertura => "cobertura",
            Self::Sarif => "sarif",
            Self::Trivy => "trivy",
            Self::Grype => "grype",
            Self::Cyclonedx => "cyclonedx",
            Self::K6 => "k6",
            Self::Load => "load",
            Self::Numbers => "numbers",
            Self::Job => "job",
        }
    }

    /// Returns the kind with this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Returns what a person would call such a report, such as "JUnit XML".
    pub fn title(self) -> &'static str {
        match self {
            Self::Junit => "JUnit XML",
            Self::Lcov => "an lcov file",
            Self::Cobertura => "Cobertura XML",
            Self::Sarif => "SARIF",
            Self::Trivy => "JSON of Trivy",
            Self::Grype => "JSON of Grype",
            Self::Cyclonedx => "a CycloneDX BOM",
            Self::K6 => "a k6 summary",
            Self::Load => "a result of `leadsman load`",
            Self::Numbers => "JSON with numbers",
            Self::Job => "the end of a job",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_word_and_kept_as_it() {
        for kind in ReportKind::ALL {
            assert_eq!(ReportKind::named(kind.as_str()), Some(kind));
            let kept = serde_json::to_string(&kind).unwrap();
            assert_eq!(kept, format!("{:?}", kind.as_str()));
        }
        assert_eq!(ReportKind::named("JUnit"), None);
    }
}
