//! What the engine does when all goes as it should, or the release is bad.

use leadsman_core::id::ReleaseNumber;
use leadsman_core::weight::Weight;
use leadsman_core::workload::InstanceState;
use leadsman_core::{Cause, Command, End, Refusal, Scope, Standing};
use leadsman_engine::Error;
use leadsman_testkit::World;

const ONE: ReleaseNumber = ReleaseNumber(1);
const TWO: ReleaseNumber = ReleaseNumber(2);

async fn serving() -> World {
    let world = World::start().await;
    world.ship(1).await.expect("it is the first release");
    world.until_settled().await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_good_release_goes_through_every_step_and_settles() {
    let world = serving().await;
    world.ship(2).await.expect("nothing stands in the way");
    let environment = world.until_settled().await;
    assert_eq!(environment.serving(), Some(TWO));
    assert_eq!(world.plane.share(TWO), Weight::ALL);
    assert_eq!((world.runtime.count(ONE), world.runtime.count(TWO)), (0, 1));
    let passed = world
        .kinds()
        .await
        .iter()
        .filter(|kind| *kind == "step_passed")
        .count();
    assert_eq!(passed, 2);
}

#[tokio::test(start_paused = true)]
async fn a_failing_release_comes_back_and_is_not_shipped_again_by_itself() {
    let world = serving().await;
    world.plane.fail(TWO);
    world.ship(2).await.expect("nobody knows yet");
    let environment = world.until_settled().await;
    assert_eq!(environment.serving(), Some(ONE));
    assert_eq!(world.plane.share(TWO), Weight::NONE);
    let known = &environment.releases[&TWO];
    let Standing::Rejected { cause, .. } = &known.standing else {
        unreachable!("it failed: {known:?}")
    };
    assert!(cause.contains("errors 100 %"), "{cause}");
    let again = world.ship(2).await;
    assert!(
        matches!(again, Err(Error::Refused(Refusal::Rejected { .. }))),
        "{again:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_data_plane_cuts_off_goes_back_with_its_numbers() {
    let world = serving().await;
    world.ship(2).await.expect("nothing stands in the way");
    world
        .until(|_| world.plane.share(TWO) == Weight::percent(5))
        .await;
    world.plane.trip(TWO);
    // No request more, whatever control is doing.
    assert_eq!(world.plane.share(TWO), Weight::NONE);
    let environment = world.until_settled().await;
    assert_eq!(environment.serving(), Some(ONE));
    assert_eq!(world.plane.share(ONE), Weight::ALL);
    let cause = environment.last_end.and_then(|ended| ended.cause);
    let Some(Cause::Failed {
        weight, verdict, ..
    }) = cause
    else {
        unreachable!("it was cut off: {cause:?}")
    };
    assert_eq!((weight, verdict.requests), (Weight::percent(5), 3));
    assert!(
        verdict.sentence.starts_with("3 of 3 answers failed"),
        "{}",
        verdict.sentence
    );
    let again = world.ship(2).await;
    assert!(
        matches!(again, Err(Error::Refused(Refusal::Rejected { .. }))),
        "{again:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_release_that_fails_after_promotion_comes_back_while_the_way_back_is_warm() {
    let world = serving().await;
    world.ship(2).await.expect("nothing stands in the way");
    world
        .until(|view| view.environment.serving() == Some(TWO))
        .await;
    world.plane.fail(TWO);
    let environment = world.until_settled().await;
    assert_eq!(environment.serving(), Some(ONE));
    assert_eq!(
        environment.last_end.map(|ended| ended.end),
        Some(End::RolledBack)
    );
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_restarts_comes_back_though_no_request_failed() {
    let world = serving().await;
    world.ship(2).await.expect("nothing stands in the way");
    world.until(|_| world.plane.share(TWO) > Weight::NONE).await;
    world.runtime.touch(TWO, |seen| {
        seen.restarts += 1;
        seen.state = InstanceState::Restarting;
    });
    let environment = world.until_settled().await;
    assert_eq!(environment.serving(), Some(ONE));
    let cause = environment
        .last_end
        .and_then(|ended| ended.cause)
        .expect("it went back");
    assert!(cause.to_string().contains("restart"), "{cause}");
}

#[tokio::test(start_paused = true)]
async fn people_can_hold_hasten_and_take_back() {
    let world = serving().await;
    let id = World::environment();
    world.ship(2).await.expect("nothing stands in the way");
    world
        .until(|_| world.plane.share(TWO) == Weight::percent(5))
        .await;
    world
        .engine
        .command(&id, Command::Pause, "ann")
        .await
        .expect("it moves");
    let view = world
        .until(|view| view.reasons.iter().any(|r| r.sentence().contains("ann")))
        .await;
    assert_eq!(view.reasons[0].sentence(), "paused by ann");
    let all = Command::Promote { all: true };
    world
        .engine
        .command(&id, all, "ben")
        .await
        .expect("a person may");
    world
        .until(|view| view.environment.serving() == Some(TWO))
        .await;
    let back = Command::Rollback {
        to: None,
        scope: Scope::All,
        migrate_back: false,
    };
    world
        .engine
        .command(&id, back, "ben")
        .await
        .expect("the way back is warm");
    world
        .until(|view| view.environment.serving() == Some(ONE))
        .await;
    let refused = world.engine.command(&id, Command::Abort, "ben").await;
    let nothing = matches!(
        refused,
        Err(Error::Refused(
            Refusal::NothingOnItsWay(_) | Refusal::AlreadyReturning(_)
        ))
    );
    assert!(nothing, "{refused:?}");
}
