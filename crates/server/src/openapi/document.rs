//! The description as a whole.

use std::sync::OnceLock;

use leadsman_api::{PROBLEM_TYPE, Problem, path};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{Content, Described, SchemaOf, parameters};
use crate::endpoints::{self, Endpoint, Needs};

/// Where the schemas of the types are.
const SCHEMAS: &str = "/components/schemas";

/// What is added to the name of a type that is written otherwise in requests than in answers.
const IN_REQUESTS: &str = "Request";

/// Makes the schemas of all types that are named.
struct Schemas {
    /// Of what is sent: what may be left out is optional.
    requests: SchemaGenerator,
    /// Of what is answered: what is always there is required.
    answers: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = SCHEMAS.into();
                settings.meta_schema = None;
            })
        };
        Self {
            requests: settings().for_deserialize().into_generator(),
            answers: settings().for_serialize().into_generator(),
        }
    }

    fn content(&mut self, content: Content, is_request: bool) -> Option<Value> {
        let mut schema = |of: SchemaOf| {
            let generator = if is_request {
                &mut self.requests
            } else {
                &mut self.answers
            };
            of.referred(generator).to_value()
        };
        let (media_type, schema) = match content {
            Content::Nothing => return None,
            Content::Json(of) => ("application/json", schema(of)),
            Content::Lines(of) => ("application/x-ndjson", lines(&schema(of), "Each line")),
            Content::Events(of) => (
                "text/event-stream",
                lines(&schema(of), "The data of each event"),
            ),
            Content::Other("application/json") => ("application/json", json!({ "type": "object" })),
            Content::Other(media_type) => (media_type, json!({ "type": "string" })),
        };
        Some(json!({ media_type: { "schema": schema } }))
    }

    /// Returns all that were named. A type that is written in two ways has two names.
    fn into_components(mut self, paths: &mut Value) -> Map<String, Value> {
        let answers = self.answers.take_definitions(true);
        let requests = self.requests.take_definitions(true);
        let differs = |name: &String| {
            let there = answers.get(name);
            there.is_some_and(|answer| closed(answer) != closed(&requests[name]))
        };
        // What refers to something that is written in two ways is itself written in two ways.
        let mut twice: Vec<String> = requests
            .keys()
            .filter(|name| differs(name))
            .cloned()
            .collect();
        loop {
            let refers = |name: &&String| {
                answers.contains_key(*name)
                    && !twice.contains(*name)
                    && twice.iter().any(|it| is_referred(&requests[*name], it))
            };
            let Some(next) = requests.keys().find(refers) else {
                break;
            };
            twice.push(next.clone());
        }
        let mut all = answers;
        for (name, mut schema) in requests {
            renamed(&mut schema, &twice);
            if twice.contains(&name) {
                all.insert(name + IN_REQUESTS, schema);
            } else {
                // What is sent is written strictly; what is answered may gain fields.
                all.entry(name).or_insert(schema);
            }
        }
        for operation in paths.as_object_mut().into_iter().flat_map(Map::values_mut) {
            for operation in operation
                .as_object_mut()
                .into_iter()
                .flat_map(Map::values_mut)
            {
                if let Some(body) = operation.get_mut("requestBody") {
                    renamed(body, &twice);
                }
            }
        }
        all
    }
}

/// Returns a schema without what only holds where it is sent.
fn closed(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(it) = schema.as_object_mut() {
        it.remove("additionalProperties");
    }
    schema
}

fn is_referred(schema: &Value, name: &str) -> bool {
    match schema {
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            (key == "$ref" && value.as_str() == Some(&reference(name))) || is_referred(value, name)
        }),
        Value::Array(items) => items.iter().any(|item| is_referred(item, name)),
        _ => false,
    }
}

fn reference(name: &str) -> String {
    format!("#{SCHEMAS}/{name}")
}

/// Has references lead to what is sent.
fn renamed(schema: &mut Value, twice: &[String]) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                let named = twice
                    .iter()
                    .find(|name| value.as_str() == Some(&reference(name)));
                match named {
                    Some(name) if key == "$ref" => {
                        *value = json!(reference(&format!("{name}{IN_REQUESTS}")));
                    }
                    _ => renamed(value, twice),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| renamed(item, twice)),
        _ => {}
    }
}

/// Returns the schema of text that has something on every line.
fn lines(schema: &Value, each: &str) -> Value {
    let of = schema["$ref"].as_str().and_then(|it| it.rsplit('/').next());
    json!({
        "type": "string",
        "description": format!("{each} is a `{}` as JSON.", of.unwrap_or("value")),
        // What OpenAPI 3.1 has no word for.
        "x-item-schema": schema,
    })
}

/// Returns the description of the API, as it is published.
pub fn description() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let mut text = serde_json::to_string_pretty(&document()).expect("it has only text keys");
        text.push('\n');
        text
    })
}

