//! Gates on numbers: absolute, or against the release that was promoted last.

use serde::{Deserialize, Serialize};

use super::{GateResult, quoted};
use crate::facts::Facts;
use crate::words::{number, percent};

/// The bounds of one number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NumberGate {
    /// The largest it may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// The smallest it may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// By which share it may be larger than that of the promoted release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub growth: Option<f64>,
    /// By which share it may be smaller than that of the promoted release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shrink: Option<f64>,
}

impl NumberGate {
    pub(super) fn evaluate(
        &self,
        name: &str,
        facts: &Facts,
        promoted: Option<&Facts>,
    ) -> GateResult {
        let gate = format!("numbers.{name}");
        let what = quoted(name);
        let Some(value) = facts.numbers().get(name).copied() else {
            let why = format!("no report says {what}");
            let way_out = "a job has to give a `numbers` report with this name in it";
            return GateResult::unknown(&gate, &why, way_out);
        };
        let mut told = Vec::new();
        let mut broken = Vec::new();
        let mut see = |holds: bool, bound: String| {
            let told = if holds { &mut told } else { &mut broken };
            told.push(bound);
        };
        if let Some(most) = self.at_most {
            see(value <= most, format!("{} at most", number(most)));
        }
        if let Some(least) = self.at_least {
            see(value >= least, format!("{} at least", number(least)));
        }
        let before = promoted.and_then(|facts| facts.numbers().get(name).copied());
        let relative = self.growth.is_some() || self.shrink.is_some();
        if let Some(before) = before {
            // What is below zero grows away from it, too.
            if let Some(growth) = self.growth {
                let most = before + before.abs() * growth;
                let bound = format!(
                    "{} at most, {} more than the promoted {}",
                    number(most),
                    percent(growth),
                    number(before)
                );
                see(value <= most, bound);
            }
            if let Some(shrink) = self.shrink {
                let least = before - before.abs() * shrink;
                let bound = format!(
                    "{} at least, {} less than the promoted {}",
                    number(least),
                    percent(shrink),
                    number(before)
                );
                see(value >= least, bound);
            }
        } else if relative {
            // Else a number could never be asked for: the first release that has it would not pass.
            told.push(match promoted {
                Some(_) => "the promoted release has none to compare with".to_owned(),
                None => "no release was promoted here to compare with".to_owned(),
            });
        }
        let holds = broken.is_empty();
        let bounds = if holds { told } else { broken };
        let value = number(value);
        let why = match bounds.as_slice() {
            [] => format!("{what} is {value}, and nothing is asked of it"),
            bounds => format!("{what} is {value}, {}", bounds.join(", ")),
        };
        GateResult::open_if(&gate, holds, &why)
    }
}
