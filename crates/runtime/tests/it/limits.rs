//! What a service may use, and as whom it runs.

use leadsman_core::workload::InstanceState::{Broken, Restarting};
use leadsman_core::workload::ObservedInstance;
use leadsman_runtime::{ReadFrom, Runtime as _};

use crate::world::{World, is, script, service};

#[tokio::test]
async fn a_service_that_uses_too_much_memory_is_killed_and_says_so() {
    let world = World::new().await;
    let mut hungry = service(&["--eat-mib", "96"]);
    hungry.spec.memory = Some(64 << 20);
    world.want(1, &hungry).await;
    // Somebody else on the machine may have been given its port, and then it ends for that first.
    let killed = |one: &ObservedInstance| {
        let detail = one.detail.as_deref().unwrap_or_default();
        one.state == Restarting && !detail.contains("the port is taken")
    };
    let seen = world.until("killed, and restarting", killed).await;
    let detail = seen.detail.unwrap();
    let used: u64 = detail
        .strip_prefix("used ")
        .and_then(|rest| rest.split_once(" MiB of its limit of 64 MiB;"))
        .and_then(|(used, _)| used.parse().ok())
        .unwrap_or_else(|| panic!("{detail}"));
    assert!((96..200).contains(&used), "{detail}");
    world.end().await;
}

#[tokio::test]
async fn memory_is_measured() {
    let world = World::new().await;
    world.want(1, &service(&["--eat-mib", "32"])).await;
    world.until_ready().await;
    let mut measured = None;
    // A figure that moved is no change to be told of, so it is looked at again and again.
    crate::world::eventually_async("memory is measured", async || {
        measured = world.observed().await[&world.id(1)].memory;
        measured.is_some_and(|bytes| bytes >= 32 << 20)
    })
    .await;
    assert!(measured.unwrap() < 128 << 20, "{measured:?}");
    world.end().await;
}

#[tokio::test]
async fn processor_time_is_measured_also_of_children_that_live_for_a_moment() {
    // No process but the first one lives long enough to be seen twice.
    const BUSY: &str =
        "while :; do dd if=/dev/zero of=/dev/null bs=64k count=2000 2>/dev/null; done";
    for (name, command, at_least, at_most) in [
        ("busy", BUSY, 50, 10_000),
        ("idle", "while :; do sleep 1; done", 0, 40),
    ] {
        let world = World::new().await;
        world.want(1, &script(command)).await;
        world.until_ready().await;
        crate::world::eventually_async(name, async || {
            let measured = world.observed().await[&world.id(1)].cpu;
            let per_second = measured.map(|used| used.as_millis());
            per_second.is_some_and(|used| (at_least..=at_most).contains(&used))
        })
        .await;
        world.end().await;
    }
}

#[tokio::test]
async fn a_service_cannot_open_more_files_than_it_may() {
    let world = World::new().await;
    let mut greedy = service(&["--open-files", "500"]);
    greedy.spec.files = Some(100);
    world.want(1, &greedy).await;
    world.until_ready().await;
    let output = world
        .runtime()
        .output(&world.id(1), ReadFrom::Last(10))
        .await
        .unwrap()
        .text;
    let opened: u32 = output
        .strip_prefix("opened ")
        .and_then(|rest| rest.split_once(' '))
        .and_then(|(opened, _)| opened.parse().ok())
        .unwrap_or_else(|| panic!("{output}"));
    assert!((50..100).contains(&opened), "{output}");
    world.end().await;
}

#[tokio::test]
async fn a_service_runs_as_the_user_it_asks_for() {
    let world = World::new().await;
    let mut other = script("id -u; id -g; echo $HOME; while :; do sleep 1; done");
    other.spec.user = Some("nobody".to_owned());
    world.want(1, &other).await;
    if rustix::process::geteuid().is_root() {
        world.until_ready().await;
        let output = crate::world::output_with(&world, "/nonexistent").await;
        assert_eq!(output, "65534\n65534\n/nonexistent\n");
    } else {
        let seen = world.until("broken", is(Broken)).await;
        assert_eq!(
            seen.detail.as_deref(),
            Some("not allowed to switch user: only root may")
        );
    }
    world.end().await;
}

#[tokio::test]
async fn a_user_who_does_not_exist_is_named() {
    let world = World::new().await;
    let mut web = service(&[]);
    web.spec.user = Some("no-such-user".to_owned());
    world.want(1, &web).await;
    let seen = world.until("broken", is(Broken)).await;
    let problem = "user `no-such-user` does not exist on this machine";
    assert_eq!(seen.detail.as_deref(), Some(problem));
    world.end().await;
}
