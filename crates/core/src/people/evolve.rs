//! Who there is: folded from what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::event::Event;
use super::name::{Identity, PersonName, TokenNumber};
use super::reach::Reach;
use super::rights::{Grant, Narrowing, Rights};
use super::role::Role;
use crate::id::{Digest, TeamName};
use crate::time::Timestamp;

/// For how long a token that has ended is still shown.
const SHOWN_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// Somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Since when they are known.
    pub added_at: Timestamp,
    /// By what they are recognised.
    pub identities: BTreeSet<Identity>,
    /// What they may do.
    pub grants: BTreeSet<Grant>,
    /// What they belong to.
    pub teams: BTreeSet<TeamName>,
}

/// Something by which a program acts for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Whom it belongs to.
    pub person: PersonName,
    /// What it is for.
    pub name: String,
    /// The hash of it.
    pub hash: Digest,
    /// What it leaves of what the person may do.
    pub narrowing: Narrowing,
    /// Since when there is it.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Whether it came of signing in.
    pub sign_in: bool,
    /// What the person may do beside their grants for as long as it lives.
    pub grants: BTreeSet<Grant>,
}

impl Token {
    /// Whether it opens anything at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    fn ended_at(&self) -> Timestamp {
        self.revoked_at
            .map_or(self.expires_at, |at| at.min(self.expires_at))
    }
}

/// Everybody, and every token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    /// How many events it is folded from.
    pub version: u64,
    /// Everybody, by name.
    pub people: BTreeMap<PersonName, Person>,
    /// The tokens, by number; those that ended long ago are left out.
    pub tokens: BTreeMap<TokenNumber, Token>,
    /// The number of the token that was made last.
    pub last_token: u64,
    by_hash: BTreeMap<Digest, TokenNumber>,
}

impl People {
    /// Returns the person who is recognised by `identity`.
    pub fn recognise(&self, identity: &Identity) -> Option<&PersonName> {
        let mut known = self.people.iter();
        let found = known.find(|(_, person)| person.identities.contains(identity));
        found.map(|(name, _)| name)
    }

    /// Returns the token whose hash this is, whether or not it still opens anything.
    pub fn token(&self, hash: &Digest) -> Option<(TokenNumber, &Token)> {
        let number = *self.by_hash.get(hash)?;
        Some((number, self.tokens.get(&number)?))
    }

    /// Returns what a person may do.
    pub fn rights(&self, person: &PersonName) -> Rights {
        let grants = self.people.get(person).map(|person| person.grants.clone());
        Rights::of(grants.unwrap_or_default())
    }

    /// Returns what a person may do by what is known of them while they are not there: by their
    /// grants, and by their groups as they were at the last of their sign-ins that was not revoked.
    pub fn standing_rights(&self, name: &PersonName) -> Rights {
        let Some(person) = self.people.get(name) else {
            return Rights::default();
        };
        let mut tokens = self.tokens.values().rev();
        let signed_in = tokens
            .find(|token| token.sign_in && token.person == *name && token.revoked_at.is_none());
        let by_groups = signed_in.into_iter().flat_map(|token| &token.grants);
        Rights::of(person.grants.iter().chain(by_groups).cloned().collect())
    }

    /// Returns what a token opens at `now`: nothing if it has ended.
    pub fn rights_of(&self, token: &Token, now: Timestamp) -> Rights {
        if token.is_live(now) {
            let person = self.people.get(&token.person);
            let grants = person.map(|person| person.grants.union(&token.grants).cloned().collect());
            // Who is nobody any more may do nothing, whatever their groups allow.
            Rights::of(grants.unwrap_or_default()).narrowed(token.narrowing.clone())
        } else {
            Rights::default()
        }
    }

    /// Returns who may do everything everywhere.
    pub(super) fn admins(&self) -> impl Iterator<Item = &PersonName> {
        let all = Grant {
            role: Role::Admin,
            reach: Reach::Everything,
        };
        let admins = self.people.iter();
        let admins = admins.filter(move |(_, person)| person.grants.contains(&all));
        admins.map(|(name, _)| name)
    }

    fn person(&mut self, name: &PersonName, change: impl FnOnce(&mut Person)) {
        if let Some(person) = self.people.get_mut(name) {
            change(person);
        }
    }

    fn forget_tokens(&mut self, which: impl Fn(&Token) -> bool) {
        self.tokens.retain(|_, token| !which(token));
        let tokens = &self.tokens;
        self.by_hash.retain(|_, number| tokens.contains_key(number));
    }
}

/// Returns who there is after `event`, which was recorded at `at`.
#[must_use]
pub fn evolve(mut people: People, at: Timestamp, event: &Event) -> People {
    people.version += 1;
    match event {
        Event::PersonAdded { person } => {
            let new = Person {
                added_at: at,
                ..Person::default()
            };
            people.people.insert(person.clone(), new);
        }
        Event::PersonRemoved { person } => {
            people.people.remove(person);
            people.forget_tokens(|token| token.person == *person);
        }
        Event::IdentityLinked { person, identity } => people.person(person, |person| {
            person.identities.insert(identity.clone());
        }),
        Event::IdentityUnlinked { person, identity } => people.person(person, |person| {
            person.identities.remove(identity);
        }),
        Event::RoleGranted { person, grant } => people.person(person, |person| {
            person.grants.insert(grant.clone());
        }),
        Event::RoleRevoked { person, grant } => people.person(person, |person| {
            person.grants.remove(grant);
        }),
        Event::TeamJoined { person, team } => people.person(person, |person| {
            person.teams.insert(team.clone());
        }),
        Event::TeamLeft { person, team } => people.person(person, |person| {
            person.teams.remove(team);
        }),
        Event::TokenCreated {
            token,
            person,
            name,
            hash,
            narrowing,
            expires_at,
            sign_in,
            grants,
        } => {
            people.forget_tokens(|token| at.since(token.ended_at()) > SHOWN_FOR);
            people.last_token = people.last_token.max(token.0);
            people.by_hash.insert(hash.clone(), *token);
            let new = Token {
                person: person.clone(),
                name: name.clone(),
                hash: hash.clone(),
                narrowing: narrowing.clone(),
                created_at: at,
                expires_at: *expires_at,
                revoked_at: None,
                sign_in: *sign_in,
                grants: grants.clone(),
            };
            people.tokens.insert(*token, new);
        }
        Event::TokenRevoked { token, .. } => {
            if let Some(token) = people.tokens.get_mut(token) {
                token.revoked_at = Some(at);
            }
        }
    }
    people
}
