//! Signing in to see pages: with a token, which is exchanged for one that only this session has, or by
//! the provider.

use axum::extract::{ConnectInfo, State};
use axum::http::header::{HOST, SET_COOKIE};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use leadsman_api::{CreatedToken, FinishSignIn, Problem, Secret};
use leadsman_console::path;
use leadsman_core::audit::Asked;
use leadsman_core::people::Command;
use leadsman_engine::By;
use serde::Deserialize;

use super::{html, sealed, see};
use crate::access::{Caller, Peer, session, token};
use crate::extract::{Form, Query};
use crate::handlers::Shared;
use crate::handlers::sign_in::{begun, counted, provided, signed};
use crate::handlers::tokens::{New, make};
use crate::problem::{Failure, Said};
use crate::serve::Server;
use crate::sign_in::{PATIENCE, Way};

/// How much is shown of why the provider gave no code.
const ERROR_BYTES_MAX: usize = 60;

/// How long a path is at most that somebody wants to see.
const PATH_BYTES_MAX: usize = 500;

#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    to: String,
}

#[derive(Deserialize)]
pub(crate) struct Given {
    #[serde(default)]
    to: String,
    token: Secret,
}

#[derive(Deserialize)]
pub(crate) struct Sealed {
    seal: String,
}

/// What the provider has led back with.
#[derive(Deserialize)]
pub(crate) struct Back {
    #[serde(default)]
    state: String,
    code: Option<Secret>,
    /// Why there is no code, in a word.
    error: Option<String>,
}

pub(crate) async fn get(State(server): Shared, Query(wanted): Query<Wanted>) -> Response {
    html(StatusCode::OK, page(&server, &inside(&wanted.to), None))
}

fn page(server: &Server, to: &str, problem: Option<&str>) -> String {
    leadsman_console::sign_in(to, problem, server.sign_in.is_some())
}

/// Leads to the provider, with a claim in this browser alone.
pub(crate) async fn begin(
    State(server): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Failure> {
    counted(&server, &peer)?;
    let way = Way {
        redirect: back_to(&server, &headers)?,
        to: inside(&wanted.to),
    };
    let begun = begun(&server, &peer, way).await?;
    let mut answer = see(&begun.url);
    let cookie = session::sign_in_begins(&begun.claim.0, PATIENCE, server.tls);
    answer.headers_mut().insert(SET_COOKIE, cookie);
    Ok(answer)
}

/// Returns where the provider leads back to: this page, by the name that the browser knows it by. The
/// provider leads only to what it was told of when it was set up.
fn back_to(server: &Server, headers: &HeaderMap) -> Result<String, Failure> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host: Option<Authority> = host.and_then(|host| host.parse().ok());
    let host = host.ok_or_else(|| Failure::bad_request("it says not which host it is for"))?;
    let scheme = if server.tls { "https" } else { "http" };
    Ok(format!("{scheme}://{host}{}", path::SIGN_IN_BACK))
}

/// Takes who comes back from the provider; whoever has not begun it gets nothing.
pub(crate) async fn back(
    State(server): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    Query(back): Query<Back>,
) -> Result<Response, Failure> {
    counted(&server, &peer)?;
    match ended(&server, &peer, &headers, back).await {
        Ok((made, to)) => {
            let mut answer = see(&to);
            let begins = session::begins(&made.token.0, session::LIFE, server.tls);
            for cookie in [session::sign_in_ends(server.tls), begins] {
                answer.headers_mut().append(SET_COOKIE, cookie);
            }
            Ok(answer)
        }
        Err(failure) => Ok(refused(&server, failure)),
    }
}

/// Ends a sign-in that this browser has begun; returns its session, and what is to be seen then.
async fn ended(
    server: &Server,
    peer: &Peer,
    headers: &HeaderMap,
    back: Back,
) -> Result<(CreatedToken, String), Failure> {
    provided(server)?;
    let none = || Failure::sign_in("there is no such sign-in, or it took too long");
    let claim = session::claim(headers).ok_or_else(none)?;
    if let Some(error) = back.error {
        let shown: String = error.chars().filter(|c| c.is_ascii_graphic()).collect();
        let shown = shown.get(..ERROR_BYTES_MAX).unwrap_or(&shown);
        return Err(Failure::sign_in(&format!("the provider says `{shown}`")));
    }
    let wish = FinishSignIn {
        state: back.state,
        claim: Secret(claim.to_owned()),
        code: back.code.ok_or_else(none)?,
    };
    let signed = signed(server, peer, &wish, session_name(server)).await?;
    let made = make(server, signed.new, signed.by).await?;
    Ok((made, signed.to))
}

