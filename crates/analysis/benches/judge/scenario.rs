//! What happens to a service during a rollout: what its requests do, second by second.

use std::f64::consts::TAU;
use std::time::Duration;

/// How an arm answers in one second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Behaviour {
    /// The share of requests that fail, 0 to 1.
    pub(crate) errors: f64,
    /// By which factor its answers take longer than stable's usually do.
    pub(crate) slower: f64,
    /// The share of requests that take ten times longer still.
    pub(crate) tail: f64,
}

impl Behaviour {
    const fn errors(errors: f64) -> Self {
        Self {
            errors,
            slower: 1.0,
            tail: 0.0,
        }
    }

    const fn slower(self, slower: f64) -> Self {
        Self { slower, ..self }
    }
}

/// What happens in one second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// The number of requests, as a multiple of the usual one.
    pub(crate) traffic: f64,
    pub(crate) canary: Behaviour,
    pub(crate) baseline: Behaviour,
}

impl Moment {
    const fn new(baseline: Behaviour, canary: Behaviour) -> Self {
        Self {
            traffic: 1.0,
            canary,
            baseline,
        }
    }

    const fn same(both: Behaviour) -> Self {
        Self::new(both, both)
    }
}

/// Errors that come in bursts: each arm's share of errors is multiplied by a random factor with
/// mean 1, from a gamma distribution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bursts {
    /// The factor's coefficient of variation.
    pub(crate) variation: f64,
    /// For how long a factor stays before the next one is drawn.
    pub(crate) seconds: i32,
    /// Both arms have the same factor; otherwise each has its own.
    pub(crate) shared: bool,
}

/// What a rule ought to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Truth {
    /// There is nothing to roll back.
    Good,
    /// The canary is worse than is tolerated from this second on.
    Bad { onset: u32 },
}

/// One story of a rollout.
pub(crate) struct Scenario {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// It is played unless others are asked for.
    pub(crate) usual: bool,
    pub(crate) truth: Truth,
    pub(crate) bursts: Option<Bursts>,
    /// The warm-up that the service is configured with.
    pub(crate) warm_up: Duration,
    /// What happens in the second that begins at this one, counted from the canary's first
    /// request; negative before it.
    pub(crate) at: fn(f64) -> Moment,
}

impl Scenario {
    const fn good(name: &'static str, title: &'static str, at: fn(f64) -> Moment) -> Self {
        Self {
            name,
            title,
            usual: true,
            truth: Truth::Good,
            bursts: None,
            warm_up: Duration::ZERO,
            at,
        }
    }

    const fn bad(name: &'static str, title: &'static str, at: fn(f64) -> Moment) -> Self {
        Self {
            truth: Truth::Bad { onset: 0 },
            ..Self::good(name, title, at)
        }
    }

    const fn late(name: &'static str, title: &'static str, at: fn(f64) -> Moment) -> Self {
        Self {
            truth: Truth::Bad { onset: LATE },
            ..Self::good(name, title, at)
        }
    }

    const fn last(name: &'static str, title: &'static str, at: fn(f64) -> Moment) -> Self {
        Self {
            usual: false,
            truth: Truth::Bad { onset: LAST },
            ..Self::good(name, title, at)
        }
    }

    const fn bursts(self, variation: f64, seconds: i32, shared: bool) -> Self {
        Self {
            bursts: Some(Bursts {
                variation,
                seconds,
                shared,
            }),
            ..self
        }
    }
}

/// When a regression begins that is not there at once: 15 minutes into the first step.
const LATE: u32 = 900;

/// When a regression begins that only shows with most of the requests: with the last step.
pub(crate) const LAST: u32 = 5400;

/// The share of errors of most services here.
const FEW: Behaviour = Behaviour::errors(0.001);

/// The share of errors of a service that has some.
const SOME: Behaviour = Behaviour::errors(0.005);

