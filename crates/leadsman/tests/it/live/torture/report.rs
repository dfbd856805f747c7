//! What came of it all, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use super::axe::{Struck, What};
use super::causes::Told;

/// How many requests are told of that failed without a cause.
const UNEXPLAINED_MAX: usize = 10;

/// What came of all rounds.
#[derive(Debug, Default)]
pub(super) struct Report {
    asked_for: u64,
    seed: u64,
    rounds: BTreeMap<&'static str, u64>,
    kills: BTreeMap<&'static str, u64>,
    stops: BTreeMap<&'static str, u64>,
    others: BTreeMap<String, u64>,
    requests: u64,
    asked_again: u64,
    failed: BTreeMap<String, u64>,
    unexplained: u64,
    longest_gap: Duration,
    longest_recovery: Duration,
    acknowledged: u64,
    lost: u64,
    unanswered: u64,
    not_done: BTreeMap<String, u64>,
    orphans: u64,
    leaked: u64,
    machines: u64,
    verified: u64,
    events: u64,
    /// How often control could not begin, and did once there was room again.
    begun_later: u64,
    not_run: Vec<String>,
    violations: Vec<String>,
}

impl Report {
    pub(super) fn new(asked_for: u64, seed: u64) -> Self {
        Self {
            asked_for,
            seed,
            ..Self::default()
        }
    }

    pub(super) fn machine(&mut self) {
        self.machines += 1;
    }

    pub(super) fn round(&mut self, name: &'static str) {
        *self.rounds.entry(name).or_default() += 1;
    }

    /// Takes note of something that must not be, and says so at once: where it is followed by more
    /// of it, the first is what one wants to know.
    pub(super) fn violated(&mut self, what: impl Into<String>) {
        let what = what.into();
        eprintln!("torture: seed {}: {what}", self.seed);
        self.violations.push(what);
    }

    pub(super) fn not_run(&mut self, what: &str, why: &str) {
        self.not_run.push(format!("{what}: {why}"));
    }

    pub(super) fn struck(&mut self, struck: &Struck) {
        let count = match struck.what {
            What::Kill(target) => self.kills.entry(target.name()).or_default(),
            What::KillAll => self.kills.entry("all at once").or_default(),
            What::Stop(target) => self.stops.entry(target.name()).or_default(),
            What::FewFiles(target) => {
                let name = format!("few files for {}", target.name());
                self.others.entry(name).or_default()
            }
            What::FullDisk => self.others.entry("full disk".to_owned()).or_default(),
            What::BusyDisk => self.others.entry("busy disk".to_owned()).or_default(),
            What::Hoard => self.others.entry("memory limit".to_owned()).or_default(),
        };
        *count += 1;
    }

    pub(super) fn began_later(&mut self) {
        self.begun_later += 1;
    }

    pub(super) fn recovered(&mut self, after: Duration) {
        self.longest_recovery = self.longest_recovery.max(after);
    }

    pub(super) fn requests(&mut self, count: usize, told: Told) {
        self.requests += count as u64;
        self.asked_again += told.asked_again;
        self.longest_gap = self.longest_gap.max(told.longest_gap);
        for (cause, count) in told.failed {
            *self.failed.entry(cause).or_default() += count;
        }
        self.unexplained += told.unexplained.len() as u64;
        for words in told.unexplained.into_iter().take(UNEXPLAINED_MAX) {
            self.violated(format!("a request failed without a cause: {words}"));
        }
    }

    pub(super) fn commands(
        &mut self,
        acknowledged: usize,
        unanswered: u64,
        not_done: &BTreeMap<String, u64>,
    ) {
        self.acknowledged += acknowledged as u64;
        self.unanswered += unanswered;
        for (code, count) in not_done {
            *self.not_done.entry(code.clone()).or_default() += count;
        }
    }

    pub(super) fn lost(&mut self, commands: Vec<String>) {
        self.lost += commands.len() as u64;
        commands.into_iter().for_each(|it| self.violated(it));
    }

    pub(super) fn orphans(&mut self, found: Vec<String>) {
        self.orphans += found.len() as u64;
        found.into_iter().for_each(|it| self.violated(it));
    }