fn document() -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for endpoint in endpoints::all() {
        let Some(described) = &endpoint.described else {
            continue;
        };
        let operation = operation(&endpoint, described, &mut schemas);
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        path[endpoint.method.to_lowercase()] = operation;
    }
    let problem = SchemaOf::of::<Problem>()
        .referred(&mut schemas.answers)
        .to_value();
    let mut paths = Value::Object(paths);
    let components = schemas.into_components(&mut paths);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Leadsman",
            "version": leadsman_api::API_VERSION.to_string(),
            "description": "What control answers. A moment is a whole number of milliseconds since \
                1970-01-01 00:00:00 UTC; a duration is a whole number of milliseconds. Answers may \
                gain fields; a request with a field that is not known is refused.",
        },
        "servers": [{ "url": "/", "description": "The control that publishes this." }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": { "Problem": {
                "description": "It was not carried out: why, and what can be done.",
                "content": { PROBLEM_TYPE: { "schema": problem } },
            } },
            "securitySchemes": { "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "A token that `leadsman token create` or signing in has made.",
            } },
        },
    })
}

fn operation(endpoint: &Endpoint, described: &Described, schemas: &mut Schemas) -> Value {
    let mut parameters = parameters::of_path(endpoint.path);
    if let Some(query) = described.query {
        parameters.extend(parameters::of_query(query, &mut schemas.requests));
    }
    if endpoint.once().is_some() {
        parameters.extend(parameters::of_acts());
    }
    if endpoint.path == path::COMMANDS {
        parameters.push(parameters::if_match());
    }
    if described.is_tagged {
        parameters.push(parameters::if_none_match());
    }
    let mut responses = Map::new();
    let answer = schemas.content(described.answer, false);
    let success = |says: &str| json!({ "description": says, "content": answer });
    responses.insert("200".to_owned(), success("It was carried out."));
    if let Some(status) = described.or_with {
        let says = status.canonical_reason().unwrap_or_default();
        responses.insert(status.as_str().to_owned(), success(says));
    }
    if described.is_tagged {
        let says = "Nothing has changed since, but for figures that change all the time.";
        responses.insert("304".to_owned(), json!({ "description": says }));
    }
    for status in problems(endpoint, described) {
        let problem = json!({ "$ref": "#/components/responses/Problem" });
        responses.insert(status.to_string(), problem);
    }
    let mut operation = json!({
        "operationId": operation_id(endpoint),
        "summary": described.summary,
        "description": needs(endpoint.needs),
        "tags": [tag(endpoint.path)],
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(content) = schemas.content(described.body, true) {
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    if endpoint.needs == Needs::Nobody {
        operation["security"] = json!([]);
    }
    operation
}

/// Returns the statuses of the problems that an endpoint may answer with.
fn problems(endpoint: &Endpoint, described: &Described) -> Vec<u16> {
    // Who asks wrongly, for what is not there, too often, or at the wrong place; and what fails.
    let mut all = vec![400, 401, 404, 421, 429, 500, 503];
    if endpoint.needs != Needs::Nobody {
        all.push(403);
    }
    if endpoint.method != "GET" {
        // What cannot be now, what was seen before it changed, and what there is no room for.
        all.extend([403, 409, 412, 422, 502, 507]);
    }
    if !matches!(described.body, Content::Nothing) {
        all.extend([408, 411, 413, 415]);
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Returns a name for an operation that is its own: the method and the words of the path.
fn operation_id(endpoint: &Endpoint) -> String {
    let words = endpoint.path.split(['/', '-', '.']);
    let words = words.filter(|word| !word.is_empty() && *word != "v1");
    let mut id = endpoint.method.to_lowercase();
    for word in words {
        let word = word.trim_matches(['{', '}']);
        let (first, rest) = word.split_at(1);
        id.push_str(&first.to_uppercase());
        id.push_str(rest);
    }
    id
}

fn tag(path: &str) -> &str {
    let mut segments = path.split('/').filter(|it| !it.is_empty() && *it != "v1");
    segments.next().unwrap_or("control")
}

/// Says what somebody must be allowed.
fn needs(needs: Needs) -> String {
    let named = |acts: &[leadsman_core::people::Act]| {
        let names: Vec<String> = acts.iter().map(|act| format!("`{act}`")).collect();
        names.join(", ")
    };
    match needs {
        Needs::Nobody => "Needs nothing.".to_owned(),
        Needs::Known => "Needs that one is known.".to_owned(),
        Needs::Everything(act) => format!("Needs `{act}` for everything."),
        Needs::Somewhere(acts) => format!("Needs {} for what it is about.", named(acts)),
        Needs::Named([act]) => format!("Needs `{act}` for what the path names."),
        Needs::Named(acts) => format!(
            "Needs, for what the path names, the one of these that the body asks for: {}.",
            named(acts)
        ),
    }
}
