//! The first release: from nothing to all traffic.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::{ALLOWANCE, millis};
use crate::demo::record::{ActRecord, Record};
use crate::demo::scene::{Look, Scene};
use crate::demo::tell;
use crate::demo::version::Version;

/// How many answers show that it serves.
const ANSWERS: u64 = 200;

/// How long the first answer may take after the deployment is over.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn play(
    scene: &mut Scene,
    record: &mut ActRecord,
    whole: &mut Record,
) -> anyhow::Result<()> {
    // Packing is the person's time, not the platform's.
    let prepared = scene.pack(Version::Good, "the first release")?;
    let started = Instant::now();
    scene.control.start()?;
    scene.control.answers(&scene.client).await?;
    let deployment = scene.send(prepared).await?;
    let deployment = scene.until_over(deployment, ALLOWANCE).await?;
    let first_served = tokio::time::timeout(ANSWERED_WITHIN, scene.users.first_served());
    let first_served = first_served.await.context("no release answered")??;
    let to_first = millis(first_served.saturating_duration_since(started));
    whole.up_to_first_request_ms = Some(to_first);

    let release = deployment.release;
    let enough = |look: &Look| (look.tally.answers_of(release) >= ANSWERS).then_some(());
    scene.watch(ALLOWANCE, enough).await?;
    let facts = scene.facts(deployment.number).await?;
    let tally = scene.conclude(record, &deployment, &facts).await?;
    let others = tally.requests() - record.answers - record.failed_by_platform;
    record.expect(others == 0, || {
        format!("{others} answers came from somebody else")
    });
    record.story = format!(
        "Users look for somebody who answers. {} after `leadsman up` was started, release {release} \
         does, and has all traffic.",
        tell::duration(to_first),
    );
    Ok(())
}
