//! Commands while all that happens, and whether what was acknowledged is in the log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::books::History;
use crate::live::machine::{LONG, Machine, text};
use crate::live::random::Random;
use crate::live::service;

/// A rollout of a good second.
const SHORT: &str = "strategy: { canary: { steps: [50%], soak: 1s }, keep_warm: 10m, patience: 40s, \
                     on_inconclusive: rollback }\nlimits: { requests: 20, against_stable: null }\n";

const ROLLING: &str = "strategy: rolling\nlimits: { requests: 20, against_stable: null }\n";

const BLUE_GREEN: &str = "strategy: { blue_green: { steps: [50%], soak: 500ms }, keep_warm: 5s, patience: 40s, \
     on_inconclusive: rollback }\nlimits: { requests: 20, against_stable: null }\n";

/// How the instances are asked whether they are ready.
const READY: &str = "{ http: /health, every: 50ms, within: 20s }";

/// How many instances serve.
const INSTANCES: usize = 2;

/// The limit of memory, in MiB: several times what the service needs.
const MEMORY_MAX: u64 = 128;

/// The longest pause between two commands, in milliseconds.
const PAUSE_MAX: u64 = 250;

/// Somebody who gives commands.
#[derive(Default)]
pub(super) struct Commander {
    /// How many versions were shipped, or tried to.
    versions: u64,
    acknowledged: Vec<Acknowledged>,
    /// What did not work, by the code that it was answered with.
    pub(super) not_done: BTreeMap<String, u64>,
    /// How many got no answer: they may have been done, or not.
    pub(super) unanswered: u64,
}

/// A command that was acknowledged.
#[derive(Debug)]
struct Acknowledged {
    command: &'static str,
    /// It is in the environment's state from this version on.
    version: usize,
    /// The release and its note, where it was one.
    shipped: Option<(u64, String)>,
}

impl Commander {
    pub(super) fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// Gives any command, and takes a little time.
    pub(super) fn command(&mut self, machine: &Machine, random: &mut Random) {
        match random.below(14) {
            0..4 => self.ship_any(machine, random),
            4 => self.give(machine, "pause", &[]),
            5 | 6 => self.give(machine, "resume", &[]),
            7 => self.give(machine, "promote", &[]),
            8 => self.give(machine, "promote", &["--all"]),
            9 => self.give(machine, "rollback", &[]),
            10 => self.give(machine, "abort", &[]),
            // Somebody who only looks.
            _ => drop(machine.run(&["status", "--json"])),
        }
        // Not a wait for anything: people think between two commands.
        std::thread::sleep(Duration::from_millis(random.below(PAUSE_MAX)));
    }

    /// Ships any version in any way, but a bad one only where it is judged.
    fn ship_any(&mut self, machine: &Machine, random: &mut Random) {
        let ways = [
            ("", SHORT),
            ("", LONG),
            (" brood", SHORT),
            (" brood", ROLLING),
            (" brood", BLUE_GREEN),
            (" errors", SHORT),
            (" errors", LONG),
        ];
        let way = random.below(ways.len() as u64);
        let (behaviour, strategy) = ways[usize::try_from(way).unwrap()];
        self.ship(machine, behaviour, strategy);
    }

    /// Ships a version that is good, and returns it.
    pub(super) fn ship_good(&mut self, machine: &Machine) -> String {
        self.ship(machine, "", SHORT)
    }

    /// Ships a version with a behaviour, and returns its name.
    fn ship(&mut self, machine: &Machine, behaviour: &str, strategy: &str) -> String {
        self.versions += 1;
        let name = format!("v{}", self.versions);
        let version = format!("{name}{behaviour}");
        let lines = format!(
            "{}    instances: {INSTANCES}\n    memory: {MEMORY_MAX}MiB\n    files: 1000\n    \
             stop: {{ drain: 10s, grace: 2s }}\n    traffic: {{ hold: 20s }}\n",
            service::lines(&version)
        );
        machine.project_of(&lines, READY, strategy);
        let arguments = ["ship", "--detach", "--note", &version, "--json"];
        if let Some(answer) = self.run(machine, &arguments) {
            let release = answer.pointer("/release").and_then(Value::as_u64).unwrap();
            self.acknowledge("ship", &answer, Some((release, version)));
        }
        name
    }

    fn give(&mut self, machine: &Machine, command: &'static str, options: &[&str]) {
        let arguments = [&[command, "--json"], options].concat();
        if let Some(answer) = self.run(machine, &arguments) {
            self.acknowledge(command, &answer, None);
        }
    }

    fn acknowledge(
        &mut self,
        command: &'static str,
        answer: &Value,
        shipped: Option<(u64, String)>,
    ) {
        let version = answer.pointer("/version").and_then(Value::as_u64).unwrap();
        self.acknowledged.push(Acknowledged {
            command,
            version: usize::try_from(version).unwrap(),
            shipped,
        });
    }

    /// Runs a command; returns its answer if it is acknowledged.
    fn run(&mut self, machine: &Machine, arguments: &[&str]) -> Option<Value> {
        let ran = machine.run(arguments);
        match ran.status {
            0 => return Some(serde_json::from_str(&ran.stdout).unwrap()),
            1 => {
                let said: Value = serde_json::from_str(&ran.stderr).unwrap_or_default();
                let code = text(&said, "/error/code");
                assert!(!code.is_empty(), "{arguments:?}: {}", ran.whole());
                *self.not_done.entry(code).or_default() += 1;
            }
            3 => self.unanswered += 1,
            _ => panic!("{arguments:?}: {}", ran.whole()),
        }
        None
    }

    /// Returns the acknowledged commands that are not in the log.
    pub(super) fn lost(&self, history: &History) -> Vec<String> {
        let mut taken = BTreeSet::new();
        let is_there = |command: &&Acknowledged| is_recorded(command, history, &mut taken);
        let lost = self.acknowledged.iter().filter({
            let mut is_there = is_there;
            move |command| !is_there(command)
        });
        let words = |command: &Acknowledged| {
            let from = command.version.saturating_sub(3);
            let near: Vec<_> = history.events.iter().skip(from).take(5).collect();
            format!("{command:?} is not in the log: {near:#?}")
        };
        lost.map(words).collect()
    }
}

/// Whether a command is in the log, as an event that stands for no other command.
fn is_recorded(command: &Acknowledged, history: &History, taken: &mut BTreeSet<usize>) -> bool {
    let kinds: &[&str] = match command.command {
        "ship" => &["deployment_started", "deployment_queued"],
        "pause" => &["deployment_paused"],
        "resume" => &["deployment_resumed"],
        "promote" => &["step_passed", "steps_skipped", "service_promoted"],
        "rollback" => &[
            "rollback_started",
            "deployment_started",
            "deployment_queued",
        ],
        "abort" => &["rollback_started", "deployment_ended"],
        other => panic!("{other} is no command"),
    };
    let event = command.version.checked_sub(1);
    let event = event.and_then(|at| history.events.get(at));
    let is_there = event
        .is_some_and(|event| kinds.contains(&event.kind.as_str()) && event.actor != "leadsman");
    // One that waited and was superseded before it began is no release of the environment.
    let is_kept = command.shipped.as_ref().is_none_or(|(release, note)| {
        let name = format!("release {release} ");
        let known = history.releases.get(release);
        event.is_some_and(|event| event.sentence.contains(&name))
            && known.is_none_or(|known| known == note)
    });
    is_there && is_kept && taken.insert(command.version)
}
