//! What every request passes before a handler sees it.

use std::sync::Arc;

use axum::extract::{ConnectInfo, RawPathParams, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use leadsman_api::IDEMPOTENCY_KEY_HEADER;
use leadsman_core::audit::{Asked, Denied, Event};
use leadsman_core::id::EnvironmentId;
use leadsman_core::people::Reach;
use leadsman_engine::By;

use super::caller::{Caller, NOT_KNOWN};
use super::peer::Peer;
use super::{hosts, keys, why};
use crate::console;
use crate::endpoints::Needs;
use crate::problem::{Failure, Said};
use crate::serve::Server;

/// What guards one route.
#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) server: Arc<Server>,
    pub(crate) needs: Needs,
    /// What the audit calls what is asked for.
    pub(crate) what: String,
    /// Whether it is a page, for people.
    pub(crate) page: bool,
    /// What is done once only, however often it is asked for.
    pub(crate) once: Option<Once>,
}

/// An act that is done once only for each key.
#[derive(Clone, Copy)]
pub(crate) struct Once {
    /// By which method it is asked for; others are not known at its path.
    pub(crate) method: &'static str,
    /// How large its body may be.
    pub(crate) body_bytes_max: usize,
}

impl Once {
    fn is_meant(&self, request: &Request) -> bool {
        let has_key = request.headers().contains_key(IDEMPOTENCY_KEY_HEADER);
        has_key && request.method() == self.method
    }
}

/// Lets through who may, and records whom it does not.
pub(crate) async fn guard(
    State(guard): State<Guard>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    params: Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    let about = params.ok().and_then(|params| named(&params));
    let server = Arc::clone(&guard.server);
    let page = guard.page.then(|| request.uri().path().to_owned());
    if let Some(from) = &page
        && guard.needs != Needs::Nobody
        && is_nobody(&peer, &request)
    {
        return console::to_sign_in(from);
    }
    let mut visitor = None;
    let mut by = By {
        name: NOT_KNOWN.to_owned(),
        asked: Some(Asked {
            from: peer.from(),
            ..Asked::default()
        }),
    };
    let response = match admitted(&guard, &peer, &request, about.as_ref(), &mut by) {
        Ok(caller) => {
            if let Some(caller) = caller {
                if guard.page {
                    let of = console::visitor(&caller, request.headers());
                    request.extensions_mut().insert(of.clone());
                    visitor = Some(of);
                }
                request.extensions_mut().insert(caller.clone());
                match guard.once {
                    Some(once) if once.is_meant(&request) => {
                        let server = Arc::clone(&server);
                        keys::once(server, caller, request, once.body_bytes_max, next).await
                    }
                    _ => next.run(request).await,
                }
            } else {
                next.run(request).await
            }
        }
        Err(failure) => failure.into_response(),
    };
    if let Some(said) = response.extensions().get::<Said>() {
        server.count_refused(&said.code);
        let on = about.map(|about| about.to_string());
        let event = said.event(&guard.what, on, server.engine.now());
        if let Some(who) = &said.who {
            by.name.clone_from(who);
        }
        server.engine.denied(by, &event).await;
    }
    match page {
        Some(from) => console::in_words(response, visitor.as_ref(), &from, server.tls),
        None => response,
    }
}

/// Whether somebody who looks at a page over the network has not said who they are.
fn is_nobody(peer: &Peer, request: &Request) -> bool {
    let says = request.headers().contains_key(AUTHORIZATION)
        || super::session::of(request.headers()).is_some();
    matches!(peer, Peer::Address(_)) && !says
}

/// Returns who asks, if they may; nobody where anybody may.
fn admitted(
    guard: &Guard,
    peer: &Peer,
    request: &Request,
    about: Option<&Reach>,
    by: &mut By,
) -> Result<Option<Caller>, Failure> {
    if let Peer::Address(address) = peer {
        let plain = !guard.server.tls;
        if let Some(problem) = hosts::problem(request.headers(), plain) {
            guard.server.failed(address.ip())?;
            return Err(Failure::not_for_us(problem));
        }
    }
    if matches!(guard.needs, Needs::Nobody) {
        return Ok(None);
    }
    let caller = Caller::find(&guard.server, peer, request.headers(), guard.page);
    let caller = match (caller, peer) {
        (Err(failure), Peer::Address(address)) => {
            guard.server.failed(address.ip())?;
            return Err(failure);
        }
        (caller, _) => caller?,
    };
    let caller = match why::said(request.headers())? {
        Some(why) => caller.saying(&why),
        None => caller,
    };
    *by = caller.in_audit();
    match &guard.needs {
        Needs::Nobody | Needs::Known => {}
        Needs::Everything(act) => caller.may_one_of(&[*act], Some(&Reach::Everything))?,
        Needs::Somewhere(acts) => caller.may_one_of(acts, None)?,
        // A path that names nothing that could be leads to nothing, and the handler says so.
        Needs::Named(acts) => caller.may_one_of(acts, about)?,
    }
    Ok(Some(caller))
}

/// Returns the environment that the path names, or else the application.
fn named(params: &RawPathParams) -> Option<Reach> {
    let param = |name| params.iter().find(|(key, _)| *key == name).map(|it| it.1);
    let application = param("application")?.parse().ok()?;
    let Some(environment) = param("environment") else {
        return Some(Reach::Application(application));
    };
    Some(Reach::Environment(EnvironmentId {
        application,
        environment: environment.parse().ok()?,
    }))
}

impl Said {
    fn event(&self, what: &str, on: Option<String>, now: leadsman_core::time::Timestamp) -> Event {
        let denied = Denied {
            act: self.act.clone().unwrap_or_else(|| what.to_owned()),
            on: self.on.clone().or(on),
            code: self.code.clone(),
            why: self.why.chars().take(300).collect(),
            count: 1,
            since: now,
        };
        if self.refused {
            Event::Refused(denied)
        } else {
            Event::Denied(denied)
        }
    }
}
