//! What happens in a world: made up from a seed, and a list from which things can be left out.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::chance::Chance;
use super::guarded::{Guarding, guard};

/// Everything that happens in one world.
#[derive(Clone, Debug)]
pub struct Script {
    /// What all else follows from.
    pub seed: u64,
    /// How the world is.
    pub setting: Setting,
    /// What happens, in order of time.
    pub acts: Vec<Act>,
}

/// How a world is from beginning to end.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// How many services the application has, 1 or 2.
    pub services: u16,
    /// How many requests each of them gets in a second.
    pub requests: u64,
    /// How long the data plane's windows are.
    pub window: Duration,
    /// How long things go on happening.
    pub length: Duration,
}

/// Something that happens at a moment.
#[derive(Clone, Debug)]
pub struct Act {
    /// How long after the beginning.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What may happen.
#[derive(Clone, Debug)]
pub enum What {
    /// Somebody ships a release.
    Ship(Shipped),
    /// Somebody asks for something.
    Ask(Wish),
    /// Something breaks.
    Fault(Fault),
    /// Somebody does something about what is asked of a release.
    Guard(Guarding),
    /// Somebody looks what is waited for. Nothing follows from it.
    Look,
}

/// A release that somebody ships.
#[derive(Clone, Debug)]
pub struct Shipped {
    /// What differs between programs; the same as before changes only what is said about them.
    pub version: u64,
    /// How its instances behave.
    pub nature: Nature,
    /// The strategy, as it stands in a project file.
    pub strategy: String,
    /// How many instances each service has.
    pub instances: u64,
    /// Whether the second service waits for the first.
    pub chained: bool,
    /// Whether its instances must stay ready for two seconds before they get requests.
    pub steady: bool,
    /// The path at which requests find the first service: how they are routed is a part of it.
    pub path: &'static str,
    /// What its release must keep, as it stands in a project file; `None` is what is so by default.
    pub limits: Option<&'static str>,
    /// What its environment asks of a release, as it stands in a project file between braces.
    pub rules: Option<String>,
    /// What it says of the schema of the database.
    pub migrates: Option<Migrates>,
}

/// What a release says of the schema of the database, and how its migration goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrates {
    /// What its migration brings about.
    pub schema: u64,
    /// The first schema that its program works with.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// Whether there is a way back.
    pub back: bool,
    /// Whether somebody insists on it where it leaves no way back.
    pub one_way: bool,
    /// Whether what serves is watched on the new schema.
    pub watch: bool,
    /// How it goes.
    pub fate: Fate,
}

/// How the migration of a release goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It does what it should.
    Good,
    /// It fails, and leaves the schema as it was.
    Fails,
    /// It never ends by itself.
    Hangs,
}

/// How the instances of a release behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// As they should.
    Good,
    /// They never become ready.
    NeverReady,
    /// Their command does not exist.
    NoSuchCommand,
    /// They end by themselves after a while, again and again.
    Crashes,
    /// They are ready and not ready in turn.
    Flaps,
    /// They say that they are ready, and answer nothing.
    Lies,
    /// They use more and more memory, until they are ended for it.
    Leaks,
    /// Every fourth answer fails.
    Fails,
    /// They answer as they should for a minute, then no more.
    FailsLater,
    /// They answer after three times the time.
    Slow,
}