/// Every scenario: first those in which there is nothing to roll back.
pub(crate) const ALL: &[Scenario] = &[
    Scenario::good("same", "A/A, 0.1 % errors", |_| Moment::same(FEW)),
    Scenario::good("same-0.5", "A/A, 0.5 % errors", |_| Moment::same(SOME)),
    Scenario::good("drift", "drift of both arms", |at| {
        // A day in two hours: more requests, more errors and slower answers, and back.
        let wave = (TAU * at / 7200.0).sin();
        let both = Behaviour::errors(0.0055 + 0.0045 * wave).slower(1.0 + 0.2 * wave);
        Moment {
            traffic: 1.0 + 0.5 * wave,
            ..Moment::same(both)
        }
    }),
    Scenario::good("outage", "outage of both arms", |at| {
        let out = (2400.0..3000.0).contains(&at);
        Moment::same(if out {
            Behaviour::errors(0.3).slower(3.0)
        } else {
            SOME
        })
    }),
    Scenario::good("bursts-shared", "shared bursts, CV 1, 10 s", |_| {
        Moment::same(SOME)
    })
    .bursts(1.0, 10, true),
    Scenario::good("bursts", "bursts per arm, CV 1, 10 s", |_| {
        Moment::same(SOME)
    })
    .bursts(1.0, 10, false),
    Scenario::good("bursts-2", "bursts per arm, CV 2, 1 s", |_| {
        Moment::same(SOME)
    })
    .bursts(2.0, 1, false),
    Scenario::good("bursts-2-long", "bursts per arm, CV 2, 10 s", |_| {
        Moment::same(SOME)
    })
    .bursts(2.0, 10, false),
    Scenario {
        warm_up: Duration::from_secs(60),
        ..Scenario::good("warm-up", "warm-up transient", |at| {
            // Slow and failing at first, as usual after half a minute.
            let cold = (1.0 - at / 30.0).clamp(0.0, 1.0);
            let canary = Behaviour::errors(0.001 + 0.03 * cold).slower(1.0 + 1.5 * cold);
            Moment::new(FEW, if at < 0.0 { FEW } else { canary })
        })
    },
    Scenario::good("tolerated-errors", "0.5 -> 1 % (inside +1 point)", |_| {
        Moment::new(SOME, Behaviour::errors(0.01))
    }),
    Scenario::good("tolerated-p95", "p95 x 1.1 (inside +20 %)", |_| {
        Moment::new(FEW, FEW.slower(1.1))
    }),
    Scenario::good("edge-errors", "exactly +1 point", |_| {
        Moment::new(FEW, Behaviour::errors(0.011))
    }),
    Scenario::good("edge-p95", "p95 exactly x 1.2", |_| {
        Moment::new(FEW, FEW.slower(1.2))
    }),
    Scenario::good("edge-both", "+1 point and p95 x 1.2", |_| {
        Moment::new(FEW, Behaviour::errors(0.011).slower(1.2))
    }),
    Scenario::bad("errors-2", "errors 0.1 -> 2 %", |_| {
        Moment::new(FEW, Behaviour::errors(0.02))
    }),
    Scenario::bad("errors-5", "errors 1 -> 5 %", |_| {
        Moment::new(Behaviour::errors(0.01), Behaviour::errors(0.05))
    }),
    Scenario::bad("all-fail", "all fail", |_| {
        Moment::new(FEW, Behaviour::errors(1.0))
    }),
    Scenario::bad("p95-1.3", "p95 x 1.3", |_| {
        Moment::new(FEW, FEW.slower(1.3))
    }),
    Scenario::bad("p95-2", "p95 x 2", |_| Moment::new(FEW, FEW.slower(2.0))),
    Scenario::bad("tail", "5 % of requests x 10", |_| {
        Moment::new(FEW, Behaviour { tail: 0.05, ..FEW })
    }),
    Scenario::late("late-errors", "0.1 -> 5 % after 15 min", |at| {
        let bad = at >= f64::from(LATE);
        Moment::new(FEW, if bad { Behaviour::errors(0.05) } else { FEW })
    }),
    Scenario::late("late-p95", "p95 x 2 after 15 min", |at| {
        let bad = at >= f64::from(LATE);
        Moment::new(FEW, if bad { FEW.slower(2.0) } else { FEW })
    }),
    Scenario::bad("crash-loop", "crash loop, 5 s a minute", |at| {
        let down = at.rem_euclid(60.0) < 5.0;
        Moment::new(FEW, if down { Behaviour::errors(1.0) } else { FEW })
    }),
    Scenario::last("last-errors", "0.1 -> 5 % in the last step", |at| {
        let bad = at >= f64::from(LAST);
        Moment::new(FEW, if bad { Behaviour::errors(0.05) } else { FEW })
    }),
    Scenario::last("last-all-fail", "all fail in the last step", |at| {
        let bad = at >= f64::from(LAST);
        Moment::new(FEW, if bad { Behaviour::errors(1.0) } else { FEW })
    }),
    Scenario::last("last-p95", "p95 x 2 in the last step", |at| {
        let bad = at >= f64::from(LAST);
        Moment::new(FEW, if bad { FEW.slower(2.0) } else { FEW })
    }),
];
