//! Tokens: made, listed and revoked.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use leadsman_api as api;
use leadsman_core::people::{
    Act, Command, Event, Grant, Narrowing, PersonName, Reach, Refusal, TokenNumber,
};
use leadsman_engine::By;

use super::Shared;
use super::people::{bad, person, reach, wire_reach};
use crate::access::{Caller, token};
use crate::extract::{Path, Sent};
use crate::problem::Failure;
use crate::serve::Server;
use crate::wire;

pub(crate) async fn get(State(server): Shared, caller: Caller) -> Json<api::Tokens> {
    let people = server.engine.people();
    let of_all = caller.can(Act::People, &Reach::Everything);
    let tokens = people.tokens.iter();
    let tokens = tokens.filter(|(_, token)| of_all || caller.person() == Some(&token.person));
    let tokens = tokens.map(|(number, token)| api::Token {
        number: number.0,
        person: token.person.to_string(),
        name: token.name.clone(),
        roles: token
            .narrowing
            .roles
            .iter()
            .map(ToString::to_string)
            .collect(),
        reach: wire_reach(&token.narrowing.reach),
        created_at: wire::moment(token.created_at),
        expires_at: wire::moment(token.expires_at),
        revoked_at: token.revoked_at.map(wire::moment),
        sign_in: token.sign_in,
    });
    Json(api::Tokens {
        tokens: tokens.collect(),
    })
}

pub(crate) async fn post(
    State(server): Shared,
    caller: Caller,
    Sent(wish): Sent<api::NewToken>,
) -> Result<Json<api::CreatedToken>, Failure> {
    let wanted = wish.person.as_deref().map(person).transpose()?;
    let owner = wanted.or_else(|| caller.person().cloned()).ok_or_else(|| {
        Failure::bad_request("it is not said whose token it is: choose a person with `--person`")
    })?;
    let permit = if caller.person() == Some(&owner) && !caller.can(Act::People, &Reach::Everything)
    {
        // One that leaked could otherwise make others, which outlive its being revoked.
        if caller.has_token() {
            return Err(Failure::token_makes_none());
        }
        caller.may_for_oneself(Act::OwnTokens)?
    } else {
        caller.may(Act::People, &Reach::Everything)?
    };
    let roles = wish.roles.iter().map(|role| role.parse());
    let narrowing = Narrowing {
        roles: roles
            .collect::<Result<BTreeSet<_>, _>>()
            .map_err(|error| bad(&error))?,
        reach: reach(wish.reach.as_deref())?,
    };
    let new = New {
        person: owner,
        name: wish.name,
        narrowing,
        life: Duration::from_millis(wish.life_ms),
        sign_in: false,
        grants: BTreeSet::new(),
    };
    Ok(Json(make(&server, new, permit.by()).await?))
}

/// A token that is to be made.
pub(crate) struct New {
    pub(crate) person: PersonName,
    pub(crate) name: String,
    pub(crate) narrowing: Narrowing,
    pub(crate) life: Duration,
    /// Whether it comes of signing in.
    pub(crate) sign_in: bool,
    /// What the person may do with it beside their grants.
    pub(crate) grants: BTreeSet<Grant>,
}

/// Makes a token and records its hash.
pub(crate) async fn make(server: &Server, new: New, by: By) -> Result<api::CreatedToken, Failure> {
    let token = token::make()
        .map_err(|error| Failure::internal("the machine gave no random bits", error))?;
    let hash = token::hash(&token);
    let expires_at = server.engine.now() + new.life;
    let command = Command::CreateToken {
        person: new.person.clone(),
        name: new.name,
        hash: hash.expect("it was made a moment ago"),
        narrowing: new.narrowing,
        expires_at,
        sign_in: new.sign_in,
        grants: new.grants,
    };
    let events = server.engine.about_people(&command, by).await?;
    let number = events.iter().find_map(|event| match event {
        Event::TokenCreated { token, .. } => Some(token.0),
        _ => None,
    });
    Ok(api::CreatedToken {
        number: number.unwrap_or_default(),
        person: new.person.to_string(),
        token: api::Secret(token),
        expires_at: wire::moment(expires_at),
    })
}

pub(crate) async fn delete(
    State(server): Shared,
    caller: Caller,
    Path(number): Path<u64>,
) -> Result<Json<api::Changed>, Failure> {
    let token = TokenNumber(number);
    let people = server.engine.people();
    let of = people.tokens.get(&token).map(|token| &token.person);
    let permit = if caller.can(Act::People, &Reach::Everything) {
        caller.may(Act::People, &Reach::Everything)?
    } else if of.is_some() && of == caller.person() {
        caller.may_for_oneself(Act::OwnTokens)?
    } else {
        // Whether somebody else has such a token is nobody else's business.
        return Err(Refusal::UnknownToken(token).into());
    };
    let command = Command::RevokeToken { token };
    let events = server.engine.about_people(&command, permit.by()).await?;
    let said: Vec<String> = events.iter().map(ToString::to_string).collect();
    Ok(Json(api::Changed {
        sentence: said.join("; "),
    }))
}
