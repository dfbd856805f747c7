//! Who is at the other end of a client's connection, and what it is believed.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use http::Version;
use http::header::{FORWARDED, HOST, HeaderName, HeaderValue, VIA};

use crate::message::{Headers, RequestHead, Value};
use crate::table::Network;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What the names of all headers begin with by which a proxy says for whom it asks.
const FORWARDED_PREFIX: &str = "x-forwarded-";
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Who is at the other end of a client's connection.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    address: IpAddr,
    /// The address as it is told to instances.
    text: HeaderValue,
    /// What it speaks: `http` or `https`.
    scheme: HeaderValue,
    /// Who is believed what it says of others.
    trusted: Rc<[Network]>,
    is_trusted: bool,
}

impl Peer {
    /// Returns a peer that is believed if its address is in one of the networks `trusted`.
    pub(super) fn new(address: SocketAddr, is_encrypted: bool, trusted: &Rc<[Network]>) -> Self {
        let address = address.ip().to_canonical();
        let text = HeaderValue::try_from(address.to_string());
        let peer = Self {
            address,
            text: text.expect("an address is made of letters, digits, dots and colons"),
            scheme: HeaderValue::from_static(if is_encrypted { "https" } else { "http" }),
            trusted: Rc::clone(trusted),
            is_trusted: false,
        };
        Self {
            is_trusted: peer.trusts(address),
            ..peer
        }
    }

    /// Returns the same peer where those in the networks `trusted` are believed.
    pub(super) fn where_trusted(self: &Rc<Self>, trusted: &Rc<[Network]>) -> Rc<Self> {
        if Rc::ptr_eq(&self.trusted, trusted) {
            return Rc::clone(self);
        }
        let mut peer = Self::clone(self);
        peer.trusted = Rc::clone(trusted);
        peer.is_trusted = peer.trusts(peer.address);
        Rc::new(peer)
    }

    /// Says whether it is believed what it says of others.
    pub(super) fn is_trusted(&self) -> bool {
        self.is_trusted
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// Returns the address of the client that asks, by what instances are told in `headers`: who is
    /// trusted asks for another, and perhaps that one for yet another.
    pub(super) fn client(&self, headers: &Headers) -> IpAddr {
        let mut client = self.address;
        if self.is_trusted
            && let Some(chain) = headers.get(FORWARDED_FOR).and_then(Value::to_str)
        {
            for said in chain.rsplit(',').map_while(address) {
                client = said;
                if !self.trusts(client) {
                    break;
                }
            }
        }
        client
    }

    /// Says whether the client asked by https, as far as is known.
    pub(super) fn asked_by_https(&self, headers: &Headers) -> bool {
        let said = headers.get(FORWARDED_PROTO).filter(|_| self.is_trusted);
        said.map_or(self.scheme == "https", |said| said == *"https")
    }

    /// Tells the instance who asked, and how.
    pub(super) fn announce(&self, head: &mut RequestHead) {
        let headers = &mut head.headers;
        if self.is_trusted {
            headers.insert(FORWARDED_FOR, self.chain(headers));
        } else {
            headers.retain(|name| !is_claim(name));
            headers.append(FORWARDED_FOR, &self.text);
        }
        // Who is in front and ends TLS knows better.
        if !(self.is_trusted && headers.contains(FORWARDED_HOST)) {
            headers.append_copy(FORWARDED_HOST, &HOST);
        }
        if !(self.is_trusted && headers.contains(FORWARDED_PROTO)) {
            headers.append(FORWARDED_PROTO, &self.scheme);
        }
        headers.append(VIA, via(head.version));
    }

    /// Returns for whom it says that it asks, and itself.
    fn chain(&self, headers: &Headers) -> HeaderValue {
        if !headers.contains(FORWARDED_FOR) {
            return self.text.clone();
        }
        let said = headers.get_all(FORWARDED_FOR);
        let mut chain: Vec<&[u8]> = said.map(Value::as_bytes).collect();
        chain.push(self.text.as_bytes());
        // Made of what was valid and of what is.
        HeaderValue::from_bytes(&chain.join(&b", "[..])).unwrap_or_else(|_| self.text.clone())
    }
}

/// Returns how the proxy is named where a message came in this version of HTTP.
pub(super) fn via(version: Version) -> &'static HeaderValue {
    static NAMES: [HeaderValue; 3] = [
        HeaderValue::from_static("1.0 leadsman"),
        HeaderValue::from_static("1.1 leadsman"),
        HeaderValue::from_static("2.0 leadsman"),
    ];
    let [first, usual, second] = &NAMES;
    match version {
        Version::HTTP_10 => first,
        Version::HTTP_2 => second,
        _ => usual,
    }
}

