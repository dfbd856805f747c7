//! Where every page is found.

pub use leadsman_api::path::{fill, with_query};
use leadsman_api::{EnvironmentStatus, RunStatus};

/// `GET`: everything at a glance.
pub const OVERVIEW: &str = "/";
/// `GET`: the parts of it that change, as events.
pub const OVERVIEW_LIVE: &str = "/live";
/// `GET`: where somebody says who they are. `POST`: they say it.
pub const SIGN_IN: &str = "/sign-in";
/// `GET`: leads to the provider that people sign in with.
pub const SIGN_IN_PROVIDER: &str = "/sign-in/provider";
/// `GET`: where the provider leads back to.
pub const SIGN_IN_BACK: &str = "/sign-in/back";
/// `POST`: they are somebody no more.
pub const SIGN_OUT: &str = "/sign-out";
/// `GET`: what pages refer to.
pub const ASSET: &str = "/assets/{version}/{name}";
/// `GET`: one environment.
pub const ENVIRONMENT: &str = "/environments/{application}/{environment}";
/// `GET`: the parts of it that change, as events.
pub const ENVIRONMENT_LIVE: &str = "/environments/{application}/{environment}/live";
/// `GET`: one service of it.
pub const SERVICE: &str = "/environments/{application}/{environment}/services/{service}";
/// `GET`: the parts of it that change, as events.
pub const SERVICE_LIVE: &str = "/environments/{application}/{environment}/services/{service}/live";
/// `GET`: what happened to it.
pub const HISTORY: &str = "/environments/{application}/{environment}/history";
/// `GET`: asks whether something is to be done. `POST`: it is.
pub const DO: &str = "/environments/{application}/{environment}/do/{choice}";
/// `GET`: one release.
pub const RELEASE: &str = "/applications/{application}/releases/{release}";
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
/// `GET`: one's own settings, with the tokens. `POST`: makes a token.
pub const SETTINGS: &str = "/settings";
/// `GET`: asks whether a token is to be revoked. `POST`: it is.
pub const TOKEN_REVOKE: &str = "/settings/tokens/{number}/revoke";
/// `GET`: who there is. `POST`: makes somebody known.
pub const PEOPLE: &str = "/settings/people";
/// `GET`: one person.
pub const PERSON: &str = "/settings/people/{person}";
/// `GET`: asks whether something about a person is to be changed. `POST`: it is.
pub const PERSON_CHANGE: &str = "/settings/people/{person}/{change}";
/// `GET`: what may begin runs from elsewhere.
pub const WEBHOOKS: &str = "/settings/webhooks";
/// `GET`: the times in which nothing enters.
pub const FREEZES: &str = "/settings/freezes";
/// `POST`: lets nothing enter an environment for a time.
pub const FREEZE: &str = "/environments/{application}/{environment}/freezes";
/// `GET`: asks whether a freeze is to be ended. `POST`: it is.
pub const THAW: &str = "/environments/{application}/{environment}/freezes/{number}/thaw";

/// Returns where a page about an environment is found.
pub(crate) fn of_environment(template: &str, status: &EnvironmentStatus) -> String {
    fill(template, &[&status.application, &status.environment])
}

/// Returns where the page of a release is found.
pub(crate) fn of_release(application: &str, release: u64) -> String {
    fill(RELEASE, &[application, &release.to_string()])
}

/// Returns where a page about a run is found.
pub(crate) fn of_run(template: &str, run: &RunStatus) -> String {
    fill(template, &[&run.application, &run.number.to_string()])
}
