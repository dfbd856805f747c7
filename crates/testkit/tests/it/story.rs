//! Worlds that are written by hand, and what is read of them.

use std::time::Duration;

use leadsman_testkit::sim::{
    Act, Fault, Nature, Played, Script, Setting, Shipped, What, Wish, play,
};

/// A canary in two steps, and a minute in which the way back is warm.
pub(crate) const CANARY: &str = "canary: { steps: [10%, 50%], soak: 20s }, keep_warm: 1m";

/// Both sides whole, and two minutes in which the way back is warm.
pub(crate) const BLUE_GREEN: &str = "blue_green: { soak: 10s }, keep_warm: 2m";

/// A world, while it is being written.
#[derive(Clone)]
pub(crate) struct Story(Script);

/// What came of a world.
pub(crate) struct Told(Played);

/// Nothing happens at the moment at which a window closes, nor before control is there.
const fn between(at: u64) -> Duration {
    Duration::from_millis(at * 1_000 + 500)
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Returns a release whose program is of this version: two instances, that come in as a canary.
pub(crate) fn release(version: u64, nature: Nature) -> Shipped {
    Shipped {
        version,
        nature,
        strategy: CANARY.to_owned(),
        instances: 2,
        chained: false,
        steady: false,
        path: "/",
        limits: None,
        rules: None,
        migrates: None,
    }
}

/// Returns a good release with another strategy.
pub(crate) fn by(version: u64, nature: Nature, strategy: &str) -> Shipped {
    Shipped {
        strategy: strategy.to_owned(),
        ..release(version, nature)
    }
}

/// Returns a release of four instances that are replaced one for one.
pub(crate) fn rolling(version: u64, nature: Nature) -> Shipped {
    Shipped {
        instances: 4,
        ..by(version, nature, "rolling: {}")
    }
}

impl Story {
    /// A world in which nothing has happened yet: one service with 400 requests a second, windows
    /// of a second. Things happen for `length` seconds.
    pub(crate) fn of(length: u64) -> Self {
        Self(Script {
            seed: 1,
            setting: Setting {
                services: 1,
                requests: 400,
                window: seconds(1),
                length: seconds(length),
            },
            acts: Vec::new(),
        })
    }

    /// A world in which `shipped` serves from the first seconds on.
    pub(crate) fn serving(length: u64, shipped: Shipped) -> Self {
        Self::of(length).ship(0, shipped)
    }

    pub(crate) fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }

    pub(crate) fn requests(mut self, requests: u64) -> Self {
        self.0.setting.requests = requests;
        self
    }

    pub(crate) fn windows(mut self, length: u64) -> Self {
        self.0.setting.window = seconds(length);
        self
    }

    fn at(mut self, at: Duration, what: What) -> Self {
        self.0.acts.push(Act { at, what });
        // What was written first comes first at the same moment.
        self.0.acts.sort_by_key(|act| act.at);
        self
    }

    /// Ann ships a release.
    pub(crate) fn ship(self, at: u64, shipped: Shipped) -> Self {
        self.at(between(at), What::Ship(shipped))
    }

    /// Ben asks for something.
    pub(crate) fn ask(self, at: u64, wish: Wish) -> Self {
        self.at(between(at), What::Ask(wish))
    }

    /// Something breaks.
    pub(crate) fn fault(self, at: u64, fault: Fault) -> Self {
        self.at(between(at), What::Fault(fault))
    }

    /// Something breaks, to the millisecond.
    pub(crate) fn fault_at(self, at: Duration, fault: Fault) -> Self {
        self.at(at, What::Fault(fault))
    }

    /// Control is killed, and started again two seconds later.
    pub(crate) fn kill_control(self, at: u64) -> Self {
        let (steps, half, down) = (0, false, seconds(2));
        self.fault(at, Fault::Crash { steps, half, down })
    }

    /// Somebody looks what is waited for.
    pub(crate) fn look(self, at: u64) -> Self {
        self.at(between(at), What::Look)
    }

    /// Plays it. Nothing that must always hold may be broken.
    pub(crate) fn play(&self) -> Told {
        let played = play(&self.0, true);
        assert!(
            played.violations.is_empty(),
            "{:#?}\n{}",
            played.violations,
            played.timeline.join("\n")
        );
        Told(played)
    }
}

impl Told {
    /// Returns what happened while things could still break. Which control it was is only said
    /// where there was more than one.
    fn lines(&self) -> impl Iterator<Item = String> {
        let timeline = &self.0.timeline;
        let alone = !timeline.iter().any(|line| line.contains("control 2"));
        let story = timeline
            .iter()
            .take_while(|line| !line.ends_with("nothing breaks any more"));
        story.map(move |line| {
            let line = line.trim_start().replace("shop.production.", "");
            if !alone {
                return line;
            }
            let control = ["is killed", "is stopped", "starts\n"];
            let line = line + "\n";
            let line = if control.iter().any(|what| line.contains(what)) {
                line.replace("control 1", "control")
            } else {
                line.replace("control 1 ", "")
            };
            line.trim_end().to_owned()
        })
    }

    /// Returns the lines from second `from` on that speak of one of these things; of none: all of them.
    pub(crate) fn since(&self, from: u64, things: &[&str]) -> String {
        let told = self.lines().filter(|line| {
            let at = line.split('.').next().and_then(|at| at.parse().ok());
            at.is_some_and(|at: u64| at >= from)
                && (things.is_empty() || things.iter().any(|thing| line.contains(thing)))
        });
        told.map(|line| line + "\n").collect()
    }

    /// Returns what was recorded, without when, and without what figures a judge had seen by then.
    pub(crate) fn facts(&self) -> Vec<String> {
        let recorded = self.lines().filter_map(|line| {
            let (_, what) = line.split_once("records ")?;
            let words = what.split(' ').take(3);
            Some(words.collect::<Vec<_>>().join(" "))
        });
        let verdict = |fact: &String| fact.starts_with("verdict_reached");
        recorded.filter(|fact| !verdict(fact)).collect()
    }

    /// Returns the moments at which something was recorded.
    pub(crate) fn moments(&self) -> Vec<Duration> {
        let moment = |line: String| {
            let (at, _) = line.split_once(" s  records ")?;
            let (whole, millis) = at.split_once('.')?;
            let millis = millis.parse().expect("three digits");
            Some(seconds(whole.parse().expect("a number")) + Duration::from_millis(millis))
        };
        let mut moments: Vec<_> = self.lines().filter_map(moment).collect();
        moments.dedup();
        moments
    }
}
