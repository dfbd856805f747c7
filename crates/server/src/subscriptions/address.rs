//! Where a subscription is told, and where it may be.
//!
//! Who may add a subscription has this machine connect to where they like. So what only this
//! machine or its network reaches is refused unless they say that it is meant: other programs of
//! the machine, neighbours, and the address at which clouds tell a machine its secrets. What
//! counts is the address that a name leads to at the moment of connecting, since names change.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;
use http::uri::{Authority, PathAndQuery};
use serde::{Deserialize, Serialize};

/// The longest URL, in bytes.
const URL_BYTES_MAX: usize = 2_000;

/// Where notices are sent to. Its path may be a secret: what is shown of it is its host.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Address {
    url: String,
    authority: Authority,
    path: PathAndQuery,
    is_tls: bool,
}

/// What is allowed of an address that would not be by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Allowed {
    /// That only this machine, or its network, reaches it.
    pub(crate) private_address: bool,
    /// That it is reached without TLS, although it is of another machine.
    pub(crate) plain_http: bool,
}

impl Address {
    /// Returns the URL, for who may see all of it.
    pub(crate) fn reveal(&self) -> &str {
        &self.url
    }

    /// Returns host and port as they stand in the URL.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(crate) fn path(&self) -> &PathAndQuery {
        &self.path
    }

    pub(crate) const fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Returns the host without what its port and its brackets add.
    pub(crate) fn host(&self) -> &str {
        let host = self.authority.host();
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        bare.unwrap_or(host)
    }

    pub(crate) fn port(&self) -> u16 {
        let usual = if self.is_tls { 443 } else { 80 };
        self.authority.port_u16().unwrap_or(usual)
    }

    /// Says why it may not be the address of a subscription, as far as it tells that itself.
    pub(crate) fn refused(&self, allowed: Allowed) -> Option<&'static str> {
        if let Ok(ip) = self.host().parse() {
            return self.refused_at(ip, allowed);
        }
        let plain = !self.is_tls && !allowed.plain_http && self.host() != "localhost";
        plain.then_some(PLAIN)
    }

    /// Says why nothing may be sent to it while it leads to `ip`.
    pub(crate) fn refused_at(&self, ip: IpAddr, allowed: Allowed) -> Option<&'static str> {
        if !self.is_tls && !allowed.plain_http && !bare(ip).is_loopback() {
            return Some(PLAIN);
        }
        if !allowed.private_address && !is_public(ip) {
            return Some(
                "it leads to this machine or to a private network, and nobody has said that it may",
            );
        }
        None
    }
}

const PLAIN: &str = "it has no TLS, and leads to another machine: `https` is expected";

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(url: String) -> Result<Self, String> {
        // Nothing of it is repeated: it may be a secret.
        if url.len() > URL_BYTES_MAX || url.contains('#') {
            return Err("a URL of at most 2,000 bytes without `#` is expected".to_owned());
        }
        let bad = || "a URL such as `https://hooks.example.org/leadsman` is expected".to_owned();
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad()),
        };
        let authority = uri.authority().ok_or_else(bad)?.clone();
        if authority.as_str().contains('@') {
            return Err(
                "a name and a password are no part of a URL here: what is sent is signed"
                    .to_owned(),
            );
        }
        let has_port = authority.as_str().len() > authority.host().len();
        if authority.host().is_empty() || (has_port && authority.port_u16().is_none()) {
            return Err(bad());
        }
        let path = uri.path_and_query().cloned();
        Ok(Self {
            authority,
            path: path.unwrap_or_else(|| PathAndQuery::from_static("/")),
            is_tls,
            url,
        })
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.url
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.authority.as_str())
    }
}

/// Returns an address of IPv4 that is dressed up as one of IPv6 as what it is.
fn bare(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
    }
}

/// Whether an address is one of the Internet.
fn is_public(ip: IpAddr) -> bool {
    match bare(ip) {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// What the registry of special addresses of IPv4 (RFC 6890 and its successors) calls globally
/// reachable.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = matches!(
        (a, b, c),
        // This network, machines of a provider behind one address, protocols, measuring.
        (0, _, _) | (100, 64..=127, _) | (192, 0, 0) | (198, 18 | 19, _)
        // Many machines at once, and what is kept for later.
        | (224..=255, _, _)
    );
    !(special || ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_documentation())
}

