//! Where requests go, and that somebody is there who answers them.

use std::time::Duration;

use expect_test::expect;
use leadsman_testkit::sim::{Effect, Fault, Nature, Receiver, Wish};

use crate::story::{BLUE_GREEN, Story, by, release, rolling, seconds};

/// Elsewhere all requests went to a promoted copy that could not start, and the healthy one was
/// removed. Here the new instances die after they got all requests, and stay dead: the release
/// before is still there and takes them.
#[test]
fn t1_the_new_copy_dies_after_promotion_and_the_one_before_takes_all_requests() {
    let story = Story::serving(200, by(1, Nature::Good, BLUE_GREEN))
        .ship(10, by(2, Nature::Good, BLUE_GREEN))
        .fault(60, Fault::HangAll(2, seconds(60)));
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
        60.500 s  fault: all instances of a release hang: HangAll(2, 60s)
        61.000 s  records rollback_started: `web` at 100 %: errors 2 % (limit 5 %): evidence over 1,000,000,000 : 1 after 19,600 requests
        61.000 s  puts in force: web [r1.d1 100 % on 2]
        61.000 s  records service_returned: web
        61.000 s  records deployment_ended: RolledBack
        61.000 s  stops web.r2.d2.2
        65.000 s  stops web.r2.d2.1
    "#]].assert_eq(&story.play().since(10, &[]));
}

