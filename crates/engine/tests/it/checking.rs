//! Checklists, as the engine has them asked.

use std::collections::BTreeSet;
use std::time::Duration;

use leadsman_core::Command;
use leadsman_core::checklist::Check;
use leadsman_core::id::ReleaseNumber;
use leadsman_core::people::Role;
use leadsman_engine::{Inspector, Machine, View};
use leadsman_testkit::{FakeInspector, World};

const LISTS: &str = "{ before: { memory: { available: 1GiB }, slow: { run: ./check, timeout: 1m }, \
                     told: { confirm: Customers were told } } }";

const MEMORY: Check = Check::Memory { available: 1 << 30 };

async fn ship(world: &World) -> ReleaseNumber {
    let project = format!(
        "application: shop\nservices:\n  web: {{ run: serve 1 }}\nenvironments:\n  production: {{ \
         checklists: {LISTS} }}\n"
    );
    let shipped = world.ship_project(&project, "ann").await;
    shipped.expect("it may wait")
}

async fn confirm(world: &World) {
    let command = Command::Confirm {
        item: "told".parse().expect("a name"),
        when: None,
        release: None,
        digest: None,
        roles: BTreeSet::from([Role::Operator]),
        said: "by mail".to_owned(),
    };
    let environment = World::environment();
    let told = world.engine.command(&environment, command, "mia").await;
    told.expect("it is asked");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_hold_is_asked_again_until_it_does_also_by_a_new_control() {
    let mut world = World::start().await;
    world.inspector.fail(&MEMORY, Some("nothing is left"));
    let release = ship(&world).await;
    confirm(&world).await;
    let says = |view: &View, words: &str| {
        let mut reasons = view.reasons.iter();
        reasons.any(|reason| reason.sentence().ends_with(words))
    };
    world
        .until(|view| says(view, "checklist: `memory`: nothing is left"))
        .await;
    world.restart_engine().await;
    // What was found by the control that is gone is asked anew, and what was confirmed is not.
    world
        .until(|view| says(view, "enter: checklist: `memory`: nothing is left"))
        .await;
    world.inspector.fail(&MEMORY, None);
    let serves = |view: &View| view.environment.serving() == Some(release);
    world.until(serves).await;
    let folders: BTreeSet<Check> = world.inspector.asked().into_iter().collect();
    let command = Check::Command {
        run: vec!["./check".to_owned()],
        timeout: Duration::from_secs(60),
        folder: "/srv/shop".to_owned(),
    };
    assert_eq!(folders, BTreeSet::from([MEMORY, command]));
    let kinds = world.kinds().await;
    let answered = kinds.iter().filter(|kind| *kind == "item_answered");
    // One that failed and then held, one that held, and one that a person confirmed: no more.
    assert_eq!(answered.count(), 4, "{kinds:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_never_found_out_is_not_passed_and_says_so() {
    let world = World::start().await;
    world.inspector.hang(true);
    let release = ship(&world).await;
    confirm(&world).await;
    let view = world
        .until(|view| {
            let mut reasons = view.reasons.iter();
            reasons.any(|reason| reason.sentence().contains("not found out within"))
        })
        .await;
    assert!(view.environment.requests.contains_key(&release));
    world.inspector.hang(false);
    let serves = |view: &View| view.environment.serving() == Some(release);
    world.until(serves).await;
}

/// What every inspector keeps: it says in one sentence what it found, and does not take longer than
/// it may.
async fn keeps_the_contract(inspector: &dyn Inspector, check: &Check, holds: bool) {
    let within = check.timeout() + Duration::from_secs(1);
    let found = tokio::time::timeout(within, inspector.inspect(check)).await;
    let found = found.expect("it keeps to the time");
    assert_eq!(found.is_ok(), holds, "{check:?}: {found:?}");
    let (Ok(said) | Err(said)) = found;
    assert!(!said.is_empty() && !said.contains('\n'), "{said:?}");
}

#[tokio::test]
async fn the_machine_and_its_stand_in_keep_one_contract() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::write(folder.path().join("dump"), "x").expect("there is room");
    let empty = tempfile::tempdir().expect("a folder can be made");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let nobody = free.local_addr().expect("it is bound").port();
    drop(free);
    let path = |folder: &tempfile::TempDir| folder.path().display().to_string();
    let command = |script: &str, seconds| Check::Command {
        run: ["sh", "-c", script].map(str::to_owned).to_vec(),
        timeout: Duration::from_secs(seconds),
        folder: path(&folder),
    };
    let connect = |port| Check::Connect {
        host: "127.0.0.1".to_owned(),
        port,
    };
    let disk = |at: String, free| Check::Disk { at, free };
    let newest = |folder, seconds| Check::Newest {
        folder,
        age: Duration::from_secs(seconds),
    };
    let dns = |name: &str, address: Option<&str>| Check::Dns {
        name: name.to_owned(),
        address: address.map(|address| address.parse().expect("an address")),
    };
    for (check, holds) in [
        (disk(path(&folder), 1), true),
        (disk(path(&folder), u64::MAX), false),
        (disk("/no/such/place".to_owned(), 1), false),
        (Check::Memory { available: 1 }, true),
        (
            Check::Memory {
                available: u64::MAX,
            },
            false,
        ),
        (newest(path(&folder), 3_600), true),
        (newest(path(&empty), 3_600), false),
        (newest("/no/such/place".to_owned(), 3_600), false),
        (dns("localhost", None), true),
        (dns("localhost", Some("127.0.0.1")), true),
        (dns("localhost", Some("192.0.2.1")), false),
        (connect(port), true),
        (connect(nobody), false),
        (
            Check::Certificate {
                host: "127.0.0.1".to_owned(),
                port: nobody,
                days: 1,
            },
            false,
        ),
        (command("test -f dump", 10), true),
        (command("exit 3", 10), false),
        (command("sleep 600", 1), false),
        (
            Check::Gate {
                name: "tests".to_owned(),
            },
            false,
        ),
    ] {
        keeps_the_contract(&Machine, &check, holds).await;
        let stand_in = FakeInspector::default();
        if !holds {
            stand_in.fail(&check, Some("it does not"));
        }
        keeps_the_contract(&stand_in, &check, holds).await;
    }
}
