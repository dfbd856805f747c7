//! Stories of whose consent counts.

use std::collections::BTreeSet;
use std::sync::Arc;

use leadsman_core::entry::{ApprovalRule, EntryRules, Need, Voters};
use leadsman_core::{Command, people};

use crate::entering::{approvals, approve, guarded, release, written_by};
use crate::world::{World, name};

/// One of the team `security`, and `ben` or `carl`.
fn of_two_kinds() -> EntryRules {
    let rule = approvals(1).approvals.map(|rule| ApprovalRule {
        needs: vec![
            Need {
                count: 1,
                of: Voters::Team(name("security")),
            },
            Need {
                count: 1,
                of: Voters::People(BTreeSet::from([name("ben"), name("carl")])),
            },
        ],
        ..rule
    });
    EntryRules {
        approvals: rule,
        ..EntryRules::default()
    }
}

/// Lets the people of `world` hear of this.
fn tell(world: &mut World, command: &people::Command) {
    let known = Arc::make_mut(&mut world.people);
    for event in people::decide(known, command, world.now).expect("it fits") {
        *known = people::evolve(known.clone(), world.now, &event);
    }
}

fn approver() -> people::Grant {
    people::Grant {
        role: people::Role::Approver,
        reach: name("shop"),
    }
}

fn add(person: &str) -> people::Command {
    people::Command::Add {
        person: name(person),
        identities: BTreeSet::new(),
        grants: BTreeSet::from([approver()]),
    }
}

#[test]
fn a_vote_counts_for_as_long_as_the_role_and_the_team_are_there() {
    let mut world = guarded(of_two_kinds());
    let as_person = |version| match approve(version) {
        Command::Approve {
            release,
            digest,
            known_as,
            note,
            ..
        } => Command::Approve {
            release,
            digest,
            known_as,
            owner: false,
            note,
        },
        other => other,
    };
    for person in ["anna", "ben", "carl"] {
        tell(&mut world, &add(person));
    }
    let join = people::Command::Join {
        person: name("anna"),
        team: name("security"),
    };
    tell(&mut world, &join);
    world
        .ask_as("dora", &written_by(2, &release(2, of_two_kinds()), &[]))
        .expect("it is asked");
    let lacks = |world: &mut World| world.settle().reasons[0].sentence();
    world.ask_as("ben", &as_person(2)).expect("ben may");
    assert_eq!(
        lacks(&mut world),
        "release 2 waits to enter: 1 of 2 approvals (by ben), still 1 of team `security`"
    );
    // Who loses the role has lost the vote; who gets it back has it again.
    let revoke = people::Command::Revoke {
        person: name("ben"),
        grant: approver(),
    };
    tell(&mut world, &revoke);
    world.ask_as("anna", &as_person(2)).expect("anna may");
    assert_eq!(
        lacks(&mut world),
        "release 2 waits to enter: 1 of 2 approvals (by anna), still 1 of `ben`, `carl`"
    );
    // Somebody else of the same name is not who voted.
    tell(
        &mut world,
        &people::Command::Remove {
            person: name("ben"),
        },
    );
    world.pass(1);
    tell(&mut world, &add("ben"));
    world.settle();
    assert_eq!(world.environment.deployment, None, "{}", world.timeline);
    // Who leaves the team is still an approver, and no vote of the team.
    let leave = people::Command::Leave {
        person: name("anna"),
        team: name("security"),
    };
    tell(&mut world, &leave);
    world.ask_as("carl", &as_person(2)).expect("carl may");
    assert_eq!(
        lacks(&mut world),
        "release 2 waits to enter: 2 of 2 approvals (by anna, carl), still 1 of team `security`"
    );
    tell(&mut world, &join);
    world.settle();
    assert!(world.environment.deployment.is_some(), "{}", world.timeline);
    let admitted = world.timeline.lines().find(|it| it.contains("_admitted"));
    assert_eq!(
        admitted,
        Some("1 s: entry_admitted: release 2 may enter, approved by anna and carl")
    );
}

#[test]
fn who_consents_is_recorded_once_however_many_rules_ask_for_it() {
    // Those that hold ask for one, those of the release for two.
    let mut world = guarded(approvals(1));
    world
        .ask_as("ann", &written_by(2, &release(2, approvals(2)), &[]))
        .expect("it is asked");
    for person in ["cy", "dee"] {
        world.ask_as(person, &approve(2)).expect("both may");
    }
    world.settle();
    let admitted = world.timeline.lines().find(|it| it.contains("_admitted"));
    assert_eq!(
        admitted,
        Some("0 s: entry_admitted: release 2 may enter, approved by cy and dee")
    );
}
