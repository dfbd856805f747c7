//! Succession: a process of the command takes over from the one that serves, and nobody notices.
//!
//! The shim keeps what both listen on, and decides. The successor is started beside the one that
//! serves, fetches the sockets, and says when it accepts connections. Only then the other one is
//! told to retire; it ends what it is at, and itself. Whatever goes wrong before costs the
//! successor alone.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use leadsman_deposit::{Said, Told};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

use super::deposit::Deposit;
use super::process::Process;
use super::signals::signal_by_name;
use super::supervisor::{Phase, Shim, wall_clock};
use super::{Backoff, Spec};

/// How long a successor may take until it serves.
const SERVES_WITHIN: Duration = Duration::from_secs(15);

/// How long after one look at a process that was killed the next one is taken.
const KILL_AGAIN: Duration = Duration::from_secs(1);

/// How many processes may be retiring; each of them ends within its grace time.
const RETIRING_MAX: usize = 8;

/// How many words of one process are heard before others get their turn.
const WORDS_IN_TURN: usize = 64;

/// What came of a succession that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Another process serves now.
    Succeeded,
    /// The one that served still does; why, in words.
    Refused(String),
}

/// A process that is to take over.
#[derive(Debug)]
pub(super) struct Successor {
    pub(super) process: Process,
    spec: Spec,
    /// When it is given up.
    pub(super) give_up_at: Instant,
    /// What it listens on beside what is kept already: kept for good only once it serves.
    deposit: Deposit,
}

/// A process that has been succeeded.
#[derive(Debug)]
pub(super) struct Retiring {
    pub(super) process: Process,
    pub(super) kill_at: Instant,
}

impl Shim {
    /// Takes in a word of `number`'s process. Returns whether there may be more.
    pub(super) fn hear(&mut self, number: u32) {
        for _ in 0..WORDS_IN_TURN {
            let Some(process) = self.process(number) else {
                return;
            };
            let Some(line) = &process.line else { return };
            match line.receive::<Said>() {
                Ok(Some((said, sockets))) => self.said(number, said, sockets),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Its end shows when it is waited for.
                Ok(None) | Err(_) => process.line = None,
            }
        }
    }

    fn said(&mut self, number: u32, said: Said, mut sockets: Vec<OwnedFd>) {
        let is_main = self.main.number == number;
        let successor = self.successor.as_mut();
        let successor = successor.filter(|successor| successor.process.number == number);
        match said {
            Said::Fetch => {
                let predecessor = successor.is_some();
                if let Some(process) = self.process(number)
                    && let Some(line) = process.line.take()
                {
                    // One that does not take them is not of use, and found out soon.
                    let _gone = self.deposit.send(&line, predecessor);
                    if let Some(process) = self.process(number) {
                        process.line = Some(line);
                    }
                }
            }
            Said::Deposit(name) => {
                if let (Some(socket), true) = (sockets.pop(), sockets.is_empty()) {
                    match successor {
                        Some(successor) => successor.deposit.put(name, socket),
                        None if is_main => self.deposit.put(name, socket),
                        None => {}
                    }
                }
            }
            Said::Withdraw(names) => {
                if is_main {
                    self.deposit.withdraw(&names);
                }
                self.tell_process(number, &Told::Withdrawn);
            }
            Said::Serving if is_main => self.tell_process(number, &Told::Yours),
            Said::Serving => {
                if successor.is_some() {
                    self.promote();
                }
            }
            Said::Leaving if is_main => {
                self.leaving = true;
                self.succeed_by(Ok(self.spec.clone()));
            }
            Said::Leaving => self.tell_process(number, &Told::Alone),
            Said::Kill => {
                if is_main {
                    self.kill_retiring();
                }
            }
        }
    }

    /// Starts a successor as somebody asked for it: as its spec in the folder says.
    pub(super) fn succeed(&mut self) {
        let spec = self.folder.successor();
        self.succeed_by(spec.map_err(|error| crate::chain::words(&error)));
    }

    fn succeed_by(&mut self, spec: Result<Spec, String>) {
        // Whoever asks while one is under way waits for the same outcome.
        if self.successor.is_none()
            && let Err(why) = spec.and_then(|spec| self.begin_succession(spec))
        {
            self.refuse(&why);
        }
    }

    fn begin_succession(&mut self, spec: Spec) -> Result<(), String> {
        if !matches!(self.phase, Phase::Running { .. }) || self.main.line.is_none() {
            return Err("there is no running process to succeed".to_owned());
        }
        if self.retiring.len() >= RETIRING_MAX {
            return Err(format!("{RETIRING_MAX} processes are retiring already"));
        }
        if signal_by_name(&spec.stop_signal).is_none() || !spec.sockets {
            return Err("its spec cannot be used for a successor".to_owned());
        }
        // What it says last is what one wants to know of it.
        self.output.forget_last_lines();
        let process = self.start_process(&spec)?;
        self.successor = Some(Successor {
            process,
            spec,
            give_up_at: Instant::now() + SERVES_WITHIN,
            deposit: Deposit::default(),
        });
        Ok(())
    }

