//! Stories of what has to be looked at before, during and after a release.

use std::collections::BTreeSet;
use std::time::Duration;

use leadsman_core::checklist::{
    Asks, Check, Checked, Checklist, Checklists, Item, ItemState, When, underway,
};
use leadsman_core::entry::EntryRules;
use leadsman_core::id::{Digest, ReleaseNumber};
use leadsman_core::people::Role;
use leadsman_core::time::Timestamp;
use leadsman_core::{Command, Refusal, Scope};

use crate::entering::{approvals, approve, guarded, release, written_by};
use crate::world::{World, name};

const DISK: Check = Check::Memory { available: 1 };

fn command() -> Check {
    Check::Command {
        run: vec!["./check".to_owned()],
        timeout: Duration::from_secs(30),
        folder: "/srv".to_owned(),
    }
}

fn asks(asks: Asks) -> Item {
    Item {
        asks,
        within: Duration::from_secs(600),
        rollback: false,
    }
}

fn machine(check: Check) -> Item {
    asks(Asks::Check(check))
}

fn person(what: &str, by: Role) -> Item {
    asks(Asks::Confirm {
        what: what.to_owned(),
        by,
        lasts: Duration::from_secs(3_600),
    })
}

fn list(items: &[(&str, Item)]) -> Checklist {
    let items = items.iter().map(|(text, item)| (name(text), item.clone()));
    items.collect()
}

fn before(items: &[(&str, Item)]) -> EntryRules {
    with(Checklists {
        before: list(items),
        ..Checklists::default()
    })
}

fn with(checklists: Checklists) -> EntryRules {
    EntryRules {
        checklists,
        ..EntryRules::default()
    }
}

fn confirm(item: &str) -> Command {
    Command::Confirm {
        item: name(item),
        when: None,
        release: None,
        digest: None,
        roles: BTreeSet::from([Role::Operator]),
        said: "looked at it".to_owned(),
    }
}

/// The machine finds out now that `check` holds, or that it does not.
fn found(world: &mut World, check: &Check, passed: bool) {
    let said = if passed { "enough" } else { "too little" };
    let checked = Checked {
        at: world.now,
        passed,
        said: said.to_owned(),
    };
    world.checks.insert(check.clone(), checked);
}

fn states(world: &mut World, when: When) -> Vec<(String, ItemState)> {
    let observed = world.observed();
    let lists = underway(&world.environment);
    let list = lists.iter().find(|list| list.when == when);
    let items = list.map(|list| list.items(&observed, world.now));
    let items = items.unwrap_or_default();
    let states = items.iter().map(|it| (it.name.to_string(), it.state));
    states.collect()
}

fn state(world: &mut World, when: When, item: &str) -> Option<ItemState> {
    let states = states(world, when);
    let found = states.into_iter().find(|(name, _)| name == item);
    found.map(|(_, state)| state)
}

#[test]
fn a_release_gets_no_traffic_before_everything_is_done() {
    let rules = || {
        before(&[
            ("disk", machine(DISK)),
            ("told", person("Customers were told", Role::Operator)),
        ])
    };
    let mut world = guarded(rules());
    world
        .ask_as("ann", &written_by(2, &release(2, rules()), &[]))
        .expect("it is asked");
    let plan = world.settle();
    assert_eq!(
        plan.reasons[0].sentence(),
        "release 2 waits to enter: checklist: `disk`: 1B of memory, not found out yet; checklist: \
         `told` has to be confirmed by somebody who is operator: Customers were told"
    );
    // It is asked at once, and again while it does not hold.
    assert_eq!(plan.checks.get(&DISK), Some(&world.now));
    found(&mut world, &DISK, false);
    let plan = world.settle();
    assert_eq!(
        state(&mut world, When::Before, "disk"),
        Some(ItemState::Failed)
    );
    assert!(plan.checks[&DISK] > world.now);
    world.ask_as("mia", &confirm("told")).expect("mia may");
    assert_eq!(world.environment.deployment, None);
    found(&mut world, &DISK, true);
    world.settle();
    assert!(world.environment.deployment.is_some());
    let entering = ["item_answered", "entry_admitted"];
    let told: Vec<&str> = world
        .timeline
        .lines()
        .filter(|line| entering.iter().any(|kind| line.contains(kind)))
        .collect();
    assert_eq!(
        told,
        [
            "0 s: item_answered: `disk` of checklist `before` of release 2 does not hold: too little",
            "0 s: item_answered: `told` of checklist `before` of release 2 is confirmed by mia: \
             Customers were told; looked at it",
            "0 s: item_answered: `disk` of checklist `before` of release 2 holds: enough",
            "0 s: entry_admitted: release 2 may enter",
        ]
    );
}

