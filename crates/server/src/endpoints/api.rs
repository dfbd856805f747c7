//! The API.

use axum::http::StatusCode;
use leadsman_api::{
    Accepted, Artifact, Audit, AuditQuery, BeginSignIn, BegunSignIn, Changed, Choices, Command,
    CreatedSubscription, CreatedToken, CreatedWebhook, Delivered, Deliveries, Diff, DiffQuery,
    EnvironmentStatus, EventsQuery, FinishSignIn, History, HistoryQuery, LogLine, LoggedEvent,
    LogsQuery, NewSubscription, NewToken, NewWebhook, Overview, People, PeopleCommand, Plan,
    ReleaseStatus, Replay, ReplayLine, ReportAccepted, ReportQuery, RunAccepted, RunCommand,
    RunLine, RunList, RunLogsQuery, RunQuery, RunRequest, RunStatus, RunsQuery, Series,
    SeriesQuery, Shipment, Shipped, StatusQuery, Subscriptions, SubscriptionsQuery, System, Tested,
    Tokens, Webhooks, Why, path,
};
use leadsman_core::people::Act;

use super::Needs::{Everything, Known, Named, Nobody, Somewhere};
use super::{COMMANDS, Endpoint, delete, get, post, put};
use crate::handlers::{
    artifacts, audit, choices, commands, deliveries, diff, errors, events, history, logs, metrics,
    openapi, people, plan, releases, replay, reports, run_logs, runs, series, ship, sign_in,
    status, subscriptions, system, tokens, webhooks,
};

/// How large an artifact may be: the limit is there to stop what never ends.
const ARTIFACT_BYTES_MAX: usize = 16 * 1024 * 1024 * 1024;

/// How large a report may be: what is larger is not read by those who read it.
const REPORT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Returns all of it.
pub(super) fn all() -> Vec<Endpoint> {
    let mut all = of_control();
    all.extend(of_environments());
    all.extend(of_releases());
    all.extend(of_runs());
    all.extend(of_subscriptions());
    all.extend(of_people());
    all
}

fn of_control() -> Vec<Endpoint> {
    vec![
        get(path::OPENAPI, Nobody, openapi::get)
            .says("This description")
            .answers_as("application/json"),
        get(path::ERROR, Nobody, errors::get)
            .says("What a code of a problem means, and what to do about it")
            .answers_as("text/markdown; charset=utf-8"),
        get(path::SYSTEM, Known, system::get)
            .says("Which control answers")
            .answers::<System>(),
        post(path::DOWN, Everything(Act::Stop), system::down)
            .says("End control, the data plane and every instance, in order")
            .answers::<System>(),
        get(path::METRICS, Somewhere(&[Act::See]), metrics::get)
            .says("How everything stands, as Prometheus reads it")
            .answers_as(crate::metrics::TEXT),
        get(path::AUDIT, Somewhere(&[Act::Audit]), audit::get)
            .says("Who did what, when, from where and why; the newest first")
            .asks::<AuditQuery>()
            .answers::<Audit>(),
    ]
}

fn of_environments() -> Vec<Endpoint> {
    let see = Named(&[Act::See]);
    vec![
        get(path::EVENTS, Somewhere(&[Act::See]), events::get)
            .says("What happens, as it happens; from any position of the log on")
            .asks::<EventsQuery>()
            .answers_events::<LoggedEvent>(),
        get(path::STATUS, Somewhere(&[Act::See]), status::overview)
            .says("How everything stands; with `after` and `wait_ms`, as soon as it has changed")
            .asks::<StatusQuery>()
            .answers_unless_known::<Overview>(),
        get(path::ENVIRONMENT, see, status::environment)
            .says("How one environment stands")
            .answers::<EnvironmentStatus>(),
        get(path::CHOICES, see, choices::get)
            .says("What whoever asks may decide there now, and why not the rest")
            .answers::<Choices>(),
        post(path::COMMANDS, Named(COMMANDS), commands::post)
            .says("Give a command; what is answered with a success is recorded for good")
            .takes::<Command>()
            .answers::<Accepted>(),
        get(path::SERIES, see, series::get)
            .says("How the two sides of a deployment have been doing, over time")
            .asks::<SeriesQuery>()
            .answers::<Series>(),
        get(path::WHY, see, history::why)
            .says("How it stands, and what happened to its newest deployment")
            .answers::<Why>(),
        get(path::HISTORY, see, history::history)
            .says("What was deployed and what was recorded; the newest first")
            .asks::<HistoryQuery>()
            .answers::<History>(),
        get(path::DIFF, see, diff::get)
            .says("How two releases differ")
            .asks::<DiffQuery>()
            .answers::<Diff>(),
        post(path::REPLAY, see, replay::post)
            .says("Judge a past rollout again; changes nothing")
            .takes::<Replay>()
            .answers_lines::<ReplayLine>(),
        get(path::LOGS, see, logs::get)
            .says("What instances wrote; with `follow`, without an end")
            .asks::<LogsQuery>()
            .answers_lines::<LogLine>(),
    ]
}

