//! From the wish to run to the last process that is gone.

use std::time::{Duration, Instant};

use leadsman_core::workload::InstanceState::{Broken, Restarting, Running, Stopping};

use crate::world::{World, is, is_alive, running, script, service, two_are_ready};

#[tokio::test]
async fn an_instance_starts_becomes_ready_and_stops() {
    let world = World::new().await;
    world.want(2, &service(&[])).await;
    let all = world.until_all("two ready", two_are_ready).await;
    let addresses: std::collections::BTreeSet<_> =
        all.values().map(|one| one.address.unwrap()).collect();
    assert_eq!(addresses.len(), 2);
    assert!(
        all.values()
            .all(|one| one.state == Running && one.detail.is_none())
    );
    // The same again changes nothing.
    let before = world.status(&world.id(1));
    world.want(2, &service(&["--another-flag"])).await;
    world.want(1, &service(&[])).await;
    world.until_all("one left", |all| all.len() == 1).await;
    let after = world.status(&world.id(1));
    assert_eq!((before.child, before.shim), (after.child, after.shim));
    world.end().await;
}

#[tokio::test]
async fn a_command_that_is_not_there_is_broken_and_says_so() {
    for (program, detail) in [
        (
            "no-such-program",
            "command `no-such-program` was not found in PATH",
        ),
        (
            "./server",
            "`./server` does not exist in its working folder",
        ),
        (
            "$NOPE",
            "`$NOPE` names the variable `NOPE`, which is not set",
        ),
    ] {
        let world = World::new().await;
        world.want(1, &running(vec![program.to_owned()])).await;
        let seen = world.until("broken", is(Broken)).await;
        assert_eq!(seen.detail.as_deref(), Some(detail));
        world.end().await;
    }
}

#[tokio::test]
async fn an_instance_that_never_answers_is_never_ready() {
    let world = World::new().await;
    world.want(1, &service(&["--never-ready"])).await;
    let refused = |detail: &str| detail.ends_with("connection refused");
    let seen = world
        .until("refused", |one| one.detail.as_deref().is_some_and(refused))
        .await;
    assert_eq!(seen.state, Running);
    let address = seen.address.unwrap();
    assert_eq!(
        seen.detail,
        Some(format!("GET /health on {address}: connection refused"))
    );
    assert_eq!(seen.ready_since, None);
    world.end().await;
}

#[tokio::test]
async fn what_crashes_is_started_again_after_a_pause() {
    let world = World::new().await;
    world.want(1, &service(&["--crash-after-ms", "50"])).await;
    let seen = world
        .until("restarts", |one| {
            one.restarts >= 2 && one.state == Restarting
        })
        .await;
    assert_eq!(
        seen.detail.as_deref(),
        Some("killed by signal ABRT; its last output: opened 0 files, ate 0 MiB | about to crash")
    );
    assert_eq!(seen.ready_since, None);
    world.end().await;
}

#[tokio::test]
async fn what_ignores_the_signal_is_killed_after_its_grace() {
    let world = World::new().await;
    let mut stubborn = service(&["--ignore-term", "--stubborn-children", "2"]);
    stubborn.spec.stop.grace = Duration::from_millis(300);
    world.want(1, &stubborn).await;
    world.until_ready().await;
    let child = world.status(&world.id(1)).child.unwrap();
    let asked = Instant::now();
    world.want(0, &stubborn).await;
    world.until("stopping", is(Stopping)).await;
    world.end().await;
    assert!(asked.elapsed() >= stubborn.spec.stop.grace);
    assert!(!is_alive(child.pid));
}

#[tokio::test]
async fn nothing_outlives_a_service_that_ends_by_itself() {
    let world = World::new().await;
    world
        .want(
            1,
            &script("(trap '' TERM; while :; do sleep 1; done) & exit 3"),
        )
        .await;
    let seen = world.until("restarting", is(Restarting)).await;
    assert_eq!(seen.detail.as_deref(), Some("exited with status 3"));
    world.end().await;
}
