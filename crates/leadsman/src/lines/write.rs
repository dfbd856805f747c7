//! Lines out.

use std::io::{self, Write};

use leadsman_analysis::{Call, Outcome};
use serde::Serialize;

/// What is said of a window.
#[derive(Serialize)]
struct Said<'a> {
    window: u64,
    outcome: Outcome,
    log_e: f64,
    log_e_strict: f64,
    pass: bool,
    warn: bool,
    eta_fail_s: Option<f64>,
    eta_pass_s: Option<f64>,
    sentence: &'a str,
}

/// Writes what the judge says after window number `window`, counted from 1.
pub(crate) fn write(out: &mut impl Write, window: u64, call: &Call) -> io::Result<()> {
    let said = Said {
        window,
        outcome: call.outcome,
        log_e: call.evidence.log_e,
        log_e_strict: call.evidence.log_e_strict,
        pass: call.passes,
        warn: call.evidence.warn,
        eta_fail_s: call.evidence.fails_in,
        eta_pass_s: call.evidence.passes_in,
        sentence: &call.sentence,
    };
    serde_json::to_writer(&mut *out, &said)?;
    out.write_all(b"\n")
}
