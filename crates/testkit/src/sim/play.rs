//! Plays a script: what happens, happens; what breaks, breaks; then all is calm, and everything must
//! come to rest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use leadsman_core::id::ReleaseNumber;
use leadsman_core::time::Timestamp;
use leadsman_core::weight::Weight;
use leadsman_core::{Closed, Command, Environment, Reason, Scope, Who};
use leadsman_engine::{Engine, NewRelease};
use leadsman_store::EventLog as _;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use super::chance::Chance;
use super::check::{Checks, Violation};
use super::control::Control;
use super::gate::End;
use super::instances::Running;
use super::script::{Act, Fault, Script, Shipped, What, Wish};
use super::sea::{Kind, Sea, environment};

/// For how long everything may take to come to rest once nothing breaks any more: longer than the
/// longest that a script lets anything take.
const REST_WITHIN: Duration = Duration::from_secs(3 * 3_600);

/// What came of a script.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// What did not hold, in order.
    pub violations: Vec<Violation>,
    /// How often each kind of fault happened.
    pub faults: BTreeMap<&'static str, u64>,
    /// How often each invariant was checked.
    pub checks: BTreeMap<&'static str, u64>,
    /// How many events were recorded.
    pub events: u64,
    /// How much time passed in the world.
    pub time: Duration,
    /// What happened, line by line, if that was asked for.
    pub timeline: Vec<String>,
}

thread_local! {
    static BROKEN_OFF: std::cell::RefCell<Option<String>> = const { std::cell::RefCell::new(None) };
}

/// Remembers that a task of this thread broke off, and where: for a panic hook. Whoever plays a world
/// then finds it among what did not hold.
pub fn broke_off(where_: String) {
    BROKEN_OFF.with(|known| *known.borrow_mut() = Some(where_));
}

/// Plays a script from beginning to end; with `told`, it tells what happens.
pub fn play(script: &Script, told: bool) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without any driver but time needs nothing of the machine");
    runtime.block_on(play_in(script, told))
}

async fn play_in(script: &Script, told: bool) -> Played {
    let is_fault = |act: &Act| matches!(act.what, What::Fault(_));
    let faultless = !script.acts.iter().any(is_fault);
    let checks = Checks::new(faultless, told);
    let sea = Sea::new(script.seed, script.setting, checks);
    let mut world = World::new(sea);
    for act in &script.acts {
        world.until(act.at).await;
        if world.is_broken() {
            break;
        }
        world.act(act);
    }
    if !world.is_broken() {
        world.until(script.setting.length).await;
        world.calm_down();
        world.come_to_rest().await;
    }
    world.end().await
}

struct World {
    sea: Arc<Sea>,
    first: Arc<Control>,
    others: Vec<Arc<Control>>,
    controls: u64,
    tasks: JoinSet<()>,
    /// What was acknowledged: the last position of each answer.
    acknowledged: Arc<Mutex<Vec<u64>>>,
    begun: tokio::time::Instant,
}

