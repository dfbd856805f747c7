//! Stories of releases that have to meet something before they enter.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use leadsman_core::entry::{
    ApprovalRule, Calendar, EntryRules, Expedited, Identity, KnownFacts, RefPattern, Reference,
    Source,
};
use leadsman_core::id::{Digest, ReleaseNumber};
use leadsman_core::time::Timestamp;
use leadsman_core::{Command, Deployment, Refusal, ReleaseContent, Scope};
use leadsman_gates::{Facts, Gates, ReportKind, Says, Tests, TestsGate};

use crate::world::{World, canary, content, name, service, shipping};

pub(crate) const HOUR: u64 = 3_600;

/// A release of `web` with these rules.
pub(crate) fn release(version: u64, entry: EntryRules) -> Arc<ReleaseContent> {
    let strategy = canary(&[5, 50]);
    let content = content(&[("web", service(version, 2, &strategy))], false);
    Arc::new(ReleaseContent {
        entry,
        ..(*content).clone()
    })
}

pub(crate) fn approvals(count: u8) -> EntryRules {
    EntryRules {
        approvals: Some(ApprovalRule {
            count,
            needs: Vec::new(),
            by_author: false,
            lasts: Duration::from_secs(HOUR),
        }),
        ..EntryRules::default()
    }
}

/// A world in which release 1 serves, under these rules.
pub(crate) fn guarded(entry: EntryRules) -> World {
    let mut world = World::new();
    let bare = release(1, EntryRules::default());
    world.ship(1, &bare);
    world.settle();
    world.environment.entry = Some(entry);
    world.timeline.clear();
    world
}

pub(crate) fn identity(version: u8, authors: &[&str]) -> Identity {
    Identity {
        digest: Digest::from_bytes([version; 32]),
        source: Source {
            authors: authors.iter().map(|&author| author.to_owned()).collect(),
            ..Source::default()
        },
    }
}

pub(crate) fn written_by(version: u64, content: &Arc<ReleaseContent>, authors: &[&str]) -> Command {
    Command::Ship {
        release: ReleaseNumber(version),
        content: Arc::clone(content),
        identity: identity(u8::try_from(version).expect("small"), authors),
        expedited: None,
        one_way: None,
    }
}

pub(crate) fn approve(version: u64) -> Command {
    Command::Approve {
        release: ReleaseNumber(version),
        digest: None,
        known_as: BTreeSet::new(),
        owner: true,
        note: None,
    }
}

