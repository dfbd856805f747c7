//! Somebody who asks, and what they may.

use std::collections::BTreeSet;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use leadsman_core::audit::{Asked, Key, reason};
use leadsman_core::id::EnvironmentId;
use leadsman_core::people::{Act, Identity, People, PersonName, Reach, Rights, Role};
use leadsman_engine::By;

use super::peer::Peer;
use super::{session, token};
use crate::problem::Failure;
use crate::serve::Server;

/// The actor of what somebody was denied who did not say who they are. No person is called so.
pub(crate) const NOT_KNOWN: &str = "not known";

/// Somebody who asks, and what they may. In whose name something is done is known only by a
/// [`Permit`].
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    by: By,
    rights: Rights,
    /// The person whose rights these are; none if it is the owner of the socket.
    person: Option<PersonName>,
    /// Whether they came with a token that was made by hand, and not by signing in.
    with_token: bool,
}

/// That somebody may do something: what is recorded of who did it.
#[derive(Clone, Debug)]
pub(crate) struct Permit(By);

impl Permit {
    /// Returns what is recorded of who does it.
    pub(crate) fn by(&self) -> By {
        self.0.clone()
    }
}

impl Caller {
    /// Finds out who asks. The cookie of a session counts only `on_page`: anything else could be asked
    /// for in somebody's name by a page that is not ours.
    pub(crate) fn find(
        server: &Server,
        peer: &Peer,
        headers: &HeaderMap,
        on_page: bool,
    ) -> Result<Self, Failure> {
        let mut asked = Asked {
            from: peer.from(),
            token: None,
            why: None,
            key: None,
        };
        if let Some(given) = headers.get(header::AUTHORIZATION) {
            return Self::of_token(server, bearer(given.as_bytes()), asked);
        }
        if on_page && let Some(session) = session::of(headers) {
            return Self::of_token(server, Some(session), asked);
        }
        match peer {
            Peer::User { uid, name } => {
                // Whoever owns the state folder can read and write all that is in it: to keep them from
                // anything here would only look like protection.
                if uid.is_some_and(|uid| uid == 0 || uid == server.owner) {
                    return Ok(Self {
                        by: By {
                            name: name.clone(),
                            asked: Some(asked),
                        },
                        rights: Rights::of_owner(),
                        person: None,
                        with_token: false,
                    });
                }
                let people = server.engine.people();
                // Who is not told by the kernel is nobody, however a person may be called.
                let person = uid.and_then(|_| people.recognise(&Identity::User(name.clone())));
                let person = person.ok_or_else(|| Failure::not_a_person(name))?.clone();
                asked.from = format!("unix, user {name}");
                Ok(Self {
                    by: By {
                        name: person.to_string(),
                        asked: Some(asked),
                    },
                    rights: people.rights(&person),
                    person: Some(person),
                    with_token: false,
                })
            }
            Peer::Address(_) => Err(Failure::not_signed_in("it says not who asks")),
        }
    }

    fn of_token(server: &Server, given: Option<&str>, mut asked: Asked) -> Result<Self, Failure> {
        let people = server.engine.people();
        let hash = given.and_then(token::hash);
        let found = hash.as_ref().and_then(|hash| people.token(hash));
        let Some((number, token)) = found else {
            return Err(Failure::not_signed_in("its token is not known here"));
        };
        if !token.is_live(server.engine.now()) {
            return Err(Failure::token_ended(number, token.revoked_at.is_some()));
        }
        asked.token = Some(format!("{} {}", number.0, token.name));
        Ok(Self {
            by: By {
                name: token.person.to_string(),
                asked: Some(asked),
            },
            rights: people.rights_of(token, server.engine.now()),
            person: Some(token.person.clone()),
            with_token: !token.sign_in,
        })
    }

    /// Returns the same caller, who gives a reason.
    #[must_use]
    pub(crate) fn saying(mut self, why: &str) -> Self {
        if let Some(asked) = &mut self.by.asked {
            asked.why = reason(why);
        }
        self
    }

