//! What reports say, and what a release must keep to go on.
//!
//! Pure: it knows no time, no IO and no releases. Bytes of a report become [`Says`], those of all
//! reports of one release are its [`Facts`]; the caller says which release that is and keeps them.
//!
//! Read first: [`ReportKind`] and [`read`] (what can be read), [`Facts`] (what comes of it), and
//! [`Gates`] and [`evaluate`] (what is asked of it).

mod day;
mod facts;
mod gate;
mod kind;
mod read;
mod rule;
mod words;

pub use day::Day;
pub use facts::{
    Component, Components, Count, Coverage, Facts, Failure, Finding, Findings, JobEnd, Licensed,
    Load, Report, Says, Severity, Source, Tests,
};
pub use gate::{
    About, CoverageGate, Evidence, Exception, FindingsGate, GateResult, Gates, LicencesGate,
    LoadGate, NumberGate, Outcome, TestsGate, all_open, evaluate,
};
pub use kind::ReportKind;
pub use read::{Limits, NumberPath, Place, ReadError, Wrong, guess, numbers, read};
pub use rule::{RuleProblem, check_rule, rule_names};

// What throws made-up input at readers is the data plane's: there is one way to do that.
#[cfg(test)]
#[path = "../../proxy/src/fuzz.rs"]
mod fuzz;
#[cfg(test)]
mod fuzzed;
#[cfg(test)]
#[path = "../../proxy/tests/it/random.rs"]
mod random;
