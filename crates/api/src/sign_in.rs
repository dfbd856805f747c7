//! Signing in by a provider of OpenID Connect.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::people::Secret;

/// Somebody wants to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BeginSignIn {
    /// The port of their own machine, on `127.0.0.1`, that the provider leads them back to.
    pub port: u16,
}

/// A sign-in that has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BegunSignIn {
    /// What is opened in a browser.
    pub url: String,
    /// What the provider names on the way back.
    pub state: String,
    /// By what whoever began it is known when they end it. It is told to nobody else.
    pub claim: Secret,
}

/// What the provider has led back with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FinishSignIn {
    /// What the provider names.
    pub state: String,
    /// By what whoever began it is known.
    pub claim: Secret,
    /// What the provider exchanges for who it was.
    pub code: Secret,
}