/// Says whether a header is one in which anybody can say for whom it asks.
fn is_claim(name: &HeaderName) -> bool {
    name.as_str().starts_with(FORWARDED_PREFIX) || *name == FORWARDED || *name == REAL_IP
}

/// Reads an address as proxies write it, some with a port.
fn address(said: &str) -> Option<IpAddr> {
    let said = said.trim();
    let address = said.parse().ok();
    let with_port = || Some(said.parse::<SocketAddr>().ok()?.ip());
    address
        .or_else(with_port)
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn trusted() -> Rc<[Network]> {
        ["127.0.0.0/8", "10.0.0.0/8"]
            .map(|network| network.parse().unwrap())
            .into()
    }

    fn announced(peer: &Peer, headers: &[(&str, &str)]) -> Headers {
        let request = headers
            .iter()
            .fold(Request::get("/"), |request, (name, value)| {
                request.header(*name, *value)
            });
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let mut head = RequestHead::from(parts);
        peer.announce(&mut head);
        head.headers
    }

    #[test]
    fn strangers_are_not_believed() {
        let peer = Peer::new("203.0.113.9:4711".parse().unwrap(), false, &trusted());
        let headers = announced(
            &peer,
            &[
                ("host", "site.example"),
                ("x-forwarded-for", "127.0.0.1"),
                ("x-forwarded-host", "bank.example"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-port", "443"),
                ("x-forwarded-prefix", "/admin"),
                ("x-real-ip", "127.0.0.1"),
                ("forwarded", "for=127.0.0.1;proto=https"),
                ("x-forward", "kept"),
            ],
        );
        let mut said: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        said.sort_unstable();
        assert_eq!(
            said,
            [
                ("host", "site.example"),
                ("via", "1.1 leadsman"),
                ("x-forward", "kept"),
                ("x-forwarded-for", "203.0.113.9"),
                ("x-forwarded-host", "site.example"),
                ("x-forwarded-proto", "http"),
            ]
        );
    }

    #[test]
    fn who_is_trusted_is_believed() {
        let peer = Peer::new("10.1.2.3:4711".parse().unwrap(), false, &trusted());
        let headers = announced(
            &peer,
            &[
                ("host", "inside.example"),
                ("x-forwarded-for", "203.0.113.9"),
                ("x-forwarded-for", "10.9.9.9"),
                ("x-forwarded-host", "site.example"),
                ("x-forwarded-proto", "https"),
                ("forwarded", "for=203.0.113.9"),
            ],
        );
        assert_eq!(
            headers.text("x-forwarded-for"),
            "203.0.113.9, 10.9.9.9, 10.1.2.3"
        );
        assert_eq!(headers.text("x-forwarded-host"), "site.example");
        assert_eq!(headers.text("x-forwarded-proto"), "https");
        assert_eq!(headers.text("forwarded"), "for=203.0.113.9");
        assert!(peer.asked_by_https(&headers));
        let nobody: Rc<[Network]> = Rc::new([]);
        assert!(
            !Rc::new(peer)
                .where_trusted(&nobody)
                .asked_by_https(&headers)
        );
    }

    #[test]
    fn the_client_is_the_last_one_that_is_not_trusted() {
        for (peer, chain, client) in [
            ("203.0.113.9:1", "198.51.100.1", "203.0.113.9"),
            ("10.0.0.1:1", "198.51.100.1", "198.51.100.1"),
            (
                "10.0.0.1:1",
                "198.51.100.1, 203.0.113.9, 10.0.0.7",
                "203.0.113.9",
            ),
            ("10.0.0.1:1", "198.51.100.1:4711", "198.51.100.1"),
            ("10.0.0.1:1", "[2001:db8::1]:4711", "2001:db8::1"),
            ("10.0.0.1:1", "2001:db8::1", "2001:db8::1"),
            ("10.0.0.1:1", "198.51.100.1, unknown", "10.0.0.1"),
            ("10.0.0.1:1", "198.51.100.1, unknown, 10.0.0.7", "10.0.0.7"),
            ("10.0.0.1:1", "10.0.0.8, 10.0.0.7", "10.0.0.8"),
            ("10.0.0.1:1", "", "10.0.0.1"),
        ] {
            let peer = Peer::new(peer.parse().unwrap(), false, &trusted());
            let headers = announced(&peer, &[("x-forwarded-for", chain)]);
            assert_eq!(
                peer.client(&headers),
                client.parse::<IpAddr>().unwrap(),
                "{chain}"
            );
        }
    }

    #[test]
    fn an_ipv4_client_of_an_ipv6_listener_is_named_as_ipv4() {
        let peer = Peer::new(
            "[::ffff:203.0.113.9]:4711".parse().unwrap(),
            true,
            &trusted(),
        );
        let headers = announced(&peer, &[]);
        assert_eq!(headers.text("x-forwarded-for"), "203.0.113.9");
        assert_eq!(headers.text("x-forwarded-proto"), "https");
    }

    #[test]
    fn fuzzed_forwarded() {
        let peers = ["127.0.0.1:1", "203.0.113.9:4711", "[2001:db8::1]:9"]
            .map(|address| Peer::new(address.parse().unwrap(), false, &trusted()));
        crate::fuzz::fuzz("forwarded", |input| {
            let names = [
                FORWARDED_FOR,
                FORWARDED_PROTO,
                FORWARDED_HOST,
                FORWARDED,
                REAL_IP,
            ];
            let mut said = Headers::default();
            for (at, line) in input.split(|byte| *byte == b'\n').take(16).enumerate() {
                if let Ok(value) = HeaderValue::from_bytes(line) {
                    // Most lines are of the header that has a chain in it.
                    let name = if at % 2 == 0 { 0 } else { at / 2 % names.len() };
                    said.append(names[name].clone(), value);
                }
            }
            for peer in &peers {
                let (parts, ()) = Request::get("/").body(()).unwrap().into_parts();
                let mut head = RequestHead::from(parts);
                head.headers = said.clone();
                if !peer.is_trusted() {
                    assert_eq!(peer.client(&head.headers), peer.address);
                    assert!(!peer.asked_by_https(&head.headers));
                }
                peer.announce(&mut head);
                let chain: Vec<_> = head.headers.get_all(FORWARDED_FOR).collect();
                let [chain] = chain[..] else {
                    panic!("one chain: {chain:?}");
                };
                assert!(chain.as_bytes().ends_with(peer.text.as_bytes()));
                assert_eq!(head.headers.get_all(FORWARDED_PROTO).count().min(1), 1);
                if !peer.is_trusted() {
                    assert_eq!(chain.as_bytes(), peer.text.as_bytes());
                    assert_eq!(head.headers.text(FORWARDED_PROTO), "http");
                    assert!(!head.headers.contains(FORWARDED));
                    assert!(!head.headers.contains(REAL_IP));
                }
            }
        });
    }
}
