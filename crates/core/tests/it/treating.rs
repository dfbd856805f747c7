//! Which release says how requests are treated, at each moment of a rollout.

use std::time::Duration;

use leadsman_core::id::ReleaseNumber;
use leadsman_core::route::Treatment;
use leadsman_core::spec::ReleasedService;
use leadsman_core::traffic::{Condition, Place, Role, Sticky, Tester, Traffic};
use leadsman_core::{Closed, Command, Refusal};

use crate::world::{World, canary, content, name, service};

/// Release `version` of a service, with a tester and a slow start of its own.
fn treated(version: u64, slow_start: u64) -> ReleasedService {
    let mut service = service(version, 4, &canary(&[25]));
    let when = Condition {
        place: Place::Header,
        name: format!("x-tester-{version}"),
        value: None,
    };
    service.spec.traffic = Traffic {
        sticky: (version == 2).then_some(Sticky::Address),
        testers: vec![Tester {
            when,
            to: Role::Canary,
        }],
        slow_start: Some(Duration::from_secs(slow_start)),
        ..Traffic::default()
    };
    service
}

/// Returns how `service` is treated now: whose testers there are, the slow start, and which
/// releases are told apart.
fn now(world: &mut World, service: &str) -> (String, u64, Option<[u64; 2]>) {
    let routes = world.settle().routes.expect("something serves");
    let Treatment {
        traffic,
        canary,
        stable,
        serving,
        closed: _,
    } = routes.treatments[&name(service)].clone();
    assert_eq!(serving, None, "it is not closed");
    let apart = canary.zip(stable);
    (
        traffic.testers[0].when.name.clone(),
        traffic.slow_start.expect("it is said").as_secs(),
        apart.map(|(canary, stable)| [canary.release.0, stable.release.0]),
    )
}

#[test]
fn how_it_comes_in_is_said_by_the_new_revision_and_the_rest_by_what_serves() {
    let mut world = World::new();
    world.ship(1, &content(&[("web", treated(1, 10))], false));
    assert_eq!(now(&mut world, "web"), ("x-tester-1".to_owned(), 10, None));
    world.ship(2, &content(&[("web", treated(2, 20))], false));
    let coming_in = ("x-tester-2".to_owned(), 10, Some([2, 1]));
    assert_eq!(now(&mut world, "web"), coming_in);
    world.pass(5);
    world.ask(&Command::Pause).unwrap();
    world.pass(500);
    assert_eq!(now(&mut world, "web"), coming_in);
    world.ask(&Command::Promote { all: true }).unwrap();
    let promoted = ("x-tester-2".to_owned(), 20, None);
    assert_eq!(now(&mut world, "web"), promoted);
    world.pass(100_000);
    assert!(world.environment.deployment.is_none());
    assert_eq!(now(&mut world, "web"), promoted);
}

#[test]
fn what_went_back_has_no_say() {
    let mut world = World::new();
    world.ship(1, &content(&[("web", treated(1, 10))], false));
    world.settle();
    world.ship(2, &content(&[("web", treated(2, 20))], false));
    world.pass(5);
    world.ask(&Command::Abort).unwrap();
    assert_eq!(now(&mut world, "web"), ("x-tester-1".to_owned(), 10, None));
}

#[test]
fn a_change_of_nothing_else_restarts_nothing() {
    let mut changed = treated(1, 30);
    changed.spec.traffic.sticky = Some(Sticky::Address);
    let mut world = World::new();
    world.ship(1, &content(&[("web", treated(1, 10))], false));
    world.settle();
    let before: Vec<_> = world.instances.keys().cloned().collect();
    world.ship(2, &content(&[("web", changed)], false));
    assert_eq!(now(&mut world, "web"), ("x-tester-1".to_owned(), 30, None));
    let after: Vec<_> = world.instances.keys().cloned().collect();
    assert_eq!(before, after);
    assert_eq!(world.environment.serving(), Some(ReleaseNumber(2)));
}

#[test]
fn a_service_that_runs_on_follows_its_release_when_the_others_are_promoted() {
    let release = |version, slow_start| {
        let web = ("web", treated(version, 10));
        let mut api = treated(1, slow_start);
        api.spec.after = Vec::new();
        content(&[web, ("api", api)], false)
    };
    let mut world = World::new();
    world.ship(1, &release(1, 10));
    world.settle();
    world.ship(2, &release(2, 30));
    assert_eq!(now(&mut world, "api").1, 10);
    world.pass(5);
    world.ask(&Command::Promote { all: true }).unwrap();
    assert_eq!(now(&mut world, "api").1, 30);
}

#[test]
fn who_asks_for_nothing_is_not_named() {
    let mut world = World::new();
    let plain = service(1, 2, &canary(&[5]));
    world.ship(1, &content(&[("web", plain)], false));
    let routes = world.settle().routes.expect("something serves");
    assert_eq!(routes.treatments.len(), 0);
}

/// Returns what becomes of the requests of each service.
fn closed(world: &mut World) -> Vec<(String, Closed)> {
    let routes = world.settle().routes.expect("something serves");
    let treatments = routes.treatments.iter();
    let closed = treatments.filter_map(|(name, it)| Some((name.to_string(), it.closed?)));
    closed.collect()
}

#[test]
fn what_a_person_closes_stays_closed_until_a_person_opens_it() {
    let release = |version| {
        let strategy = canary(&[25]);
        let [web, api] = [1, 2].map(|_| service(version, 2, &strategy));
        content(&[("web", web), ("api", api)], false)
    };
    let close = |how, service: Option<&str>| Command::Close {
        how,
        service: service.map(name),
    };
    let open = |how, service: Option<&str>| Command::Open {
        how,
        service: service.map(name),
    };
    let (held, maintenance) = (Closed::Held, Closed::Maintenance);
    let mut world = World::new();
    let refused = world.ask(&close(held, None)).unwrap_err();
    assert!(matches!(refused, Refusal::NothingToClose(_)), "{refused}");
    world.ship(1, &release(1));
    world.settle();
    let refused = world.ask(&close(held, Some("mail"))).unwrap_err();
    assert!(matches!(refused, Refusal::UnknownService(_)), "{refused}");
    let refused = world.ask(&open(held, None)).unwrap_err();
    assert!(matches!(refused, Refusal::NotClosed { .. }), "{refused}");
    world.ask(&close(held, Some("web"))).unwrap();
    assert_eq!(closed(&mut world), [("web".to_owned(), held)]);
    // What it is closed for changes, and the other one is closed too.
    world.ask(&close(maintenance, None)).unwrap();
    let both = [
        ("api".to_owned(), maintenance),
        ("web".to_owned(), maintenance),
    ];
    assert_eq!(closed(&mut world), both);
    let refused = world.ask(&close(maintenance, None)).unwrap_err();
    assert_eq!(refused, Refusal::AlreadyClosed { how: maintenance });
    // A release comes in and is promoted meanwhile.
    world.ship(2, &release(2));
    world.pass(100_000);
    assert_eq!(world.environment.serving(), Some(ReleaseNumber(2)));
    assert_eq!(closed(&mut world), both);
    let routes = world.settle().routes.unwrap();
    let serving = routes.treatments[&name("web")].serving.clone();
    assert_eq!(serving.map(|it| it.release), Some(ReleaseNumber(2)));
    world.ask(&open(maintenance, Some("api"))).unwrap();
    assert_eq!(closed(&mut world), [("web".to_owned(), maintenance)]);
    world.ask(&open(maintenance, None)).unwrap();
    assert_eq!(closed(&mut world), []);
}
