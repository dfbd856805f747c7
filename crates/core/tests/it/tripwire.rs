//! What the data plane watches for and cuts off by itself, and what follows from it.

use std::time::Duration;

use expect_test::expect;
use leadsman_analysis::Outcome;
use leadsman_core::route::{Routes, Tripwire, Watch};
use leadsman_core::spec::{BaselineKind, Strategy};
use leadsman_core::weight::Weight;
use leadsman_core::{Command, Observed, plan};

use crate::world::{World, blue_green, canary, content, name, rolling, service};

/// A world in which release 1 of `web` serves and release 2 comes in, with its first weight in
/// force.
fn coming_in(strategy: &Strategy) -> World {
    let mut world = World::new();
    world.judge = Box::new(|_, _, _| Some(Outcome::Inconclusive));
    for version in [1, 2] {
        let service = service(version, 4, strategy);
        world.ship(version, &content(&[("web", service)], false));
        world.settle();
    }
    world.timeline.clear();
    world
}

fn routes(world: &mut World) -> Routes {
    let observed = world.observed();
    let plan = plan(&world.environment, &observed, world.now);
    plan.routes.expect("something is deployed")
}

fn watch(world: &mut World) -> Watch {
    routes(world).watches[&name("web")].clone()
}

#[test]
fn what_is_cut_off_goes_back_at_once_with_the_numbers() {
    let mut world = coming_in(&canary(&[5, 50]));
    world.pass(7);
    world.trip(2);
    world.pass(1);
    expect![[r#"
        8 s: rollback_started web because `web` at 5 %: 3 of 3 answers failed
        8 s: service_returned web
        8 s: deployment_ended RolledBack
    "#]]
    .assert_eq(&world.timeline);
    assert_eq!(world.share("web", 1), Weight::ALL);
    let acknowledged = world.acknowledged.as_ref().expect("it has acknowledged");
    assert_eq!(acknowledged.tripped.len(), 0);
}

#[test]
fn it_goes_back_also_while_it_is_paused_or_between_two_steps() {
    let mut world = coming_in(&canary(&[5, 50]));
    world.ask(&Command::Pause).expect("it moves");
    world.trip(2);
    world.pass(1);
    assert!(
        world.timeline.contains("rollback_started"),
        "{}",
        world.timeline
    );

    let mut world = coming_in(&canary(&[5, 50]));
    // The next step's instances never come.
    world
        .never_ready
        .insert(leadsman_core::id::ReleaseNumber(2));
    world.judge = Box::new(|_, _, _| Some(Outcome::Pass));
    world.pass(61);
    assert!(
        world.timeline.ends_with("step_passed web\n"),
        "{}",
        world.timeline
    );
    world.trip(2);
    world.pass(1);
    assert!(world.timeline.contains("3 of 3"), "{}", world.timeline);
}

#[test]
fn a_cut_that_cannot_be_recorded_yet_is_what_is_asked_for() {
    let mut world = coming_in(&canary(&[5, 50]));
    world.trip(2);
    let routes = routes(&mut world);
    let acknowledged = world.acknowledged.as_ref().expect("it has acknowledged");
    assert_eq!(routes.weights(), acknowledged.weights);
    assert_eq!(world.share("web", 2), Weight::NONE);
    // Its side stays, or the data plane would forget it.
    assert_eq!(routes.services[&name("web")].len(), 2);
}

#[test]
fn a_first_release_is_never_cut_off() {
    let mut world = World::new();
    world.ship(1, &content(&[("web", service(1, 1, &canary(&[5])))], false));
    world.settle();
    assert_eq!(watch(&mut world).tripwire, None);
}

#[test]
fn a_tripwire_is_there_while_both_sides_can_take_all_requests() {
    for (strategy, weight, armed) in [
        (canary(&[5, 50]), 5, true),
        (
            Strategy {
                steps: canary(&[20, 100]).steps,
                ..blue_green()
            },
            20,
            true,
        ),
        (rolling(4), 25, false),
    ] {
        let strategy = Strategy {
            steps: strategy
                .steps
                .into_iter()
                .map(|step| leadsman_core::spec::Step {
                    soak: Some(Duration::from_secs(60)),
                    ..step
                })
                .collect(),
            ..strategy
        };
        let mut world = coming_in(&strategy);
        assert_eq!(world.share("web", 2), Weight::percent(weight));
        let Some(Tripwire {
            canary,
            baseline,
            limit,
            alpha,
        }) = watch(&mut world).tripwire
        else {
            assert!(!armed, "{strategy:?}");
            continue;
        };
        assert!(armed, "{strategy:?}");
        assert_eq!((canary.release.0, baseline.release.0), (2, 1));
        assert_eq!((limit, alpha), (0.05, 0.001));
    }
}

#[test]
fn a_fresh_baseline_is_compared_with_and_never_what_requests_go_to() {
    let strategy = Strategy {
        baseline: BaselineKind::Fresh,
        ..canary(&[50])
    };
    let mut world = coming_in(&strategy);
    let tripwire = watch(&mut world)
        .tripwire
        .expect("both sides have requests");
    let (canary, baseline) = (tripwire.canary, tripwire.baseline);
    assert_eq!((canary.release.0, canary.deployment.0), (2, 2));
    assert_eq!((baseline.release.0, baseline.deployment.0), (1, 2));
    world.trip(2);
    let routes = routes(&mut world);
    let sides = &routes.services[&name("web")];
    let weights = sides
        .iter()
        .map(|side| (side.revision.deployment.0, side.weight));
    let half = Weight::percent(50);
    let wanted = [(1, half), (2, half), (2, Weight::NONE)];
    assert_eq!(weights.collect::<Vec<_>>(), wanted);
}

#[test]
fn both_sides_are_held_to_the_limits_of_what_comes_in() {
    let strategy = canary(&[5]);
    let mut world = World::new();
    let second = Duration::from_secs(1);
    let mut told = Vec::new();
    for (version, p95, p99) in [
        (1, None, Some(3 * second)),
        (2, Some(second), Some(20 * second)),
    ] {
        let mut service = service(version, 1, &strategy);
        (service.spec.limits.p95, service.spec.limits.p99) = (p95, p99);
        world.ship(version, &content(&[("web", service)], false));
        world.settle();
        let Watch { over, late, .. } = watch(&mut world);
        told.push((over, late));
    }
    assert_eq!(
        told,
        [
            ([None, Some(3 * second)], 10 * second),
            ([Some(second), Some(20 * second)], 20 * second)
        ]
    );
}

#[test]
fn a_service_without_limits_on_errors_has_no_tripwire() {
    let strategy = canary(&[5]);
    let mut world = World::new();
    for version in [1, 2] {
        let mut service = service(version, 1, &strategy);
        service.spec.limits.errors = None;
        service.spec.limits.against_stable.errors = None;
        world.ship(version, &content(&[("web", service)], false));
        world.settle();
    }
    assert_eq!(world.share("web", 2), Weight::percent(5));
    assert_eq!(watch(&mut world).tripwire, None);
}

#[test]
fn a_data_plane_that_does_not_answer_has_cut_off_nothing() {
    let mut world = coming_in(&canary(&[5]));
    world.trip(2);
    let mut observed: Observed = world.observed();
    observed.routes = None;
    assert_eq!(plan(&world.environment, &observed, world.now).facts, []);
}