#[test]
fn what_was_found_long_ago_is_asked_again_before_it_counts() {
    let rules = || before(&[("disk", machine(DISK)), ("run", machine(command()))]);
    let mut world = guarded(rules());
    world
        .ask_as("ann", &written_by(2, &release(2, rules()), &[]))
        .expect("it is asked");
    found(&mut world, &DISK, true);
    world.settle();
    // The command takes its time, and what was found of the disk waits for it, but not for ever.
    world.pass(40);
    assert_eq!(
        state(&mut world, When::Before, "disk"),
        Some(ItemState::Done)
    );
    world.pass(20);
    assert_eq!(
        state(&mut world, When::Before, "disk"),
        Some(ItemState::Open)
    );
    found(&mut world, &command(), true);
    let plan = world.settle();
    assert_eq!(world.environment.deployment, None, "{}", world.timeline);
    assert!(plan.checks[&DISK] <= world.now, "it is asked at once");
    found(&mut world, &DISK, true);
    world.settle();
    assert!(world.environment.deployment.is_some());
}

#[test]
fn nothing_of_a_release_runs_before_it_has_the_consent_that_it_needs() {
    let own = EntryRules {
        checklists: before(&[("run", machine(command())), ("disk", machine(DISK))]).checklists,
        ..approvals(1)
    };
    let holding = EntryRules {
        checklists: before(&[("disk", machine(DISK))]).checklists,
        ..approvals(1)
    };
    let mut world = guarded(holding);
    world
        .ask_as("ann", &written_by(2, &release(2, own), &[]))
        .expect("it is asked");
    let asked: Vec<Check> = world.settle().checks.into_keys().collect();
    assert_eq!(asked, [DISK], "what holds is asked, what it brings is not");
    world.ask_as("cy", &approve(2)).expect("cy may");
    assert_eq!(world.settle().checks.len(), 2);
}

#[test]
fn a_confirmation_needs_its_role_and_its_digest_and_runs_out() {
    let rules = || {
        before(&[
            ("told", person("Customers were told", Role::Approver)),
            ("disk", machine(DISK)),
        ])
    };
    let mut world = guarded(rules());
    world
        .ask_as("ann", &written_by(2, &release(2, rules()), &[]))
        .expect("it is asked");
    let with_roles = |roles: &[Role], digest: Option<u8>| match confirm("told") {
        Command::Confirm {
            item,
            when,
            release,
            said,
            ..
        } => Command::Confirm {
            item,
            when,
            release,
            digest: digest.map(|byte| Digest::from_bytes([byte; 32])),
            roles: roles.iter().copied().collect(),
            said,
        },
        other => other,
    };
    for (command, code) in [
        (confirm("told"), "R036"),
        (confirm("disk"), "R037"),
        (confirm("disc"), "R034"),
        (with_roles(&[], None), "R036"),
        (with_roles(&[Role::Approver], Some(9)), "R026"),
    ] {
        let refused = world
            .ask_as("mia", &command)
            .map_err(|refusal| refusal.code());
        assert_eq!(refused, Err(code), "{command:?}");
    }
    world
        .ask_as("mia", &with_roles(&[Role::Approver], Some(2)))
        .expect("it is what waits");
    assert_eq!(
        state(&mut world, When::Before, "told"),
        Some(ItemState::Done)
    );
    world.pass(3_600);
    assert_eq!(
        state(&mut world, When::Before, "told"),
        Some(ItemState::Expired)
    );
    // Of two releases that wait it has to be said which one is meant.
    world
        .ask_as("ann", &written_by(3, &release(3, rules()), &[]))
        .expect("it is asked");
    let which = world.ask_as("mia", &with_roles(&[Role::Approver], None));
    assert!(matches!(which, Err(Refusal::WhichItem { .. })), "{which:?}");
}