impl World {
    fn new(sea: Arc<Sea>) -> Self {
        let first = Control::new(&sea, 1);
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&first).live());
        tasks.spawn(count(Arc::clone(&sea)));
        Self {
            sea,
            first,
            others: Vec::new(),
            controls: 1,
            tasks,
            acknowledged: Arc::default(),
            begun: tokio::time::Instant::now(),
        }
    }

    async fn until(&self, at: Duration) {
        sleep_until(self.begun + at).await;
    }

    fn is_broken(&self) -> bool {
        !self.sea.truth().checks.violations.is_empty()
    }

    fn act(&mut self, act: &Act) {
        if let What::Look = act.what {
            return self.look();
        }
        let now = self.sea.moment();
        self.sea.truth().checks.tell(now, || act.what.to_string());
        match &act.what {
            What::Ship(shipped) => self.ship(shipped),
            What::Ask(wish) => self.ask(*wish),
            What::Fault(fault) => self.fault(*fault),
            What::Look => {}
        }
    }

    /// Tells what is waited for.
    fn look(&self) {
        let now = self.sea.moment();
        let mut truth = self.sea.truth();
        let Some(view) = self.view() else {
            return truth.checks.tell(now, || "nobody can be asked".to_owned());
        };
        if view.reasons.is_empty() {
            return truth.checks.tell(now, || "waits for nothing".to_owned());
        }
        for reason in &view.reasons {
            let who = match reason.who {
                Who::Leadsman => String::new(),
                Who::Person(how) => format!(" [a person: {}]", how.join(", ")),
                Who::Either(how) => format!(" [or a person: {}]", how.join(", ")),
            };
            let sentence = reason.sentence();
            truth.checks.tell(now, || format!("waits: {sentence}{who}"));
        }
    }

    /// Returns a control that can be asked.
    fn asked(&self) -> Option<(Arc<Control>, Engine)> {
        let mut all = self.others.iter().rev().chain([&self.first]);
        all.find_map(|control| Some((Arc::clone(control), control.engine()?)))
    }

    fn ship(&self, shipped: &Shipped) {
        let Some((control, engine)) = self.asked() else {
            return;
        };
        let sea = Arc::clone(&self.sea);
        let nature = shipped.nature;
        let new = NewRelease {
            project: project(shipped, sea.setting.services),
            file_name: "leadsman.yaml".to_owned(),
            origin: "/srv/shop".to_owned(),
            artifacts: BTreeMap::new(),
            note: None,
        };
        let acknowledged = Arc::clone(&self.acknowledged);
        control.ask(async move {
            let (application, release) = match engine.release(&new, "ann").await {
                Ok(released) => released,
                Err(error) => return refused(&sea, &error),
            };
            sea.truth().natures.entry(release).or_insert(nature);
            sea.metrics.set(release, Some(1.0));
            match engine.ship(&application, release, None, "ann").await {
                Ok((_, recorded)) => acknowledge(&acknowledged, &recorded),
                Err(error) => refused(&sea, &error),
            }
        });
    }

    fn ask(&self, wish: Wish) {
        let Some((control, engine)) = self.asked() else {
            return;
        };
        let sea = Arc::clone(&self.sea);
        let acknowledged = Arc::clone(&self.acknowledged);
        control.ask(async move {
            match engine.command(&environment(), command(wish), "ben").await {
                Ok(recorded) => acknowledge(&acknowledged, &recorded),
                Err(error) => refused(&sea, &error),
            }
        });
    }

    fn fault(&mut self, fault: Fault) {
        let now = self.sea.moment();
        let sea = Arc::clone(&self.sea);
        let mut truth = sea.truth();
        let counted = !matches!(
            fault,
            Fault::Effect(..) | Fault::Trip | Fault::Kill(_) | Fault::Hang(..)
        );
        if counted {
            truth.trouble.count(fault.kind());
        }
        let mut begin = |kind, length| truth.trouble.begin(kind, now, length);
        match fault {
            Fault::Crash { steps, half, down } => {
                drop(truth);
                self.first.end_after(steps, End::Killed { half }, down);
            }
            Fault::Freeze {
                steps,
                length,
                overtaken,
            } => {
                truth.checks.two_controls |= overtaken;
                drop(truth);
                let down = Duration::from_secs(1);
                self.first.end_after(steps, End::Stopped(length), down);
                if overtaken {
                    self.second(length + Duration::from_secs(20));
                }
            }
            Fault::Second(length) => {
                truth.checks.two_controls = true;
                drop(truth);
                self.second(length);
            }
            Fault::LogRefuses(length) => begin(Kind::LogRefuses, length),
            Fault::DiskFull(length) => begin(Kind::DiskFull, length),
            Fault::LogLies(length) => begin(Kind::LogLies, length),
            Fault::LogUnreadable(length) => begin(Kind::LogUnreadable, length),
            Fault::MetricsFail(length) => {
                sea.metrics.fail(Some("connection refused"));
                let metrics = sea.metrics.clone();
                self.tasks.spawn(async move {
                    sleep(length).await;
                    metrics.fail(None);
                });
            }
            Fault::Silent(length) => begin(Kind::Silent, length),
            Fault::Unsaved(length) => begin(Kind::Unsaved, length),
            Fault::PlaneCrash(length) => {
                begin(Kind::PlaneDown, length);
                let truth = &mut *truth;
                truth.proxy.restart();
                truth.checks.came_back(&truth.proxy);
            }
            Fault::FiguresMissing(length) => begin(Kind::FiguresMissing, length),
            Fault::FiguresLate(length) => begin(Kind::FiguresLate, length),
            Fault::FiguresTwice(length) => {
                begin(Kind::FiguresTwice, length);
                truth.checks.figures_tampered = true;
            }
            Fault::FiguresAbsurd(length) => {
                begin(Kind::FiguresAbsurd, length);
                truth.checks.figures_tampered = true;
            }
            Fault::Effect(receiver, effect) => {
                truth
                    .trouble
                    .effects
                    .entry(receiver)
                    .or_default()
                    .push_back(effect);
            }
            Fault::Trip => {
                let wall = truth.wall(now);
                if truth.proxy.trip(wall) {
                    truth.proxy.save();
                    truth.trouble.count(fault.kind());
                }
                drop(truth);
                sea.proxy_changed.notify_waiters();
            }
            Fault::Kill(which) | Fault::Hang(which, _) => {
                let truth = &mut *truth;
                let count = truth.instances.all.len();
                let index = usize::try_from(which).unwrap_or(0) % count.max(1);
                if let Some(running) = truth.instances.all.values_mut().nth(index) {
                    truth.trouble.count(fault.kind());
                    match fault {
                        Fault::Hang(_, length) => {
                            let length = u64::try_from(length.as_millis()).unwrap_or(0);
                            running.hang(now + length);
                        }
                        _ => running.kill(now),
                    }
                }
                sea.instances_changed.notify_waiters();
            }
            Fault::KillAll(release) | Fault::HangAll(release, _) => {
                truth.trouble.count(fault.kind());
                let of = |running: &&mut Running| running.what.revision.release.0 == release;
                for running in truth.instances.all.values_mut().filter(of) {
                    match fault {
                        Fault::HangAll(_, length) => {
                            let length = u64::try_from(length.as_millis()).unwrap_or(0);
                            running.hang(now + length);
                        }
                        _ => running.kill(now),
                    }
                }
                sea.instances_changed.notify_waiters();
            }
            Fault::ClockForth(by) => truth.set_clock(millis(by)),
            Fault::ClockBack(by) => truth.set_clock(-millis(by)),
        }
    }

    /// Another control runs beside the first for a while. Then the first one ends as well, and is
    /// started again.
    fn second(&mut self, length: Duration) {
        self.controls += 1;
        let second = Control::new(&self.sea, self.controls);
        self.tasks.spawn(Arc::clone(&second).live());
        self.others.push(Arc::clone(&second));
        let first = Arc::clone(&self.first);
        self.tasks.spawn(async move {
            sleep(length).await;
            second.retire();
            first.gate().kill();
        });
    }

    /// From now on nothing breaks.
    fn calm_down(&mut self) {
        for control in self.others.drain(..) {
            control.retire();
        }
        self.first.gate().go_on();
        let now = self.sea.moment();
        let mut truth = self.sea.truth();
        truth.trouble.end();
        self.sea.metrics.fail(None);
        truth.calm = true;
        truth
            .checks
            .tell(now, || "nothing breaks any more".to_owned());
    }

    /// Waits until nothing moves. What waits for a person is given up by one.
    async fn come_to_rest(&mut self) {
        let begun = self.sea.moment();
        let mut asked_at = 0;
        loop {
            sleep(Duration::from_secs(5)).await;
            if self.is_broken() {
                return;
            }
            let now = self.sea.moment();
            let unrest = self.unrest();
            let Some(why) = unrest else { break };
            if Duration::from_millis(now - begun) > REST_WITHIN {
                let mut truth = self.sea.truth();
                truth.checks.finally("converges", now, Some(why));
                return;
            }
            if now > asked_at + 60_000 && self.waits_for_a_person() {
                asked_at = now;
                self.sea
                    .truth()
                    .checks
                    .tell(now, || "a person gives it up".to_owned());
                self.ask(Wish::Abort);
            }
        }
        let now = self.sea.moment();
        self.sea.truth().checks.finally("converges", now, None);
    }

    fn view(&self) -> Option<Arc<leadsman_engine::View>> {
        let engine = self.first.engine()?;
        let views = engine.views();
        let views = views.borrow();
        views.environments.get(&environment()).cloned()
    }

    fn waits_for_a_person(&self) -> bool {
        let Some(view) = self.view() else {
            return false;
        };
        let waits = |reason: &Reason| match reason.who {
            Who::Person(_) => true,
            Who::Either(_) => reason.until.is_none_or(|until| until <= view.at),
            Who::Leadsman => false,
        };
        view.reasons.iter().any(waits)
    }

    /// Returns why it is not at rest.
    fn unrest(&self) -> Option<String> {
        let now = self.sea.moment();
        let truth = self.sea.truth();
        let state = truth.checks.state();
        if state.version == 0 {
            return None;
        }
        if let Some(deployment) = &state.deployment {
            let reasons = self.view().map(|view| {
                let sentences: Vec<String> = view.reasons.iter().map(Reason::sentence).collect();
                sentences.join("; ")
            });
            return Some(format!(
                "{} is not finished: {reasons:?}",
                deployment.number
            ));
        }
        unserved(state, &truth.instances.all, &truth.proxy, now)
    }

    async fn end(mut self) -> Played {
        let now = self.sea.moment();
        let all = self
            .sea
            .log
            .read_all(0, usize::MAX)
            .await
            .unwrap_or_default();
        let verified = self.sea.log.verify().await;
        self.tasks.shutdown().await;
        let mut truth = self.sea.truth();
        let broken = verified.err().map(|error| error.to_string());
        truth.checks.finally("log-verifies", now, broken);
        let last = all.last().map_or(0, |recorded| recorded.position);
        let acknowledged = self
            .acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let broken = BROKEN_OFF.with(|known| known.borrow_mut().take());
        truth.checks.finally("never-breaks-off", now, broken);
        let lost = acknowledged.iter().find(|position| **position > last);
        let broken =
            lost.map(|position| format!("event {position} was acknowledged and is not there"));
        truth
            .checks
            .finally("acknowledged-is-recorded", now, broken);
        let checks = &mut truth.checks;
        Played {
            violations: std::mem::take(&mut checks.violations),
            checks: std::mem::take(&mut checks.counts),
            timeline: checks.timeline.take().unwrap_or_default(),
            faults: std::mem::take(&mut truth.trouble.counts),
            events: last,
            time: Duration::from_millis(now),
        }
    }
}

