//! How two releases differ.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use leadsman_api::{Change, Diff, DiffQuery};
use leadsman_core::id::ReleaseNumber;
use leadsman_core::people::Act;
use leadsman_core::project::units;
use leadsman_core::weight::Weight;
use leadsman_core::{Environment, Refusal, ReleaseContent};
use leadsman_engine::ReleaseRecord;
use serde_json::Value;

use super::{AskedEnvironment, Shared, view};
use crate::access::Caller;
use crate::extract::{Path, Query};
use crate::problem::Failure;
use crate::serve::Server;

pub(crate) async fn get(
    State(server): Shared,
    Path(asked): AskedEnvironment,
    caller: Caller,
    Query(query): Query<DiffQuery>,
) -> Result<Json<Diff>, Failure> {
    let left = view(&server, &asked)?;
    let (mut from, before) = content(&left.environment, query.from)?;
    let (mut to, after);
    match query.with {
        None => (to, after) = content(&left.environment, query.to)?,
        Some(other) => {
            let right = view(&server, &(asked.0, other))?;
            caller.may_in(Act::See, &right.environment.id)?;
            (to, after) = content(&right.environment, query.to)?;
            from = format!("{from} in `{}`", left.environment.id.environment);
            to = format!("{to} in `{}`", right.environment.id.environment);
        }
    }
    Ok(Json(Diff {
        from,
        to,
        changes: changes(before.as_ref(), after.as_ref()),
    }))
}

/// Returns what a release is, or what runs, with what to call it.
fn content(
    environment: &Environment,
    release: Option<u64>,
) -> Result<(String, Option<ReleaseContent>), Failure> {
    let Some(number) = release else {
        return Ok(("what runs".to_owned(), running(environment)));
    };
    let release = ReleaseNumber(number);
    let known = known(environment, release).ok_or_else(|| Refusal::UnknownRelease {
        release,
        environment: environment.id.clone(),
    })?;
    Ok((release.to_string(), Some((**known).clone())))
}

/// Returns what a release is that an environment has seen, or that waits to enter.
fn known(environment: &Environment, release: ReleaseNumber) -> Option<&Arc<ReleaseContent>> {
    let waits = environment.requests.get(&release).map(|it| &it.content);
    let known = environment.releases.get(&release).map(|it| &it.content);
    waits.or(known)
}

/// Returns how a release differs from what runs in an environment, also where it has not been asked
/// for there; `None` where it cannot be there.
pub(crate) fn from_what_runs(
    server: &Server,
    environment: &Environment,
    record: &ReleaseRecord,
) -> Option<Diff> {
    let content = match known(environment, record.number) {
        Some(content) => Arc::clone(content),
        None => {
            let name = environment.id.environment.clone();
            let preview = server.engine.preview(&record.made_of, Some(name));
            preview.ok()?.1
        }
    };
    Some(Diff {
        from: "what runs".to_owned(),
        to: record.number.to_string(),
        changes: changes(running(environment).as_ref(), Some(&content)),
    })
}

/// Returns what runs as if it were one release. Of a service on its way it is the revision that
/// would stay if nothing moved any more.
pub(super) fn running(environment: &Environment) -> Option<ReleaseContent> {
    let mut services: BTreeMap<_, _> = environment
        .stable
        .iter()
        .map(|(name, stable)| (name.clone(), Arc::clone(&stable.service)))
        .collect();
    let deployment = environment.deployment.as_ref();
    for (name, rollout) in deployment
        .iter()
        .flat_map(|deployment| &deployment.rollouts)
    {
        if let Some(survivor) = rollout.survivor() {
            services.insert(name.clone(), Arc::clone(&survivor.service));
        }
    }
    let promoted = deployment.filter(|deployment| deployment.routes_are_in_force());
    let routing = match promoted {
        Some(deployment) => deployment.content.routing.clone(),
        None => environment.routing.clone()?,
    };
    let entry = environment.entry_in_force().cloned().unwrap_or_default();
    let migration = match promoted {
        Some(deployment) => deployment.content.migration.clone(),
        None => environment.migration.clone(),
    };
    Some(ReleaseContent {
        routing,
        services,
        entry,
        migration,
    })
}

/// Returns every difference, in the order of the paths.
pub(super) fn changes(
    before: Option<&ReleaseContent>,
    after: Option<&ReleaseContent>,
) -> Vec<Change> {
    let leaves = |content: Option<&ReleaseContent>| {
        let mut leaves = BTreeMap::new();
        if let Some(content) = content {
            flatten("", &simplified(content), &mut leaves);
        }
        leaves
    };
    let (before, after) = (leaves(before), leaves(after));
    let paths: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    paths
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path))
        .map(|path| Change {
            path: path.clone(),
            before: before.get(path).cloned(),
            after: after.get(path).cloned(),
        })
        .collect()
}

/// Returns a release as a tree whose paths a person knows from the project file: what a service
/// is stands at its name, and gates beside what is asked at the entry.
fn simplified(content: &ReleaseContent) -> Value {
    let services = content
        .services
        .iter()
        .map(|(name, service)| {
            let mut spec = serde_json::to_value(&service.spec).unwrap_or_default();
            if let (Some(spec), Some(digest)) = (spec.as_object_mut(), &service.artifact) {
                spec.insert("artifact".to_owned(), Value::from(digest.as_str()));
            }
            (name.to_string(), spec)
        })
        .collect::<serde_json::Map<_, _>>();
    let mut tree = serde_json::to_value(&content.routing.entrance).unwrap_or_default();
    let asked = Some(&content.entry).filter(|entry| !entry.is_default());
    let mut entry = serde_json::to_value(asked).unwrap_or_default();
    let gates = entry
        .as_object_mut()
        .and_then(|entry| entry.remove("gates"));
    let rest = [
        ("entry", entry),
        ("gates", gates.unwrap_or_default()),
        ("listen", serde_json::json!(content.routing.listen)),
        ("routes", serde_json::json!(content.routing.rules)),
        ("services", Value::Object(services)),
    ];
    if let Some(tree) = tree.as_object_mut() {
        tree.extend(rest.map(|(name, value)| (name.to_owned(), value)));
    }
    tree
}

fn flatten(path: &str, value: &Value, leaves: &mut BTreeMap<String, String>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match value {
        // A duration is one thing, though it is written as two numbers.
        Value::Object(fields) if fields.contains_key("secs") && fields.contains_key("nanos") => {
            let number = |name: &str| fields.get(name).and_then(Value::as_u64).unwrap_or_default();
            let nanos = u32::try_from(number("nanos")).unwrap_or_default();
            let text = units::duration(Duration::new(number("secs"), nanos));
            leaves.insert(path.to_owned(), text);
        }
        // So is a weight, which is a number of hundredths of a percent.
        Value::Number(number) if path.ends_with(".weight") => {
            let hundredths = number
                .as_u64()
                .and_then(|number| u16::try_from(number).ok());
            let weight = Weight::from_hundredths(hundredths.unwrap_or_default());
            leaves.insert(path.to_owned(), units::weight(weight));
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(&below(name), value, leaves);
            }
        }
        Value::Array(items) if items.iter().all(|item| !item.is_object()) => {
            leaves.insert(path.to_owned(), value.to_string());
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&below(&index.to_string()), item, leaves);
            }
        }
        Value::Null => {}
        Value::String(text) => drop(leaves.insert(path.to_owned(), text.clone())),
        Value::Bool(_) | Value::Number(_) => {
            drop(leaves.insert(path.to_owned(), value.to_string()));
        }
    }
}
