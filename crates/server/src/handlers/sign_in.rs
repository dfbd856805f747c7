//! Signing in by a provider of OpenID Connect.

use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use leadsman_api as api;
use leadsman_core::audit::Asked;
use leadsman_core::people::{Identity, Narrowing, People, PersonName};
use leadsman_engine::By;

use super::{Shared, tokens};
use crate::access::Peer;
use crate::extract::Sent;
use crate::problem::Failure;
use crate::serve::Server;
use crate::sign_in::{Begun, Claims, SignIn, Way};

/// How long somebody stays signed in: a working day.
const LIFE: Duration = Duration::from_secs(8 * 3600);

/// The longest code that a provider may give, in bytes.
const CODE_BYTES_MAX: usize = 4_096;

pub(crate) async fn begin(
    State(server): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Sent(wish): Sent<api::BeginSignIn>,
) -> Result<Json<api::BegunSignIn>, Failure> {
    counted(&server, &peer)?;
    let way = Way {
        redirect: format!("http://127.0.0.1:{}/", wish.port),
        to: String::new(),
    };
    let begun = begun(&server, &peer, way).await?;
    Ok(Json(api::BegunSignIn {
        url: begun.url,
        state: begun.state,
        claim: begun.claim,
    }))
}

/// Begins a sign-in for somebody at the other end of the connection.
pub(crate) async fn begun(server: &Server, peer: &Peer, way: Way) -> Result<Begun, Failure> {
    let from = match peer {
        Peer::Address(address) => Some(address.ip().to_canonical()),
        Peer::User { .. } => None,
    };
    provided(server)?
        .begin(way, from, server.engine.now())
        .await
}

pub(crate) async fn finish(
    State(server): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Sent(wish): Sent<api::FinishSignIn>,
) -> Result<Json<api::CreatedToken>, Failure> {
    counted(&server, &peer)?;
    let name = "sign-in".to_owned();
    let signed = signed(&server, &peer, &wish, name).await?;
    Ok(Json(tokens::make(&server, signed.new, signed.by).await?))
}

/// Somebody who has signed in.
pub(crate) struct Signed {
    /// The token that they get.
    pub(crate) new: tokens::New,
    /// In whose name it is made.
    pub(crate) by: By,
    /// What they want to see then.
    pub(crate) to: String,
}

/// Ends a sign-in; returns who it was, with a token for them that is called `name`.
pub(crate) async fn signed(
    server: &Server,
    peer: &Peer,
    wish: &api::FinishSignIn,
    name: String,
) -> Result<Signed, Failure> {
    if wish.code.0.len() > CODE_BYTES_MAX {
        return Err(Failure::bad_request(
            "no provider gives a code of that length",
        ));
    }
    let sign_in = provided(server)?;
    let now = server.engine.now();
    let finished = sign_in.finish(&wish.state, &wish.claim, &wish.code.0, now);
    let (claims, to) = finished.await?;
    let person = recognised(&server.engine.people(), &claims)
        .ok_or_else(|| Failure::sign_in(&format!("nobody here is {}", called(&claims))))?;
    let by = By {
        name: person.to_string(),
        asked: Some(Asked {
            from: peer.from(),
            ..Asked::default()
        }),
    };
    let new = tokens::New {
        person,
        name,
        narrowing: Narrowing::default(),
        life: LIFE,
        sign_in: true,
        grants: sign_in.grants(&claims.groups),
    };
    Ok(Signed { new, by, to })
}

pub(crate) fn provided(server: &Server) -> Result<&SignIn, Failure> {
    server.sign_in.as_ref().ok_or_else(Failure::no_sign_in)
}

/// Returns the person who signed in: by what never changes first.
fn recognised(people: &People, claims: &Claims) -> Option<PersonName> {
    let subject = Identity::Subject(claims.subject.clone());
    let email = claims.email.as_ref();
    let email = email.map(|email| Identity::Email(email.to_lowercase()));
    let mut identities = std::iter::once(subject).chain(email);
    identities.find_map(|identity| people.recognise(&identity).cloned())
}

/// Returns by what somebody would have to be known who signed in, as far as that can be shown.
fn called(claims: &Claims) -> String {
    let shown =
        |text: &str| -> String { text.chars().filter(|c| !c.is_control()).take(100).collect() };
    let subject = format!("`subject:{}`", shown(&claims.subject));
    match &claims.email {
        Some(email) => format!("`email:{}` or {subject}", shown(email)),
        None => subject,
    }
}

/// Nobody has to be known for it, so each one counts.
pub(crate) fn counted(server: &Server, peer: &Peer) -> Result<(), Failure> {
    match peer {
        Peer::User { .. } => Ok(()),
        Peer::Address(address) => server.failed(address.ip()),
    }
}
