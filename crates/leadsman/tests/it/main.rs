//! The program as people and scripts run it: its output, its files, its exit status.

mod alone;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod control;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod exporting;
mod gating;
#[cfg(test)]
mod judging;
#[cfg(test)]
mod live;
#[cfg(test)]
mod loading;
#[cfg(all(test, target_env = "gnu"))]
mod memory;
#[cfg(test)]
mod program;
mod reference;
mod shipping;
mod talking;
#[cfg(test)]
mod tool;
