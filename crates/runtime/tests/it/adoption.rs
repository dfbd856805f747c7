//! What happens when control or a shim ends without saying goodbye.

use std::fs;
use std::time::Duration;

use leadsman_core::workload::InstanceState::Running;
use rustix::process::{Pid, Signal, kill_process};

use crate::world::{World, eventually, is_alive, service};

#[tokio::test]
async fn a_new_control_finds_instances_as_they_were() {
    let mut world = World::new().await;
    let web = service(&[]);
    world.want(1, &web).await;
    let before = world.until_ready().await;
    let status = world.status(&world.id(1));
    world.lose_control();
    assert!(is_alive(status.child.unwrap().pid));
    world.restart_control().await;
    // From the first moment on, before anybody said what is wanted.
    let after = world.observed().await.remove(&world.id(1)).unwrap();
    assert_eq!(after.ready_since, before.ready_since);
    assert_eq!((after.state, after.address), (Running, before.address));
    world.want(1, &web).await;
    world.until_ready().await;
    assert_eq!(world.status(&world.id(1)).child, status.child);
    world.end().await;
}

#[tokio::test]
async fn an_instance_whose_shim_is_killed_goes_with_it_and_is_started_anew() {
    let world = World::new().await;
    let mut web = service(&["--stubborn-children", "2", "--escaping-child"]);
    web.spec.stop.grace = Duration::from_millis(200);
    world.want(1, &web).await;
    let before = world.until_ready().await;
    let status = world.status(&world.id(1));
    kill_process(Pid::from_raw(status.shim.pid).unwrap(), Signal::KILL).unwrap();
    world
        .until("started anew", |one| {
            one.restarts == 1 && one.ready_since.is_some()
        })
        .await;
    assert!(!is_alive(status.child.unwrap().pid));
    let after = world.status(&world.id(1));
    assert_ne!(after.child, status.child);
    assert!(before.started_at <= after.started_at);
    world.end().await;
}

#[tokio::test]
async fn a_shim_that_died_while_no_control_watched_is_cleared_up() {
    let mut world = World::new().await;
    let mut web = service(&["--stubborn-children", "1", "--escaping-child"]);
    web.spec.stop.grace = Duration::from_millis(200);
    world.want(1, &web).await;
    world.until_ready().await;
    let status = world.status(&world.id(1));
    world.lose_control();
    kill_process(Pid::from_raw(status.shim.pid).unwrap(), Signal::KILL).unwrap();
    let child = status.child.unwrap().pid;
    eventually("the service dies with its shim", || !is_alive(child)).await;
    world.restart_control().await;
    assert_eq!(world.observed().await[&world.id(1)].ready_since, None);
    world.want(1, &web).await;
    world.until_ready().await;
    world.end().await;
}

#[tokio::test]
async fn half_written_and_damaged_folders_are_cleared_up() {
    let mut world = World::new().await;
    let web = service(&[]);
    world.want(3, &web).await;
    world
        .until_all("three ready", |all| {
            all.len() == 3 && all.values().all(|one| one.ready_since.is_some())
        })
        .await;
    world.lose_control();
    let [first, second, third] = [1, 2, 3].map(|ordinal| world.folder_of(&world.id(ordinal)));
    // A crash right after the folder was made, and just before the spec was written.
    let instances = world.state().join("instances");
    fs::create_dir(instances.join("empty")).unwrap();
    fs::create_dir(instances.join("shop.production.web.r1.d1.9")).unwrap();
    fs::write(
        instances.join("shop.production.web.r1.d1.9/.record.json.new"),
        "{",
    )
    .unwrap();
    fs::write(instances.join("stray"), "").unwrap();
    // What control wrote, what it reads back, and what the shim wrote: all nonsense.
    fs::write(first.join("record.json"), "{\"id\":").unwrap();
    fs::write(second.join("ready.json"), "\0\0\0").unwrap();
    fs::write(third.join("status.json"), "").unwrap();
    world.restart_control().await;
    world.want(3, &web).await;
    world
        .until_all("three ready", |all| {
            all.len() == 3 && all.values().all(|one| one.ready_since.is_some())
        })
        .await;
    assert_eq!(fs::read_dir(&instances).unwrap().count(), 3);
    world.end().await;
}
