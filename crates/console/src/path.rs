//! Where every page is found.

/// `GET`: everything at a glance.
pub const OVERVIEW: &str = "/";
/// `GET`: the parts of it that change, as events.
pub const OVERVIEW_LIVE: &str = "/live";
/// `GET`: where somebody says who they are. `POST`: they say it.
pub const SIGN_IN: &str = "/sign-in";
/// `POST`: they are somebody no more.
pub const SIGN_OUT: &str = "/sign-out";
/// `GET`: what pages refer to.
pub const ASSET: &str = "/assets/{version}/{name}";
/// `GET`: one environment.
pub const ENVIRONMENT: &str = "/environments/{application}/{environment}";
/// `GET`: the parts of it that change, as events.
pub const ENVIRONMENT_LIVE: &str = "/environments/{application}/{environment}/live";
/// `GET`: what happened to it.
pub const HISTORY: &str = "/environments/{application}/{environment}/history";
/// `GET`: asks whether something is to be done. `POST`: it is.
pub const DO: &str = "/environments/{application}/{environment}/do/{choice}";
/// `GET`: the newest runs of the pipeline.
pub const RUNS: &str = "/runs";
/// `GET`: one run.
pub const RUN: &str = "/runs/{application}/{number}";
/// `GET`: the parts of it that change, as events.
pub const RUN_LIVE: &str = "/runs/{application}/{number}/live";
/// `GET`: what a job of it wrote.
pub const RUN_LOG: &str = "/runs/{application}/{number}/logs/{job}";
/// `GET`: who did what.
pub const AUDIT: &str = "/audit";

pub(crate) use leadsman_api::path::encode;