fn of_releases() -> Vec<Endpoint> {
    let ships = Somewhere(&[Act::Ship]);
    vec![
        post(path::PLAN, Somewhere(&[Act::See]), plan::post)
            .says("What shipping would do; changes nothing, and needs no artifacts")
            .takes::<Shipment>()
            .answers::<Plan>(),
        post(path::SHIP, ships, ship::post)
            .says("Ship a release")
            .takes::<Shipment>()
            .answers::<Shipped>(),
        get(path::ARTIFACT, ships, artifacts::get)
            .says("Whether an artifact is here")
            .answers::<Artifact>(),
        put(path::ARTIFACT, ships, artifacts::put)
            .says("Bring an artifact; it is kept once its digest is the one in the path")
            .takes_bytes(ARTIFACT_BYTES_MAX)
            .answers::<Artifact>(),
        get(path::RELEASE, Somewhere(&[Act::See]), releases::get)
            .says("All that is known of a release: what it is, and how it fared where")
            .answers::<ReleaseStatus>(),
        post(path::REPORTS, Named(&[Act::Report]), reports::post)
            .says("Hand in a report on a release")
            .asks::<ReportQuery>()
            .takes_bytes(REPORT_BYTES_MAX)
            .answers::<ReportAccepted>(),
    ]
}

fn of_runs() -> Vec<Endpoint> {
    let see = Named(&[Act::See]);
    vec![
        get(path::RUNS, Somewhere(&[Act::See]), runs::list)
            .says("Runs of the pipeline, the newest first")
            .asks::<RunsQuery>()
            .answers::<RunList>(),
        post(path::RUNS, Somewhere(&[Act::Run]), runs::begin)
            .says("Begin a run")
            .takes::<RunRequest>()
            .answers::<RunAccepted>(),
        get(path::RUN, see, runs::get)
            .says("How a run stands; with `after` and `wait_ms`, as soon as it has changed")
            .asks::<RunQuery>()
            .answers::<RunStatus>(),
        post(path::RUN_COMMANDS, Named(&[Act::Run]), runs::command)
            .says("Cancel or resume a run")
            .takes::<RunCommand>()
            .answers::<RunAccepted>(),
        get(path::RUN_LOGS, see, run_logs::get)
            .says("What the jobs of a run wrote; with `follow`, until it ends")
            .asks::<RunLogsQuery>()
            .answers_lines::<RunLine>(),
        get(path::WEBHOOKS, Everything(Act::People), webhooks::get)
            .says("The webhooks by which others tell of pushes")
            .answers::<Webhooks>(),
        post(path::WEBHOOKS, Everything(Act::People), webhooks::post)
            .says("Add a webhook; its secret is shown this once")
            .takes::<NewWebhook>()
            .answers::<CreatedWebhook>(),
        delete(path::WEBHOOK, Everything(Act::People), webhooks::delete)
            .says("Remove a webhook")
            .answers::<Changed>(),
        // Who sends it shows who they are by signing it.
        post(path::DELIVERIES, Nobody, deliveries::post)
            .says("What GitHub and GitLab tell, with their signature")
            .takes_bytes(deliveries::BODY_BYTES_MAX)
            .answers::<Delivered>()
            .or_with(StatusCode::ACCEPTED),
    ]
}

fn of_subscriptions() -> Vec<Endpoint> {
    let people = Everything(Act::People);
    vec![
        get(path::SUBSCRIPTIONS, people, subscriptions::get)
            .says("The subscriptions by which others are told of what happens")
            .asks::<SubscriptionsQuery>()
            .answers::<Subscriptions>(),
        post(path::SUBSCRIPTIONS, people, subscriptions::post)
            .says("Add a subscription; its secret is shown this once")
            .takes::<NewSubscription>()
            .answers::<CreatedSubscription>(),
        delete(path::SUBSCRIPTION, people, subscriptions::delete)
            .says("Remove a subscription")
            .answers::<Changed>(),
        post(path::SUBSCRIPTION_SECRET, people, subscriptions::secret)
            .says("Make another secret; the one before signs, too, for a day")
            .answers::<CreatedSubscription>(),
        post(path::SUBSCRIPTION_TEST, people, subscriptions::test)
            .says("Send a notice that tells of nothing, and say what came back")
            .answers::<Tested>(),
        get(
            path::SUBSCRIPTION_DELIVERIES,
            people,
            subscriptions::deliveries,
        )
        .says("How telling a subscription goes, with the last deliveries")
        .answers::<Deliveries>(),
    ]
}

fn of_people() -> Vec<Endpoint> {
    let people = Everything(Act::People);
    let own = Somewhere(&[Act::OwnTokens]);
    vec![
        get(path::PEOPLE, people, people::get)
            .says("Everybody, and what they may do")
            .answers::<People>(),
        post(path::PEOPLE, people, people::post)
            .says("Add or remove somebody, or change what they may do")
            .takes::<PeopleCommand>()
            .answers::<Changed>(),
        get(path::TOKENS, own, tokens::get)
            .says("One's own tokens, or everybody's")
            .answers::<Tokens>(),
        post(path::TOKENS, own, tokens::post)
            .says("Make a token; it is shown this once")
            .takes::<NewToken>()
            .answers::<CreatedToken>(),
        delete(path::TOKEN, own, tokens::delete)
            .says("Revoke a token")
            .answers::<Changed>(),
        // It is how somebody says who they are.
        post(path::SIGN_IN, Nobody, sign_in::begin)
            .says("Begin to sign in with the provider")
            .takes::<BeginSignIn>()
            .answers::<BegunSignIn>(),
        post(path::SIGN_IN_END, Nobody, sign_in::finish)
            .says("End signing in; answers with a token")
            .takes::<FinishSignIn>()
            .answers::<CreatedToken>(),
    ]
}