#[test]
fn nobody_takes_an_item_out_without_meeting_it_once_more() {
    let mut world = guarded(before(&[(
        "told",
        person("Customers were told", Role::Operator),
    )]));
    world
        .ask_as(
            "ann",
            &written_by(2, &release(2, EntryRules::default()), &[]),
        )
        .expect("it is asked");
    world.settle();
    assert_eq!(world.environment.deployment, None);
    // One that asks for something else under the same name asks for both.
    let other = before(&[("told", person("Everybody was told", Role::Operator))]);
    world
        .ask_as("ann", &written_by(3, &release(3, other), &[]))
        .expect("it is asked");
    world.settle();
    let lists = underway(&world.environment);
    let count = |release| {
        let list = lists
            .iter()
            .find(|list| list.release == ReleaseNumber(release));
        list.map_or(0, |list| {
            list.items(&leadsman_core::Observed::default(), world.now)
                .len()
        })
    };
    assert_eq!((count(2), count(3)), (1, 2));
}

#[test]
fn a_release_does_not_get_all_traffic_before_its_list_is_done_and_goes_back_all_the_same() {
    let rules = || {
        with(Checklists {
            during: list(&[
                ("disk", machine(DISK)),
                (
                    "seen",
                    person("The dashboards were looked at", Role::Operator),
                ),
            ]),
            ..Checklists::default()
        })
    };
    let mut world = guarded(EntryRules::default());
    world.ship(2, &release(2, rules()));
    world.pass(1_000);
    let plan = world.settle();
    let reason = plan.reasons[0].sentence();
    assert!(
        reason.starts_with(
            "checklist `during` of release 2: `disk`: 1B of memory, not found out yet"
        ),
        "{reason}"
    );
    let weight = |world: &World| {
        let deployment = world.environment.deployment.as_ref();
        deployment.and_then(|it| it.rollouts.values().next().map(|it| it.weight()))
    };
    assert_eq!(
        weight(&world),
        Some(leadsman_core::weight::Weight::percent(50))
    );
    // Nor does anybody lead it past.
    drop(world.ask(&Command::Promote { all: true }));
    world.settle();
    assert_eq!(
        weight(&world),
        Some(leadsman_core::weight::Weight::percent(50))
    );
    world.ask_as("mia", &confirm("seen")).expect("mia may");
    found(&mut world, &DISK, true);
    world.pass(10);
    assert_eq!(world.environment.serving(), Some(ReleaseNumber(2)));

    let mut world = guarded(EntryRules::default());
    world.ship(2, &release(2, rules()));
    world.pass(1_000);
    world
        .ask_as("ann", &Command::Abort)
        .expect("the way back is free");
    world.settle();
    assert_eq!(world.environment.deployment, None);
}

/// What is to be done afterwards: something that the machine finds out, and something that somebody
/// says.
fn afterwards(rollback: bool) -> EntryRules {
    let smoke = Item {
        rollback,
        ..machine(command())
    };
    with(Checklists {
        after: list(&[
            ("smoke", smoke),
            ("till", person("The till was tried", Role::Operator)),
        ]),
        after_rollback: list(&[("told", person("Support was told", Role::Operator))]),
        ..Checklists::default()
    })
}

/// A world in which release 2, with these rules, has all traffic.
fn promoted(rules: EntryRules) -> World {
    let mut world = guarded(EntryRules::default());
    world.ship(2, &release(2, rules));
    while world.environment.serving() != Some(ReleaseNumber(2)) {
        world.pass(1);
    }
    world
}

