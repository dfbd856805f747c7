//! What is gone back to.

use expect_test::expect;
use leadsman_core::id::ReleaseNumber;
use leadsman_testkit::sim::{Fault, Nature, Shipped, Wish};

use crate::story::{BLUE_GREEN, Story, by, release, seconds};

/// Elsewhere it went back to a version that was no longer there. Here a release that never was
/// here, or that failed, is refused before anything moves; one that served is started again.
#[test]
fn r1_only_what_served_here_is_gone_back_to() {
    let story = Story::serving(120, by(1, Nature::Good, "rolling: {}"))
        .ship(10, release(2, Nature::Fails))
        .ship(40, by(3, Nature::Good, "rolling: {}"))
        .ask(60, Wish::RollbackTo(9))
        .ask(61, Wish::RollbackTo(2))
        .ask(62, Wish::RollbackTo(1));
    expect![[r#"
        40.500 s  ship: program 3 (Good), 2 instances, rolling: {}
        40.500 s  records deployment_started: deployment 3, release 3 (web)
        40.500 s  records rollout_started: web
        40.500 s  starts web.r3.d3.1
        43.000 s  records weight_shifted: web 50 %
        43.000 s  puts in force: web [r1.d1 50 % on 2, r3.d3 50 % on 1]
        43.000 s  records step_passed: web ready
        43.000 s  puts in force: web [r1.d1 50 % on 1, r3.d3 50 % on 1]
        43.000 s  starts web.r3.d3.2
        45.000 s  records weight_shifted: web 100 %
        45.000 s  puts in force: web [r1.d1 0 % on 1, r3.d3 100 % on 2]
        45.000 s  records service_promoted: web ready
        45.000 s  records deployment_promoted
        45.000 s  records deployment_ended: Settled
        45.000 s  puts in force: web [r3.d3 100 % on 2]
        45.000 s  stops web.r1.d1.1
        47.000 s  stops web.r1.d1.2
        60.500 s  ask: RollbackTo(9)
        60.500 s  refused: release 9 was never in `shop/production`
        61.500 s  ask: RollbackTo(2)
        61.500 s  refused: release 2 never took all traffic here, or was rejected since
        62.500 s  ask: RollbackTo(1)
        62.500 s  records deployment_started: deployment 4, release 1 (web)
        62.500 s  records rollout_started: web
        62.500 s  starts web.r1.d4.1
        62.500 s  starts web.r1.d4.2
        65.000 s  records weight_shifted: web 100 %
        65.000 s  puts in force: web [r3.d3 0 % on 2, r1.d4 100 % on 2]
        65.000 s  records service_promoted: web ready
        65.000 s  records deployment_promoted
        65.000 s  records deployment_ended: Settled
        65.000 s  puts in force: web [r1.d4 100 % on 2]
        65.000 s  stops web.r3.d3.2
        95.000 s  stops web.r3.d3.1
    "#]]
    .assert_eq(&story.play().since(40, &[]));
}

/// Elsewhere numbers of versions were put in order as if they were words or bytes. Here the release
/// before the eleventh is the tenth.
#[test]
fn r2_the_release_before_is_the_one_with_the_number_before() {
    let rolling = |version| by(version, Nature::Good, "rolling: {}");
    let mut story = Story::serving(200, rolling(1));
    for version in 2..=11 {
        story = story.ship(version * 10, rolling(version));
    }
    let story = story.ask(130, Wish::Rollback).ask(160, Wish::Rollback);
    expect![[r#"
        110.500 s  records deployment_started: deployment 11, release 11 (web)
        114.000 s  records deployment_promoted
        114.000 s  records deployment_ended: Settled
        130.500 s  ask: Rollback
        130.500 s  records deployment_started: deployment 12, release 10 (web)
        133.000 s  records deployment_promoted
        133.000 s  records deployment_ended: Settled
        160.500 s  ask: Rollback
        160.500 s  records deployment_started: deployment 13, release 9 (web)
        161.000 s  records deployment_promoted
        161.000 s  records deployment_ended: Settled
    "#]]
    .assert_eq(&story.play().since(110, &["deployment_", "ask", "refused"]));
    for (less, more) in [(9, 10), (255, 256), (65_535, 65_536)] {
        assert!(ReleaseNumber(less) < ReleaseNumber(more), "{less}, {more}");
    }
}

/// Elsewhere a version that had failed came back when its machine was emptied. Here every instance,
/// the data plane and control are killed afterwards: it comes back only when a person says so.
#[test]
fn r3_a_rejected_release_comes_back_only_by_hand() {
    let story = Story::serving(120, release(1, Nature::Good))
        .ship(10, release(2, Nature::Fails))
        .fault(40, Fault::KillAll(1))
        .kill_control(40)
        .fault(45, Fault::PlaneCrash(seconds(5)))
        .ship(60, release(2, Nature::Fails))
        .ask(70, Wish::Retry);
    expect![[r#"
        10.500 s  ship: program 2 (Fails), 2 instances, canary: { steps: [10%, 50%], soak: 20s }, keep_warm: 1m
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        10.500 s  starts web.r2.d2.1
        11.000 s  records weight_shifted: web 10 %
        11.000 s  puts in force: web [r1.d1 90 % on 2, r2.d2 10 % on 1]
        11.000 s  records soak_started: web step 1
        11.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        12.000 s  records verdict_reached: web Fail: errors 25 % (limit 5 %) and errors 25 % against 0 % on stable (limit +1 point): evidence 11,000,000 : 1 after 40 requests
        12.000 s  records rollback_started: `web` at 10 %: errors 25 % (limit 5 %) and errors 25 % against 0 % on stable (limit +1 point): evidence 11,000,000 : 1 after 40 requests
        12.000 s  puts in force: web [r1.d1 100 % on 2]
        12.000 s  records service_returned: web
        12.000 s  records deployment_ended: RolledBack
        16.000 s  stops web.r2.d2.1
        40.500 s  fault: all instances of a release killed: KillAll(1)
        40.500 s  fault: control killed between two steps: Crash { steps: 0, half: false, down: 2s }
        40.500 s  control is killed
        42.500 s  control starts
        42.500 s  puts in force: web [r1.d1 100 % on 2]
        45.500 s  fault: data plane killed: PlaneCrash(5s)
        60.500 s  ship: program 2 (Fails), 2 instances, canary: { steps: [10%, 50%], soak: 20s }, keep_warm: 1m
        60.500 s  refused: release 2 was rejected: `web` at 10 %: errors 25 % (limit 5 %) and errors 25 % against 0 % on stable (limit +1 point): evidence 11,000,000 : 1 after 40 requests
        70.500 s  ask: Retry
        70.500 s  records deployment_started: deployment 3, release 2 (web)
        70.500 s  records rollout_started: web
        70.500 s  starts web.r2.d3.1
        73.000 s  records weight_shifted: web 10 %
        73.000 s  puts in force: web [r1.d1 90 % on 2, r2.d3 10 % on 1]
        73.000 s  records soak_started: web step 1
        73.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        74.000 s  records verdict_reached: web Fail: errors 25 % (limit 5 %) and errors 25 % against 0 % on stable (limit +1 point): evidence 290,000 : 1 after 40 requests
        74.000 s  records rollback_started: `web` at 10 %: errors 25 % (limit 5 %) and errors 25 % against 0 % on stable (limit +1 point): evidence 290,000 : 1 after 40 requests
        74.000 s  puts in force: web [r1.d1 100 % on 2]
        74.000 s  records service_returned: web
        74.000 s  records deployment_ended: RolledBack
        74.000 s  stops web.r2.d3.1
    "#]].assert_eq(&story.play().since(10, &[]));
}

/// Elsewhere a rollback to a version that no longer started was repeated for ever. Here it is
/// frozen, what still answers goes on, and a person is named.
#[test]
fn r4_a_rollback_that_cannot_be_done_freezes_and_keeps_what_serves() {
    let story = Story::serving(260, release(1, Nature::Good))
        .ship(10, release(2, Nature::Good))
        .fault(20, Fault::HangAll(1, seconds(230)))
        .ask(25, Wish::Rollback)
        .look(30)
        .look(200);
    expect![[r#"
        10.500 s  ship: program 2 (Good), 2 instances, canary: { steps: [10%, 50%], soak: 20s }, keep_warm: 1m
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        10.500 s  starts web.r2.d2.1
        11.000 s  records weight_shifted: web 10 %
        11.000 s  puts in force: web [r1.d1 90 % on 2, r2.d2 10 % on 1]
        11.000 s  records soak_started: web step 1
        11.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        12.000 s  records verdict_reached: web Inconclusive: not sure of errors and p99 after 40 requests: nothing speaks against it, at this rate it passes in about 7 s (271 more requests)
        20.500 s  fault: all instances of a release hang: HangAll(1, 230s)
        25.500 s  ask: Rollback
        25.500 s  records rollback_started: rolled back by ben
        25.500 s  puts in force: web [r1.d1 90 % on 2, r2.d2 10 % on 1]
        30.500 s  waits: `web` goes back, 0 of 2 previous instances are ready (rolled back by ben)
        115.501 s  records deployment_frozen: 0 of 2 instances of `web` of release 1 are ready to take over again
        200.500 s  waits: frozen, a person must decide: 0 of 2 instances of `web` of release 1 are ready to take over again [a person: retry, ship, abort]
        251.000 s  puts in force: web [r1.d1 100 % on 2]
    "#]].assert_eq(&story.play().since(10, &[]));
}

/// Elsewhere the code went back and what belongs to it did not. Here the second release has other
/// instances and is found at another path: first it goes back while it comes in, then after it had
/// settled, and each time its path and its number of instances go with its program.
#[test]
fn r5_a_release_goes_back_with_all_that_belongs_to_it() {
    let second = Shipped {
        instances: 3,
        path: "/shop",
        ..by(2, Nature::Good, "blue_green: { soak: 10s }, keep_warm: 0s")
    };
    let story = Story::serving(80, by(1, Nature::Good, "rolling: {}"))
        .ship(10, second)
        .ask(18, Wish::Rollback)
        .ask(20, Wish::Retry)
        .ask(50, Wish::RollbackTo(1));
    expect![[r#"
        0.500 s  records deployment_started: deployment 1, release 1 (web)
        0.500 s  puts in force: web []
        4.000 s  puts in force: web [r1.d1 100 % on 2]
        4.000 s  records deployment_promoted
        4.000 s  records deployment_ended: Settled
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        13.000 s  puts in force: web [r1.d1 0 % on 2, r2.d2 100 % on 3]
        18.500 s  ask: Rollback
        18.500 s  puts in force: web [r1.d1 100 % on 2]
        18.500 s  records deployment_ended: RolledBack
        20.500 s  ask: Retry
        20.500 s  records deployment_started: deployment 3, release 2 (web)
        24.000 s  puts in force: web [r1.d1 0 % on 2, r2.d3 100 % on 3]
        34.000 s  records deployment_promoted
        34.000 s  records deployment_ended: Settled
        34.000 s  puts in force: web [r2.d3 100 % on 3] at /shop
        50.500 s  ask: RollbackTo(1)
        50.500 s  records deployment_started: deployment 4, release 1 (web)
        53.000 s  puts in force: web [r2.d3 0 % on 3, r1.d4 100 % on 2] at /shop
        53.000 s  records deployment_promoted
        53.000 s  records deployment_ended: Settled
        53.000 s  puts in force: web [r1.d4 100 % on 2]
    "#]]
    .assert_eq(
        &story
            .play()
            .since(0, &["in force", "deployment_", "ask", "refused"]),
    );
}

/// Elsewhere there was no quick way back after promotion. Here the release before is kept warm, and
/// going back is one switch: nothing has to be started.
#[test]
fn r8_after_promotion_the_way_back_is_one_switch() {
    let story = Story::serving(120, by(1, Nature::Good, BLUE_GREEN))
        .ship(10, by(2, Nature::Good, BLUE_GREEN))
        .ask(60, Wish::Rollback);
    expect![[r#"
        10.500 s  ship: program 2 (Good), 2 instances, blue_green: { soak: 10s }, keep_warm: 2m
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        10.500 s  starts web.r2.d2.1
        10.500 s  starts web.r2.d2.2
        12.000 s  records weight_shifted: web 100 %
        12.000 s  puts in force: web [r1.d1 0 % on 2, r2.d2 100 % on 2]
        12.000 s  records soak_started: web step 1
        12.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        13.000 s  records verdict_reached: web Pass: every limit is kept after 400 requests
        22.000 s  records service_promoted: web judged: every limit is kept after 4,000 requests
        22.000 s  records deployment_promoted
        22.000 s  puts in force: web [r2.d2 100 % on 2, r1.d1 0 % on 2]
        60.500 s  ask: Rollback
        60.500 s  records rollback_started: rolled back by ben
        60.500 s  puts in force: web [r1.d1 100 % on 2]
        60.500 s  records service_returned: web
        60.500 s  records deployment_ended: RolledBack
        91.000 s  stops web.r2.d2.1
        91.000 s  stops web.r2.d2.2
    "#]].assert_eq(&story.play().since(10, &[]));
}
