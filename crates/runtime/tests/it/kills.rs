//! Control may be killed at any instant: no instance is lost, and none runs twice.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::world::{SHIM, World, eventually, processes_of, service, two_are_ready};

const CONTROL: &str = env!("CARGO_BIN_EXE_leadsman-test-control");

#[tokio::test]
async fn a_control_that_is_killed_again_and_again_loses_nothing_and_leaks_nothing() {
    let mut world = World::new().await;
    world.lose_control();
    let wanted = world.folder.path().join("wanted.json");
    let web = service(&[]);
    for round in 0..24_u16 {
        // Two instances in one round, none in the next: both starting and stopping are cut off.
        let count = if round % 2 == 0 { 2 } else { 0 };
        let content = (&world.environment, world.workloads(count, &web));
        std::fs::write(&wanted, serde_json::to_vec(&content).unwrap()).unwrap();
        let mut control = Command::new(CONTROL)
            .args([world.state().as_os_str(), SHIM.as_ref(), wanted.as_os_str()])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        // Not a wait for anything: the instants at which it is killed are spread over its start.
        tokio::time::sleep(Duration::from_millis(u64::from(round) * 6)).await;
        control.kill().unwrap();
        control.wait().unwrap();
    }
    world.restart_control().await;
    world.want(2, &web).await;
    world.until_all("two ready", two_are_ready).await;
    // Two shims and two services. What an earlier one left behind may take a moment to give up.
    eventually("four processes", || processes_of(&world.state()).len() == 4).await;
    world.end().await;
}
