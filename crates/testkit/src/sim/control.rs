//! The lives of one control: started, killed, started again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use leadsman_engine::{Engine, Parts, understand};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::gate::{End, Gate};
use super::hand_log::HandLog;
use super::hands::{HandClock, HandPlane, HandRuntime, Hands};
use super::sea::{Sea, environment};

/// How long whoever looks after control waits before it starts it again when it did not start.
const AGAIN: Duration = Duration::from_secs(1);

/// One control, through all its lives.
pub(super) struct Control {
    sea: Arc<Sea>,
    number: u64,
    state: Mutex<State>,
}

struct State {
    gate: Arc<Gate>,
    engine: Option<Engine>,
    /// What people ask of it. It ends with it.
    asking: JoinSet<()>,
    /// For how long it is down when it is killed next.
    down: Duration,
    /// It is not started again.
    retired: bool,
}

impl Control {
    pub(super) fn new(sea: &Arc<Sea>, number: u64) -> Arc<Self> {
        Arc::new(Self {
            sea: Arc::clone(sea),
            number,
            state: Mutex::new(State {
                gate: Arc::default(),
                engine: None,
                asking: JoinSet::new(),
                down: AGAIN,
                retired: false,
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the engine, while it runs.
    pub(super) fn engine(&self) -> Option<Engine> {
        let state = self.state();
        state.engine.clone().filter(|_| state.gate.runs())
    }

    pub(super) fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.state().gate)
    }

    /// Lets somebody ask something of it; the asking ends with this life.
    pub(super) fn ask(&self, asking: impl Future<Output = ()> + Send + 'static) {
        self.state().asking.spawn(asking);
    }

    pub(super) fn end_after(&self, steps: u32, end: End, down: Duration) {
        let mut state = self.state();
        state.down = down;
        state.gate.end_after(steps, end);
    }

    /// Ends it for good.
    pub(super) fn retire(&self) {
        let mut state = self.state();
        state.retired = true;
        state.gate.kill();
    }

    /// Lives, again and again, until it is retired.
    pub(super) async fn live(self: Arc<Self>) {
        loop {
            let gate = self.gate();
            tokio::select! {
                biased;
                () = self.be_killed(&gate) => {}
                () = self.run(&gate) => {}
            }
            let (asking, engine, down, retired) = {
                let mut state = self.state();
                let asking = std::mem::take(&mut state.asking);
                (asking, state.engine.take(), state.down, state.retired)
            };
            // Whoever asked holds the engine, too.
            drop(asking);
            drop(engine);
            if retired {
                return;
            }
            sleep(down).await;
            let mut state = self.state();
            state.gate = Arc::default();
            state.down = AGAIN;
        }
    }

    /// Resolves when it is killed; lets it go on where it was only stopped.
    async fn be_killed(&self, gate: &Arc<Gate>) {
        loop {
            match gate.ended().await {
                End::Killed { .. } => {
                    self.tell("is killed");
                    let now = self.sea.moment();
                    let spins = gate.spins().then(|| "passes follow on passes".to_owned());
                    self.sea.truth().checks.check("comes-to-rest", now, spins);
                    return;
                }
                End::Stopped(length) => {
                    self.tell("is stopped");
                    let gate = Arc::clone(gate);
                    tokio::spawn(async move {
                        sleep(length).await;
                        gate.go_on();
                    });
                }
            }
        }
    }

    /// Starts an engine and shows what it shows. Ends when it could not be started.
    async fn run(&self, gate: &Arc<Gate>) {
        let recorded = understand(&self.sea.log).await.unwrap_or_default();
        let hands = Arc::new(Hands::new(&self.sea, gate, self.number, recorded));
        let log = Arc::new(HandLog(Arc::clone(&hands)));
        let parts = Parts {
            log: Arc::clone(&log) as _,
            figures: log,
            runtime: Arc::new(HandRuntime(Arc::clone(&hands))),
            data_plane: Arc::new(HandPlane(Arc::clone(&hands))),
            metrics: Arc::new(self.sea.metrics.clone()),
            inspector: Arc::new(self.sea.inspector.clone()),
            clock: Arc::new(HandClock(hands)),
        };
        self.tell("starts");
        let Ok(engine) = Engine::start(parts).await else {
            self.tell("did not start");
            return;
        };
        let mut views = engine.views();
        self.state().engine = Some(engine);
        loop {
            let view = {
                let views = views.borrow_and_update();
                views.environments.get(&environment()).cloned()
            };
            if let Some(view) = view {
                let now = self.sea.moment();
                self.sea.truth().checks.view(self.number, now, &view);
            }
            if views.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn tell(&self, what: &str) {
        let now = self.sea.moment();
        let number = self.number;
        let mut truth = self.sea.truth();
        truth
            .checks
            .tell(now, || format!("control {number} {what}"));
    }
}