/// Returns what a new session is called: one person may look from several places.
fn session_name(server: &Server) -> String {
    format!("console-{}", server.engine.people().last_token + 1)
}

/// Says on the page on which somebody signs in why they were not let in.
fn refused(server: &Server, failure: Failure) -> Response {
    let mut response = failure.into_response();
    if response.status() != StatusCode::UNAUTHORIZED {
        return response;
    }
    let problem = response.extensions_mut().remove::<Problem>();
    let why = problem.map(|problem| problem.message);
    let page = page(server, path::OVERVIEW, why.as_deref());
    let mut answer = html(StatusCode::UNAUTHORIZED, page);
    // It is recorded like any other.
    if let Some(said) = response.extensions_mut().remove::<Said>() {
        answer.extensions_mut().insert(said);
    }
    answer
}

pub(crate) async fn post(
    State(server): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Form(given): Form<Given>,
) -> Result<Response, Failure> {
    let to = inside(&given.to);
    let now = server.engine.now();
    let people = server.engine.people();
    let hash = token::hash(given.token.0.trim());
    let found = hash.as_ref().and_then(|hash| people.token(hash));
    let Some((number, found)) = found.filter(|(_, token)| token.is_live(now)) else {
        if let Peer::Address(address) = &peer {
            server.failed(address.ip())?;
        }
        let why = "This token is not known here, or has ended.";
        let page = page(&server, &to, Some(why));
        return Ok(html(StatusCode::UNAUTHORIZED, page));
    };
    let left = found.expires_at.since(now).min(session::LIFE);
    let by = By {
        name: found.person.to_string(),
        asked: Some(Asked {
            from: peer.from(),
            token: Some(format!("{} {}", number.0, found.name)),
            ..Asked::default()
        }),
    };
    // It opens what the other one does, and nothing more.
    let new = New {
        person: found.person.clone(),
        name: session_name(&server),
        narrowing: found.narrowing.clone(),
        life: left,
        sign_in: found.sign_in,
        grants: found.grants.clone(),
    };
    let made = make(&server, new, by).await?;
    let mut answer = see(&to);
    let cookie = session::begins(&made.token.0, left, server.tls);
    answer.headers_mut().insert(SET_COOKIE, cookie);
    Ok(answer)
}

pub(crate) async fn out(
    State(server): Shared,
    caller: Caller,
    headers: HeaderMap,
    Form(form): Form<Sealed>,
) -> Result<Response, Failure> {
    sealed(&headers, &form.seal)?;
    let people = server.engine.people();
    let hash = session::of(&headers).and_then(token::hash);
    if let Some((token, _)) = hash.as_ref().and_then(|hash| people.token(hash)) {
        let command = Command::RevokeToken { token };
        // One's own session may be ended by whoever has it.
        server
            .engine
            .about_people(&command, caller.itself())
            .await?;
    }
    let mut answer = see(path::SIGN_IN);
    answer
        .headers_mut()
        .insert(SET_COOKIE, session::ends(server.tls));
    Ok(answer)
}

/// Returns a path of ours that somebody wants to see; what could lead elsewhere is none.
fn inside(to: &str) -> String {
    let is_ours = to.starts_with('/')
        && !to.starts_with("//")
        && to.len() <= PATH_BYTES_MAX
        && to
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let to = if is_ours { to } else { path::OVERVIEW };
    to.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for (to, leads) in [
            (
                "/environments/shop/production",
                "/environments/shop/production",
            ),
            ("/", "/"),
            ("", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\r\nset-cookie: x", "/"),
            ("javascript:alert(1)", "/"),
        ] {
            assert_eq!(inside(to), leads, "{to}");
        }
    }
}
