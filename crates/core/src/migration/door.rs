//! Whether a release may come in, and whether there is a way back, as far as the schema goes.

use super::need::back_to;
use super::{Migration, Schema};
use crate::deployment::{Deployment, Phase};
use crate::environment::Environment;
use crate::id::ReleaseNumber;
use crate::refusal::Refusal;
use crate::release::ReleaseContent;
use crate::weight::Weight;

/// Refuses a release whose migration would leave what serves on a schema that it does not work with,
/// and one that does not work with the schema that there is. `one_way` is why somebody brings it in
/// although there will be no way back.
pub(crate) fn at_the_door(
    environment: &Environment,
    release: ReleaseNumber,
    content: &ReleaseContent,
    one_way: Option<&str>,
) -> Result<(), Refusal> {
    let Some(migration) = &content.migration else {
        return Ok(());
    };
    let schema = environment.schema;
    if schema.is_some_and(|schema| schema.newest() > migration.schema) {
        return fits(environment, release, content);
    }
    let to = migration.schema;
    let Some((serving, old)) = would_serve(environment) else {
        return Ok(());
    };
    if schema.is_some_and(|schema| schema.is(to))
        || old.works_with.contains(to)
        || one_way.is_some()
    {
        return Ok(());
    }
    Err(Refusal::BreaksWhatServes {
        release,
        to,
        serving,
        works_with: old.works_with,
    })
}

/// Refuses a release that does not work with the schema that there is.
pub(crate) fn fits(
    environment: &Environment,
    release: ReleaseNumber,
    content: &ReleaseContent,
) -> Result<(), Refusal> {
    let (Some(migration), Some(schema)) = (&content.migration, &environment.schema) else {
        return Ok(());
    };
    if schema.is_in(migration.works_with) {
        return Ok(());
    }
    Err(outside(environment, release, migration, schema))
}

fn outside(
    environment: &Environment,
    release: ReleaseNumber,
    migration: &Migration,
    schema: &Schema,
) -> Refusal {
    Refusal::OtherSchema {
        release,
        schema: schema.to_string(),
        works_with: migration.works_with,
        back: has_way_back(environment, schema.by).then_some(schema.by),
    }
}

/// Refuses to bring the schema back for `release`, where nothing can or need be brought back.
pub(crate) fn brings_back(
    environment: &Environment,
    release: ReleaseNumber,
    content: &ReleaseContent,
) -> Result<(), Refusal> {
    let needs = |schema: &Schema| {
        let migration = content.migration.as_ref();
        migration.is_some_and(|migration| back_to(*schema, migration).is_some())
    };
    let Some(schema) = environment.schema.filter(needs) else {
        return Err(Refusal::NothingToMigrateBack(release));
    };
    if has_way_back(environment, schema.by) {
        Ok(())
    } else {
        Err(Refusal::NoMigrationBack(schema.by))
    }
}

/// Returns the release that serves, before what is on its way.
pub(super) fn serving(environment: &Environment) -> Option<ReleaseNumber> {
    let newest = environment.stable.values().map(|stable| stable.id.release);
    environment.serving().or_else(|| newest.max())
}

fn has_way_back(environment: &Environment, release: ReleaseNumber) -> bool {
    let known = environment.releases.get(&release);
    let migration = known.and_then(|known| known.content.migration.as_ref());
    migration.is_some_and(|migration| migration.back.is_some())
}

/// Returns the release that will serve once what is on its way has made room, and what it says.
fn would_serve(environment: &Environment) -> Option<(ReleaseNumber, &Migration)> {
    if let Some(deployment) = &environment.deployment
        && stays(deployment)
    {
        let migration = deployment.content.migration.as_ref()?;
        return Some((deployment.release, migration));
    }
    let migration = environment.migration.as_ref()?;
    Some((serving(environment)?, migration))
}

/// Whether a deployment that makes room leaves what it brought.
fn stays(deployment: &Deployment) -> bool {
    match deployment.phase {
        Phase::Settling { .. } => !deployment.is_returning(),
        Phase::Frozen { .. } => true,
        Phase::Moving => false,
    }
}

/// Returns the refusal that says why traffic cannot go back from `deployment`: what served before does
/// not work with the schema that there is now. As long as nothing of it has requests, nothing goes
/// back.
pub(crate) fn closes_way_back(
    environment: &Environment,
    deployment: &Deployment,
) -> Option<Refusal> {
    let has_requests = |rollout: &crate::deployment::Rollout| {
        rollout.from.is_some() && rollout.weight() > Weight::NONE
    };
    let (old, schema) = (
        environment.migration.as_ref()?,
        environment.schema.as_ref()?,
    );
    if schema.is_in(old.works_with) || !deployment.rollouts.values().any(has_requests) {
        return None;
    }
    Some(outside(environment, serving(environment)?, old, schema))
}

/// Returns in words what bringing `content` in would do to the schema, and what serves meanwhile.
pub fn planned(environment: &Environment, content: &ReleaseContent) -> Option<String> {
    let migration = content.migration.as_ref()?;
    let to = migration.schema;
    let from = match environment.schema {
        Some(schema) if schema.is(to) || schema.newest() > to => return None,
        Some(schema) => format!("from {schema} "),
        None => String::new(),
    };
    let command = migration.run.join(" ");
    let mut said = format!("will migrate the schema {from}to {to} with `{command}`");
    if let Some(serves) = serving(environment) {
        said += &match &environment.migration {
            Some(old) => format!("; {serves}, which serves, works with {}", old.works_with),
            None => format!("; {serves}, which serves, says nothing of schemas"),
        };
    }
    Some(said)
}
