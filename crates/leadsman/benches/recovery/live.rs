//! The machine and the service of the tests, with many environments.
#![expect(
    dead_code,
    unused_imports,
    reason = "the tests do more with them than is done here"
)]

#[path = "../../tests/it/live/client.rs"]
mod client;
#[path = "../../tests/it/live/machine.rs"]
mod machine;
#[path = "../../tests/it/live/processes.rs"]
mod processes;
#[path = "../../tests/it/live/service.rs"]
mod service;

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use machine::{Machine, text};

/// What is promised of the time from the kill to the next decision.
const DECIDED_WITHIN: Duration = Duration::from_millis(500);

/// How many environments an application has; there are bounds to that.
const EACH: usize = 10;

/// How long after one answer the history is asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Each release is held half way.
const STRATEGY: &str = "strategy: { canary: { steps: [50%], soak: 1d } }\n\
                        limits: { requests: 20, against_stable: null }\n";

/// Is the service from here on, if that is what this process was started for.
pub(crate) fn serve_if_told() {
    service::serve_if_told();
}

/// How long it took after one kill.
struct Recovered {
    /// Until the first event was recorded: a verdict on what happened meanwhile, or the command.
    decided: Duration,
    /// Until a command was recorded that somebody kept giving.
    commanded: Duration,
}

/// Kills control, prints how long it took, and says whether that was what is promised.
pub(crate) fn play(environments: usize, kills: usize) -> bool {
    let name = |at: usize| format!("quay-{}/e{}", at / EACH + 1, at % EACH + 1);
    let names: Vec<String> = (0..environments).map(name).collect();
    let mut machine = Machine::started();
    // Free a moment ago, and all at the same time.
    let free: Vec<_> = names
        .iter()
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let addresses: Vec<_> = free.iter().map(|it| it.local_addr().unwrap()).collect();
    drop(free);
    let begun = Instant::now();
    for version in ["one", "two"] {
        for (names, addresses) in names.chunks(EACH).zip(addresses.chunks(EACH)) {
            ship_to(&machine, version, names, addresses);
        }
        let wanted = if version == "one" {
            "settled"
        } else {
            "moving"
        };
        machine.wait_until("all are where they should be", || {
            let status = machine.json(&["status"]);
            all(&status).iter().all(|environment| {
                let is_soaking = text(environment, "/services/0/rollout/stage") == "soaking";
                text(environment, "/deployment/phase") == wanted && (version == "one" || is_soaking)
            })
        });
    }
    eprintln!(
        "{environments} environments with {} instances after {:.0?}",
        machine.instances().len(),
        begun.elapsed()
    );
    let (crashed, paused) = names.split_at(kills);
    let recovered: Vec<Recovered> = crashed
        .iter()
        .zip(paused)
        .map(|(crashed, paused)| kill(&mut machine, crashed, paused))
        .collect();
    machine.down();
    println!("| from `kill -9` of control, with {environments} environments | median | slowest |");
    println!("|---|---:|---:|");
    let decided = recovered.iter().map(|it| it.decided).collect();
    let slowest = row("to its next decision, recorded", decided);
    let commanded = recovered.iter().map(|it| it.commanded).collect();
    row(
        "until a command that is given meanwhile is recorded",
        commanded,
    );
    slowest < DECIDED_WITHIN
}

/// Ships a version to all environments of one application.
fn ship_to(machine: &Machine, version: &str, names: &[String], addresses: &[SocketAddr]) {
    let (application, _) = names[0].split_once('/').unwrap();
    let mut project = format!("application: {application}\nenvironments:\n");
    for (name, address) in names.iter().zip(addresses) {
        let (_, name) = name.split_once('/').unwrap();
        writeln!(project, "  {name}: {{ listen: \"{address}\" }}").unwrap();
    }
    let lines = service::lines(version);
    write!(
        project,
        "services:\n  web:\n{lines}    ready: /health\n{STRATEGY}"
    )
    .unwrap();
    machine.place.write("leadsman.yaml", project);
    for name in names {
        machine
            .run(&["ship", "--detach", "--environment", name])
            .succeeds();
    }
}

/// Has the canary of `name` crash while control does nothing, and kills that; somebody wants `paused`
/// to be paused, and asks until it is.
fn kill(machine: &mut Machine, name: &str, paused: &str) -> Recovered {
    let control = machine.control();
    processes::stop(control, true);
    let first = format!("/{}.web.r", name.replace('/', "."));
    let shims = machine.shims();
    let is_canarys = |command: &str| command.contains(&first) && command.ends_with(".d2.1");
    let shim = shims.iter().find(|shim| is_canarys(&shim.command)).unwrap();
    let folder = PathBuf::from(shim.command.split(' ').next_back().unwrap());
    let instances = machine.instances();
    let canary = instances.iter().find(|process| process.parent == shim.pid);
    processes::kill(canary.unwrap().pid);
    machine.wait_until("its shim has started it again", || {
        let status = std::fs::read_to_string(folder.join("status.json")).unwrap();
        let status: Value = serde_json::from_str(&status).unwrap_or_default();
        status.pointer("/restarts").and_then(Value::as_u64) == Some(1)
            && text(&status, "/state") == "running"
    });
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    machine.kill_control();
    machine.launch();
    machine.wait_until("a command is taken", || {
        machine.run(&["pause", "--environment", paused]).status == 0
    });
    let commanded = machine.wait_for("the command is recorded", || {
        recorded(machine, paused, "deployment_paused", at)
    });
    let judged = machine.wait_for("the canary is taken back", || {
        recorded(machine, name, "rollback_started", at)
    });
    eprintln!("{name}: judged after {judged:.0?}, commanded after {commanded:.0?}");
    Recovered {
        decided: judged.min(commanded),
        commanded,
    }
}

/// Returns how long after `since` an event was recorded, if it was. It may be asked for later: when
/// it was is in the log.
fn recorded(machine: &Machine, name: &str, kind: &str, since: Duration) -> Option<Duration> {
    std::thread::sleep(ASK_AGAIN);
    let history = machine.json(&["history", "--environment", name]);
    let events = history.pointer("/events").and_then(Value::as_array)?;
    let event = events.iter().find(|event| text(event, "/kind") == kind)?;
    let millis = event.pointer("/at").and_then(Value::as_u64)?;
    Some(Duration::from_millis(millis).saturating_sub(since))
}

fn all(status: &Value) -> Vec<Value> {
    let all = status.pointer("/environments").and_then(Value::as_array);
    all.cloned().unwrap_or_default()
}

/// Prints the median and the slowest of some times, and returns the slowest.
fn row(name: &str, mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let slowest = times.last().copied().unwrap_or_default();
    println!("| {name} | {median:.0?} | {slowest:.0?} |");
    slowest
}