#[test]
fn two_people_consent_and_neither_of_them_wrote_it() {
    let mut world = guarded(approvals(2));
    let content = release(2, approvals(2));
    world
        .ask_as("ann", &written_by(2, &content, &["ben@shop.example"]))
        .expect("it is asked");
    world.settle();
    assert_eq!(world.environment.deployment, None);
    let own = Err(Refusal::OwnRelease(ReleaseNumber(2)));
    assert_eq!(world.ask_as("ann", &approve(2)), own);
    let as_ben = Command::Approve {
        release: ReleaseNumber(2),
        digest: None,
        known_as: BTreeSet::from(["Ben@shop.example".to_owned()]),
        owner: true,
        note: None,
    };
    assert_eq!(world.ask_as("ben", &as_ben), own);
    world
        .ask_as("cy", &approve(2))
        .expect("cy is somebody else");
    // Twice by one person is once.
    world.ask_as("cy", &approve(2)).expect("it is harmless");
    world.settle();
    assert_eq!(world.environment.deployment, None);
    world
        .ask_as("dee", &approve(2))
        .expect("dee is another one");
    world.settle();
    expect![[r#"
        0 s: entry_requested: release 2 waits to enter
        0 s: refused[R028]: release 2 has to be approved by somebody else than who wrote or shipped it
        0 s: refused[R028]: release 2 has to be approved by somebody else than who wrote or shipped it
        0 s: entry_approved: release 2 is approved by cy
        0 s: entry_approved: release 2 is approved by cy
        0 s: entry_approved: release 2 is approved by dee
        0 s: entry_admitted: release 2 may enter, approved by cy and dee
        0 s: deployment_started release 2 (web)
        0 s: rollout_started web
        0 s: weight_shifted web 5 %
        0 s: soak_started web
        0 s: verdict_reached web Pass
    "#]]
    .assert_eq(&world.timeline);
}

#[test]
fn consent_runs_out_and_so_does_patience() {
    let mut world = guarded(EntryRules {
        waits: Duration::from_secs(3 * HOUR),
        ..approvals(2)
    });
    world
        .ask_as("ann", &shipping(2, &release(2, EntryRules::default())))
        .expect("it is asked");
    world.ask_as("cy", &approve(2)).expect("cy may");
    world.pass(HOUR);
    world.ask_as("dee", &approve(2)).expect("dee may");
    let plan = world.settle();
    assert_eq!(
        world.environment.deployment, None,
        "cy's consent has run out"
    );
    assert_eq!(
        plan.reasons[0].sentence(),
        "release 2 waits to enter: 1 of 2 approvals (by dee)"
    );
    world.pass(2 * HOUR);
    expect![[r#"
        0 s: entry_requested: release 2 waits to enter
        0 s: entry_approved: release 2 is approved by cy
        3600 s: entry_approved: release 2 is approved by dee
        10800 s: entry_expired: release 2 has waited too long and is given up
    "#]]
    .assert_eq(&world.timeline);
}

#[test]
fn consent_is_bound_to_what_was_looked_at() {
    let mut world = guarded(approvals(1));
    let content = release(2, approvals(1));
    world
        .ask_as("ann", &written_by(2, &content, &[]))
        .expect("it is asked");
    let other = Command::Approve {
        release: ReleaseNumber(2),
        digest: Some(Digest::from_bytes([9; 32])),
        known_as: BTreeSet::new(),
        owner: true,
        note: None,
    };
    let refused = world.ask_as("cy", &other);
    assert!(
        matches!(refused, Err(Refusal::OtherDigest { .. })),
        "{refused:?}"
    );
    assert_eq!(world.environment.requests[&ReleaseNumber(2)].approvals, []);
}

#[test]
fn nobody_loosens_a_rule_without_the_consent_that_it_asks_for() {
    let mut world = guarded(approvals(1));
    let loose = release(2, EntryRules::default());
    world
        .ask_as("ann", &written_by(2, &loose, &[]))
        .expect("it is asked");
    world.settle();
    assert_eq!(
        world.environment.deployment, None,
        "the rules that hold still do"
    );
    world.ask_as("cy", &approve(2)).expect("cy may");
    world.pass(1000);
    assert_eq!(world.environment.entry, Some(EntryRules::default()));
    // From then on the new rules hold.
    world
        .ask_as(
            "ann",
            &written_by(3, &release(3, EntryRules::default()), &[]),
        )
        .expect("it enters");
    world.settle();
    assert!(world.environment.deployment.is_some());
}

#[test]
fn the_rules_of_a_release_hold_as_soon_as_it_serves_and_not_only_once_it_is_settled() {
    let mut world = guarded(EntryRules::default());
    world
        .ask_as("ann", &written_by(2, &release(2, approvals(1)), &[]))
        .expect("it is asked");
    world.ask_as("cy", &approve(2)).expect("cy may");
    let settles = |world: &World| {
        let deployment = world.environment.deployment.as_ref();
        deployment.is_some_and(Deployment::routes_are_in_force)
    };
    for _ in 0..1000 {
        world.pass(1);
        if settles(&world) {
            break;
        }
    }
    assert!(settles(&world), "{}", world.timeline);
    world
        .ask_as(
            "ann",
            &written_by(3, &release(3, EntryRules::default()), &[]),
        )
        .expect("it is asked");
    world.settle();
    assert!(world.environment.requests.contains_key(&ReleaseNumber(3)));
    assert_eq!(world.environment.serving(), Some(ReleaseNumber(2)));
}

#[test]
fn a_stricter_rule_holds_for_the_release_that_brings_it() {
    let mut world = guarded(EntryRules::default());
    world
        .ask_as("ann", &written_by(2, &release(2, approvals(1)), &[]))
        .expect("it is asked");
    world.settle();
    assert!(world.environment.requests.contains_key(&ReleaseNumber(2)));
}

#[test]
fn a_release_enters_once_it_has_all_traffic_in_the_environment_before() {
    let rules = EntryRules {
        after: Some(name("staging")),
        ..EntryRules::default()
    };
    let mut world = guarded(rules.clone());
    world.ship(2, &release(2, rules));
    let plan = world.settle();
    assert_eq!(
        plan.reasons[0].sentence(),
        "release 2 waits to enter: it has not taken all traffic in `staging`"
    );
    world.elsewhere.insert(
        name("staging"),
        BTreeSet::from([ReleaseNumber(1), ReleaseNumber(2)]),
    );
    world.settle();
    assert!(world.environment.deployment.is_some());
}

#[test]
fn what_was_built_from_something_else_is_refused() {
    let rules = EntryRules {
        branches: BTreeSet::from([RefPattern("release/*".to_owned())]),
        tags: BTreeSet::from([RefPattern("v*".to_owned())]),
        ..EntryRules::default()
    };
    for (reference, enters) in [
        (None, false),
        (Some(Reference::Branch("main".to_owned())), false),
        (Some(Reference::Branch("v1".to_owned())), false),
        (Some(Reference::Branch("release/7".to_owned())), true),
        (Some(Reference::Tag("v7".to_owned())), true),
        (Some(Reference::Tag("release/7".to_owned())), false),
    ] {
        let mut world = guarded(rules.clone());
        let built = Command::Ship {
            release: ReleaseNumber(2),
            content: release(2, rules.clone()),
            identity: Identity {
                digest: Digest::from_bytes([2; 32]),
                source: Source {
                    reference: reference.clone(),
                    ..Source::default()
                },
            },
            expedited: None,
            one_way: None,
        };
        let answer = world.ask_as("ann", &built);
        assert_eq!(answer.is_ok(), enters, "{reference:?}: {answer:?}");
    }
}

/// Monday, the 2nd of November 2026, 00:00 in Berlin, where it is winter.
const MONDAY: u64 = 1_793_574_000;

fn windows() -> EntryRules {
    EntryRules {
        calendar: Calendar {
            time_zone: "Europe/Berlin".to_owned(),
            windows: vec!["Mon-Thu 09:00-16:00".parse().expect("a window")],
        },
        expedited: Some(Expedited {
            soak: Duration::from_secs(10),
        }),
        ..EntryRules::default()
    }
}

#[test]
fn a_release_waits_for_its_window() {
    let mut world = guarded(windows());
    world.now = Timestamp::from_millis(MONDAY * 1000);
    world.ship(2, &release(2, windows()));
    let plan = world.settle();
    assert_eq!(
        plan.reasons[0].sentence(),
        "release 2 waits to enter: the next window opens on Monday 2026-11-02 09:00 CET"
    );
    let opens = Timestamp::from_millis((MONDAY + 9 * HOUR) * 1000);
    assert_eq!(plan.wake_at, Some(opens));
    world.now = opens;
    world.settle();
    assert!(world.environment.deployment.is_some());
}

#[test]
fn what_cannot_wait_takes_the_expedited_way_and_is_held_for_a_shorter_time() {
    let mut world = guarded(windows());
    world.now = Timestamp::from_millis(MONDAY * 1000);
    let expedited = |content| Command::Ship {
        release: ReleaseNumber(2),
        content,
        identity: identity(2, &[]),
        expedited: Some("CVE-2026-1".to_owned()),
        one_way: None,
    };
    world
        .ask_as("ann", &expedited(release(2, windows())))
        .expect("there is such a way");
    world.settle();
    world.now = Timestamp::from_millis(0);
    let deployment = world
        .environment
        .deployment
        .clone()
        .expect("it has entered");
    let steps = &deployment.rollouts[&name("web")].strategy.steps;
    let soaks: Vec<_> = steps.iter().map(|step| step.soak).collect();
    assert_eq!(soaks[0], Some(Duration::from_secs(10)), "{soaks:?}");

    // Where the rules that hold know no such way, nobody takes it.
    let mut strict = guarded(EntryRules {
        expedited: None,
        ..windows()
    });
    let refused = strict.ask_as("ann", &expedited(release(2, windows())));
    assert!(
        matches!(refused, Err(Refusal::NoExpeditedWay(_))),
        "{refused:?}"
    );
}

#[test]
fn nothing_enters_during_a_freeze_but_what_is_named_and_the_way_back_is_free() {
    let mut world = guarded(EntryRules::default());
    world.ship(2, &release(2, EntryRules::default()));
    world.pass(1000);
    world.timeline.clear();
    let freeze = Command::Freeze {
        from: None,
        until: Some(world.now + Duration::from_secs(2 * HOUR)),
        maintenance: false,
        why: "the sale".to_owned(),
    };
    world.ask_as("eve", &freeze).expect("eve may");
    world.ship(3, &release(3, EntryRules::default()));
    world.ship(4, &release(4, EntryRules::default()));
    world.settle();
    assert_eq!(world.environment.deployment, None);
    let except = Command::Except {
        freeze: None,
        release: ReleaseNumber(3),
        why: "the till is broken".to_owned(),
    };
    world.ask_as("eve", &except).expect("there is one freeze");
    world.pass(1000);
    let back = Command::Rollback {
        to: None,
        scope: Scope::All,
        migrate_back: false,
    };
    world
        .ask_as("ann", &back)
        .expect("the way back is never frozen");
    world.pass(1000);
    assert_eq!(world.environment.serving(), Some(ReleaseNumber(2)));
    world.pass(2 * HOUR);
    assert_eq!(world.environment.serving(), Some(ReleaseNumber(4)));
    let entered: Vec<&str> = world
        .timeline
        .lines()
        .filter(|line| line.contains("_admitted"))
        .collect();
    assert_eq!(entered.len(), 2, "{entered:#?}");
}

#[test]
fn a_newer_release_that_enters_leaves_older_ones_behind() {
    let mut world = guarded(approvals(1));
    for version in [2, 3, 4] {
        world
            .ask_as(
                "ann",
                &written_by(version, &release(version, approvals(1)), &[]),
            )
            .expect("asked");
    }
    world.ask_as("cy", &approve(3)).expect("cy may");
    world.settle();
    let waiting: Vec<_> = world.environment.requests.keys().copied().collect();
    assert_eq!(waiting, [ReleaseNumber(4)]);
    let gone = world.ask_as("cy", &approve(2));
    assert!(
        matches!(gone, Err(Refusal::NotRequested { .. })),
        "{gone:?}"
    );
    let reject = Command::Reject {
        release: ReleaseNumber(4),
        why: "not today".to_owned(),
    };
    world.ask_as("cy", &reject).expect("it waits");
    assert!(world.environment.requests.is_empty());
}

#[test]
fn a_release_that_failed_has_to_be_approved_again() {
    let mut world = guarded(approvals(1));
    world.judge = Box::new(|_, _, _| Some(leadsman_analysis::Outcome::Fail));
    world
        .ask_as("ann", &written_by(2, &release(2, approvals(1)), &[]))
        .expect("it is asked");
    world.ask_as("cy", &approve(2)).expect("cy may");
    world.pass(100);
    assert_eq!(world.environment.deployment, None, "it went back");
    world
        .ask_as("ann", &Command::Retry)
        .expect("an explicit act");
    world.settle();
    let request = &world.environment.requests[&ReleaseNumber(2)];
    assert_eq!(request.approvals, [], "what was approved has failed since");
}

/// Rules with a gate on tests, and one on coverage.
fn gated() -> EntryRules {
    let gates = Gates {
        tests: Some(TestsGate::default()),
        ..Gates::default()
    };
    EntryRules {
        gates,
        ..approvals(1)
    }
}

/// A report of so many tests that passed and failed.
fn tests(passed: u64, failed: u64) -> Arc<KnownFacts> {
    let mut facts = Facts::default();
    let source = leadsman_gates::Source {
        kind: ReportKind::Junit,
        path: "out/unit.xml".to_owned(),
        job: Some("unit".to_owned()),
        group: None,
    };
    let tests = Tests {
        passed,
        failed,
        ..Tests::default()
    };
    let says = Says {
        tests: Some(tests),
        ..Says::default()
    };
    facts.add(source, says);
    Arc::new(KnownFacts {
        facts,
        collected: Some(Timestamp::from_millis(0)),
    })
}

#[test]
fn a_gate_keeps_a_release_out_and_takes_consent_back_when_it_closes() {
    let mut world = guarded(gated());
    world
        .ask_as("ann", &written_by(2, &release(2, gated()), &[]))
        .expect("it is asked");
    world.settle();
    world.facts.insert(ReleaseNumber(2), tests(12, 0));
    world.settle();
    // The same job ran again, and something failed.
    world.ask_as("cy", &approve(2)).expect("cy may");
    world.facts.insert(ReleaseNumber(2), tests(11, 1));
    world.settle();
    assert_eq!(world.environment.deployment, None, "{}", world.timeline);
    world.facts.insert(ReleaseNumber(2), tests(12, 0));
    world.settle();
    world.ask_as("cy", &approve(2)).expect("cy may again");
    world.settle();
    expect![[r#"
        0 s: entry_requested: release 2 waits to enter
        0 s: entry_judged: release 2 is kept out: no report speaks of tests; a job has to give `junit` under `reports`: unknown
        0 s: entry_judged: every gate is open to release 2
        0 s: entry_approved: release 2 is approved by cy
        0 s: entry_judged: release 2 is kept out: 1 of 12 tests failed: closed
        0 s: approvals_revoked: what was approved of release 2 is not so any more: 1 of 12 tests failed: closed
        0 s: entry_judged: every gate is open to release 2
        0 s: entry_approved: release 2 is approved by cy
        0 s: entry_admitted: release 2 may enter, approved by cy
        0 s: deployment_started release 2 (web)
        0 s: rollout_started web
        0 s: weight_shifted web 5 %
        0 s: soak_started web
        0 s: verdict_reached web Pass
    "#]].assert_eq(&world.timeline);
}

#[test]
fn facts_count_for_a_while_only() {
    let mut world = guarded(gated());
    world
        .ask_as("ann", &written_by(2, &release(2, gated()), &[]))
        .expect("it is asked");
    world.facts.insert(ReleaseNumber(2), tests(12, 0));
    let plan = world.settle();
    let ends = Timestamp::from_millis(31 * 24 * 3_600_000);
    assert!(plan.wake_at.is_some_and(|wake_at| wake_at < ends));
    world
        .environment
        .requests
        .get_mut(&ReleaseNumber(2))
        .expect("it waits")
        .since = ends;
    world.now = ends;
    let plan = world.settle();
    expect!["release 2 waits to enter: 0 of 1 approvals; gate `tests`: the facts are of 1970-01-01, and count for 30 days; run the pipeline again: unknown"].assert_eq(&plan.reasons[0].sentence());
}

#[test]
fn the_longer_soak_of_two_rules_holds_on_the_expedited_way_whether_or_not_it_waits() {
    let expedited = |seconds| EntryRules {
        expedited: Some(Expedited {
            soak: Duration::from_secs(seconds),
        }),
        ..EntryRules::default()
    };
    for (holding, own) in [(20, 10), (10, 20)] {
        for waits in [false, true] {
            let mut world = guarded(expedited(holding));
            if waits {
                let until = Some(Timestamp::from_millis(1));
                let freeze = Command::Freeze {
                    from: None,
                    until,
                    maintenance: false,
                    why: "a moment".to_owned(),
                };
                world.ask_as("eve", &freeze).expect("eve may");
            }
            let ship = Command::Ship {
                release: ReleaseNumber(2),
                content: release(2, expedited(own)),
                identity: identity(2, &[]),
                expedited: Some("CVE-2026-1".to_owned()),
                one_way: None,
            };
            world.ask_as("ann", &ship).expect("there is such a way");
            world.now = Timestamp::from_millis(1);
            world.settle();
            let deployment = world.environment.deployment.expect("it has entered");
            let steps = &deployment.rollouts[&name("web")].strategy.steps;
            let held = Some(Duration::from_secs(20));
            assert_eq!(steps[0].soak, held, "{holding} {own} {waits}");
        }
    }
}
