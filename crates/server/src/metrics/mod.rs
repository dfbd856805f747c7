//! What control knows, as Prometheus reads it: the same that `leadsman status` and `leadsman runs`
//! say, as numbers that a rule can watch.
//!
//! Labels hold names of the project file and words of ours, so that there are never more series
//! than there are environments, services, jobs, subscriptions and [runs that are
//! shown](runs::SHOWN).

mod environments;
mod page;
mod runs;
mod subscriptions;

use std::collections::BTreeMap;

pub(crate) use environments::Seen;
pub(crate) use page::TEXT;
pub(crate) use runs::Passages;
pub(crate) use subscriptions::Told;

use page::{Family, Kind, Labels, Page, seconds};

const BUILD: Family = Family {
    name: "leadsman_build_info",
    kind: Kind::Gauge,
    help: "Always 1; the label says which version control is.",
};
const STARTED: Family = Family {
    name: "leadsman_start_time_seconds",
    kind: Kind::Gauge,
    help: "When control was started, since 1970.",
};
const EVENTS: Family = Family {
    name: "leadsman_log_events_total",
    kind: Kind::Counter,
    help: "Events of the log; for those who may see everything.",
};
const REFUSED: Family = Family {
    name: "leadsman_refused_requests_total",
    kind: Kind::Counter,
    help: "Requests to control that were denied or refused since it was started, by code; for \
           those who may see everything.",
};

/// What is shown.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) version: &'a str,
    /// When control was started, in milliseconds since 1970.
    pub(crate) started_at: u64,
    pub(crate) environments: &'a [Seen],
    pub(crate) passages: &'a Passages,
    /// What concerns all of control, for those who may see it.
    pub(crate) whole: Option<&'a Whole>,
}

/// What concerns all of control.
#[derive(Debug)]
pub(crate) struct Whole {
    /// How many events the log has; `None` if it cannot be read.
    pub(crate) events: Option<u64>,
    /// How many requests were denied or refused, by code.
    pub(crate) refused: BTreeMap<String, u64>,
    /// The subscriptions, as far as they can be read.
    pub(crate) told: Vec<Told>,
}

impl Shown<'_> {
    /// Returns the text.
    pub(crate) fn text(&self) -> String {
        let mut page = Page::default();
        let version = Labels::of(&[("version", self.version)]);
        page.family(BUILD).one(&version, 1);
        let none = Labels::default();
        page.family(STARTED).one(&none, seconds(self.started_at));
        page.family(EVENTS);
        if let Some(events) = self.whole.and_then(|whole| whole.events) {
            page.one(&none, events);
        }
        page.family(REFUSED);
        for (code, count) in self.whole.iter().flat_map(|whole| &whole.refused) {
            page.one(&Labels::of(&[("code", code)]), count);
        }
        let told = self.whole.map_or(&[][..], |whole| &whole.told);
        subscriptions::write(told, &mut page);
        environments::write(self.environments, &mut page);
        runs::write(self.passages, &mut page);
        page.into_text()
    }
}
