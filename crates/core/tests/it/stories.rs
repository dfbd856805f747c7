//! Stories: given a world, when something happens, then this is what was recorded and why.

use expect_test::expect;
use leadsman_analysis::{Evidence, Outcome};
use leadsman_core::id::ReleaseNumber;
use leadsman_core::spec::{OnInconclusive, Strategy};
use leadsman_core::time::Timestamp;
use leadsman_core::weight::Weight;
use leadsman_core::{Cause, Command, Event, Passed, Phase, Refusal, Scope, Standing};

use crate::world::{World, blue_green, canary, content, name, rolling, service, shipping};

/// A world in which release 1 of `web` serves.
fn serving(instances: u16, strategy: &Strategy) -> World {
    let mut world = World::new();
    world.ship(
        1,
        &content(&[("web", service(1, instances, strategy))], false),
    );
    world.settle();
    world.timeline.clear();
    world
}

#[test]
fn a_first_release_takes_all_traffic_as_soon_as_it_is_ready() {
    let mut world = World::new();
    world.ship(
        1,
        &content(&[("web", service(1, 2, &canary(&[5, 50])))], false),
    );
    world.settle();
    expect![[r#"
        0 s: deployment_started release 1 (web)
        0 s: rollout_started web
        0 s: weight_shifted web 100 %
        0 s: service_promoted web
        0 s: deployment_promoted
        0 s: deployment_ended Settled
    "#]]
    .assert_eq(&world.timeline);
    assert_eq!(world.share("web", 1), Weight::ALL);
    assert_eq!(world.environment.serving(), Some(ReleaseNumber(1)));
}

#[test]
fn what_is_rolled_back_does_not_come_in_again_because_it_was_shipped_once_more_meanwhile() {
    let strategy = canary(&[5, 50]);
    let mut world = serving(2, &strategy);
    let second = content(&[("web", service(2, 2, &strategy))], false);
    world.ship(2, &second);
    world.settle();
    world.ask(&Command::Abort).unwrap();
    // It goes back, and is to come again.
    world.ask(&shipping(2, &second)).unwrap();
    assert!(world.environment.queued.is_some());
    // As where its migration has yet to end, and somebody says that it is to be rolled back.
    let back = Event::RollbackStarted {
        services: std::collections::BTreeSet::new(),
        cause: Cause::RolledBack {
            by: "ben".to_owned(),
        },
    };
    let at = Timestamp::default();
    world.environment = leadsman_core::evolve(world.environment.clone(), at, &back);
    assert!(world.environment.queued.is_none());
    world.settle();
    assert!(world.environment.deployment.is_none());
    assert!(matches!(
        world.environment.releases[&ReleaseNumber(2)].standing,
        Standing::Rejected { .. }
    ));
    assert_eq!(world.environment.serving(), Some(ReleaseNumber(1)));
    // What the judge says is not what a decision rests on; everything else is.
    let version = world.environment.version;
    assert_eq!(world.environment.still(version), Ok(()));
    assert!(matches!(
        world.environment.still(version - 1),
        Err(Refusal::SeenBefore { .. })
    ));
}

#[test]
fn a_good_canary_goes_step_by_step() {
    let strategy = canary(&[5, 25, 50, 100]);
    let mut world = serving(4, &strategy);
    world.ship(2, &content(&[("web", service(2, 4, &strategy))], false));
    world.settle();
    assert_eq!(
        (world.share("web", 2), world.running(2)),
        (Weight::percent(5), 1)
    );
    world.pass(600);
    expect![[r#"
        0 s: deployment_started release 2 (web)
        0 s: rollout_started web
        0 s: weight_shifted web 5 %
        0 s: soak_started web
        0 s: verdict_reached web Pass
        60 s: step_passed web
        60 s: weight_shifted web 25 %
        60 s: soak_started web
        60 s: verdict_reached web Pass
        120 s: step_passed web
        120 s: weight_shifted web 50 %
        120 s: soak_started web
        120 s: verdict_reached web Pass
        180 s: step_passed web
        180 s: weight_shifted web 100 %
        180 s: soak_started web
        180 s: verdict_reached web Pass
        240 s: service_promoted web
        240 s: deployment_promoted
        540 s: deployment_ended Settled
    "#]]
    .assert_eq(&world.timeline);
    assert_eq!((world.running(1), world.running(2)), (0, 4));
}

#[test]
fn a_bad_canary_comes_back_at_once_and_stays_rejected() {
    let strategy = canary(&[5, 50]);
    let mut world = serving(2, &strategy);
    world.judge = Box::new(|_, _, held| {
        Some(if held.as_secs() < 7 {
            Outcome::Inconclusive
        } else {
            Outcome::Fail
        })
    });
    let bad = content(&[("web", service(2, 2, &strategy))], false);
    world.ship(2, &bad);
    world.pass(10);
    let again = shipping(2, &bad);
    assert!(matches!(world.ask(&again), Err(Refusal::Rejected { .. })));
    world
        .ask(&Command::Retry)
        .expect("an explicit act brings it in again");
    world.settle();
    expect![[r#"
        0 s: deployment_started release 2 (web)
        1 s: rollout_started web
        1 s: weight_shifted web 5 %
        1 s: soak_started web
        1 s: verdict_reached web Inconclusive
        8 s: verdict_reached web Fail
        8 s: rollback_started web because `web` at 5 %: Fail after 500 requests
        8 s: service_returned web
        8 s: deployment_ended RolledBack
        10 s: refused[R004]: release 2 was rejected: `web` at 5 %: Fail after 500 requests
        10 s: deployment_started release 2 (web)
        10 s: rollout_started web
        10 s: weight_shifted web 5 %
        10 s: soak_started web
        10 s: verdict_reached web Inconclusive
    "#]]
    .assert_eq(&world.timeline);
}

#[test]
fn no_data_holds_until_a_person_promotes() {
    let strategy = canary(&[5]);
    let mut world = serving(1, &strategy);
    world.judge = Box::new(|_, _, _| Some(Outcome::NoData));
    world.ship(2, &content(&[("web", service(2, 1, &strategy))], false));
    world.pass(100_000);
    assert_eq!(world.share("web", 2), Weight::percent(5));
    let reasons = world.settle().reasons;
    expect![
        "`web` stays at 5 % until the judge is sure or somebody says `leadsman promote`: NoData after 0 requests"
    ]
    .assert_eq(&reasons[0].sentence());
    world
        .ask(&Command::Promote { all: false })
        .expect("a person may");
    world.pass(400);
    expect![[r#"
        0 s: deployment_started release 2 (web)
        1 s: rollout_started web
        1 s: weight_shifted web 5 %
        1 s: soak_started web
        1 s: verdict_reached web NoData
        100000 s: step_passed web
        100001 s: weight_shifted web 100 %
        100001 s: service_promoted web
        100001 s: deployment_promoted
        100301 s: deployment_ended Settled
    "#]]
    .assert_eq(&world.timeline);
}

#[test]
fn a_release_that_is_never_ready_gets_no_request() {
    let strategy = canary(&[5]);
    let mut world = serving(1, &strategy);
    world.never_ready.insert(ReleaseNumber(2));
    world.ship(2, &content(&[("web", service(2, 1, &strategy))], false));
    world.pass(70);
    assert_eq!(world.share("web", 1), Weight::ALL);
    expect![[r#"
        0 s: deployment_started release 2 (web)
        1 s: rollout_started web
        61 s: rollback_started web because `web` did not become ready: not within 1 min: GET /health: connection refused
        61 s: service_returned web
        61 s: deployment_ended RolledBack
    "#]].assert_eq(&world.timeline);
}

#[test]
fn a_rollback_after_promotion_is_one_switch() {
    let mut world = serving(3, &blue_green());
    world.ship(2, &content(&[("web", service(2, 3, &blue_green()))], false));
    world.pass(10);
    assert_eq!((world.share("web", 2), world.running(1)), (Weight::ALL, 3));
    let back = Command::Rollback {
        to: None,
        scope: Scope::All,
        migrate_back: false,
    };
    world.ask(&back).expect("the previous revision is warm");
    world.settle();
    assert_eq!(world.share("web", 1), Weight::ALL);
    expect![[r#"
        0 s: deployment_started release 2 (web)
        1 s: rollout_started web
        1 s: weight_shifted web 100 %
        1 s: service_promoted web
        1 s: deployment_promoted
        10 s: rollback_started web because rolled back by ann
        10 s: service_returned web
        10 s: deployment_ended RolledBack
    "#]]
    .assert_eq(&world.timeline);
}

#[test]
fn a_rollback_after_settling_starts_the_earlier_release_again() {
    let mut world = serving(1, &canary(&[5]));
    world.ship(2, &content(&[("web", service(2, 1, &canary(&[5])))], false));
    world.pass(500);
    assert_eq!(world.running(1), 0);
    let back = Command::Rollback {
        to: Some(ReleaseNumber(1)),
        scope: Scope::All,
        migrate_back: false,
    };
    world.ask(&back).expect("release 1 was promoted");
    world.pass(2);
    assert_eq!((world.share("web", 1), world.running(2)), (Weight::ALL, 0));
    let standing = &world.environment.releases[&ReleaseNumber(2)].standing;
    assert!(matches!(standing, Standing::Rejected { .. }));
    assert_eq!(world.environment.serving(), Some(ReleaseNumber(1)));
}

#[test]
fn services_move_in_order_and_come_back_together() {
    let strategy = canary(&[50]);
    let release = |version| {
        let services = [
            ("api", service(version, 1, &strategy)),
            ("web", service(version, 1, &strategy)),
        ];
        content(&services, true)
    };
    let mut world = World::new();
    world.ship(1, &release(1));
    world.settle();
    world.timeline.clear();
    world.judge = Box::new(|service, _, held| {
        let bad = service.as_str() == "web" && held.as_secs() >= 5;
        Some(if bad { Outcome::Fail } else { Outcome::Pass })
    });
    world.ship(2, &release(2));
    world.pass(120);
    assert_eq!(
        (world.share("api", 1), world.share("web", 1)),
        (Weight::ALL, Weight::ALL)
    );
    expect![[r#"
        0 s: deployment_started release 2 (api, web)
        1 s: rollout_started api
        1 s: weight_shifted api 50 %
        1 s: soak_started api
        1 s: verdict_reached api Pass
        61 s: step_passed api
        61 s: weight_shifted api 100 %
        61 s: service_promoted api
        61 s: rollout_started web
        61 s: weight_shifted web 50 %
        61 s: soak_started web
        61 s: verdict_reached web Pass
        66 s: verdict_reached web Fail
        66 s: rollback_started api, web because `web` at 50 %: Fail after 500 requests
        66 s: service_returned api
        66 s: service_returned web
        66 s: deployment_ended RolledBack
    "#]]
    .assert_eq(&world.timeline);
}

#[test]
fn one_service_goes_back_and_the_rest_stays() {
    let release = |version| {
        let services = [
            ("api", service(version, 1, &blue_green())),
            ("web", service(version, 1, &blue_green())),
        ];
        content(&services, false)
    };
    let mut world = World::new();
    world.ship(1, &release(1));
    world.settle();
    world.ship(2, &release(2));
    world.pass(3);
    let one = Command::Rollback {
        to: None,
        scope: Scope::Service(name("api")),
        migrate_back: false,
    };
    world.ask(&one).expect("it is warm");
    world.pass(3);
    assert_eq!(
        (world.share("api", 1), world.share("web", 2)),
        (Weight::ALL, Weight::ALL)
    );
    world.pass(400);
    assert!(world.environment.deployment.is_none());
    assert_eq!(
        (world.share("api", 1), world.share("web", 2)),
        (Weight::ALL, Weight::ALL)
    );
}

#[test]
fn a_newer_release_supersedes_in_one_defined_way() {
    let strategy = canary(&[5, 50]);
    let mut world = serving(2, &strategy);
    world.ship(2, &content(&[("web", service(2, 2, &strategy))], false));
    world.pass(10);
    world.ship(3, &content(&[("web", service(3, 2, &strategy))], false));
    world.settle();
    assert_eq!(world.share("web", 3), Weight::percent(5));
    assert_eq!(world.share("web", 2), Weight::NONE);
    expect![[r#"
        0 s: deployment_started release 2 (web)
        1 s: rollout_started web
        1 s: weight_shifted web 5 %
        1 s: soak_started web
        1 s: verdict_reached web Pass
        10 s: rollback_started web because superseded by release 3
        10 s: deployment_queued release 3
        10 s: service_returned web
        10 s: deployment_ended Superseded { by: ReleaseNumber(3) }
        10 s: deployment_started release 3 (web)
        10 s: rollout_started web
        10 s: weight_shifted web 5 %
        10 s: soak_started web
        10 s: verdict_reached web Pass
    "#]]
    .assert_eq(&world.timeline);
}

#[test]
fn a_rolling_update_never_has_less_than_it_needs_and_goes_back_as_fast_as_it_grows() {
    let strategy = rolling(3);
    let mut world = serving(3, &strategy);
    world.ship(2, &content(&[("web", service(2, 3, &strategy))], false));
    world.settle();
    assert_eq!((world.running(1), world.running(2)), (0, 3));
    expect![[r#"
        0 s: deployment_started release 2 (web)
        0 s: rollout_started web
        0 s: weight_shifted web 33.33 %
        0 s: step_passed web
        0 s: weight_shifted web 66.66 %
        0 s: step_passed web
        0 s: weight_shifted web 100 %
        0 s: service_promoted web
        0 s: deployment_promoted
        0 s: deployment_ended Settled
    "#]]
    .assert_eq(&world.timeline);
}

#[test]
fn a_pause_holds_but_does_not_blind() {
    let strategy = canary(&[5, 50]);
    let mut world = serving(1, &strategy);
    world.ship(2, &content(&[("web", service(2, 1, &strategy))], false));
    world.pass(5);
    world.ask(&Command::Pause).expect("it moves");
    assert!(matches!(
        world.ask(&Command::Pause),
        Err(Refusal::AlreadyPaused { .. })
    ));
    world.pass(1000);
    assert_eq!(world.share("web", 2), Weight::percent(5));
    world.judge = Box::new(|_, _, _| Some(Outcome::Fail));
    world.pass(1);
    assert_eq!(world.share("web", 2), Weight::NONE);
}

#[test]
fn leaving_out_steps_takes_nothing_from_what_serves() {
    let mut world = serving(4, &rolling(4));
    world.never_ready.insert(ReleaseNumber(2));
    world.ship(2, &content(&[("web", service(2, 4, &rolling(4)))], false));
    world.settle();
    world
        .ask(&Command::Promote { all: true })
        .expect("a person may");
    world.pass(30);
    // Not one of the new instances is ready: all of the old ones are still needed.
    assert_eq!((world.running(1), world.share("web", 2)), (4, Weight::NONE));
    world.pass(60);
    assert_eq!(
        (world.running(1), world.running(2)),
        (4, 0),
        "{}",
        world.timeline
    );
    assert_eq!(world.environment.serving(), Some(ReleaseNumber(1)));
}

/// A world in which release 2 shall go back to release 1, which does not start any more.
fn on_a_blocked_way_back() -> World {
    let mut world = serving(1, &blue_green());
    world.ship(2, &content(&[("web", service(2, 1, &blue_green()))], false));
    world.pass(5);
    // The previous instance dies and does not come back.
    for seen in world
        .instances
        .values_mut()
        .filter(|s| s.revision.release == ReleaseNumber(1))
    {
        seen.ready_since = None;
        seen.state = leadsman_core::workload::InstanceState::Broken;
    }
    let back = Command::Rollback {
        to: None,
        scope: Scope::All,
        migrate_back: false,
    };
    world.ask(&back).expect("it is asked for");
    world
}

#[test]
fn a_way_back_that_is_blocked_freezes_and_keeps_what_serves() {
    let mut world = on_a_blocked_way_back();
    world.pass(120);
    assert_eq!(world.share("web", 2), Weight::ALL);
    let reasons = world.settle().reasons;
    expect!["frozen, a person must decide: 0 of 1 instances of `web` of release 1 are ready to take over again"].assert_eq(&reasons[0].sentence());
    // A fix can always be shipped.
    world.ship(3, &content(&[("web", service(3, 1, &blue_green()))], false));
    world.pass(5);
    assert_eq!(world.share("web", 3), Weight::ALL);
    expect![[r#"
        0 s: deployment_started release 2 (web)
        1 s: rollout_started web
        1 s: weight_shifted web 100 %
        1 s: service_promoted web
        1 s: deployment_promoted
        5 s: rollback_started web because rolled back by ann
        95 s: deployment_frozen 0 of 1 instances of `web` of release 1 are ready to take over again
        125 s: deployment_ended Superseded { by: ReleaseNumber(3) }
        125 s: deployment_started release 3 (web)
        126 s: rollout_started web
        126 s: weight_shifted web 100 %
        126 s: service_promoted web
        126 s: deployment_promoted
    "#]]
    .assert_eq(&world.timeline);
}

#[test]
fn what_waits_for_a_blocked_way_back_comes_in_when_that_is_given_up() {
    let mut world = on_a_blocked_way_back();
    world.ship(3, &content(&[("web", service(3, 1, &blue_green()))], false));
    world.pass(120);
    assert!(world.environment.queued.is_some(), "{}", world.timeline);
    world.ask(&Command::Abort).expect("a person may");
    world.pass(5);
    assert_eq!(world.share("web", 3), Weight::ALL, "{}", world.timeline);
    assert_eq!(world.environment.queued, None);
}

#[test]
fn an_edit_of_numbers_alone_restarts_nothing() {
    let mut world = serving(1, &canary(&[5]));
    let mut more = service(1, 3, &blue_green());
    more.spec.limits.errors = Some(0.01);
    world.ship(2, &content(&[("web", more)], false));
    world.settle();
    assert_eq!((world.running(1), world.running(2)), (3, 0));
    assert_eq!(world.environment.serving(), Some(ReleaseNumber(2)));
}

#[test]
fn the_same_release_twice_is_refused_and_harms_nothing() {
    let strategy = canary(&[5]);
    let mut world = serving(1, &strategy);
    let same = content(&[("web", service(1, 1, &strategy))], false);
    let again = shipping(1, &same);
    assert_eq!(
        world.ask(&again),
        Err(Refusal::AlreadyServes(ReleaseNumber(1)))
    );
    let next = content(&[("web", service(2, 1, &strategy))], false);
    world.ship(2, &next);
    let again = shipping(2, &next);
    assert_eq!(
        world.ask(&again),
        Err(Refusal::AlreadyOnItsWay(ReleaseNumber(2)))
    );
}

#[test]
fn a_clock_that_jumps_back_makes_a_soak_longer_never_shorter() {
    let strategy = canary(&[5]);
    let mut world = serving(1, &strategy);
    world.pass(100);
    world.ship(2, &content(&[("web", service(2, 1, &strategy))], false));
    world.settle();
    world.now = leadsman_core::time::Timestamp::from_millis(1000);
    world.pass(60);
    assert_eq!(world.share("web", 2), Weight::percent(5));
    world.pass(100);
    assert_eq!(world.share("web", 2), Weight::ALL);
}

/// A world in which a canary of `on_inconclusive: advance` stays inconclusive, on this evidence.
fn undecided(log_e: f64, warn: bool) -> World {
    let strategy = Strategy {
        on_inconclusive: OnInconclusive::Advance,
        ..canary(&[5])
    };
    let mut world = serving(1, &strategy);
    world.judge = Box::new(|_, _, _| Some(Outcome::Inconclusive));
    world.evidence = Some(Evidence {
        log_e,
        log_e_strict: log_e,
        log_e_alone: None,
        warn,
        fails_in: None,
        passes_in: Some(90.0),
    });
    world.ship(2, &content(&[("web", service(2, 1, &strategy))], false));
    world
}

#[test]
fn a_step_that_proves_nothing_advances_where_the_strategy_says_so() {
    let mut world = undecided(0.0, false);
    world.pass(100);
    let reasons = world.settle().reasons;
    expect!["`web` stays at 5 % until the judge is sure or somebody says `leadsman promote`: Inconclusive after 500 requests; if nothing speaks against it, it goes on in 9 min 21 s without proof"].assert_eq(&reasons[0].sentence());
    world.pass(600);
    assert_eq!(world.share("web", 2), Weight::ALL);
    let unproven = world.events.iter().find_map(|(_, event)| match event {
        Event::StepPassed { passed, .. } => Some(passed),
        _ => None,
    });
    assert!(
        matches!(unproven, Some(Passed::Unproven { verdict }) if verdict.requests == 500),
        "{unproven:?}"
    );
    expect![[r#"
        0 s: deployment_started release 2 (web)
        1 s: rollout_started web
        1 s: weight_shifted web 5 %
        1 s: soak_started web
        1 s: verdict_reached web Inconclusive
        661 s: step_passed web without proof: Inconclusive after 500 requests
        661 s: weight_shifted web 100 %
        661 s: service_promoted web
        661 s: deployment_promoted
    "#]]
    .assert_eq(&world.timeline);
}

#[test]
fn what_speaks_against_a_step_or_is_not_known_keeps_it_from_advancing() {
    // Half of what it takes to fail at the default risk of 0.8 % is 2.41.
    for (log_e, warn, goes_on) in [
        (2.4, false, true),
        (2.42, false, false),
        (f64::NAN, false, false),
        (-3.0, true, false),
    ] {
        let mut world = undecided(log_e, warn);
        world.pass(10_000);
        let gone = world.share("web", 2) == Weight::ALL;
        assert_eq!(gone, goes_on, "{log_e} {warn}");
    }
    let mut world = undecided(0.0, false);
    world.evidence = None;
    world.pass(10_000);
    assert_eq!(world.share("web", 2), Weight::percent(5), "unknown");
    for outcome in [Outcome::NoData, Outcome::SourceError] {
        let mut world = undecided(0.0, false);
        world.judge = Box::new(move |_, _, _| Some(outcome));
        world.pass(10_000);
        assert_eq!(world.share("web", 2), Weight::percent(5), "{outcome:?}");
        let reasons = world.settle().reasons;
        assert!(!reasons[0].sentence().contains("goes on in"), "{outcome:?}");
    }
    let mut world = undecided(0.0, false);
    world.pass(5);
    world.ask(&Command::Pause).expect("it moves");
    world.pass(10_000);
    assert_eq!(world.share("web", 2), Weight::percent(5), "paused");
}

#[test]
fn a_first_release_that_was_taken_back_leaves_routes_without_a_side() {
    let mut world = World::new();
    let content = content(&[("web", service(1, 1, &canary(&[5])))], false);
    world.never_ready.insert(ReleaseNumber(1));
    world.ship(1, &content);
    world.settle();
    world.ask(&Command::Abort).expect("it is on its way");
    let plan = world.settle();
    assert_eq!(world.environment.deployment, None);
    // Whatever the data plane was told before, it is told that nobody answers any more.
    let routes = plan.routes.expect("the data plane has to be told");
    assert!(routes.services.values().all(Vec::is_empty), "{routes:?}");
}

#[test]
fn the_way_back_is_kept_while_nothing_is_heard_of_the_data_plane() {
    let strategy = canary(&[5]);
    let mut world = serving(1, &strategy);
    world.ship(2, &content(&[("web", service(2, 1, &strategy))], false));
    world.pass(130);
    assert!(matches!(
        world
            .environment
            .deployment
            .as_ref()
            .expect("it settles")
            .phase,
        Phase::Settling { .. }
    ));
    world.data_plane = false;
    world.pass(3_600);
    assert!(world.environment.deployment.is_some(), "{}", world.timeline);
    assert_eq!(world.running(1), 1, "the way back is there");
    world.data_plane = true;
    world.pass(1);
    assert_eq!(world.environment.deployment, None, "{}", world.timeline);
}
