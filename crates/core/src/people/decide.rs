//! What follows from an order about people.

use std::time::Duration;

use super::command::Command;
use super::event::Event;
use super::evolve::{People, Person, evolve};
use super::name::{Identity, PersonName, TokenNumber};
use super::refusal::Refusal;
use crate::id::is_name;
use crate::time::Timestamp;

/// How many people there may be.
pub const PEOPLE_MAX: usize = 10_000;

/// How many live tokens one person may have.
pub const TOKENS_MAX: usize = 100;

/// How many identities and how many grants one person may have.
const EACH_MAX: usize = 100;

/// The longest that a token may live: what nobody renews for a year is forgotten somewhere.
pub const TOKEN_LIFE_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Decides at `now` what follows from `command`.
///
/// # Errors
///
/// What stands in the way.
pub fn decide(people: &People, command: &Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Add {
            person,
            identities,
            grants,
        } => {
            if people.people.contains_key(person) {
                return Err(Refusal::KnownPerson(person.clone()));
            }
            bounded(people.people.len(), PEOPLE_MAX, "people")?;
            let mut events = vec![Event::PersonAdded {
                person: person.clone(),
            }];
            for identity in identities {
                free(people, identity)?;
                events.push(Event::IdentityLinked {
                    person: person.clone(),
                    identity: identity.clone(),
                });
            }
            for grant in grants {
                events.push(Event::RoleGranted {
                    person: person.clone(),
                    grant: grant.clone(),
                });
            }
            bounded(identities.len().max(grants.len()), EACH_MAX + 1, "of them")?;
            Ok(events)
        }
        Command::Remove { person } => {
            known(people, person)?;
            let event = Event::PersonRemoved {
                person: person.clone(),
            };
            leaves_an_admin(people, person, event)
        }
        Command::Link { person, identity } => {
            known(people, person)?;
            free(people, identity)?;
            let identities = people
                .people
                .get(person)
                .map_or(0, |it| it.identities.len());
            bounded(identities, EACH_MAX, "identities of one person")?;
            Ok(vec![Event::IdentityLinked {
                person: person.clone(),
                identity: identity.clone(),
            }])
        }
        Command::Unlink { person, identity } => {
            known(people, person)?;
            if people.recognise(identity) != Some(person) {
                return Err(Refusal::NotTheirs {
                    identity: identity.clone(),
                    person: person.clone(),
                });
            }
            Ok(vec![Event::IdentityUnlinked {
                person: person.clone(),
                identity: identity.clone(),
            }])
        }
        Command::Grant { person, grant } => {
            let grants = known(people, person)?;
            if grants.contains(grant) {
                return Err(Refusal::AlreadyGranted {
                    person: person.clone(),
                    grant: grant.clone(),
                });
            }
            bounded(grants.len(), EACH_MAX, "grants of one person")?;
            Ok(vec![Event::RoleGranted {
                person: person.clone(),
                grant: grant.clone(),
            }])
        }
        Command::Revoke { person, grant } => {
            if !known(people, person)?.contains(grant) {
                return Err(Refusal::NotGranted {
                    person: person.clone(),
                    grant: grant.clone(),
                });
            }
            let event = Event::RoleRevoked {
                person: person.clone(),
                grant: grant.clone(),
            };
            leaves_an_admin(people, person, event)
        }
        Command::Join { person, team } => {
            let teams = &somebody(people, person)?.teams;
            if teams.contains(team) {
                return Err(Refusal::AlreadyMember {
                    person: person.clone(),
                    team: team.clone(),
                });
            }
            bounded(teams.len(), EACH_MAX, "teams of one person")?;
            Ok(vec![Event::TeamJoined {
                person: person.clone(),
                team: team.clone(),
            }])
        }
        Command::Leave { person, team } => {
            if !somebody(people, person)?.teams.contains(team) {
                return Err(Refusal::NotAMember {
                    person: person.clone(),
                    team: team.clone(),
                });
            }
            Ok(vec![Event::TeamLeft {
                person: person.clone(),
                team: team.clone(),
            }])
        }
        Command::CreateToken {
            person,
            name,
            hash,
            narrowing,
            expires_at,
            sign_in,
            grants,
        } => {
            known(people, person)?;
            bounded(grants.len(), EACH_MAX, "grants of one person")?;
            let bad = |why: &str| Err(Refusal::BadToken(why.to_owned()));
            if !is_name(name) {
                return bad(
                    "its name is 1 to 40 of a-z, 0-9 and -, beginning with a letter and not \
                     ending with -",
                );
            }
            if *expires_at <= now {
                return bad("it would have ended already");
            }
            if expires_at.since(now) > TOKEN_LIFE_MAX {
                return bad("it would live for more than 366 days");
            }
            if people.token(hash).is_some() {
                return bad("there is one like it already");
            }
            let live = people.tokens.values();
            let live = live.filter(|token| token.person == *person && token.is_live(now));
            let mut live = live.filter(|token| token.sign_in == *sign_in);
            if !sign_in && live.clone().any(|token| token.name == *name) {
                return bad("the person has one of this name already");
            }
            // Who signs in again and again must not be locked out by the sessions of before.
            let mut events = Vec::new();
            if live.clone().count() >= TOKENS_MAX {
                if !sign_in {
                    return Err(Refusal::TooMany(format!(
                        "{TOKENS_MAX} tokens of one person"
                    )));
                }
                let oldest = live.next().map(|oldest| &oldest.hash);
                if let Some((token, oldest)) = oldest.and_then(|hash| people.token(hash)) {
                    events.push(Event::TokenRevoked {
                        token,
                        person: person.clone(),
                        name: oldest.name.clone(),
                    });
                }
            }
            events.push(Event::TokenCreated {
                token: TokenNumber(people.last_token + 1),
                person: person.clone(),
                name: name.clone(),
                hash: hash.clone(),
                narrowing: narrowing.clone(),
                expires_at: *expires_at,
                sign_in: *sign_in,
                grants: grants.clone(),
            });
            Ok(events)
        }
        Command::RevokeToken { token } => {
            let found = people.tokens.get(token);
            let Some(found) = found.filter(|found| found.is_live(now)) else {
                return Err(Refusal::UnknownToken(*token));
            };
            Ok(vec![Event::TokenRevoked {
                token: *token,
                person: found.person.clone(),
                name: found.name.clone(),
            }])
        }
    }
}

