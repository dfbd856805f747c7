//! Migrations: run once before anything of a release, with ranges, refusals and ways back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use leadsman_analysis::Outcome;
use leadsman_core::errand::{ErrandId, ErrandKind};
use leadsman_core::id::{DeploymentNumber, ReleaseNumber};
use leadsman_core::migration::{Migration, Schema, SchemaRange};
use leadsman_core::weight::Weight;
use leadsman_core::{
    Command, Environment, Event, Phase, Refusal, ReleaseContent, Scope, Standing, Waiting,
};

use crate::world::{World, canary, content, name, service, shipping};

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// What release `version` says of the schema.
fn migration(schema: u64, from: u64, to: u64, back: bool) -> Migration {
    Migration {
        service: name("web"),
        run: words("./migrate up"),
        back: back.then(|| words("./migrate down")),
        schema,
        works_with: SchemaRange { from, to },
        timeout: Duration::from_secs(600),
        secrets: BTreeMap::new(),
        watch_old: Duration::ZERO,
        smoke: None,
    }
}

fn release(version: u64, migration: Option<Migration>) -> Arc<ReleaseContent> {
    let web = service(version, 2, &canary(&[10, 50]));
    Arc::new(ReleaseContent {
        migration,
        ..ReleaseContent::clone(&content(&[("web", web)], false))
    })
}

fn errand(deployment: u64, kind: ErrandKind) -> ErrandId {
    ErrandId {
        deployment: DeploymentNumber(deployment),
        kind,
    }
}

fn rollback(to: Option<u64>, migrate_back: bool) -> Command {
    Command::Rollback {
        to: to.map(ReleaseNumber),
        scope: Scope::All,
        migrate_back,
    }
}

fn one_way(version: u64, content: &Arc<ReleaseContent>) -> Command {
    let Command::Ship {
        release,
        content,
        identity,
        ..
    } = shipping(version, content)
    else {
        unreachable!("it ships");
    };
    Command::Ship {
        release,
        content,
        identity,
        expedited: None,
        one_way: Some("there is no other way".to_owned()),
    }
}

/// Release 1 serves, on schema 11; it works with `from` to `to`.
fn serving(from: u64, to: u64) -> World {
    let mut world = World::new();
    world.ship(1, &release(1, Some(migration(11, from, to, true))));
    world.settle();
    world.end_errand(errand(1, ErrandKind::Migration), None);
    world.pass(400);
    assert_eq!(world.share("web", 1), Weight::ALL, "{}", world.timeline);
    assert!(world.environment.deployment.is_none(), "{}", world.timeline);
    world
}

fn at(environment: &Environment) -> Option<(u64, Option<u64>)> {
    environment
        .schema
        .map(|Schema { at, towards, .. }| (at, towards))
}

fn count(world: &World, kind: &str) -> usize {
    let events = world.events.iter();
    events.filter(|(_, event)| event.kind() == kind).count()
}

fn waiting(world: &mut World) -> Vec<Waiting> {
    let plan = world.settle();
    plan.reasons
        .into_iter()
        .map(|reason| reason.waiting)
        .collect()
}

#[test]
fn nothing_of_a_release_runs_before_its_migration_has_ended() {
    let mut world = serving(11, 12);
    world.ship(2, &release(2, Some(migration(12, 11, 12, true))));
    world.pass(120);
    assert_eq!(world.running(2), 0);
    assert_eq!(world.share("web", 1), Weight::ALL);
    assert_eq!(at(&world.environment), Some((11, Some(12))));
    let waits = waiting(&mut world);
    let [Waiting::Migration { .. }] = waits.as_slice() else {
        unreachable!("{waits:?}");
    };
    assert_eq!(
        waits[0].to_string(),
        "the schema is brought from 11 to 12 by release 2 with `./migrate up`, before anything of \
         it runs"
    );
    let asked = world.errands.keys().copied().collect::<Vec<_>>();
    let migrated = |deployment| errand(deployment, ErrandKind::Migration);
    assert_eq!(asked, [migrated(1), migrated(2)]);
    world.end_errand(errand(2, ErrandKind::Migration), None);
    assert_eq!(at(&world.environment), Some((12, None)));
    assert_eq!(world.running(2), 1);
    world.pass(500);
    assert_eq!(world.share("web", 2), Weight::ALL);
    assert_eq!(count(&world, "migration_started"), 2);
}

