//! What people ask for, in the words of the engine.

use leadsman_core::id::ReleaseNumber;
use leadsman_core::{Closed, Command, Scope};

use super::script::{Migrates, Shipped, Wish};

pub(super) fn command(wish: Wish) -> Command {
    let rollback = |to, scope| Command::Rollback {
        to,
        scope,
        migrate_back: false,
    };
    match wish {
        Wish::Pause => Command::Pause,
        Wish::Resume => Command::Resume,
        Wish::Promote => Command::Promote { all: false },
        Wish::PromoteAll => Command::Promote { all: true },
        Wish::Abort => Command::Abort,
        Wish::Retry => Command::Retry,
        Wish::Rollback => rollback(None, Scope::All),
        Wish::RollbackCanary => rollback(None, Scope::Canary),
        Wish::RollbackService => {
            let web = "web".parse().expect("a usable name");
            rollback(None, Scope::Service(web))
        }
        Wish::RollbackTo(release) => rollback(Some(ReleaseNumber(release)), Scope::All),
        Wish::MigrateBack(release) => Command::Rollback {
            to: Some(ReleaseNumber(release)),
            scope: Scope::All,
            migrate_back: true,
        },
        Wish::Hold => Command::Close {
            how: Closed::Held,
            service: None,
        },
        Wish::Open => Command::Open {
            how: Closed::Held,
            service: None,
        },
    }
}

/// Returns the project file of a release.
pub(super) fn project(shipped: &Shipped, services: u16) -> String {
    let Shipped {
        version,
        strategy,
        instances,
        chained,
        steady,
        path,
        limits,
        rules,
        ..
    } = shipped;
    let limits = limits.map_or_else(String::new, |limits| format!("limits: {{ {limits} }}, "));
    let ready = if *steady {
        "ready: { http: /health, steady: 2s }, "
    } else {
        ""
    };
    let service = |name: &str, after: &str| {
        format!(
            "  {name}: {{ run: serve {name} {version}, instances: {instances}, memory: 1GiB, \
             {ready}{after}{limits}strategy: {{ {strategy} }}, stop: {{ drain: 30s }} }}\n"
        )
    };
    let mut project = format!("application: shop\nservices:\n{}", service("web", ""));
    let mut routes = format!("routes:\n  - {{ path: {path}, service: web }}\n");
    if services > 1 {
        let after = if *chained { "after: [web], " } else { "" };
        project += &service("api", after);
        routes += "  - { path: /api, service: api }\n";
    }
    if let Some(rules) = rules {
        routes += &format!("environments:\n  production: {rules}\n");
    }
    project
        + &routes
        + &shipped
            .migrates
            .as_ref()
            .map_or_else(String::new, migration)
}

/// Returns what stands in a project file about the schema.
fn migration(migrates: &Migrates) -> String {
    let Migrates {
        schema,
        from,
        to,
        back,
        watch,
        ..
    } = migrates;
    let back = if *back { "back: migrate down, " } else { "" };
    let watch = if *watch { "watch_old: 10s, " } else { "" };
    format!(
        "migration: {{ service: web, run: migrate up, {back}{watch}schema: {schema}, works_with: \
         {from}..{to}, timeout: 1m }}\n"
    )
}
