//! Bad releases, each of which must go back by itself and for the right reason.

use std::time::Duration;

use leadsman_api::Deployment;

use super::{ALLOWANCE, PROMOTED_WITHIN};
use crate::demo::record::ActRecord;
use crate::demo::scene::Scene;
use crate::demo::tally::Tally;
use crate::demo::tell;
use crate::demo::version::{LONG_SOAK, LONGER, READY_WITHIN, Version};

/// How long what every twentieth request shows may go unnoticed at 5 % of the traffic. It takes
/// three to six seconds.
const DETECTED_MS_MAX: u64 = 20_000;

pub(super) async fn errors(scene: &mut Scene, record: &mut ActRecord) -> anyhow::Result<()> {
    let change = "every twentieth answer is an error";
    let (deployment, tally) = ship(scene, record, Version::Errors, change, PROMOTED_WITHIN).await?;
    record.bad_responses = errors_of(&tally, deployment.release);
    expect_reason(record, "errors");
    expect_detected(record);
    record.story = format!(
        "Release {} is found out after {} and goes back; {} of its {} answers were errors.",
        deployment.release,
        found_after(record),
        record.bad_responses,
        record.answers,
    );
    Ok(())
}

pub(super) async fn slow(scene: &mut Scene, record: &mut ActRecord) -> anyhow::Result<()> {
    let change = "everything takes twice as long";
    let (deployment, tally) = ship(scene, record, Version::Slow, change, PROMOTED_WITHIN).await?;
    // As the judge does it: stable's percentile, made longer by what is allowed.
    let stable = deployment.from.and_then(|from| tally.releases.get(&from));
    let limit = stable.and_then(|stable| stable.latency.quantile(0.95));
    let limit = limit.unwrap_or_default().mul_f64(1.0 + LONGER);
    let slow = tally.releases.get(&deployment.release);
    record.bad_responses = slow.map_or(0, |answers| answers.latency.count_above(limit));
    expect_reason(record, "p95");
    expect_detected(record);
    record.story = format!(
        "Release {} is found out after {} and goes back; {} of its {} answers took longer than \
         {:.1} ms.",
        deployment.release,
        found_after(record),
        record.bad_responses,
        record.answers,
        limit.as_secs_f64() * 1000.0,
    );
    Ok(())
}

pub(super) async fn never_ready(scene: &mut Scene, record: &mut ActRecord) -> anyhow::Result<()> {
    let change = "it says that it is not ready";
    let within = READY_WITHIN + ALLOWANCE;
    let (deployment, _) = ship(scene, record, Version::NeverReady, change, within).await?;
    expect_reason(record, "/health");
    record.story = format!(
        "Release {} has {} to become ready, and does not. No request ever reached it.",
        deployment.release,
        tell::duration(super::millis(READY_WITHIN)),
    );
    Ok(())
}

pub(super) async fn crash(scene: &mut Scene, record: &mut ActRecord) -> anyhow::Result<()> {
    let change = "it crashes a minute after its first request";
    let within = LONG_SOAK + ALLOWANCE;
    let (deployment, tally) = ship(scene, record, Version::Crash, change, within).await?;
    record.bad_responses = errors_of(&tally, deployment.release);
    expect_reason(record, "restart");
    let lost = match record.failed_by_platform {
        0 => "Requests that were under way were answered by others: none was lost.".to_owned(),
        lost => format!("{lost} requests were lost."),
    };
    record.story = format!(
        "Release {} answers as it should for a minute, then its process crashes, and it goes back \
         {} after its first request. {lost}",
        deployment.release,
        found_after(record),
    );
    Ok(())
}

async fn ship(
    scene: &mut Scene,
    record: &mut ActRecord,
    version: Version,
    change: &str,
    within: Duration,
) -> anyhow::Result<(Deployment, Tally)> {
    let deployment = scene.ship(version, change).await?;
    let deployment = scene.until_over(deployment, within).await?;
    let facts = scene.facts(deployment.number).await?;
    let tally = scene.conclude(record, &deployment, &facts).await?;
    Ok((deployment, tally))
}

fn errors_of(tally: &Tally, release: u64) -> u64 {
    tally
        .releases
        .get(&release)
        .map_or(0, |answers| answers.errors)
}

fn found_after(record: &ActRecord) -> String {
    record
        .detected_ms
        .map_or_else(|| "no time".to_owned(), tell::duration)
}

fn expect_reason(record: &mut ActRecord, word: &str) {
    let reason = record.reason.clone().unwrap_or_default();
    record.expect(reason.contains(word), || {
        format!("the reason says nothing of `{word}`: {reason}")
    });
}

fn expect_detected(record: &mut ActRecord) {
    let detected = record.detected_ms;
    record.expect(detected.is_some_and(|ms| ms <= DETECTED_MS_MAX), || {
        format!("it was not found out within {DETECTED_MS_MAX} ms: {detected:?}")
    });
}
