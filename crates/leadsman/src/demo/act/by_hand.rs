//! A rollback by hand after promotion, timed as the person who gives it would.

use std::time::{Duration, Instant};

use leadsman_api::{Command, Phase, Scope};

use super::{ALLOWANCE, PROMOTED_WITHIN, millis};
use crate::demo::record::{ActRecord, Record};
use crate::demo::scene::{Look, Scene};
use crate::demo::tell;
use crate::demo::version::Version;

/// How long the release that is left may still answer after the command was given.
const LEFT_MS_MAX: u64 = 1000;

/// How long nothing must come from a release until it counts as left. Every user asks several
/// times meanwhile.
const SILENCE: Duration = Duration::from_millis(1500);

pub(super) async fn play(
    scene: &mut Scene,
    record: &mut ActRecord,
    whole: &mut Record,
) -> anyhow::Result<()> {
    let change = "a good release that somebody does not like";
    let deployment = scene.ship(Version::Good, change).await?;
    let promoted = scene.until_over(deployment, PROMOTED_WITHIN).await?;
    let phase = promoted.phase;
    record.expect(phase.is_promoted(), || {
        format!("there was nothing to roll back: {phase:?}")
    });
    let release = promoted.release;

    let given = Instant::now();
    let rollback = Command::Rollback {
        to: None,
        scope: Scope::All,
        migrate_back: false,
    };
    scene.command(&rollback).await?;
    let left = |look: &Look| {
        let last = look.tally.releases.get(&release)?.last?;
        let deployment = look.status.deployment.as_ref()?;
        let is_over = deployment.phase == Phase::RolledBack && deployment.release == release;
        (is_over && last.elapsed() >= SILENCE).then(|| (deployment.clone(), last))
    };
    let (deployment, last) = scene.watch(ALLOWANCE, left).await?;
    let left_ms = millis(last.saturating_duration_since(given));
    whole.rollback_to_last_answer_ms = Some(left_ms);

    let facts = scene.facts(deployment.number).await?;
    scene.conclude(record, &deployment, &facts).await?;
    // Nobody found anything out: a person decided.
    record.detected_ms = None;
    record.expect(left_ms <= LEFT_MS_MAX, || {
        format!("it still answered {left_ms} ms after the command")
    });
    record.story = format!(
        "Release {release} has all traffic when somebody types `leadsman rollback`. {} later it \
         gives its last answer: what served before was kept warm.",
        tell::duration(left_ms),
    );
    Ok(())
}