    /// The successor serves: it is the one from now on.
    fn promote(&mut self) {
        let Some(successor) = self.successor.take() else {
            return;
        };
        let now = Instant::now();
        let before = std::mem::replace(&mut self.main, successor.process);
        self.deposit.add(successor.deposit);
        let retiring = before.number;
        self.retiring.push(Retiring {
            process: before,
            kill_at: now + self.spec.grace,
        });
        self.spec = successor.spec;
        if let Some(signal) = signal_by_name(&self.spec.stop_signal) {
            self.stop_signal = signal;
        }
        self.backoff = Backoff::new(self.spec.pauses.clone());
        self.phase = Phase::Running { since: now };
        self.leaving = false;
        self.tell_process(self.main.number, &Told::Yours);
        self.tell_process(retiring, &Told::Retire);
        // A folder that cannot be written is no reason to go back; the next `up` says it anew.
        let _kept = self.folder.write_spec(&self.spec);
        self.status.child = self.main.id;
        self.status.started_at = wall_clock();
        self.tell();
        self.clients.say_outcome(&Outcome::Succeeded);
    }

    /// Gives up the successor, if there is one. The process that serves is not told.
    pub(super) fn give_up_successor(&mut self, why: &str) {
        let Some(mut successor) = self.successor.take() else {
            return;
        };
        kill(&successor.process);
        for source in &mut successor.process.sources {
            self.output.drain(source);
        }
        let last = self.output.last_lines();
        let last: Vec<&str> = last.iter().map(|line| line.trim()).collect();
        self.refuse(&match last[..] {
            [] => why.to_owned(),
            _ => format!("{why}; it said: {}", last.join("; ")),
        });
    }

    fn refuse(&mut self, why: &str) {
        if std::mem::take(&mut self.leaving) {
            self.tell_process(self.main.number, &Told::Alone);
        }
        self.clients.say_outcome(&Outcome::Refused(why.to_owned()));
    }

    /// Takes notice of the end of a process that does not serve, if it is one of the command's.
    pub(super) fn bystander_has_ended(&mut self, pid: i32, how: &str) {
        let successor = self.successor.as_mut();
        if let Some(successor) = successor.filter(|successor| successor.process.is(pid)) {
            successor.process.id = None;
            self.give_up_successor(&format!("the successor {how} before it served"));
        } else if let Some(at) = self.retiring.iter().position(|one| one.process.is(pid)) {
            let mut retired = self.retiring.remove(at);
            for source in &mut retired.process.sources {
                self.output.drain(source);
            }
        }
    }

    /// Does what is due of successions.
    pub(super) fn act_on_succession(&mut self, now: Instant) {
        let successor = self.successor.as_ref();
        if successor.is_some_and(|successor| now >= successor.give_up_at) {
            let seconds = SERVES_WITHIN.as_secs();
            self.give_up_successor(&format!("the successor did not serve within {seconds} s"));
        }
        for late in self.retiring.iter_mut().filter(|one| now >= one.kill_at) {
            kill(&late.process);
            // Once is enough, but what has to be is looked after.
            late.kill_at = now + KILL_AGAIN;
        }
    }

    /// Returns when there is something to do of successions.
    pub(super) fn succession_due(&self) -> Option<Instant> {
        let successor = self.successor.iter().map(|successor| successor.give_up_at);
        let retiring = self.retiring.iter().map(|retiring| retiring.kill_at);
        successor.chain(retiring).min()
    }

    /// Asks those that retire to end sooner.
    pub(super) fn hurry_retiring(&self) {
        for retiring in &self.retiring {
            signal(&retiring.process, self.stop_signal);
        }
    }

    fn kill_retiring(&self) {
        for retiring in &self.retiring {
            kill(&retiring.process);
        }
    }

    pub(super) fn process(&mut self, number: u32) -> Option<&mut Process> {
        self.processes_mut()
            .find(|process| process.number == number)
    }

    pub(super) fn processes(&self) -> impl Iterator<Item = &Process> {
        let successor = self.successor.iter().map(|successor| &successor.process);
        let retiring = self.retiring.iter().map(|retiring| &retiring.process);
        std::iter::once(&self.main).chain(successor).chain(retiring)
    }

    fn processes_mut(&mut self) -> impl Iterator<Item = &mut Process> {
        let successor = self.successor.iter_mut();
        let successor = successor.map(|successor| &mut successor.process);
        let retiring = self.retiring.iter_mut();
        let retiring = retiring.map(|retiring| &mut retiring.process);
        std::iter::once(&mut self.main)
            .chain(successor)
            .chain(retiring)
    }

    fn tell_process(&mut self, number: u32, told: &Told) {
        if let Some(process) = self.process(number)
            && let Some(line) = &process.line
        {
            // One that does not hear is killed when its time is up.
            let _deaf = line.send(told, &[]);
        }
    }
}

fn kill(process: &Process) {
    signal(process, Signal::KILL);
}

fn signal(process: &Process, signal: Signal) {
    if let Some(group) = process.id.and_then(|id| Pid::from_raw(id.pid)) {
        // It is the shim's own child and not waited for yet, so the number is still its.
        let _ended_already = kill_process_group(group, signal);
    }
}
