//! Readiness comes, goes and comes again; and what a runtime refuses.

use std::fs;

use leadsman_core::spec::Probe;
use leadsman_runtime::Runtime as _;
use leadsman_runtime::process::{Config, ProcessRuntime};
use leadsman_runtime::words;

use crate::world::{SHIM, World, eventually, output_with, service, two_are_ready};

#[tokio::test]
async fn an_instance_that_gets_sick_is_not_ready_until_it_is_well_again() {
    let world = World::new().await;
    let sick = world.folder.path().join("sick");
    world
        .want(1, &service(&["--sick", sick.to_str().unwrap()]))
        .await;
    let before = world.until_ready().await;
    fs::write(&sick, "").unwrap();
    let during = world
        .until("not ready", |one| one.ready_since.is_none())
        .await;
    let address = before.address.unwrap();
    assert_eq!(
        during.detail,
        Some(format!("GET /health on {address}: answered 503"))
    );
    fs::remove_file(&sick).unwrap();
    let after = world.until_ready().await;
    assert!(after.ready_since > before.ready_since);
    assert_eq!((after.restarts, after.started_at), (0, before.started_at));
    world.end().await;
}

#[tokio::test]
async fn a_command_is_asked_with_the_environment_of_the_instance() {
    let world = World::new().await;
    let mut web = service(&[]);
    let script = "test \"$(printenv PORT)\" = \"$0\" && test -n \"$(printenv GREETING)\"";
    web.spec
        .env
        .insert("GREETING".to_owned(), "hello".to_owned());
    web.spec.ready.probe =
        Probe::Command(["sh", "-c", script, "$PORT"].map(str::to_owned).to_vec());
    world.want(1, &web).await;
    world.until_ready().await;
    world.end().await;
}

#[tokio::test]
async fn two_state_folders_share_a_machine() {
    let (one, two) = tokio::join!(World::new(), World::new());
    let web = service(&[]);
    tokio::join!(one.want(2, &web), two.want(2, &web));
    let (first, second) = tokio::join!(
        one.until_all("ready", two_are_ready),
        two.until_all("ready", two_are_ready)
    );
    let mut ports: Vec<_> = first
        .values()
        .chain(second.values())
        .map(|one| one.address)
        .collect();
    ports.sort();
    ports.dedup();
    assert_eq!(ports.len(), 4);
    // Same names, other folder: the end of one leaves the other alone.
    one.end().await;
    assert!(
        two.observed()
            .await
            .values()
            .all(|one| one.ready_since.is_some())
    );
    two.end().await;
}

#[tokio::test]
async fn a_state_folder_that_is_a_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    fs::write(&state, "").unwrap();
    let error = ProcessRuntime::start(Config::new(&state, SHIM))
        .await
        .unwrap_err();
    let state = state.display();
    let words = words(&error);
    assert!(
        words.starts_with(&format!("failed to use the state folder `{state}`: ")),
        "{words}"
    );
    assert!(words.contains("exists"), "{words}");
}

#[tokio::test]
async fn instances_of_another_environment_are_refused_and_left_alone() {
    let world = World::new().await;
    world.want(1, &service(&[])).await;
    let before = world.until_ready().await;
    let other = leadsman_core::id::EnvironmentId {
        application: "shop".parse().unwrap(),
        environment: "staging".parse().unwrap(),
    };
    let workloads = world.workloads(1, &service(&[]));
    let error = world
        .runtime()
        .apply(&other, 1, &workloads)
        .await
        .unwrap_err();
    assert_eq!(
        words(&error),
        "failed to take `shop.production.web.r1.d1.1` for one of `shop/staging`"
    );
    world
        .runtime()
        .apply(&other, 1, &Default::default())
        .await
        .unwrap();
    assert_eq!(
        world.observed().await[&world.id(1)].started_at,
        before.started_at
    );
    world.end().await;
}

#[tokio::test]
async fn an_instance_whose_port_was_taken_gets_another_one() {
    let world = World::new().await;
    // It ends by itself, and somebody else takes its port before it is back.
    let web = service(&["--crash-after-ms", "300"]);
    world.want(1, &web).await;
    let taken = world.until_ready().await.address.unwrap();
    let mut thief = None;
    eventually("the port is taken", || {
        thief = std::net::TcpListener::bind(taken).ok();
        thief.is_some()
    })
    .await;
    let seen = world
        .until("another port", |one| {
            one.address.is_some_and(|address| address != taken)
        })
        .await;
    assert!(seen.restarts >= 1);
    output_with(&world, "the port is taken").await;
    world.until_ready().await;
    drop(thief);
    world.end().await;
}
