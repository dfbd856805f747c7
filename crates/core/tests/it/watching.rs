//! Whatever a rollout waits for, from its first request on it is watched: a failing verdict takes
//! the release back.

use leadsman_analysis::Outcome;
use leadsman_core::id::ReleaseNumber;
use leadsman_core::weight::Weight;
use leadsman_core::{Command, End, Event, Phase, Rollout, Stage};

use crate::world::{World, blue_green, canary, content, name, service};

/// A world in which release 2 of `web`, of four instances, comes in by these steps.
fn coming_in(percents: &[u16]) -> World {
    let strategy = canary(percents);
    let release = |version| content(&[("web", service(version, 4, &strategy))], false);
    let mut world = World::new();
    world.ship(1, &release(1));
    world.settle();
    world.ship(2, &release(2));
    world
}

fn rollout<'a>(world: &'a World, service: &str) -> &'a Rollout {
    let deployment = world.environment.deployment.as_ref();
    &deployment.expect("it is on its way").rollouts[&name(service)]
}

/// From here on the judge says that the release fails; it must go back because of that.
fn fails(mut world: World) -> World {
    world.judge = Box::new(|_, _, _| Some(Outcome::Fail));
    world.settle();
    let cause = world.events.iter().find_map(|(_, event)| match event {
        Event::RollbackStarted { cause, .. } => Some(cause.to_string()),
        _ => None,
    });
    let cause = cause.expect("it goes back");
    assert!(cause.contains("Fail after 500 requests"), "{cause}");
    world.data_plane = true;
    world.settle();
    let ended = world.environment.last_end.as_ref().expect("it is over");
    assert_eq!(ended.end, End::RolledBack, "{}", world.timeline);
    for service in world.environment.stable.keys() {
        assert_eq!(world.share(service.as_str(), 1), Weight::ALL);
    }
    world
}

#[test]
fn while_it_soaks() {
    let mut world = coming_in(&[5]);
    world.pass(5);
    assert!(matches!(
        rollout(&world, "web").stage,
        Stage::Soaking { .. }
    ));
    fails(world);
}

#[test]
fn while_the_next_step_is_prepared() {
    let mut world = coming_in(&[25, 50]);
    world.settle();
    world.never_ready.insert(ReleaseNumber(2));
    world.pass(65);
    let stage = rollout(&world, "web").stage;
    assert!(
        matches!(stage, Stage::Preparing { step: 1, .. }),
        "{stage:?}"
    );
    fails(world);
}

#[test]
fn while_the_data_plane_has_yet_to_acknowledge_a_weight() {
    let mut world = coming_in(&[25, 50]);
    world.pass(59);
    world.data_plane = false;
    world.pass(5);
    let stage = rollout(&world, "web").stage;
    assert!(
        matches!(stage, Stage::Shifting { step: 1, .. }),
        "{stage:?}"
    );
    fails(world);
}

#[test]
fn while_it_is_paused() {
    let mut world = coming_in(&[5, 50]);
    world.pass(5);
    world.ask(&Command::Pause).expect("it moves");
    world.pass(3600);
    fails(world);
}

#[test]
fn while_it_waits_past_its_soak() {
    let mut world = coming_in(&[5, 50]);
    world.judge = Box::new(|_, _, _| Some(Outcome::Inconclusive));
    world.pass(5_000);
    assert!(matches!(
        rollout(&world, "web").stage,
        Stage::Soaking { step: 0, .. }
    ));
    fails(world);
}

#[test]
fn while_all_requests_are_held() {
    let mut world = coming_in(&[50, 100]);
    world.pass(70);
    assert_eq!(world.share("web", 2), Weight::ALL);
    assert!(matches!(
        rollout(&world, "web").stage,
        Stage::Soaking { step: 1, .. }
    ));
    fails(world);
}

#[test]
fn while_it_is_promoted_and_others_are_on_their_way() {
    let release = |version| {
        let services = [
            ("api", service(version, 1, &blue_green())),
            ("web", service(version, 1, &canary(&[5]))),
        ];
        content(&services, true)
    };
    let mut world = World::new();
    world.ship(1, &release(1));
    world.settle();
    world.ship(2, &release(2));
    world.pass(5);
    assert!(matches!(
        rollout(&world, "api").stage,
        Stage::Promoted { .. }
    ));
    assert!(matches!(
        rollout(&world, "web").stage,
        Stage::Soaking { .. }
    ));
    world.judge = Box::new(|service, _, _| {
        let bad = service.as_str() == "api";
        Some(if bad { Outcome::Fail } else { Outcome::Pass })
    });
    world.settle();
    let shares = ["api", "web"].map(|service| world.share(service, 1));
    assert_eq!(shares, [Weight::ALL; 2], "{}", world.timeline);
}

#[test]
fn while_the_way_back_is_warm() {
    let mut world = coming_in(&[5]);
    world.pass(100);
    let deployment = world.environment.deployment.as_ref();
    let phase = &deployment.expect("it is not over").phase;
    assert!(matches!(phase, Phase::Settling { .. }), "{phase:?}");
    fails(world);
}
