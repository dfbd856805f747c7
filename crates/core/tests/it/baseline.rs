//! Stories of canaries that are compared with a fresh copy of stable.

use expect_test::expect;
use leadsman_analysis::Outcome;
use leadsman_core::id::ReleaseNumber;
use leadsman_core::spec::{BaselineKind, Strategy};
use leadsman_core::weight::Weight;
use leadsman_core::workload::InstanceState;
use leadsman_core::{Command, Scope, plan};

use crate::world::{World, canary, content, rolling, service};

/// Returns a canary of these weights that brings a fresh baseline with it.
fn beside(percents: &[u16]) -> Strategy {
    Strategy {
        baseline: BaselineKind::Fresh,
        ..canary(percents)
    }
}

/// A world in which release 1 of `web` serves and release 2 comes in beside a copy of it.
fn coming_in(instances: u16, strategy: &Strategy) -> World {
    let mut world = World::new();
    let release = |version| content(&[("web", service(version, instances, strategy))], false);
    world.ship(1, &release(1));
    world.settle();
    world.timeline.clear();
    world.ship(2, &release(2));
    world
}

/// Returns the percents of stable, of its copy and of the canary.
fn shares(world: &World) -> [u16; 3] {
    let stable = world.revision_share("web", 1, 1);
    let copy = world.revision_share("web", 1, 2);
    [stable, copy, world.share("web", 2)].map(|share| share.hundredths() / 100)
}

/// Returns how many instances there are of stable, of its copy and of the canary.
fn instances(world: &World) -> [usize; 3] {
    let count = |revision: &str| {
        let mine = |id: &&leadsman_core::id::InstanceId| id.as_str().contains(revision);
        world.instances.keys().filter(mine).count()
    };
    [count(".r1.d1."), count(".r1.d2."), count(".r2.d2.")]
}