/// Elsewhere old instances were removed before new ones were ready. Here the new ones never are:
/// every old one stays and has its requests.
#[test]
fn t2_no_old_instance_goes_before_a_new_one_is_ready() {
    let story =
        Story::serving(200, rolling(1, Nature::Good)).ship(10, rolling(2, Nature::NeverReady));
    expect![[r#"
        10.500 s  ship: program 2 (NeverReady), 4 instances, rolling: {}
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        10.500 s  starts web.r2.d2.1
        70.501 s  records rollback_started: `web` did not become ready: not within 1 min: connection refused
        70.501 s  records service_returned: web
        70.501 s  records deployment_ended: RolledBack
        70.501 s  stops web.r2.d2.1
    "#]].assert_eq(&story.play().since(10, &[]));
}

/// Elsewhere a side without instances was given a weight. Here a person asks for all weight on a
/// release that never becomes ready: it gets no request.
#[test]
fn t4_a_side_that_is_not_ready_gets_no_request_whoever_asks_for_it() {
    let story = Story::serving(100, release(1, Nature::Good))
        .ship(10, release(2, Nature::NeverReady))
        .ask(15, Wish::PromoteAll)
        .look(20);
    expect![[r#"
        10.500 s  ship: program 2 (NeverReady), 2 instances, canary: { steps: [10%, 50%], soak: 20s }, keep_warm: 1m
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        10.500 s  starts web.r2.d2.1
        15.500 s  ask: PromoteAll
        15.500 s  records steps_skipped: web
        15.500 s  starts web.r2.d2.2
        20.500 s  waits: 0 of 2 new instances of `web` are ready: connection refused [or a person: abort]
        75.501 s  records rollback_started: `web` did not become ready: not within 1 min: connection refused
        75.501 s  records service_returned: web
        75.501 s  records deployment_ended: RolledBack
        75.501 s  stops web.r2.d2.1
        75.501 s  stops web.r2.d2.2
    "#]].assert_eq(&story.play().since(10, &[]));
}

/// Elsewhere a release that came in the middle of another threw all requests at an old side that
/// had shrunk. Here they go back only as fast as the old side grows, and the newer release begins
/// after that.
#[test]
fn t5_a_newer_release_waits_until_the_old_side_has_grown_again() {
    let story = Story::serving(100, rolling(1, Nature::Good))
        .ship(10, rolling(2, Nature::Good))
        .ship(14, rolling(3, Nature::Good));
    expect![[r#"
        14.000 s  records weight_shifted: web 75 %
        14.000 s  puts in force: web [r1.d1 25 % on 2, r2.d2 75 % on 3]
        14.000 s  records step_passed: web ready
        14.000 s  puts in force: web [r1.d1 25 % on 1, r2.d2 75 % on 3]
        14.000 s  starts web.r2.d2.4
        14.500 s  ship: program 3 (Good), 4 instances, rolling: {}
        14.500 s  records rollback_started: superseded by release 3
        14.500 s  records deployment_queued: release 3
        14.500 s  puts in force: web [r1.d1 75 % on 3, r2.d2 25 % on 3]
        14.500 s  stops web.r2.d2.4
        15.000 s  starts web.r1.d1.4
        17.000 s  puts in force: web [r1.d1 100 % on 4]
        17.000 s  records service_returned: web
        17.000 s  records deployment_ended: Superseded { by: ReleaseNumber(3) }
        17.000 s  records deployment_started: deployment 3, release 3 (web)
        17.000 s  records rollout_started: web
        17.000 s  starts web.r3.d3.1
        17.000 s  stops web.r2.d2.1
        19.000 s  stops web.r2.d2.3
        20.000 s  records weight_shifted: web 25 %
        20.000 s  puts in force: web [r1.d1 75 % on 4, r3.d3 25 % on 1]
        20.000 s  records step_passed: web ready
        20.000 s  puts in force: web [r1.d1 75 % on 3, r3.d3 25 % on 1]
        20.000 s  starts web.r3.d3.2
        20.000 s  stops web.r2.d2.2
        20.000 s  stops web.r1.d1.4
        22.000 s  records weight_shifted: web 50 %
        22.000 s  puts in force: web [r1.d1 50 % on 3, r3.d3 50 % on 2]
        22.000 s  records step_passed: web ready
        22.000 s  puts in force: web [r1.d1 50 % on 2, r3.d3 50 % on 2]
        22.000 s  starts web.r3.d3.3
        22.000 s  stops web.r1.d1.3
        25.000 s  records weight_shifted: web 75 %
        25.000 s  puts in force: web [r1.d1 25 % on 2, r3.d3 75 % on 3]
        25.000 s  records step_passed: web ready
        25.000 s  puts in force: web [r1.d1 25 % on 1, r3.d3 75 % on 3]
        25.000 s  starts web.r3.d3.4
        25.000 s  stops web.r1.d1.2
        27.000 s  records weight_shifted: web 100 %
        27.000 s  puts in force: web [r1.d1 0 % on 1, r3.d3 100 % on 4]
        27.000 s  records service_promoted: web ready
        27.000 s  records deployment_promoted
        27.000 s  records deployment_ended: Settled
        27.000 s  puts in force: web [r3.d3 100 % on 4]
        27.000 s  stops web.r1.d1.1
    "#]]
    .assert_eq(&story.play().since(14, &[]));
}

/// Elsewhere old instances were removed before the data plane had taken the new weights. Here the
/// data plane does not get to know four times that the old side has no requests any more: nothing of
/// it is removed before the fifth.
#[test]
fn t6_nothing_is_removed_before_the_data_plane_says_that_it_has_no_requests() {
    let strategy = "blue_green: { soak: 10s }, keep_warm: 0s";
    let lost = Fault::Effect(Receiver::Plane, Effect::Lost);
    let story = Story::serving(120, by(1, Nature::Good, strategy))
        .ship(10, by(2, Nature::Good, strategy))
        .fault(20, lost)
        .fault(20, lost)
        .fault(20, lost)
        .fault(20, lost);
    expect![[r#"
        10.500 s  ship: program 2 (Good), 2 instances, blue_green: { soak: 10s }, keep_warm: 0s
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        10.500 s  starts web.r2.d2.1
        10.500 s  starts web.r2.d2.2
        12.000 s  records weight_shifted: web 100 %
        12.000 s  puts in force: web [r1.d1 0 % on 2, r2.d2 100 % on 2]
        12.000 s  records soak_started: web step 1
        12.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        13.000 s  records verdict_reached: web Pass: every limit is kept after 400 requests
        20.500 s  fault: effect lost: Effect(Plane, Lost)
        20.500 s  fault: effect lost: Effect(Plane, Lost)
        20.500 s  fault: effect lost: Effect(Plane, Lost)
        20.500 s  fault: effect lost: Effect(Plane, Lost)
        22.000 s  records service_promoted: web judged: every limit is kept after 4,000 requests
        22.000 s  records deployment_promoted
        22.000 s  records deployment_ended: Settled
        22.000 s  effect lost on its way to the data plane
        22.000 s  effect lost on its way to the data plane
        23.000 s  effect lost on its way to the data plane
        24.000 s  effect lost on its way to the data plane
        25.000 s  puts in force: web [r2.d2 100 % on 2]
        25.000 s  stops web.r1.d1.2
        55.000 s  stops web.r1.d1.1
    "#]].assert_eq(&story.play().since(10, &[]));
}

/// Elsewhere a rollback sent everything to a side that was sized for less. Here the side grows, and
/// gets as much as it can take.
#[test]
fn t7_a_rollback_grows_the_old_side_first_and_shifts_then() {
    let story = Story::serving(100, rolling(1, Nature::Good))
        .ship(10, rolling(2, Nature::Good))
        .ask(14, Wish::Rollback);
    expect![[r#"
        14.000 s  records weight_shifted: web 75 %
        14.000 s  puts in force: web [r1.d1 25 % on 2, r2.d2 75 % on 3]
        14.000 s  records step_passed: web ready
        14.000 s  puts in force: web [r1.d1 25 % on 1, r2.d2 75 % on 3]
        14.000 s  starts web.r2.d2.4
        14.500 s  ask: Rollback
        14.500 s  records rollback_started: rolled back by ben
        14.500 s  puts in force: web [r1.d1 75 % on 3, r2.d2 25 % on 3]
        14.500 s  stops web.r2.d2.4
        15.000 s  starts web.r1.d1.4
        17.000 s  puts in force: web [r1.d1 100 % on 4]
        17.000 s  records service_returned: web
        17.000 s  records deployment_ended: RolledBack
        17.000 s  stops web.r2.d2.1
        19.000 s  stops web.r2.d2.3
        21.000 s  stops web.r2.d2.2
    "#]]
    .assert_eq(&story.play().since(14, &[]));
}

/// Elsewhere a restart of what controls a rollout in its middle was an outage. Here control is
/// killed at every moment at which something is recorded, after so many steps of the driver and in
/// the middle of what it does: the same is recorded, as it would have been without.
#[test]
fn t8_control_is_killed_at_every_step_and_the_same_comes_of_it() {
    let story = Story::serving(150, release(1, Nature::Good))
        .windows(5)
        .ship(10, release(2, Nature::Good));
    let calm = story.play();
    expect![[r#"
        10.500 s  ship: program 2 (Good), 2 instances, canary: { steps: [10%, 50%], soak: 20s }, keep_warm: 1m
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        10.500 s  starts web.r2.d2.1
        15.000 s  records weight_shifted: web 10 %
        15.000 s  puts in force: web [r1.d1 90 % on 2, r2.d2 10 % on 1]
        15.000 s  records soak_started: web step 1
        15.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        20.000 s  records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 200 requests: nothing speaks against it, at this rate errors, p95 and p99 cannot be told
        25.000 s  records verdict_reached: web Pass: every limit is kept after 400 requests
        35.000 s  records step_passed: web judged: every limit is kept after 800 requests
        35.000 s  records weight_shifted: web 50 %
        35.000 s  puts in force: web [r1.d1 50 % on 2, r2.d2 50 % on 1]
        35.000 s  records soak_started: web step 2
        35.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        40.000 s  records verdict_reached: web Inconclusive: not sure of p95 after 1,000 requests: nothing speaks against it, at this rate p95 cannot be told
        50.000 s  records verdict_reached: web Pass: every limit is kept after 3,000 requests
        55.000 s  records step_passed: web judged: every limit is kept after 4,000 requests
        55.000 s  starts web.r2.d2.2
        60.000 s  records weight_shifted: web 100 %
        60.000 s  puts in force: web [r1.d1 0 % on 2, r2.d2 100 % on 2]
        60.000 s  records service_promoted: web ready
        60.000 s  records deployment_promoted
        60.000 s  puts in force: web [r2.d2 100 % on 2, r1.d1 0 % on 2]
        120.000 s  records deployment_ended: Settled
        120.000 s  puts in force: web [r2.d2 100 % on 2]
        120.000 s  stops web.r1.d1.2
        125.000 s  stops web.r1.d1.1
    "#]].assert_eq(&calm.since(10, &[]));
    let mut worlds = 0;
    // What is asked of a control that is killed before it heard it has to be asked again.
    let heard = |at: &Duration| *at > Duration::from_millis(10_500);
    for at in calm.moments().into_iter().filter(heard) {
        for (steps, half) in [(0, false), (3, false), (9, false), (9, true), (20, true)] {
            let down = Duration::from_millis(500);
            let killed = story
                .clone()
                .fault_at(at, Fault::Crash { steps, half, down });
            assert_eq!(
                killed.play().facts(),
                calm.facts(),
                "killed at {at:?} + {steps}"
            );
            worlds += 1;
        }
    }
    assert!(worlds > 30, "{worlds} worlds");
}

/// Elsewhere failed canaries were started again as if they were ordinary instances, and pushed out
/// healthy ones. Here the canary crashes again and again while an instance of stable is killed too:
/// what is put in its place is of stable.
#[test]
fn t9_a_failed_candidate_never_counts_as_stable() {
    let story = Story::serving(100, release(1, Nature::Good))
        .ship(10, release(2, Nature::Crashes))
        .fault(20, Fault::KillAll(1))
        .kill_control(50)
        .fault(60, Fault::KillAll(1));
    expect![[r#"
        10.500 s  ship: program 2 (Crashes), 2 instances, canary: { steps: [10%, 50%], soak: 20s }, keep_warm: 1m
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        10.500 s  starts web.r2.d2.1
        11.000 s  records weight_shifted: web 10 %
        11.000 s  puts in force: web [r1.d1 90 % on 2, r2.d2 10 % on 1]
        11.000 s  records soak_started: web step 1
        11.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        12.000 s  records verdict_reached: web Inconclusive: not sure of errors and p99 after 40 requests: nothing speaks against it, at this rate it passes in about 7 s (271 more requests)
        20.500 s  fault: all instances of a release killed: KillAll(1)
        25.000 s  records verdict_reached: web Pass: every limit is kept after 560 requests
        31.000 s  records step_passed: web judged: every limit is kept after 800 requests
        31.000 s  records weight_shifted: web 50 %
        31.000 s  puts in force: web [r1.d1 50 % on 2, r2.d2 50 % on 1]
        31.000 s  records soak_started: web step 2
        31.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        32.000 s  records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 200 requests: nothing speaks against it, at this rate errors, p95 and p99 cannot be told
        40.000 s  records verdict_reached: web Fail: errors 100 % (limit 5 %), errors 100 % against 0 % on stable (limit +1 point) and 1 restart (limit 0): evidence over 1,000,000,000 : 1 after 200 requests
        40.000 s  records rollback_started: `web` at 50 %: errors 100 % (limit 5 %), errors 100 % against 0 % on stable (limit +1 point) and 1 restart (limit 0): evidence over 1,000,000,000 : 1 after 200 requests
        40.000 s  puts in force: web [r1.d1 100 % on 2]
        40.000 s  records service_returned: web
        40.000 s  records deployment_ended: RolledBack
        44.000 s  stops web.r2.d2.1
        50.500 s  fault: control killed between two steps: Crash { steps: 0, half: false, down: 2s }
        51.000 s  control is killed
        53.000 s  control starts
        53.000 s  puts in force: web [r1.d1 100 % on 2]
        60.500 s  fault: all instances of a release killed: KillAll(1)
    "#]].assert_eq(&story.play().since(10, &[]));
}

/// Elsewhere an edit that had nothing to do with a rollout set its weights back. Here all requests
/// are held and let go in the middle of a step: the weights stay what they are.
#[test]
fn t11_what_is_changed_beside_a_rollout_moves_no_weight() {
    let story = Story::serving(100, release(1, Nature::Good))
        .ship(10, release(2, Nature::Good))
        .ask(20, Wish::Hold)
        .ask(22, Wish::Open);
    expect![[r#"
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        11.000 s  records weight_shifted: web 10 %
        11.000 s  puts in force: web [r1.d1 90 % on 2, r2.d2 10 % on 1]
        11.000 s  records soak_started: web step 1
        11.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        12.000 s  records verdict_reached: web Inconclusive: not sure of errors and p99 after 40 requests: nothing speaks against it, at this rate it passes in about 7 s (271 more requests)
        20.500 s  ask: Hold
        20.500 s  records services_closed
        20.500 s  puts in force: web [r1.d1 90 % on 2, r2.d2 10 % on 1]
        22.500 s  ask: Open
        22.500 s  records services_opened
        22.500 s  puts in force: web [r1.d1 90 % on 2, r2.d2 10 % on 1]
        25.000 s  records verdict_reached: web Pass: every limit is kept after 560 requests
        31.000 s  records step_passed: web judged: worse than stable, but within every limit after 800 requests
        31.000 s  records weight_shifted: web 50 %
        31.000 s  puts in force: web [r1.d1 50 % on 2, r2.d2 50 % on 1]
        31.000 s  records soak_started: web step 2
        31.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        32.000 s  records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 200 requests: worse than stable, but not shown to be worse than is tolerated, at this rate errors, p95 and p99 cannot be told
        33.000 s  records verdict_reached: web Pass: worse than stable, but within every limit after 400 requests
        51.000 s  records step_passed: web judged: worse than stable, but within every limit after 4,000 requests
        52.000 s  records weight_shifted: web 100 %
        52.000 s  puts in force: web [r1.d1 0 % on 2, r2.d2 100 % on 2]
        52.000 s  records service_promoted: web ready
        52.000 s  records deployment_promoted
        52.000 s  puts in force: web [r2.d2 100 % on 2, r1.d1 0 % on 2]
    "#]].assert_eq(&story.play().since(10, &["in force", "ask", "refused", "records"]));
}

/// Elsewhere header routes were lost with the weights, or with a restart. Here the data plane is
/// killed in the middle of a step and comes back with the table that it had.
#[test]
fn t12_the_data_plane_comes_back_with_the_routes_that_it_had() {
    let story = Story::serving(60, release(1, Nature::Good))
        .ship(10, release(2, Nature::Good))
        .fault(20, Fault::PlaneCrash(seconds(5)))
        .look(23);
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
        20.500 s  fault: data plane killed: PlaneCrash(5s)
        23.500 s  waits: step 1 of 3 of `web` holds 10 % for 11 s more [or a person: promote, abort, pause]
        29.000 s  records verdict_reached: web Pass: every limit is kept after 520 requests
        31.000 s  records step_passed: web judged: worse than stable, but within every limit after 600 requests
        31.000 s  records weight_shifted: web 50 %
        31.000 s  puts in force: web [r1.d1 50 % on 2, r2.d2 50 % on 1]
        31.000 s  records soak_started: web step 2
        31.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        32.000 s  records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 200 requests: worse than stable, but not shown to be worse than is tolerated, at this rate errors, p95 and p99 cannot be told
        33.000 s  records verdict_reached: web Pass: worse than stable, but within every limit after 400 requests
        51.000 s  records step_passed: web judged: worse than stable, but within every limit after 4,000 requests
        51.000 s  starts web.r2.d2.2
        52.000 s  records weight_shifted: web 100 %
        52.000 s  puts in force: web [r1.d1 0 % on 2, r2.d2 100 % on 2]
        52.000 s  records service_promoted: web ready
        52.000 s  records deployment_promoted
        52.000 s  puts in force: web [r2.d2 100 % on 2, r1.d1 0 % on 2]
    "#]].assert_eq(&story.play().since(10, &[]));
}
