//! A world in a box: the real engine, core, judge and store contract; a simulated runtime, data
//! plane, disk and users. Seeded, on one thread, on time that waits for nobody.
//!
//! A [`Script`] follows from a seed; [`play`] says what came of it. The same script comes out the
//! same to the last line of its timeline.

mod asking;
mod chance;
mod check;
mod check_schema;
mod control;
mod counting;
mod errands;
mod evidence;
mod faults;
mod gate;
mod gated;
mod guarded;
mod hand_log;
mod hands;
mod instances;
mod many;
mod minimise;
mod play;
mod proxy;
mod script;
mod sea;
mod words;

pub use chance::Chance;
pub use check::Violation;
pub use guarded::Guarding;
pub use many::{Many, play_many};
pub use minimise::minimise;
pub use play::{Played, finding_panics, play};
pub use script::{
    Act, Effect, Fate, Fault, Migrates, Nature, Receiver, Script, Setting, Shipped, What, Wish,
};
