//! Signing in to see pages, with a token: it is exchanged for one that only this session has.

use axum::extract::{ConnectInfo, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use leadsman_api::Secret;
use leadsman_console::path;
use leadsman_core::audit::Asked;
use leadsman_core::people::Command;
use leadsman_engine::By;
use serde::Deserialize;

use super::{Filled, filled, html, sealed, see};
use crate::access::{Caller, Peer, session, token};
use crate::extract::Query;
use crate::handlers::Shared;
use crate::handlers::tokens::{New, make};
use crate::problem::Failure;

/// How long a path is at most that somebody wants to see.
const PATH_BYTES_MAX: usize = 500;

#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    to: String,
}

#[derive(Deserialize)]
pub(crate) struct Said {
    #[serde(default)]
    to: String,
    token: Secret,
}

#[derive(Deserialize)]
pub(crate) struct Sealed {
    seal: String,
}

pub(crate) async fn get(Query(wanted): Query<Wanted>) -> Response {
    html(
        StatusCode::OK,
        leadsman_console::sign_in(&inside(&wanted.to), None),
    )
}

pub(crate) async fn post(
    State(server): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    said: Filled<Said>,
) -> Result<Response, Failure> {
    let said = filled(said)?;
    let to = inside(&said.to);
    let now = server.engine.now();
    let people = server.engine.people();
    let hash = token::hash(said.token.0.trim());
    let found = hash.as_ref().and_then(|hash| people.token(hash));
    let Some((number, found)) = found.filter(|(_, token)| token.is_live(now)) else {
        if let Peer::Address(address) = &peer {
            server.failed(address.ip())?;
        }
        let why = "This token is not known here, or has ended.";
        let page = leadsman_console::sign_in(&to, Some(why));
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
        // One person may look from several places.
        name: format!("console-{}", people.last_token + 1),
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
    form: Filled<Sealed>,
) -> Result<Response, Failure> {
    let form = filled(form)?;
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
