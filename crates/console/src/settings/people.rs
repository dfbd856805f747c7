//! Who there is, by what they are recognised, and what they may do.

use askama::Template;
use leadsman_api::words::plain;
use leadsman_api::{Moment, People, PeopleCommand, Person, Wanted};

use super::{ROLES, Section, far, page};
use crate::ask::Ask;
use crate::page::{Part, Visitor};
use crate::path;
use crate::words::{Shown, said, shown};

/// A change of a person that somebody is asked about: what it is called in a path, and what it is.
#[derive(Clone, Debug)]
pub struct PersonChange {
    /// What it is called in the path, such as `grant`.
    pub name: String,
    /// What it is.
    pub command: PeopleCommand,
}

#[derive(Template)]
#[template(path = "people.html")]
struct List<'a> {
    visitor: &'a Visitor,
    rows: Vec<Row>,
    roles: [&'static str; 5],
}

struct Row {
    name: String,
    address: String,
    known_as: Vec<String>,
    grants: Vec<String>,
    teams: String,
    since: Shown,
}

#[derive(Template)]
#[template(path = "person.html")]
struct One {
    name: String,
    since: Shown,
    grants: Vec<Held>,
    known_as: Vec<Held>,
    teams: Vec<Held>,
    roles: [&'static str; 5],
    grant: String,
    link: String,
    join: String,
    remove: String,
}

/// Something that a person has, and where it is taken away.
struct Held {
    words: String,
    take: String,
}

/// Returns the page of everybody.
pub fn people(visitor: &Visitor, people: &People, now: Moment) -> String {
    let rows = people.people.iter().map(|person| Row {
        name: person.name.clone(),
        address: path::fill(path::PERSON, &[&person.name]),
        known_as: person.identities.iter().map(|it| plain(it)).collect(),
        grants: person
            .grants
            .iter()
            .map(|it| grant_words(&it.role, it.reach.as_deref()))
            .collect(),
        teams: person.teams.join(", "),
        since: shown(person.added_at, now),
    });
    let list = List {
        visitor,
        rows: rows.collect(),
        roles: ROLES,
    };
    let parts = vec![Part::of("people", &list)];
    page(visitor, true, Section::People, "People", parts)
}

/// Returns the page of one person.
pub fn person(visitor: &Visitor, person: &Person, now: Moment) -> String {
    let name = &person.name;
    let at = |change: &str| path::fill(path::PERSON_CHANGE, &[name, change]);
    let with =
        |change: &str, fields: &[(&str, Option<String>)]| path::with_query(&at(change), fields);
    let one = One {
        name: name.clone(),
        since: shown(person.added_at, now),
        grants: person
            .grants
            .iter()
            .map(|it| Held {
                words: grant_words(&it.role, it.reach.as_deref()),
                take: with(
                    "revoke",
                    &[("role", Some(it.role.clone())), ("reach", it.reach.clone())],
                ),
            })
            .collect(),
        known_as: person
            .identities
            .iter()
            .map(|it| Held {
                words: plain(it),
                take: with("unlink", &[("identity", Some(it.clone()))]),
            })
            .collect(),
        teams: person
            .teams
            .iter()
            .map(|it| Held {
                words: it.clone(),
                take: with("leave", &[("team", Some(it.clone()))]),
            })
            .collect(),
        roles: ROLES,
        grant: at("grant"),
        link: at("link"),
        join: at("join"),
        remove: at("remove"),
    };
    let parts = vec![Part::of("person", &one)];
    page(visitor, true, Section::People, name, parts)
}

/// Returns the page that asks whether something about a person is to be changed.
pub fn person_change(visitor: &Visitor, change: &PersonChange) -> String {
    let (person, label, sentence) = words(&change.command);
    let above = [
        ("People".to_owned(), path::PEOPLE.to_owned()),
        (person.to_owned(), path::fill(path::PERSON, &[person])),
    ];
    let ask = Ask {
        label,
        sentence: said(&sentence),
        points: Vec::new(),
        action: path::fill(path::PERSON_CHANGE, &[person, &change.name]),
        above: &above,
        hidden: fields(&change.command),
        reason: Wanted::Maybe,
        reason_label: None,
        grave: takes_away(&change.command),
    };
    ask.page(visitor)
}

/// Returns whom an order is about, what it is called on its button, and what follows from it.
fn words(command: &PeopleCommand) -> (&str, String, String) {
    match command {
        PeopleCommand::Add { person, .. } => {
            let label = format!("Add {person}");
            (person, label, format!("{person} is known from then on."))
        }
        PeopleCommand::Remove { person } => {
            let sentence = format!(
                "{person} is forgotten, with everything that they may do. Their tokens and \
                 sessions end at once."
            );
            (person, format!("Remove {person}"), sentence)
        }
        PeopleCommand::Link { person, identity } => {
            let sentence = format!("{person} is also whoever comes as `{identity}`.");
            (person, format!("Recognise {person} by it"), sentence)
        }
        PeopleCommand::Unlink { person, identity } => {
            let sentence = format!("Whoever comes as `{identity}` is {person} no longer.");
            (
                person,
                format!("No longer recognise {person} by it"),
                sentence,
            )
        }
        PeopleCommand::Grant { person, grant } => {
            let what = grant_words(&grant.role, grant.reach.as_deref());
            let sentence = format!("{person} is {what} from then on.");
            (person, format!("Make {person} {}", grant.role), sentence)
        }
        PeopleCommand::Revoke { person, grant } => {
            let what = grant_words(&grant.role, grant.reach.as_deref());
            let sentence =
                format!("{person} is {what} no longer, and their tokens are not either.");
            (
                person,
                format!("Take {} from {person}", grant.role),
                sentence,
            )
        }
        PeopleCommand::Join { person, team } => {
            let sentence = format!("{person} belongs to the team {team} from then on.");
            (person, format!("Take {person} into {team}"), sentence)
        }
        PeopleCommand::Leave { person, team } => {
            let sentence = format!("{person} belongs to the team {team} no longer.");
            (person, format!("Take {person} out of {team}"), sentence)
        }
    }
}

const fn takes_away(command: &PeopleCommand) -> bool {
    match command {
        PeopleCommand::Remove { .. }
        | PeopleCommand::Unlink { .. }
        | PeopleCommand::Revoke { .. }
        | PeopleCommand::Leave { .. } => true,
        PeopleCommand::Add { .. }
        | PeopleCommand::Link { .. }
        | PeopleCommand::Grant { .. }
        | PeopleCommand::Join { .. } => false,
    }
}

/// Returns what the form carries along of an order.
fn fields(command: &PeopleCommand) -> Vec<(&'static str, String)> {
    match command {
        PeopleCommand::Add { .. } | PeopleCommand::Remove { .. } => Vec::new(),
        PeopleCommand::Link { identity, .. } | PeopleCommand::Unlink { identity, .. } => {
            vec![("identity", identity.clone())]
        }
        PeopleCommand::Grant { grant, .. } | PeopleCommand::Revoke { grant, .. } => {
            let reach = grant.reach.clone().unwrap_or_default();
            vec![("role", grant.role.clone()), ("reach", reach)]
        }
        PeopleCommand::Join { team, .. } | PeopleCommand::Leave { team, .. } => {
            vec![("team", team.clone())]
        }
    }
}

fn grant_words(role: &str, reach: Option<&str>) -> String {
    format!("{role} for {}", far(reach))
}