/// What a person asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are the commands of the same names")]
pub enum Wish {
    Pause,
    Resume,
    Promote,
    PromoteAll,
    Abort,
    Retry,
    Rollback,
    RollbackCanary,
    RollbackService,
    RollbackTo(u64),
    MigrateBack(u64),
    Hold,
    Open,
}

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Control is killed, that many steps of the driver later; with `half` in the middle of an
    /// effect. Another one is started a while later.
    Crash {
        /// How many steps later.
        steps: u32,
        /// Whether half of an effect is done.
        half: bool,
        /// After which time another one is started.
        down: Duration,
    },
    /// Control is stopped, that many steps later, and goes on after a while.
    Freeze {
        /// How many steps later.
        steps: u32,
        /// For how long.
        length: Duration,
        /// Whether another control is started meanwhile.
        overtaken: bool,
    },
    /// A second control runs beside the first.
    Second(Duration),
    /// The log refuses what it is given.
    LogRefuses(Duration),
    /// The log's disk is full.
    DiskFull(Duration),
    /// The log records, but says that it did not.
    LogLies(Duration),
    /// The log cannot be read.
    LogUnreadable(Duration),
    /// The next effects on this receiver fare so.
    Effect(Receiver, Effect),
    /// The data plane does not answer.
    Silent(Duration),
    /// The data plane cannot save its table.
    Unsaved(Duration),
    /// The data plane is killed, and comes back with its saved table.
    PlaneCrash(Duration),
    /// The data plane cuts off what comes in by itself.
    Trip,
    /// An instance is killed.
    Kill(u64),
    /// An instance stops answering for a while.
    Hang(u64, Duration),
    /// The runners of all errands are killed.
    KillRunners,
    /// All instances of a release are killed.
    KillAll(u64),
    /// All instances of a release stop answering for a while.
    HangAll(u64, Duration),
    /// What is no count of requests cannot be read.
    MetricsFail(Duration),
    /// No figures are had.
    FiguresMissing(Duration),
    /// Figures come late.
    FiguresLate(Duration),
    /// Each window comes twice.
    FiguresTwice(Duration),
    /// Figures that cannot be.
    FiguresAbsurd(Duration),
    /// The machine's clock is set forth.
    ClockForth(Duration),
    /// The machine's clock is set back.
    ClockBack(Duration),
}

/// What receives effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Receiver {
    /// The runtime.
    Runtime,
    /// The data plane.
    Plane,
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Runtime => "runtime",
            Self::Plane => "data plane",
        })
    }
}

/// How an effect fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It never arrives.
    Lost,
    /// It arrives later, and perhaps after newer ones.
    Late(Duration),
    /// It arrives twice, the second time later.
    Repeated(Duration),
    /// It arrives at once, and is answered late.
    Slow(Duration),
    /// It is refused.
    Failing,
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Script {
    /// Makes up a world from `seed`.
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let length = seconds(chance.between(200, 800));
        let setting = Setting {
            services: if chance.one_in(3) { 2 } else { 1 },
            requests: chance.pick(&[1, 20, 100, 100, 400]),
            window: seconds(chance.pick(&[1, 2, 5, 5, 5])),
            length,
        };
        let first = Act {
            at: Duration::from_millis(100),
            what: What::Ship(Shipped::new(&mut chance, 1, Some(Nature::Good))),
        };
        let mut acts = vec![first];
        for version in 2..=chance.between(2, 6) {
            let shipped = Shipped::new(&mut chance, version, None);
            // Some ship the very same once more, whatever became of it.
            if chance.one_in(4) {
                acts.push(Act::new(&mut chance, length, What::Ship(shipped.clone())));
            }
            acts.push(Act::new(&mut chance, length, What::Ship(shipped)));
        }
        for _ in 0..chance.below(5) {
            let wish = Wish::new(&mut chance);
            acts.push(Act::new(&mut chance, length, What::Ask(wish)));
        }
        // Some worlds are calm, by which it is seen that nothing happens for nothing.
        let faults = if chance.one_in(8) {
            0
        } else {
            chance.between(1, 10)
        };
        for _ in 0..faults {
            let fault = Fault::new(&mut chance);
            let act = Act::new(&mut chance, length, What::Fault(fault));
            // What could not be saved is missed only by whoever comes after a crash.
            if matches!(fault, Fault::Unsaved(_)) {
                let what = What::Fault(Fault::PlaneCrash(seconds(1)));
                let at = act.at + chance.time(seconds(1), seconds(60));
                acts.push(Act { at, what });
            }
            acts.push(act);
        }
        // By a chance of its own: all else comes out as it did before there were any.
        let mut chance = Chance::of(seed, "migrations");
        if chance.one_in(3) {
            add_migrations(&mut acts, &mut chance, length);
        }
        acts.sort_by_key(|act| act.at);
        guard(seed, length, &mut acts);
        Self {
            seed,
            setting,
            acts,
        }
    }
}

