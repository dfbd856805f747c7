//! The gate on a job that tries the release where it serves.

use super::{GateResult, quoted};
use crate::facts::{Facts, bounded};

pub(super) fn evaluate(job: &str, facts: &Facts) -> GateResult {
    let name = format!("jobs.{}", bounded(job, 100));
    match facts.job(job) {
        None => {
            let why = format!("job {} has not tried this release", quoted(job));
            let way_out = "it begins once the release serves, in the run that made it";
            GateResult::unknown(&name, &why, way_out)
        }
        Some(end) if end.passed => {
            GateResult::open_if(&name, true, &format!("job {} passed", quoted(job)))
        }
        Some(end) => {
            let why = bounded(&end.why, 300);
            GateResult::open_if(&name, false, &format!("job {} failed: {why}", quoted(job)))
        }
    }
}
