//! A machine that goes through some rounds, under users who keep coming.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::axe::{Axe, Struck, Target, What};
use super::books::{AccessLog, History};
use super::causes;
use super::commands::Commander;
use super::left;
use super::plan::{self, Deck, Ground};
use super::report::Report;
use crate::live::client::get;
use crate::live::machine::{DEADLINE, Machine, text};
use crate::live::random::Random;
use crate::live::small_disk;
use crate::live::users::{Place, Users, Wish};

/// How many users there are.
const USERS: usize = 12;

/// How large the disk is that can be full, in MiB.
const SMALL_DISK: u32 = 48;

/// What control is started with: all requests that fail are written down, and hardly any other.
const OPTIONS: [&str; 1] = ["--access-log=0.01%"];

/// How long at most whoever watches over control takes to start it again, in milliseconds.
const RESTART_MAX: u64 = 400;

/// The phases of a deployment that does no more by itself but wait for its way back to be forgotten.
const OVER: [&str; 4] = ["settling", "settled", "rolled_back", "superseded"];

/// How long after one look at a condition the next one is made.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A machine in the middle of it.
pub(super) struct Watch {
    // Goes before the machine, whose folder it is mounted in.
    disk: Option<SmallDisk>,
    machine: Machine,
    ground: Ground,
    users: Option<Users>,
    commander: Commander,
    deck: Deck,
    struck: Vec<Struck>,
    /// When control has ended without being killed, and how.
    ended: Vec<(Instant, ExitStatus)>,
}

/// A disk that is there for as long as this is.
struct SmallDisk(PathBuf);

impl Drop for SmallDisk {
    fn drop(&mut self) {
        small_disk::unmount(&self.0);
    }
}

impl Watch {
    /// Has a first version serve.
    pub(super) fn begin(ground: Ground) -> Result<Self, String> {
        let machine = Machine::new();
        let mut disk = None;
        if ground == Ground::SmallDisk {
            small_disk::mount(&machine.state(), SMALL_DISK)?;
            disk = Some(SmallDisk(machine.state()));
        }
        let mut watch = Self {
            disk,
            machine,
            ground,
            users: None,
            commander: Commander::default(),
            deck: Deck::default(),
            struck: Vec::new(),
            ended: Vec::new(),
        };
        watch.machine.up_with(&OPTIONS);
        let version = watch.commander.ship_good(&watch.machine);
        watch.machine.wait_for_version(&version);
        let place = Place {
            address: watch.machine.address,
            tls: None,
        };
        watch.users = Some(Users::asking(&place, USERS, wish));
        Ok(watch)
    }

    /// Goes through one round, and waits until everything is as it should be.
    pub(super) fn round(&mut self, random: &mut Random, report: &mut Report) {
        // How many commands there is time for is not in the seed; what is done to them is.
        let (kind, blows) = self.deck.draw(&mut random.fork());
        let blows = plan::on(self.ground, blows);
        println!("{}: {blows:?}", kind.name(self.ground));
        report.round(kind.name(self.ground));
        let axe = Axe {
            folder: self.machine.place.path().to_owned(),
            state: self.machine.state(),
        };
        let swinging = std::thread::spawn(move || axe.swing(&blows));
        while !swinging.is_finished() {
            self.commander.command(&self.machine, random);
            self.keep_control(random);
        }
        let (struck, late) = swinging.join().unwrap();
        for what in late {
            report.violated(what);
        }
        struck.iter().for_each(|one| report.struck(one));
        self.struck.extend(struck);
        let over = Instant::now();
        self.recover(random, report);
        report.recovered(over.elapsed());
        self.judge_ends(report);
    }

    /// Starts control again if it is gone, as whoever watches over it would.
    fn keep_control(&mut self, random: &mut Random) {
        let Some(status) = self.machine.control_has_ended() else {
            return;
        };
        if status.signal() != Some(9) {
            self.ended.push((Instant::now(), status));
        }
        std::thread::sleep(Duration::from_millis(random.below(RESTART_MAX)));
        self.machine.launch_with(&OPTIONS);
    }

    /// Looks whether control had a reason to end by itself: it may say that it cannot begin.
    fn judge_ends(&mut self, report: &mut Report) {
        for (at, status) in std::mem::take(&mut self.ended) {
            let is_reason = |struck: &Struck| {
                let is_want = matches!(
                    struck.what,
                    What::FullDisk | What::FewFiles(Target::Control)
                );
                is_want && struck.from <= at && at <= struck.to + Duration::from_secs(1)
            };
            if self.struck.iter().any(is_reason) {
                report.began_later();
            } else {
                let said = self.machine.said();
                let last: Vec<&str> = said.lines().rev().take(5).collect();
                report.violated(format!("control has ended by itself, {status}: {last:?}"));
            }
        }
    }

