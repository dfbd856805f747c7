//! What is refused about people.

use super::name::{Identity, PersonName, TokenNumber};
use super::rights::Grant;
use crate::id::TeamName;

/// Why an order about people is not granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody is called so.
    #[error("there is nobody called `{0}`")]
    UnknownPerson(PersonName),
    /// Somebody is called so already.
    #[error("there is somebody called `{0}` already")]
    KnownPerson(PersonName),
    /// Somebody is recognised by this already.
    #[error("`{identity}` is `{person}` already")]
    IdentityTaken {
        /// By what.
        identity: Identity,
        /// Who.
        person: PersonName,
    },
    /// The person is not recognised by this.
    #[error("`{identity}` is not `{person}`")]
    NotTheirs {
        /// By what.
        identity: Identity,
        /// Who.
        person: PersonName,
    },
    /// The person has that role already.
    #[error("`{person}` is {} for {} already", grant.role, grant.reach)]
    AlreadyGranted {
        /// Who.
        person: PersonName,
        /// What.
        grant: Grant,
    },
    /// The person does not have that role.
    #[error("`{person}` is not {} for {}", grant.role, grant.reach)]
    NotGranted {
        /// Who.
        person: PersonName,
        /// What.
        grant: Grant,
    },
    /// The person belongs to that team already.
    #[error("`{person}` belongs to team `{team}` already")]
    AlreadyMember {
        /// Who.
        person: PersonName,
        /// Which.
        team: TeamName,
    },
    /// The person does not belong to that team.
    #[error("`{person}` does not belong to team `{team}`")]
    NotAMember {
        /// Who.
        person: PersonName,
        /// Which.
        team: TeamName,
    },
    /// Nobody would be left who may do everything.
    #[error("`{0}` is the last who is admin for everything")]
    LastAdmin(PersonName),
    /// There is no such token, or it has ended.
    #[error("there is no {0} that could be revoked")]
    UnknownToken(TokenNumber),
    /// What the token should be is not possible.
    #[error("the token cannot be made: {0}")]
    BadToken(String),
    /// There are as many as there may be.
    #[error("there are {0} already, which is as many as there may be")]
    TooMany(String),
}

impl Refusal {
    /// Returns the code under which `leadsman explain` has a page.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownPerson(_) => "R101",
            Self::KnownPerson(_) => "R102",
            Self::IdentityTaken { .. } => "R103",
            Self::NotTheirs { .. } => "R104",
            Self::AlreadyGranted { .. } => "R105",
            Self::NotGranted { .. } => "R106",
            Self::LastAdmin(_) => "R107",
            Self::UnknownToken(_) => "R108",
            Self::BadToken(_) => "R109",
            Self::TooMany(_) => "R110",
            Self::AlreadyMember { .. } => "R111",
            Self::NotAMember { .. } => "R112",
        }
    }

    /// Returns what a person can do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::UnknownPerson(_)
            | Self::NotTheirs { .. }
            | Self::NotGranted { .. }
            | Self::NotAMember { .. } => {
                "see who there is, and what they may do, with `leadsman people list`"
            }
            Self::KnownPerson(_) => "give them another role with `leadsman people grant`",
            Self::IdentityTaken { .. } => "take it from them first with `leadsman people unlink`",
            Self::AlreadyGranted { .. } | Self::AlreadyMember { .. } => "nothing has to be done",
            Self::LastAdmin(_) => {
                "make somebody else admin first with `leadsman people grant NAME admin`"
            }
            Self::UnknownToken(_) => "see the tokens with `leadsman token list`",
            Self::BadToken(_) => "see what a token may be with `leadsman token create --help`",
            Self::TooMany(_) => {
                "remove what is not used any more, with `leadsman people remove` or `leadsman \
                 token revoke`"
            }
        }
    }

    /// Returns the codes of all of them.
    pub fn codes() -> impl Iterator<Item = String> {
        (101..=112).map(|number| format!("R{number:03}"))
    }
}
