//! Where an instance is spoken to, and how.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What the path of a Unix socket is written behind.
const UNIX: &str = "unix:";

/// How long the path of a Unix socket may be, in bytes: Linux has room for 108, the last one of which
/// is zero.
const PATH_MAX: usize = 107;

/// Where an instance accepts connections. Written as an address with a port, or as `unix:` and a
/// path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// By TCP.
    Tcp(SocketAddr),
    /// On the Unix socket with this absolute path.
    Unix(String),
}

/// What the instances of a side speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 in the clear from its first byte on, as services of gRPC do.
    Http2,
}

impl Address {
    /// Returns what a request names as its host that was for none in particular.
    pub(crate) fn host(&self) -> String {
        match self {
            Self::Tcp(address) => address.to_string(),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }

    pub(super) fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Tcp(address) if address.port() == 0 => Some("the port is 0"),
            Self::Tcp(address) if address.ip().is_unspecified() => {
                Some("the address is a wildcard")
            }
            Self::Unix(path) if !path.starts_with('/') => {
                Some("the path of the socket has to begin with `/`")
            }
            Self::Unix(path) if path.len() > PATH_MAX => {
                Some("the path of the socket is longer than 107 bytes")
            }
            Self::Unix(path) if path.contains('\0') => {
                Some("the path of the socket has a zero in it")
            }
            Self::Tcp(_) | Self::Unix(_) => None,
        }
    }
}

impl Protocol {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{path}"),
        }
    }
}

/// A text is no address.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is neither an address with a port nor `unix:` with a path")]
pub struct NoAddress(String);

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        match text.strip_prefix(UNIX) {
            Some(path) => Ok(Self::Unix(path.to_owned())),
            None => text
                .parse()
                .map(Self::Tcp)
                .map_err(|_| NoAddress(text.to_owned())),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Instance, Side};
    use super::*;

    #[test]
    fn is_written_as_it_is_read() {
        for (text, address) in [
            ("127.0.0.1:80", Address::Tcp(([127, 0, 0, 1], 80).into())),
            (
                "[::1]:80",
                Address::Tcp((std::net::Ipv6Addr::LOCALHOST, 80).into()),
            ),
            ("unix:/run/a.sock", Address::Unix("/run/a.sock".to_owned())),
        ] {
            let json = format!("\"{text}\"");
            assert_eq!(serde_json::from_str::<Address>(&json).unwrap(), address);
            assert_eq!(serde_json::to_string(&address).unwrap(), json);
        }
        for text in ["", "127.0.0.1", "/run/a.sock", "localhost:80"] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.to_string().contains("neither"), "{text}");
        }
    }

    #[test]
    fn a_side_that_says_nothing_speaks_http1_and_says_nothing_of_it() {
        let side: Side = serde_json::from_str(
            r#"{"name": "a", "weight": 0, "instances": {"i": {"address": "127.0.0.1:80"}}}"#,
        )
        .unwrap();
        assert_eq!(side.protocol, Protocol::Http1);
        let instance = Instance {
            address: Address::Tcp(([127, 0, 0, 1], 80).into()),
            health: None,
        };
        assert_eq!(side.instances["i"], instance);
        assert!(!serde_json::to_string(&side).unwrap().contains("protocol"));
    }

    #[test]
    fn says_what_cannot_be_spoken_to() {
        for (text, fault) in [
            ("127.0.0.1:0", Some("the port is 0")),
            ("[::]:80", Some("the address is a wildcard")),
            (
                "unix:a.sock",
                Some("the path of the socket has to begin with `/`"),
            ),
            (
                "unix:/a\0b",
                Some("the path of the socket has a zero in it"),
            ),
            ("unix:/a.sock", None),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().fault(), fault, "{text}");
        }
        let longest = Address::Unix(format!("/{}", "a".repeat(106)));
        assert_eq!(longest.fault(), None);
        let longer = Address::Unix(format!("/{}", "a".repeat(107)));
        assert!(longer.fault().unwrap().contains("107 bytes"));
    }
}
