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
use self::ours::{ONE_TIER, Ours, TWO_TIERS};
use super::traffic::Counted;
use super::wald::Chances;

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
    /// For the judge, which also says when a step has passed: how often it may be wrong.
    pub(crate) chances: Option<Chances>,
    /// Makes one for a service with this warm-up.
    pub(crate) make: fn(Duration) -> Box<dyn Rule>,
}

/// Every rule, ours first.
pub(crate) const ALL: &[Kind] = &[
    Kind {
        name: "ours",
        title: "ours",
        usual: true,
        chances: Some(TWO_TIERS),
        make: |warm_up| Box::new(Ours::new(warm_up, TWO_TIERS)),
    },
    Kind {
        name: "one-tier",
        title: "ours, one tier",
        usual: false,
        chances: Some(ONE_TIER),
        make: |warm_up| Box::new(Ours::new(warm_up, ONE_TIER)),
    },
    Kind {
        name: "one-instance",
        title: "ours, one instance for reference",
        usual: false,
        chances: Some(TWO_TIERS),
        make: |warm_up| Box::new(Ours::new(warm_up, TWO_TIERS).with_reference()),
    },
    Kind {
        name: "warning",
        title: "ours, at a warning",
        usual: false,
        chances: None,
        make: |warm_up| Box::new(Ours::new(warm_up, TWO_TIERS).at_a_warning()),
    },
    Kind {
        name: "flagger-1",
        title: "Flagger 1",
        usual: true,
        chances: None,
        make: |_| Box::new(Flagger::documented(1)),
    },
    Kind {
        name: "flagger-5",
        title: "Flagger 5",
        usual: true,
        chances: None,
        make: |_| Box::new(Flagger::documented(5)),
    },
    Kind {
        name: "flagger-limits",
        title: "Flagger, our limits",
        usual: true,
        chances: None,
        make: |_| Box::new(Flagger::with_our_limits()),
    },
    Kind {
        name: "argo-5m",
        title: "Argo 5 m",
        usual: true,
        chances: None,
        make: |_| Box::new(Argo::every(300)),
    },
    Kind {
        name: "argo-1m",
        title: "Argo 1 m",
        usual: true,
        chances: None,
        make: |_| Box::new(Argo::every(60)),
    },
    Kind {
        name: "kayenta-soak",
        title: "Kayenta, soak end",
        usual: true,
        chances: None,
        make: |_| Box::new(Kayenta::at_soak_end()),
    },
    Kind {
        name: "kayenta-5m",
        title: "Kayenta 5 m",
        usual: true,
        chances: None,
        make: |_| Box::new(Kayenta::every(300)),
    },
    Kind {
        name: "no-margin",
        title: "without margins",
        usual: true,
        chances: None,
        make: |_| Box::new(NoMargin::new()),
    },
];
