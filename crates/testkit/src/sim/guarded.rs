//! What some worlds ask of a release before it gets traffic, and what people do about it.

use std::collections::BTreeSet;
use std::time::Duration;

use leadsman_core::Command;
use leadsman_core::checklist::Check;
use leadsman_core::id::ReleaseNumber;
use leadsman_core::people::{self, Grant, PersonName, Role};
use leadsman_engine::{Engine, Error};
use leadsman_gates::{ReportKind, Says, Tests};
use leadsman_store::Recorded;

use super::chance::Chance;
use super::play::{World, acknowledge, refused};
use super::script::{Act, What};
use super::sea::environment;

/// Who approves.
const PEOPLE: [&str; 4] = ["anna", "carl", "dora", "eve"];

/// What the machine is asked in these worlds.
pub(super) const MEMORY: Check = Check::Memory { available: 1 << 30 };

/// What people do about what is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarding {
    /// Everybody becomes known, two of them as the team.
    Known,
    /// Somebody consents, whether or not they may.
    Approve {
        /// To this release.
        release: u64,
        /// Who.
        person: usize,
    },
    /// Somebody refuses a release.
    Reject(u64),
    /// Nothing enters for a time.
    Freeze {
        /// For so long.
        length: Duration,
        /// Whether what is on its way is held too.
        maintenance: bool,
    },
    /// A release is let in all the same.
    Except(u64),
    /// That ends.
    Thaw,
    /// Somebody confirms what is asked of a release.
    Confirm(u64),
    /// A report on a release comes in.
    Report {
        /// The release.
        release: u64,
        /// Whether every test passed.
        good: bool,
    },
    /// From now on the machine says that all is well, or that it is not.
    Machine(bool),
    /// Somebody joins the team, or leaves it.
    Team {
        /// Who.
        person: usize,
        /// Whether they join.
        joins: bool,
    },
    /// Somebody becomes an approver, or is one no more.
    Role {
        /// Who.
        person: usize,
        /// Whether they become one.
        granted: bool,
    },
}

/// Returns what an environment asks, as it stands in a project file.
fn rules(chance: &mut Chance) -> String {
    let approvals = chance.pick(&[
        "",
        "approvals: 1, ",
        "approvals: { count: 2, lasts: 1m }, ",
        "approvals: { needs: [security], by_author: true }, ",
        "approvals: { needs: [security, { people: [carl, dora] }], by_author: true }, ",
    ]);
    // The world begins on a Friday at 08:00 by UTC.
    let windows = chance.pick(&[
        "",
        "",
        "windows: [\"Fri 08:03-08:06\", \"Fri 08:09-12:00\"], ",
    ]);
    let maintenance = chance.pick(&["", "", "maintenance: [\"Fri 08:02-08:04\"], "]);
    let gates = chance.pick(&["", "gates: { tests: pass }, "]);
    let before = chance.pick(&[
        "",
        "before: { memory: { available: 1GiB } }, ",
        "before: { memory: { available: 1GiB }, told: { confirm: Customers were told } }, ",
    ]);
    let during = chance.pick(&[
        "",
        "",
        "during: { memory: { available: 1GiB }, told: { confirm: It was looked at } }, ",
    ]);
    let after = chance.pick(&[
        "",
        "after: { smoke: { available: 1GiB, within: 1m, rollback: true } }, ",
    ]);
    format!(
        "{{ entry: {{ {approvals}{windows}{maintenance} }}, {gates}checklists: {{ \
         {before}{during}{after} }} }}"
    )
}

/// Adds rules to the releases of a world that come after the first, and what people do about them.
/// It has a chance of its own, so that all the rest of the world is as it is without.
pub(super) fn guard(seed: u64, length: Duration, acts: &mut Vec<Act>) {
    let mut chance = Chance::of(seed, "guarded");
    if !chance.one_in(2) {
        return;
    }
    let second = Duration::from_secs(1);
    let mut more = vec![Act {
        at: Duration::from_millis(200),
        what: What::Guard(Guarding::Known),
    }];
    let mut number = 0;
    for act in acts.iter_mut() {
        let What::Ship(shipped) = &mut act.what else {
            continue;
        };
        number += 1;
        if number > 1 {
            shipped.rules = Some(rules(&mut chance));
        }
        let mut soon = |chance: &mut Chance, deed| {
            let at = act.at + chance.time(second, second * 60);
            more.push(Act {
                at,
                what: What::Guard(deed),
            });
        };
        for person in 0..PEOPLE.len() {
            if !chance.one_in(3) {
                let deed = Guarding::Approve {
                    release: number,
                    person,
                };
                soon(&mut chance, deed);
            }
        }
        for deed in [
            Guarding::Report {
                release: number,
                good: true,
            },
            Guarding::Confirm(number),
            Guarding::Confirm(number),
        ] {
            if !chance.one_in(4) {
                soon(&mut chance, deed);
            }
        }
    }
    for _ in 0..chance.between(2, 10) {
        let what = What::Guard(Guarding::new(&mut chance));
        let at = chance.time(second * 5, length);
        more.push(Act { at, what });
    }
    acts.extend(more);
    acts.sort_by_key(|act| act.at);
}

