//! What the engine does about metrics that are no requests.

use std::time::Duration;

use leadsman_analysis::Outcome;
use leadsman_core::id::{ReleaseNumber, ServiceName};
use leadsman_core::weight::Weight;
use leadsman_core::{Cause, End, Environment};
use leadsman_engine::View;
use leadsman_testkit::World;

const ONE: ReleaseNumber = ReleaseNumber(1);
const TWO: ReleaseNumber = ReleaseNumber(2);

/// Serves release 1, and ships release 2 with these limits and no others.
async fn ship_beside_stable(world: &World, limits: &str) {
    world.ship(1).await.expect("it is the first release");
    world.until_settled().await;
    let limits = format!("{{ errors: null, against_stable: null, requests: 1, {limits} }}");
    world
        .ship_limited(2, &limits)
        .await
        .expect("nothing stands in the way");
}

/// Waits until release 2 has found its place, and returns why it went back, if it did.
async fn end(world: &World) -> (Environment, Option<String>) {
    let environment = world.until_settled().await;
    let ended = environment.last_end.clone().expect("something ended");
    let why = ended.cause.map(|cause| match cause {
        Cause::Failed { verdict, .. } => verdict.sentence,
        other => other.to_string(),
    });
    assert_eq!(why.is_some(), ended.end == End::RolledBack);
    (environment, why)
}

/// Returns what the judge says of the service, and in which words.
fn verdict(view: &View) -> Option<(Outcome, &str)> {
    let web: ServiceName = "web".parse().expect("a usable name");
    let verdict = view.observed.verdicts.get(&web)?;
    Some((verdict.outcome, verdict.sentence.as_str()))
}

fn is(outcome: Outcome) -> impl Fn(&View) -> bool {
    move |view| verdict(view).is_some_and(|(said, _)| said == outcome)
}

const QUEUE: &str = "metrics: { queue: { metric: jobs, at_most: 100, for: 15s } }";

