//! The release domain: what a project file says, what happened, what follows from it.
//!
//! Everything here is pure. There is no clock, no IO, no randomness and nothing asynchronous: the
//! moment is an argument, the world is an observation, and what should be done is a value.
//!
//! Read first: [`Environment`] (the state), [`Event`] (what changes it) and [`Plan`] (what follows
//! from it). Then the three functions that are the heart of it: [`decide`], [`evolve`], [`plan`].

#![warn(clippy::wildcard_enum_match_arm, clippy::indexing_slicing)]

pub mod audit;
pub mod bundle;
pub mod checklist;
mod closing;
mod command;
mod decide;
mod deployment;
pub mod entrance;
pub mod entry;
mod environment;
pub mod errand;
mod event;
mod evolve;
pub mod id;
pub mod invariant;
mod invariant_schema;
pub mod load;
pub mod metric;
pub mod migration;
mod observed;
pub mod people;
pub mod pipeline;
mod plan;
pub mod project;
mod reason;
mod refusal;
mod release;
pub mod route;
pub mod run;
pub mod schedule;
mod sentence;
pub mod spec;
pub mod time;
pub mod traffic;
pub mod weight;
pub mod workload;

pub use closing::{Closed, Closing};
pub use command::{Command, Scope};
pub use decide::decide;
pub use deployment::{
    Baseline, Cause, Deployment, End, Origin, Outcome, Pause, Phase, Revision, Rollout, Stage,
};
pub use environment::{Ended, Environment, Queued};
pub use event::{ApplicationEvent, Event, Passed};
pub use evolve::evolve;
pub use observed::Observed;
pub use plan::{Plan, Sizes, plan, sizes};
pub use reason::{Reason, Waiting, Who};
pub use refusal::{Hint, Refusal};
pub use release::{KnownRelease, ReleaseContent, Routing, Standing};
