//! Control itself.

use axum::Json;
use axum::extract::State;
use leadsman_api::{Moment, System};
use leadsman_core::people::{Act, Reach};

use super::Shared;
use crate::access::Caller;
use crate::problem::Failure;
use crate::serve::Server;

pub(crate) async fn get(State(server): Shared) -> Json<System> {
    Json(system(&server))
}

/// Asks for everything to be stopped; answers before it is.
pub(crate) async fn down(State(server): Shared, caller: Caller) -> Result<Json<System>, Failure> {
    let permit = caller.may(Act::Stop, &Reach::Everything)?;
    server
        .engine
        .acted(permit.by(), Act::Stop.as_str(), None)
        .await;
    server.down.send_replace(true);
    Ok(Json(system(&server)))
}

fn system(server: &Server) -> System {
    System {
        version: server.version.to_owned(),
        pid: std::process::id(),
        started_at: Moment(server.started_at.as_millis()),
        state: server.state.display().to_string(),
        api: server.api.clone(),
    }
}
