//! What control says while it runs, on standard error.

use leadsman_core::id::EnvironmentId;
use leadsman_engine::Engine;
use leadsman_runtime::Runtime;
use tracing_subscriber::EnvFilter;

use crate::command::socket::Held;
use crate::context::Context;

/// Sends what the parts have to say to standard error: `LEADSMAN_LOG` chooses how much, by
/// default what happened and what went wrong.
pub(crate) fn listen_to_tracing(context: &Context) {
    let filter = EnvFilter::try_from_env("LEADSMAN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false);
    // A second subscriber would be a mistake of ours; the first one goes on then.
    let done = if context.output.is_json() {
        subscriber.json().try_init()
    } else {
        subscriber.try_init()
    };
    drop(done);
}

/// Says that control is ready, and what to do next.
pub(super) fn ready(context: &Context, engine: &Engine, url: Option<&str>, held: Option<&Held>) {
    let state = context.state.path().display();
    let version = env!("CARGO_PKG_VERSION");
    let process = std::process::id();
    context.output.talk(&format!(
        "Leadsman {version} is ready (process {process}, state in {state})"
    ));
    if let Some(url) = url {
        context.output.talk(&format!(
            "the API is served on {url}, to whoever has a token"
        ));
    }
    if let Some(held) = held {
        context.output.talk(&held.sentence());
    }
    let views = engine.views();
    let views = views.borrow();
    if views.environments.is_empty() {
        context
            .output
            .talk("nothing is deployed yet: ship a release with `leadsman ship`");
    }
    for id in views.environments.keys() {
        context
            .output
            .talk(&format!("{id}: see how it stands with `leadsman status`"));
    }
}

/// Says what goes on without control.
pub(super) async fn control_ended(
    context: &Context,
    runtime: &dyn Runtime,
    environments: &[EnvironmentId],
) {
    let mut running = 0;
    for environment in environments {
        running += runtime
            .observe(environment)
            .await
            .map_or(0, |seen| seen.len());
    }
    let instances = if running == 1 {
        "instance goes"
    } else {
        "instances go"
    };
    context.output.talk(&format!(
        "control has ended; the data plane and {running} {instances} on answering requests"
    ));
    context.output.talk("start control again with `leadsman up`, end everything with `leadsman up` and `leadsman down`");
}
