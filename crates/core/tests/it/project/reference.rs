//! What is published about project files: the JSON Schema and the reference. Both come from the
//! model; `UPDATE_EXPECT=1` writes them anew.

use std::collections::BTreeSet;

use expect_test::expect_file;
use leadsman_core::project::{CODES, Project, schema};
use serde_json::{Map, Value, json};

use super::mistakes::MISTAKES;
use super::validator::violations;
use super::{fixtures, project};

/// Where each definition of the schema is met: a file that holds `@` in such a place.
const PLACES: [(&str, &str, &str); 56] = [
    ("", "The file", "@"),
    ("Service", "A service", "services: { web: @ }"),
    ("Serve", "`serve`", "services: { web: { serve: @ } }"),
    ("Ready", "`ready`", "services: { web: { ready: @ } }"),
    ("Stop", "`stop`", "services: { web: { stop: @ } }"),
    (
        "Environment",
        "An environment",
        "environments: { production: @ }",
    ),
    ("Route", "A route", "routes: [@]"),
    ("Strategy", "A strategy", "strategies: { careful: @ }"),
    (
        "Canary",
        "`canary`",
        "strategies: { careful: { canary: @ } }",
    ),
    (
        "BlueGreen",
        "`blue_green`",
        "strategies: { careful: { blue_green: @ } }",
    ),
    (
        "Rolling",
        "`rolling`",
        "strategies: { careful: { rolling: @ } }",
    ),
    (
        "Step",
        "A step",
        "strategies: { careful: { canary: { steps: [@] } } }",
    ),
    ("Limits", "`limits`", "limits: @"),
    (
        "AgainstStable",
        "`against_stable`",
        "limits: { against_stable: @ }",
    ),
    ("Entry", "`entry`", "environments: { e: { entry: @ } }"),
    (
        "Approvals",
        "`approvals`",
        "environments: { e: { entry: { approvals: @ } } }",
    ),
    (
        "ChecklistKeys",
        "`checklists`",
        "environments: { e: { checklists: @ } }",
    ),
    (
        "ChecklistItem",
        "An item",
        "environments: { e: { checklists: { before: { disk: @ } } } }",
    ),
    (
        "Need",
        "What is needed",
        "environments: { e: { entry: { approvals: { needs: [@] } } } }",
    ),
    ("Tls", "`tls`", "environments: { e: { tls: @ } }"),
    (
        "Certificate",
        "A certificate",
        "environments: { e: { tls: { certificates: [@] } } }",
    ),
    (
        "Acme",
        "`acme`",
        "environments: { e: { tls: { acme: @ } } }",
    ),
    ("Traffic", "`traffic`", "traffic: @"),
    ("Sticky", "`sticky`", "traffic: { sticky: @ }"),
    ("Tester", "A tester", "traffic: { testers: [@] }"),
    ("Mirror", "`mirror`", "traffic: { mirror: @ }"),
    ("Hold", "`hold`", "traffic: { hold: @ }"),
    (
        "Maintenance",
        "`maintenance`",
        "traffic: { maintenance: @ }",
    ),
    ("Eject", "`eject`", "traffic: { eject: @ }"),
    ("Retries", "`retries`", "traffic: { retries: @ }"),
    ("Capacity", "`capacity`", "traffic: { capacity: @ }"),
    ("RequestLimits", "`request_limits`", "request_limits: @"),
    ("Rate", "A rate", "request_limits: { in_all: @ }"),
    ("Metric", "A metric", "limits: { metrics: { queue: @ } }"),
    ("Prometheus", "`prometheus`", "prometheus: @"),
    ("Gates", "`gates`", "gates: @"),
    ("TestsGate", "The gate `tests`", "gates: { tests: @ }"),
    (
        "FindingsGate",
        "The gate `findings`",
        "gates: { findings: @ }",
    ),
    (
        "Exception",
        "An exception",
        "gates: { findings: { exceptions: [@] } }",
    ),
    (
        "LicencesGate",
        "The gate `licences`",
        "gates: { licences: @ }",
    ),
    ("LoadGate", "The gate `load`", "gates: { load: @ }"),
    ("NumberGate", "A number", "gates: { numbers: { kb: @ } }"),
    ("MigrationKeys", "`migration`", "migration: @"),
    ("Pipeline", "`pipeline`", "pipeline: @"),
    ("Start", "`start`", "pipeline: { start: @ }"),
    (
        "Schedule",
        "`schedule`",
        "pipeline: { start: { schedule: @ } }",
    ),
    ("Job", "A job", "pipeline: { jobs: { unit: @ } }"),
    (
        "Load",
        "A load",
        "pipeline: { jobs: { unit: { load: @ } } }",
    ),
    (
        "Stage",
        "A stage",
        "pipeline: { jobs: { unit: { load: { stages: [@] } } } }",
    ),
    (
        "Request",
        "A request",
        "pipeline: { jobs: { unit: { load: { requests: [@] } } } }",
    ),
    (
        "Retry",
        "`retry`",
        "pipeline: { jobs: { unit: { retry: @ } } }",
    ),
    (
        "Secret",
        "A secret",
        "pipeline: { jobs: { unit: { secrets: { TOKEN: @ } } } }",
    ),
    (
        "Reports",
        "`reports`",
        "pipeline: { jobs: { unit: { reports: @ } } }",
    ),
    (
        "NumberAt",
        "A number",
        "pipeline: { jobs: { unit: { reports: { numbers: { kb: @ } } } } }",
    ),
    (
        "Beside",
        "A service beside a job",
        "pipeline: { jobs: { unit: { services: { db: @ } } } }",
    ),
    (
        "Cache",
        "A cache",
        "pipeline: { jobs: { unit: { cache: [@] } } }",
    ),
];

