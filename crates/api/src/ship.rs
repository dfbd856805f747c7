//! Shipping: a new release, and its deployment into one environment.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is shipped. Control reads the project file by itself, so that client and control cannot
/// disagree about what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shipment {
    /// The text of the project file.
    pub project: String,
    /// The name of the project file, for messages that point into it.
    pub file: String,
    /// The folder of the project file: an absolute path on the machine of control.
    pub origin: String,
    /// The environment; `None` where the project file knows only one.
    #[serde(default)]
    pub environment: Option<String>,
    /// The digest of each service's artifact, by service. Control must already have them.
    #[serde(default)]
    pub artifacts: BTreeMap<String, String>,
    /// What a person wants to remember about the release.
    #[serde(default)]
    pub note: Option<String>,
    /// Why it cannot wait, if it should take the expedited way.
    #[serde(default)]
    pub expedite: Option<String>,
    /// Why it comes in although its migration leaves no way back, if it should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_way: Option<String>,
}

/// A shipment was recorded as a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shipped {
    /// The application.
    pub application: String,
    /// The environment.
    pub environment: String,
    /// The version of the environment's state that contains it. A status of an earlier version
    /// may not show it yet.
    pub version: u64,
    /// The number of the release.
    pub release: u64,
    /// The number of the deployment that brings it in; `None` while it waits until the one
    /// before it has gone back.
    pub deployment: Option<u64>,
    /// Whether this request started the deployment; `false` where exactly this release already
    /// serves, or is on its way.
    pub started: bool,
    /// Whether it waits until it may enter.
    #[serde(default)]
    pub waits: bool,
    /// What follows: one sentence.
    pub sentence: String,
}
