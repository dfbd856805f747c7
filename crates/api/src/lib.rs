//! What control and its clients say to each other: the wire types of the API's version 1, and the
//! client.
//!
//! The API is HTTP/1.1 with JSON, over a Unix socket and, where control was told to listen there,
//! over TCP. Over the socket the kernel tells who asks, so that no request has to say it; its owner
//! may do everything. Over TCP, and over the socket by choice, a token says it.
//!
//! The crate knows nothing else of Leadsman. In particular it does not share types with the
//! domain: what is written here can be read by scripts for years, and changes on purpose only.
//!
//! Conventions on the wire:
//!
//! - A moment is a whole number of milliseconds since 1970-01-01 00:00:00 UTC ([`Moment`]); a
//!   duration is a whole number of milliseconds in a field that ends in `_ms`.
//! - A share of requests given to a side is in percent (`weight_percent`, 0 to 100); a ratio that
//!   was measured is from 0 to 1 (`error_ratio`).
//! - Answers may gain fields. Requests with a field that control does not know are refused, since
//!   it may have been meant to hold something back.
//! - Whatever is not a success is a [`Problem`].
//!
//! Read first: [`Client`] (what can be asked), [`EnvironmentStatus`] (how things stand),
//! [`Problem`] (how control says no).

mod audit;
mod checklist;
mod choice;
mod client;
mod command;
mod diff;
mod events;
mod history;
mod logs;
pub mod path;
mod people;
mod plan;
mod problem;
mod release;
mod replay;
mod report;
mod run;
mod series;
mod ship;
mod sign_in;
mod status;
mod subscription;
mod system;
mod webhook;
pub mod words;

pub use audit::{Audit, AuditEntry, AuditQuery};
pub use checklist::{Checklist, ChecklistItem, ItemState, PlannedChecklist};
pub use choice::{Choice, Choices, Refused, Wanted};
pub use client::{Client, Error, InvalidUrl, Lines, Remote};
pub use command::{Accepted, Closed, Command, Scope};
pub use diff::{Change, Diff, DiffQuery};
pub use events::{EventsQuery, LoggedEvent};
pub use history::{Event, History, HistoryQuery, Release, Standing, Why};
pub use logs::{LogLine, LogsQuery};
pub use people::{
    Changed, CreatedToken, Grant, NewToken, People, PeopleCommand, Person, Secret, Token, Tokens,
};
pub use plan::{
    Plan, PlannedAction, PlannedBaseline, PlannedRise, PlannedService, PlannedSight, PlannedStep,
    PlannedTraffic,
};
pub use problem::{PROBLEM_TYPE, Problem};
pub use release::{ItemAnswer, ReleaseIn, ReleaseReport, ReleaseService, ReleaseStatus};
pub use replay::{
    RecordedVerdict, Replay, ReplayLine, ReplayedRollout, ReplayedStep, ReplayedWindow,
};
pub use report::{GateOutcome, GateStatus, ReportAccepted, ReportQuery};
pub use run::{
    JobReport, JobStatus, RunAccepted, RunCommand, RunLine, RunList, RunLogsQuery, RunQuery,
    RunRequest, RunStatus, RunsQuery,
};
pub use series::{Counted, Point, Series, SeriesQuery, ServiceSeries};
pub use ship::{Shipment, Shipped};
pub use sign_in::{BeginSignIn, BegunSignIn, FinishSignIn};
pub use status::{
    Approval, Certificate, Closing, Deployment, EnvironmentStatus, Evidence, Figures, Finding,
    Freeze, Instance, InstanceState, Moment, Origin, Outcome, Overview, Phase, Queued, Reason,
    Request, Rollout, RolloutStage, Schema, ServiceStatus, Side, StatusQuery, Verdict, Who,
    Windows,
};
pub use subscription::{
    CreatedSubscription, Deliveries, Delivery, NewSubscription, Notice, NoticeData, Subscription,
    Subscriptions, SubscriptionsQuery, Tested,
};
pub use system::{Artifact, System};
pub use webhook::{CreatedWebhook, Delivered, NewWebhook, Webhook, Webhooks};

/// The version of the API that this crate speaks. It is part of every path.
pub const API_VERSION: u16 = 1;

/// The header by which control and client tell each other the version of the API they speak.
pub const API_VERSION_HEADER: &str = "leadsman-api";

/// The header that carries the number under which control logged a request.
pub const REQUEST_ID_HEADER: &str = "leadsman-request-id";

/// The header by which an act that is asked for again is told from another one: any text that is
/// new for every act.
pub const IDEMPOTENCY_KEY_HEADER: &str = "idempotency-key";

/// The header in which a client gives the reason for what it asks. All but printable ASCII, and `%`
/// itself, is percent-encoded UTF-8.
pub const REASON_HEADER: &str = "leadsman-reason";
