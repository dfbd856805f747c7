//! Taking an address to accept connections on, once for every worker.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

/// How many connections may wait to be accepted, for each worker.
const BACKLOG: i32 = 1024;

/// After how long without a sign of life a client is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Takes `address` for a number of workers. Returns a listener for each of them, and the address
/// with its true port.
///
/// # Errors
/// In words for people: what was tried, why it failed, what can be done.
pub(crate) fn listen(
    address: SocketAddr,
    workers: usize,
) -> Result<(Vec<TcpListener>, SocketAddr), String> {
    try_listen(address, workers).map_err(|error| {
        let what_to_do = match Errno::from_io_error(&error) {
            Some(Errno::ADDRINUSE) => "end the program that has the port, or choose another one",
            Some(Errno::ACCESS) => {
                "choose a port from 1024 up, or grant the capability CAP_NET_BIND_SERVICE"
            }
            Some(Errno::ADDRNOTAVAIL) => "choose an address that this machine has",
            Some(Errno::MFILE | Errno::NFILE) => "raise the limit of open files",
            _ => "see whether the address is right",
        };
        format!("cannot listen on {address}: {error}; {what_to_do}")
    })
}

/// Takes `bound`, which sockets of ours listen on already, for `more` workers.
///
/// # Errors
/// In words for people.
pub(crate) fn listen_too(bound: SocketAddr, more: usize) -> Result<Vec<TcpListener>, String> {
    let listeners = (0..more).map(|_| {
        let listener = bind(bound, true)?;
        rustix::net::listen(&listener, BACKLOG)?;
        Ok(listener.into())
    });
    let listeners: io::Result<Vec<TcpListener>> = listeners.collect();
    listeners.map_err(|error| format!("cannot listen on {bound} with more workers: {error}"))
}

fn try_listen(address: SocketAddr, workers: usize) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
    // Listeners that share a port would also share it with those of another proxy of the same
    // user, and silently take half of its requests. Only one that does not share sees the others.
    drop(bind(address, false)?);
    let first = bind(address, true)?;
    let bound = first.local_addr()?.as_socket().unwrap_or(address);
    let mut listeners: Vec<TcpListener> = vec![first.into()];
    while listeners.len() < workers {
        listeners.push(bind(bound, true)?.into());
    }
    for listener in &listeners {
        rustix::net::listen(listener, BACKLOG)?;
    }
    Ok((listeners, bound))
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    // Connections that have just ended do not hold up a restart.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    // Both are passed on to the connections that are accepted.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong_and_what_to_do() {
        let (_taken, address) = listen("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let words = listen(address, 2).unwrap_err();
        assert!(
            words.contains(&format!("cannot listen on {address}")),
            "{words}"
        );
        assert!(words.contains("choose another one"), "{words}");
        let words = listen("203.0.113.7:80".parse().unwrap(), 1).unwrap_err();
        assert!(words.contains("that this machine has"), "{words}");
    }

    #[test]
    fn every_worker_gets_a_listener_for_the_same_port() {
        let (listeners, bound) = listen("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        assert_eq!(listeners.len(), 3);
        for listener in listeners {
            assert_eq!(listener.local_addr().unwrap(), bound);
        }
    }
}