    /// Returns the permit for `act` on `about`.
    ///
    /// # Errors
    ///
    /// They may not.
    pub(crate) fn may(&self, act: Act, about: &Reach) -> Result<Permit, Failure> {
        if self.rights.may(act, about) {
            Ok(Permit(self.by.clone()))
        } else {
            Err(Failure::not_allowed(
                &self.by.name,
                act.as_str(),
                Some(about),
            ))
        }
    }

    /// Returns the permit for `act` on what is their own.
    ///
    /// # Errors
    ///
    /// They may not do it to anything.
    pub(crate) fn may_for_oneself(&self, act: Act) -> Result<Permit, Failure> {
        self.may_one_of(&[act], None)?;
        Ok(Permit(self.by.clone()))
    }

    /// Has everything that they have recorded carry the key of what they ask for.
    pub(super) fn with_key(mut self, key: Key) -> Self {
        if let Some(asked) = &mut self.by.asked {
            asked.key = Some(key);
        }
        self
    }

    /// Returns in whose name they end their own session, which needs no right.
    pub(crate) fn itself(&self) -> By {
        self.by.clone()
    }

    /// Returns the permit for `act` on an environment.
    ///
    /// # Errors
    ///
    /// They may not.
    pub(crate) fn may_in(&self, act: Act, environment: &EnvironmentId) -> Result<Permit, Failure> {
        self.may(act, &Reach::Environment(environment.clone()))
    }

    /// Lets pass who may do one of `acts` to `about`, or to anything at all.
    pub(super) fn may_one_of(&self, acts: &[Act], about: Option<&Reach>) -> Result<(), Failure> {
        let may = |act: &Act| match about {
            Some(about) => self.rights.may(*act, about),
            None => self.rights.may_somewhere(*act),
        };
        if acts.iter().any(may) {
            return Ok(());
        }
        let acts: Vec<_> = acts.iter().map(|act| act.as_str()).collect();
        Err(Failure::not_allowed(&self.by.name, &acts.join(", "), about))
    }

    /// Whether they may do `act` on an environment.
    pub(crate) fn can(&self, act: Act, about: &Reach) -> bool {
        self.rights.may(act, about)
    }

    /// Returns what they are to an environment.
    pub(crate) fn roles(&self, environment: &EnvironmentId) -> BTreeSet<Role> {
        self.rights.roles(&Reach::Environment(environment.clone()))
    }

    /// Whether they see an environment.
    pub(crate) fn sees(&self, environment: &EnvironmentId) -> bool {
        self.can(Act::See, &Reach::Environment(environment.clone()))
    }

    /// Returns what they are called.
    pub(crate) fn name(&self) -> &str {
        &self.by.name
    }

    /// Returns the person who asks; none if it is the owner of the socket.
    pub(crate) const fn person(&self) -> Option<&PersonName> {
        self.person.as_ref()
    }

    /// Returns what else they are called: the users and mail addresses that they are recognised by.
    pub(crate) fn known_as(&self, people: &People) -> BTreeSet<String> {
        let person = self.person.as_ref().and_then(|it| people.people.get(it));
        let identities = person.into_iter().flat_map(|person| &person.identities);
        let names = identities.map(|identity| match identity {
            Identity::User(name) | Identity::Email(name) | Identity::Subject(name) => name.clone(),
        });
        names.collect()
    }

    /// Whether they came with a token that was made by hand.
    pub(crate) const fn has_token(&self) -> bool {
        self.with_token
    }

    /// Returns what the audit says of them when something is denied.
    pub(super) fn in_audit(&self) -> By {
        self.by.clone()
    }
}

/// Handlers get the caller that the guard has found. Where there was no guard, nobody is one.
impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Failure::not_signed_in("it says not who asks"))
    }
}

fn bearer(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_given_in_one_way() {
        assert_eq!(bearer(b"Bearer lmt_1"), Some("lmt_1"));
        assert_eq!(bearer(b"bearer  lmt_1 "), Some("lmt_1"));
        for bad in [&b"lmt_1"[..], b"Basic lmt_1", b"", b"Bearer", b"\xff \xff"] {
            assert_eq!(bearer(bad), None);
        }
    }
}
