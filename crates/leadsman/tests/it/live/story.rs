//! All that can happen to what serves, one after another, under users who notice every gap.

use std::time::{Duration, Instant};

use super::certificate::{Certificate, FILE, believing_in};
use super::machine::{Machine, QUICK};
use super::processes;
use super::users::{Outcome, Place, Users, Visit};

const ROLLING: &str = "strategy: rolling\nlimits: { requests: 20, against_stable: null }\n";

const BLUE_GREEN: &str = "strategy: { blue_green: { steps: [50%], soak: 1s }, keep_warm: 10m }\n\
                          limits: { requests: 20, against_stable: null }\n";

/// A canary that can be killed in the middle of its only soak.
const CANARY: &str = "strategy: { canary: { steps: [50%], soak: 2s }, keep_warm: 10m }\n\
                      limits: { requests: 20, against_stable: null }\n";

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Rolling,
    BlueGreen,
    /// A canary, and `kill -9` of control in its soak.
    CanaryAndKill,
    Rollback,
    Upgrade,
    SetUp,
    /// Only where it is encrypted.
    Certificate,
}

impl Act {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rolling => "a rolling release",
            Self::BlueGreen => "blue/green",
            Self::CanaryAndKill => "a canary, and `kill -9` of control",
            Self::Rollback => "a rollback",
            Self::Upgrade => "an upgrade of the data plane",
            Self::SetUp => "another set-up of the data plane",
            Self::Certificate => "another certificate",
        }
    }
}

/// A machine with a release, whose users are about to come.
pub(super) struct Story {
    machine: Machine,
    place: Place,
    users: usize,
    /// The versions that were shipped and not taken back.
    versions: usize,
    /// The certificate that is not there yet, if it is encrypted.
    next: Option<Certificate>,
}

/// When something happened.
pub(super) struct Played {
    pub(super) act: Act,
    pub(super) begun: Instant,
    pub(super) took: Duration,
}

/// What came of all that happened.
pub(super) struct Told {
    pub(super) acts: Vec<Played>,
    pub(super) outcome: Outcome,
}

impl Told {
    /// Returns the visits of an act: those that began from its beginning to that of the next one.
    pub(super) fn of(&self, index: usize) -> Outcome {
        let from = self.acts[index].begun;
        let to = self.acts.get(index + 1).map(|next| next.begun);
        let of = |visit: &&Visit| {
            (index == 0 || visit.asked_at >= from) && to.is_none_or(|to| visit.asked_at < to)
        };
        Outcome {
            visits: self.outcome.visits.iter().filter(of).cloned().collect(),
        }
    }
}

/// What came of `kill -9` of the data plane.
pub(super) struct Killed {
    at: Instant,
    /// When it was seen to be gone. Until then it may have accepted connections.
    gone_by: Instant,
    /// How long it took from the kill to the answer of one who came as soon as it was gone.
    pub(super) back_after: Duration,
    pub(super) outcome: Outcome,
}

impl Killed {
    /// Returns the requests that were lost although they were not in flight.
    pub(super) fn unexplained(&self) -> Vec<&Visit> {
        let mut failed = self.outcome.failed();
        failed.retain(|visit| visit.asked_at > self.gone_by || visit.over_at < self.at);
        failed
    }
}

impl Story {
    /// Ships a first version, which so many users will come to.
    pub(super) fn new(users: usize, is_encrypted: bool) -> Self {
        let mut machine = Machine::started();
        let mut place = Place {
            address: machine.address,
            tls: None,
        };
        let mut next = None;
        if is_encrypted {
            let [first, second] = [Certificate::new(30), Certificate::new(90)];
            first.put(&machine);
            let chain = machine.place.path().join(FILE);
            let chain = chain.display();
            machine.tls = format!(", tls: {{ certificates: [{{ chain: \"{chain}\" }}] }}");
            place.tls = Some(believing_in([&first.root, &second.root]));
            next = Some(second);
        }
        machine.project("version-1", QUICK);
        machine.ship().succeeds();
        let story = Self {
            machine,
            place,
            users,
            versions: 1,
            next,
        };
        story.wait_for_version();
        story
    }

