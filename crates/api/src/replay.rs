//! A past rollout, judged again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::{Deployment, Moment, Verdict};

/// What is to be judged again, and by which limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// The deployment; `None` is the newest one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<u64>,
    /// Only the rollout of this service; `None` is every one that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Other limits: YAML as under `limits:` of the project file, where what is left out has its
    /// default. `None` is the limits that the release was held to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<String>,
    /// Whether the verdict after every window is wanted too.
    #[serde(default)]
    pub windows: bool,
}

/// One line of the answer. The first one is the deployment; then for each service a rollout, its
/// windows where they are wanted, each step behind its windows, and every verdict that was
/// recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "line", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReplayLine {
    /// The deployment.
    Deployment(Deployment),
    /// The rollout that the next lines are about.
    Rollout(ReplayedRollout),
    /// A closed window.
    Window(ReplayedWindow),
    /// A step that was judged.
    Step(ReplayedStep),
    /// A verdict that was recorded at the time.
    Recorded(RecordedVerdict),
}

/// A rollout that is judged again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayedRollout {
    /// The service.
    pub service: String,
    /// The limits it is held to now, each as a person would say it, such as `errors at most 5 %`.
    pub limits: Vec<String>,
    /// Whether those are the ones it was held to.
    pub same_limits: bool,
    /// How long the baseline was watched before the first step, in milliseconds.
    pub history_ms: u64,
}

/// What the judge says after a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayedWindow {
    /// The service.
    pub service: String,
    /// The step, counted from 1.
    pub step: u16,
    /// How much of the step was over at the end of the window, in milliseconds.
    pub after_ms: u64,
    /// The verdict.
    pub verdict: Verdict,
}

/// One step, judged again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayedStep {
    /// The service.
    pub service: String,
    /// The step, counted from 1. What was watched after promotion belongs to the last one.
    pub step: u16,
    /// The new revision's share of requests, in percent.
    pub weight_percent: f64,
    /// Whether it would have come to this step: no step before it fails.
    pub reached: bool,
    /// How long it was held, in milliseconds.
    pub held_ms: u64,
    /// How many requests the new revision got.
    pub requests: u64,
    /// What the judge says at its end.
    pub verdict: Verdict,
    /// When it would have been ready to pass: after how much of the step the verdict was *pass*
    /// and stayed so; `None` where it does not end with it.
    pub passes_after_ms: Option<u64>,
    /// After how much of the step it would have failed; `None` where it does not, or a step before
    /// it does.
    pub fails_after_ms: Option<u64>,
    /// The last verdict that was recorded in this step, and how much of the step was over then;
    /// `None` where none was.
    pub recorded: Option<(Verdict, u64)>,
}

/// A verdict that was recorded at the time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecordedVerdict {
    /// The service.
    pub service: String,
    /// When it was recorded.
    pub at: Moment,
    /// The kind of event it is part of, such as `step_passed`.
    pub event: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether it is the judge's. What the data plane cuts off by itself has a verdict too, of
    /// single answers and not of windows.
    pub judged: bool,
    /// Whether judging again came to the very same verdict, to the last bit; `None` where it
    /// cannot: under other limits, and of a verdict that is not the judge's.
    pub same: Option<bool>,
    /// What judging again says of that moment, where it is not the same.
    pub again: Option<Verdict>,
}