#[test]
fn one_that_is_there_already_is_not_migrated_to_again() {
    let mut world = serving(11, 11);
    world.ship(2, &release(2, Some(migration(11, 11, 11, true))));
    world.pass(500);
    assert_eq!(world.share("web", 2), Weight::ALL, "{}", world.timeline);
    assert_eq!(count(&world, "migration_started"), 1);
}

#[test]
fn a_release_whose_migration_fails_is_rejected_and_tried_again_only_by_hand() {
    let mut world = serving(11, 12);
    world.ship(2, &release(2, Some(migration(12, 11, 12, true))));
    world.settle();
    world.end_errand(errand(2, ErrandKind::Migration), Some("no such table"));
    world.pass(60);
    assert!(world.environment.deployment.is_none(), "{}", world.timeline);
    let known = &world.environment.releases[&ReleaseNumber(2)];
    let Standing::Rejected { cause, .. } = &known.standing else {
        unreachable!("{:?}", known.standing);
    };
    assert_eq!(cause, "the schema was not migrated: no such table");
    // Whether anything of it was done is not known.
    assert_eq!(at(&world.environment), Some((11, Some(12))));
    assert_eq!(count(&world, "migration_started"), 2);
    world.ask(&Command::Retry).expect("a person may");
    world.settle();
    world.end_errand(errand(3, ErrandKind::Migration), None);
    world.pass(500);
    assert_eq!(world.share("web", 2), Weight::ALL, "{}", world.timeline);
}

#[test]
fn who_aborts_ends_the_migration_and_the_deployment_waits_for_its_end() {
    let mut world = serving(11, 12);
    world.ship(2, &release(2, Some(migration(12, 11, 12, true))));
    world.settle();
    world.ask(&Command::Abort).expect("it is on its way");
    world.pass(10);
    assert!(world.environment.deployment.is_none(), "{}", world.timeline);
    assert_eq!(count(&world, "migration_ended"), 2);
    assert_eq!(world.share("web", 1), Weight::ALL);
    // It is retried when somebody says so, and brings the schema to where it should be.
    world.ask(&Command::Retry).expect("a person may");
    world.settle();
    world.end_errand(errand(3, ErrandKind::Migration), None);
    assert_eq!(at(&world.environment), Some((12, None)));
}

#[test]
fn a_part_that_goes_back_alone_leaves_the_migration_to_the_rest() {
    let both = |version, migration| {
        let service = |count| service(version, count, &canary(&[10, 50]));
        let services = [("api", service(1)), ("web", service(2))];
        Arc::new(ReleaseContent {
            migration: Some(migration),
            ..ReleaseContent::clone(&content(&services, false))
        })
    };
    let mut world = World::new();
    world.ship(1, &both(1, migration(11, 11, 12, true)));
    world.settle();
    world.end_errand(errand(1, ErrandKind::Migration), None);
    world.pass(400);
    world.ship(2, &both(2, migration(12, 11, 12, true)));
    world.settle();
    let back = Command::Rollback {
        to: None,
        scope: Scope::Service(name("web")),
        migrate_back: false,
    };
    world.ask(&back).expect("it is on its way");
    world.pass(10);
    assert_eq!(count(&world, "migration_ended"), 1, "{}", world.timeline);
    world.end_errand(errand(2, ErrandKind::Migration), None);
    world.pass(900);
    assert_eq!(world.share("api", 2), Weight::ALL, "{}", world.timeline);
    assert_eq!(world.share("web", 1), Weight::ALL, "{}", world.timeline);
}

