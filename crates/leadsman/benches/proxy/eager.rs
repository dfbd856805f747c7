//! Clients that are built in, each of which asks again as soon as it has its answer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Error;
use crate::clients::{self, ROOM};
use crate::closed::{Answered, Closed};
use crate::polling::Polling;

/// Sends so many requests. Calls `meanwhile` with the time since the start after each wait.
///
/// # Errors
/// A request failed, or what was answered is not what the backends say.
pub(crate) fn run(
    closed: Closed,
    address: SocketAddr,
    requests: u64,
    mut meanwhile: impl FnMut(Duration) -> Result<(), Error>,
) -> Result<Answered, Error> {
    let mut polling = Polling::new()?;
    let mut clients = clients::connect_all(address, closed.connections, closed.body, &polling)?;
    let mut to_ask = requests
        .checked_sub(clients.len() as u64)
        .ok_or("there are fewer requests than connections")?;
    let begun = Instant::now();
    let mut asked_at = vec![begun; clients.len()];
    for client in &mut clients {
        client.ask()?;
    }
    let mut took = Vec::with_capacity(usize::try_from(requests)?);
    let mut ready = Vec::new();
    let mut room = vec![0; ROOM];
    while (took.len() as u64) < requests {
        polling.wait(&mut ready)?;
        for number in &ready {
            let client = &mut clients[*number];
            if !client.take(&mut room)? {
                continue;
            }
            let now = Instant::now();
            took.push(u32::try_from((now - asked_at[*number]).as_micros())?);
            if to_ask > 0 {
                to_ask -= 1;
                asked_at[*number] = now;
                client.ask()?;
            }
        }
        meanwhile(begun.elapsed())?;
    }
    Ok(Answered {
        per_second: requests as f64 / begun.elapsed().as_secs_f64(),
        took,
    })
}
