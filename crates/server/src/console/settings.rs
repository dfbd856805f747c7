//! Pages of settings: tokens, people and webhooks. What they change, the handlers of the API change.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::{Extension, Json};
use leadsman_api::{Grant, Moment, NewToken, PeopleCommand, Person};
use leadsman_console::settings::{Mine, PersonChange};
use leadsman_console::{Visitor, path, settings as page};
use leadsman_core::people::{Act, Reach};
use serde::Deserialize;

use super::{html, sealed, see};
use crate::access::Caller;
use crate::extract::{Form, Path, Query, Sent};
use crate::handlers::{Shared, people as about_people, tokens as about_tokens, webhooks as hooks};
use crate::problem::Failure;
use crate::serve::Server;

const DAY_MS: u64 = 24 * 3600 * 1000;

/// A token that somebody wants.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    seal: String,
    name: String,
    #[serde(default)]
    person: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    reach: String,
    days: u64,
}

/// Somebody who is to be known.
#[derive(Deserialize)]
pub(crate) struct Added {
    seal: String,
    person: String,
    #[serde(default)]
    identity: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    reach: String,
    #[serde(default)]
    reason: String,
}

/// What is changed of somebody.
#[derive(Deserialize)]
pub(crate) struct Changed {
    #[serde(default)]
    identity: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    reach: String,
    #[serde(default)]
    team: String,
    /// What only the form has.
    #[serde(default)]
    seal: String,
    #[serde(default)]
    reason: String,
}

/// What was decided on a page that carries nothing else.
#[derive(Deserialize)]
pub(crate) struct Decided {
    pub(super) seal: String,
    #[serde(default)]
    pub(super) reason: String,
}

/// Whether somebody may see people, and so their pages.
pub(super) fn is_admin(caller: &Caller) -> bool {
    caller.can(Act::People, &Reach::Everything)
}

fn now(server: &Server) -> Moment {
    crate::wire::moment(server.engine.now())
}

