//! From its first request on a release is watched, whatever it waits for; and the judge is told of
//! every change of the split.

use leadsman_analysis::{Split, Told, Window};
use leadsman_core::id::{DeploymentNumber, ReleaseNumber};
use leadsman_core::weight::Weight;
use leadsman_core::workload::InstanceState;
use leadsman_core::{Cause, Command, Stage};
use leadsman_engine::View;
use leadsman_testkit::World;
use std::time::Duration;

use crate::keeping::told;

const ONE: ReleaseNumber = ReleaseNumber(1);
const TWO: ReleaseNumber = ReleaseNumber(2);

/// A world in which release 1 serves, with these keys.
async fn serving(keys: &str) -> World {
    let world = World::start().await;
    let first = world.ship_with(1, keys).await;
    first.expect("it is the first release");
    world.until_settled().await;
    world
}

/// A world in which release 1 serves and release 2 comes in, both with these keys.
async fn coming_in(keys: &str) -> World {
    let world = serving(keys).await;
    let second = world.ship_with(2, keys).await;
    second.expect("nothing stands in the way");
    world.until(|_| world.plane.share(TWO) > Weight::NONE).await;
    world
}

fn stage(view: &View) -> Option<Stage> {
    let rollouts = &view.environment.deployment.as_ref()?.rollouts;
    rollouts.values().next().map(|rollout| rollout.stage)
}

async fn ask(world: &World, command: Command) {
    let environment = World::environment();
    let asked = world.engine.command(&environment, command, "ann");
    asked.await.expect("it fits");
}

/// From here on every request to release 2 fails: it must go back because of that.
async fn fails(world: World) {
    world.plane.fail(TWO);
    let environment = world.until_settled().await;
    assert_eq!(environment.serving(), Some(ONE));
    assert_eq!(world.plane.share(TWO), Weight::NONE);
    let cause = environment.last_end.and_then(|ended| ended.cause);
    let Some(Cause::Failed { verdict, .. }) = cause else {
        unreachable!("it failed: {cause:?}")
    };
    assert!(verdict.sentence.contains("errors "), "{}", verdict.sentence);
}

#[tokio::test(start_paused = true)]
async fn while_it_soaks() {
    let world = coming_in("strategy: { canary: { steps: [5%], soak: 1m } }").await;
    world
        .until(|view| matches!(stage(view), Some(Stage::Soaking { .. })))
        .await;
    fails(world).await;
}

#[tokio::test(start_paused = true)]
async fn while_the_next_step_is_prepared() {
    let world = coming_in(
        "instances: 4, ready: { tcp: true, within: 1h }, \
         strategy: { canary: { steps: [25%, 50%], soak: 1m } }",
    )
    .await;
    world.runtime.never_ready(TWO);
    world
        .until(|view| matches!(stage(view), Some(Stage::Preparing { step: 1, .. })))
        .await;
    fails(world).await;
}

#[tokio::test(start_paused = true)]
async fn while_the_step_after_one_that_is_not_held_is_prepared() {
    let keys = "instances: 4, ready: { tcp: true, within: 1h }, \
                strategy: { canary: { steps: [{ weight: 25%, soak: null }, 50%] } }";
    let world = serving(keys).await;
    world.runtime.ready_at_most(TWO, 1);
    world
        .ship_with(2, keys)
        .await
        .expect("nothing stands in the way");
    world
        .until(|view| matches!(stage(view), Some(Stage::Preparing { step: 1, .. })))
        .await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(world.plane.share(TWO), Weight::percent(25));
    fails(world).await;
}

#[tokio::test(start_paused = true)]
async fn while_it_is_paused() {
    let world = coming_in("strategy: { canary: { steps: [5%, 50%], soak: 1m } }").await;
    ask(&world, Command::Pause).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.plane.share(TWO), Weight::percent(5));
    fails(world).await;
}

#[tokio::test(start_paused = true)]
async fn while_it_waits_past_its_soak() {
    let world =
        coming_in("limits: { requests: 1000000 }, strategy: { canary: { steps: [5%], soak: 1m } }")
            .await;
    let waits = |view: &View| view.reasons.iter().any(|r| r.waiting.kind() == "verdict");
    world.until(waits).await;
    tokio::time::sleep(Duration::from_secs(1200)).await;
    let view = world.until(waits).await;
    let said = view.reasons[0].sentence();
    assert!(said.contains("of 1000000 requests so far"), "{said}");
    assert!(said.contains("`leadsman promote`"), "{said}");
    fails(world).await;
}