#[tokio::test(start_paused = true)]
async fn a_metric_beyond_its_limit_takes_the_release_back_and_says_for_how_long() {
    let world = World::start().await;
    world.metrics.set(TWO, Some(150.0));
    ship_beside_stable(&world, QUEUE).await;
    let (environment, why) = end(&world).await;
    assert_eq!(environment.serving(), Some(ONE));
    let why = why.expect("it went back");
    assert!(why.starts_with("`queue` 150 (limit 100) for 15 s"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_metric_within_its_limit_lets_the_release_through() {
    let world = World::start().await;
    world.metrics.set(TWO, Some(100.0));
    ship_beside_stable(&world, QUEUE).await;
    let (environment, why) = end(&world).await;
    assert_eq!((environment.serving(), why), (Some(TWO), None));
}

#[tokio::test(start_paused = true)]
async fn a_metric_is_compared_with_stable_at_the_same_time() {
    for (canary, goes_back) in [(119.0, false), (121.0, true)] {
        let world = World::start().await;
        world.metrics.set(ONE, Some(100.0));
        world.metrics.set(TWO, Some(canary));
        let queue = "metrics: { queue: { metric: jobs, against_stable: 20%, for: 15s } }";
        ship_beside_stable(&world, queue).await;
        let (environment, why) = end(&world).await;
        assert_eq!(
            environment.serving(),
            Some(if goes_back { ONE } else { TWO })
        );
        let said = "`queue` 121 against 100 on stable, medians of 15 s (limit +20 %)";
        assert_eq!(why.is_some_and(|why| why.starts_with(said)), goes_back);
    }
}

#[tokio::test(start_paused = true)]
async fn a_metric_without_a_value_is_never_passed() {
    let world = World::start().await;
    ship_beside_stable(&world, QUEUE).await;
    let missing = |view: &View| verdict(view).is_some_and(|(_, said)| said.contains("`queue` has"));
    let view = world.until(missing).await;
    assert!(is(Outcome::NoData)(&view));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(world.plane.share(TWO), Weight::percent(5));
    world.metrics.set(TWO, Some(1.0));
    assert_eq!(end(&world).await.0.serving(), Some(TWO));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_held_then_an_error_and_never_a_failure() {
    let world = World::start().await;
    world.metrics.set(TWO, Some(1.0));
    ship_beside_stable(&world, QUEUE).await;
    world
        .until(|_| world.plane.share(TWO) == Weight::percent(5))
        .await;
    world.metrics.fail(Some("connection refused"));
    let said =
        |view: &View, words: &str| verdict(view).is_some_and(|(_, said)| said.contains(words));
    let held = "`queue` could not be had for 115 s: connection refused";
    let view = world.until(|view| said(view, held)).await;
    assert!(is(Outcome::Inconclusive)(&view));
    let view = world.until(is(Outcome::SourceError)).await;
    let too_long = "`queue` could not be had for 125 s: connection refused";
    assert!(said(&view, too_long), "{:?}", verdict(&view));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(world.plane.share(TWO), Weight::percent(5));
    world.metrics.fail(None);
    assert_eq!(end(&world).await.0.serving(), Some(TWO));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_answers_passes_nothing_and_delays_no_failure() {
    let world = World::start().await;
    world.metrics.hang();
    ship_beside_stable(&world, QUEUE).await;
    let nothing = |view: &View| verdict(view).is_some_and(|(_, said)| said.contains("`queue` has"));
    world.until(nothing).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(world.plane.share(TWO), Weight::percent(5));
    world.runtime.touch(TWO, |seen| seen.restarts = 1);
    let before = tokio::time::Instant::now();
    assert_eq!(end(&world).await.0.serving(), Some(ONE));
    assert!(
        before.elapsed() < Duration::from_secs(10),
        "{:?}",
        before.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_metric_was_before_a_crash_counts_after_it() {
    let mut world = World::start().await;
    world.metrics.set(TWO, Some(150.0));
    let queue = "metrics: { queue: { metric: jobs, at_most: 100, for: 10m } }";
    ship_beside_stable(&world, queue).await;
    let said =
        |view: &View, words: &str| verdict(view).is_some_and(|(_, said)| said.contains(words));
    world.until(|view| said(view, "for 500 s of 600 s")).await;
    let before = tokio::time::Instant::now();
    world.restart_engine().await;
    let (_, why) = end(&world).await;
    assert!(why.is_some_and(|why| why.contains("for 600 s")));
    assert!(
        before.elapsed() < Duration::from_secs(150),
        "{:?}",
        before.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_runtime_measures_is_judged_too() {
    const GIB: u64 = 1 << 30;
    for (limits, goes_back) in [
        ("cpu: 80%", Some("cpu 95 % of a core (limit 80 %) for 30 s")),
        ("cpu: 96%", None),
        (
            "memory: 40%",
            Some("memory 50 % of what is allowed (limit 40 %)"),
        ),
        (
            "metrics: { load: { instance: cpu, at_most: 0.9, for: 10s } }",
            Some("`load` 0.95 (limit 0.9) for 10 s"),
        ),
        (
            "metrics: { heap: { instance: memory, against_stable: 20%, for: 10s } }",
            Some("`heap` 536870912 against 268435456 on stable, medians of 10 s (limit +20 %)"),
        ),
    ] {
        let world = World::start().await;
        ship_beside_stable(&world, limits).await;
        world
            .until(|_| world.plane.share(TWO) > Weight::default())
            .await;
        world.runtime.touch(ONE, |seen| seen.memory = Some(GIB / 4));
        world.runtime.touch(TWO, |seen| {
            seen.cpu = Some(Duration::from_millis(950));
            seen.memory = Some(GIB / 2);
        });
        if let Some(words) = goes_back {
            let why = end(&world).await.1.expect("it went back");
            assert!(why.starts_with(words), "{why}");
        } else {
            world
                .until(|_| world.plane.share(TWO) > Weight::percent(5))
                .await;
        }
    }
}