    /// Waits until what serves is whole again, and nothing is there that should not be.
    fn recover(&mut self, random: &mut Random, report: &mut Report) {
        let begun = Instant::now();
        let mut before = Vec::new();
        loop {
            self.keep_control(random);
            let missing = self.missing();
            if missing.is_empty() {
                println!("as it should be after {:?}: {before:?}", begun.elapsed());
                return;
            }
            if begun.elapsed() > DEADLINE {
                report.orphans(self.orphans());
                let last = &self.struck[self.struck.len().saturating_sub(4)..];
                panic!("never as it should be: {missing:?}; what was done: {last:#?}");
            }
            before = missing;
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        match get(self.machine.address, "/") {
            // A bad release may be on its way.
            Ok(answer) if [200, 500].contains(&answer.status) => {}
            other => missing.push(format!("no answer: {other:?}")),
        }
        let ran = self.machine.run(&["status", "--json"]);
        let status: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        match status.pointer("/environments/0") {
            Some(environment) if left::is_ready(environment) => {}
            Some(environment) => {
                let stable = environment.pointer("/services/0/stable");
                missing.push(format!("not all is ready: {stable:?}"));
            }
            None => missing.push(format!("control does not answer: {}", ran.whole())),
        }
        missing.extend(self.orphans());
        missing
    }

    fn orphans(&self) -> Vec<String> {
        let all = self.machine.processes();
        let orphans = left::orphans(&all).into_iter();
        orphans
            .map(|orphan| format!("an orphan: {orphan:?}"))
            .collect()
    }

    /// Has a last release get through, ends everything, and looks at what is left and was recorded.
    pub(super) fn end(mut self, report: &mut Report) {
        report.machine();
        self.finish();
        let outcome = self.users.take().unwrap().end();
        report.orphans(self.wait_for_calm());
        let listening = left::listening(&self.machine);
        report.leaked(left::leaked(&self.machine, &listening));
        let history = History::of(&self.machine);
        let commander = &self.commander;
        let (unanswered, not_done) = (commander.unanswered, &commander.not_done);
        report.commands(commander.acknowledged(), unanswered, not_done);
        report.lost(commander.lost(&history));
        self.machine.down();
        report.leaked(left::still_listening(&listening));
        let verified = self.machine.run(&["audit", "verify", "--json"]);
        match verified.status {
            0 => {
                let told: Value = serde_json::from_str(&verified.stdout).unwrap();
                report.verified(told.pointer("/events").and_then(Value::as_u64).unwrap());
            }
            _ => report.violated(format!("the log does not verify: {}", verified.whole())),
        }
        let log = AccessLog::of(&self.machine.state());
        let told = causes::told(&outcome, &self.struck, &log, &history);
        report.requests(outcome.visits.len(), told);
        drop(self.disk.take());
    }

    /// Ends what is on its way, and waits until another release has all traffic.
    fn finish(&mut self) {
        let machine = &self.machine;
        machine.wait_until("what was on its way is over", || {
            let phase = machine.phase();
            if ["moving", "paused"].contains(&phase.as_str()) {
                machine.run(&["abort"]);
            }
            let environment = machine.environment();
            let is_queued = environment
                .pointer("/queued")
                .is_some_and(|it| !it.is_null());
            !is_queued && OVER.contains(&phase.as_str())
        });
        let version = self.commander.ship_good(machine);
        machine.wait_until("the last release has all traffic", || {
            let phase = machine.phase();
            let is_over = ["settling", "settled"].contains(&phase.as_str());
            let environment = machine.environment();
            let note = text(&environment, "/deployment/note");
            let cause = text(&environment, "/deployment/cause");
            assert!(cause.is_empty() || note != version, "it went back: {cause}");
            is_over && note == version
        });
        machine.wait_for_version(&version);
    }

    /// Waits until exactly what should be there is there; returns what never goes.
    fn wait_for_calm(&self) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let superfluous = left::superfluous(&self.machine);
            if superfluous.is_empty() || begun.elapsed() > DEADLINE {
                return superfluous;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

/// Says what a user asks for: mostly what is answered at once, and now and then what takes time,
/// what is long, and what may not be done twice.
fn wish(user: usize, visit: usize) -> Wish {
    let (path, body) = match (user + visit) % 8 {
        0 | 1 => ("/wait/40", 0),
        2 => ("/give/200000", 0),
        3 => ("/wait/40", 2000),
        _ => ("/", 0),
    };
    Wish {
        path: path.to_owned(),
        body,
        name: Some(format!("user-{user}-{visit}")),
        alone: body > 0,
    }
}
