//! What is concluded from figures, and what is not.

use expect_test::expect;
use leadsman_testkit::sim::{Fault, Nature, Shipped, Wish};

use crate::story::{Story, by, release, seconds};

/// Elsewhere a release was promoted although nothing of it was ever measured. Here no figures are
/// had for two minutes: the step holds.
#[test]
fn v1_without_a_single_figure_no_step_passes() {
    let story = Story::serving(150, release(1, Nature::Good))
        .ship(10, release(2, Nature::Good))
        .fault(11, Fault::FiguresMissing(seconds(100)))
        .look(100);
    expect![[r#"
        10.500 s  ship: program 2 (Good), 2 instances, canary: { steps: [10%, 50%], soak: 20s }, keep_warm: 1m
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        10.500 s  starts web.r2.d2.1
        11.000 s  records weight_shifted: web 10 %
        11.000 s  puts in force: web [r1.d1 90 % on 2, r2.d2 10 % on 1]
        11.000 s  records soak_started: web step 1
        11.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        11.500 s  fault: figures missing: FiguresMissing(100s)
        100.500 s  waits: `web` stays at 10 % until the judge is sure or somebody says `leadsman promote`: no request has reached the new revision so far [or a person: promote, abort, pause]
        112.000 s  records verdict_reached: web Inconclusive: not sure of errors and p99 after 40 requests: nothing speaks against it, at this rate it passes in about 7 s (271 more requests)
        124.000 s  records verdict_reached: web Pass: every limit is kept after 520 requests
        124.000 s  records step_passed: web judged: every limit is kept after 520 requests
        124.000 s  records weight_shifted: web 50 %
        124.000 s  puts in force: web [r1.d1 50 % on 2, r2.d2 50 % on 1]
        124.000 s  records soak_started: web step 2
        124.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        125.000 s  records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 200 requests: nothing speaks against it, at this rate errors, p95 and p99 cannot be told
    "#]].assert_eq(&story.play().since(10, &[]));
}

/// Elsewhere an answer that could not be read always passed. Here the figures cannot be true: that
/// is an outcome of its own, and nothing moves.
#[test]
fn v3_figures_that_cannot_be_true_pass_nothing() {
    let story = Story::serving(90, release(1, Nature::Good))
        .ship(10, release(2, Nature::Good))
        .fault(15, Fault::FiguresAbsurd(seconds(8)))
        .look(20);
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
        15.500 s  fault: figures absurd: FiguresAbsurd(8s)
        16.000 s  records verdict_reached: web SourceError: the figures make no sense: an interval of 0 s
        20.500 s  waits: step 1 of 3 of `web` holds 10 % for 11 s more [or a person: promote, abort, pause]
        24.000 s  records verdict_reached: web Inconclusive: not sure of errors and p99 after 200 requests: nothing speaks against it, at this rate errors and p99 cannot be told
        61.000 s  records verdict_reached: web Pass: every limit is kept after 1,680 requests
        61.000 s  records step_passed: web judged: every limit is kept after 1,680 requests
        61.000 s  records weight_shifted: web 50 %
        61.000 s  puts in force: web [r1.d1 50 % on 2, r2.d2 50 % on 1]
        61.000 s  records soak_started: web step 2
        61.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        62.000 s  records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 200 requests: nothing speaks against it, at this rate it passes in about 1 s (132 more requests)
        63.000 s  records verdict_reached: web Pass: every limit is kept after 400 requests
        81.000 s  records step_passed: web judged: every limit is kept after 4,000 requests
        81.000 s  starts web.r2.d2.2
        82.000 s  records weight_shifted: web 100 %
        82.000 s  puts in force: web [r1.d1 0 % on 2, r2.d2 100 % on 2]
        82.000 s  records service_promoted: web ready
        82.000 s  records deployment_promoted
        82.000 s  puts in force: web [r2.d2 100 % on 2, r1.d1 0 % on 2]
    "#]].assert_eq(&story.play().since(10, &[]));
}

/// Returns what becomes of a step that proves nothing because one request comes in a second.
fn inconclusive(then: &str) -> String {
    let strategy = format!(
        "canary: {{ steps: [10%], soak: 20s }}, patience: 1m, on_inconclusive: {then}, keep_warm: 0s"
    );
    let story = Story::serving(140, by(1, Nature::Good, &strategy))
        .requests(1)
        .ship(10, by(2, Nature::Good, &strategy))
        .look(60)
        .look(130);
    story.play().since(12, &["records", "waits"])
}

/// Elsewhere a release was promoted on a run that proved nothing. Here the step holds, and a person
/// is asked.
#[test]
fn v4_what_proves_nothing_holds_and_asks_a_person() {
    expect![[r#"
        33.000 s  records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 1 request: nothing speaks against it, at this rate errors, p95 and p99 cannot be told
        60.500 s  waits: `web` stays at 10 % until the judge is sure or somebody says `leadsman promote`: not sure of errors, p95 and p99 after 2 requests: nothing speaks against it, at this rate errors, p95 and p99 cannot be told [or a person: promote, abort, pause]
        130.500 s  waits: `web` stays at 10 % until the judge is sure or somebody says `leadsman promote`: not sure of errors, p95 and p99 after 10 requests: nothing speaks against it, at this rate errors, p95 and p99 cannot be told [or a person: promote, abort, pause]
    "#]].assert_eq(&inconclusive("hold"));
}

/// The same, where the strategy says that it goes back then.
#[test]
fn v4_what_proves_nothing_goes_back_where_the_strategy_says_so() {
    expect![[r#"
        33.000 s  records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 1 request: nothing speaks against it, at this rate errors, p95 and p99 cannot be told
        60.500 s  waits: `web` stays at 10 % until the judge is sure or somebody says `leadsman promote`: not sure of errors, p95 and p99 after 2 requests: nothing speaks against it, at this rate errors, p95 and p99 cannot be told; it goes back in 31 s [or a person: promote, abort, pause]
        91.000 s  records rollback_started: `web` stayed inconclusive: not sure of errors, p95 and p99 after 4 requests: nothing speaks against it, at this rate errors, p95 and p99 cannot be told
        91.000 s  records service_returned: web
        91.000 s  records deployment_ended: RolledBack
        130.500 s  waits for nothing
    "#]].assert_eq(&inconclusive("rollback"));
}

/// The same, where the strategy says that this is enough: it is recorded as unproven.
#[test]
fn v4_what_proves_nothing_advances_as_unproven_where_the_strategy_says_so() {
    expect![[r#"
        33.000 s  records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 1 request: nothing speaks against it, at this rate errors, p95 and p99 cannot be told
        60.500 s  waits: `web` stays at 10 % until the judge is sure or somebody says `leadsman promote`: not sure of errors, p95 and p99 after 2 requests: nothing speaks against it, at this rate errors, p95 and p99 cannot be told; if nothing speaks against it, it goes on in 31 s without proof [or a person: promote, abort, pause]
        91.000 s  records step_passed: web unproven: not sure of errors, p95 and p99 after 4 requests: nothing speaks against it, at this rate errors, p95 and p99 cannot be told
        92.000 s  records weight_shifted: web 100 %
        92.000 s  records service_promoted: web ready
        92.000 s  records deployment_promoted
        92.000 s  records deployment_ended: Settled
        130.500 s  waits for nothing
    "#]].assert_eq(&inconclusive("advance"));
}

/// Elsewhere an interval was judged that was not over yet. Here windows can be read 20 s after they
/// closed: the soak is over before that, and the step waits for them.
#[test]
fn v7_a_step_waits_for_its_windows_to_be_closed_and_read() {
    let story = Story::serving(80, release(1, Nature::Good))
        .ship(10, release(2, Nature::Good))
        .fault(15, Fault::FiguresLate(seconds(40)))
        .look(20)
        .look(36);
    expect![[r#"
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        11.000 s  records weight_shifted: web 10 %
        11.000 s  records soak_started: web step 1
        11.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        12.000 s  records verdict_reached: web Inconclusive: not sure of errors and p99 after 40 requests: nothing speaks against it, at this rate it passes in about 7 s (271 more requests)
        15.500 s  fault: figures late: FiguresLate(40s)
        20.500 s  waits: step 1 of 3 of `web` holds 10 % for 16 s more [or a person: promote, abort, pause]
        36.500 s  waits: `web` stays at 10 % until the judge is sure or somebody says `leadsman promote`: not sure of errors and p99 after 200 requests: nothing speaks against it, at this rate errors and p99 cannot be told [or a person: promote, abort, pause]
        45.000 s  records verdict_reached: web Pass: every limit is kept after 560 requests
        45.000 s  records step_passed: web judged: every limit is kept after 560 requests
        45.000 s  records weight_shifted: web 50 %
        45.000 s  records soak_started: web step 2
        45.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        56.000 s  records verdict_reached: web Inconclusive: not sure of errors and p99 after 200 requests: nothing speaks against it, at this rate errors and p99 cannot be told
        58.000 s  records verdict_reached: web Pass: every limit is kept after 600 requests
        65.000 s  records step_passed: web judged: every limit is kept after 2,000 requests
        66.000 s  records weight_shifted: web 100 %
        66.000 s  records service_promoted: web ready
        66.000 s  records deployment_promoted
    "#]].assert_eq(&story.play().since(10, &["records", "waits", "fault"]));
}

/// Elsewhere a stage that was shorter than one interval passed without having been looked at. Here
/// a soak of one second ends with the first window of five.
#[test]
fn v8_a_step_never_ends_before_its_first_verdict() {
    let strategy = "canary: { steps: [50%], soak: 1s }, keep_warm: 0s";
    let story = Story::serving(40, by(1, Nature::Good, strategy))
        .windows(5)
        .ship(10, by(2, Nature::Good, strategy))
        .look(18);
    expect![[r#"
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        15.000 s  records weight_shifted: web 50 %
        15.000 s  records soak_started: web step 1
        15.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        18.500 s  waits: `web` stays at 50 % until the judge is sure or somebody says `leadsman promote`: no request has reached the new revision so far [or a person: promote, abort, pause]
        20.000 s  records verdict_reached: web Inconclusive: not sure of p95 after 1,000 requests: nothing speaks against it, at this rate p95 cannot be told
        25.000 s  records verdict_reached: web Pass: every limit is kept after 2,000 requests
        25.000 s  records step_passed: web judged: every limit is kept after 2,000 requests
        30.000 s  records weight_shifted: web 100 %
        30.000 s  records service_promoted: web ready
        30.000 s  records deployment_promoted
        30.000 s  records deployment_ended: Settled
    "#]].assert_eq(&story.play().since(10, &["records", "waits"]));
}

/// Elsewhere a canary with errors passed because what it was compared with had none. Here that is
/// the clearest case of all.
#[test]
fn v9_errors_beside_a_stable_side_without_any_are_found_at_once() {
    let story = Story::serving(60, release(1, Nature::Good)).ship(10, release(2, Nature::Fails));
    expect![[r#"
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        11.000 s  records weight_shifted: web 10 %
        11.000 s  puts in force: web [r1.d1 90 % on 2, r2.d2 10 % on 1]
        11.000 s  records soak_started: web step 1
        11.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        12.000 s  records verdict_reached: web Fail: errors 25 % (limit 5 %) and errors 25 % against 0 % on stable (limit +1 point): evidence 11,000,000 : 1 after 40 requests
        12.000 s  records rollback_started: `web` at 10 %: errors 25 % (limit 5 %) and errors 25 % against 0 % on stable (limit +1 point): evidence 11,000,000 : 1 after 40 requests
        12.000 s  puts in force: web [r1.d1 100 % on 2]
        12.000 s  records service_returned: web
        12.000 s  records deployment_ended: RolledBack
    "#]].assert_eq(&story.play().since(10, &["records", "in force"]));
}

/// Elsewhere chance was mixed into a verdict. Here the same world comes out the same, to the last
/// digit of every sentence; another one differs.
#[test]
fn v10_the_same_figures_give_the_same_verdict() {
    let story = |seed| {
        Story::serving(60, release(1, Nature::Good))
            .seed(seed)
            .ship(10, release(2, Nature::Slow))
    };
    let told = story(1).play().since(10, &["records"]);
    expect![[r#"
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        11.000 s  records weight_shifted: web 10 %
        11.000 s  records soak_started: web step 1
        11.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        12.000 s  records verdict_reached: web Fail: p95 4.7 ms against 1.7 ms on stable (limit +20 %) and p99 4.7 ms against 1.7 ms on stable (limit +50 %): evidence over 1,000,000,000 : 1 after 40 requests
        12.000 s  records rollback_started: `web` at 10 %: p95 4.7 ms against 1.7 ms on stable (limit +20 %) and p99 4.7 ms against 1.7 ms on stable (limit +50 %): evidence over 1,000,000,000 : 1 after 40 requests
        12.000 s  records service_returned: web
        12.000 s  records deployment_ended: RolledBack
    "#]].assert_eq(&told);
    assert_eq!(told, story(1).play().since(10, &["records"]));
    assert_ne!(told, story(2).play().since(10, &["records"]));
}

/// Elsewhere services with few requests failed always. Here the step says how much longer it takes,
/// and takes it.
#[test]
fn v11_little_traffic_is_a_longer_wait_and_no_failure() {
    let story = Story::serving(900, release(1, Nature::Good))
        .requests(20)
        .ship(10, release(2, Nature::Good))
        .look(40)
        .look(120);
    expect![[r#"
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        11.000 s  records weight_shifted: web 10 %
        11.000 s  records soak_started: web step 1
        11.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        12.000 s  records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 2 requests: nothing speaks against it, at this rate errors, p95 and p99 cannot be told
        40.500 s  waits: `web` stays at 10 % until the judge is sure or somebody says `leadsman promote`: not sure of errors, p95 and p99 after 58 requests: nothing speaks against it, at this rate errors, p95 and p99 cannot be told [or a person: promote, abort, pause]
        120.500 s  waits: `web` stays at 10 % until the judge is sure or somebody says `leadsman promote`: not sure of errors and p99 after 218 requests: nothing speaks against it, at this rate errors and p99 cannot be told [or a person: promote, abort, pause]
        432.000 s  records verdict_reached: web Pass: every limit is kept after 842 requests
        432.000 s  records step_passed: web judged: every limit is kept after 842 requests
        432.000 s  records weight_shifted: web 50 %
        432.000 s  records soak_started: web step 2
        432.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        433.000 s  records verdict_reached: web Inconclusive: not sure of errors, p95 and p99 after 10 requests: nothing speaks against it, at this rate it passes in about 33 s (328 more requests)
        471.000 s  records verdict_reached: web Pass: worse than stable, but within every limit after 390 requests
        471.000 s  records step_passed: web judged: worse than stable, but within every limit after 390 requests
        472.000 s  records weight_shifted: web 100 %
        472.000 s  records service_promoted: web ready
        472.000 s  records deployment_promoted
        532.000 s  records deployment_ended: Settled
    "#]].assert_eq(&story.play().since(10, &["records", "waits"]));
}

/// Returns a release that is also held to the length of a queue.
fn measured(version: u64) -> Shipped {
    Shipped {
        limits: Some("metrics: { queue: { metric: jobs, at_most: 100, for: 15s } }"),
        rules: None,
        ..release(version, Nature::Good)
    }
}

/// Elsewhere some seconds without metrics ended a rollout. Here they may be gone for two minutes:
/// the step holds meanwhile, and goes on.
#[test]
fn v12_a_short_outage_of_metrics_holds_the_step() {
    let story = Story::serving(180, measured(1))
        .ship(10, measured(2))
        .fault(20, Fault::MetricsFail(seconds(60)))
        .look(60);
    expect![[r#"
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        11.000 s  records weight_shifted: web 10 %
        11.000 s  records soak_started: web step 1
        11.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        12.000 s  records verdict_reached: web Inconclusive: not sure of errors and p99 after 40 requests: nothing speaks against it, at this rate it passes in about 7 s (271 more requests)
        20.500 s  fault: metrics cannot be read: MetricsFail(60s)
        60.500 s  waits: `web` stays at 10 % until the judge is sure or somebody says `leadsman promote`: `queue` could not be had for 40 s: connection refused [or a person: promote, abort, pause]
        91.000 s  records verdict_reached: web Pass: worse than stable, but within every limit after 3,200 requests
        91.000 s  records step_passed: web judged: worse than stable, but within every limit after 3,200 requests
        91.000 s  records weight_shifted: web 50 %
        91.000 s  records soak_started: web step 2
        91.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        96.000 s  records verdict_reached: web Inconclusive: `queue` 1 (limit 100), seen for 5 s of 15 s
        106.000 s  records verdict_reached: web Pass: worse than stable, but within every limit after 3,000 requests
        111.000 s  records step_passed: web judged: worse than stable, but within every limit after 4,000 requests
        112.000 s  records weight_shifted: web 100 %
        112.000 s  records service_promoted: web ready
        112.000 s  records deployment_promoted
        172.000 s  records deployment_ended: Settled
    "#]].assert_eq(&story.play().since(10, &["records", "waits", "fault"]));
}

/// A longer one is an error of its own, and neither a pass nor a failure.
#[test]
fn v12_a_long_outage_of_metrics_is_an_error_and_the_step_holds() {
    let story = Story::serving(330, measured(1))
        .ship(10, measured(2))
        .fault(20, Fault::MetricsFail(seconds(240)))
        .look(240);
    expect![[r#"
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        11.000 s  records weight_shifted: web 10 %
        11.000 s  records soak_started: web step 1
        11.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        12.000 s  records verdict_reached: web Inconclusive: not sure of errors and p99 after 40 requests: nothing speaks against it, at this rate it passes in about 7 s (271 more requests)
        20.500 s  fault: metrics cannot be read: MetricsFail(240s)
        141.000 s  records verdict_reached: web SourceError: `queue` could not be had for 125 s: connection refused
        240.500 s  waits: `web` stays at 10 % until the judge is sure or somebody says `leadsman promote`: `queue` could not be had for 220 s: connection refused [or a person: promote, abort, pause]
        261.000 s  records verdict_reached: web Inconclusive: `queue` 1 (limit 100), seen for 5 s of 15 s
        271.000 s  records verdict_reached: web Pass: worse than stable, but within every limit after 10,400 requests
        271.000 s  records step_passed: web judged: worse than stable, but within every limit after 10,400 requests
        271.000 s  records weight_shifted: web 50 %
        271.000 s  records soak_started: web step 2
        271.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        276.000 s  records verdict_reached: web Inconclusive: `queue` 1 (limit 100), seen for 5 s of 15 s
        286.000 s  records verdict_reached: web Pass: worse than stable, but within every limit after 3,000 requests
        291.000 s  records step_passed: web judged: worse than stable, but within every limit after 4,000 requests
        292.000 s  records weight_shifted: web 100 %
        292.000 s  records service_promoted: web ready
        292.000 s  records deployment_promoted
    "#]].assert_eq(&story.play().since(10, &["records", "waits", "fault"]));
}

/// Elsewhere a limit was exceeded while a person was waited for, and nothing happened. Here it goes
/// back while it is paused.
#[test]
fn v13_a_limit_is_watched_while_it_is_paused() {
    let story = Story::serving(120, release(1, Nature::Good))
        .ship(10, release(2, Nature::FailsLater))
        .ask(20, Wish::Pause)
        .look(60);
    expect![[r#"
        10.500 s  records deployment_started: deployment 2, release 2 (web)
        10.500 s  records rollout_started: web
        11.000 s  records weight_shifted: web 10 %
        11.000 s  puts in force: web [r1.d1 90 % on 2, r2.d2 10 % on 1]
        11.000 s  records soak_started: web step 1
        11.000 s  records verdict_reached: web NoData: no request has reached the new revision so far
        12.000 s  records verdict_reached: web Inconclusive: not sure of errors and p99 after 40 requests: nothing speaks against it, at this rate it passes in about 7 s (271 more requests)
        20.500 s  ask: Pause
        20.500 s  records deployment_paused
        25.000 s  records verdict_reached: web Pass: every limit is kept after 560 requests
        60.500 s  waits: paused by ben [a person: resume, promote, abort]
        71.000 s  records verdict_reached: web Fail: errors 60 % (limit 5 %) and errors 60 % against 0 % on stable (limit +1 point): evidence over 1,000,000,000 : 1 after 40 requests
        71.000 s  records rollback_started: `web` at 10 %: errors 60 % (limit 5 %) and errors 60 % against 0 % on stable (limit +1 point): evidence over 1,000,000,000 : 1 after 40 requests
        71.000 s  puts in force: web [r1.d1 100 % on 2]
        71.000 s  records service_returned: web
        71.000 s  records deployment_ended: RolledBack
    "#]].assert_eq(&story.play().since(10, &["records", "waits", "ask", "in force"]));
}
