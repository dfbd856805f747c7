//! Figures that cannot be true are not judged.

use crate::{Figures, Window};

/// Why a window cannot be true.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Implausible {
    #[error("an interval of {0} s")]
    Interval(f64),
    #[error("{errors} errors in {requests} requests on {arm}")]
    Errors {
        arm: &'static str,
        errors: u64,
        requests: u64,
    },
    #[error("{latencies} latencies of {requests} requests on {arm}")]
    Latencies {
        arm: &'static str,
        latencies: u64,
        requests: u64,
    },
}

/// Checks that `window` can be true.
pub(crate) fn check(window: &Window) -> Result<(), Implausible> {
    if !(window.seconds.is_finite() && window.seconds > 0.0) {
        return Err(Implausible::Interval(window.seconds));
    }
    check_arm("the canary", &window.canary)?;
    window
        .baseline
        .as_ref()
        .map_or(Ok(()), |baseline| check_arm("stable", baseline))
}

fn check_arm(arm: &'static str, figures: &Figures) -> Result<(), Implausible> {
    let Figures {
        requests,
        errors,
        ref latency,
        over: _,
    } = *figures;
    if errors > requests {
        return Err(Implausible::Errors {
            arm,
            errors,
            requests,
        });
    }
    let latencies = latency.count();
    if latencies > requests {
        return Err(Implausible::Latencies {
            arm,
            latencies,
            requests,
        });
    }
    Ok(())
}