/// Closes a window after the other.
async fn count(sea: Arc<Sea>) {
    let length = sea.setting.window;
    loop {
        sleep(length).await;
        {
            let mut truth = sea.truth();
            let truth = &mut *truth;
            let now = sea.now(truth);
            let is = |kind| truth.trouble.is(kind, now.moment);
            if is(Kind::PlaneDown) || is(Kind::FiguresMissing) {
                continue;
            }
            let seconds = length.as_secs_f64();
            let requests = sea.setting.requests * length.as_secs();
            let late = is(Kind::FiguresLate);
            let absurd = is(Kind::FiguresAbsurd);
            if !is(Kind::Unsaved) {
                truth.proxy.save();
            }
            let mut window = truth
                .proxy
                .count(&truth.instances, requests, seconds, sea.seed, now);
            truth
                .checks
                .window(now.moment, &window, &truth.proxy, &truth.instances);
            if absurd {
                make_absurd(
                    &mut window,
                    &mut Chance::of(sea.seed, &format!("absurd {}", now.moment)),
                );
            }
            let readable = now.moment + if late { 20_000 } else { 0 };
            truth.proxy.keep(window, readable);
        }
        sea.window_closed.notify_waiters();
    }
}

fn make_absurd(window: &mut leadsman_engine::SideWindow, chance: &mut Chance) {
    match chance.below(6) {
        0 => window.seconds = 0.0,
        1 => window.seconds = f64::NAN,
        2 => window.seconds = -5.0,
        3 => window.started_at = Timestamp::from_millis(u64::MAX / 4),
        4 => window
            .sides
            .values_mut()
            .for_each(|figures| figures.requests = u64::MAX),
        _ => window
            .sides
            .values_mut()
            .for_each(|figures| figures.errors = figures.requests * 9 + 3),
    }
}

