//! Plays a script: what happens, happens; what breaks, breaks; then all is calm, and everything must
//! come to rest.

use std::collections::BTreeMap;
use std::panic;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use leadsman_core::entry::Source;
use leadsman_core::weight::Weight;
use leadsman_core::{Environment, Reason, Who};
use leadsman_engine::{Engine, NewRelease, Ways};
use leadsman_store::EventLog as _;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use super::asking::{command, project};
use super::check::{Checks, Violation};
use super::control::Control;
use super::counting::count;
use super::evidence;
use super::guarded::Guarding;
use super::script::{Act, Fault, Script, Shipped, What, Wish};
use super::sea::{Sea, environment};

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
    /// Where a task of this thread broke off.
    static BROKEN_OFF: std::cell::RefCell<Option<String>> = const { std::cell::RefCell::new(None) };
}

/// Returns what `playing` returns. A panic of the engine is one of the things that are found: while
/// it plays, panics of this process are not printed but remembered, and whoever plays the world finds
/// them among what did not hold.
pub fn finding_panics<T>(playing: impl FnOnce() -> T) -> T {
    let before = panic::take_hook();
    panic::set_hook(Box::new(|panic| {
        BROKEN_OFF.with(|known| *known.borrow_mut() = Some(panic.to_string()));
    }));
    let played = playing();
    panic::set_hook(before);
    played
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
    let mut checks = Checks::new(faultless, told);
    checks.insisted = script.acts.iter().any(insists);
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
    // It costs as much as the judging did.
    if !world.is_broken() && script.seed.is_multiple_of(3) && keeps_figures(script) {
        world.judge_anew().await;
    }
    world.end().await
}

/// Whether somebody wants what no rule on schemas allows.
fn insists(act: &Act) -> bool {
    match &act.what {
        What::Ship(shipped) => shipped.migrates.is_some_and(|it| it.one_way),
        What::Ask(wish) => matches!(wish, Wish::MigrateBack(_)),
        What::Fault(_) | What::Guard(_) | What::Look => false,
    }
}

/// Whether everything that a judge was told was kept, in order and as it was.
fn keeps_figures(script: &Script) -> bool {
    !script.acts.iter().any(|act| {
        matches!(
            act.what,
            What::Fault(
                Fault::LogRefuses(_)
                    | Fault::DiskFull(_)
                    | Fault::LogUnreadable(_)
                    | Fault::FiguresAbsurd(_)
                    | Fault::Second(_)
                    | Fault::Freeze {
                        overtaken: true,
                        ..
                    }
            )
        )
    })
}

pub(super) struct World {
    pub(super) sea: Arc<Sea>,
    pub(super) first: Arc<Control>,
    pub(super) others: Vec<Arc<Control>>,
    pub(super) controls: u64,
    pub(super) tasks: JoinSet<()>,
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
            What::Guard(deed) => self.guard(*deed),
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
    pub(super) fn asked(&self) -> Option<(Arc<Control>, Engine)> {
        let mut all = self.others.iter().rev().chain([&self.first]);
        all.find_map(|control| Some((Arc::clone(control), control.engine()?)))
    }

    /// Returns where it is kept what was acknowledged.
    pub(super) fn acknowledgements(&self) -> Arc<Mutex<Vec<u64>>> {
        Arc::clone(&self.acknowledged)
    }