    pub(super) fn leaked(&mut self, found: Vec<String>) {
        self.leaked += found.len() as u64;
        found.into_iter().for_each(|it| self.violated(it));
    }

    pub(super) fn verified(&mut self, events: u64) {
        self.verified += 1;
        self.events += events;
    }

    pub(super) fn is_good(&self) -> bool {
        self.violations.is_empty() && self.verified == self.machines
    }

    /// Prints it, and writes it to the files that are named for that.
    pub(super) fn tell(&self) {
        let (text, json) = (self.text(), format!("{:#}\n", self.json()));
        println!("{text}");
        for (variable, content) in [
            ("LEADSMAN_TORTURE_REPORT", text),
            ("LEADSMAN_TORTURE_JSON", json),
        ] {
            if let Some(file) = std::env::var_os(variable) {
                std::fs::write(file, content).unwrap();
            }
        }
    }

    /// Returns what to run to do the same again.
    fn again(&self) -> String {
        let Self {
            asked_for, seed, ..
        } = self;
        format!("./dev torture --rounds {asked_for} --seed {seed}")
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| writeln!(text, "{name:<22} {value}").unwrap();
        let rounds: u64 = self.rounds.values().sum();
        line("seed", self.seed.to_string());
        line("rounds", format!("{rounds}: {}", counts(&self.rounds)));
        line("killed", counts(&self.kills));
        line("stopped", counts(&self.stops));
        line("short of", counts(&self.others));
        line("requests", self.requests.to_string());
        line(
            "asked again",
            format!("{}, on a connection that was closed", self.asked_again),
        );
        line("failed", counts(&self.failed));
        line("unexplained", self.unexplained.to_string());
        let gap = format!(
            "{:.0?}, after a kill of the proxy or its shim",
            self.longest_gap
        );
        line("longest gap", gap);
        let recovery = format!("{:.1?}", self.longest_recovery);
        line("longest recovery", recovery);
        line("commands acknowledged", self.acknowledged.to_string());
        line("lost commands", self.lost.to_string());
        line("without an answer", self.unanswered.to_string());
        line("not done", counts(&self.not_done));
        line("control began later", self.begun_later.to_string());
        line("orphans", self.orphans.to_string());
        line("leaked ports", self.leaked.to_string());
        let (verified, machines, events) = (self.verified, self.machines, self.events);
        line(
            "logs verified",
            format!("{verified} of {machines}, {events} events"),
        );
        for what in &self.not_run {
            line("NOT RUN", what.clone());
        }
        for what in &self.violations {
            line("VIOLATED", what.clone());
        }
        if !self.is_good() {
            line("again", self.again());
        }
        text
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "seed": self.seed,
            "asked_for": self.asked_for,
            "rounds": self.rounds,
            "kills": self.kills,
            "stops": self.stops,
            "short_of": self.others,
            "requests": self.requests,
            "asked_again": self.asked_again,
            "failed": self.failed,
            "unexplained": self.unexplained,
            "longest_gap_ms": u64::try_from(self.longest_gap.as_millis()).unwrap_or(u64::MAX),
            "longest_recovery_ms": u64::try_from(self.longest_recovery.as_millis()).unwrap_or(u64::MAX),
            "commands": {
                "acknowledged": self.acknowledged,
                "lost": self.lost,
                "unanswered": self.unanswered,
                "not_done": self.not_done,
            },
            "control_began_later": self.begun_later,
            "orphans": self.orphans,
            "leaked_ports": self.leaked,
            "logs": { "machines": self.machines, "verified": self.verified, "events": self.events },
            "not_run": self.not_run,
            "violations": self.violations,
            "is_good": self.is_good(),
            "again": self.again(),
        })
    }
}

/// Returns counts in one line, the sum first where there are several.
fn counts<N: AsRef<str>>(counts: &BTreeMap<N, u64>) -> String {
    let each: Vec<String> = counts
        .iter()
        .map(|(name, count)| format!("{} {count}", name.as_ref()))
        .collect();
    let sum: u64 = counts.values().sum();
    match each.len() {
        0 => "0".to_owned(),
        _ => format!("{sum} ({})", each.join(", ")),
    }
}