/// Returns what is missing where nothing is on its way: every service is served by its stable
/// revision, whole and alone.
fn unserved(
    state: &Environment,
    instances: &BTreeMap<leadsman_core::id::InstanceId, super::instances::Running>,
    proxy: &super::proxy::Proxy,
    now: u64,
) -> Option<String> {
    let acknowledged = proxy.acknowledged(&environment(), now);
    for (name, revision) in &state.stable {
        let weights = acknowledged.weights.get(name);
        let mine = weights.and_then(|weights| weights.get(&revision.id));
        let alone = weights.is_some_and(|weights| weights.len() == 1);
        if mine != Some(&Weight::ALL) || !alone {
            return Some(format!(
                "`{name}` has {weights:?}, {} is stable",
                revision.id
            ));
        }
        let running = instances
            .values()
            .filter(|it| it.what.revision == revision.id);
        let ready = running.filter(|it| it.is_ready(now, true)).count();
        let wanted = usize::from(revision.service.spec.instances);
        if ready != wanted {
            return Some(format!(
                "{ready} of {wanted} instances of {} are ready",
                revision.id
            ));
        }
    }
    let surplus = instances.iter().find(|(_, it)| {
        let mut stable = state.stable.values();
        !stable.any(|revision| revision.id == it.what.revision)
    });
    surplus.map(|(id, _)| format!("{id} is left over"))
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn acknowledge(acknowledged: &Mutex<Vec<u64>>, recorded: &[leadsman_store::Recorded]) {
    let mut all = acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
    all.extend(recorded.last().map(|recorded| recorded.position));
}

fn refused(sea: &Sea, error: &leadsman_engine::Error) {
    let now = sea.moment();
    sea.truth().checks.tell(now, || format!("refused: {error}"));
}

fn command(wish: Wish) -> Command {
    let rollback = |to, scope| Command::Rollback { to, scope };
    match wish {
        Wish::Pause => Command::Pause,
        Wish::Resume => Command::Resume,
        Wish::Promote => Command::Promote { all: false },
        Wish::PromoteAll => Command::Promote { all: true },
        Wish::Abort => Command::Abort,
        Wish::Retry => Command::Retry,
        Wish::Rollback => rollback(None, Scope::All),
        Wish::RollbackCanary => rollback(None, Scope::Canary),
        Wish::RollbackService => {
            let web = "web".parse().expect("a usable name");
            rollback(None, Scope::Service(web))
        }
        Wish::RollbackTo(release) => rollback(Some(ReleaseNumber(release)), Scope::All),
        Wish::Hold => Command::Close {
            how: Closed::Held,
            service: None,
        },
        Wish::Open => Command::Open {
            how: Closed::Held,
            service: None,
        },
    }
}

/// Returns the project file of a release.
fn project(shipped: &Shipped, services: u16) -> String {
    let Shipped {
        version,
        strategy,
        instances,
        chained,
        steady,
        path,
        limits,
        ..
    } = shipped;
    let limits = limits.map_or_else(String::new, |limits| format!("limits: {{ {limits} }}, "));
    let ready = if *steady {
        "ready: { http: /health, steady: 2s }, "
    } else {
        ""
    };
    let service = |name: &str, after: &str| {
        format!(
            "  {name}: {{ run: serve {name} {version}, instances: {instances}, memory: 1GiB, \
             {ready}{after}{limits}strategy: {{ {strategy} }}, stop: {{ drain: 30s }} }}\n"
        )
    };
    let mut project = format!("application: shop\nservices:\n{}", service("web", ""));
    let mut routes = format!("routes:\n  - {{ path: {path}, service: web }}\n");
    if services > 1 {
        let after = if *chained { "after: [web], " } else { "" };
        project += &service("api", after);
        routes += "  - { path: /api, service: api }\n";
    }
    project + &routes
}
