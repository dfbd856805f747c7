//! Everything that can be asked for, with what it needs.
//!
//! A route is only ever made of an [`Endpoint`], and there is none without [`Needs`]: what nobody
//! has thought about does not exist. `docs/reference/rights.md` and the description of the API are
//! generated from these lists.

mod api;
mod pages;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{self, MethodRouter};
use leadsman_core::people::Act;
use schemars::JsonSchema;

use crate::access::guard::{Guard, Once, guard};
use crate::openapi::{Content, Described, SchemaOf};
use crate::problem::Failure;
use crate::serve::{REQUEST_BYTES_MAX, Server};

/// What somebody must be allowed so that a handler sees the request at all. What a handler finds
/// out only from the body it asks by itself: it cannot do anything without a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it is how somebody says who they are, or no secret.
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
    /// What the description of the API says of it. A page, for people, is not part of it.
    pub(crate) described: Option<Described>,
    /// How large its body may be.
    body_bytes_max: usize,
    handler: MethodRouter<Arc<Server>>,
}

/// What the body of a command may ask for.
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

/// Asks for something, and changes nothing.
fn get<T: 'static>(
    path: &'static str,
    needs: Needs,
    handler: impl Handler<T, Arc<Server>>,
) -> Endpoint {
    Endpoint::new("GET", path, needs, routing::get(handler))
}

/// Has something done.
fn post<T: 'static>(
    path: &'static str,
    needs: Needs,
    handler: impl Handler<T, Arc<Server>>,
) -> Endpoint {
    Endpoint::new("POST", path, needs, routing::post(handler))
}

/// Brings something.
fn put<T: 'static>(
    path: &'static str,
    needs: Needs,
    handler: impl Handler<T, Arc<Server>>,
) -> Endpoint {
    Endpoint::new("PUT", path, needs, routing::put(handler))
}

/// Ends something.
fn delete<T: 'static>(
    path: &'static str,
    needs: Needs,
    handler: impl Handler<T, Arc<Server>>,
) -> Endpoint {
    Endpoint::new("DELETE", path, needs, routing::delete(handler))
}

impl Endpoint {
    fn new(
        method: &'static str,
        path: &'static str,
        needs: Needs,
        handler: MethodRouter<Arc<Server>>,
    ) -> Self {
        Self {
            method,
            path,
            needs,
            described: None,
            body_bytes_max: REQUEST_BYTES_MAX,
            handler,
        }
    }

    /// Says in a few words what it is for. What says nothing is a page.
    fn says(mut self, summary: &'static str) -> Self {
        self.described = Some(Described::new(summary));
        self
    }

    fn describe(mut self, change: impl FnOnce(&mut Described)) -> Self {
        let described = self.described.as_mut();
        change(described.expect("what it is for is said first"));
        self
    }

    /// Has a query.
    fn asks<Q: JsonSchema>(self) -> Self {
        self.describe(|it| it.query = Some(SchemaOf::of::<Q>()))
    }

    /// Takes JSON.
    fn takes<B: JsonSchema>(self) -> Self {
        self.describe(|it| it.body = Content::Json(SchemaOf::of::<B>()))
    }

    /// Takes up to `bytes` of anything.
    fn takes_bytes(mut self, bytes: usize) -> Self {
        self.handler = self.handler.layer(DefaultBodyLimit::max(bytes));
        self.body_bytes_max = bytes;
        self.describe(|it| it.body = Content::Other("application/octet-stream"))
    }

    /// Answers with JSON.
    fn answers<A: JsonSchema>(self) -> Self {
        self.describe(|it| it.answer = Content::Json(SchemaOf::of::<A>()))
    }

    /// Answers with JSON, unless whoever asks has it already.
    fn answers_unless_known<A: JsonSchema>(self) -> Self {
        self.answers::<A>().describe(|it| it.is_tagged = true)
    }

    /// Answers with JSON and another status than 200, now and then.
    fn or_with(self, status: StatusCode) -> Self {
        self.describe(|it| it.or_with = Some(status))
    }

    /// Answers with JSON, one to a line.
    fn answers_lines<A: JsonSchema>(self) -> Self {
        self.describe(|it| it.answer = Content::Lines(SchemaOf::of::<A>()))
    }

    /// Answers with JSON, one to a server-sent event.
    fn answers_events<A: JsonSchema>(self) -> Self {
        self.describe(|it| it.answer = Content::Events(SchemaOf::of::<A>()))
    }

    /// Answers with something of this media type.
    fn answers_as(self, media_type: &'static str) -> Self {
        self.describe(|it| it.answer = Content::Other(media_type))
    }

    /// Returns what is done once only, however often it is asked for with the same key; nothing where
    /// keys mean nothing.
    pub(crate) fn once(&self) -> Option<Once> {
        let described = self.described.as_ref()?;
        let is_act = matches!(self.method, "POST" | "DELETE") && self.needs != Needs::Nobody;
        let is_short = matches!(described.answer, Content::Json(_));
        (is_act && is_short).then_some(Once {
            method: self.method,
            body_bytes_max: self.body_bytes_max,
        })
    }

    /// Whether it is a page, for people.
    fn is_page(&self) -> bool {
        self.described.is_none()
    }
}

/// Returns everything that can be asked for.
pub(crate) fn all() -> Vec<Endpoint> {
    let mut all = api::all();
    all.extend(pages::all());
    all
}

/// Returns the router of everything, each route behind its guard.
pub(crate) fn router(server: &Arc<Server>) -> Router<Arc<Server>> {
    let behind = |needs, what: String, page, once, handler: MethodRouter<Arc<Server>>| {
        let server = Arc::clone(server);
        let state = Guard {
            server,
            needs,
            what,
            page,
            once,
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
        let page = it.is_page();
        router = router.route(it.path, behind(it.needs, what, page, it.once(), it.handler));
    }
    let nothing = routing::any(async || Failure::not_found("there is nothing at this path"));
    let nothing = behind(
        Needs::Known,
        "a path that leads to nothing".to_owned(),
        false,
        None,
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
    /// Whether it is a page, for people, and not part of the API.
    pub is_page: bool,
}

/// Returns everything that can be asked for, as it is listed.
pub fn listed() -> Vec<Listed> {
    let list = all().into_iter().map(|it| Listed {
        method: it.method,
        path: it.path,
        needs: it.needs,
        is_page: it.is_page(),
    });
    list.collect()
}
