//! One file per thing that can be asked for.

pub(crate) mod artifacts;
pub(crate) mod audit;
pub(crate) mod choices;
pub(crate) mod commands;
pub(crate) mod deliveries;
pub(crate) mod diff;
pub(crate) mod errors;
pub(crate) mod events;
pub(crate) mod history;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod openapi;
pub(crate) mod people;
pub(crate) mod plan;
pub(crate) mod releases;
pub(crate) mod replay;
pub(crate) mod reports;
pub(crate) mod run_logs;
pub(crate) mod runs;
pub(crate) mod series;
pub(crate) mod ship;
pub(crate) mod sign_in;
pub(crate) mod status;
pub(crate) mod subscriptions;
pub(crate) mod system;
pub(crate) mod tokens;
pub(crate) mod webhooks;

use std::sync::Arc;

use leadsman_core::id::EnvironmentId;
use leadsman_engine::View;

use crate::problem::Failure;
use crate::serve::Server;

pub(crate) type Shared = axum::extract::State<Arc<Server>>;

/// The path of an environment, as it was asked for.
pub(crate) type AskedEnvironment = crate::extract::Path<(String, String)>;

/// Returns the environment that was asked for.
pub(crate) fn environment_id(
    (application, environment): &(String, String),
) -> Result<EnvironmentId, Failure> {
    let not_found = |error: leadsman_core::id::InvalidName| Failure::not_found(error.to_string());
    Ok(EnvironmentId {
        application: application.parse().map_err(not_found)?,
        environment: environment.parse().map_err(not_found)?,
    })
}

/// Returns what the environment that was asked for looks like.
pub(crate) fn view(server: &Server, asked: &(String, String)) -> Result<Arc<View>, Failure> {
    let id = environment_id(asked)?;
    let views = server.engine.views();
    let view = views.borrow().environments.get(&id).cloned();
    view.ok_or_else(|| leadsman_engine::Error::UnknownEnvironment(id).into())
}
