//! What the judge was told is kept, and judged again it gives what was recorded.

use std::time::Duration;

use leadsman_analysis::{History, Judge, Told, Verdict};
use leadsman_core::id::{DeploymentNumber, ReleaseNumber, ServiceName};
use leadsman_core::weight::Weight;
use leadsman_core::{Command, Event, Passed};
use leadsman_engine::Traffic;
use leadsman_store::StreamName;
use leadsman_testkit::World;

const TWO: ReleaseNumber = ReleaseNumber(2);

fn web() -> ServiceName {
    "web".parse().expect("a usable name")
}

/// Returns everything that the judge of release 2 was told.
pub(crate) async fn told(world: &World) -> Vec<Told> {
    let (mut told, mut after) = (Vec::new(), None);
    loop {
        let (environment, number) = (World::environment(), DeploymentNumber(2));
        let rows = world.engine.told(&environment, number, &web(), after).await;
        let rows = rows.expect("figures are readable");
        let Some(last) = rows.last() else { return told };
        assert!(after < Some(last.at), "rows come in order");
        after = Some(last.at);
        told.extend(rows.into_iter().flat_map(|row| row.told));
    }
}

/// Returns every verdict there was, as a fresh judge gives them.
async fn judged_again(world: &World) -> Vec<Verdict> {
    let limits = world
        .until(|_| true)
        .await
        .environment
        .stable
        .get(&web())
        .map(|revision| revision.service.spec.limits.clone());
    let mut judge = Judge::new(limits.expect("it serves"));
    let mut verdicts = Vec::new();
    for told in told(world).await {
        judge.tell(&told);
        verdicts.push(judge.verdict());
    }
    verdicts
}

/// Returns the verdicts that were recorded of release 2.
async fn recorded(world: &World) -> Vec<Verdict> {
    let stream = StreamName::from(&World::environment());
    let events = world.log.read_stream(&stream, 0).await.expect("readable");
    let mut begun = 0;
    let mut verdicts = Vec::new();
    for recorded in events {
        let event = serde_json::from_str(&recorded.body).expect("readable");
        begun += usize::from(matches!(event, Event::DeploymentStarted { .. }));
        if begun < 2 {
            continue;
        }
        if let Event::VerdictReached { verdict, .. }
        | Event::StepPassed {
            passed: Passed::Judged { verdict },
            ..
        }
        | Event::ServicePromoted {
            passed: Passed::Judged { verdict },
            ..
        } = event
        {
            verdicts.push(verdict);
        }
    }
    verdicts
}

/// Brings release 1 in and lets it serve alone for a while, then release 2 as far as its first
/// step.
async fn reach_the_first_step(world: &World, alone: Duration) {
    world.ship(1).await.expect("it is the first release");
    world.until_settled().await;
    tokio::time::sleep(alone).await;
    world.ship(2).await.expect("nothing stands in the way");
    world
        .until(|_| world.plane.share(TWO) == Weight::percent(5))
        .await;
}

/// What was told in a few words. That of a step is told again after a restart, which changes
/// nothing.
fn short(told: &[Told]) -> Vec<String> {
    let words = |told: &Told| match told {
        Told::History(history) => format!("history {}", history.baseline.requests),
        Told::Step(split) => format!("step {}", split.canary),
        Told::Window(window) => {
            let baseline = window.baseline.as_ref().map(|baseline| baseline.requests);
            // The fastest answer tells one second from the next.
            let fastest = window.canary.latency.quantile(0.0);
            let requests = window.canary.requests;
            format!("{requests} beside {baseline:?}, {fastest:?}")
        }
        Told::Sample(sample) => format!("{sample:?}"),
        Told::Failed(failed) => format!("{failed:?}"),
    };
    let mut split = None;
    let again = |told: &&Told| match told {
        Told::Step(now) => split.replace(*now) != Some(*now),
        _ => true,
    };
    let mut short: Vec<(String, u32)> = Vec::new();
    for words in told.iter().filter(again).map(words) {
        match short.last_mut() {
            Some((last, count)) if *last == words => *count += 1,
            _ => short.push((words, 1)),
        }
    }
    let times = |(words, count): (String, u32)| format!("{count} x {words}");
    short.into_iter().map(times).collect()
}

