//! What Prometheus reads.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use leadsman_core::id::ApplicationName;
use leadsman_core::people::{Act, Reach};

use super::Shared;
use super::audit::last_position;
use crate::access::Caller;
use crate::metrics::{Passages, Seen, Shown, TEXT, Told, Whole};
use crate::serve::Server;
use crate::wire::moment;

pub(crate) async fn get(State(server): Shared, caller: Caller) -> impl IntoResponse {
    let views = server.engine.views().borrow().clone();
    let now = moment(server.engine.now());
    let seen = views.environments.values();
    let environments: Vec<Seen> = seen
        .filter(|view| caller.sees(&view.environment.id))
        .map(|view| Seen::of(view, now))
        .collect();
    let sees = |application: &ApplicationName| {
        caller.can(Act::See, &Reach::Application(application.clone()))
    };
    let now = server.runs.now();
    let runs = server.runs.look(|runs| Passages::of(runs, sees, now));
    let passages = runs.await;
    let whole = if caller.can(Act::See, &Reach::Everything) {
        let events = last_position(&*server.engine.log()).await;
        Some(Whole {
            // A page without this figure says more than none.
            events: events.ok(),
            refused: server.refused(),
            told: told(&server),
        })
    } else {
        None
    };
    let shown = Shown {
        version: server.version,
        started_at: server.started_at.as_millis(),
        environments: &environments,
        passages: &passages,
        whole: whole.as_ref(),
    };
    ([(CONTENT_TYPE, TEXT)], shown.text())
}

/// Returns how telling subscriptions goes. One that cannot be read is missing: the list of them says
/// why.
fn told(server: &Server) -> Vec<Told> {
    let now = server.engine.now();
    let known = server.subscriptions.all().unwrap_or_default();
    let told = known.iter().filter_map(|kept| {
        let progress = server.subscriptions.progress(kept).ok()?;
        Some(Told::of(kept, &progress, now))
    });
    told.collect()
}
