//! What must always hold of migrations. It is told by the numbers alone, not by what decides.

use crate::deployment::{Deployment, Rollout};
use crate::environment::Environment;
use crate::event::Event;
use crate::invariant::Broken;
use crate::migration::{Migration, Schema};
use crate::plan::Plan;
use crate::weight::Weight;

/// Whether a release that says `migration` may meet `schema`.
fn meets(migration: &Migration, schema: Schema) -> bool {
    let range = migration.works_with;
    let mut may_be = [Some(schema.at), schema.towards].into_iter().flatten();
    may_be.all(|schema| range.from <= schema && schema <= range.to)
}

/// Nothing of a release is started before its migration has ended well.
pub(crate) fn migrated_before_traffic(
    environment: &Environment,
    plan: &Plan,
    broken: &mut Broken<'_>,
) {
    let Some(deployment) = &environment.deployment else {
        return;
    };
    let Some(migration) = &deployment.content.migration else {
        return;
    };
    let migrated = environment
        .schema
        .is_some_and(|schema| schema.towards.is_none() && schema.at >= migration.schema);
    let older = environment.schema.is_some_and(|it| meets(migration, it));
    if migrated || older && deployment.migration.is_none() {
        return;
    }
    let mine = |rollout: &Rollout| {
        let mut all = plan.workloads.instances.values();
        all.any(|instance| instance.revision == rollout.to.id)
    };
    for (name, rollout) in &deployment.rollouts {
        if mine(rollout) {
            let schema = environment.schema;
            broken(
                "migrated-before-traffic",
                format!("`{name}` is started on schema {schema:?}"),
            );
        }
    }
}

/// No release comes in on a schema that it does not work with, and none goes back to one that does
/// not, unless somebody said so.
pub(crate) fn within_range(environment: &Environment, plan: &Plan, broken: &mut Broken<'_>) {
    let (Some(deployment), Some(schema)) = (&environment.deployment, environment.schema) else {
        return;
    };
    let new = deployment.content.migration.as_ref();
    let served = |rollout: &&Rollout| rollout.weight() > Weight::NONE;
    let served: Vec<&Rollout> = deployment.rollouts.values().filter(served).collect();
    if let Some(new) = new.filter(|new| !meets(new, schema))
        && !served.is_empty()
        && !takes_the_schema_away(deployment)
    {
        broken(
            "within-range",
            format!(
                "{} has requests on schema {schema} and works with {}",
                deployment.release, new.works_with
            ),
        );
    }
    let goes_back = |fact: &Event| matches!(fact, Event::RollbackStarted { .. });
    let has_old = served.iter().any(|rollout| rollout.from.is_some());
    let old = environment.migration.as_ref();
    if let Some(old) = old.filter(|old| !meets(old, schema))
        && has_old
        && plan.facts.iter().any(goes_back)
    {
        broken(
            "within-range",
            format!(
                "requests go back on schema {schema} to what works with {}",
                old.works_with
            ),
        );
    }
}

/// Whether what has requests loses its schema because somebody asked for that.
fn takes_the_schema_away(deployment: &Deployment) -> bool {
    let migrating = deployment.migration.as_ref();
    migrating.is_some_and(|migrating| migrating.course.back)
}
