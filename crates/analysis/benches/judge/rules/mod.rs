//! What decides about a rollout: the judge, and what others do.
//!
//! The peers are written from what their sources do, not copied. They get their figures at once
//! and without gaps, where in practice a scrape and a query lie between: that favours them by 15
//! to 60 seconds.

pub(crate) mod argo;
pub(crate) mod flagger;
pub(crate) mod kayenta;
pub(crate) mod mann_whitney;
pub(crate) mod no_margin;
pub(crate) mod ours;

use std::time::Duration;

use leadsman_analysis::Split;

use self::argo::Argo;
use self::flagger::Flagger;
use self::kayenta::Kayenta;
use self::no_margin::NoMargin;
use self::ours::Ours;
use super::traffic::Counted;

/// One second of a rollout, as every rule sees it.
pub(crate) struct Second<'a> {
    /// When it ends, in seconds since the canary's first request; the first one ends at 1.
    pub(crate) end: u32,
    /// How requests are split.
    pub(crate) split: Split,
    /// It is the last one of its step.
    pub(crate) ends_step: bool,
    pub(crate) canary: &'a Counted,
    pub(crate) baseline: &'a Counted,
    /// One instance of the baseline.
    pub(crate) reference: &'a Counted,
    /// At the end of each minute: what a fresh copy of stable with as many requests as the canary
    /// counted in it.
    pub(crate) twin: Option<&'a Counted>,
}

/// What a rule says at the end of a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Call {
    /// Nothing yet.
    GoOn,
    /// The step may end.
    Pass,
    /// The release goes back.
    RollBack,
}

/// Something that decides about one rollout. It is asked until it rolls back.
pub(crate) trait Rule {
    /// Takes in a second from before the rollout.
    fn remember(&mut self, _baseline: &Counted, _reference: &Counted) {}

    /// Takes in a second of the rollout, and says what follows.
    fn observe(&mut self, second: &Second<'_>) -> Call;
}

/// How a rule is called and made.
pub(crate) struct Kind {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// It takes part unless others are asked for.
    pub(crate) usual: bool,
    /// It is the judge: it also says when a step has passed.
    pub(crate) ours: bool,
    /// Makes one for a service with this warm-up.
    pub(crate) make: fn(Duration) -> Box<dyn Rule>,
}

/// Every rule, ours first.
pub(crate) const ALL: &[Kind] = &[
    Kind {
        name: "ours",
        title: "ours",
        usual: true,
        ours: true,
        make: |warm_up| Box::new(Ours::new(warm_up)),
    },
    Kind {
        name: "one-tier",
        title: "ours, one tier",
        usual: false,
        ours: true,
        make: |warm_up| Box::new(Ours::one_tier(warm_up)),
    },
    Kind {
        name: "flagger-1",
        title: "Flagger 1",
        usual: true,
        ours: false,
        make: |_| Box::new(Flagger::documented(1)),
    },
    Kind {
        name: "flagger-5",
        title: "Flagger 5",
        usual: true,
        ours: false,
        make: |_| Box::new(Flagger::documented(5)),
    },
    Kind {
        name: "flagger-limits",
        title: "Flagger, our limits",
        usual: true,
        ours: false,
        make: |_| Box::new(Flagger::with_our_limits()),
    },
    Kind {
        name: "argo-5m",
        title: "Argo 5 m",
        usual: true,
        ours: false,
        make: |_| Box::new(Argo::every(300)),
    },
    Kind {
        name: "argo-1m",
        title: "Argo 1 m",
        usual: true,
        ours: false,
        make: |_| Box::new(Argo::every(60)),
    },
    Kind {
        name: "kayenta-soak",
        title: "Kayenta, soak end",
        usual: true,
        ours: false,
        make: |_| Box::new(Kayenta::at_soak_end()),
    },
    Kind {
        name: "kayenta-5m",
        title: "Kayenta 5 m",
        usual: true,
        ours: false,
        make: |_| Box::new(Kayenta::every(300)),
    },
    Kind {
        name: "no-margin",
        title: "without margins",
        usual: true,
        ours: false,
        make: |_| Box::new(NoMargin::new()),
    },
];
