//! Figures that cannot be true are not judged.

use crate::{Figures, History, Split, Window};

/// More requests than these in a second cannot be true: it is one in every nanosecond.
const REQUESTS_PER_SECOND: f64 = 1e9;

/// Why a window cannot be true.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Implausible {
    #[error("an interval of {0} s")]
    Interval(f64),
    #[error("{requests} requests in {seconds} s on {arm}")]
    Requests {
        arm: &'static str,
        requests: u64,
        seconds: f64,
    },
    #[error("{errors} errors in {requests} requests on {arm}")]
    Errors {
        arm: &'static str,
        errors: u64,
        requests: u64,
    },
    #[error("{over} of {latencies} latencies over a limit on {arm}")]
    Over {
        arm: &'static str,
        over: u64,
        latencies: u64,
    },
    #[error("a split of {canary} to {baseline}")]
    Split { canary: f64, baseline: f64 },
    #[error("{latencies} latencies of {requests} requests on {arm}")]
    Latencies {
        arm: &'static str,
        latencies: u64,
        requests: u64,
    },
}

/// Checks that `window` can be true.
pub(crate) fn window(window: &Window) -> Result<(), Implausible> {
    interval(window.seconds)?;
    let seconds = window.seconds;
    arm("the canary", &window.canary, seconds)?;
    let mut others = window.baseline.iter().chain(&window.reference);
    others.try_for_each(|figures| arm("stable", figures, seconds))
}

/// Checks that `history` can be true.
pub(crate) fn history(history: &History) -> Result<(), Implausible> {
    interval(history.seconds)?;
    let mut figures = std::iter::once(&history.baseline).chain(&history.reference);
    figures.try_for_each(|figures| arm("stable", figures, history.seconds))
}

/// Checks that requests can be split like this.
pub(crate) fn split(split: Split) -> Result<(), Implausible> {
    let Split { canary, baseline } = split;
    let shares = 0.0..=1.0;
    if shares.contains(&canary) && shares.contains(&baseline) {
        return Ok(());
    }
    Err(Implausible::Split { canary, baseline })
}

fn interval(seconds: f64) -> Result<(), Implausible> {
    if seconds.is_finite() && seconds > 0.0 {
        return Ok(());
    }
    Err(Implausible::Interval(seconds))
}

fn arm(arm: &'static str, figures: &Figures, seconds: f64) -> Result<(), Implausible> {
    let Figures {
        requests,
        errors,
        ref latency,
        over,
    } = *figures;
    // Requests of which nothing else is known would show that hardly any failed.
    if requests as f64 > REQUESTS_PER_SECOND * seconds {
        return Err(Implausible::Requests {
            arm,
            requests,
            seconds,
        });
    }
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
    if let Some(over) = over.into_iter().flatten().find(|over| *over > latencies) {
        return Err(Implausible::Over {
            arm,
            over,
            latencies,
        });
    }
    Ok(())
}