#[test]
fn who_supersedes_waits_until_the_migration_has_ended() {
    let mut world = serving(11, 12);
    world.ship(2, &release(2, Some(migration(12, 11, 12, true))));
    world.settle();
    world.ship(3, &release(3, Some(migration(12, 11, 12, true))));
    world.pass(60);
    let deployment = world.environment.deployment.as_ref();
    assert_eq!(deployment.map(|d| d.release), Some(ReleaseNumber(2)));
    world.end_errand(errand(2, ErrandKind::Migration), None);
    world.pass(500);
    assert_eq!(world.share("web", 3), Weight::ALL, "{}", world.timeline);
    assert_eq!(count(&world, "migration_started"), 2, "3 finds it done");
}

#[test]
fn a_pause_holds_a_migration_that_has_not_begun() {
    let mut world = serving(11, 12);
    world.ship(2, &release(2, Some(migration(12, 11, 12, true))));
    world.ask(&Command::Pause).expect("it is on its way");
    world.pass(60);
    assert_eq!(count(&world, "migration_started"), 1);
    world.ask(&Command::Resume).expect("it is paused");
    world.settle();
    assert_eq!(count(&world, "migration_started"), 2);
}

#[test]
fn what_would_break_what_serves_is_refused_at_the_door() {
    for (old, new, code) in [
        // The next release works with both: expand.
        ((11, 12), migration(12, 11, 12, true), None),
        // It takes away what the one that serves needs.
        ((11, 11), migration(12, 11, 12, true), Some("R040")),
        ((11, 12), migration(13, 12, 13, true), Some("R040")),
        // It does not even work with what there is.
        ((11, 11), migration(10, 9, 10, true), Some("R041")),
        // It is older, and works with what there is.
        ((11, 11), migration(10, 10, 11, true), None),
    ] {
        let mut world = serving(old.0, old.1);
        let refused = world.ask(&shipping(2, &release(2, Some(new.clone()))));
        let refused = refused.err().map(|refusal| refusal.code());
        assert_eq!(refused, code, "{old:?} {new:?}");
    }
}

#[test]
fn what_says_nothing_of_schemas_is_not_kept_out() {
    let mut world = serving(11, 11);
    world.ship(2, &release(2, None));
    world.pass(900);
    assert_eq!(world.share("web", 2), Weight::ALL, "{}", world.timeline);
    // What serves says nothing either: nothing can be compared.
    world.ship(3, &release(3, Some(migration(20, 20, 20, false))));
    world.settle();
    assert_eq!(count(&world, "migration_started"), 2);
}

#[test]
fn a_request_that_waited_until_the_schema_moved_on_is_not_let_break_anything() {
    let mut world = serving(11, 11);
    let next = release(2, Some(migration(12, 11, 12, true)));
    world.ask(&one_way(2, &next)).expect("somebody insists");
    // What was insisted on is taken out, as an older program would record it.
    let deployment = world
        .environment
        .deployment
        .as_mut()
        .expect("it is on its way");
    deployment.one_way = None;
    world.pass(10);
    assert_eq!(count(&world, "migration_started"), 1);
    assert!(world.environment.deployment.is_none(), "{}", world.timeline);
    assert!(
        world.timeline.contains("works with 11"),
        "{}",
        world.timeline
    );
}

#[test]
fn back_within_the_range_needs_nothing() {
    let mut world = serving(11, 12);
    world.ship(2, &release(2, Some(migration(12, 11, 12, true))));
    world.settle();
    world.end_errand(errand(2, ErrandKind::Migration), None);
    world.pass(900);
    world.ask(&rollback(None, false)).expect("1 works with 12");
    world.pass(60);
    assert_eq!(world.share("web", 1), Weight::ALL, "{}", world.timeline);
    assert_eq!(at(&world.environment), Some((12, None)));
    assert_eq!(count(&world, "migration_started"), 2);
}

