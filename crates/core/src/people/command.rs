//! What can be asked for about people.

use std::collections::BTreeSet;

use super::name::{Identity, PersonName, TokenNumber};
use super::rights::{Grant, Narrowing};
use crate::id::{Digest, TeamName};
use crate::time::Timestamp;

/// An order about people and their tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Makes somebody known.
    Add {
        /// Who.
        person: PersonName,
        /// By what they are recognised.
        identities: BTreeSet<Identity>,
        /// What they may do.
        grants: BTreeSet<Grant>,
    },
    /// Forgets somebody, with everything that they may do.
    Remove {
        /// Who.
        person: PersonName,
    },
    /// Recognises somebody by one thing more.
    Link {
        /// Who.
        person: PersonName,
        /// By what.
        identity: Identity,
    },
    /// Recognises somebody by one thing less.
    Unlink {
        /// Who.
        person: PersonName,
        /// By what.
        identity: Identity,
    },
    /// Allows somebody more.
    Grant {
        /// Who.
        person: PersonName,
        /// What.
        grant: Grant,
    },
    /// Allows somebody less.
    Revoke {
        /// Who.
        person: PersonName,
        /// What.
        grant: Grant,
    },
    /// Takes somebody into a team.
    Join {
        /// Who.
        person: PersonName,
        /// Which.
        team: TeamName,
    },
    /// Takes somebody out of a team.
    Leave {
        /// Who.
        person: PersonName,
        /// Which.
        team: TeamName,
    },
    /// Makes a token known by its hash.
    CreateToken {
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
        sign_in: bool,
        /// What the person may do beside their grants for as long as it lives: what their groups at
        /// the provider of sign-ins allow.
        grants: BTreeSet<Grant>,
    },
    /// Ends a token.
    RevokeToken {
        /// Which.
        token: TokenNumber,
    },
}
