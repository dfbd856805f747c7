//! People, what they may do, and the tokens by which programs act for them.
//!
//! [`decide`] says what follows from a [`Command`], [`evolve`] folds the [`Event`]s of the stream
//! `0.people`, and [`Rights::may`] is the one question that everything asks before it does anything. What each
//! [`Role`] may do is one table, [`Role::allows`].

mod command;
mod decide;
mod event;
mod evolve;
mod name;
mod reach;
mod refusal;
mod rights;
mod role;

pub use command::Command;
pub use decide::{PEOPLE_MAX, TOKEN_LIFE_MAX, TOKENS_MAX, decide};
pub use event::Event;
pub use evolve::{People, Person, Token, evolve};
pub(crate) use name::ENGINE;
pub use name::{Identity, InvalidIdentity, InvalidPersonName, PersonName, TokenNumber};
pub use reach::{InvalidReach, Reach};
pub use refusal::Refusal;
pub use rights::{Grant, Narrowing, Rights};
pub use role::{Act, InvalidRole, Role};
