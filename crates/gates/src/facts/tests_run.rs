//! Which tests ran, and what became of them.

use serde::{Deserialize, Serialize};

/// How many failures are kept with their names. The others are counted.
const FAILURES_MOST: usize = 100;

/// What became of tests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tests {
    /// How many did what they should, those that did so only when they were run again included.
    pub passed: u64,
    /// How many found that something is not as it should be.
    pub failed: u64,
    /// How many could not come to an end, such as for want of a database.
    pub errors: u64,
    /// How many were left out.
    pub skipped: u64,
    /// How many of those that passed had failed before, in the same run.
    pub flaky: u64,
    /// Those that failed or could not end, as far as they are kept.
    pub failures: Vec<Failure>,
}

/// One test that failed or could not end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// The name of the test, with that of its class or file before it.
    pub name: String,
    /// The first line of what it says.
    pub message: String,
}

impl Tests {
    /// Returns how many ran: those left out are not among them.
    pub fn ran(&self) -> u64 {
        self.passed
            .saturating_add(self.failed)
            .saturating_add(self.errors)
    }

    /// Keeps a failure, if there is room for it.
    pub(crate) fn keep(&mut self, failure: Failure) {
        if self.failures.len() < FAILURES_MOST {
            self.failures.push(failure);
        }
    }

    pub(crate) fn and(mut self, other: Self) -> Self {
        self.passed = self.passed.saturating_add(other.passed);
        self.failed = self.failed.saturating_add(other.failed);
        self.errors = self.errors.saturating_add(other.errors);
        self.skipped = self.skipped.saturating_add(other.skipped);
        self.flaky = self.flaky.saturating_add(other.flaky);
        for failure in other.failures {
            self.keep(failure);
        }
        self
    }
}
