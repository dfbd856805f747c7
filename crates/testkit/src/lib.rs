//! A world for tests: a clock that waits for nobody, a runtime whose instances do as they are
//! told, a data plane that acknowledges.
//!
//! For tests only. The fakes keep the contracts' promises and nothing more; what real processes
//! and sockets do is tested with real ones.
//!
//! Read first: [`World`], [`FakeRuntime`], [`FakePlane`], [`FakeMetrics`],
//! [`FakeInspector`].

mod clock;
mod inspector;
mod metrics;
mod plane;
mod runtime;
pub mod sim;
mod world;

pub use clock::TestClock;
pub use inspector::FakeInspector;
pub use metrics::FakeMetrics;
pub use plane::FakePlane;
pub use runtime::FakeRuntime;
pub use world::World;
