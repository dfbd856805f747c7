//! What came of one limit.

use crate::{Finding, Metric, Outcome};

/// One limit, held against the figures.
pub(super) struct Held {
    pub(super) finding: Finding,
    /// Which figures are missing before it can pass, as a sentence; `None` once they are there.
    pub(super) missing: Option<String>,
}

impl Held {
    /// Says that there is nothing to hold against the limit.
    pub(super) fn unmeasured(metric: Metric, limit: f64, sentence: String) -> Self {
        let missing = Some(sentence.clone());
        let finding = Finding {
            metric,
            outcome: Outcome::NoData,
            canary: 0.0,
            stable: None,
            limit,
            sentence,
        };
        Self { finding, missing }
    }
}

/// A finding before its outcome.
pub(super) struct Measured {
    pub(super) metric: Metric,
    pub(super) canary: f64,
    pub(super) stable: Option<f64>,
    pub(super) limit: f64,
    pub(super) sentence: String,
}

impl Measured {
    /// Concludes from a limit that is `shown` to be exceeded, or that is `kept` as far as can be
    /// told, or neither.
    pub(super) fn held(self, shown: bool, kept: bool, missing: Option<String>) -> Held {
        let Self {
            metric,
            canary,
            stable,
            limit,
            mut sentence,
        } = self;
        let missing = missing.filter(|_| !shown);
        let outcome = match (shown, kept, &missing) {
            (true, _, _) => Outcome::Fail,
            (false, true, None) => Outcome::Pass,
            (false, false, None) | (false, _, Some(_)) => Outcome::Inconclusive,
        };
        if let Some(missing) = &missing {
            sentence = format!("{sentence}, {missing}");
        }
        Held {
            finding: Finding {
                metric,
                outcome,
                canary,
                stable,
                limit,
                sentence,
            },
            missing,
        }
    }
}
