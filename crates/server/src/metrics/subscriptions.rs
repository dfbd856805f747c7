//! How telling subscriptions goes.

use leadsman_core::time::Timestamp;

use super::page::{Family, Kind, Labels, Page, seconds};
use crate::subscriptions::{Kept, Progress};

const FAILING: Family = Family {
    name: "leadsman_subscription_failing_seconds",
    kind: Kind::Gauge,
    help: "For how long every delivery to a subscription has failed, 0 while they are taken; for \
           those who may see everything.",
};
const GIVEN_UP: Family = Family {
    name: "leadsman_subscription_given_up_total",
    kind: Kind::Counter,
    help: "Notices that a subscription was not told of, since they failed for too long; for those \
           who may see everything.",
};
const ENDED: Family = Family {
    name: "leadsman_subscription_ended",
    kind: Kind::Gauge,
    help: "1 for a subscription that its receiver ended, else 0; for those who may see everything.",
};

/// How telling one subscription goes.
#[derive(Debug)]
pub(crate) struct Told {
    name: String,
    failing_ms: u64,
    given_up: u64,
    is_ended: bool,
}

impl Told {
    pub(crate) fn of(kept: &Kept, progress: &Progress, now: Timestamp) -> Self {
        let is_ended = progress.ended_at.is_some();
        let failing_since = progress.failing_since.filter(|_| !is_ended);
        let failing = failing_since.map(|since| now.since(since));
        let failing_ms = failing.map_or(0, |failing| failing.as_millis());
        Self {
            name: kept.name.clone(),
            failing_ms: u64::try_from(failing_ms).unwrap_or(u64::MAX),
            given_up: progress.given_up,
            is_ended,
        }
    }
}

pub(super) fn write(told: &[Told], page: &mut Page) {
    let labels = |told: &Told| Labels::of(&[("subscription", &told.name)]);
    page.family(FAILING);
    for told in told {
        page.one(&labels(told), seconds(told.failing_ms));
    }
    page.family(GIVEN_UP);
    for told in told {
        page.one(&labels(told), told.given_up);
    }
    page.family(ENDED);
    for told in told {
        page.one(&labels(told), u8::from(told.is_ended));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscriptions::kept::tests::kept;

    #[test]
    fn what_fails_says_for_how_long() {
        let at = Timestamp::from_millis;
        for (failing_since, ended_at, shown) in [
            (None, None, "0,3,0"),
            (Some(at(1_000)), None, "1.5,3,0"),
            // A clock that was set back.
            (Some(at(9_000)), None, "0,3,0"),
            (Some(at(1_000)), Some(at(2_000)), "0,3,1"),
        ] {
            let kept = kept("chat", "https://example.org/");
            let mut progress = Progress::new(&kept);
            progress.failing_since = failing_since;
            progress.ended_at = ended_at;
            progress.given_up = 3;
            let mut page = Page::default();
            write(&[Told::of(&kept, &progress, at(2_500))], &mut page);
            let text = page.into_text();
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            let lines = lines.map(|line| line.split_once("{subscription=\"chat\"} "));
            let values = lines.map(|line| line.expect("it has that label").1);
            assert_eq!(values.collect::<Vec<_>>().join(","), shown, "{text}");
        }
    }
}