#[track_caller]
fn found_in_order(recorded: &[Verdict], judged: &[Verdict]) {
    let mut rest = judged;
    for verdict in recorded {
        let found = rest.iter().position(|judged| judged == verdict);
        let alike = judged.iter().find(|it| it.requests == verdict.requests);
        assert!(
            found.is_some(),
            "{verdict:?} was recorded, and judged again: {alike:?}"
        );
        // Two events may rest on the same verdict.
        rest = &rest[found.unwrap_or_default()..];
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_gives_every_recorded_verdict_again() {
    let world = World::start().await;
    reach_the_first_step(&world, Duration::ZERO).await;
    world.until_settled().await;
    let recorded = recorded(&world).await;
    assert!(recorded.len() >= 3, "{recorded:?}");
    found_in_order(&recorded, &judged_again(&world).await);
}

#[tokio::test(start_paused = true)]
async fn a_judge_is_told_ten_minutes_of_history_before_its_first_step() {
    let world = World::start().await;
    reach_the_first_step(&world, Duration::from_secs(3600)).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let told = told(&world).await;
    let step = told.iter().position(|told| matches!(told, Told::Step(_)));
    let history = &told[..step.expect("it has begun")];
    let mut seconds = 0.0;
    for told in history {
        let Told::History(history) = told else {
            unreachable!("before the first step there is only history: {told:?}")
        };
        assert_eq!(history.baseline.requests, 100);
        seconds += history.seconds;
    }
    assert!((600.0..602.0).contains(&seconds), "{seconds}");
}

/// A control that was stopped for a while acts before it has read what was counted meanwhile.
#[tokio::test(start_paused = true)]
async fn what_was_counted_before_a_step_is_not_told_as_of_that_step() {
    let world = World::start().await;
    reach_the_first_step(&world, Duration::ZERO).await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    world.plane.hold_windows(true);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (environment, promote) = (World::environment(), Command::Promote { all: false });
    let promoted = world.engine.command(&environment, promote, "ann").await;
    promoted.expect("it soaks");
    world
        .until(|_| world.plane.share(TWO) == Weight::percent(50))
        .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.plane.hold_windows(false);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let told = told(&world).await;
    let is_second = |told: &Told| matches!(told, Told::Step(split) if split.canary > 0.4);
    let second = told.iter().position(is_second).expect("it has begun");
    let canary = |told: &Told| match told {
        Told::Window(window) => Some(window.canary.requests),
        _ => None,
    };
    let before: Vec<u64> = told[..second].iter().filter_map(canary).collect();
    let during: Vec<u64> = told[second..].iter().filter_map(canary).collect();
    assert!(
        before.len() >= 35 && before.iter().all(|it| *it == 5),
        "{before:?}"
    );
    assert!(
        during.len() >= 5 && during.iter().all(|it| *it == 50),
        "{during:?}"
    );
}

/// The data plane counts exactly what is slower than the limits of the release that serves, and the
/// next one may have others.
#[tokio::test(start_paused = true)]
async fn what_was_counted_against_limits_of_before_is_not_held_against_those_of_now() {
    let mut world = World::start().await;
    let first = world.ship_limited(1, "{ p95: 5ms }").await;
    first.expect("it is the first release");
    world.until_settled().await;
    tokio::time::sleep(Duration::from_secs(1800)).await;
    world.restart_engine().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let lately = world.engine.traffic(&World::environment(), &web()).await;
    assert_eq!(lately.expect("readable").figures.over, None);
    let second = world.ship_limited(2, "{ p95: 1s }").await;
    second.expect("nothing stands in the way");
    world
        .until(|_| world.plane.share(TWO) == Weight::percent(5))
        .await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (mut before, mut during) = (0, 0);
    for told in told(&world).await {
        match told {
            Told::History(History { baseline, .. }) => {
                assert_eq!((baseline.over, baseline.latency.count() > 0), (None, true));
                before += 1;
            }
            Told::Window(window) if window.canary.requests > 0 => {
                assert_eq!(window.canary.over, Some([0, 0]));
                during += 1;
            }
            _ => {}
        }
    }
    assert!(before > 300 && during > 5, "{before}, {during}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_killed_in_the_middle_of_a_step_knows_what_the_other_knows() {
    // Each has a clock that begins with it, so that both see the same seconds.
    let unbroken = World::start().await;
    reach_the_first_step(&unbroken, Duration::from_secs(700)).await;
    let mut killed = World::start().await;
    reach_the_first_step(&killed, Duration::from_secs(700)).await;
    // Nothing of the windows since the last row is kept: the data plane has them.
    for pause in [7, 0, 13, 1] {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        killed.restart_engine().await;
    }
    for world in [&unbroken, &killed] {
        world.until_settled().await;
    }
    let (killed_told, unbroken_told) = (told(&killed).await, told(&unbroken).await);
    assert_eq!(short(&killed_told), short(&unbroken_told));
    assert_eq!(recorded(&killed).await, recorded(&unbroken).await);
    found_in_order(&recorded(&killed).await, &judged_again(&killed).await);
}

#[tokio::test(start_paused = true)]
async fn a_new_control_has_the_history_of_the_old_one() {
    let mut world = World::start().await;
    world.ship(1).await.expect("it is the first release");
    world.until_settled().await;
    tokio::time::sleep(Duration::from_secs(1800)).await;
    world.restart_engine().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.ship(2).await.expect("nothing stands in the way");
    world
        .until(|_| world.plane.share(TWO) == Weight::percent(5))
        .await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let told = told(&world).await;
    let history = told.iter().filter_map(|told| match told {
        Told::History(history) => Some(history.seconds),
        _ => None,
    });
    let (seconds, count) = history.fold((0.0, 0), |(sum, count), next| (sum + next, count + 1));
    // Five minutes of windows from the data plane, and before them what was kept by the minute.
    assert!((600.0..665.0).contains(&seconds), "{seconds} s in {count}");
    assert!((300..320).contains(&count), "{seconds} s in {count}");
}

#[tokio::test(start_paused = true)]
async fn the_traffic_of_the_last_hours_is_known() {
    let mut world = World::start().await;
    let environment = World::environment();
    let nothing = world.engine.traffic(&environment, &web()).await;
    assert_eq!(nothing.expect("readable"), Traffic::default());
    world.ship(1).await.expect("it is the first release");
    world.until_settled().await;
    tokio::time::sleep(Duration::from_secs(3 * 3600)).await;
    world.restart_engine().await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let traffic = world.engine.traffic(&environment, &web()).await;
    let traffic = traffic.expect("readable");
    assert!(
        (10_700.0..10_801.0).contains(&traffic.seconds),
        "{traffic:?}"
    );
    let rate = traffic.figures.requests as f64 / traffic.seconds;
    assert!((rate - 100.0).abs() < 0.1, "{rate}");
}
