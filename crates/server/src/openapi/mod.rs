//! The description of the API, as OpenAPI 3.1: made of the endpoints and of the wire types, so that
//! it cannot say anything else than what is served.

mod document;
mod parameters;

pub use document::description;

use axum::http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// What is said of an endpoint.
pub(crate) struct Described {
    pub(crate) summary: &'static str,
    pub(crate) query: Option<SchemaOf>,
    pub(crate) body: Content,
    pub(crate) answer: Content,
    /// Whether the answer has a tag, by which it is not sent again where nothing has changed.
    pub(crate) is_tagged: bool,
    /// Which success there is beside 200.
    pub(crate) or_with: Option<StatusCode>,
}

impl Described {
    pub(crate) const fn new(summary: &'static str) -> Self {
        Self {
            summary,
            query: None,
            body: Content::Nothing,
            answer: Content::Nothing,
            is_tagged: false,
            or_with: None,
        }
    }
}

/// What a body holds.
#[derive(Clone, Copy)]
pub(crate) enum Content {
    Nothing,
    Json(SchemaOf),
    /// JSON, one to a line.
    Lines(SchemaOf),
    /// JSON, one to a server-sent event.
    Events(SchemaOf),
    /// Something else, of this media type.
    Other(&'static str),
}

/// The schema of a type.
#[derive(Clone, Copy)]
pub(crate) struct SchemaOf(fn(&mut SchemaGenerator) -> Schema);

impl SchemaOf {
    pub(crate) fn of<T: JsonSchema>() -> Self {
        Self(SchemaGenerator::subschema_for::<T>)
    }

    /// Returns a reference to it, or itself where it has no name.
    fn referred(self, generator: &mut SchemaGenerator) -> Schema {
        (self.0)(generator)
    }
}
