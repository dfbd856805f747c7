//! What happens in a round, by chance.

use std::time::Duration;

use super::axe::{Blow, Target, What};
use crate::live::random::Random;

/// What the state folder of a machine lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// The disk of the machine that it is tested on.
    Disk,
    /// A disk of its own that can be filled.
    SmallDisk,
}

/// The kinds of rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Kills,
    /// Everything is killed at once.
    CutOff,
    Stops,
    Both,
    FewFiles,
    /// The disk is full, or busy where it cannot be.
    Disk,
    Memory,
}

impl Kind {
    pub(super) fn name(self, ground: Ground) -> &'static str {
        match self {
            Self::Kills => "kills",
            Self::CutOff => "cut off",
            Self::Stops => "stops",
            Self::Both => "kills and stops",
            Self::FewFiles => "few files",
            Self::Disk if ground == Ground::SmallDisk => "full disk",
            Self::Disk => "busy disk",
            Self::Memory => "memory limit",
        }
    }
}

/// One of these is drawn after the other until there is none; then all are shuffled again. So few
/// rounds have nearly all kinds, too.
const DECK: [Kind; 12] = [
    Kind::Kills,
    Kind::CutOff,
    Kind::Kills,
    Kind::Stops,
    Kind::Disk,
    Kind::Kills,
    Kind::FewFiles,
    Kind::Memory,
    Kind::Both,
    Kind::Kills,
    Kind::Disk,
    Kind::Kills,
];

/// The latest moment of a round at which something is done.
const LATEST: u64 = 1500;

/// The kinds that are yet to come.
#[derive(Default)]
pub(super) struct Deck(Vec<Kind>);

impl Deck {
    /// Draws the next round: its kind, and what is done in it.
    pub(super) fn draw(&mut self, random: &mut Random) -> (Kind, Vec<Blow>) {
        if self.0.is_empty() {
            self.0 = DECK.to_vec();
        }
        let at = below(random, self.0.len());
        let kind = self.0.swap_remove(at);
        (kind, blows(kind, random))
    }
}

fn below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap()
}

fn millis(random: &mut Random, least: u64, most: u64) -> Duration {
    Duration::from_millis(least + random.below(most - least))
}

fn target(random: &mut Random) -> Target {
    Target::ALL[below(random, Target::ALL.len())]
}

fn blows(kind: Kind, random: &mut Random) -> Vec<Blow> {
    let blow = |random: &mut Random, what| Blow {
        what,
        after: millis(random, 0, LATEST),
        lasts: millis(random, 50, 2000),
        which: random.below(1000),
    };
    let several = 1 + random.below(4);
    let kill = |random: &mut Random| {
        let target = target(random);
        blow(random, What::Kill(target))
    };
    let stop = |random: &mut Random| {
        let target = target(random);
        blow(random, What::Stop(target))
    };
    match kind {
        Kind::Kills => (0..several).map(|_| kill(random)).collect(),
        Kind::CutOff => vec![blow(random, What::KillAll)],
        Kind::Stops => (0..several).map(|_| stop(random)).collect(),
        Kind::Both => vec![stop(random), kill(random), kill(random)],
        Kind::FewFiles => {
            let target = [Target::Control, Target::Proxy][below(random, 2)];
            vec![blow(random, What::FewFiles(target))]
        }
        Kind::Disk => {
            // Which of the two it is is not for the plan to know.
            let mut blows = vec![blow(random, What::FullDisk)];
            if random.below(2) == 0 {
                blows.push(kill(random));
            }
            blows
        }
        Kind::Memory => vec![blow(random, What::Hoard)],
    }
}

/// Has the disk be busy where it cannot be full.
pub(super) fn on(ground: Ground, mut blows: Vec<Blow>) -> Vec<Blow> {
    for blow in &mut blows {
        if blow.what == What::FullDisk && ground == Ground::Disk {
            blow.what = What::BusyDisk;
        }
    }
    blows
}