/// Returns what was typed; what was left empty is nothing.
fn given(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

pub(crate) async fn tokens(
    State(server): Shared,
    caller: Caller,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let known = server.engine.people();
    let admin = is_admin(&caller);
    let person = caller.person();
    let person = person.and_then(|name| Some((name, known.people.get(name)?)));
    let person = person.map(|(name, person)| about_people::shown(name, person));
    let others: Vec<Person> = known
        .people
        .iter()
        .filter(|_| admin)
        .map(|(name, person)| about_people::shown(name, person))
        .collect();
    let moment = now(&server);
    let Json(tokens) = about_tokens::get(State(server), caller.clone()).await;
    let mine = Mine {
        person: person.as_ref(),
        tokens: &tokens,
        others: &others,
        makes: admin || !caller.has_token(),
        admin,
    };
    html(StatusCode::OK, page::tokens(&visitor, &mine, moment))
}

pub(crate) async fn make_token(
    State(server): Shared,
    caller: Caller,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    Form(wanted): Form<Wanted>,
) -> Result<Response, Failure> {
    sealed(&headers, &wanted.seal)?;
    let wish = NewToken {
        name: wanted.name.trim().to_owned(),
        person: given(&wanted.person),
        roles: given(&wanted.role).into_iter().collect(),
        reach: given(&wanted.reach),
        life_ms: wanted.days.saturating_mul(DAY_MS),
    };
    let moment = now(&server);
    let made = about_tokens::post(State(server), caller, Sent(wish)).await?;
    // Not another page that is led to: nothing keeps the token for it.
    Ok(html(
        StatusCode::OK,
        page::token_made(&visitor, &made, moment),
    ))
}

pub(crate) async fn ask_revoke(
    State(server): Shared,
    caller: Caller,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<u64>,
) -> Result<Response, Failure> {
    let Json(tokens) = about_tokens::get(State(server), caller).await;
    let token = tokens.tokens.iter().find(|token| token.number == number);
    let token = token.ok_or_else(|| {
        Failure::not_found(format!("there is no token {number} that you could revoke"))
    })?;
    Ok(html(StatusCode::OK, page::revoke_token(&visitor, token)))
}

pub(crate) async fn revoke(
    state: Shared,
    caller: Caller,
    headers: HeaderMap,
    number: Path<u64>,
    Form(decided): Form<Decided>,
) -> Result<Response, Failure> {
    sealed(&headers, &decided.seal)?;
    let caller = caller.saying(&decided.reason);
    let _changed = about_tokens::delete(state, caller, number).await?;
    Ok(see(path::SETTINGS))
}

pub(crate) async fn people(
    State(server): Shared,
    caller: Caller,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Failure> {
    let moment = now(&server);
    let people = about_people::get(State(server), caller).await?;
    Ok(html(
        StatusCode::OK,
        page::people(&visitor, &people, moment),
    ))
}

pub(crate) async fn add_person(
    state: Shared,
    caller: Caller,
    headers: HeaderMap,
    Form(added): Form<Added>,
) -> Result<Response, Failure> {
    sealed(&headers, &added.seal)?;
    let grant = given(&added.role).map(|role| Grant {
        role,
        reach: given(&added.reach),
    });
    let wish = PeopleCommand::Add {
        person: added.person.trim().to_owned(),
        identities: given(&added.identity).into_iter().collect(),
        grants: grant.into_iter().collect(),
    };
    let caller = caller.saying(&added.reason);
    let _changed = about_people::post(state, caller, Sent(wish)).await?;
    Ok(see(&path::fill(path::PERSON, &[added.person.trim()])))
}

pub(crate) async fn person(
    State(server): Shared,
    caller: Caller,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let moment = now(&server);
    let people = about_people::get(State(server), caller).await?;
    let person = known(&people.people, &name)?;
    Ok(html(StatusCode::OK, page::person(&visitor, person, moment)))
}

pub(crate) async fn ask_change(
    State(server): Shared,
    caller: Caller,
    Extension(visitor): Extension<Visitor>,
    Path((person, name)): Path<(String, String)>,
    Query(changed): Query<Changed>,
) -> Result<Response, Failure> {
    let people = about_people::get(State(server), caller).await?;
    known(&people.people, &person)?;
    let command = command(person, &name, &changed)?;
    let change = PersonChange { name, command };
    Ok(html(StatusCode::OK, page::person_change(&visitor, &change)))
}

pub(crate) async fn change(
    state: Shared,
    caller: Caller,
    headers: HeaderMap,
    Path((person, name)): Path<(String, String)>,
    Form(changed): Form<Changed>,
) -> Result<Response, Failure> {
    sealed(&headers, &changed.seal)?;
    let back = match &*name {
        "remove" => path::PEOPLE.to_owned(),
        _ => path::fill(path::PERSON, &[&person]),
    };
    let wish = command(person, &name, &changed)?;
    let caller = caller.saying(&changed.reason);
    let _changed = about_people::post(state, caller, Sent(wish)).await?;
    Ok(see(&back))
}

pub(crate) async fn webhooks(
    State(server): Shared,
    caller: Caller,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Failure> {
    let moment = now(&server);
    let webhooks = hooks::get(State(server), caller).await?;
    Ok(html(
        StatusCode::OK,
        page::webhooks(&visitor, &webhooks, moment),
    ))
}

fn known<'a>(people: &'a [Person], name: &str) -> Result<&'a Person, Failure> {
    let person = people.iter().find(|person| person.name == name);
    person.ok_or_else(|| Failure::not_found(format!("nobody here is called `{name}`")))
}

/// Returns what the change that a path names is.
fn command(person: String, name: &str, changed: &Changed) -> Result<PeopleCommand, Failure> {
    let needed = |text: &str, what: &str| {
        given(text).ok_or_else(|| Failure::bad_request(format!("it is not said {what}")))
    };
    let grant = || {
        Ok::<_, Failure>(Grant {
            role: needed(&changed.role, "which role")?,
            reach: given(&changed.reach),
        })
    };
    let identity = || needed(&changed.identity, "by what they are recognised");
    let team = || needed(&changed.team, "which team");
    Ok(match name {
        "remove" => PeopleCommand::Remove { person },
        "grant" => PeopleCommand::Grant {
            person,
            grant: grant()?,
        },
        "revoke" => PeopleCommand::Revoke {
            person,
            grant: grant()?,
        },
        "link" => PeopleCommand::Link {
            person,
            identity: identity()?,
        },
        "unlink" => PeopleCommand::Unlink {
            person,
            identity: identity()?,
        },
        "join" => PeopleCommand::Join {
            person,
            team: team()?,
        },
        "leave" => PeopleCommand::Leave {
            person,
            team: team()?,
        },
        other => {
            let message = format!("there is no change of a person that is called `{other}`");
            return Err(Failure::not_found(message));
        }
    })
}