#[test]
fn a_copy_of_stable_goes_beside_the_canary_and_is_gone_at_the_end() {
    let mut world = coming_in(4, &beside(&[5, 25, 50, 90]));
    let mut seen = Vec::new();
    for _ in 0..5 {
        world.settle();
        seen.push(format!("{:?} {:?}", shares(&world), instances(&world)));
        world.pass(60);
    }
    expect![[r#"
        [90, 5, 5] [4, 1, 1]
        [50, 25, 25] [4, 1, 1]
        [0, 50, 50] [4, 2, 2]
        [0, 10, 90] [4, 4, 4]
        [0, 0, 100] [4, 0, 4]"#]]
    .assert_eq(&seen.join("\n"));
    world.pass(400);
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
        180 s: weight_shifted web 90 %
        180 s: soak_started web
        180 s: verdict_reached web Pass
        240 s: step_passed web
        240 s: weight_shifted web 100 %
        240 s: service_promoted web
        240 s: deployment_promoted
        540 s: deployment_ended Settled
    "#]]
    .assert_eq(&world.timeline);
    assert_eq!(instances(&world), [0, 0, 4]);
}

#[test]
fn no_request_moves_before_the_copy_is_ready_too() {
    let mut world = coming_in(1, &beside(&[5]));
    world.never_ready.insert(ReleaseNumber(1));
    world.pass(5);
    assert_eq!(shares(&world), [100, 0, 0]);
    let plan = world.settle();
    expect!["0 of 1 instances of the baseline of `web` are ready: GET /health: connection refused"]
        .assert_eq(&plan.reasons[0].sentence());
    assert_eq!(
        plan.reasons[0].until.map(|until| until.as_millis()),
        Some(61_000)
    );
    let now = world.now;
    for seen in world.instances.values_mut() {
        seen.ready_since = seen.ready_since.or(Some(now));
    }
    world.settle();
    assert_eq!(shares(&world), [90, 5, 5]);
}

#[test]
fn a_copy_that_does_not_become_ready_is_given_up_and_the_release_goes_on() {
    let mut world = coming_in(1, &beside(&[5]));
    world.never_ready.insert(ReleaseNumber(1));
    world.pass(70);
    assert_eq!(shares(&world), [95, 0, 5]);
    assert_eq!(instances(&world), [1, 0, 1]);
    let reasons = world.settle().reasons;
    expect!["step 1 of 2 of `web` holds 5 % for 51 s more; it is compared with stable: its fresh baseline was not ready within 1 min: GET /health: connection refused"].assert_eq(&reasons[0].sentence());
    world.pass(600);
    assert_eq!(world.environment.serving(), Some(ReleaseNumber(2)));
    expect![[r#"
        0 s: deployment_started release 2 (web)
        1 s: rollout_started web
        61 s: baseline_given_up web: was not ready within 1 min: GET /health: connection refused
        61 s: weight_shifted web 5 %
        61 s: soak_started web
        61 s: verdict_reached web Pass
        121 s: step_passed web
        121 s: weight_shifted web 100 %
        121 s: service_promoted web
        121 s: deployment_promoted
        421 s: deployment_ended Settled
    "#]]
    .assert_eq(&world.timeline);
}

#[test]
fn a_copy_that_is_lost_on_the_way_leaves_its_share_to_stable_and_does_not_come_back() {
    let mut world = coming_in(1, &beside(&[50, 90]));
    world.pass(5);
    assert_eq!(shares(&world), [0, 50, 50]);
    let change = |world: &mut World, state, ready_since| {
        for (id, seen) in &mut world.instances {
            if id.as_str().contains(".r1.d2.") {
                (seen.state, seen.ready_since) = (state, ready_since);
                seen.detail = Some("exited with status 1".to_owned());
            }
        }
        world.settle();
    };
    change(&mut world, InstanceState::Restarting, None);
    assert_eq!(shares(&world), [50, 0, 50], "not the canary's");
    let again = world.now;
    change(&mut world, InstanceState::Running, Some(again));
    assert_eq!(shares(&world), [50, 0, 50], "it is younger than the canary");
    world.pass(500);
    expect![[r#"
        0 s: deployment_started release 2 (web)
        1 s: rollout_started web
        1 s: weight_shifted web 50 %
        1 s: soak_started web
        1 s: verdict_reached web Pass
        5 s: baseline_given_up web: stopped being ready: exited with status 1
        61 s: step_passed web
        61 s: weight_shifted web 90 %
        61 s: soak_started web
        61 s: verdict_reached web Pass
        121 s: step_passed web
        121 s: weight_shifted web 100 %
        121 s: service_promoted web
        121 s: deployment_promoted
        421 s: deployment_ended Settled
    "#]]
    .assert_eq(&world.timeline);
}

#[test]
fn one_instance_of_several_that_is_lost_changes_nothing() {
    let mut world = coming_in(4, &beside(&[50]));
    world.pass(5);
    let lost = world
        .instances
        .iter_mut()
        .find(|(id, _)| id.as_str().contains(".r1.d2."));
    let (_, seen) = lost.expect("there is a copy");
    (seen.state, seen.ready_since) = (InstanceState::Restarting, None);
    world.settle();
    assert_eq!(shares(&world), [0, 50, 50]);
}

#[test]
fn traffic_goes_back_to_stable_and_never_to_its_copy() {
    for (weight, at_first) in [(5, [90, 5, 5]), (50, [0, 50, 50]), (90, [0, 10, 90])] {
        let mut world = coming_in(2, &beside(&[weight]));
        world.pass(5);
        assert_eq!(shares(&world), at_first);
        world.judge = Box::new(|_, _, _| Some(Outcome::Fail));
        world.settle();
        assert_eq!(shares(&world), [100, 0, 0]);
        assert_eq!(instances(&world), [2, 0, 0]);
    }
}

#[test]
fn the_data_plane_compares_with_the_copy_and_cuts_off_in_favour_of_stable() {
    let mut world = coming_in(2, &beside(&[50]));
    let baseline = |world: &mut World| {
        let observed = world.observed();
        let routes = plan(&world.environment, &observed, world.now).routes;
        let watches = routes.expect("something is deployed").watches;
        let tripwire = watches.into_values().find_map(|watch| watch.tripwire);
        tripwire.expect("both sides run").baseline
    };
    world.pass(5);
    assert_eq!(baseline(&mut world).deployment.0, 2, "the copy");
    world.trip(2);
    assert_eq!(shares(&world), [50, 50, 0]);
    world.pass(1);
    assert_eq!(shares(&world), [100, 0, 0]);

    let mut world = coming_in(2, &canary(&[50]));
    world.pass(5);
    assert_eq!(baseline(&mut world).deployment.0, 1, "stable");
}

#[test]
fn while_the_way_back_is_blocked_every_side_keeps_what_it_has() {
    let mut world = coming_in(1, &beside(&[25]));
    world.pass(5);
    for (id, seen) in &mut world.instances {
        if id.as_str().contains(".r1.d1.") {
            (seen.state, seen.ready_since) = (InstanceState::Broken, None);
        }
    }
    let back = Command::Rollback {
        to: None,
        scope: Scope::All,
        migrate_back: false,
    };
    world.ask(&back).expect("it is on its way");
    world.settle();
    // Stable has no instance that could take its own half; the copy gets none of it.
    assert_eq!(shares(&world), [0, 25, 75]);
    world.pass(200);
    expect![[r#"
        0 s: deployment_started release 2 (web)
        1 s: rollout_started web
        1 s: weight_shifted web 25 %
        1 s: soak_started web
        1 s: verdict_reached web Pass
        5 s: rollback_started web because rolled back by ann
        95 s: deployment_frozen 0 of 1 instances of `web` of release 1 are ready to take over again
    "#]]
    .assert_eq(&world.timeline);
}

#[test]
fn only_a_canary_that_takes_over_from_something_has_a_copy() {
    let mut world = World::new();
    let first = content(&[("web", service(1, 2, &beside(&[5])))], false);
    world.ship(1, &first);
    world.pass(5);
    assert_eq!(world.instances.len(), 2);
    let in_turn = Strategy {
        baseline: BaselineKind::Fresh,
        ..rolling(2)
    };
    world.ship(2, &content(&[("web", service(2, 2, &in_turn))], false));
    world.settle();
    assert!(instances(&world)[1] == 0, "{:?}", instances(&world));
    world.pass(500);
    let back = Command::Rollback {
        to: Some(ReleaseNumber(1)),
        scope: Scope::All,
        migrate_back: false,
    };
    world.ask(&back).expect("release 1 was promoted");
    world.pass(5);
    assert_eq!(world.share("web", 1), Weight::ALL);
    assert_eq!(world.instances.len(), 2);
}
