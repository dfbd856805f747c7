//! An engine in a world of fakes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use leadsman_core::Environment;
use leadsman_core::entry::Source;
use leadsman_core::id::{ApplicationName, EnvironmentId, ReleaseNumber};
use leadsman_engine::{Engine, Error, NewRelease, Parts, Runs, View, Ways};
use leadsman_runtime::artifact::{Limits, Store};
use leadsman_runtime::job::Jobs;
use leadsman_store::memory::MemoryLog;
use leadsman_store::{EventLog, FigureLog};

use crate::clock::TestClock;
use crate::inspector::FakeInspector;
use crate::metrics::FakeMetrics;
use crate::plane::FakePlane;
use crate::runtime::FakeRuntime;

/// An engine with everything it needs, on tokio's paused time.
pub struct World {
    /// The engine.
    pub engine: Engine,
    /// Its log.
    pub log: Arc<dyn EventLog>,
    /// Its figures.
    pub figures: Arc<dyn FigureLog>,
    /// Its runtime.
    pub runtime: Arc<FakeRuntime>,
    /// Its data plane.
    pub plane: Arc<FakePlane>,
    /// Its metrics.
    pub metrics: FakeMetrics,
    /// What its machine says to checklists.
    pub inspector: FakeInspector,
    clock: TestClock,
}

impl World {
    /// Starts an engine on an empty log in memory.
    pub async fn start() -> Self {
        let log = Arc::new(MemoryLog::new());
        Self::start_on(Arc::clone(&log) as Arc<dyn EventLog>, log).await
    }

    /// Starts an engine on this log.
    pub async fn start_on(log: Arc<dyn EventLog>, figures: Arc<dyn FigureLog>) -> Self {
        let clock = TestClock::start();
        let runtime = Arc::new(FakeRuntime::default());
        let plane = Arc::new(FakePlane::new(clock));
        let metrics = FakeMetrics::default();
        let inspector = FakeInspector::default();
        let fakes = (&metrics, &inspector);
        let engine = start_engine(&log, &figures, &runtime, &plane, fakes, clock).await;
        Self {
            engine,
            log,
            figures,
            runtime,
            plane,
            metrics,
            inspector,
            clock,
        }
    }

    /// Starts the driver of runs, with real runners below the folder `state`.
    ///
    /// # Panics
    ///
    /// The folder cannot be used.
    pub async fn runs(&self, state: &Path, executable: PathBuf) -> Runs {
        let store = Store::open(state, Limits::default()).expect("the folder is there");
        let jobs = Jobs::open(state, executable, Arc::new(store)).expect("the folder is there");
        Runs::start(self.engine.clone(), Arc::new(self.clock), jobs, 4)
            .await
            .expect("the log can be read")
    }

    /// Ends the engine as a crash would, and starts another one in the same world.
    pub async fn restart_engine(&mut self) {
        self.engine.shut_down().await;
        self.plane.tell_anew();
        self.engine = start_engine(
            &self.log,
            &self.figures,
            &self.runtime,
            &self.plane,
            (&self.metrics, &self.inspector),
            self.clock,
        )
        .await;
    }

    /// Ships the application `shop` with one service `web`, whose version is what differs.
    ///
    /// # Errors
    ///
    /// Whatever the engine refuses.
    pub async fn ship(&self, version: u64) -> Result<ReleaseNumber, Error> {
        self.ship_limited(version, "{}").await
    }

    /// Does as [`World::ship`], with these `limits` as they stand in a project file.
    ///
    /// # Errors
    ///
    /// Whatever the engine refuses.
    pub async fn ship_limited(&self, version: u64, limits: &str) -> Result<ReleaseNumber, Error> {
        let keys = format!(
            "memory: 1GiB, limits: {limits}, \
             strategy: {{ canary: {{ steps: [5%, 50%], soak: 1m }}, keep_warm: 5m }}"
        );
        self.ship_with(version, &keys).await
    }

    /// Does as [`World::ship`], with these keys of the service as they stand between braces.
    ///
    /// # Errors
    ///
    /// Whatever the engine refuses.
    pub async fn ship_with(&self, version: u64, keys: &str) -> Result<ReleaseNumber, Error> {
        let project =
            format!("application: shop\nservices:\n  web: {{ run: serve {version}, {keys} }}\n");
        self.ship_project(&project, "ann").await
    }

    /// Ships what a project file describes, without artifacts, in the name of `by`.
    ///
    /// # Errors
    ///
    /// Whatever the engine refuses.
    pub async fn ship_project(&self, project: &str, by: &str) -> Result<ReleaseNumber, Error> {
        let new = NewRelease {
            project: project.to_owned(),
            file_name: "leadsman.yaml".to_owned(),
            origin: "/srv/shop".to_owned(),
            artifacts: std::collections::BTreeMap::new(),
            note: None,
            source: Source::default(),
        };
        let (application, release) = self.engine.release(&new, by).await?;
        self.engine
            .ship(&application, release, None, Ways::default(), by)
            .await?;
        Ok(release)
    }

    /// Returns the environment that `ship` ships into.
    pub fn environment() -> EnvironmentId {
        let application: ApplicationName = "shop".parse().expect("a usable name");
        EnvironmentId {
            application,
            environment: "production".parse().expect("a usable name"),
        }
    }

    /// Waits until what is shown is as `wanted`, for at most a day of the test's own time.
    ///
    /// # Panics
    ///
    /// When it does not come true.
    pub async fn until(&self, wanted: impl Fn(&View) -> bool) -> Arc<View> {
        let mut views = self.engine.views();
        let found = async {
            loop {
                let view = views
                    .borrow_and_update()
                    .environments
                    .get(&Self::environment())
                    .cloned();
                if let Some(view) = view.filter(|view| wanted(view)) {
                    return view;
                }
                if views.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        match tokio::time::timeout(Duration::from_secs(86_400), found).await {
            Ok(view) => view,
            Err(_) => {
                let view = self
                    .engine
                    .views()
                    .borrow()
                    .environments
                    .get(&Self::environment())
                    .cloned();
                unreachable!("it did not come true; what is shown: {view:#?}")
            }
        }
    }

    /// Waits until nothing is on its way any more.
    pub async fn until_settled(&self) -> Environment {
        self.until(|view| view.environment.deployment.is_none() && view.environment.version > 0)
            .await
            .environment
            .clone()
    }

    /// Returns the kinds of everything recorded for the environment.
    pub async fn kinds(&self) -> Vec<String> {
        let stream = (&Self::environment()).into();
        let recorded = self
            .log
            .read_stream(&stream, 0)
            .await
            .expect("the log is readable");
        recorded.into_iter().map(|recorded| recorded.kind).collect()
    }
}

async fn start_engine(
    log: &Arc<dyn EventLog>,
    figures: &Arc<dyn FigureLog>,
    runtime: &Arc<FakeRuntime>,
    plane: &Arc<FakePlane>,
    (metrics, inspector): (&FakeMetrics, &FakeInspector),
    clock: TestClock,
) -> Engine {
    let parts = Parts {
        log: Arc::clone(log),
        figures: Arc::clone(figures),
        runtime: Arc::clone(runtime) as _,
        data_plane: Arc::clone(plane) as _,
        metrics: Arc::new(metrics.clone()),
        inspector: Arc::new(inspector.clone()),
        clock: Arc::new(clock),
    };
    Engine::start(parts).await.expect("the log is readable")
}
