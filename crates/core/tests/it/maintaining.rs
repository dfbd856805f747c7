//! Stories of environments that are worked on.

use std::time::Duration;

use expect_test::expect;
use leadsman_core::entry::EntryRules;
use leadsman_core::time::Timestamp;
use leadsman_core::{Command, Refusal};

use crate::entering::{HOUR, guarded, release, written_by};
use crate::world::World;

/// A maintenance window from so many seconds to so many.
fn window(from: u64, until: u64) -> Command {
    Command::Freeze {
        from: Some(Timestamp::from_millis(from * 1000)),
        until: Some(Timestamp::from_millis(until * 1000)),
        maintenance: true,
        why: "new disks".to_owned(),
    }
}

fn what_happened(world: &World) -> Vec<&str> {
    let quiet = ["verdict_reached", "soak_started"];
    let told = world.timeline.lines();
    told.filter(|line| !quiet.iter().any(|kind| line.contains(kind)))
        .collect()
}

/// A world in which release 2 is on its way, and whose disks are exchanged between two moments.
fn rolling(from: u64, until: u64) -> World {
    let mut world = guarded(EntryRules::default());
    world.ship(2, &release(2, EntryRules::default()));
    world
        .ask_as("eve", &window(from, until))
        .expect("it is planned");
    world.settle();
    world.timeline.clear();
    world
}

#[test]
fn what_is_on_its_way_goes_no_further_until_the_window_ends_by_itself() {
    let mut world = rolling(30, 500);
    world.pass(29);
    assert!(world.timeline.is_empty(), "{}", world.timeline);
    world.pass(1);
    let plan = world.settle();
    let held = plan.reasons[0].sentence();
    assert_eq!(
        held,
        "it goes no further now: maintenance window 1 by eve: new disks"
    );
    assert_eq!(plan.reasons[0].until, Some(Timestamp::from_millis(500_000)));
    // Nobody lets it go on meanwhile, and a second release waits.
    for command in [Command::Resume, Command::Promote { all: true }] {
        let refused = world.ask(&command);
        assert!(
            matches!(refused, Err(Refusal::InMaintenance { .. })),
            "{refused:?}"
        );
    }
    world.timeline.clear();
    world.ship(3, &release(3, EntryRules::default()));
    world.pass(469);
    assert_eq!(
        what_happened(&world),
        ["30 s: entry_requested: release 3 waits to enter"]
    );
    world.pass(1);
    expect![[r#"
        30 s: entry_requested: release 3 waits to enter
        500 s: deployment_resumed
        500 s: step_passed web
        500 s: weight_shifted web 50 %
        500 s: entry_admitted: release 3 may enter
        500 s: rollback_started web because superseded by release 3
        500 s: deployment_queued release 3
        500 s: service_returned web
        500 s: deployment_ended Superseded { by: ReleaseNumber(3) }
        500 s: deployment_started release 3 (web)
        500 s: rollout_started web
        500 s: weight_shifted web 5 %"#]]
    .assert_eq(&what_happened(&world).join("\n"));
}

#[test]
fn the_judge_takes_back_what_fails_in_a_window() {
    let mut world = rolling(30, 5_000);
    world.pass(40);
    world.judge = Box::new(|_, _, _| Some(leadsman_analysis::Outcome::Fail));
    world.pass(40);
    assert_eq!(world.environment.deployment, None, "{}", world.timeline);
}

#[test]
fn people_may_abort_in_a_window_and_pause_for_longer_than_it() {
    let mut world = rolling(30, 500);
    world.pass(40);
    world
        .ask_as("ann", &Command::Pause)
        .expect("ann wants it to stay");
    world.pass(1_000);
    assert_eq!(world.settle().reasons[0].sentence(), "paused by ann");
    world
        .ask_as("ann", &Command::Resume)
        .expect("the window is over");
    let mut world = rolling(30, 500);
    world.pass(40);
    world
        .ask_as("ann", &Command::Abort)
        .expect("the way back is free");
    world.settle();
    assert_eq!(world.environment.deployment, None);
}

#[test]
fn time_in_a_window_is_not_counted_as_impatience() {
    let mut world = rolling(30, 4_000);
    world.judge = Box::new(|_, _, _| Some(leadsman_analysis::Outcome::Inconclusive));
    world.pass(4_000);
    let step = |world: &World| {
        let deployment = world.environment.deployment.as_ref();
        deployment.and_then(|it| it.rollouts.values().next().map(|it| it.paused))
    };
    assert_eq!(step(&world), Some(Duration::from_secs(3_970)));
}

#[test]
fn one_release_may_go_on_in_a_window_all_the_same() {
    let mut world = rolling(30, 5_000);
    world.pass(40);
    let except = Command::Except {
        freeze: None,
        release: leadsman_core::id::ReleaseNumber(2),
        why: "it is the driver of the disks".to_owned(),
    };
    world.ask_as("eve", &except).expect("there is one window");
    world.pass(3_000);
    assert_eq!(
        world.environment.deployment, None,
        "it has settled: {}",
        world.timeline
    );
    assert_eq!(
        world.environment.serving(),
        Some(leadsman_core::id::ReleaseNumber(2))
    );
}

#[test]
fn the_project_file_names_windows_of_the_week() {
    // Monday, the 2nd of November 2026, 00:00 in Berlin, where it is winter.
    const MONDAY: u64 = 1_793_574_000;
    let mut rules = EntryRules {
        maintenance: vec!["Mon 02:00-04:00".parse().expect("a window")],
        ..EntryRules::default()
    };
    rules.calendar.time_zone = "Europe/Berlin".to_owned();
    let mut world = guarded(rules.clone());
    world.now = Timestamp::from_millis(MONDAY * 1000);
    world
        .ask_as("ann", &written_by(2, &release(2, rules.clone()), &[]))
        .expect("it enters: no window is on");
    let plan = world.settle();
    assert!(world.environment.deployment.is_some());
    let begins = Timestamp::from_millis((MONDAY + 2 * HOUR) * 1000);
    assert!(
        plan.wake_at.is_some_and(|at| at <= begins),
        "{:?}",
        plan.wake_at
    );
    world.now = begins;
    world
        .ask_as("ann", &written_by(3, &release(3, rules), &[]))
        .expect("it waits");
    let reasons = world.settle().reasons;
    let said: Vec<String> = reasons.iter().map(|reason| reason.sentence()).collect();
    let ends = "the maintenance window ends on Monday 2026-11-02 04:00 CET";
    assert_eq!(
        said.last(),
        Some(&format!("release 3 waits to enter: {ends}"))
    );
    assert_eq!(
        said.first(),
        Some(&format!("it goes no further now: {ends}"))
    );
}

#[test]
fn a_window_has_an_end() {
    let mut world = guarded(EntryRules::default());
    let endless = Command::Freeze {
        from: None,
        until: None,
        maintenance: true,
        why: "new disks".to_owned(),
    };
    assert_eq!(world.ask_as("eve", &endless), Err(Refusal::NoEnd));
}
