//! People whose consent a release needs, as the engine counts it.

use std::collections::BTreeSet;

use leadsman_core::id::ReleaseNumber;
use leadsman_core::people::{Command as Tell, Grant, Role};
use leadsman_core::{Command, Refusal};
use leadsman_engine::{Error, View};
use leadsman_testkit::World;

const RULES: &str = "{ needs: [security, { people: [ben, carl] }] }";

async fn ship(world: &World, version: u64) -> ReleaseNumber {
    let project = format!(
        "application: shop\nservices:\n  web: {{ run: serve {version} }}\nenvironments:\n  \
         production: {{ entry: {{ approvals: {RULES} }} }}\n"
    );
    let shipped = world.ship_project(&project, "dora").await;
    shipped.expect("it may wait")
}

async fn approve(world: &World, release: ReleaseNumber, by: &str) -> Result<(), Error> {
    let command = Command::Approve {
        release,
        digest: None,
        known_as: BTreeSet::new(),
        owner: false,
        note: None,
    };
    let environment = World::environment();
    let told = world.engine.command(&environment, command, by);
    told.await.map(drop)
}

async fn tell(world: &World, command: Tell) {
    let told = world.engine.about_people(&command, "root").await;
    told.expect("it fits");
}

async fn known(world: &World) {
    for person in ["anna", "ben", "carl"] {
        let add = Tell::Add {
            person: person.parse().expect("a name"),
            identities: BTreeSet::new(),
            grants: BTreeSet::from([Grant {
                role: Role::Approver,
                reach: "shop".parse().expect("a reach"),
            }]),
        };
        tell(world, add).await;
    }
}

fn join() -> Tell {
    Tell::Join {
        person: "anna".parse().expect("a name"),
        team: "security".parse().expect("a name"),
    }
}

#[tokio::test(start_paused = true)]
async fn who_joins_a_team_lets_in_what_waited_for_just_that() {
    let world = World::start().await;
    known(&world).await;
    let release = ship(&world, 1).await;
    approve(&world, release, "anna").await.expect("anna may");
    approve(&world, release, "ben").await.expect("ben may");
    let waits = world
        .until(|view| {
            let request = view.environment.requests.get(&release);
            request.is_some_and(|request| request.approvals.len() == 2)
        })
        .await;
    assert!(
        waits.reasons[0]
            .sentence()
            .ends_with("still 1 of team `security`")
    );
    // Nothing is told to the environment: it hears that somebody belongs to the team.
    tell(&world, join()).await;
    let serves = |view: &View| view.environment.serving() == Some(release);
    world.until(serves).await;
    let admitted = world.kinds().await;
    let count = admitted
        .iter()
        .filter(|kind| *kind == "entry_admitted")
        .count();
    assert_eq!(count, 1, "{admitted:?}");
}

#[tokio::test(start_paused = true)]
async fn of_approvals_at_once_each_is_recorded_and_the_release_enters_once() {
    let world = World::start().await;
    known(&world).await;
    tell(&world, join()).await;
    let release = ship(&world, 1).await;
    let (anna, ben, carl) = tokio::join!(
        approve(&world, release, "anna"),
        approve(&world, release, "ben"),
        approve(&world, release, "carl")
    );
    anna.expect("anna may");
    ben.expect("ben may");
    // It may have entered by then, and what is not waiting is not approved.
    assert!(
        matches!(
            &carl,
            Ok(()) | Err(Error::Refused(Refusal::NotRequested { .. }))
        ),
        "{carl:?}"
    );
    let serves = |view: &View| view.environment.serving() == Some(release);
    world.until(serves).await;
    let kinds = world.kinds().await;
    let count = |wanted: &str| kinds.iter().filter(|kind| *kind == wanted).count();
    assert_eq!(count("entry_admitted"), 1, "{kinds:?}");
    assert_eq!(
        count("entry_approved"),
        2 + usize::from(carl.is_ok()),
        "{kinds:?}"
    );
}