fn definition<'s>(schema: &'s Value, name: &str) -> &'s Value {
    if name.is_empty() {
        schema
    } else {
        &schema["$defs"][name]
    }
}

fn keys(schema: &Value, name: &str) -> BTreeSet<String> {
    let properties = definition(schema, name)["properties"].as_object();
    properties.expect("it has keys").keys().cloned().collect()
}

/// Reads YAML by other means than ours.
fn as_json(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("it is YAML")
}

#[test]
fn the_published_schema_is_that_of_the_model() {
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    expect_file!["../../../../../docs/reference/leadsman.schema.json"].assert_eq(&text);
}

#[test]
fn the_schema_accepts_every_valid_file() {
    let schema = schema();
    for (name, text) in fixtures() {
        assert_eq!(
            violations(&schema, &schema, &as_json(&text)),
            [""; 0],
            "{name}"
        );
        let project = project(&text);
        for environment in project.environments() {
            let written = project.effective(environment).unwrap();
            assert_eq!(
                violations(&schema, &schema, &as_json(&written)),
                [""; 0],
                "{written}"
            );
        }
    }
}

#[test]
fn the_schema_refuses_what_a_schema_can_refuse() {
    /// The codes of mistakes that a single value or key gives away.
    const VISIBLE: [&str; 8] = [
        "P003", "P008", "P010", "P011", "P013", "P016", "P031", "P033",
    ];
    let schema = schema();
    for code in VISIBLE {
        assert!(MISTAKES.iter().any(|(known, _)| *known == code), "{code}");
    }
    for (code, text) in MISTAKES.iter().filter(|(code, _)| VISIBLE.contains(code)) {
        assert!(
            !violations(&schema, &schema, &as_json(text)).is_empty(),
            "{code}: {text}"
        );
    }
}

#[test]
fn the_schema_and_the_reader_know_the_same_keys_everywhere() {
    let schema = schema();
    let defined: BTreeSet<&str> = schema["$defs"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let met: BTreeSet<&str> = PLACES
        .iter()
        .map(|(name, ..)| *name)
        .filter(|name| !name.is_empty())
        .collect();
    assert_eq!(defined, met);
    for (name, _, place) in PLACES {
        // A key that resembles no other one makes the reader list those that it knows.
        let text = match name {
            "" => "zzzzzzzzzzzz: 1\n".to_owned(),
            _ => place.replace('@', "{ zzzzzzzzzzzz: 1 }"),
        };
        let problems = Project::parse(&text, "leadsman.yaml").unwrap_err();
        let unknown: Vec<_> = problems
            .iter()
            .filter(|problem| problem.code == "P003")
            .collect();
        assert_eq!(unknown.len(), 1, "{problems}");
        let known: BTreeSet<String> = unknown[0]
            .hint
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect();
        assert_eq!(known, keys(&schema, name), "{name}");
        let object = json!({ "zzzzzzzzzzzz": 1 });
        let said = violations(&schema, definition(&schema, name), &object);
        assert!(
            said.contains(&"unknown key `zzzzzzzzzzzz`".to_owned()),
            "{name}: {said:?}"
        );
    }
}

#[test]
fn the_defaults_that_are_published_are_those_that_hold() {
    let schema = schema();
    let defaults = |name: &str| -> Map<String, Value> {
        let properties = definition(&schema, name)["properties"].as_object().unwrap();
        let with_default = properties
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.get("default")?.clone())));
        with_default.collect()
    };
    let nested = |name: &str, key: &str, value: Value| {
        let mut map = defaults(name);
        map.insert(key.to_owned(), value);
        Value::Object(map)
    };
    let limits = nested("Limits", "against_stable", defaults("AgainstStable").into());
    for (short, kind, keys) in [
        ("canary", "canary", defaults("Canary")),
        ("blue-green", "blue_green", defaults("BlueGreen")),
    ] {
        let mut service = defaults("Service");
        service.insert("run".to_owned(), "./x".into());
        service.insert("ready".to_owned(), nested("Ready", "tcp", true.into()));
        service.insert("stop".to_owned(), defaults("Stop").into());
        service.insert("strategy".to_owned(), nested("Strategy", kind, keys.into()));
        service.insert("limits".to_owned(), limits.clone());
        let mut file = json!({
            "application": "a",
            "services": { "web": service },
            "environments": { "production": defaults("Environment") },
            "routes": [nested("Route", "service", "web".into())],
        });
        let written = project(&file.to_string());
        file = json!({
            "application": "a",
            "services": { "web": { "run": "./x", "strategy": short } },
        });
        let left_out = project(&file.to_string());
        let name = left_out.environments().next().unwrap();
        assert_eq!(written.resolve(name), left_out.resolve(name));
    }
}

