//! What is given in the path, in the query and in headers.

use leadsman_api::{IDEMPOTENCY_KEY_HEADER, REASON_HEADER};
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::SchemaOf;
use crate::access::why;

/// Returns what a path names, in its order.
pub(super) fn of_path(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?;
        name.strip_suffix('}')
    });
    names.map(named).collect()
}

fn named(name: &str) -> Value {
    let number = json!({ "type": "integer", "minimum": 1 });
    let (schema, says) = match name {
        "application" => (text(), "The name of an application."),
        "environment" => (text(), "The name of one of its environments."),
        "release" => (number, "The number of a release of the application."),
        "number" => (number, "Its number."),
        "digest" => (
            json!({ "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" }),
            "The digest of an artifact.",
        ),
        "code" => (
            json!({ "type": "string", "pattern": "^[A-Z][0-9]{3}$" }),
            "The code of a problem.",
        ),
        _ => (text(), "Its name."),
    };
    json!({
        "name": name,
        "in": "path",
        "required": true,
        "description": says,
        "schema": schema,
    })
}

fn text() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

/// Returns what a query may ask for: the fields of a type that is a flat object.
pub(super) fn of_query(query: SchemaOf, generator: &mut SchemaGenerator) -> Vec<Value> {
    let referred = query.referred(generator);
    let name = referred.get("$ref").and_then(Value::as_str);
    let name = name.and_then(|it| it.rsplit('/').next());
    let schema = name.and_then(|name| generator.definitions_mut().remove(name));
    let fields = schema.as_ref().and_then(|schema| schema.get("properties"));
    let Some(fields) = fields.and_then(Value::as_object) else {
        return Vec::new();
    };
    fields
        .iter()
        .map(|(name, field)| asked(name, field))
        .collect()
}

fn asked(name: &str, field: &Value) -> Value {
    let mut schema = field.clone();
    let mut says = Value::Null;
    if let Some(schema) = schema.as_object_mut() {
        says = schema.remove("description").unwrap_or_default();
        schema.remove("default");
        without_null(schema);
    }
    json!({
        "name": name,
        "in": "query",
        "required": false,
        "description": says,
        "schema": schema,
    })
}

/// Leaves out that a value may be `null`: in a query it is just not there.
fn without_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|it| it != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
}

/// Returns the headers that every act may have.
pub(super) fn of_acts() -> Vec<Value> {
    let key = json!({
        "name": IDEMPOTENCY_KEY_HEADER,
        "in": "header",
        "required": false,
        "description": "A text that is new for every act and the same whenever the act is asked \
                        for again, because its answer was lost: then nothing is done twice, and \
                        the first answer comes again. It is remembered for a day.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$" },
    });
    let reason = json!({
        "name": REASON_HEADER,
        "in": "header",
        "required": false,
        "description": "Why it is asked for, for the audit. All but printable ASCII, and `%` itself, \
                        is percent-encoded UTF-8.",
        "schema": { "type": "string", "pattern": why::PATTERN },
    });
    vec![key, reason]
}

/// Returns the header that has a decision on something older refused.
pub(super) fn if_match() -> Value {
    json!({
        "name": "if-match",
        "in": "header",
        "required": false,
        "description": "The tag of what was looked at, as `ETag` had it. A decision is refused \
                        (412) if anything has happened since that could change it.",
        "schema": { "type": "string", "pattern": "^([*]|(W/)?\"[0-9]{1,18}\")$" },
    })
}

/// Returns the header that has what was seen already not sent again.
pub(super) fn if_none_match() -> Value {
    json!({
        "name": "if-none-match",
        "in": "header",
        "required": false,
        "description": "The tag of what is known already, as `ETag` had it.",
        "schema": { "type": "string" },
    })
}
