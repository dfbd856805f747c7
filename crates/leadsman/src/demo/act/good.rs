//! A good release through all steps, with its share as the users see it.

use super::PROMOTED_WITHIN;
use crate::demo::record::{ActRecord, Record};
use crate::demo::scene::{self, Look, Scene};
use crate::demo::tally::Tally;
use crate::demo::tell;
use crate::demo::version::Version;

/// Between which bounds the share of the first step must lie. The split itself is exact; of the
/// users' answers some belong to requests from before the weight was in force.
const SHARE: std::ops::RangeInclusive<f64> = 0.045..=0.055;

/// How many steps there are.
const STEPS: usize = 4;

pub(super) async fn play(
    scene: &mut Scene,
    record: &mut ActRecord,
    whole: &mut Record,
) -> anyhow::Result<()> {
    let deployment = scene.ship(Version::Good, "a good release").await?;
    let mut first_step = FirstStep::default();
    let seen = |look: &Look| {
        first_step.see(look);
        scene::over(&look.status, deployment)
    };
    let deployment = scene.watch(PROMOTED_WITHIN, seen).await?;
    let facts = scene.facts(deployment.number).await?;
    scene.conclude(record, &deployment, &facts).await?;

    let soaks = facts.count("soak_started");
    record.expect(soaks == STEPS, || {
        format!("it held {soaks} steps, not {STEPS}")
    });
    let share = first_step.share(deployment.release);
    whole.canary_share_at_5_percent = share.map(|(share, _)| share);
    record.expect(
        share.is_some_and(|(share, _)| SHARE.contains(&share)),
        || format!("its share at 5 % was {share:?}"),
    );
    let (share, of) = share.unwrap_or_default();
    record.story = format!(
        "Release {} goes through 5, 25, 50 and 90 %, and has all traffic after {}. While it had \
         5 %, it gave {:.2} % of {of} answers.",
        deployment.release,
        tell::duration(deployment.since.millis_since(deployment.started_at)),
        share * 100.0,
    );
    Ok(())
}

/// What was counted while the first step was in force, and surely only then.
#[derive(Default)]
struct FirstStep {
    in_force: bool,
    from: Option<Tally>,
    to: Option<Tally>,
}

impl FirstStep {
    fn see(&mut self, look: &Look) {
        // The tally is older than the status: it is within the step if the status before it and
        // the one after it are.
        let holds = look.holds(1);
        if self.in_force && holds {
            self.from.get_or_insert_with(|| look.tally.clone());
            self.to = Some(look.tally.clone());
        }
        self.in_force = holds;
    }

    fn share(&self, release: u64) -> Option<(f64, u64)> {
        self.to.as_ref()?.share_since(self.from.as_ref()?, release)
    }
}
