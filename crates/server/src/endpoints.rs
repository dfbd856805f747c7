//! Everything that can be asked for, with what it needs.
//!
//! A route is only ever made of an [`Endpoint`], and there is none without [`Needs`]: what nobody
//! has thought about does not exist. `docs/reference/rights.md` is generated from this list.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, post, put};
use leadsman_api::path;
use leadsman_console::path as page;
use leadsman_core::people::Act;

use crate::access::guard::{Guard, guard};
use crate::console;
use crate::handlers;
use crate::problem::Failure;
use crate::serve::Server;

/// How large an artifact may be: the limit is there to stop what never ends.
const ARTIFACT_BYTES_MAX: usize = 16 * 1024 * 1024 * 1024;

/// How large a report may be: what is larger is not read by those who read it.
const REPORT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What somebody must be allowed so that a handler sees the request at all. What a handler finds
/// out only from the body it asks by itself: it cannot do anything without a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it is how somebody says who they are.
    Nobody,
    /// That they are somebody.
    Known,
    /// To do this to everything.
    Everything(Act),
    /// To do one of these anywhere. The handler asks about what exactly, or leaves out the rest.
    Somewhere(&'static [Act]),
    /// To do one of these to the environment, or else the application, that the path names. Where
    /// there are several, the body says which, and the handler asks again.
    Named(&'static [Act]),
}

/// Something that can be asked for.
pub(crate) struct Endpoint {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) needs: Needs,
    /// Whether it is a page, for people.
    page: bool,
    handler: MethodRouter<Arc<Server>>,
}

/// What the body of [`path::COMMANDS`] may ask for.
const COMMANDS: &[Act] = &[
    Act::Pause,
    Act::Resume,
    Act::Promote,
    Act::Abort,
    Act::Retry,
    Act::Rollback,
    Act::Close,
    Act::Open,
    Act::Approve,
    Act::Reject,
    Act::Confirm,
    Act::Freeze,
    Act::Except,
    Act::Thaw,
];

