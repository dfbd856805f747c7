//! What reports say, and what a release must keep to go on.
//!
//! Pure: it knows no time, no IO and no releases. Bytes of a report become [`Says`], those of all
//! reports of one release are its [`Facts`]; the caller says which release that is and keeps them.
//!
//! Read first: [`ReportKind`] (what can be read), [`read`] (how) and [`Facts`] (what comes of it).

mod facts;
mod kind;
mod read;

pub use facts::{
    Component, Components, Count, Coverage, Facts, Failure, Finding, Findings, Licensed, Load,
    Report, Says, Severity, Source, Tests,
};
pub use kind::ReportKind;
pub use read::{Limits, NumberPath, Place, ReadError, Wrong, guess, numbers, read};