#[test]
fn the_published_reference_is_that_of_the_model() {
    let schema = schema();
    let mut text = INTRODUCTION.to_owned();
    for (name, title, place) in PLACES {
        let definition = definition(&schema, name);
        text.push_str(&format!(
            "\n## {title}\n\n{}\n\n",
            flowing(&definition["description"])
        ));
        if !name.is_empty() {
            text.push_str(&format!("Where: `{}`\n\n", place.replace('@', "...")));
        }
        text.push_str("| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
        let required = definition["required"].as_array();
        for key in keys(&schema, name) {
            let property = &definition["properties"][&key];
            let is_required = required.is_some_and(|r| r.contains(&key.as_str().into()));
            let default = match property.get("default") {
                _ if is_required => "required".to_owned(),
                None => String::new(),
                Some(Value::String(text)) => format!("`{text}`"),
                Some(Value::Array(items)) => {
                    let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                    format!("`[{}]`", items.join(", "))
                }
                Some(other) => format!("`{other}`"),
            };
            let (form, meaning) = (form(property), flowing(&property["description"]));
            text.push_str(&format!("| `{key}` | {form} | {default} | {meaning} |\n"));
        }
    }
    text.push_str("\n## Problems\n\n");
    text.push_str("What `leadsman check` can find, and `leadsman explain` tells more about.\n\n");
    for code in CODES {
        text.push_str(&format!(
            "- [{0}](../errors/{0}.md) {1}\n",
            code.code, code.title
        ));
    }
    expect_file!["../../../../../docs/reference/project-file.md"].assert_eq(&text);
}

const INTRODUCTION: &str = "\
# The project file

`leadsman.yaml` says what an application is made of, where it runs and how a new release comes in.
The guide shows it by example; this page lists every key.
It is generated from the same list that the program reads by, as is the JSON Schema beside it.

Durations are numbers with `d`, `h`, `m`, `s` or `ms`, the larger units first: `1h30m`.
Shares are numbers of percent: `5%`, `0.5%`.
Sizes are numbers with `B`, `kB`, `MB`, `GB`, `TB` (thousands) or `KiB`, `MiB`, `GiB`, `TiB` (1024s).
Numbers of metrics may also be written as shares (`80%` is 0.8) or sizes (in bytes).
Names are 1 to 40 of `a-z`, `0-9` and `-`, beginning with a letter and not ending with `-`.
`null` takes out what a lower layer says; where there must be a value, the default takes its place.
";

/// Returns a description as one line.
fn flowing(description: &Value) -> String {
    let text = description.as_str().expect("everything is described");
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

/// Returns in words what a value looks like.
fn form(schema: &Value) -> String {
    if let Some(title) = schema["title"].as_str() {
        return title.to_owned();
    }
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|r| r.strip_prefix("#/$defs/"))
    {
        let (_, title, _) = PLACES
            .iter()
            .find(|(known, ..)| *known == name)
            .expect("it is listed");
        let anchor = title.to_lowercase().replace('`', "").replace(' ', "-");
        return format!(
            "[{}](#{anchor})",
            title.trim_start_matches("An ").trim_start_matches("A ")
        );
    }
    if let Some(alternatives) = schema["anyOf"].as_array() {
        let forms: Vec<String> = alternatives
            .iter()
            .filter(|s| s["type"] != "null")
            .map(form)
            .collect();
        return forms.join(" or ");
    }
    if let Some(words) = schema["enum"].as_array() {
        let words = words.iter().filter(|word| !word.is_null());
        let words = words.map(|word| format!("`{}`", word.to_string().trim_matches('"')));
        return words.collect::<Vec<_>>().join(", ");
    }
    if schema["items"].is_object() {
        return format!("list of {}", form(&schema["items"]));
    }
    format!("name: {}", form(&schema["additionalProperties"]))
}
