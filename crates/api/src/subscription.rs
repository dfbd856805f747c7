//! Subscriptions: who is told what happens here, and what came of telling them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::history::Event;
use crate::people::Secret;
use crate::status::Moment;

/// A subscription that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSubscription {
    /// What it is called.
    pub name: String,
    /// Where notices are sent to: a URL that begins with `https`.
    pub url: String,
    /// In which words: `leadsman` or `cdevents`; `None` for `leadsman`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Only events of these kinds, such as `deployment_promoted`; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Only what is about this application, such as `shop`, or environment, such as
    /// `shop/production`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Whether the address may be of this machine or of a private network.
    #[serde(default)]
    pub private_address: bool,
    /// Whether the URL may begin with `http` although it leads to another machine.
    #[serde(default)]
    pub plain_http: bool,
}

/// A subscription as it is known: all but its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subscription {
    /// What it is called.
    pub name: String,
    /// The host and port of its URL.
    pub host: String,
    /// Its URL, where that was asked for: the path may be a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// In which words it is told: `leadsman` or `cdevents`.
    pub format: String,
    /// The kinds of events that it is told of; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// The application or environment that it is told of; all where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Whether the address may be of this machine or of a private network.
    pub private_address: bool,
    /// Whether the URL may begin with `http` although it leads to another machine.
    pub plain_http: bool,
    /// When it was added.
    pub added_at: Moment,
    /// Who added it.
    pub added_by: String,
    /// Since when nothing could be told, if that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Moment>,
    /// When it ended, if it did: its address answered that it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Moment>,
}

/// A subscription with a secret that was made for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreatedSubscription {
    /// The subscription.
    pub subscription: Subscription,
    /// By what its notices are signed. It is shown this once.
    pub secret: Secret,
    /// Until when the secret before it signs, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_until: Option<Moment>,
}

/// What is wanted of the subscriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionsQuery {
    /// Whether to say whole URLs, and not only their hosts.
    #[serde(default)]
    pub urls: Option<bool>,
}

/// Every subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subscriptions {
    /// The subscriptions, by name.
    pub subscriptions: Vec<Subscription>,
}

/// How telling a subscription goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deliveries {
    /// The subscription.
    pub name: String,
    /// The position in the log up to which everything was told, left out or given up.
    pub position: u64,
    /// How many notices were given up, because they could not be told for too long.
    pub given_up: u64,
    /// Since when nothing could be told, if that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Moment>,
    /// When it is tried next, if the last time failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Moment>,
    /// When it ended, if it did: its address answered that it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Moment>,
    /// The last deliveries, the newest first.
    pub deliveries: Vec<Delivery>,
}

/// One time that a notice was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// The id of the notice.
    pub id: String,
    /// The kind of event that it tells of.
    pub kind: String,
    /// When it was sent.
    pub at: Moment,
    /// How long it took until that was answered, or given up.
    pub took_ms: u64,
    /// The status that was answered, if anything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it does not count as told; `None` if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What came of a notice that was sent to see whether it arrives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tested {
    /// What was sent, and what came back.
    pub delivery: Delivery,
    /// The beginning of what was answered, where that is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// What a subscription is told in the words of Leadsman: an event as
/// [CloudEvents 1.0](https://cloudevents.io) have it, in structured mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// `1.0`.
    pub specversion: String,
    /// Names the event for ever: what is told once more has the same.
    pub id: String,
    /// Which Leadsman tells it: `urn:leadsman:` and digits that belong to its log.
    pub source: String,
    /// `dev.leadsman.` and the kind of event, such as `dev.leadsman.weight_shifted`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about: `shop`, `shop/production` or `shop/runs/7`.
    pub subject: String,
    /// When it happened, as RFC 3339 has it.
    pub time: String,
    /// `application/json`.
    pub datacontenttype: String,
    /// What happened.
    pub data: NoticeData,
}

/// What happened, and to what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoticeData {
    /// The application.
    pub application: String,
    /// The environment, if it happened in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The number of the run, if it happened in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
    /// The release that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    /// The service that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The job that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The event, as the history has it.
    pub event: Event,
}
