//! What has to be run before a deployment's release gets requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::door::serving;
use super::{Course, Migration, MigrationStage, Schema};
use crate::deployment::{Cause, Deployment, Origin};
use crate::environment::Environment;
use crate::errand::{Errand, ErrandId, ErrandKind};
use crate::id::ReleaseNumber;
use crate::release::ReleaseContent;

/// What the schema has to go through before a release gets requests.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Need {
    /// Nothing.
    Nothing,
    /// This has to be run first.
    Course(Course),
    /// It cannot come in, for the reason given in words.
    Refused(String),
}

/// Returns what the schema has to go through for the deployment that is under way.
pub(crate) fn need(environment: &Environment, deployment: &Deployment) -> Need {
    let Some(migration) = &deployment.content.migration else {
        return Need::Nothing;
    };
    if let Origin::Rollback {
        migrate_back: true, ..
    } = deployment.origin
        && let Some(course) = course_back(environment, migration)
    {
        return Need::Course(course);
    }
    let (release, to) = (deployment.release, migration.schema);
    let schema = environment.schema;
    let range = migration.works_with;
    match schema {
        Some(schema) if schema.is(to) => Need::Nothing,
        Some(schema) if schema.newest() > to && schema.is_in(range) => Need::Nothing,
        Some(schema) if schema.newest() > to => Need::Refused(format!(
            "the schema is at {schema}, and {release} works with {range}"
        )),
        _ => {
            let old = environment.migration.as_ref();
            let breaks = old.filter(|old| !old.works_with.contains(to));
            if let Some(old) = breaks.filter(|_| deployment.one_way.is_none()) {
                let serves = serving(environment)
                    .map_or_else(|| "what serves".to_owned(), |serves| serves.to_string());
                return Need::Refused(format!(
                    "{release} brings the schema to {to}, and {serves}, which serves, works with {}",
                    old.works_with
                ));
            }
            Need::Course(Course {
                release,
                command: migration.run.clone(),
                back: false,
                from: schema.map(|schema| schema.at.min(schema.towards.unwrap_or(u64::MAX))),
                to,
            })
        }
    }
}

/// Returns what brings the schema back to where a release that says `target` works; `None` where it
/// is there.
pub(crate) fn course_back(environment: &Environment, target: &Migration) -> Option<Course> {
    let schema = environment.schema?;
    let to = back_to(schema, target)?;
    let known = environment.releases.get(&schema.by)?;
    let command = known.content.migration.as_ref()?.back.clone()?;
    Some(Course {
        release: schema.by,
        command,
        back: true,
        from: Some(schema.newest()),
        to,
    })
}

/// Returns how far the schema goes back for `target`: as little as it has to. Where that works with
/// what there is, somebody who asks for it all the same does not believe so: it is brought to what
/// the release itself brought about.
pub(crate) fn back_to(schema: Schema, target: &Migration) -> Option<u64> {
    let range = target.works_with;
    let to = if schema.is_in(range) {
        target.schema
    } else {
        range.to
    };
    (to < schema.newest()).then_some(to)
}

/// Returns the migration that shall be run, or shall come to its end.
pub(crate) fn task(environment: &Environment) -> Option<(ErrandId, Errand)> {
    let deployment = environment.deployment.as_ref()?;
    let migrating = deployment.migration.as_ref()?;
    let MigrationStage::Running { .. } = migrating.stage else {
        return None;
    };
    let course = &migrating.course;
    let content = if course.back {
        &environment.releases.get(&course.release)?.content
    } else {
        &deployment.content
    };
    let env = told(course.from, course.to);
    let mut errand = errand(course.release, content, course.command.clone(), env)?;
    errand.ended = is_called_off(deployment);
    Some((id(deployment, ErrandKind::Migration), errand))
}

/// Whether somebody took the deployment back while it migrates. One that is only superseded comes to
/// its end: whatever follows finds a schema that is known.
fn is_called_off(deployment: &Deployment) -> bool {
    let superseded = matches!(deployment.cause, Some(Cause::Superseded { .. }));
    !deployment.brings_something() && !superseded
}

/// Returns what asks the release that serves whether it works on the new schema.
pub(crate) fn smoke(environment: &Environment) -> Option<(ErrandId, Errand)> {
    let deployment = environment.deployment.as_ref()?;
    let migrating = deployment.migration.as_ref()?;
    let MigrationStage::Watched { .. } = migrating.stage else {
        return None;
    };
    let release = serving(environment)?;
    let content = &environment.releases.get(&release)?.content;
    let command = content.migration.as_ref()?.smoke.clone()?;
    let course = &migrating.course;
    let mut env = told(course.from, course.to);
    let listen = deployment.content.routing.listen;
    let listen = environment
        .routing
        .as_ref()
        .map_or(listen, |routing| routing.listen);
    env.insert("LEADSMAN_LISTEN".to_owned(), listen.to_string());
    let mut errand = errand(release, content, command, env)?;
    errand.ended = is_called_off(deployment);
    Some((id(deployment, ErrandKind::Smoke), errand))
}

fn told(from: Option<u64>, to: u64) -> BTreeMap<String, String> {
    let from = from.map(|from| ("LEADSMAN_SCHEMA_FROM".to_owned(), from.to_string()));
    let to = ("LEADSMAN_SCHEMA_TO".to_owned(), to.to_string());
    from.into_iter().chain([to]).collect()
}

fn id(deployment: &Deployment, kind: ErrandKind) -> ErrandId {
    ErrandId {
        deployment: deployment.number,
        kind,
    }
}

fn errand(
    release: ReleaseNumber,
    content: &ReleaseContent,
    command: Vec<String>,
    env: BTreeMap<String, String>,
) -> Option<Errand> {
    let migration = content.migration.as_ref()?;
    let released = Arc::clone(content.services.get(&migration.service)?);
    Some(Errand {
        release,
        service: migration.service.clone(),
        released,
        command,
        env,
        secrets: migration.secrets.clone(),
        timeout: migration.timeout,
        ended: false,
    })
}
