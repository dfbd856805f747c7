//! What happened to people: the events of the stream `0.people`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::name::{Identity, PersonName, TokenNumber};
use super::rights::{Grant, Narrowing};
use crate::id::{Digest, TeamName};
use crate::time::Timestamp;

/// A fact about people. Stored like those about environments: read for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Somebody is known from now on, and may do nothing yet.
    PersonAdded {
        /// Who.
        person: PersonName,
    },
    /// Somebody is known no more: grants, identities and tokens end with it.
    PersonRemoved {
        /// Who.
        person: PersonName,
    },
    /// Whoever comes with this identity is this person.
    IdentityLinked {
        /// Who.
        person: PersonName,
        /// By what.
        identity: Identity,
    },
    /// Whoever comes with this identity is nobody.
    IdentityUnlinked {
        /// Who it was.
        person: PersonName,
        /// By what.
        identity: Identity,
    },
    /// Somebody may do more.
    RoleGranted {
        /// Who.
        person: PersonName,
        /// What.
        grant: Grant,
    },
    /// Somebody may do less.
    RoleRevoked {
        /// Who.
        person: PersonName,
        /// What.
        grant: Grant,
    },
    /// Somebody belongs to a team from now on.
    TeamJoined {
        /// Who.
        person: PersonName,
        /// Which.
        team: TeamName,
    },
    /// Somebody belongs to a team no more.
    TeamLeft {
        /// Who.
        person: PersonName,
        /// Which.
        team: TeamName,
    },
    /// Whoever has the token acts for the person. The token itself is nowhere.
    TokenCreated {
        /// The number of the token.
        token: TokenNumber,
        /// Whom it belongs to.
        person: PersonName,
        /// What it is for.
        name: String,
        /// The SHA-256 hash of it.
        hash: Digest,
        /// What it leaves of what the person may do.
        narrowing: Narrowing,
        /// When it ends.
        expires_at: Timestamp,
        /// Whether it came of signing in.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        sign_in: bool,
        /// What the person may do beside their grants for as long as it lives.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        grants: BTreeSet<Grant>,
    },
    /// A token was ended before its time.
    TokenRevoked {
        /// Which.
        token: TokenNumber,
        /// Whom it belonged to.
        person: PersonName,
        /// What it was for.
        name: String,
    },
}

impl Event {
    /// Returns the kind under which it is stored.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::PersonAdded { .. } => "person_added",
            Self::PersonRemoved { .. } => "person_removed",
            Self::IdentityLinked { .. } => "identity_linked",
            Self::IdentityUnlinked { .. } => "identity_unlinked",
            Self::RoleGranted { .. } => "role_granted",
            Self::RoleRevoked { .. } => "role_revoked",
            Self::TeamJoined { .. } => "team_joined",
            Self::TeamLeft { .. } => "team_left",
            Self::TokenCreated { .. } => "token_created",
            Self::TokenRevoked { .. } => "token_revoked",
        }
    }
}

/// One sentence without its end.
impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PersonAdded { person } => write!(f, "`{person}` was added"),
            Self::PersonRemoved { person } => write!(f, "`{person}` was removed"),
            Self::IdentityLinked { person, identity } => {
                write!(f, "`{identity}` is `{person}` from now on")
            }
            Self::IdentityUnlinked { person, identity } => {
                write!(f, "`{identity}` is `{person}` no more")
            }
            Self::RoleGranted { person, grant } => {
                write!(
                    f,
                    "`{person}` is {} for {} from now on",
                    grant.role, grant.reach
                )
            }
            Self::RoleRevoked { person, grant } => {
                write!(
                    f,
                    "`{person}` is {} for {} no more",
                    grant.role, grant.reach
                )
            }
            Self::TeamJoined { person, team } => {
                write!(f, "`{person}` belongs to team `{team}` from now on")
            }
            Self::TeamLeft { person, team } => {
                write!(f, "`{person}` belongs to team `{team}` no more")
            }
            Self::TokenCreated {
                token,
                person,
                name,
                sign_in: false,
                ..
            } => write!(f, "{token}, `{name}`, was made for `{person}`"),
            Self::TokenCreated {
                token,
                person,
                sign_in: true,
                ..
            } => write!(f, "`{person}` signed in and has {token}"),
            Self::TokenRevoked {
                token,
                person,
                name,
            } => write!(f, "{token}, `{name}`, of `{person}` was revoked"),
        }
    }
}
