//! The values that say who may connect and how, and how each is written.

use std::borrow::Cow;
use std::net::IpAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::codes::{BAD_CONTACT, BAD_DIRECTORY, BAD_HEADER, BAD_NETWORK};
use super::problem::quoted;
use super::read::{Merge, Read, Reader};
use super::shape::MapKey;
use super::traffic_values::is_token;
use super::values::{Words, schema};
use super::yaml::{Key, Node};
use crate::entrance::{Challenge, TlsVersion};

/// The name of a header that answers get.
#[derive(Clone, Debug)]
pub(super) struct HeaderKey;

impl HeaderKey {
    /// Headers that say how an answer is carried.
    const OF_THE_CARRIER: &'static [&'static str] = &[
        "connection",
        "content-length",
        "date",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
}

impl MapKey for HeaderKey {
    const WHAT: &'static str = "a mapping of headers";
    const PATTERN: &'static str = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";
    const TAKEN: &'static [&'static str] = Self::OF_THE_CARRIER;

    fn check(key: &Key, reader: &mut Reader) -> bool {
        let name = key.text.to_ascii_lowercase();
        let (message, hint) = if !is_token(&name) {
            let message = format!("{} is not the name of a header", quoted(&key.text));
            (message, "write it like `content-security-policy`")
        } else if Self::OF_THE_CARRIER.contains(&&*name) || name.starts_with("x-leadsman-") {
            let message = format!("the header `{name}` is not to be chosen");
            (message, "take it out: the data plane sees to it")
        } else {
            return true;
        };
        reader.note(&BAD_HEADER, key.at, message, hint);
        false
    }
}

/// The value of a header.
#[derive(Clone, Debug)]
pub(super) struct HeaderText(pub(super) String);

impl Read for HeaderText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it in one line, such as `max-age=31536000`";
        let text = reader.scalar(node, "the value of a header", FORM)?;
        let usable = (1..=4096).contains(&text.len())
            && text.chars().all(|c| c == ' ' || c.is_ascii_graphic());
        if !usable {
            let message = format!("{} is not the value of a header", quoted(text));
            reader.note(&BAD_HEADER, node.at, message, FORM);
        }
        usable.then(|| Self(text.trim().to_owned()))
    }
}

impl Merge for HeaderText {}

schema!(
    HeaderText,
    json_schema!({ "title": "text", "type": ["string", "number", "boolean"] })
);

/// A range of addresses.
#[derive(Clone, Debug)]
pub(super) struct NetworkText(pub(super) String);

impl Read for NetworkText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = reader.scalar(node, "a range of addresses", "write it like `10.0.0.0/8`")?;
        match network(text) {
            Ok(network) => Some(Self(network)),
            Err(hint) => {
                let message = format!("{} is not a range of addresses", quoted(text));
                reader.note(&BAD_NETWORK, node.at, message, hint);
                None
            }
        }
    }
}

impl Merge for NetworkText {}

schema!(
    NetworkText,
    json_schema!({ "title": "network", "type": "string", "pattern": r"^[0-9a-fA-F.:]+(/[0-9]{1,3})?$" })
);

/// Reads a range of addresses, and writes it as it always is; or says how to write it.
fn network(text: &str) -> Result<String, String> {
    let form = || "write it like `10.0.0.0/8` or `2001:db8::/32`".to_owned();
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| form())?;
    let (all, number) = match address {
        IpAddr::V4(address) => (32, u128::from(address.to_bits())),
        IpAddr::V6(address) => (128, address.to_bits()),
    };
    let bits: u32 = bits.map_or(Ok(all), str::parse).map_err(|_| form())?;
    if bits > all {
        return Err(format!("there are {all} bits at most: `{address}/{all}`"));
    }
    // Of what stands behind the common bits, nothing may be set.
    let behind = all - bits;
    let first = number
        .checked_shr(behind)
        .unwrap_or(0)
        .checked_shl(behind)
        .unwrap_or(0);
    if first != number {
        let first = match address {
            IpAddr::V4(_) => u32::try_from(first).map(|bits| IpAddr::from(bits.to_be_bytes())),
            IpAddr::V6(_) => Ok(IpAddr::from(first.to_be_bytes())),
        };
        let first = first.unwrap_or(address);
        return Err(format!(
            "write `{first}/{bits}` for all of them, or `{address}` for the one"
        ));
    }
    Ok(format!("{address}/{bits}"))
}