impl Guarding {
    fn new(chance: &mut Chance) -> Self {
        let release = chance.between(1, 6);
        let person = usize::try_from(chance.below(4)).unwrap_or(0);
        let yes = chance.one_in(2);
        let length = chance.time(Duration::from_secs(5), Duration::from_secs(200));
        chance.pick(&[
            Self::Reject(release),
            Self::Freeze {
                length,
                maintenance: yes,
            },
            Self::Freeze {
                length,
                maintenance: yes,
            },
            Self::Except(release),
            Self::Thaw,
            Self::Confirm(release),
            Self::Report { release, good: yes },
            Self::Machine(yes),
            Self::Machine(!yes),
            Self::Team { person, joins: yes },
            Self::Role {
                person,
                granted: yes,
            },
        ])
    }
}

fn name(person: usize) -> PersonName {
    let name = PEOPLE.get(person).copied().unwrap_or("anna");
    name.parse().expect("a usable name")
}

fn approver() -> Grant {
    Grant {
        role: Role::Approver,
        reach: "shop".parse().expect("a reach"),
    }
}

impl World {
    pub(super) fn guard(&self, deed: Guarding) {
        if let Guarding::Machine(holds) = deed {
            return self.sea.machine(holds);
        }
        let Some((control, engine)) = self.asked() else {
            return;
        };
        let sea = std::sync::Arc::clone(&self.sea);
        let acknowledged = self.acknowledgements();
        let now = sea.wall();
        control.ask(async move {
            match done(&engine, deed, now).await {
                Ok(recorded) => acknowledge(&acknowledged, &recorded),
                Err(error) => refused(&sea, &error),
            }
        });
    }
}

async fn done(
    engine: &Engine,
    deed: Guarding,
    now: leadsman_core::time::Timestamp,
) -> Result<Vec<Recorded>, Error> {
    let of = ReleaseNumber;
    let why = || "it has to be".to_owned();
    let (command, by) = match deed {
        Guarding::Approve { release, person } => {
            let command = Command::Approve {
                release: of(release),
                digest: None,
                known_as: BTreeSet::new(),
                owner: false,
                note: None,
            };
            (command, name(person).to_string())
        }
        Guarding::Reject(release) => {
            let (release, why) = (of(release), why());
            (Command::Reject { release, why }, "eve".to_owned())
        }
        Guarding::Freeze {
            length,
            maintenance,
        } => {
            let command = Command::Freeze {
                from: None,
                until: Some(now + length),
                maintenance,
                why: why(),
            };
            (command, "ben".to_owned())
        }
        Guarding::Except(release) => {
            let command = Command::Except {
                freeze: None,
                release: of(release),
                why: why(),
            };
            (command, "eve".to_owned())
        }
        Guarding::Thaw => (Command::Thaw { freeze: None }, "ben".to_owned()),
        Guarding::Confirm(release) => {
            let command = Command::Confirm {
                item: "told".parse().expect("a usable name"),
                when: None,
                release: Some(of(release)),
                digest: None,
                roles: BTreeSet::from([Role::Operator]),
                said: why(),
            };
            (command, "ben".to_owned())
        }
        Guarding::Report { release, good } => {
            report(engine, of(release), good).await?;
            return Ok(Vec::new());
        }
        Guarding::Known | Guarding::Team { .. } | Guarding::Role { .. } => {
            tell(engine, deed).await?;
            return Ok(Vec::new());
        }
        Guarding::Machine(_) => return Ok(Vec::new()),
    };
    engine.command(&environment(), command, by.as_str()).await
}

async fn report(engine: &Engine, release: ReleaseNumber, good: bool) -> Result<(), Error> {
    let source = leadsman_gates::Source {
        kind: ReportKind::Junit,
        path: "out/unit.xml".to_owned(),
        job: Some("unit".to_owned()),
        group: None,
    };
    let tests = Tests {
        passed: 7,
        failed: u64::from(!good),
        ..Tests::default()
    };
    let says = Says {
        tests: Some(tests),
        ..Says::default()
    };
    let application = environment().application;
    engine
        .report(&application, release, source, says, "ann")
        .await
}

async fn tell(engine: &Engine, deed: Guarding) -> Result<(), Error> {
    let team = || "security".parse().expect("a usable name");
    let orders = match deed {
        Guarding::Known => {
            let add = |person| people::Command::Add {
                person: name(person),
                identities: BTreeSet::new(),
                grants: BTreeSet::from([approver()]),
            };
            let join = |person| people::Command::Join {
                person: name(person),
                team: team(),
            };
            let add = (0..PEOPLE.len()).map(add);
            add.chain((0..2).map(join)).collect()
        }
        Guarding::Team { person, joins } => {
            let (person, team) = (name(person), team());
            vec![if joins {
                people::Command::Join { person, team }
            } else {
                people::Command::Leave { person, team }
            }]
        }
        Guarding::Role { person, granted } => {
            let (person, grant) = (name(person), approver());
            vec![if granted {
                people::Command::Grant { person, grant }
            } else {
                people::Command::Revoke { person, grant }
            }]
        }
        _ => Vec::new(),
    };
    for order in orders {
        engine.about_people(&order, "root").await?;
    }
    Ok(())
}
