//! The event log: nothing that was acknowledged is lost, and nothing is changed unseen.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::machine::{LONG, Machine, text};
use super::processes;
use super::random::Random;

/// How often control is killed.
const ROUNDS: u64 = 15;

/// What a command was acknowledged with.
#[derive(Debug)]
enum Acknowledged {
    /// It is in the environment's state from this version on.
    Given { kind: &'static str, version: usize },
    /// It became this release.
    Shipped { release: u64 },
}

impl Acknowledged {
    fn is_given(&self, expected: &str) -> bool {
        matches!(self, Self::Given { kind, .. } if *kind == expected)
    }
}

/// Gives one command; `Ok(None)` is a refusal, `Err` means that control is gone.
fn give(machine: &Machine, what: u64, count: usize) -> Result<Option<Acknowledged>, ()> {
    let (arguments, kind) = match what {
        0 => {
            machine.project(&format!("v{count}"), LONG);
            (&["ship", "--detach", "--json"][..], None)
        }
        1 | 3 | 5 => (&["pause", "--json"][..], Some("deployment_paused")),
        _ => (&["resume", "--json"][..], Some("deployment_resumed")),
    };
    let ran = machine.run(arguments);
    match ran.status {
        0 => {}
        1 => return Ok(None),
        _ => return Err(()),
    }
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
    let number = |at| answer.pointer(at).unwrap().as_u64().unwrap();
    Ok(Some(match kind {
        Some(kind) => Acknowledged::Given {
            kind,
            version: usize::try_from(number("/version")).unwrap(),
        },
        None => Acknowledged::Shipped {
            release: number("/release"),
        },
    }))
}

#[test]
fn no_acknowledged_command_is_lost_whenever_control_is_killed() {
    let mut random = Random::new(0x1ead);
    let mut machine = Machine::with_first_release();
    machine.project("two", LONG);
    machine.ship_detached();
    let mut acknowledged = Vec::new();
    let mut count = 0;
    for round in 0..ROUNDS {
        let control = machine.control();
        let after = Duration::from_millis(20 + random.below(300));
        println!("round {round}: killed after {after:?}");
        let begun = Instant::now();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(after.saturating_sub(begun.elapsed()));
            processes::kill(control);
        });
        loop {
            count += 1;
            match give(&machine, random.below(7), count) {
                Ok(given) => acknowledged.extend(given),
                Err(()) => break,
            }
        }
        killer.join().unwrap();
        machine.kill_control();
        machine.up();
    }
    let history = machine.json(&["history", "--limit", "10000"]);
    let mut events = history
        .pointer("/events")
        .unwrap()
        .as_array()
        .unwrap()
        .clone();
    events.reverse();
    for (at, command) in acknowledged.iter().enumerate() {
        let is_there = match command {
            Acknowledged::Given { kind, version } => {
                let given = acknowledged[..=at]
                    .iter()
                    .filter(|other| other.is_given(kind));
                let recorded = events.iter().take(*version);
                let recorded = recorded.filter(|event| text(event, "/kind") == *kind);
                recorded.count() >= given.count()
            }
            Acknowledged::Shipped { release } => {
                let name = format!("release {release} ");
                events
                    .iter()
                    .any(|event| text(event, "/sentence").contains(&name))
            }
        };
        assert!(is_there, "{command:?} is lost; there is {events:#?}");
    }
    println!("{} commands were acknowledged", acknowledged.len());
    assert!(acknowledged.len() > 10, "{acknowledged:?}");
    machine.run(&["audit", "verify"]).succeeds();
    machine.down();
    machine.run(&["audit", "verify"]).succeeds();
}

#[test]
fn a_log_that_was_tampered_with_is_found_out_with_the_position() {
    let mut machine = Machine::with_first_release();
    let history = machine.json(&["history"]);
    let events = history.pointer("/events").unwrap().as_array().unwrap();
    let promoted = |event: &&Value| text(event, "/kind") == "deployment_promoted";
    let promoted = events.iter().find(promoted).unwrap();
    let position = format!("at position {}", promoted.pointer("/position").unwrap());
    machine.down();
    let log = fs::read(machine.state().join("events.db")).unwrap();
    let sentence = b"deployment_promoted";
    let at = log
        .windows(sentence.len())
        .position(|window| window == sentence);
    let mut tampered = log.clone();
    tampered[at.unwrap()] = b'D';
    machine.place.write("copy/events.db", tampered);
    let ran = machine.run(&["audit", "verify", "--state", "copy"]);
    ran.fails(1, &["error[L040]", &position]);
    machine.place.write("copy/events.db", log);
    machine
        .run(&["audit", "verify", "--state", "copy"])
        .succeeds();
}