#[test]
fn what_is_not_done_afterwards_is_missed_and_nothing_more() {
    let mut world = promoted(afterwards(false));
    found(&mut world, &command(), false);
    let plan = world.settle();
    let said: Vec<String> = plan
        .reasons
        .iter()
        .map(|reason| reason.sentence())
        .collect();
    assert!(
        said.iter().any(|it| it
            == "checklist `after` of release 2: `smoke`: too little; `till` has to be confirmed by \
                somebody who is operator: The till was tried"),
        "{said:?}"
    );
    world.pass(1_000);
    assert_eq!(
        world.environment.deployment, None,
        "it has settled all the same"
    );
    assert_eq!(
        states(&mut world, When::After),
        [
            ("smoke".to_owned(), ItemState::Missed),
            ("till".to_owned(), ItemState::Missed)
        ]
    );
    let missed = world
        .timeline
        .lines()
        .filter(|it| it.contains("item_missed"));
    assert_eq!(missed.count(), 2, "{}", world.timeline);
    // Late is better than never.
    world.ask_as("mia", &confirm("till")).expect("mia may");
    assert_eq!(
        state(&mut world, When::After, "till"),
        Some(ItemState::Done)
    );
    assert_eq!(world.environment.serving(), Some(ReleaseNumber(2)));
}

#[test]
fn what_was_found_afterwards_is_done_for_good() {
    let mut world = promoted(afterwards(true));
    found(&mut world, &command(), true);
    world.settle();
    assert_eq!(
        state(&mut world, When::After, "smoke"),
        Some(ItemState::Done)
    );
    assert!(
        !world.settle().checks.contains_key(&command()),
        "it is asked no more"
    );
    found(&mut world, &command(), false);
    world.pass(2_000);
    assert_eq!(world.environment.serving(), Some(ReleaseNumber(2)));
}

#[test]
fn what_says_so_sends_the_release_back_whose_way_back_is_kept_that_long() {
    let mut world = promoted(afterwards(true));
    // What served is kept warm for five minutes, and the item has ten.
    world.pass(400);
    assert!(world.environment.deployment.is_some(), "{}", world.timeline);
    world.pass(300);
    assert_eq!(world.environment.serving(), Some(ReleaseNumber(1)));
    let line = world
        .timeline
        .lines()
        .find(|it| it.contains("rollback_started"));
    assert!(
        line.is_some_and(|it| it.contains("`smoke` of the checklist was not done in time")),
        "{}",
        world.timeline
    );
    // And what is to be done after that begins.
    assert_eq!(
        state(&mut world, When::AfterRollback, "told"),
        Some(ItemState::Open)
    );
    world.ask_as("mia", &confirm("told")).expect("mia may");
    assert_eq!(
        state(&mut world, When::AfterRollback, "told"),
        Some(ItemState::Done)
    );
    assert!(world.settle().reasons.is_empty());
}

#[test]
fn the_way_back_by_hand_is_asked_for_nothing_and_begins_the_list_for_after_it() {
    let rules = EntryRules {
        checklists: Checklists {
            before: list(&[("told", person("Customers were told", Role::Operator))]),
            during: list(&[("seen", person("It was looked at", Role::Operator))]),
            ..afterwards(false).checklists
        },
        ..EntryRules::default()
    };
    let mut world = promoted(afterwards(false));
    world.pass(1_000);
    world.environment.entry = Some(rules);
    let back = Command::Rollback {
        to: None,
        scope: Scope::All,
        migrate_back: false,
    };
    world.ask_as("ann", &back).expect("it is free");
    world.pass(1_000);
    assert_eq!(world.environment.serving(), Some(ReleaseNumber(1)));
    assert_eq!(
        state(&mut world, When::AfterRollback, "told"),
        Some(ItemState::Missed)
    );
}

#[test]
fn moments_at_which_something_changes_are_known() {
    let mut world = promoted(afterwards(false));
    found(&mut world, &command(), true);
    let plan = world.settle();
    let due = world.now + Duration::from_secs(600);
    assert!(
        plan.wake_at
            .is_some_and(|at| at <= due && at > Timestamp::default())
    );
}