/// Gives every program a schema of its own, and has some runners killed. Most programs work with the
/// schema of the one before, too, or with that of the next one.
fn add_migrations(acts: &mut Vec<Act>, chance: &mut Chance, length: Duration) {
    let mut known = BTreeMap::<u64, Migrates>::new();
    let mut schema = 10;
    let insists = chance.one_in(4);
    for version in 1..=6 {
        schema += chance.below(2);
        let migrates = Migrates {
            schema,
            from: schema - chance.below(3),
            to: schema + chance.below(2),
            back: chance.one_in(2),
            one_way: insists && chance.one_in(2),
            watch: chance.one_in(4),
            fate: chance.pick(&[Fate::Good, Fate::Good, Fate::Good, Fate::Fails, Fate::Hangs]),
        };
        known.insert(version, migrates);
    }
    for act in acts.iter_mut() {
        if let What::Ship(shipped) = &mut act.what {
            shipped.migrates = known.get(&shipped.version).copied();
        }
    }
    if chance.one_in(2) {
        acts.push(Act::new(chance, length, What::Fault(Fault::KillRunners)));
    }
    if insists {
        let to = chance.between(1, 4);
        acts.push(Act::new(chance, length, What::Ask(Wish::MigrateBack(to))));
    }
}

impl Act {
    fn new(chance: &mut Chance, length: Duration, what: What) -> Self {
        let at = chance.time(seconds(5), length);
        Self { at, what }
    }
}

impl Shipped {
    fn new(chance: &mut Chance, version: u64, nature: Option<Nature>) -> Self {
        let soak = chance.pick(&["5s", "20s", "1m"]);
        let steps = chance.pick(&["[5%, 50%]", "[25%]", "[10%, 30%, 60%]", "[50%]"]);
        let warm = chance.pick(&["0s", "20s", "2m"]);
        let patience = chance.pick(&["30s", "5m"]);
        let then = chance.pick(&["hold", "rollback", "advance"]);
        let baseline = chance.pick(&["stable", "fresh"]);
        let judged = format!("patience: {patience}, on_inconclusive: {then}, keep_warm: {warm}");
        let strategy = match chance.below(5) {
            0 => "rolling: {}".to_owned(),
            1 => format!("blue_green: {{ soak: {soak} }}, {judged}"),
            _ => format!(
                "canary: {{ steps: {steps}, soak: {soak}, baseline: {baseline} }}, {judged}"
            ),
        };
        // Some releases change only what is said about the same program.
        let same = version > 1 && chance.one_in(6);
        Self {
            version: if same { version - 1 } else { version },
            nature: nature.unwrap_or_else(|| Nature::new(chance)),
            strategy,
            instances: chance.between(1, 4),
            chained: chance.one_in(2),
            steady: chance.one_in(3),
            path: chance.pick(&["/", "/", "/shop"]),
            limits: None,
            rules: None,
            migrates: None,
        }
    }
}

impl Nature {
    fn new(chance: &mut Chance) -> Self {
        let bad = [
            Self::NeverReady,
            Self::NoSuchCommand,
            Self::Crashes,
            Self::Flaps,
            Self::Lies,
            Self::Leaks,
            Self::Fails,
            Self::FailsLater,
            Self::Slow,
        ];
        if chance.one_in(2) {
            Self::Good
        } else {
            chance.pick(&bad)
        }
    }
}

impl Wish {
    fn new(chance: &mut Chance) -> Self {
        let to = Self::RollbackTo(chance.between(1, 4));
        chance.pick(&[
            Self::Pause,
            Self::Resume,
            Self::Promote,
            Self::PromoteAll,
            Self::Abort,
            Self::Retry,
            Self::Rollback,
            Self::RollbackCanary,
            Self::RollbackService,
            to,
            Self::Hold,
            Self::Open,
        ])
    }
}

