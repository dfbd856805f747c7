//! Who there is, and what they may do.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use leadsman_api as api;
use leadsman_core::id::TeamName;
use leadsman_core::people::{Act, Command, Grant, Identity, Person, PersonName, Reach};

use super::Shared;
use crate::access::Caller;
use crate::extract::Sent;
use crate::problem::Failure;
use crate::wire;

pub(crate) async fn get(
    State(server): Shared,
    caller: Caller,
) -> Result<Json<api::People>, Failure> {
    caller.may(Act::People, &Reach::Everything)?;
    let known = server.engine.people();
    let people = known.people.iter();
    Ok(Json(api::People {
        people: people.map(|(name, person)| shown(name, person)).collect(),
    }))
}

/// Returns a person as they are told.
pub(crate) fn shown(name: &PersonName, person: &Person) -> api::Person {
    api::Person {
        name: name.to_string(),
        identities: person.identities.iter().map(ToString::to_string).collect(),
        grants: person.grants.iter().map(wire_grant).collect(),
        teams: person.teams.iter().map(ToString::to_string).collect(),
        added_at: wire::moment(person.added_at),
    }
}

pub(crate) async fn post(
    State(server): Shared,
    caller: Caller,
    Sent(wish): Sent<api::PeopleCommand>,
) -> Result<Json<api::Changed>, Failure> {
    let permit = caller.may(Act::People, &Reach::Everything)?;
    let command = command(wish)?;
    let events = server.engine.about_people(&command, permit.by()).await?;
    let said: Vec<String> = events.iter().map(ToString::to_string).collect();
    Ok(Json(api::Changed {
        sentence: said.join("; "),
    }))
}

fn command(wish: api::PeopleCommand) -> Result<Command, Failure> {
    Ok(match wish {
        api::PeopleCommand::Add {
            person,
            identities,
            grants,
        } => Command::Add {
            person: self::person(&person)?,
            identities: identities
                .iter()
                .map(|it| identity(it))
                .collect::<Result<BTreeSet<_>, _>>()?,
            grants: grants
                .into_iter()
                .map(grant)
                .collect::<Result<BTreeSet<_>, _>>()?,
        },
        api::PeopleCommand::Remove { person } => Command::Remove {
            person: self::person(&person)?,
        },
        api::PeopleCommand::Link { person, identity } => Command::Link {
            person: self::person(&person)?,
            identity: self::identity(&identity)?,
        },
        api::PeopleCommand::Unlink { person, identity } => Command::Unlink {
            person: self::person(&person)?,
            identity: self::identity(&identity)?,
        },
        api::PeopleCommand::Grant { person, grant } => Command::Grant {
            person: self::person(&person)?,
            grant: self::grant(grant)?,
        },
        api::PeopleCommand::Revoke { person, grant } => Command::Revoke {
            person: self::person(&person)?,
            grant: self::grant(grant)?,
        },
        api::PeopleCommand::Join { person, team } => Command::Join {
            person: self::person(&person)?,
            team: self::team(&team)?,
        },
        api::PeopleCommand::Leave { person, team } => Command::Leave {
            person: self::person(&person)?,
            team: self::team(&team)?,
        },
    })
}

pub(super) fn person(name: &str) -> Result<PersonName, Failure> {
    name.parse().map_err(|error| bad(&error))
}

fn team(name: &str) -> Result<TeamName, Failure> {
    name.parse().map_err(|error| bad(&error))
}

fn identity(text: &str) -> Result<Identity, Failure> {
    text.parse().map_err(|error| bad(&error))
}

fn grant(grant: api::Grant) -> Result<Grant, Failure> {
    Ok(Grant {
        role: grant.role.parse().map_err(|error| bad(&error))?,
        reach: reach(grant.reach.as_deref())?,
    })
}

pub(super) fn reach(text: Option<&str>) -> Result<Reach, Failure> {
    text.map_or(Ok(Reach::Everything), |text| {
        text.parse().map_err(|error| bad(&error))
    })
}

pub(super) fn bad(error: &dyn std::error::Error) -> Failure {
    Failure::bad_request(error.to_string())
}

fn wire_grant(grant: &Grant) -> api::Grant {
    api::Grant {
        role: grant.role.to_string(),
        reach: wire_reach(&grant.reach),
    }
}

pub(super) fn wire_reach(reach: &Reach) -> Option<String> {
    match reach {
        Reach::Everything => None,
        Reach::Application(_) | Reach::Environment(_) => Some(reach.to_string()),
    }
}