#[test]
fn a_bad_release_within_the_range_goes_back_by_itself() {
    let mut world = serving(11, 12);
    world.judge = Box::new(|_, revision, _| {
        let bad = revision.release == ReleaseNumber(2);
        Some(if bad { Outcome::Fail } else { Outcome::Pass })
    });
    world.ship(2, &release(2, Some(migration(12, 11, 12, true))));
    world.settle();
    world.end_errand(errand(2, ErrandKind::Migration), None);
    world.pass(60);
    assert_eq!(world.share("web", 1), Weight::ALL, "{}", world.timeline);
    assert!(world.environment.deployment.is_none());
}

/// Release 2 has gone one way, and 1 does not work with its schema.
fn gone(back: bool) -> World {
    let mut world = serving(11, 11);
    let next = release(2, Some(migration(12, 11, 12, back)));
    let refusal = world.ask(&shipping(2, &next)).expect_err("it breaks 1");
    assert!(matches!(refusal, Refusal::BreaksWhatServes { .. }));
    world.ask(&one_way(2, &next)).expect("somebody insists");
    world.settle();
    world.end_errand(errand(2, ErrandKind::Migration), None);
    world
}

#[test]
fn back_out_of_the_range_is_refused_with_the_way_out() {
    for (back, hint) in [
        (
            true,
            "bring the schema back with it by `leadsman rollback --migrate-back`",
        ),
        (false, "restore a backup"),
    ] {
        let mut world = gone(back);
        world.pass(900);
        assert_eq!(world.share("web", 2), Weight::ALL, "{}", world.timeline);
        let refusal = world.ask(&rollback(None, false)).expect_err("1 cannot");
        assert_eq!(
            refusal.to_string(),
            "the schema is at 12, and release 1 works with 11"
        );
        assert!(
            refusal.hint().to_string().contains(hint),
            "{}",
            refusal.hint()
        );
        let asked = world.ask(&rollback(None, true));
        assert_eq!(asked.err().map(|it| it.code()), (!back).then_some("R042"));
    }
}

#[test]
fn the_newer_release_brings_the_schema_back_before_the_older_one_runs() {
    let mut world = gone(true);
    world.pass(900);
    world.ask(&rollback(None, true)).expect("2 knows the way");
    world.pass(60);
    let plan = world.settle();
    let (id, errand) = plan.workloads.errands.first_key_value().expect("it runs");
    assert_eq!(id.deployment, DeploymentNumber(3));
    assert_eq!(errand.release, ReleaseNumber(2), "from the newer artifact");
    assert_eq!(errand.command, words("./migrate down"));
    assert_eq!(errand.env["LEADSMAN_SCHEMA_FROM"], "12");
    assert_eq!(errand.env["LEADSMAN_SCHEMA_TO"], "11");
    assert_eq!(world.running(1), 0);
    assert_eq!(world.share("web", 2), Weight::ALL);
    let id = *id;
    world.end_errand(id, None);
    world.pass(60);
    assert_eq!(world.share("web", 1), Weight::ALL, "{}", world.timeline);
    assert_eq!(at(&world.environment), Some((11, None)));
}

#[test]
fn a_way_back_that_fails_leaves_the_newer_release_and_can_be_tried_again() {
    let mut world = gone(true);
    world.pass(900);
    world.ask(&rollback(None, true)).expect("2 knows the way");
    world.settle();
    world.end_errand(errand(3, ErrandKind::Migration), Some("a lock was not had"));
    world.pass(60);
    assert_eq!(world.share("web", 2), Weight::ALL, "{}", world.timeline);
    assert_eq!(at(&world.environment), Some((12, Some(11))));
    let again = world.ask(&rollback(Some(1), true));
    again.expect("release 1 is not to blame");
    world.settle();
    world.end_errand(errand(4, ErrandKind::Migration), None);
    world.pass(60);
    assert_eq!(world.share("web", 1), Weight::ALL, "{}", world.timeline);
}

