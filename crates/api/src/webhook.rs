//! Webhooks: what GitHub and GitLab are told to send, and what came of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::people::Secret;
use crate::status::Moment;

/// A webhook that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// What it is called, and so a part of where it is sent to.
    pub name: String,
    /// Who sends it: `github` or `gitlab`.
    pub sender: String,
    /// The application whose runs it may begin.
    pub application: String,
    /// The folder that Git keeps the repository in, on control's machine; the commit has to be
    /// there before it is told of.
    #[serde(default)]
    pub repository: Option<String>,
    /// Where the commit is fetched from, instead.
    #[serde(default)]
    pub url: Option<String>,
    /// What the sender calls the repository, such as `acme/shop`; where there is a URL that
    /// tells, it need not be said.
    #[serde(default)]
    pub called: Option<String>,
    /// The project file, relative to the top of the repository.
    pub project_file: String,
    /// The secret that the sender has; `None` has one made.
    #[serde(default)]
    pub secret: Option<Secret>,
}

/// A webhook as it is known: all but its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Webhook {
    /// What it is called.
    pub name: String,
    /// Who sends it: `github` or `gitlab`.
    pub sender: String,
    /// The application whose runs it may begin.
    pub application: String,
    /// The folder of the repository, where nothing is fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Where commits are fetched from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What the sender calls the repository.
    pub called: String,
    /// The project file, relative to the top of the repository.
    pub project_file: String,
    /// Where the sender has to send to: a path, or all of the address where control knows it.
    pub address: String,
    /// When it was added.
    pub added_at: Moment,
    /// Who added it.
    pub added_by: String,
}

/// A webhook that was added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreatedWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// The secret, where it was made here. It is shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
}

/// Every webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Webhooks {
    /// The webhooks, by name.
    pub webhooks: Vec<Webhook>,
}

/// What came of a delivery, for whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivered {
    /// It in words.
    pub sentence: String,
    /// The number of the run that began, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
}
