//! What stands still, and who is in each other's way.

use expect_test::expect;
use leadsman_testkit::sim::{Fault, Nature, Wish};

use crate::story::{Story, by, release, rolling, seconds};

/// Elsewhere a second release in the middle of a rollout left a mixture of both. Here the first one
/// goes back as a recorded transition, and the second one is judged from its first step on.
#[test]
fn s1_a_newer_release_supersedes_and_is_judged_anew() {
    let story = Story::serving(130, release(1, Nature::Good))
        .ship(10, release(2, Nature::Good))
        .ship(45, release(3, Nature::Good));
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
        25.000 s  records verdict_reached: web Pass: every limit is kept after 560 requests
        31.000 s  records step_passed: web judged: worse than stable, but within every limit after 800 requests
        31.000 s  records weight_shifted: web 50 %
        31.000 s  puts in force: web [r1.d1 50 % on 2, r2.d2 50 % on 1]
        31.000 s  records soak_started: web step 2
        31.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        32.000 s  records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 200 requests: worse than stable, but not shown to be worse than is tolerated, at this rate errors, p95 and p99 cannot be told
        33.000 s  records verdict_reached: web Pass: worse than stable, but within every limit after 400 requests
        45.500 s  ship: program 3 (Good), 2 instances, canary: { steps: [10%, 50%], soak: 20s }, keep_warm: 1m
        45.500 s  records rollback_started: superseded by release 3
        45.500 s  records deployment_queued: release 3
        45.500 s  puts in force: web [r1.d1 100 % on 2]
        45.500 s  records service_returned: web
        45.500 s  records deployment_ended: Superseded { by: ReleaseNumber(3) }
        45.500 s  records deployment_started: deployment 3, release 3 (web)
        45.500 s  records rollout_started: web
        45.500 s  starts web.r3.d3.1
        48.000 s  records weight_shifted: web 10 %
        48.000 s  puts in force: web [r1.d1 90 % on 2, r3.d3 10 % on 1]
        48.000 s  records soak_started: web step 1
        48.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        49.000 s  records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 40 requests: nothing speaks against it, at this rate errors, p95 and p99 cannot be told
        50.000 s  stops web.r2.d2.1
        57.000 s  records verdict_reached: web Pass: every limit is kept after 360 requests
        68.000 s  records step_passed: web judged: every limit is kept after 800 requests
        68.000 s  records weight_shifted: web 50 %
        68.000 s  puts in force: web [r1.d1 50 % on 2, r3.d3 50 % on 1]
        68.000 s  records soak_started: web step 2
        68.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        69.000 s  records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 200 requests: nothing speaks against it, at this rate errors, p95 and p99 cannot be told
        75.000 s  records verdict_reached: web Pass: worse than stable, but within every limit after 1,400 requests
        88.000 s  records step_passed: web judged: worse than stable, but within every limit after 4,000 requests
        88.000 s  starts web.r3.d3.2
        90.000 s  records weight_shifted: web 100 %
        90.000 s  puts in force: web [r1.d1 0 % on 2, r3.d3 100 % on 2]
        90.000 s  records service_promoted: web ready
        90.000 s  records deployment_promoted
        90.000 s  puts in force: web [r3.d3 100 % on 2, r1.d1 0 % on 2]
    "#]].assert_eq(&story.play().since(10, &[]));
}

