//! The acts of the story.

mod bad;
mod by_hand;
mod first;
mod good;
mod kill;

use std::time::{Duration, Instant};

use super::record::{ActRecord, Fate, Record};
use super::scene::Scene;
use super::version::SOAK;

/// How long a decision may take to leave no traffic on a revision, in milliseconds.
const CUT_MS_MAX: u64 = 100;

/// How long a deployment may take beyond its soaks, in all acts: far longer than it does.
const ALLOWANCE: Duration = Duration::from_secs(60);

/// How long a good release may take through all its steps.
const PROMOTED_WITHIN: Duration = SOAK.saturating_mul(4).saturating_add(ALLOWANCE);

/// One act of the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Act {
    /// The first release gets all traffic.
    FirstRelease,
    /// A good release goes through 5, 25, 50 and 90 %.
    GoodRelease,
    /// One with 5 % errors goes back.
    Errors,
    /// One that is twice as slow goes back.
    Slow,
    /// One that never becomes ready gets no request.
    NeverReady,
    /// One that crashes after a minute goes back.
    Crash,
    /// A promoted release is rolled back by hand.
    RollbackByHand,
    /// Control is killed in the middle of a step.
    KillControl,
}

impl Act {
    /// All of them, in the order of the story.
    pub(crate) const ALL: [Self; 8] = [
        Self::FirstRelease,
        Self::GoodRelease,
        Self::Errors,
        Self::Slow,
        Self::NeverReady,
        Self::Crash,
        Self::RollbackByHand,
        Self::KillControl,
    ];

    /// Returns the name by which scripts know it, which is also the one on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::FirstRelease => "first-release",
            Self::GoodRelease => "good-release",
            Self::Errors => "errors",
            Self::Slow => "slow",
            Self::NeverReady => "never-ready",
            Self::Crash => "crash",
            Self::RollbackByHand => "rollback-by-hand",
            Self::KillControl => "kill-control",
        }
    }

    /// Returns what it is about.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::FirstRelease => "The first release",
            Self::GoodRelease => "A good release",
            Self::Errors => "A release whose every twentieth answer is an error",
            Self::Slow => "A release that is twice as slow",
            Self::NeverReady => "A release that never becomes ready",
            Self::Crash => "A release that crashes after a minute",
            Self::RollbackByHand => "A good release that somebody does not like",
            Self::KillControl => "A good release, and `kill -9` of control",
        }
    }

    /// Returns what should become of its release.
    const fn expected(self) -> Fate {
        match self {
            Self::FirstRelease | Self::GoodRelease | Self::KillControl => Fate::Promoted,
            Self::Errors | Self::Slow | Self::Crash | Self::RollbackByHand => Fate::RolledBack,
            Self::NeverReady => Fate::Rejected,
        }
    }

    /// Plays it. What it finds out beyond its own record goes to `whole`.
    pub(super) async fn play(
        self,
        scene: &mut Scene,
        whole: &mut Record,
    ) -> anyhow::Result<ActRecord> {
        let mut record = ActRecord {
            name: self.name(),
            expected: self.expected(),
            ..ActRecord::default()
        };
        // What came in between two acts belongs to none of them, but to the whole.
        scene.counted.add(&scene.users.take().await?);
        let started = Instant::now();
        match self {
            Self::FirstRelease => first::play(scene, &mut record, whole).await?,
            Self::GoodRelease => good::play(scene, &mut record, whole).await?,
            Self::Errors => bad::errors(scene, &mut record).await?,
            Self::Slow => bad::slow(scene, &mut record).await?,
            Self::NeverReady => bad::never_ready(scene, &mut record).await?,
            Self::Crash => bad::crash(scene, &mut record).await?,
            Self::RollbackByHand => by_hand::play(scene, &mut record, whole).await?,
            Self::KillControl => kill::play(scene, &mut record).await?,
        }
        record.duration_ms = millis(started.elapsed());
        if let Some(cut_ms) = record.cut_ms {
            record.expect(cut_ms <= CUT_MS_MAX, || {
                format!("traffic was cut off only after {cut_ms} ms, not within {CUT_MS_MAX}")
            });
        }
        record.ok = record.unmet.is_empty();
        Ok(record)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn an_act_has_the_same_name_for_scripts_and_on_the_command_line() {
        assert_eq!(Act::value_variants(), Act::ALL);
        for act in Act::ALL {
            assert_eq!(act.to_possible_value().unwrap().get_name(), act.name());
        }
    }
}