#[test]
fn a_bad_release_with_no_way_back_stays_where_it_is_and_says_what_to_do() {
    let mut world = gone(true);
    world.pass(5);
    assert_eq!(world.share("web", 2), Weight::percent(10));
    world.judge = Box::new(|_, revision, _| {
        let bad = revision.release == ReleaseNumber(2);
        Some(if bad { Outcome::Fail } else { Outcome::Pass })
    });
    world.pass(60);
    assert_eq!(
        world.share("web", 2),
        Weight::percent(10),
        "{}",
        world.timeline
    );
    let deployment = world.environment.deployment.as_ref().expect("it waits");
    let Phase::Frozen { why, .. } = &deployment.phase else {
        unreachable!("{:?}", deployment.phase);
    };
    assert!(why.contains("traffic stays where it is"), "{why}");
    assert!(
        why.contains("the schema is at 12, and release 1 works with 11"),
        "{why}"
    );
    assert!(why.contains("leadsman rollback --migrate-back"), "{why}");
    // By hand it goes back no more than by itself, unless the schema does.
    assert!(world.ask(&rollback(None, false)).is_err());
    world.ask(&rollback(None, true)).expect("2 knows the way");
    world.settle();
    world.end_errand(errand(3, ErrandKind::Migration), None);
    world.pass(60);
    assert_eq!(world.share("web", 1), Weight::ALL, "{}", world.timeline);
}

#[test]
fn what_goes_one_way_is_neither_aborted_nor_cut_off_once_it_has_requests() {
    let mut world = gone(false);
    world.pass(5);
    let plan = world.settle();
    let watches = plan.routes.expect("it serves").watches;
    assert!(watches.values().all(|watch| watch.tripwire.is_none()));
    assert!(matches!(
        world.ask(&Command::Abort),
        Err(Refusal::OtherSchema { back: None, .. })
    ));
    // A mended release takes over from it without traffic ever going back.
    world.ship(3, &release(3, Some(migration(12, 12, 12, false))));
    world.pass(900);
    assert_eq!(world.share("web", 3), Weight::ALL, "{}", world.timeline);
    let returned = count(&world, "service_returned");
    assert_eq!(returned, 0, "{}", world.timeline);
}

#[test]
fn what_goes_one_way_may_be_aborted_before_it_has_requests() {
    let mut world = serving(11, 11);
    let next = release(2, Some(migration(12, 11, 12, true)));
    world.ask(&one_way(2, &next)).expect("somebody insists");
    world.settle();
    world.ask(&Command::Abort).expect("nothing is lost by it");
    world.pass(10);
    assert!(world.environment.deployment.is_none(), "{}", world.timeline);
}

#[test]
fn bringing_nothing_back_is_refused() {
    let mut world = serving(11, 12);
    world.ship(2, &release(2, None));
    world.pass(900);
    let refusal = world.ask(&rollback(None, true)).expect_err("it is at 11");
    assert_eq!(refusal.code(), "R043");
}

fn watched(smoke: bool) -> World {
    let mut world = World::new();
    let mut first = migration(11, 11, 12, true);
    first.smoke = smoke.then(|| words("./smoke"));
    world.ship(1, &release(1, Some(first)));
    world.settle();
    world.end_errand(errand(1, ErrandKind::Migration), None);
    world.pass(400);
    let mut next = migration(12, 11, 12, true);
    next.watch_old = Duration::from_secs(30);
    world.ship(2, &release(2, Some(next)));
    world.settle();
    world.end_errand(errand(2, ErrandKind::Migration), None);
    world
}

#[test]
fn what_serves_is_watched_on_the_new_schema_before_anything_new_runs() {
    let mut world = watched(false);
    world.pass(29);
    assert_eq!(world.running(2), 0);
    let waits = waiting(&mut world);
    assert_eq!(
        waits[0].to_string(),
        "release 1, which serves, is watched on schema 12 for 1 s more"
    );
    world.pass(2);
    assert_eq!(world.running(2), 1);
    world.pass(500);
    assert_eq!(world.share("web", 2), Weight::ALL, "{}", world.timeline);
}