/// Returns everything that can be asked for.
pub(crate) fn all() -> Vec<Endpoint> {
    use Needs::{Everything, Named, Somewhere};
    let endpoint = |method, path, needs, handler| Endpoint {
        method,
        path,
        needs,
        page: false,
        handler,
    };
    let page = |method, path, needs, handler| Endpoint {
        method,
        path,
        needs,
        page: true,
        handler,
    };
    let see = Named(&[Act::See]);
    let anywhere = Somewhere(&[Act::See]);
    let large = DefaultBodyLimit::max(ARTIFACT_BYTES_MAX);
    let report = DefaultBodyLimit::max(REPORT_BYTES_MAX);
    vec![
        endpoint(
            "GET",
            path::SYSTEM,
            Needs::Known,
            get(handlers::system::get),
        ),
        endpoint(
            "POST",
            path::DOWN,
            Everything(Act::Stop),
            post(handlers::system::down),
        ),
        endpoint(
            "GET",
            path::STATUS,
            Somewhere(&[Act::See]),
            get(handlers::status::overview),
        ),
        endpoint(
            "GET",
            path::METRICS,
            Somewhere(&[Act::See]),
            get(handlers::metrics::get),
        ),
        endpoint(
            "GET",
            path::ENVIRONMENT,
            see,
            get(handlers::status::environment),
        ),
        endpoint("GET", path::CHOICES, see, get(handlers::choices::get)),
        endpoint("GET", path::SERIES, see, get(handlers::series::get)),
        endpoint("GET", path::WHY, see, get(handlers::history::why)),
        endpoint("GET", path::HISTORY, see, get(handlers::history::history)),
        endpoint("GET", path::DIFF, see, get(handlers::diff::get)),
        endpoint("POST", path::REPLAY, see, post(handlers::replay::post)),
        endpoint("GET", path::LOGS, see, get(handlers::logs::get)),
        endpoint(
            "POST",
            path::PLAN,
            Somewhere(&[Act::See]),
            post(handlers::plan::post),
        ),
        endpoint(
            "POST",
            path::SHIP,
            Somewhere(&[Act::Ship]),
            post(handlers::ship::post),
        ),
        endpoint(
            "GET",
            path::ARTIFACT,
            Somewhere(&[Act::Ship]),
            get(handlers::artifacts::get),
        ),
        endpoint(
            "PUT",
            path::ARTIFACT,
            Somewhere(&[Act::Ship]),
            put(handlers::artifacts::put).layer(large),
        ),
        endpoint(
            "POST",
            path::REPORTS,
            Named(&[Act::Report]),
            post(handlers::reports::post).layer(report),
        ),
        endpoint(
            "POST",
            path::COMMANDS,
            Named(COMMANDS),
            post(handlers::commands::post),
        ),
        endpoint(
            "GET",
            path::RUNS,
            Somewhere(&[Act::See]),
            get(handlers::runs::list),
        ),
        endpoint(
            "POST",
            path::RUNS,
            Somewhere(&[Act::Run]),
            post(handlers::runs::begin),
        ),
        endpoint("GET", path::RUN, see, get(handlers::runs::get)),
        endpoint(
            "POST",
            path::RUN_COMMANDS,
            Named(&[Act::Run]),
            post(handlers::runs::command),
        ),
        endpoint("GET", path::RUN_LOGS, see, get(handlers::run_logs::get)),
        endpoint(
            "GET",
            path::PEOPLE,
            Everything(Act::People),
            get(handlers::people::get),
        ),
        endpoint(
            "POST",
            path::PEOPLE,
            Everything(Act::People),
            post(handlers::people::post),
        ),
        endpoint(
            "GET",
            path::TOKENS,
            Somewhere(&[Act::OwnTokens]),
            get(handlers::tokens::get),
        ),
        endpoint(
            "POST",
            path::TOKENS,
            Somewhere(&[Act::OwnTokens]),
            post(handlers::tokens::post),
        ),
        endpoint(
            "DELETE",
            path::TOKEN,
            Somewhere(&[Act::OwnTokens]),
            delete(handlers::tokens::delete),
        ),
        endpoint(
            "GET",
            path::WEBHOOKS,
            Everything(Act::People),
            get(handlers::webhooks::get),
        ),
        endpoint(
            "POST",
            path::WEBHOOKS,
            Everything(Act::People),
            post(handlers::webhooks::post),
        ),
        endpoint(
            "DELETE",
            path::WEBHOOK,
            Everything(Act::People),
            delete(handlers::webhooks::delete),
        ),
        // It is how somebody says who they are.
        endpoint(
            "POST",
            path::SIGN_IN,
            Needs::Nobody,
            post(handlers::sign_in::begin),
        ),
        endpoint(
            "POST",
            path::SIGN_IN_END,
            Needs::Nobody,
            post(handlers::sign_in::finish),
        ),
        // Who sends it shows who they are by signing it.
        endpoint(
            "POST",
            path::DELIVERIES,
            Needs::Nobody,
            post(handlers::deliveries::post),
        ),
        endpoint(
            "GET",
            path::AUDIT,
            Somewhere(&[Act::Audit]),
            get(handlers::audit::get),
        ),
        page("GET", page::OVERVIEW, anywhere, get(console::overview)),
        page(
            "GET",
            page::OVERVIEW_LIVE,
            anywhere,
            get(console::live::overview),
        ),
        page(
            "GET",
            page::SIGN_IN,
            Needs::Nobody,
            get(console::sign_in::get),
        ),
        page(
            "POST",
            page::SIGN_IN,
            Needs::Nobody,
            post(console::sign_in::post),
        ),
        page(
            "POST",
            page::SIGN_OUT,
            Needs::Known,
            post(console::sign_in::out),
        ),
        page("GET", page::ASSET, Needs::Nobody, get(console::asset)),
        page("GET", page::ENVIRONMENT, see, get(console::environment)),
        page(
            "GET",
            page::ENVIRONMENT_LIVE,
            see,
            get(console::live::environment),
        ),
        page("GET", page::HISTORY, see, get(console::history)),
        page("GET", page::RUNS, anywhere, get(console::runs::list)),
        page("GET", page::RUN, see, get(console::runs::one)),
        page("GET", page::RUN_LIVE, see, get(console::live::run)),
        page("GET", page::RUN_LOG, see, get(console::runs::log)),
        page(
            "GET",
            page::AUDIT,
            Somewhere(&[Act::Audit]),
            get(console::audit),
        ),
        page("GET", page::DO, see, get(console::deed::ask)),
        page("POST", page::DO, Named(COMMANDS), post(console::deed::done)),
    ]
}

/// Returns the router of everything, each route behind its guard.
pub(crate) fn router(server: &Arc<Server>) -> Router<Arc<Server>> {
    let behind = |needs, what: String, page, handler: MethodRouter<Arc<Server>>| {
        let server = Arc::clone(server);
        let state = Guard {
            server,
            needs,
            what,
            page,
        };
        handler.layer(from_fn_with_state(state, guard))
    };
    let mut router = Router::new();
    for it in all() {
        let what = match it.needs {
            Needs::Everything(act) => act.to_string(),
            Needs::Somewhere(&[act]) | Needs::Named(&[act]) => act.to_string(),
            Needs::Nobody | Needs::Known | Needs::Somewhere(_) | Needs::Named(_) => {
                format!("{} {}", it.method, it.path)
            }
        };
        router = router.route(it.path, behind(it.needs, what, it.page, it.handler));
    }
    let nothing = axum::routing::any(async || Failure::not_found("there is nothing at this path"));
    let nothing = behind(
        Needs::Known,
        "a path that leads to nothing".to_owned(),
        false,
        nothing,
    );
    router.fallback_service(nothing.with_state(Arc::clone(server)))
}

/// Something that can be asked for, as it is listed.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    /// The method.
    pub method: &'static str,
    /// The path, with names for what differs.
    pub path: &'static str,
    /// What somebody must be allowed.
    pub needs: Needs,
}

/// Returns everything that can be asked for, as it is listed.
pub fn listed() -> Vec<Listed> {
    let list = all().into_iter().map(|it| Listed {
        method: it.method,
        path: it.path,
        needs: it.needs,
    });
    list.collect()
}
