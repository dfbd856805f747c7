//! What this machine lets a process have.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are open beside connections.
const BESIDE: u64 = 64;

/// Why a load needs more than there may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lacking {
    /// Open files: how many connections they are enough for.
    Files { connections: u64 },
    /// Ports to connect from: how many there are.
    Ports { connections: u64 },
}

/// Makes room for so many connections to one server, or says what is lacking.
pub(crate) fn make_room(connections: usize) -> Result<(), Lacking> {
    let connections = connections as u64;
    let needed = connections.saturating_add(BESIDE);
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        if let Some(maximum) = limit.maximum.filter(|maximum| *maximum < needed) {
            return Err(Lacking::Files {
                connections: maximum.saturating_sub(BESIDE),
            });
        }
        let raised = Rlimit {
            current: Some(needed),
            maximum: limit.maximum,
        };
        if setrlimit(Resource::Nofile, raised).is_err() {
            let current = limit.current.unwrap_or(BESIDE);
            return Err(Lacking::Files {
                connections: current.saturating_sub(BESIDE),
            });
        }
    }
    match fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|text| ports(&text))
    {
        Some(ports) if ports < connections => Err(Lacking::Ports { connections: ports }),
        _ => Ok(()),
    }
}

/// Returns how many ports lie between two, as the kernel writes them.
fn ports(text: &str) -> Option<u64> {
    let (from, to) = text.trim().split_once(char::is_whitespace)?;
    let (from, to): (u64, u64) = (from.parse().ok()?, to.trim().parse().ok()?);
    Some(to.checked_sub(from)? + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_connections_have_room_and_a_thousand_million_have_none() {
        assert_eq!(make_room(10), Ok(()));
        assert!(make_room(1_000_000_000).is_err());
    }

    #[test]
    fn ports_are_counted() {
        assert_eq!(ports("32768\t60999\n"), Some(28_232));
        assert_eq!(ports("nonsense"), None);
        assert_eq!(ports("9 1"), None);
    }
}
