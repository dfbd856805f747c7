//! Requests at a fixed rate, each of which is due at its time whether or not others are answered.
//!
//! The latency of a request counts from when it was due. A proxy that stands still for 100 ms so
//! gets what its users would see: a hundredth of a second's worth of late answers, and not one
//! late answer on each connection.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::Error;
use crate::case::Body;
use crate::clients::{self, ROOM};
use crate::polling::Polling;

/// How long the last answers may take after the last request was due.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks `address` for small bodies, `rate` times a second, on so many connections. Returns how long
/// each answer took, in microseconds.
pub(crate) fn run(
    address: SocketAddr,
    connections: usize,
    rate: f64,
    length: Duration,
) -> Result<Vec<u32>, Error> {
    let mut polling = Polling::new()?;
    let mut clients = clients::connect_all(address, connections, Body::Small, &polling)?;
    let requests = (rate * length.as_secs_f64()) as u64;
    let due = |request: u64| Duration::from_secs_f64(request as f64 / rate);
    let timer = timer(Duration::from_secs_f64(1.0 / rate))?;
    polling.add(&timer, connections)?;

    let begun = Instant::now();
    let mut sent = 0;
    let mut took = Vec::new();
    // Whose turn was longest ago comes first, so that all are used.
    let mut free: VecDeque<usize> = (0..connections).collect();
    let mut asked_for = vec![0; connections];
    let mut ready = Vec::new();
    let mut room = vec![0; ROOM];
    while (took.len() as u64) < requests {
        polling.wait(&mut ready)?;
        for number in &ready {
            let Some(client) = clients.get_mut(*number) else {
                rustix::io::read(&timer, &mut [0; 8])?;
                continue;
            };
            if client.take(&mut room)? {
                let late = begun.elapsed().saturating_sub(due(asked_for[*number]));
                took.push(u32::try_from(late.as_micros())?);
                free.push_back(*number);
            }
        }
        let now = begun.elapsed();
        while sent < requests && due(sent) <= now {
            let Some(number) = free.pop_front() else {
                break;
            };
            clients[number].ask()?;
            asked_for[number] = sent;
            sent += 1;
        }
        if now > length + PATIENCE {
            let missing = requests - took.len() as u64;
            return Err(format!("{missing} of {requests} requests were not answered").into());
        }
    }
    Ok(took)
}

/// Returns a timer that is ready each time that a request is due. Its clock is finer than that of
/// a wait with a time limit.
fn timer(interval: Duration) -> Result<rustix::fd::OwnedFd, Error> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
    let interval = Timespec {
        tv_sec: interval.as_secs().try_into()?,
        tv_nsec: interval.subsec_nanos().into(),
    };
    let spec = Itimerspec {
        it_interval: interval,
        it_value: interval,
    };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &spec)?;
    Ok(timer)
}
