//! What is recorded of migrations, folded into the state.

use super::{Course, Migrating, Migration, MigrationStage, Schema};
use crate::deployment::{Cause, Deployment, Origin};
use crate::environment::Environment;
use crate::time::Timestamp;

/// A migration began. From now on the schema may be what it was or what it will be.
pub(crate) fn begin(environment: &mut Environment, at: Timestamp, course: &Course) {
    if let Some(from) = course.from.filter(|_| environment.schema.is_some()) {
        environment.schema = Some(Schema {
            at: from,
            towards: (from != course.to).then_some(course.to),
            by: course.release,
        });
    }
    if let Some(deployment) = &mut environment.deployment {
        deployment.migration = Some(Migrating {
            course: course.clone(),
            stage: MigrationStage::Running { since: at },
        });
    }
}

/// It ended.
pub(crate) fn end(environment: &mut Environment, at: Timestamp, failure: Option<&str>) {
    let has_old = !environment.stable.is_empty();
    let Some(deployment) = &mut environment.deployment else {
        return;
    };
    let migration = deployment.content.migration.as_ref();
    let watch = migration.is_some_and(|migration| !migration.watch_old.is_zero());
    let Some(migrating) = &mut deployment.migration else {
        return;
    };
    let course = &migrating.course;
    if failure.is_some() {
        migrating.stage = MigrationStage::Failed;
        return;
    }
    environment.schema = Some(Schema {
        at: course.to,
        towards: None,
        by: course.release,
    });
    migrating.stage = if watch && has_old && !course.back {
        MigrationStage::Watched { since: at }
    } else {
        MigrationStage::Done
    };
}

/// What serves was watched for long enough.
pub(crate) fn watched(environment: &mut Environment) {
    if let Some(deployment) = &mut environment.deployment
        && let Some(migrating) = &mut deployment.migration
    {
        migrating.stage = MigrationStage::Done;
    }
}

/// Whether the release that goes back has nothing to do with why it does: it served before, and
/// the migration that failed is another one's.
pub(crate) fn is_not_to_blame(deployment: &Deployment, cause: &Cause) -> bool {
    let is_rollback = matches!(deployment.origin, Origin::Rollback { .. });
    is_rollback && matches!(cause, Cause::NotMigrated { .. })
}

/// Returns what holds of the schema for all that serves once `deployment` has ended, whose survivors
/// are stable already.
pub(crate) fn of_what_serves(
    environment: &Environment,
    deployment: &Deployment,
) -> Option<Migration> {
    let brought = |name| {
        let stable = environment.stable.get(name);
        stable.map(|stable| stable.id.deployment == deployment.number)
    };
    let mut survivors = deployment.rollouts.keys().filter_map(brought);
    let new_serves = deployment.routes_are_in_force() || survivors.clone().any(|new| new);
    let old_serves = survivors.any(|new| !new);
    let newer = deployment.content.migration.as_ref();
    match (new_serves, old_serves) {
        (true, false) => newer.cloned(),
        (true, true) => Migration::beside(newer, environment.migration.as_ref()),
        (false, _) => environment.migration.clone(),
    }
}
