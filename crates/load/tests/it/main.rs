//! The load generator against real servers.

#[cfg(test)]
mod loads;
#[cfg(test)]
mod omission;
#[cfg(test)]
mod secure;
#[cfg(test)]
mod server;
#[cfg(test)]
mod trouble;