/// Returns what a person may do who is known.
fn known<'p>(
    people: &'p People,
    person: &PersonName,
) -> Result<&'p std::collections::BTreeSet<super::Grant>, Refusal> {
    somebody(people, person).map(|person| &person.grants)
}

fn somebody<'p>(people: &'p People, person: &PersonName) -> Result<&'p Person, Refusal> {
    let known = people.people.get(person);
    known.ok_or_else(|| Refusal::UnknownPerson(person.clone()))
}

fn free(people: &People, identity: &Identity) -> Result<(), Refusal> {
    match people.recognise(identity) {
        None => Ok(()),
        Some(person) => Err(Refusal::IdentityTaken {
            identity: identity.clone(),
            person: person.clone(),
        }),
    }
}

fn bounded(count: usize, max: usize, what: &str) -> Result<(), Refusal> {
    if count < max {
        Ok(())
    } else {
        Err(Refusal::TooMany(format!("{count} {what}")))
    }
}

/// Refuses what takes the last admin away, where there is one.
fn leaves_an_admin(
    people: &People,
    person: &PersonName,
    event: Event,
) -> Result<Vec<Event>, Refusal> {
    let was = people.admins().count();
    let after = evolve(people.clone(), Timestamp::default(), &event);
    if was > 0 && after.admins().next().is_none() {
        return Err(Refusal::LastAdmin(person.clone()));
    }
    Ok(vec![event])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{Act, Grant, Narrowing, Reach, Role};
    use super::*;
    use crate::id::Digest;

    fn name(text: &str) -> PersonName {
        text.parse().unwrap()
    }

    fn grant(role: Role, reach: &str) -> Grant {
        let reach = reach.parse().unwrap();
        Grant { role, reach }
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn add(person: &str, identity: Option<&str>, grants: &[Grant]) -> Command {
        Command::Add {
            person: name(person),
            identities: identity.into_iter().map(|it| it.parse().unwrap()).collect(),
            grants: grants.iter().cloned().collect(),
        }
    }

    fn token(person: &str, token: &str, byte: u8, expires: u64) -> Command {
        Command::CreateToken {
            person: name(person),
            name: token.to_owned(),
            hash: Digest::from_bytes([byte; 32]),
            narrowing: Narrowing::default(),
            expires_at: at(expires),
            sign_in: false,
            grants: BTreeSet::new(),
        }
    }

    /// Carries out commands one after the other, all at the moment 10.
    fn told(commands: &[Command]) -> People {
        commands.iter().fold(People::default(), |people, command| {
            let events = decide(&people, command, at(10)).unwrap();
            events
                .iter()
                .fold(people, |people, event| evolve(people, at(10), event))
        })
    }

    fn refused(people: &People, command: &Command) -> &'static str {
        decide(people, command, at(10)).unwrap_err().code()
    }

    #[test]
    fn who_belongs_to_a_team_is_told_and_forgotten_with_the_person() {
        let (mia, security) = (|| name("mia"), || "security".parse().unwrap());
        let join = || Command::Join {
            person: mia(),
            team: security(),
        };
        let leave = || Command::Leave {
            person: mia(),
            team: security(),
        };
        let people = told(&[add("mia", None, &[]), join()]);
        let teams = |people: &People| people.people.get(&mia()).unwrap().teams.clone();
        assert_eq!(teams(&people), BTreeSet::from([security()]));
        assert_eq!(refused(&people, &join()), "R111");
        let people = told(&[add("mia", None, &[]), join(), leave()]);
        assert_eq!(teams(&people), BTreeSet::new());
        assert_eq!(refused(&people, &leave()), "R112");
        let remove = Command::Remove { person: mia() };
        let people = told(&[add("mia", None, &[]), join(), remove]);
        assert_eq!(refused(&people, &leave()), "R101");
        let again = told(&[add("mia", None, &[]), join(), leave(), join()]);
        assert_eq!(teams(&again), BTreeSet::from([security()]));
    }

    #[test]
    fn the_last_admin_stays() {
        let all = grant(Role::Admin, "*");
        let people = told(&[
            add("mia", None, std::slice::from_ref(&all)),
            add("ben", None, &[grant(Role::Admin, "shop")]),
        ]);
        let remove = Command::Remove {
            person: name("mia"),
        };
        let revoke = Command::Revoke {
            person: name("mia"),
            grant: all.clone(),
        };
        assert_eq!(refused(&people, &remove), "R107");
        assert_eq!(refused(&people, &revoke), "R107");
        assert!(
            decide(
                &people,
                &Command::Remove {
                    person: name("ben")
                },
                at(10)
            )
            .is_ok()
        );
        let person = name("ben");
        let grant = Command::Grant { person, grant: all };
        let events = decide(&people, &grant, at(10)).unwrap();
        let people = events
            .iter()
            .fold(people, |people, event| evolve(people, at(10), event));
        assert!(decide(&people, &remove, at(10)).is_ok());
        assert!(decide(&people, &revoke, at(10)).is_ok());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let people = told(&[
            add("mia", Some("user:mia"), &[grant(Role::Viewer, "shop")]),
            token("mia", "ci", 1, 100),
        ]);
        let viewer = || grant(Role::Viewer, "shop");
        let mia = || name("mia");
        let identity: Identity = "user:mia".parse().unwrap();
        for (command, code) in [
            (add("mia", None, &[]), "R102"),
            (add("ben", Some("user:mia"), &[]), "R103"),
            (
                Command::Remove {
                    person: name("ben"),
                },
                "R101",
            ),
            (
                Command::Link {
                    person: mia(),
                    identity,
                },
                "R103",
            ),
            (
                Command::Unlink {
                    person: mia(),
                    identity: "user:ben".parse().unwrap(),
                },
                "R104",
            ),
            (
                Command::Grant {
                    person: mia(),
                    grant: viewer(),
                },
                "R105",
            ),
            (
                Command::Revoke {
                    person: mia(),
                    grant: grant(Role::Viewer, "blog"),
                },
                "R106",
            ),
            (
                Command::RevokeToken {
                    token: TokenNumber(2),
                },
                "R108",
            ),
            (token("mia", "ci", 2, 100), "R109"),
            (token("mia", "CI", 2, 100), "R109"),
            (token("mia", "cd", 2, 10), "R109"),
            (token("mia", "cd", 1, 100), "R109"),
            (token("mia", "cd", 2, 10 + 367 * 24 * 3_600_000), "R109"),
            (token("ben", "cd", 2, 100), "R101"),
        ] {
            assert_eq!(refused(&people, &command), code, "{command:?}");
        }
    }

    #[test]
    fn a_token_opens_what_it_leaves_until_it_ends() {
        let staging: Reach = "shop/staging".parse().unwrap();
        let mut narrow = token("mia", "ci", 1, 100);
        if let Command::CreateToken { narrowing, .. } = &mut narrow {
            narrowing.roles = BTreeSet::from([Role::Developer]);
            narrowing.reach = staging.clone();
        }
        let people = told(&[add("mia", None, &[grant(Role::Operator, "shop")]), narrow]);
        let hash = Digest::from_bytes([1; 32]);
        let (number, found) = people.token(&hash).unwrap();
        assert!(people.rights_of(found, at(99)).may(Act::Ship, &staging));
        assert!(!people.rights_of(found, at(99)).may(Act::Abort, &staging));
        assert!(!people.rights_of(found, at(100)).may_somewhere(Act::See));

        let revoke = Command::RevokeToken { token: number };
        let events = decide(&people, &revoke, at(20)).unwrap();
        let people = events
            .iter()
            .fold(people, |p, event| evolve(p, at(20), event));
        let (_, found) = people.token(&hash).unwrap();
        assert!(!people.rights_of(found, at(21)).may_somewhere(Act::See));
        let removed = Event::PersonRemoved {
            person: name("mia"),
        };
        let people = evolve(people, at(30), &removed);
        assert_eq!(people.token(&hash), None);
    }

    #[test]
    fn tokens_are_bounded_and_signing_in_goes_on() {
        let mut people = told(&[add("mia", None, &[])]);
        let make = |people: &People, index: u8, sign_in| {
            let mut command = token("mia", &format!("t{index}"), index, 100);
            if let Command::CreateToken { sign_in: it, .. } = &mut command {
                *it = sign_in;
            }
            decide(people, &command, at(10))
        };
        for sign_in in [false, true] {
            for index in 0..100 {
                let index = index + if sign_in { 100 } else { 0 };
                for event in make(&people, index, sign_in).unwrap() {
                    people = evolve(people, at(10), &event);
                }
            }
        }
        assert_eq!(make(&people, 250, false).unwrap_err().code(), "R110");
        let events = make(&people, 251, true).unwrap();
        let kinds: Vec<_> = events.iter().map(Event::kind).collect();
        assert_eq!(kinds, ["token_revoked", "token_created"]);
        let late = at(200 + 31 * 24 * 3_600_000);
        let event = events.last().unwrap();
        assert_eq!(evolve(people, late, event).tokens.len(), 1);
    }
}
