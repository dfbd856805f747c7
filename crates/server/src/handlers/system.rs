//! Control itself.

use axum::Json;
use axum::extract::State;
use leadsman_api::{Moment, System};

use super::Shared;
use crate::serve::Server;

pub(crate) async fn get(State(server): Shared) -> Json<System> {
    Json(system(&server))
}

/// Asks for everything to be stopped; answers before it is.
pub(crate) async fn down(State(server): Shared) -> Json<System> {
    server.down.send_replace(true);
    Json(system(&server))
}

fn system(server: &Server) -> System {
    System {
        version: server.version.to_owned(),
        pid: std::process::id(),
        started_at: Moment(server.started_at.as_millis()),
        state: server.state.display().to_string(),
    }
}
