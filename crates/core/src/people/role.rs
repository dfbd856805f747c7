//! What there is to do, and who may do it: the one table that everything asks.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Something that somebody may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// To see how things stand, what happened and what instances write, and to be told what
    /// shipping would do.
    See,
    /// To upload artifacts and to ship releases.
    Ship,
    /// To start and to cancel runs of the pipeline.
    Run,
    /// To hand in reports on a release by hand, which may open its gates.
    Report,
    /// To hold a deployment where it is.
    Pause,
    /// To let it go on.
    Resume,
    /// To let a step pass, or all of them.
    Promote,
    /// To end a deployment and bring back what served before.
    Abort,
    /// To bring in a release again that failed.
    Retry,
    /// To bring back an earlier release.
    Rollback,
    /// To keep requests from services.
    Close,
    /// To let requests in again.
    Open,
    /// To consent to a release in an environment.
    Approve,
    /// To refuse a release in an environment.
    Reject,
    /// To say that an item of a checklist is so; the item says which role that takes.
    Confirm,
    /// To let nothing enter an environment for a time.
    Freeze,
    /// To let one release in all the same.
    Except,
    /// To end such a time.
    Thaw,
    /// To ship on the way that is kept for what cannot wait.
    Expedite,
    /// To make tokens for oneself that can do no more than one may oneself, and to revoke them.
    OwnTokens,
    /// To search and to export the audit.
    Audit,
    /// To see people and their tokens, and to change who they are and what they may do.
    People,
    /// To end everything on the machine.
    Stop,
}

/// What somebody is to an application, and thereby which acts are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees.
    Viewer,
    /// Sees, ships and starts runs.
    Developer,
    /// Is a developer who also pauses, promotes, aborts, rolls back and closes.
    Operator,
    /// Sees, approves and rejects.
    Approver,
    /// May do everything.
    Admin,
}

/// A text names no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no role `{0}`, but viewer, developer, operator, approver and admin")]
pub struct InvalidRole(pub String);

impl Act {
    /// Every act, in the order in which they are listed.
    pub const ALL: [Self; 23] = [
        Self::See,
        Self::Ship,
        Self::Run,
        Self::Report,
        Self::Pause,
        Self::Resume,
        Self::Promote,
        Self::Abort,
        Self::Retry,
        Self::Rollback,
        Self::Close,
        Self::Open,
        Self::Approve,
        Self::Reject,
        Self::Confirm,
        Self::Freeze,
        Self::Except,
        Self::Thaw,
        Self::Expedite,
        Self::OwnTokens,
        Self::Audit,
        Self::People,
        Self::Stop,
    ];

    /// Returns the act as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::See => "see",
            Self::Ship => "ship",
            Self::Run => "run",
            Self::Report => "report",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Promote => "promote",
            Self::Abort => "abort",
            Self::Retry => "retry",
            Self::Rollback => "rollback",
            Self::Close => "close",
            Self::Open => "open",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Confirm => "confirm",
            Self::Freeze => "freeze",
            Self::Except => "except",
            Self::Thaw => "thaw",
            Self::Expedite => "expedite",
            Self::OwnTokens => "own tokens",
            Self::Audit => "audit",
            Self::People => "people",
            Self::Stop => "stop",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Role {
    /// Every role, in the order in which they are listed.
    pub const ALL: [Self; 5] = [
        Self::Viewer,
        Self::Developer,
        Self::Operator,
        Self::Approver,
        Self::Admin,
    ];

    /// Whether somebody with this role may do `act`, as far as the role is granted.
    pub const fn allows(self, act: Act) -> bool {
        match act {
            Act::See | Act::OwnTokens => true,
            Act::Ship | Act::Run => {
                matches!(self, Self::Developer | Self::Operator | Self::Admin)
            }
            Act::Report
            | Act::Pause
            | Act::Resume
            | Act::Promote
            | Act::Abort
            | Act::Retry
            | Act::Rollback
            | Act::Close
            | Act::Open
            | Act::Freeze
            | Act::Thaw
            | Act::Expedite => matches!(self, Self::Operator | Self::Admin),
            // An exception is a consent like an approval.
            Act::Approve | Act::Reject | Act::Except => {
                matches!(self, Self::Approver | Self::Admin)
            }
            Act::Confirm => !matches!(self, Self::Viewer),
            // Whoever answers for what went out has to be able to show it.
            Act::Audit => matches!(self, Self::Operator | Self::Approver | Self::Admin),
            Act::People | Act::Stop => matches!(self, Self::Admin),
        }
    }

    /// Returns the role as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, InvalidRole> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| InvalidRole(text.to_owned()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table, written a second time: whoever changes one has to mean it.
    #[test]
    fn who_may_do_what_is_this_table() {
        for (act, allowed) in [
            (Act::See, "viewer developer operator approver admin"),
            (Act::Ship, "developer operator admin"),
            (Act::Run, "developer operator admin"),
            (Act::Pause, "operator admin"),
            (Act::Resume, "operator admin"),
            (Act::Promote, "operator admin"),
            (Act::Abort, "operator admin"),
            (Act::Retry, "operator admin"),
            (Act::Rollback, "operator admin"),
            (Act::Close, "operator admin"),
            (Act::Open, "operator admin"),
            (Act::Approve, "approver admin"),
            (Act::Reject, "approver admin"),
            (Act::Confirm, "developer operator approver admin"),
            (Act::Freeze, "operator admin"),
            (Act::Except, "approver admin"),
            (Act::Thaw, "operator admin"),
            (Act::Expedite, "operator admin"),
            (Act::OwnTokens, "viewer developer operator approver admin"),
            (Act::Audit, "operator approver admin"),
            (Act::People, "admin"),
            (Act::Stop, "admin"),
        ] {
            let may = Role::ALL.into_iter().filter(|role| role.allows(act));
            let may: Vec<_> = may.map(Role::as_str).collect();
            assert_eq!(may.join(" "), allowed, "{act}");
        }
    }

    #[test]
    fn every_act_is_listed_once_and_in_order() {
        assert!(Act::ALL.is_sorted());
        assert!(Role::ALL.is_sorted());
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!("owner".parse::<Role>().is_err());
    }
}