    /// Plays `acts` under the users, of whom each is watched for `watched` from its beginning on, and
    /// for `pause` after its end.
    pub(super) fn play(&mut self, acts: &[Act], watched: Duration, pause: Duration) -> Told {
        let users = Users::start(&self.place, self.users);
        let mut told = Vec::new();
        for act in acts {
            let begun = Instant::now();
            self.act(*act);
            let took = begun.elapsed();
            told.push(Played {
                act: *act,
                begun,
                took,
            });
            // Not a wait for anything: what goes wrong afterwards should be seen, too.
            std::thread::sleep(pause.max(watched.saturating_sub(took)));
        }
        Told {
            acts: told,
            outcome: users.end(),
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Rolling => self.ship(ROLLING),
            Act::BlueGreen => self.ship(BLUE_GREEN),
            Act::CanaryAndKill => {
                self.begin_to_ship(CANARY);
                self.machine.wait_for_soak();
                self.machine.kill_control();
                self.machine.up();
                self.machine.wait_for_phase("settling");
                self.wait_for_version();
            }
            Act::Rollback => {
                self.machine.run(&["rollback"]).succeeds();
                self.machine.wait_for_phase("rolled_back");
                self.versions -= 1;
                self.wait_for_version();
            }
            Act::Upgrade => {
                self.machine.install_newer();
                let [before, after] = self.exchange(&[]);
                assert_ne!(before, after);
            }
            Act::SetUp => drop(self.exchange(&["--proxy-threads", "3"])),
            Act::Certificate => {
                let next = self.next.take().unwrap();
                next.put(&self.machine);
                // Who believes in nothing else is answered once it is shown.
                let strict = Place {
                    tls: Some(believing_in([&next.root])),
                    ..self.place.clone()
                };
                self.machine
                    .wait_until("it is shown", || strict.ask().is_ok());
            }
        }
    }

    /// Has another control come that wants another data plane. Returns the command lines of both.
    fn exchange(&mut self, options: &[&str]) -> [String; 2] {
        let before = self.machine.proxy();
        self.machine.kill_control();
        self.machine.up_with(options);
        let after = self.machine.wait_for("another data plane is there", || {
            let after = self.machine.proxy();
            (after.pid != before.pid).then_some(after)
        });
        [before.command, after.command]
    }

    /// Ships a version and waits until it has all traffic.
    fn ship(&mut self, strategy: &str) {
        self.begin_to_ship(strategy);
        self.wait_for_version();
        self.machine.wait_until("it is over or settling", || {
            ["settling", "settled"].contains(&self.machine.phase().as_str())
        });
    }

    fn begin_to_ship(&mut self, strategy: &str) {
        self.versions += 1;
        self.machine.project(&self.version(), strategy);
        self.machine.ship_detached();
    }

    fn version(&self) -> String {
        format!("version-{}", self.versions)
    }

    fn wait_for_version(&self) {
        let version = self.version();
        let what = format!("{version} answers");
        self.machine
            .wait_until(&what, || self.place.ask().as_ref() == Ok(&version));
    }

    /// Kills the data plane under its users, who are watched for `pause` before and after that.
    pub(super) fn kill_the_data_plane(&self, pause: Duration) -> Killed {
        let users = Users::start(&self.place, self.users);
        std::thread::sleep(pause);
        let before = self.machine.proxy();
        let at = Instant::now();
        processes::kill(before.pid);
        // It dies when the system gets round to it, and until then it may still accept somebody:
        // whoever waits for the end of the process meets the next one.
        self.machine
            .wait_until("it is gone", || !processes::is_there(before.pid));
        let gone_by = Instant::now();
        let back = self.place.ask();
        let back_after = at.elapsed();
        assert_eq!(back, Ok(self.version()));
        std::thread::sleep(pause);
        let outcome = users.end();
        assert_ne!(self.machine.proxy().pid, before.pid);
        Killed {
            at,
            gone_by,
            back_after,
            outcome,
        }
    }

    /// Ends everything, and checks that nothing is left.
    pub(super) fn end(mut self) {
        self.machine.down();
    }
}
