//! Bytes of a report to what it says.
//!
//! Tools write what they like: fields are passed over that are not needed, and those that are missing
//! leave something unsaid. But a report that is cut off, or is of another kind, says nothing at all
//! rather than something that looks good. Sizes, depths and numbers are bounded before anything is
//! built of them.

mod cobertura;
mod cyclonedx;
mod error;
mod grype;
mod json;
mod junit;
mod k6;
mod lcov;
mod limits;
mod load;
mod looks;
mod numbers;
mod sarif;
mod trivy;
mod xml;

use crate::facts::Says;
use crate::kind::ReportKind;

pub use error::{Place, ReadError, Wrong};
pub use limits::Limits;
pub use looks::guess;
pub use numbers::{NumberPath, numbers};

/// Reads a report. Of [`ReportKind::Numbers`] it takes every number by its dotted path; see
/// [`numbers`] for single ones.
///
/// # Errors
///
/// What is wrong, where, and what the bytes look like instead. No bytes make it panic or take long.
pub fn read(kind: ReportKind, bytes: &[u8], limits: &Limits) -> Result<Says, ReadError> {
    let with_kind = |error: ReadError| error.of(kind, bytes);
    let text = limits.text(bytes).map_err(with_kind)?;
    let says = match kind {
        ReportKind::Junit => junit::read(text, limits),
        ReportKind::Lcov => lcov::read(text, limits),
        ReportKind::Cobertura => cobertura::read(text, limits),
        ReportKind::Sarif => sarif::read(text, limits),
        ReportKind::Trivy => trivy::read(text, limits),
        ReportKind::Grype => grype::read(text, limits),
        ReportKind::Cyclonedx => cyclonedx::read(text, limits),
        ReportKind::K6 => k6::read(text, limits),
        ReportKind::Load => load::read(text, limits),
        ReportKind::Numbers => numbers::read(text, limits),
        ReportKind::Job => {
            let what = "what no file says: Leadsman itself sees how a job ends";
            Err(ReadError::new(Wrong::OtherKind(what.to_owned())))
        }
    };
    says.map_err(with_kind)
}
