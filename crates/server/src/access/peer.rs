//! Who is at the other end of the connection.

use std::net::SocketAddr;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::net::{UnixListener, UnixStream};

/// Who is at the other end of the connection, as far as the kernel tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A process on this machine that could open the socket, with its user.
    User {
        /// The user's number; unknown where the kernel does not tell.
        uid: Option<u32>,
        /// The user's name by the machine's own list.
        name: String,
    },
    /// Whoever is at this address.
    Address(SocketAddr),
}

impl Peer {
    /// Returns from where it comes, as the audit records it.
    pub(crate) fn from(&self) -> String {
        match self {
            Self::User { .. } => "unix".to_owned(),
            Self::Address(address) => address.ip().to_canonical().to_string(),
        }
    }
}

impl Peer {
    /// Returns who is at the other end of a socket of this machine.
    pub(crate) fn of(stream: &UnixStream) -> Self {
        let uid = stream.peer_cred().ok().map(|it| it.uid());
        let name = uid.map_or_else(|| "unknown".to_owned(), user_name);
        Self::User { uid, name }
    }
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self::of(stream.io())
    }
}

/// Returns the name of a user by the machine's own list, or the number.
fn user_name(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_in(&users, uid).map_or_else(|| format!("user {uid}"), str::to_owned)
}

fn name_in(users: &str, uid: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1000:1000::/srv/ann:/bin/sh\n";
        assert_eq!(name_in(users, 0), Some("root"));
        assert_eq!(name_in(users, 1000), Some("ann"));
        assert_eq!(name_in(users, 7), None);
    }
}
