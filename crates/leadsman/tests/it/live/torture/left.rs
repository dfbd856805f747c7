//! What is there when all is calm, and what should not be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use super::axe::{Target, port_of, target_of};
use crate::live::machine::{Machine, text};
use crate::live::processes::Process;

/// A listening socket, by the number that the kernel gave it.
pub(super) type Socket = u64;

/// Returns the processes that belong to nobody: no part of Leadsman, and below no shim.
pub(super) fn orphans(all: &[Process]) -> Vec<&Process> {
    let is_known = |process: &Process| target_of(process, all).is_some();
    let parent = |process: &Process| all.iter().find(|other| other.pid == process.parent);
    let belongs = |process: &Process| {
        let mut at = Some(process);
        while let Some(process) = at {
            if is_known(process) {
                return true;
            }
            at = parent(process);
        }
        false
    };
    all.iter().filter(|process| !belongs(process)).collect()
}

/// Returns what is there beside what has to be: one control, one proxy with one shim, and one shim
/// with one process for each instance that is known.
pub(super) fn superfluous(machine: &Machine) -> Vec<String> {
    let environment = machine.environment();
    let known = instances(&environment);
    let all = machine.processes();
    let mut found: Vec<String> = orphans(&all)
        .into_iter()
        .map(|orphan| format!("an orphan: {orphan:?}"))
        .collect();
    let mut count: BTreeMap<Target, usize> = BTreeMap::new();
    for process in &all {
        let Some(target) = target_of(process, &all) else {
            continue;
        };
        *count.entry(target).or_default() += 1;
        let name = process.command.rsplit('/').next().unwrap_or_default();
        if target == Target::Shim && !known.contains(name) {
            found.push(format!(
                "a shim of an instance that nobody knows: {process:?}"
            ));
        }
    }
    for (target, wanted) in [
        (Target::Control, 1),
        (Target::Proxy, 1),
        (Target::ProxyShim, 1),
        (Target::Shim, known.len()),
        (Target::Instance, known.len()),
    ] {
        let there = count.get(&target).copied().unwrap_or_default();
        if there != wanted {
            found.push(format!("{there} of {}, and not {wanted}", target.name()));
        }
    }
    found
}

/// Returns the names of all instances that control knows.
fn instances(environment: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for side in ["stable", "canary", "baseline", "warm"] {
        let at = format!("/services/0/{side}/instances");
        let instances = environment.pointer(&at).and_then(Value::as_array);
        names.extend(instances.into_iter().flatten().map(|it| text(it, "/id")));
    }
    names
}

/// Whether all instances that serve are ready.
pub(super) fn is_ready(environment: &Value) -> bool {
    let wanted = environment.pointer("/services/0/stable/wanted");
    let wanted = wanted.and_then(Value::as_u64).unwrap_or_default();
    let instances = environment.pointer("/services/0/stable/instances");
    let instances = instances.and_then(Value::as_array);
    instances.is_some_and(|instances| {
        let is_ready = |it: &Value| it.pointer("/ready") == Some(&Value::Bool(true));
        instances.len() as u64 == wanted && instances.iter().all(is_ready)
    })
}

/// Returns the listening sockets of all processes, by their ports.
pub(super) fn listening(machine: &Machine) -> BTreeMap<u16, BTreeSet<Socket>> {
    let ports = ports_of_sockets();
    let mut found: BTreeMap<u16, BTreeSet<Socket>> = BTreeMap::new();
    for process in machine.processes() {
        let files = fs::read_dir(format!("/proc/{}/fd", process.pid));
        for file in files.into_iter().flatten().flatten() {
            let Ok(link) = fs::read_link(file.path()) else {
                continue;
            };
            let link = link.display().to_string();
            let socket = link.strip_prefix("socket:[");
            let socket = socket.and_then(|rest| rest.strip_suffix(']')?.parse().ok());
            if let Some(socket) = socket
                && let Some(port) = ports.get(&socket)
            {
                found.entry(*port).or_default().insert(socket);
            }
        }
    }
    found
}

/// Returns the ports that nobody should listen on: neither that of the environment nor one that was
/// given to an instance.
pub(super) fn leaked(
    machine: &Machine,
    listening: &BTreeMap<u16, BTreeSet<Socket>>,
) -> Vec<String> {
    let all = machine.processes();
    let is_instance = |process: &&Process| target_of(process, &all) == Some(Target::Instance);
    let given: BTreeSet<u16> = all
        .iter()
        .filter(is_instance)
        .filter_map(|instance| port_of(instance.pid))
        .collect();
    let own = machine.address.port();
    let is_leaked = |port: &&u16| **port != own && !given.contains(port);
    let leaked = listening.keys().filter(is_leaked);
    let mut leaked: Vec<String> = leaked
        .map(|port| format!("port {port} has leaked"))
        .collect();
    for port in given {
        let count = listening.get(&port).map_or(0, BTreeSet::len);
        if count != 1 {
            leaked.push(format!(
                "{count} sockets listen on port {port} of an instance"
            ));
        }
    }
    leaked
}

/// Returns the sockets that still listen of those that did.
pub(super) fn still_listening(before: &BTreeMap<u16, BTreeSet<Socket>>) -> Vec<String> {
    let now = ports_of_sockets();
    let of = |(port, sockets): (&u16, &BTreeSet<Socket>)| {
        let left = sockets.iter().filter(|socket| now.contains_key(socket));
        (left.count() > 0).then(|| format!("port {port} is still listened on"))
    };
    before.iter().filter_map(of).collect()
}

/// Returns all listening sockets of this machine for IPv4, with their ports.
fn ports_of_sockets() -> BTreeMap<Socket, u16> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let of = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        // 0A is LISTEN.
        let is_listening = words.get(3) == Some(&"0A");
        let (_, port) = words.get(1)?.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let socket = words.get(9)?.parse().ok()?;
        is_listening.then_some((socket, port))
    };
    table.lines().skip(1).filter_map(of).collect()
}
