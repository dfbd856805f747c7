//! Random worlds: whatever is asked and whatever breaks, the invariants hold at every step, and
//! once the faults end every deployment finishes or waits for a person (`converges`).

use leadsman_analysis::{Evidence, Outcome};
use leadsman_core::id::ReleaseNumber;
use leadsman_core::spec::{BaselineKind, OnInconclusive, Strategy};
use leadsman_core::workload::InstanceState;
use leadsman_core::{Command, Environment, Phase, Scope, evolve};

use crate::world::{World, blue_green, canary, content, name, rolling, service, shipping};

/// A small generator of reproducible chance (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

fn play(seed: u64) {
    let mut chance = Chance(seed);
    let mut world = World::new();
    let mut verdicts = Chance(seed ^ 0xdead_beef);
    world.judge = Box::new(move |_, _, _| {
        Some(match verdicts.below(60) {
            0 => Outcome::Fail,
            1..=3 => Outcome::NoData,
            4..=6 => Outcome::SourceError,
            7..=30 => Outcome::Inconclusive,
            _ => Outcome::Pass,
        })
    });
    let mut released = 0;
    for _ in 0..400 {
        if chance.one_in(25) {
            released += 1;
            if chance.one_in(8) {
                world.never_ready.insert(ReleaseNumber(released));
            }
            let instances = 1 + u16::try_from(chance.below(4)).expect("small");
            let strategy = match chance.below(4) {
                0 => rolling(instances),
                1 => blue_green(),
                2 => canary(&[5, 25, 50, 100]),
                _ => canary(&[10, 50]),
            };
            let on_inconclusive = match chance.below(3) {
                0 => OnInconclusive::Hold,
                1 => OnInconclusive::Rollback,
                _ => OnInconclusive::Advance,
            };
            let baseline = if chance.one_in(2) {
                BaselineKind::Fresh
            } else {
                BaselineKind::Stable
            };
            let strategy = Strategy {
                on_inconclusive,
                baseline,
                ..strategy
            };
            let version = if chance.one_in(3) {
                released - 1
            } else {
                released
            };
            let services = [
                ("api", service(version, instances, &strategy)),
                ("web", service(released, instances, &strategy)),
            ];
            let content = content(&services, chance.one_in(2));
            let _accepted = world.ask(&shipping(released, &content));
        }
        if chance.one_in(10) {
            let log_e = [-2.0, 2.0, 4.0][usize::try_from(chance.below(3)).expect("small")];
            world.evidence = (!chance.one_in(4)).then_some(Evidence {
                log_e,
                log_e_strict: log_e,
                log_e_alone: None,
                warn: log_e > 3.0,
                fails_in: None,
                passes_in: chance.one_in(2).then_some(30.0),
            });
        }
        if chance.one_in(12) {
            let command = match chance.below(9) {
                0 => Command::Pause,
                1 => Command::Resume,
                2 => Command::Promote {
                    all: chance.one_in(2),
                },
                3 => Command::Abort,
                4 => Command::Retry,
                5 => Command::Rollback {
                    to: None,
                    scope: Scope::All,
                    migrate_back: false,
                },
                6 => Command::Rollback {
                    to: None,
                    scope: Scope::Canary,
                    migrate_back: false,
                },
                7 => Command::Rollback {
                    to: None,
                    scope: Scope::Service(name("api")),
                    migrate_back: false,
                },
                _ => Command::Rollback {
                    to: Some(ReleaseNumber(1 + chance.below(released.max(1)))),
                    scope: Scope::All,
                    migrate_back: false,
                },
            };
            let _granted = world.ask(&command);
        }
        if chance.one_in(15) {
            let sick = chance.below(16);
            if let Some((_, seen)) = world
                .instances
                .iter_mut()
                .nth(usize::try_from(sick).expect("small"))
            {
                seen.ready_since = None;
                seen.state = match chance.below(3) {
                    0 => InstanceState::Broken,
                    1 => InstanceState::Restarting,
                    _ => InstanceState::Running,
                };
            }
        }
        if chance.one_in(10) {
            let now = world.now;
            for seen in world.instances.values_mut() {
                if !world.never_ready.contains(&seen.revision.release) {
                    seen.state = InstanceState::Running;
                    seen.ready_since = seen.ready_since.or(Some(now));
                }
            }
        }
        let deployment = world.environment.deployment.as_ref();
        let coming_in = deployment.filter(|d| d.phase == Phase::Moving);
        if let Some(release) = coming_in.map(|deployment| deployment.release.0)
            && chance.one_in(20)
            && world.data_plane
        {
            world.trip(release);
        }
        world.data_plane = if world.data_plane {
            !chance.one_in(40)
        } else {
            chance.one_in(3)
        };
        world.pass(1 + chance.below(20));
    }
    world.note("the faults end");
    world.data_plane = true;
    world.never_ready.clear();
    world.judge = Box::new(|_, _, _| Some(Outcome::Pass));
    let now = world.now;
    for seen in world.instances.values_mut() {
        seen.state = InstanceState::Running;
        seen.ready_since = Some(now);
    }
    world.pass(2000);
    if let Some(deployment) = &world.environment.deployment {
        let waits_for_person =
            deployment.paused.is_some() || matches!(deployment.phase, Phase::Frozen { .. });
        assert!(
            waits_for_person,
            "`converges` does not hold for seed {seed}\n{}",
            world.timeline
        );
    }
    let replayed = world.events.iter().fold(
        Environment::new(world.environment.id.clone()),
        |state, (at, event)| evolve(state, *at, event),
    );
    assert_eq!(
        replayed, world.environment,
        "`replay-equals-live` does not hold"
    );
}

#[test]
fn the_invariants_hold_whatever_happens() {
    // `SEEDS=5000 cargo test -p leadsman-core chance` looks further.
    let seeds = std::env::var("SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok());
    for seed in 0..seeds.unwrap_or(20) {
        play(seed);
    }
}
