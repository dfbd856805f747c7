//! `kill -9` of control in the middle of a step.

use std::time::{Duration, Instant};

use super::{ALLOWANCE, PROMOTED_WITHIN, millis};
use crate::demo::record::ActRecord;
use crate::demo::scene::{self, Look, Scene};
use crate::demo::tell;
use crate::demo::version::Version;

/// The step in which it happens, counted from 1: 25 %.
const STEP: u16 = 2;

/// How many steps there are.
const STEPS: usize = 4;

/// How long nobody controls anything.
const ABSENCE: Duration = Duration::from_secs(2);

/// How many answers of the release show that the step is under way.
const ANSWERS: u64 = 100;

pub(super) async fn play(scene: &mut Scene, record: &mut ActRecord) -> anyhow::Result<()> {
    let number = scene.ship(Version::Good, "a good release again").await?;
    // In the middle: the step is in force, and some of its requests are answered.
    let mut in_step = None;
    let middle = |look: &Look| {
        let deployment = look.status.deployment.as_ref()?;
        let release = deployment.release;
        if scene::over(&look.status, number).is_some() {
            // It never held the step: there is nothing to interrupt, as will be seen.
            return Some(release);
        }
        if deployment.number != number || !look.holds(STEP) {
            return None;
        }
        let answers = look.tally.answers_of(release);
        let before = *in_step.get_or_insert(answers);
        (answers >= before + ANSWERS).then_some(release)
    };
    let release = scene.watch(PROMOTED_WITHIN, middle).await?;

    let before = scene.users.look().await?;
    scene.control.kill()?;
    let killed = Instant::now();
    tokio::time::sleep(ABSENCE).await;
    let during = scene.users.look().await?;
    scene.control.start()?;
    scene.control.answers(&scene.client).await?;
    let absent_ms = millis(killed.elapsed());
    let answered = during.requests() - before.requests();
    let canary = during.answers_of(release) - before.answers_of(release);
    record.without_control_ms = Some(absent_ms);
    record.requests_without_control = Some(answered);

    let deployment = scene
        .until_over(number, PROMOTED_WITHIN + ALLOWANCE)
        .await?;
    let facts = scene.facts(number).await?;
    scene.conclude(record, &deployment, &facts).await?;
    record.expect(canary > 0 && canary < answered, || {
        format!("without control {canary} of {answered} answers came from the new release")
    });
    let soaks = facts.count("soak_started");
    record.expect(soaks == STEPS, || {
        format!("it held {soaks} steps, not {STEPS}: it did not go on where it was")
    });
    record.story = format!(
        "Release {release} has 25 % when control is killed. For {} nobody controls anything: \
         {answered} requests are answered as before, {canary} of them by the new release. Control \
         is started again, the rollout goes on where it was, and the release has all traffic.",
        tell::duration(absent_ms),
    );
    Ok(())
}
