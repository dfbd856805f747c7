//! Requests one after another on each connection, as fast as they are answered.
//!
//! Who asks shares a core with the backends, and if that is busy before the proxy's is, the proxy that
//! costs least waits most often for something to do, and each wait is a call into the kernel that the
//! others do not make. So HTTP/1.1 in the clear is asked by clients that are built in and do next to
//! nothing ([`eager`]); what is encrypted is asked by a program that speaks it ([`h2load`]).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::Error;
use crate::case::{Body, Protocol};
use crate::{eager, h2load};

/// What is asked of a proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed {
    pub(crate) protocol: Protocol,
    pub(crate) connections: usize,
    pub(crate) streams: usize,
    pub(crate) body: Body,
}

/// What came of it.
pub(crate) struct Answered {
    pub(crate) per_second: f64,
    /// How long each answer took, in microseconds.
    pub(crate) took: Vec<u32>,
}

/// Who asks.
pub(crate) struct Asking {
    pub(crate) h2load: PathBuf,
    /// Where it writes what it has to say.
    pub(crate) folder: tempfile::TempDir,
}

impl Asking {
    /// Sends so many requests. Calls `meanwhile` with the time since the start, now and then.
    ///
    /// # Errors
    /// A request failed, or what was answered is not what the backends say.
    pub(crate) fn run(
        &self,
        closed: Closed,
        address: SocketAddr,
        requests: u64,
        meanwhile: impl FnMut(Duration) -> Result<(), Error>,
    ) -> Result<Answered, Error> {
        match closed.protocol {
            Protocol::Http1 => eager::run(closed, address, requests, meanwhile),
            Protocol::Tls | Protocol::Http2 => {
                h2load::run(self, closed, address, requests, meanwhile)
            }
        }
    }
}