#[tokio::test(start_paused = true)]
async fn while_the_way_back_is_warm() {
    let world = coming_in("strategy: { canary: { steps: [50%], soak: 1m } }").await;
    world
        .until(|view| view.environment.serving() == Some(TWO))
        .await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let view = world.until(|_| true).await;
    let verdict = view.observed.verdicts.values().next();
    let evidence = verdict.and_then(|verdict| verdict.evidence);
    // Nothing runs beside it: what is judged by now is what it does alone.
    let alone = evidence.and_then(|evidence| evidence.log_e_alone);
    assert!(alone.is_some(), "{verdict:?}");
    fails(world).await;
}

/// Returns the splits that the judge of release 2 was told, and the windows of each.
async fn splits(world: &World) -> Vec<(Split, Vec<Window>)> {
    let mut splits = Vec::new();
    for told in told(world).await {
        match told {
            Told::Step(split) => splits.push((split, Vec::new())),
            Told::Window(window) => {
                let (_, windows) = splits.last_mut().expect("a step has begun");
                windows.push(window);
            }
            Told::History(_) | Told::Sample(_) | Told::Failed(_) => {}
        }
    }
    splits
}

fn split(canary: f64, baseline: f64) -> Split {
    Split { canary, baseline }
}

#[tokio::test(start_paused = true)]
async fn the_judge_hears_of_every_split_once_and_of_every_second() {
    let world =
        coming_in("strategy: { canary: { steps: [5%, 50%], soak: 1m }, keep_warm: 2m }").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    ask(&world, Command::Pause).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    ask(&world, Command::Resume).await;
    world.until_settled().await;
    let splits = splits(&world).await;
    let told: Vec<Split> = splits.iter().map(|(split, _)| *split).collect();
    assert_eq!(told, [split(0.05, 0.95), split(0.5, 0.5), split(1.0, 0.0)]);
    let [first, second, alone] = &splits[..] else {
        unreachable!("there are three")
    };
    // Held for five and a half minutes, for one, and watched for two.
    for ((_, windows), seconds) in [(first, 330..336), (second, 60..90), (alone, 118..123)] {
        assert!(
            seconds.contains(&windows.len()),
            "{} of {seconds:?}",
            windows.len()
        );
    }
    assert!(second.1.iter().all(|window| window.baseline.is_some()));
    assert!(alone.1.iter().all(|window| window.baseline.is_none()));
}

#[tokio::test(start_paused = true)]
async fn the_canary_is_compared_with_its_fresh_baseline() {
    let world = coming_in(
        "strategy: { canary: { steps: [5%, 90%], soak: 1m, baseline: fresh }, keep_warm: 0s }",
    )
    .await;
    world.until_settled().await;
    let splits = splits(&world).await;
    let told: Vec<Split> = splits.iter().map(|(split, _)| *split).collect();
    assert_eq!(told[..2], [split(0.05, 0.05), split(0.9, 0.1)]);
    for (split, windows) in &splits[..2] {
        // What passes a step is told before its last second is over.
        for window in &windows[1..windows.len() - 1] {
            let baseline = window.baseline.as_ref().map(|baseline| baseline.requests);
            assert_eq!(baseline, Some((split.baseline * 100.0).round() as u64));
        }
    }
    let environment = world.until(|_| true).await.environment.clone();
    assert_eq!(environment.serving(), Some(TWO));
    assert_eq!((world.runtime.count(ONE), world.runtime.count(TWO)), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn without_its_baseline_the_canary_is_compared_with_stable() {
    let world = coming_in("strategy: { canary: { steps: [5%], soak: 1m, baseline: fresh } }").await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    world.runtime.touch(ONE, |seen| {
        if seen.revision.deployment == DeploymentNumber(2) {
            (seen.state, seen.ready_since) = (InstanceState::Restarting, None);
        }
    });
    let environment = world.until_settled().await;
    assert_eq!(environment.serving(), Some(TWO));
    let kinds = world.kinds().await;
    let given_up = kinds.iter().filter(|kind| *kind == "baseline_given_up");
    assert_eq!(given_up.count(), 1, "{kinds:?}");
    let told: Vec<Split> = splits(&world)
        .await
        .iter()
        .map(|(split, _)| *split)
        .collect();
    assert_eq!(
        told,
        [split(0.05, 0.05), split(0.05, 0.95), split(1.0, 0.0)]
    );
}
