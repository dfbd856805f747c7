//! How much of the code the tests ran through.

use serde::{Deserialize, Serialize};

/// How many of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Count {
    /// How many were run through.
    pub covered: u64,
    /// How many there are.
    pub total: u64,
}

impl Count {
    /// Returns the share that was run through, from 0 to 1; `None` where there is nothing.
    #[expect(
        clippy::cast_precision_loss,
        reason = "no code has as many lines as would lose one"
    )]
    pub fn share(self) -> Option<f64> {
        (self.total > 0).then(|| self.covered as f64 / self.total as f64)
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            covered: self.covered.saturating_add(other.covered),
            total: self.total.saturating_add(other.total),
        }
    }
}

/// What one report says of coverage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Coverage {
    /// Lines that can be run.
    pub lines: Count,
    /// Branches; `None` where the tool does not count them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branches: Option<Count>,
}

impl Coverage {
    pub(crate) fn and(self, other: Self) -> Self {
        let branches = match (self.branches, other.branches) {
            (Some(one), Some(other)) => Some(one.and(other)),
            (one, other) => one.or(other),
        };
        Self {
            lines: self.lines.and(other.lines),
            branches,
        }
    }
}
