//! The stored form of what is recorded of migrations.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use leadsman_core::id::{DeploymentNumber, ReleaseNumber};
use leadsman_core::migration::{Course, Migration, SchemaRange};
use leadsman_core::pipeline::SecretSource;
use leadsman_core::{Cause, Event, Origin, ReleaseContent};

use crate::world::name;

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn migrations() -> [Migration; 2] {
    let small = Migration {
        service: name("web"),
        run: words("./migrate up"),
        back: None,
        schema: 12,
        works_with: SchemaRange::only(12),
        timeout: Duration::from_secs(600),
        secrets: BTreeMap::new(),
        watch_old: Duration::ZERO,
        smoke: None,
    };
    let full = Migration {
        back: Some(words("./migrate down")),
        works_with: SchemaRange { from: 11, to: 12 },
        secrets: BTreeMap::from([
            (
                "PGPASSWORD".to_owned(),
                SecretSource::Variable("PASSWORD".to_owned()),
            ),
            (
                "TOKEN".to_owned(),
                SecretSource::File("/etc/shop/token".to_owned()),
            ),
        ]),
        watch_old: Duration::from_secs(60),
        smoke: Some(words("./smoke --all")),
        ..small.clone()
    };
    [small, full]
}

/// Returns an example of every event, and of every form of a release that has a migration.
pub(crate) fn examples(content: &Arc<ReleaseContent>) -> Vec<Event> {
    let release = ReleaseNumber(4);
    let one_way = Some("the old column cannot stay".to_owned());
    let mut events: Vec<Event> = migrations()
        .into_iter()
        .map(|migration| Event::DeploymentStarted {
            number: DeploymentNumber(9),
            release,
            content: Arc::new(ReleaseContent {
                migration: Some(migration),
                ..ReleaseContent::clone(content)
            }),
            origin: Origin::Rollback {
                from: ReleaseNumber(5),
                migrate_back: true,
            },
            rollouts: BTreeMap::new(),
            by: "ann".to_owned(),
            identity: None,
            one_way: one_way.clone(),
        })
        .collect();
    events.push(Event::DeploymentQueued {
        release,
        content: Arc::clone(content),
        origin: Origin::Ship,
        by: "ann".to_owned(),
        identity: None,
        soak_at_most: None,
        one_way,
    });
    for (back, from) in [(false, None), (false, Some(11)), (true, Some(12))] {
        let command = words("./migrate");
        events.push(Event::MigrationStarted {
            course: Course {
                release,
                command,
                back,
                from,
                to: 11 + u64::from(!back),
            },
        });
    }
    for failure in [None, Some("`./migrate up` exited with status 1".to_owned())] {
        let last = failure.iter().map(|_| "no such table".to_owned()).collect();
        events.push(Event::MigrationEnded {
            failure,
            last,
            took: Duration::from_millis(3_200),
        });
    }
    for release in [None, Some(release)] {
        let schema = 12;
        events.push(Event::OldWatched { release, schema });
    }
    let detail = "in words".to_owned();
    for cause in [
        Cause::NotMigrated {
            detail: detail.clone(),
        },
        Cause::OldUnwell { detail },
    ] {
        events.push(Event::RollbackStarted {
            services: [name("web")].into(),
            cause,
        });
    }
    events
}
