//! Windows for tests.

use std::time::Duration;

use leadsman_analysis::{AgainstStable, Figures, Limits, Window};

/// Figures of `requests`, `errors` of which failed, all answered within `ms` milliseconds.
pub(crate) fn figures(requests: u64, errors: u64, ms: u64) -> Figures {
    let mut figures = Figures {
        requests,
        errors,
        ..Figures::default()
    };
    for _ in 0..requests {
        figures.latency.record(Duration::from_millis(ms));
    }
    figures
}

/// One second of both sides.
pub(crate) fn beside(canary: Figures, stable: Figures) -> Window {
    Window {
        seconds: 1.0,
        canary,
        stable: Some(stable),
    }
}

/// One second of the canary, with nothing to compare it with.
pub(crate) fn alone(canary: Figures) -> Window {
    Window {
        seconds: 1.0,
        canary,
        stable: None,
    }
}

/// No limit at all; 100 requests.
pub(crate) fn unlimited() -> Limits {
    Limits {
        errors: None,
        p95: None,
        p99: None,
        memory: None,
        restarts: None,
        against_stable: AgainstStable::default(),
        requests: 100,
    }
}
