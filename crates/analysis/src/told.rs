//! Everything that a judge is told.

use serde::{Deserialize, Serialize};

use crate::{Figures, Metric};

/// One thing that a judge is told. A rollout's judge is what it was told, in order: telling
/// another one the same gives the same verdict to the last bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// A closed interval from before the first step, in which the baseline had all requests.
    History(History),
    /// From here on requests are split like this.
    Step(Split),
    /// A closed interval of both arms.
    Window(Window),
    /// A value that is not about requests.
    Sample(Sample),
    /// A source of figures did not answer.
    Failed(Failed),
}

impl Told {
    /// Does as [`Figures::forget_over`], with all figures that it has.
    pub fn forget_over(&mut self) {
        let figures = match self {
            Self::History(history) => [
                Some(&mut history.baseline),
                history.reference.as_mut(),
                None,
            ],
            Self::Window(window) => [
                Some(&mut window.canary),
                window.baseline.as_mut(),
                window.reference.as_mut(),
            ],
            Self::Step(_) | Self::Sample(_) | Self::Failed(_) => return,
        };
        figures.into_iter().flatten().for_each(Figures::forget_over);
    }
}

/// A closed interval from before the rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// How long it was, in seconds; greater than 0.
    pub seconds: f64,
    /// What was counted on the revision that served.
    pub baseline: Figures,
    /// As in [`Window`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Figures>,
}

/// How requests are split between the arms. What is left of 1 goes elsewhere and is not compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// The canary's share of all requests, 0 to 1.
    pub canary: f64,
    /// The baseline's share of all requests, 0 to 1; 0 where there is nothing to compare with.
    pub baseline: f64,
}

/// One closed interval with the figures of both arms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// How long the interval was, in seconds; greater than 0.
    pub seconds: f64,
    /// The new revision.
    pub canary: Figures,
    /// What the canary is compared with: the revision that serves, or a fresh copy of it. `None`
    /// where there is none (a first release, or all requests on the new revision). One that has
    /// weight but got no request in this window is `Some` with no requests.
    pub baseline: Option<Figures>,
    /// Those of the baseline's figures that one instance of it counted, ideally one that gets as
    /// many requests as the canary: it shows how unevenly errors come. `None` takes the whole
    /// baseline for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Figures>,
    /// Restarts of the canary's instances in this window.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restarts: u32,
}

/// A value that is not about requests, such as memory, as it was at the end of an interval or over
/// it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// What was measured.
    pub metric: Metric,
    /// How long the interval was, in seconds; greater than 0.
    pub seconds: f64,
    /// The canary's value, in the metric's unit; `None` where there was nothing to measure.
    pub canary: Option<f64>,
    /// The baseline's value; `None` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
}

/// An interval for which a source had no figures, although it was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failed {
    /// The metric it is the source of; `None` is the source of requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<Metric>,
    /// How long the interval was, in seconds.
    pub seconds: f64,
    /// Why, in words, without secrets.
    pub why: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}
