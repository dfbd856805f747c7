//! The page of freezes and windows, and what is changed there.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use leadsman_api::Command;
use leadsman_console::settings::Held;
use leadsman_console::{Visitor, path, settings as page};
use leadsman_core::people::{Act, Reach};
use serde::Deserialize;

use super::settings::{Decided, is_admin};
use super::{html, sealed, see};
use crate::access::Caller;
use crate::extract::{Form, Path};
use crate::handlers::commands::{said, tell};
use crate::handlers::status::current;
use crate::handlers::{AskedEnvironment, Shared, environment_id, view};
use crate::problem::Failure;
use crate::wire;

/// The longest time that is chosen on a page, in hours.
const HOURS_MAX: u64 = 24 * 366;

/// A freeze that somebody wants.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    seal: String,
    reason: String,
    /// For how long; 0 is until somebody ends it.
    hours: u64,
    #[serde(default)]
    maintenance: String,
}

pub(crate) async fn list(
    State(server): Shared,
    caller: Caller,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let overview = current(&server, &caller).await;
    let held = overview.environments.iter().map(|status| {
        let id = environment_id(&(status.application.clone(), status.environment.clone()));
        let about = id.ok().map(Reach::Environment);
        let can = |act| about.as_ref().is_some_and(|about| caller.can(act, about));
        Held {
            status,
            freezes: can(Act::Freeze),
            thaws: can(Act::Thaw),
        }
    });
    let held: Vec<Held<'_>> = held.collect();
    let page = page::freezes(&visitor, is_admin(&caller), &held);
    html(StatusCode::OK, page)
}

pub(crate) async fn freeze(
    State(server): Shared,
    caller: Caller,
    headers: HeaderMap,
    Path(asked): AskedEnvironment,
    Form(wanted): Form<Wanted>,
) -> Result<Response, Failure> {
    sealed(&headers, &wanted.seal)?;
    let id = environment_id(&asked)?;
    if wanted.hours > HOURS_MAX {
        let message = format!("a freeze that is made here lasts {HOURS_MAX} hours at the longest");
        return Err(Failure::bad_request(message));
    }
    let lasts = (wanted.hours > 0).then(|| Duration::from_secs(wanted.hours * 3600));
    let now = server.engine.now();
    let wish = Command::Freeze {
        from: None,
        until: lasts.map(|lasts| wire::moment(now + lasts)),
        maintenance: !wanted.maintenance.is_empty(),
        why: wanted.reason,
    };
    tell(&server, &caller, &id, wish, None).await?;
    Ok(see(path::FREEZES))
}

pub(crate) async fn ask(
    State(server): Shared,
    Extension(visitor): Extension<Visitor>,
    Path((application, environment, number)): Path<(String, String, u64)>,
) -> Result<Response, Failure> {
    let view = view(&server, &(application, environment))?;
    let status = wire::status(&view);
    let freeze = status.freezes.iter().find(|it| it.number == number);
    let freeze = freeze.ok_or_else(|| {
        let message = format!("`{}` has no freeze {number}", view.environment.id);
        Failure::not_found(message)
    })?;
    let page = page::thaw(&visitor, &status, freeze);
    Ok(html(StatusCode::OK, page))
}

pub(crate) async fn thaw(
    State(server): Shared,
    caller: Caller,
    headers: HeaderMap,
    Path((application, environment, number)): Path<(String, String, u64)>,
    Form(decided): Form<Decided>,
) -> Result<Response, Failure> {
    sealed(&headers, &decided.seal)?;
    // The command has no place for it: the audit has.
    let caller = caller.saying(&said(&decided.reason)?);
    let id = environment_id(&(application, environment))?;
    let wish = Command::Thaw {
        freeze: Some(number),
    };
    tell(&server, &caller, &id, wish, None).await?;
    Ok(see(path::FREEZES))
}