/// Elsewhere the fix could not be shipped because what it was to replace was ill. Here stable fails
/// more than half of its requests, and the release after it comes in.
#[test]
fn s2_a_release_replaces_a_stable_one_that_fails() {
    let story =
        Story::serving(160, release(1, Nature::FailsLater)).ship(80, release(2, Nature::Good));
    expect![[r#"
        80.500 s  records deployment_started: deployment 2, release 2 (web)
        80.500 s  records rollout_started: web
        81.000 s  records weight_shifted: web 10 %
        81.000 s  puts in force: web [r1.d1 90 % on 2, r2.d2 10 % on 1]
        81.000 s  records soak_started: web step 1
        81.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        82.000 s  records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 40 requests: nothing speaks against it, at this rate errors, p95 and p99 cannot be told
        99.000 s  records verdict_reached: web Pass: every limit is kept after 720 requests
        101.000 s  records step_passed: web judged: every limit is kept after 800 requests
        101.000 s  records weight_shifted: web 50 %
        101.000 s  puts in force: web [r1.d1 50 % on 2, r2.d2 50 % on 1]
        101.000 s  records soak_started: web step 2
        101.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        102.000 s  records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 200 requests: nothing speaks against it, at this rate errors, p95 and p99 cannot be told
        105.000 s  records verdict_reached: web Pass: every limit is kept after 800 requests
        121.000 s  records step_passed: web judged: every limit is kept after 4,000 requests
        122.000 s  records weight_shifted: web 100 %
        122.000 s  puts in force: web [r1.d1 0 % on 2, r2.d2 100 % on 2]
        122.000 s  records service_promoted: web ready
        122.000 s  records deployment_promoted
        122.000 s  puts in force: web [r2.d2 100 % on 2, r1.d1 0 % on 2]
    "#]].assert_eq(&story.play().since(80, &["records", "in force"]));
}

/// And here stable does not answer at all: nothing speaks against what comes in, and a person who
/// does not want to wait for what cannot be compared gives it all requests.
#[test]
fn s2_a_release_replaces_a_stable_one_that_is_gone() {
    let story = Story::serving(160, release(1, Nature::Good))
        .fault(8, Fault::HangAll(1, seconds(140)))
        .ship(10, release(2, Nature::Good))
        .look(40)
        .ask(41, Wish::PromoteAll);
    expect![[r#"
        8.500 s  fault: all instances of a release hang: HangAll(1, 140s)
        10.500 s  ship: program 2 (Good), 2 instances, canary: { steps: [10%, 50%], soak: 20s }, keep_warm: 1m
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        10.500 s  starts web.r2.d2.1
        11.000 s  records weight_shifted: web 10 %
        11.000 s  puts in force: web [r1.d1 90 % on 2, r2.d2 10 % on 1]
        11.000 s  records soak_started: web step 1
        11.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        12.000 s  records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 40 requests: nothing speaks against it, at this rate errors, p95 and p99 cannot be told
        40.500 s  waits: `web` stays at 10 % until the judge is sure or somebody says `leadsman promote`: not sure of p95 and p99 after 1,160 requests: nothing speaks against it, at this rate p95 and p99 cannot be told [or a person: promote, abort, pause]
        41.500 s  ask: PromoteAll
        41.500 s  records steps_skipped: web
        41.500 s  starts web.r2.d2.2
        43.000 s  records weight_shifted: web 100 %
        43.000 s  puts in force: web [r1.d1 0 % on 2, r2.d2 100 % on 2]
        43.000 s  records service_promoted: web ready
        43.000 s  records deployment_promoted
        43.000 s  puts in force: web [r2.d2 100 % on 2, r1.d1 0 % on 2]
        103.000 s  records deployment_ended: Settled
        103.000 s  puts in force: web [r2.d2 100 % on 2]
        103.000 s  stops web.r1.d1.2
        107.000 s  stops web.r1.d1.1
    "#]].assert_eq(&story.play().since(8, &[]));
}

/// Elsewhere decisions were made on what was no longer so. Here a control is stopped in the middle
/// of a step, another one goes on meanwhile, and the first one wakes up with what it knew: the log
/// refuses what it wants to record, and it looks again.
#[test]
fn s3_a_decision_on_an_older_state_is_refused() {
    let (steps, length, overtaken) = (0, seconds(30), true);
    let story = Story::serving(120, release(1, Nature::Good))
        .ship(10, release(2, Nature::Good))
        .fault(
            22,
            Fault::Freeze {
                steps,
                length,
                overtaken,
            },
        );
    expect![[r#"
        22.500 s  fault: control stopped and overtaken: Freeze { steps: 0, length: 30s, overtaken: true }
        22.500 s  control 2 starts
        22.500 s  control 2 puts in force: web [r1.d1 90 % on 2, r2.d2 10 % on 1]
        23.000 s  control 1 is stopped
        25.000 s  control 2 records verdict_reached: web Pass: every limit is kept after 560 requests
        31.000 s  control 2 records step_passed: web judged: worse than stable, but within every limit after 800 requests
        31.000 s  control 2 records weight_shifted: web 50 %
        31.000 s  control 2 puts in force: web [r1.d1 50 % on 2, r2.d2 50 % on 1]
        31.000 s  control 2 records soak_started: web step 2
        31.000 s  control 2 records verdict_reached: web NoData: no request has reached the new revision so far
        32.000 s  control 2 records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 200 requests: worse than stable, but not shown to be worse than is tolerated, at this rate errors, p95 and p99 cannot be told
        33.000 s  control 2 records verdict_reached: web Pass: worse than stable, but within every limit after 400 requests
        51.000 s  control 2 records step_passed: web judged: worse than stable, but within every limit after 4,000 requests
        51.000 s  starts web.r2.d2.2
        52.000 s  control 2 records weight_shifted: web 100 %
        52.000 s  control 2 puts in force: web [r1.d1 0 % on 2, r2.d2 100 % on 2]
        52.000 s  control 2 records service_promoted: web ready
        52.000 s  control 2 records deployment_promoted
        52.000 s  control 2 puts in force: web [r2.d2 100 % on 2, r1.d1 0 % on 2]
        53.000 s  control 1 records nothing: stream `shop/production` has 23 events where 12 were expected
        53.000 s  control 1 puts in force: web [r2.d2 100 % on 2, r1.d1 0 % on 2]
        72.500 s  control 2 is killed
        112.000 s  control 1 records deployment_ended: Settled
        112.000 s  control 1 puts in force: web [r2.d2 100 % on 2]
        112.000 s  control 1 stops web.r1.d1.1
        112.000 s  control 1 stops web.r1.d1.2
    "#]].assert_eq(&story.play().since(20, &[]));
}

/// Elsewhere a newer version of the controller brought out every workload anew. Here control ends
/// and begins three times: nothing is recorded, started or stopped because of it, and the data plane
/// is told what it has in force already.
#[test]
fn s4_a_control_that_starts_anew_moves_nothing() {
    let story = Story::serving(100, release(1, Nature::Good))
        .kill_control(20)
        .kill_control(40)
        .kill_control(60)
        .look(80);
    expect![[r#"
        20.500 s  fault: control killed between two steps: Crash { steps: 0, half: false, down: 2s }
        21.000 s  control is killed
        23.000 s  control starts
        23.000 s  puts in force: web [r1.d1 100 % on 2]
        40.500 s  fault: control killed between two steps: Crash { steps: 0, half: false, down: 2s }
        41.000 s  control is killed
        43.000 s  control starts
        43.000 s  puts in force: web [r1.d1 100 % on 2]
        60.500 s  fault: control killed between two steps: Crash { steps: 0, half: false, down: 2s }
        61.000 s  control is killed
        63.000 s  control starts
        63.000 s  puts in force: web [r1.d1 100 % on 2]
        80.500 s  waits for nothing
    "#]]
    .assert_eq(&story.play().since(10, &[]));
}

/// Elsewhere a rollback that was interrupted or cancelled was under way for ever. Here control is
/// killed in the middle of it, and everything that people ask for meanwhile is refused with a
/// reason: it ends.
#[test]
fn s6_a_rollback_is_not_cancelled_into_limbo() {
    let story = Story::serving(120, rolling(1, Nature::Good))
        .ship(10, rolling(2, Nature::Good))
        .ask(14, Wish::Rollback)
        .ask(15, Wish::Pause)
        .ask(15, Wish::Abort)
        .ask(15, Wish::Promote)
        .look(15)
        .kill_control(16)
        .look(40);
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
        15.500 s  ask: Pause
        15.500 s  ask: Abort
        15.500 s  ask: Promote
        15.500 s  waits: `web` goes back, 3 of 4 previous instances are ready (rolled back by ben)
        15.500 s  refused: release 2 is already on its way back
        15.500 s  refused: release 2 is already on its way back
        15.500 s  refused: release 2 is already on its way back
        16.500 s  fault: control killed between two steps: Crash { steps: 0, half: false, down: 2s }
        17.000 s  control is killed
        19.000 s  control starts
        19.000 s  puts in force: web [r1.d1 100 % on 4]
        19.000 s  records service_returned: web
        19.000 s  records deployment_ended: RolledBack
        21.000 s  stops web.r2.d2.2
        21.000 s  stops web.r2.d2.3
        23.000 s  stops web.r2.d2.1
        40.500 s  waits for nothing
    "#]]
    .assert_eq(&story.play().since(14, &[]));
}

/// And a rollback has a deadline: while the data plane is silent for longer than that, it is frozen
/// and says who can move it.
#[test]
fn s6_a_rollback_that_takes_too_long_is_frozen_with_the_reason() {
    let story = Story::serving(260, release(1, Nature::Good))
        .ship(10, release(2, Nature::Good))
        .fault(19, Fault::Silent(seconds(200)))
        .ask(20, Wish::Rollback)
        .look(30)
        .look(180)
        .look(250);
    expect![[r#"
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        11.000 s  records weight_shifted: web 10 %
        11.000 s  records soak_started: web step 1
        11.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        12.000 s  records verdict_reached: web Inconclusive: not sure of errors and p99 after 40 requests: nothing speaks against it, at this rate it passes in about 7 s (271 more requests)
        19.500 s  fault: data plane silent: Silent(200s)
        20.500 s  ask: Rollback
        20.500 s  records rollback_started: rolled back by ben
        30.500 s  waits: the data plane does not answer
        30.500 s  waits: `web` goes back to the previous revision (rolled back by ben)
        110.501 s  records deployment_frozen: the data plane does not answer
        180.500 s  waits: the data plane does not answer
        180.500 s  waits: frozen, a person must decide: the data plane does not answer [a person: retry, ship, abort]
        250.500 s  waits: frozen, a person must decide: the data plane does not answer [a person: retry, ship, abort]
    "#]].assert_eq(&story.play().since(10, &["records", "waits", "ask", "fault"]));
}

/// Elsewhere a paused deployment failed by its own deadline. Here it is paused for longer than its
/// soak and its patience together, and has as much time left afterwards as before.
#[test]
fn s7_time_spent_paused_does_not_count() {
    let strategy = "canary: { steps: [10%], soak: 20s }, patience: 2m, on_inconclusive: rollback";
    let story = Story::serving(700, by(1, Nature::Good, strategy))
        .requests(1)
        .ship(10, by(2, Nature::Good, strategy))
        .ask(20, Wish::Pause)
        .look(400)
        .ask(500, Wish::Resume)
        .look(501);
    expect![[r#"
        10.500 s  ship: program 2 (Good), 2 instances, canary: { steps: [10%], soak: 20s }, patience: 2m, on_inconclusive: rollback
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        10.500 s  starts web.r2.d2.1
        11.000 s  records weight_shifted: web 10 %
        11.000 s  puts in force: web [r1.d1 90 % on 2, r2.d2 10 % on 1]
        11.000 s  records soak_started: web step 1
        11.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        20.500 s  ask: Pause
        20.500 s  records deployment_paused
        33.000 s  records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 1 request: nothing speaks against it, at this rate errors, p95 and p99 cannot be told
        400.500 s  waits: paused by ben [a person: resume, promote, abort]
        400.500 s  waits: `web` stays at 10 % until the judge is sure or somebody says `leadsman promote`: not sure of errors, p95 and p99 after 25 requests: nothing speaks against it, at this rate it passes in about 3 h (491 more requests) [or a person: promote, abort, pause]
        500.500 s  ask: Resume
        500.500 s  records deployment_resumed
        501.500 s  waits: `web` stays at 10 % until the judge is sure or somebody says `leadsman promote`: not sure of errors, p95 and p99 after 38 requests: nothing speaks against it, at this rate it passes in about 2 h (445 more requests); it goes back in 2 min 10 s [or a person: promote, abort, pause]
        631.000 s  records rollback_started: `web` stayed inconclusive: not sure of errors, p95 and p99 after 50 requests: nothing speaks against it, at this rate it passes in about 76 min (411 more requests)
        631.000 s  puts in force: web [r1.d1 100 % on 2]
        631.000 s  records service_returned: web
        631.000 s  records deployment_ended: RolledBack
        661.000 s  stops web.r2.d2.1
    "#]].assert_eq(&story.play().since(10, &[]));
}

/// Elsewhere nobody could tell for what a deployment waited. Here somebody looks in each of its
/// phases.
#[test]
fn s9_a_deployment_says_what_it_waits_for_in_every_phase() {
    let story = Story::serving(200, release(1, Nature::Good))
        .look(9)
        .ship(10, release(2, Nature::Good))
        .look(11)
        .look(20)
        .ask(35, Wish::Pause)
        .look(36)
        .ask(60, Wish::Resume)
        .look(62)
        .look(100)
        .look(190);
    expect![[r#"
        9.500 s  waits for nothing
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        11.000 s  records weight_shifted: web 10 %
        11.000 s  records soak_started: web step 1
        11.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        11.500 s  waits: step 1 of 3 of `web` holds 10 % for 20 s more [or a person: promote, abort, pause]
        12.000 s  records verdict_reached: web Inconclusive: not sure of errors and p99 after 40 requests: nothing speaks against it, at this rate it passes in about 7 s (271 more requests)
        20.500 s  waits: step 1 of 3 of `web` holds 10 % for 11 s more [or a person: promote, abort, pause]
        25.000 s  records verdict_reached: web Pass: every limit is kept after 560 requests
        31.000 s  records step_passed: web judged: worse than stable, but within every limit after 800 requests
        31.000 s  records weight_shifted: web 50 %
        31.000 s  records soak_started: web step 2
        31.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        32.000 s  records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 200 requests: worse than stable, but not shown to be worse than is tolerated, at this rate errors, p95 and p99 cannot be told
        33.000 s  records verdict_reached: web Pass: worse than stable, but within every limit after 400 requests
        35.500 s  ask: Pause
        35.500 s  records deployment_paused
        36.500 s  waits: paused by ben [a person: resume, promote, abort]
        36.500 s  waits: step 2 of 3 of `web` holds 50 % for 15 s more [or a person: promote, abort, pause]
        60.500 s  ask: Resume
        60.500 s  records deployment_resumed
        60.500 s  records step_passed: web judged: worse than stable, but within every limit after 5,800 requests
        62.000 s  records weight_shifted: web 100 %
        62.000 s  records service_promoted: web ready
        62.000 s  records deployment_promoted
        62.500 s  waits: release 2 has all traffic; the way back is kept warm for 1 min more [or a person: rollback]
        100.500 s  waits: release 2 has all traffic; the way back is kept warm for 22 s more [or a person: rollback]
        122.000 s  records deployment_ended: Settled
        190.500 s  waits for nothing
    "#]].assert_eq(&story.play().since(9, &["records", "waits", "ask"]));
}