impl Fault {
    fn new(chance: &mut Chance) -> Self {
        let long = chance.time(seconds(1), seconds(90));
        let short = chance.time(Duration::from_millis(50), seconds(15));
        let steps = u32::try_from(chance.below(60)).unwrap_or(0);
        let effect = chance.pick(&[
            Effect::Lost,
            Effect::Lost,
            Effect::Lost,
            Effect::Late(short),
            Effect::Repeated(short),
            Effect::Slow(short),
            Effect::Failing,
        ]);
        let which = chance.below(16);
        match chance.below(26) {
            0..=4 => Self::Crash {
                steps,
                half: chance.one_in(2),
                down: short,
            },
            5..=6 => Self::Freeze {
                steps,
                length: long,
                overtaken: chance.one_in(2),
            },
            7 => Self::Second(long),
            8 => Self::LogRefuses(long),
            9 => Self::DiskFull(long),
            10 => Self::LogLies(long),
            11 => Self::LogUnreadable(short),
            12..=13 => Self::Effect(Receiver::Runtime, effect),
            14..=15 => Self::Effect(Receiver::Plane, effect),
            16 => Self::Silent(long),
            17 => Self::Unsaved(long),
            18 => Self::PlaneCrash(short),
            19 => Self::Trip,
            20 => Self::Kill(which),
            21 => Self::Hang(which, long),
            22 => Self::FiguresMissing(long),
            23 => chance.pick(&[Self::FiguresLate(long), Self::FiguresTwice(long)]),
            24 => Self::FiguresAbsurd(long),
            _ => {
                let jump = chance.time(seconds(1), seconds(7_200));
                chance.pick(&[Self::ClockForth(jump), Self::ClockBack(jump)])
            }
        }
    }

    /// Returns what kind of fault it is, for counting.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Crash { half: false, .. } => "control killed between two steps",
            Self::Crash { half: true, .. } => "control killed in the middle of an effect",
            Self::Freeze {
                overtaken: false, ..
            } => "control stopped for a while",
            Self::Freeze {
                overtaken: true, ..
            } => "control stopped and overtaken",
            Self::Second(_) => "two controls",
            Self::LogRefuses(_) => "append refused",
            Self::DiskFull(_) => "disk full",
            Self::LogLies(_) => "append recorded and refused",
            Self::LogUnreadable(_) => "log unreadable",
            Self::Effect(_, Effect::Lost) => "effect lost",
            Self::Effect(_, Effect::Late(_)) => "effect late or out of order",
            Self::Effect(_, Effect::Repeated(_)) => "effect repeated",
            Self::Effect(_, Effect::Slow(_)) => "effect answered late",
            Self::Effect(_, Effect::Failing) => "effect refused",
            Self::Silent(_) => "data plane silent",
            Self::Unsaved(_) => "table not saved",
            Self::PlaneCrash(_) => "data plane killed",
            Self::Trip => "cut off by the data plane",
            Self::Kill(_) => "instance killed",
            Self::Hang(..) => "instance hangs",
            Self::KillRunners => "runners of errands killed",
            Self::KillAll(_) => "all instances of a release killed",
            Self::HangAll(..) => "all instances of a release hang",
            Self::MetricsFail(_) => "metrics cannot be read",
            Self::FiguresMissing(_) => "figures missing",
            Self::FiguresLate(_) => "figures late",
            Self::FiguresTwice(_) => "figures twice",
            Self::FiguresAbsurd(_) => "figures absurd",
            Self::ClockForth(_) => "clock set forth",
            Self::ClockBack(_) => "clock set back",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ship(shipped) => {
                let Shipped {
                    version,
                    nature,
                    strategy,
                    instances,
                    rules,
                    ..
                } = shipped;
                write!(
                    f,
                    "ship: program {version} ({nature:?}), {instances} instances, {strategy}"
                )?;
                rules
                    .as_ref()
                    .map_or(Ok(()), |rules| write!(f, ", asks {rules}"))
            }
            Self::Guard(deed) => write!(f, "about what is asked: {deed:?}"),
            Self::Ask(wish) => write!(f, "ask: {wish:?}"),
            Self::Fault(fault) => write!(f, "fault: {}: {fault:?}", fault.kind()),
            Self::Look => f.write_str("looks"),
        }
    }
}
