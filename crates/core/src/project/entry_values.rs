//! The values that say what is asked of a release before it enters.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::codes::{BAD_NAME, BAD_REFERENCE, BAD_WINDOW, UNKNOWN_TIME_ZONE};
use super::problem::quoted;
use super::read::{Merge, Read, Reader};
use super::values::schema;
use super::yaml::Node;
use crate::entry::{RefPattern, Window, is_time_zone};
use crate::people::PersonName;

/// The most characters that the name of a branch or a tag has.
const REFERENCE_MAX: usize = 250;

/// A part of some days of the week.
#[derive(Clone, Debug)]
pub(super) struct WindowText(pub(super) Window);

impl Read for WindowText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `Mon-Fri 09:00-16:00`, `Sat,Sun 22:00-02:00` or `Tue`";
        let text = reader.text(node, "a window", FORM)?;
        let window = text.parse().ok();
        if window.is_none() {
            let message = format!("{} is no window", quoted(text));
            reader.note(&BAD_WINDOW, node.at, message, FORM);
        }
        window.map(Self)
    }
}

impl Merge for WindowText {}

schema!(
    WindowText,
    json_schema!({ "title": "window", "type": "string", "pattern": "^[A-Za-z,-]+( [0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2})?$" })
);

/// A place by whose clock windows open.
#[derive(Clone, Debug)]
pub(super) struct ZoneText(pub(super) String);

impl Read for ZoneText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `Europe/Berlin`, as the time zone database calls it";
        let text = reader.text(node, "a time zone", FORM)?;
        let known = is_time_zone(text);
        if !known {
            let message = format!("there is no time zone {}", quoted(text));
            reader.note(&UNKNOWN_TIME_ZONE, node.at, message, FORM);
        }
        known.then(|| Self(text.to_owned()))
    }
}

impl Merge for ZoneText {}

schema!(
    ZoneText,
    json_schema!({ "title": "time zone", "type": "string" })
);

/// A person.
#[derive(Clone, Debug)]
pub(super) struct PersonText(pub(super) PersonName);

impl Read for PersonText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it as `leadsman people list` shows it, such as `anna`";
        let text = reader.text(node, "the name of a person", FORM)?;
        let name = text.parse().ok();
        if name.is_none() {
            let message = format!("{} is no name of a person", quoted(text));
            reader.note(&BAD_NAME, node.at, message, FORM);
        }
        name.map(Self)
    }
}

impl Merge for PersonText {}

schema!(
    PersonText,
    json_schema!({ "title": "name of a person", "type": "string", "pattern": "^[a-z][a-z0-9._-]*$", "maxLength": 40 })
);

/// Which branches or tags are meant.
#[derive(Clone, Debug)]
pub(super) struct ReferenceText(pub(super) RefPattern);

impl Read for ReferenceText {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const FORM: &str = "write it like `main` or `release/*`, without `refs/heads/`";
        let text = reader.scalar(node, "the name of a branch or a tag", FORM)?;
        let usable = (1..=REFERENCE_MAX).contains(&text.len())
            && !text.starts_with("refs/")
            && text
                .chars()
                .all(|c| c.is_ascii_graphic() && !"~^:?[\\".contains(c));
        if !usable {
            let message = format!("{} is no name of a branch or a tag", quoted(text));
            reader.note(&BAD_REFERENCE, node.at, message, FORM);
        }
        usable.then(|| Self(RefPattern(text.to_owned())))
    }
}

impl Merge for ReferenceText {}

schema!(
    ReferenceText,
    json_schema!({ "title": "name with `*`", "type": ["string", "number"] })
);