/// A mail address.
#[derive(Clone, Debug)]
pub(super) struct Contact(pub(super) String);

impl Read for Contact {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `ops@shop.example`";
        let text = reader.text(node, "a mail address", FORM)?;
        let usable = text.len() <= 254
            && text.chars().all(|c| c.is_ascii_graphic())
            && text
                .split_once('@')
                .is_some_and(|(who, at)| !who.is_empty() && !at.is_empty() && !at.contains('@'));
        if !usable {
            let message = format!("{} is not a mail address", quoted(text));
            reader.note(&BAD_CONTACT, node.at, message, FORM);
        }
        usable.then(|| Self(text.to_owned()))
    }
}

impl Merge for Contact {}

schema!(
    Contact,
    json_schema!({ "title": "mail address", "type": "string", "pattern": r"^[^@\s]+@[^@\s]+$" })
);

/// The directory of an ACME server.
#[derive(Clone, Debug)]
pub(super) struct Directory(pub(super) String);

impl Read for Directory {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `https://ca.example/acme/directory`";
        let text = reader.text(node, "the URL of a directory", FORM)?;
        let rest = text.strip_prefix("https://").unwrap_or_default();
        let host = rest.split('/').next().unwrap_or_default();
        let usable = text.len() <= 1024
            && !host.is_empty()
            && !host.contains('@')
            && rest
                .chars()
                .all(|c| c.is_ascii_graphic() && !"\"<>\\^`{|}#?".contains(c));
        if !usable {
            // What was written may hold a password: it is not repeated.
            let message = "this is not the directory of an ACME server";
            let hint = if text.starts_with("http://") {
                "only https is spoken with it"
            } else {
                FORM
            };
            reader.note(&BAD_DIRECTORY, node.at, message, hint);
        }
        usable.then(|| Self(text.to_owned()))
    }
}

impl Merge for Directory {}

schema!(
    Directory,
    json_schema!({ "title": "https address", "type": "string", "pattern": "^https://" })
);

impl Words for TlsVersion {
    const ALL: &'static [(&'static str, Self)] = &[("1.2", Self::V1_2), ("1.3", Self::V1_3)];
}

impl Words for Challenge {
    const ALL: &'static [(&'static str, Self)] =
        &[("tls-alpn-01", Self::TlsAlpn01), ("http-01", Self::Http01)];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_written_in_one_way() {
        for (text, expected) in [
            ("10.0.0.0/8", Ok("10.0.0.0/8")),
            ("192.168.1.7", Ok("192.168.1.7/32")),
            ("0.0.0.0/0", Ok("0.0.0.0/0")),
            ("::/0", Ok("::/0")),
            ("2001:DB8:0::/32", Ok("2001:db8::/32")),
            ("::1", Ok("::1/128")),
            (
                "10.1.2.3/8",
                Err("write `10.0.0.0/8` for all of them, or `10.1.2.3` for the one"),
            ),
            (
                "2001:db8::1/32",
                Err("write `2001:db8::/32` for all of them, or `2001:db8::1` for the one"),
            ),
            (
                "1.2.3.4/0",
                Err("write `0.0.0.0/0` for all of them, or `1.2.3.4` for the one"),
            ),
            (
                "10.0.0.0/33",
                Err("there are 32 bits at most: `10.0.0.0/32`"),
            ),
            (
                "10.0.0.0/x",
                Err("write it like `10.0.0.0/8` or `2001:db8::/32`"),
            ),
            (
                "localhost",
                Err("write it like `10.0.0.0/8` or `2001:db8::/32`"),
            ),
        ] {
            let read = network(text);
            assert_eq!(read.as_deref().map_err(String::as_str), expected, "{text}");
        }
    }
}