/// Of IPv6 only `2000::/3` is given out. In it lie ways to reach IPv4, which count as what they
/// reach, and what is kept for documentation.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let parts = ip.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match parts {
        // NAT64.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(v4(high, low)),
        // 6to4.
        [0x2002, high, low, ..] => is_public_v4(v4(high, low)),
        // Teredo and other protocols, documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Result<Address, String> {
        Address::try_from(url.to_owned())
    }

    #[test]
    fn an_address_is_a_url_of_the_web_without_a_password() {
        for (url, host, port, path) in [
            ("https://hooks.example.org", "hooks.example.org", 443, "/"),
            (
                "https://hooks.example.org:8443/a?b=c",
                "hooks.example.org",
                8443,
                "/a?b=c",
            ),
            ("http://127.0.0.1:1/", "127.0.0.1", 1, "/"),
            ("https://[2001:db8::1]:8/x", "2001:db8::1", 8, "/x"),
        ] {
            let address = address(url).unwrap();
            assert_eq!(
                (address.host(), address.port(), address.path().as_str()),
                (host, port, path)
            );
            assert_eq!(address.reveal(), url);
        }
        let long = format!("https://example.org/{}", "a".repeat(URL_BYTES_MAX));
        for bad in [
            "",
            "/path",
            "example.org",
            "ftp://example.org",
            "file:///etc/passwd",
            "https://",
            "https:///path",
            "https://example.org:70000/",
            "https://example.org:/",
            "https://mia:secret@example.org/",
            "https://example.org/#part",
            "https://exa mple.org/",
            "https://example.org/\r\nx-evil: 1",
            &long,
        ] {
            let why = address(bad).unwrap_err();
            assert!(!why.contains("secret@") && !why.contains("/path"), "{why}");
        }
    }

    #[test]
    fn the_path_is_not_shown() {
        let address = address("https://hooks.example.org:8443/T0/secret").unwrap();
        assert_eq!(format!("{address:?}"), "hooks.example.org:8443");
    }

    #[test]
    fn only_the_internet_is_public() {
        for (ip, expected) in [
            ("1.1.1.1", true),
            ("93.184.216.34", true),
            ("100.63.255.255", true),
            ("172.32.0.1", true),
            ("2606:4700::1111", true),
            ("::ffff:1.1.1.1", true),
            ("64:ff9b::101:101", true),
            ("0.0.0.0", false),
            ("10.0.0.1", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("127.255.255.254", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("172.31.255.255", false),
            ("192.0.0.192", false),
            ("192.0.2.1", false),
            ("192.168.1.1", false),
            ("198.18.0.1", false),
            ("203.0.113.1", false),
            ("224.0.0.1", false),
            ("240.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::7f00:1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:169.254.169.254", false),
            ("64:ff9b::a9fe:a9fe", false),
            ("64:ff9b:1::1", false),
            ("2002:7f00:1::1", false),
            ("2002:a00:1::1", false),
            ("2001::1", false),
            ("2001:db8::1", false),
            ("3fff::1", false),
            ("fc00::1", false),
            ("fd00:ec2::254", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_public(ip.parse().unwrap()), expected, "{ip}");
        }
    }

    #[test]
    fn what_is_private_or_plain_has_to_be_allowed() {
        let (none, private) = (
            Allowed::default(),
            Allowed {
                private_address: true,
                plain_http: false,
            },
        );
        let plain = Allowed {
            private_address: false,
            plain_http: true,
        };
        let both = Allowed {
            private_address: true,
            plain_http: true,
        };
        // Refused without a word, with the one, with the other, and with both.
        for (url, ip, expected) in [
            (
                "https://example.org/",
                "1.1.1.1",
                [false, false, false, false],
            ),
            (
                "https://example.org/",
                "10.0.0.1",
                [true, false, true, false],
            ),
            (
                "https://example.org/",
                "127.0.0.1",
                [true, false, true, false],
            ),
            ("http://example.org/", "1.1.1.1", [true, true, false, false]),
            ("http://example.org/", "10.0.0.1", [true, true, true, false]),
            ("http://localhost/", "127.0.0.1", [true, false, true, false]),
            ("http://localhost/", "10.0.0.1", [true, true, true, false]),
            ("http://[::1]/", "::1", [true, false, true, false]),
        ] {
            let address = address(url).unwrap();
            let ip = ip.parse().unwrap();
            let refused = [none, private, plain, both];
            let refused = refused.map(|allowed| address.refused_at(ip, allowed).is_some());
            assert_eq!(refused, expected, "{url} at {ip}");
        }
        // What the URL itself tells is refused at once.
        for (url, allowed, expected) in [
            ("https://169.254.169.254/latest", none, true),
            ("https://169.254.169.254/latest", private, false),
            ("http://example.org/", none, true),
            ("http://example.org/", plain, false),
            ("http://localhost:1/", none, false),
            ("http://127.0.0.1:1/", private, false),
            ("https://example.org/", none, false),
        ] {
            let found = address(url).unwrap().refused(allowed);
            assert_eq!(found.is_some(), expected, "{url} {allowed:?}");
        }
    }
}
