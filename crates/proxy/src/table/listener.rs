//! A listener: an address, what is asked of who connects to it, and where requests go.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use serde::{Deserialize, Serialize};

use crate::table::{Network, Rule, Service, Tls};

/// Headers that say how an answer is carried: they are nobody's to choose.
const OF_THE_CARRIER: [HeaderName; 7] = [
    CONNECTION,
    CONTENT_LENGTH,
    DATE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// An address on which requests are accepted, and where they go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listener {
    /// Where requests are accepted. Port 0 lets the system choose one; the status says which.
    pub address: SocketAddr,
    /// How requests find their service; the order does not matter, the most specific rule wins.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// The services by name.
    #[serde(default)]
    pub services: BTreeMap<String, Service>,
    /// How connections are encrypted; `None` is not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Leads every client to the same host and path under https, at this port, instead of answering
    /// it. Requests that came under https to who is `trusted` are answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_https: Option<u16>,
    /// Headers that each answer gets which does not have them, the proxy's own answers too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answer_headers: BTreeMap<String, String>,
    /// Whose connections begin by saying who the client is, by the PROXY protocol, version 1 or 2.
    /// Those that do not are ended; from elsewhere it is not understood.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proxy_protocol_from: Vec<Network>,
    /// Who is believed when it says in forwarded headers for whom it asks, and how it was asked.
    /// What others say there is replaced by what is known of them.
    #[serde(default = "loopback", skip_serializing_if = "is_loopback")]
    pub trusted: Vec<Network>,
}

impl Listener {
    /// Returns a listener that has nothing but its address, and believes this machine alone.
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address,
            rules: Vec::new(),
            services: BTreeMap::new(),
            tls: None,
            to_https: None,
            answer_headers: BTreeMap::new(),
            proxy_protocol_from: Vec::new(),
            trusted: loopback(),
        }
    }

    /// Returns everything that is wrong with it, but for its rules and services.
    pub(super) fn faults(&self) -> Vec<String> {
        let of_tls = self.tls.iter().flat_map(Tls::faults);
        let mut faults: Vec<String> = of_tls.map(|fault| format!("tls: {fault}")).collect();
        match self.to_https {
            Some(0) => faults.push("clients cannot be led to port 0".to_owned()),
            Some(_) if self.tls.is_some() => {
                faults.push("clients cannot be led to https where they already are".to_owned());
            }
            _ => {}
        }
        for (name, value) in &self.answer_headers {
            let fault = header_fault(name, value, self.tls.is_some());
            faults.extend(fault.map(|fault| format!("the header `{name}` {fault}")));
        }
        faults
    }
}

/// Returns what is wrong with a header for every answer.
fn header_fault(name: &str, value: &str, is_encrypted: bool) -> Option<&'static str> {
    let Ok(name) = HeaderName::try_from(name) else {
        return Some("has a name that is none");
    };
    if HeaderValue::try_from(value).is_err() {
        Some("has a value with a line break or the like")
    } else if OF_THE_CARRIER.contains(&name) || name.as_str().starts_with("x-leadsman-") {
        Some("is not to be chosen")
    } else if name == STRICT_TRANSPORT_SECURITY && !is_encrypted {
        Some("means something only where connections are encrypted (RFC 6797, 7.2)")
    } else {
        None
    }
}

fn loopback() -> Vec<Network> {
    Network::LOOPBACK.to_vec()
}

fn is_loopback(networks: &[Network]) -> bool {
    networks == Network::LOOPBACK
}
