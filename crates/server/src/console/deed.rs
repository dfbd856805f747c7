//! What somebody does on a page: first it says what will happen, then it is done.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use leadsman_api::{Choice, Command};
use leadsman_console::{Visitor, path};
use leadsman_engine::View;
use serde::Deserialize;

use super::{html, sealed, see};
use crate::access::Caller;
use crate::extract::{Form, Path};
use crate::handlers::choices::choices;
use crate::handlers::commands::tell;
use crate::handlers::status::status_of;
use crate::handlers::{Shared, environment_id, view};
use crate::problem::Failure;
use crate::serve::Server;

type Asked = Path<(String, String, String)>;

#[derive(Deserialize)]
pub(crate) struct Decided {
    seal: String,
    /// The version of what was looked at.
    seen: u64,
    #[serde(default)]
    reason: String,
}

pub(crate) async fn ask(
    State(server): Shared,
    caller: Caller,
    Extension(visitor): Extension<Visitor>,
    Path((application, environment, name)): Asked,
) -> Result<Response, Failure> {
    let view = view(&server, &(application, environment))?;
    let (choice, version) = choice(&server, &caller, &view, &name)?;
    if let Some(refused) = choice.refused {
        return Err(Failure::not_now(&refused));
    }
    let status = status_of(&server, &view).await;
    let page = leadsman_console::confirm(&visitor, &status, &choice, version);
    Ok(html(StatusCode::OK, page))
}

pub(crate) async fn done(
    State(server): Shared,
    caller: Caller,
    headers: HeaderMap,
    Path((application, environment, name)): Asked,
    Form(decided): Form<Decided>,
) -> Result<Response, Failure> {
    sealed(&headers, &decided.seal)?;
    let address = path::fill(path::ENVIRONMENT, &[&application, &environment]);
    let asked = (application, environment);
    let view = view(&server, &asked)?;
    let (choice, _) = choice(&server, &caller, &view, &name)?;
    let mut wish = choice.command;
    match &mut wish {
        Command::Approve { note, .. } => {
            *note = Some(decided.reason).filter(|it| !it.trim().is_empty());
        }
        Command::Reject { why, .. } => *why = decided.reason,
        Command::Confirm { said, .. } => *said = decided.reason,
        _ => {}
    }
    let id = environment_id(&asked)?;
    tell(&server, &caller, &id, wish, Some(decided.seen)).await?;
    Ok(see(&address))
}

/// Returns the choice of this name, and the version at which it is there.
fn choice(
    server: &Server,
    caller: &Caller,
    view: &View,
    name: &str,
) -> Result<(Choice, u64), Failure> {
    let choices = choices(server, caller, view);
    let mut all = choices.choices.into_iter();
    let choice = all.find(|choice| choice.name == name);
    let choice = choice.ok_or_else(|| {
        Failure::not_found(format!(
            "there is nothing called `{name}` that could be done here now"
        ))
    })?;
    Ok((choice, choices.version))
}