    fn ship(&self, shipped: &Shipped) {
        let Some((control, engine)) = self.asked() else {
            return;
        };
        let sea = Arc::clone(&self.sea);
        let (nature, migrates) = (shipped.nature, shipped.migrates);
        let ways = Ways {
            one_way: migrates
                .filter(|migrates| migrates.one_way)
                .map(|_| "somebody insists".to_owned()),
            ..Ways::default()
        };
        let new = NewRelease {
            project: project(shipped, sea.setting.services),
            file_name: "leadsman.yaml".to_owned(),
            origin: "/srv/shop".to_owned(),
            artifacts: BTreeMap::new(),
            note: None,
            source: Source::default(),
        };
        let acknowledged = Arc::clone(&self.acknowledged);
        control.ask(async move {
            let (application, release) = match engine.release(&new, "ann").await {
                Ok(released) => released,
                Err(error) => return refused(&sea, &error),
            };
            {
                let mut truth = sea.truth();
                truth.natures.entry(release).or_insert(nature);
                let known = &mut truth.errands.migrates;
                known.extend(migrates.map(|migrates| (release, migrates)));
            }
            sea.metrics.set(release, Some(1.0));
            match engine.ship(&application, release, None, ways, "ann").await {
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

    /// From now on nothing breaks.
    fn calm_down(&mut self) {
        for control in self.others.drain(..) {
            control.retire();
        }
        self.first.gate().go_on();
        self.sea.machine(true);
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
        let (mut asked_at, mut asked) = (0, 0);
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
                truth.checks.check("converges", now, Some(why));
                return;
            }
            if now > asked_at + 60_000 && self.waits_for_a_person() {
                asked_at = now;
                self.sea
                    .truth()
                    .checks
                    .tell(now, || "a person gives it up".to_owned());
                // What has gone one way cannot be given up: then a person has it go on.
                asked += 1;
                let (one_way, release) = {
                    let truth = self.sea.truth();
                    let deployment = truth.checks.state().deployment.as_ref();
                    (truth.checks.insisted, deployment.map(|it| it.release.0))
                };
                match (one_way, asked % 4, release) {
                    (true, 1, Some(release)) => self.guard(Guarding::Confirm(release)),
                    (true, 2, _) => self.ask(Wish::PromoteAll),
                    (true, 3, _) => self.ask(Wish::Resume),
                    _ => self.ask(Wish::Abort),
                }
            }
        }
        let now = self.sea.moment();
        self.sea.truth().checks.check("converges", now, None);
    }

    /// Judges every rollout again from what was kept of it.
    async fn judge_anew(&self) {
        let Some(engine) = self.first.engine() else {
            return;
        };
        let stream = leadsman_store::StreamName::from(&environment());
        let recorded = self.sea.log.read_stream(&stream, 0).await;
        let events: Vec<_> = recorded
            .unwrap_or_default()
            .iter()
            .filter_map(|recorded| serde_json::from_str(&recorded.body).ok())
            .collect();
        // Control may be killed just now, by what was to happen so many steps later.
        let judging = evidence::unfounded(&engine, &events);
        let Ok(unfounded) = tokio::time::timeout(Duration::from_secs(60), judging).await else {
            return;
        };
        let now = self.sea.moment();
        let mut truth = self.sea.truth();
        truth
            .checks
            .check("evidence-before-verdict", now, unfounded);
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
        if let Some(queued) = state.queued.as_ref().filter(|_| state.deployment.is_none()) {
            return Some(format!("{} waits for nothing", queued.release));
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
        truth.checks.check("log-verifies", now, broken);
        let last = all.last().map_or(0, |recorded| recorded.position);
        let acknowledged = self
            .acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let broken = BROKEN_OFF.with(|known| known.borrow_mut().take());
        truth.checks.check("never-breaks-off", now, broken);
        let lost = acknowledged.iter().find(|position| **position > last);
        let broken =
            lost.map(|position| format!("event {position} was acknowledged and is not there"));
        truth.checks.check("acknowledged-is-recorded", now, broken);
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

pub(super) fn acknowledge(acknowledged: &Mutex<Vec<u64>>, recorded: &[leadsman_store::Recorded]) {
    let mut all = acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
    all.extend(recorded.last().map(|recorded| recorded.position));
}

pub(super) fn refused(sea: &Sea, error: &leadsman_engine::Error) {
    let now = sea.moment();
    sea.truth().checks.tell(now, || format!("refused: {error}"));
}
