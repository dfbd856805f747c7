//! The values that say what a checklist asks.

use std::borrow::Cow;
use std::net::IpAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::codes::{BAD_CHECK, BAD_PATH};
use super::problem::quoted;
use super::read::{Merge, Read, Reader};
use super::values::{Words, schema};
use super::yaml::Node;
use crate::people::Role;

/// The most that an item says, in bytes.
const SAID_MAX: usize = 300;

/// What a person confirms.
#[derive(Clone, Debug)]
pub(super) struct SaidText(pub(super) String);

impl Read for SaidText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write one sentence, such as `\"Customers were told\"`";
        let text = reader.text(node, "a sentence", FORM)?.trim();
        let usable = (1..=SAID_MAX).contains(&text.len()) && !text.contains(char::is_control);
        if !usable {
            let message = format!("{} is no sentence of 1 to {SAID_MAX} bytes", quoted(text));
            reader.note(&BAD_CHECK, node.at, message, FORM);
        }
        usable.then(|| Self(text.to_owned()))
    }
}

impl Merge for SaidText {}

schema!(
    SaidText,
    json_schema!({ "title": "sentence", "type": "string", "minLength": 1, "maxLength": SAID_MAX })
);

/// A file or a folder of the machine, by its full path.
#[derive(Clone, Debug)]
pub(super) struct FullPath(pub(super) String);

impl Read for FullPath {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `/var/lib`";
        let path = reader.text(node, "a path", FORM)?;
        let usable =
            path.starts_with('/') && path.len() <= 1024 && !path.contains(char::is_control);
        if !usable {
            let message = format!("{} is not a full path", quoted(path));
            reader.note(&BAD_PATH, node.at, message, FORM);
        }
        usable.then(|| Self(path.to_owned()))
    }
}

impl Merge for FullPath {}

schema!(
    FullPath,
    json_schema!({ "title": "full path", "type": "string", "pattern": "^/" })
);

/// An address of a machine.
#[derive(Clone, Debug)]
pub(super) struct AddressText(pub(super) IpAddr);

impl Read for AddressText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `10.0.0.7` or `2001:db8::7`";
        let text = reader.scalar(node, "an address", FORM)?;
        let address = text.parse().ok();
        if address.is_none() {
            let message = format!("{} is no address", quoted(text));
            reader.note(&BAD_CHECK, node.at, message, FORM);
        }
        address.map(Self)
    }
}

impl Merge for AddressText {}

schema!(
    AddressText,
    json_schema!({ "title": "address", "type": "string" })
);

/// Where somebody listens.
#[derive(Clone, Debug)]
pub(super) struct HostAndPort {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Read for HostAndPort {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `db.internal:5432`";
        let text = reader.scalar(node, "a host and a port", FORM)?;
        let parts = text.rsplit_once(':').and_then(|(host, port)| {
            let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
            let host = host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'))
                .unwrap_or(host);
            let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            let usable = host.parse::<IpAddr>().is_ok()
                || (1..=253).contains(&host.len()) && host.chars().all(name);
            usable.then(|| Self {
                host: host.to_owned(),
                port,
            })
        });
        if parts.is_none() {
            let message = format!("{} is no host with a port", quoted(text));
            reader.note(&BAD_CHECK, node.at, message, FORM);
        }
        parts
    }
}

impl Merge for HostAndPort {}

schema!(
    HostAndPort,
    json_schema!({ "title": "host and port", "type": "string", "pattern": "^.+:[0-9]+$" })
);

/// Who may confirm.
impl Words for Role {
    const ALL: &'static [(&'static str, Self)] = &[
        ("developer", Self::Developer),
        ("operator", Self::Operator),
        ("approver", Self::Approver),
        ("admin", Self::Admin),
    ];
}