#[test]
fn the_gate_is_closed_where_what_serves_does_not_stay_ready() {
    for (what, lost) in [
        ("unready", None),
        // It was seen by nobody, but it happened.
        ("ready again", Some(5)),
    ] {
        let mut world = watched(false);
        world.pass(10);
        let since = lost.map(|ago| {
            leadsman_core::time::Timestamp::from_millis(world.now.as_millis() - ago * 1_000)
        });
        let seen = world.instances.values_mut().next().expect("it runs");
        seen.ready_since = since;
        seen.detail = Some("GET /health: 500".to_owned());
        world.pass(10);
        assert!(
            world.environment.deployment.is_none(),
            "{what}: {}",
            world.timeline
        );
        assert_eq!(count(&world, "rollout_started"), 1, "{what}");
        let known = &world.environment.releases[&ReleaseNumber(2)];
        let Standing::Rejected { cause, .. } = &known.standing else {
            unreachable!("{:?}", known.standing);
        };
        assert_eq!(
            cause,
            "what serves does not work on the new schema: 1 of 2 instances of `web` of release 1 \
             stayed ready: GET /health: 500"
        );
    }
}

#[test]
fn the_gate_waits_for_the_smoke_of_what_serves_and_closes_where_it_fails() {
    let mut world = watched(true);
    world.pass(60);
    assert_eq!(world.running(2), 0, "it has not ended");
    let asked = world.settle().workloads.errands;
    let (_, smoke) = asked.first_key_value().expect("it is asked");
    assert_eq!(
        (smoke.release, &smoke.command),
        (ReleaseNumber(1), &words("./smoke"))
    );
    world.end_errand(errand(2, ErrandKind::Smoke), None);
    assert_eq!(world.running(2), 1);

    let mut world = watched(true);
    world.end_errand(
        errand(2, ErrandKind::Smoke),
        Some("column `name` is missing"),
    );
    world.pass(10);
    assert!(
        world.timeline.contains("column `name` is missing"),
        "{}",
        world.timeline
    );
    assert_eq!(count(&world, "rollout_started"), 1);
    // The schema stays; who does not believe what release 1 says of itself brings it back.
    world
        .ask(&rollback(Some(1), true))
        .expect("2 knows the way");
    world.settle();
    world.end_errand(errand(3, ErrandKind::Migration), None);
    world.pass(10);
    assert_eq!(
        at(&world.environment),
        Some((11, None)),
        "{}",
        world.timeline
    );
}

#[test]
fn one_service_that_goes_back_alone_narrows_what_all_work_with() {
    let mut world = serving(11, 12);
    world.ship(2, &release(2, Some(migration(12, 11, 13, true))));
    world.settle();
    world.end_errand(errand(2, ErrandKind::Migration), None);
    world.pass(900);
    let back = Command::Rollback {
        to: Some(ReleaseNumber(1)),
        scope: Scope::Service(name("web")),
        migrate_back: false,
    };
    world.ask(&back).expect("1 works with 12");
    world.pass(60);
    let range = world.environment.migration.as_ref().map(|it| it.works_with);
    assert_eq!(range, Some(SchemaRange { from: 11, to: 12 }));
    assert!(matches!(
        world.ask(&shipping(3, &release(3, Some(migration(13, 12, 13, true))))),
        Err(Refusal::BreaksWhatServes { .. })
    ));
}

#[test]
fn the_log_before_the_effect_holds_for_migrations_too() {
    let mut world = serving(11, 12);
    world.ship(2, &release(2, Some(migration(12, 11, 12, true))));
    let before = world.errands.len();
    let recorded = count(&world, "migration_started");
    assert_eq!((before, recorded), (1, 1));
    world.settle();
    let started = world
        .events
        .iter()
        .rev()
        .find_map(|(_, event)| match event {
            Event::MigrationStarted { course } => Some(course.clone()),
            _ => None,
        });
    let course = started.expect("it is recorded");
    assert_eq!((course.from, course.to, course.back), (Some(11), 12, false));
}
