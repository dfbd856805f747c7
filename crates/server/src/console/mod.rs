//! The console: pages for people, over the network, behind the same guard as everything else.
//!
//! What a page says comes from the API's types; [`leadsman_console`] makes pages of them. Here is what
//! is about requests: who looks, by which session, and what a form asks for.

pub(crate) mod deed;
pub(crate) mod freezes;
pub(crate) mod live;
pub(crate) mod releases;
pub(crate) mod runs;
pub(crate) mod services;
pub(crate) mod settings;
pub(crate) mod sign_in;

use axum::Extension;
use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use leadsman_api::Problem;
use leadsman_console::{ASSETS, AuditSearch, HistorySearch, Unclear, Visitor, path};

use crate::access::{Caller, session};
use crate::extract::{Path, Query};
use crate::handlers::choices::choices;
use crate::handlers::history::of_newest;
use crate::handlers::series::series;
use crate::handlers::status::{current, status_of};
use crate::handlers::{AskedEnvironment, Shared, view};
use crate::problem::Failure;

/// What a browser may do on a page of ours: show it, with our style and our script, and send forms to
/// us.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// The seal of who comes over a socket, which no browser can.
const OVER_SOCKET: &str = "socket";

pub(crate) async fn overview(
    State(server): Shared,
    caller: Caller,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let overview = current(&server, &caller).await;
    html(
        StatusCode::OK,
        leadsman_console::overview(&visitor, &overview),
    )
}

pub(crate) async fn environment(
    State(server): Shared,
    caller: Caller,
    Extension(visitor): Extension<Visitor>,
    Path(asked): AskedEnvironment,
) -> Result<Response, Failure> {
    let view = view(&server, &asked)?;
    let status = status_of(&server, &view).await;
    let choices = choices(&server, &caller, &view);
    let events = of_newest(&server, &view).await?;
    let last = view.environment.last_deployment;
    let series = series(&server, &view.environment.id, last).await?;
    let page = leadsman_console::environment(&visitor, &status, &choices, &events, series.as_ref());
    Ok(html(StatusCode::OK, page))
}

pub(crate) async fn history(
    state: Shared,
    Extension(visitor): Extension<Visitor>,
    asked: AskedEnvironment,
    Query(search): Query<HistorySearch>,
) -> Result<Response, Failure> {
    let now = crate::wire::moment(state.0.engine.now());
    let query = Query(search.query().map_err(unclear)?);
    let history = crate::handlers::history::history(state, asked, query).await?;
    let page = leadsman_console::history(&visitor, &history, &search, now);
    Ok(html(StatusCode::OK, page))
}

pub(crate) async fn audit(
    state: Shared,
    caller: Caller,
    Extension(visitor): Extension<Visitor>,
    Query(search): Query<AuditSearch>,
) -> Result<Response, Failure> {
    let now = crate::wire::moment(state.0.engine.now());
    let query = Query(search.query().map_err(unclear)?);
    let audit = crate::handlers::audit::get(state, caller, query).await?;
    let page = leadsman_console::audit(&visitor, &audit, &search, now);
    Ok(html(StatusCode::OK, page))
}

fn unclear(unclear: Unclear) -> Failure {
    Failure::bad_request(unclear.0)
}

pub(crate) async fn asset(Path((version, name)): Path<(String, String)>) -> Response {
    let wanted = path::fill(path::ASSET, &[&version, &name]);
    let Some(asset) = ASSETS.iter().find(|asset| asset.path == wanted) else {
        return Failure::not_found("there is nothing at this path").into_response();
    };
    let headers = [
        (CONTENT_TYPE, asset.media_type),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, asset.content).into_response()
}

/// Returns who looks at a page.
pub(crate) fn visitor(caller: &Caller, headers: &HeaderMap) -> Visitor {
    let seal = session::of(headers).map_or_else(|| OVER_SOCKET.to_owned(), session::seal);
    Visitor {
        name: caller.name().to_owned(),
        seal,
    }
}

/// Whether a form was filled in on a page of ours, in this session.
fn sealed(headers: &HeaderMap, given: &str) -> Result<(), Failure> {
    let is_ours = match session::of(headers) {
        Some(token) => session::is_sealed(token, given),
        None => given == OVER_SOCKET,
    };
    if is_ours {
        Ok(())
    } else {
        Err(Failure::not_for_us("the form is not of this session"))
    }
}

/// Returns a page as an answer.
fn html(status: StatusCode, page: String) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, page).into_response()
}

/// Sends a browser to another page of ours.
fn see(address: &str) -> Response {
    let location = HeaderValue::try_from(address);
    let location = location.unwrap_or(HeaderValue::from_static(path::OVERVIEW));
    let headers = [
        (LOCATION, location),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// Sends somebody to where they say who they are, and then back to the page at `from`.
pub(crate) fn to_sign_in(from: &str) -> Response {
    // A path has nothing in it that would have a meaning of its own in a query but these.
    let to = from
        .replace('%', "%25")
        .replace('&', "%26")
        .replace('+', "%2B");
    see(&format!("{}?to={to}", path::SIGN_IN))
}

/// Says on a page what an answer says in JSON.
pub(crate) fn in_words(
    mut response: Response,
    visitor: Option<&Visitor>,
    from: &str,
    tls: bool,
) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    if problem.status == StatusCode::UNAUTHORIZED.as_u16() {
        let mut answer = to_sign_in(from);
        answer.headers_mut().insert(SET_COOKIE, session::ends(tls));
        return answer;
    }
    let page = leadsman_console::problem(visitor, &problem, back(from));
    html(response.status(), page)
}

/// Returns where somebody goes on for whom the page at `from` came to nothing.
fn back(from: &str) -> &str {
    if let Some((environment, _)) = from.split_once("/do/") {
        return environment;
    }
    if from.starts_with("/environments/") && from.contains("/freezes") {
        return path::FREEZES;
    }
    if from.ends_with("/history") || matches!(from, path::AUDIT | path::RUNS) {
        return from;
    }
    match from.strip_prefix(path::PEOPLE) {
        Some("") => path::PEOPLE,
        // A change of somebody, who may not be there.
        Some(_) => from
            .rsplit_once('/')
            .map_or(path::PEOPLE, |(above, _)| above),
        None if from.starts_with(path::SETTINGS) => path::SETTINGS,
        None => path::OVERVIEW,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_got_nothing_goes_on_where_they_came_from() {
        for (from, leads) in [
            (
                "/environments/shop/production/do/pause",
                "/environments/shop/production",
            ),
            ("/environments/shop/production/freezes", "/settings/freezes"),
            (
                "/environments/shop/production/freezes/3/thaw",
                "/settings/freezes",
            ),
            (
                "/environments/shop/production/history",
                "/environments/shop/production/history",
            ),
            ("/audit", "/audit"),
            ("/settings", "/settings"),
            ("/settings/tokens/3/revoke", "/settings"),
            ("/settings/people", "/settings/people"),
            ("/settings/people/mia", "/settings/people"),
            ("/settings/people/mia/grant", "/settings/people/mia"),
            ("/runs/shop/3", "/"),
        ] {
            assert_eq!(back(from), leads, "{from}");
        }
    }
}
