//! Checklists, as the machine finds things out and people confirm them.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};
use serde_json::Value;

use super::machine::{Machine, QUICK, text};

/// Shows a certificate that is valid for three days to whoever connects, until the test ends.
fn shows_a_certificate() -> SocketAddr {
    let mut params = rcgen::CertificateParams::new(vec!["shop.example".to_owned()]).unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let three_days = Duration::from_secs(3 * 24 * 3600 + 60);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + now.unwrap() + three_days;
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut session = ServerConnection::new(Arc::clone(&config)).unwrap();
            while session.is_handshaking() && session.complete_io(&mut stream).is_ok() {}
        }
    });
    address
}

/// What the project file asks: all of what the machine can find out.
struct Asked {
    size: &'static str,
    days: u16,
    certificate: SocketAddr,
    name: &'static str,
    database: SocketAddr,
    backups: &'static str,
    command: &'static str,
}

impl Asked {
    fn write(&self, machine: &Machine, version: &str) {
        machine.project(version, QUICK);
        let folder = machine.state().parent().unwrap().to_owned();
        let place = folder.display();
        let Self {
            size,
            days,
            certificate,
            name,
            database,
            backups,
            command,
        } = self;
        let (host, port) = (certificate.ip(), certificate.port());
        let lists = format!(
            "checklists: {{ before: {{ disk: {{ free: {size}, at: \"{place}\" }}, \
             memory: {{ available: {size} }}, \
             certificate: {{ host: \"{host}\", port: {port}, days: {days} }}, \
             dns: {{ name: {name} }}, database: {{ connect: \"{database}\" }}, \
             backup: {{ newest: \"{place}/{backups}\", age: 24h }}, \
             command: {{ run: \"sh -c '{command}'\", timeout: 5s }}, \
             announced: {{ confirm: \"Customers were told\", by: operator }} }}, \
             after: {{ till: {{ confirm: \"The till was tried\" }} }}, \
             after_rollback: {{ told: {{ confirm: \"Support was told\" }} }} }},"
        );
        let file = folder.join("leadsman.yaml");
        let project = fs::read_to_string(&file).unwrap();
        let asking = project.replacen("{ production: {", &format!("{{ production: {{ {lists}"), 1);
        assert_ne!(asking, project);
        fs::write(&file, asking).unwrap();
    }
}

fn list(machine: &Machine, when: &str) -> Option<Value> {
    let all = machine.json(&["checklist"]);
    let lists = all.pointer("/0/checklists")?.as_array()?.clone();
    lists.into_iter().find(|list| text(list, "/when") == when)
}

/// Returns how each item of a list stands, and what was said of it.
fn items(machine: &Machine, when: &str) -> Vec<(String, String, String)> {
    let list = list(machine, when).unwrap_or_default();
    let items = list.pointer("/items").and_then(Value::as_array).cloned();
    let item = |item: &Value| {
        let said = item.pointer("/said").and_then(Value::as_str);
        let said = said.unwrap_or_default().to_owned();
        (text(item, "/name"), text(item, "/state"), said)
    };
    items.unwrap_or_default().iter().map(item).collect()
}

#[test]
fn the_machine_finds_out_what_it_can_and_people_confirm_the_rest() {
    let machine = Machine::with_first_release();
    let folder = machine.state().parent().unwrap().to_owned();
    for backups in ["old", "new"] {
        fs::create_dir(folder.join(backups)).unwrap();
        File::create(folder.join(backups).join("dump")).unwrap();
    }
    let two_days = SystemTime::now() - Duration::from_secs(2 * 24 * 3600);
    let old = File::options().write(true).open(folder.join("old/dump"));
    old.unwrap().set_modified(two_days).unwrap();
    let certificate = shows_a_certificate();
    let listens = TcpListener::bind("127.0.0.1:0").unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = free.local_addr().unwrap();
    drop(free);

    // Nothing holds.
    let wanting = Asked {
        size: "60TiB",
        days: 14,
        certificate,
        name: "no-such-name.invalid",
        database: nobody,
        backups: "old",
        command: "exit 3",
    };
    wanting.write(&machine, "two");
    machine.run(&["plan"]).succeeds().says(&[
        "checklist before",
        "Customers were told",
        "60TiB of memory",
    ]);
    machine
        .run(&["ship"])
        .fails(1, &["release 2 waits to enter"]);
    machine.wait_until("the machine has found out everything", || {
        let items = items(&machine, "before");
        items
            .iter()
            .filter(|(_, state, _)| state == "failed")
            .count()
            == 7
    });
    for (name, state, said) in items(&machine, "before") {
        let expected = match &*name {
            "disk" => "of 60TiB free in",
            "memory" => "of 60TiB of memory",
            "certificate" => "is valid for 3 days, 14 wanted",
            "dns" => "`no-such-name.invalid` does not resolve",
            "database" => "does not accept connections",
            "backup" => "is 2 d old, 1 d allowed",
            "command" => "`sh` exited with status 3",
            _ => {
                assert_eq!((&*name, &*state), ("announced", "open"));
                continue;
            }
        };
        assert!(said.contains(expected), "{name}: {said}");
    }
    machine.run(&["checklist"]).succeeds().says(&[
        "before of release 2",
        "0 of 8 done",
        "disk, failed: 60TiB free in",
        "announced, open: Customers were told (to be confirmed by somebody who is operator)",
    ]);
    machine
        .run(&["requests"])
        .succeeds()
        .says(&["lacks: checklist: `announced` has to be confirmed"]);
    let why = machine.run(&["why"]).succeeds().whole();
    assert!(
        why.contains("`command`: `sh` exited with status 3"),
        "{why}"
    );
    for (item, code) in [("disk", "R037"), ("announce", "R034")] {
        let code = format!("error[{code}]");
        machine
            .run(&["confirm", item, "-m", "looked at it"])
            .fails(1, &[&code]);
    }
    machine
        .run(&["reject", "2", "-m", "not like this"])
        .succeeds();

    // Everything does.
    let holding = Asked {
        size: "1MiB",
        days: 2,
        certificate,
        name: "localhost",
        database: listens.local_addr().unwrap(),
        backups: "new",
        command: "test -f leadsman.yaml",
    };
    holding.write(&machine, "three");
    machine
        .run(&["ship"])
        .fails(1, &["release 3 waits to enter"]);
    machine.wait_until("only a person is waited for", || {
        let missing = machine.json(&["requests"]);
        let missing = missing.pointer("/0/requests/0/missing").cloned();
        missing.is_some_and(|it| it.as_array().is_some_and(|it| it.len() == 1))
    });
    machine
        .run(&["confirm", "announced", "--because", "by mail, at noon"])
        .succeeds()
        .says(&["is confirmed by"]);
    machine.wait_for_soak();
    let evidence = super::evidence::summary(&machine, "3");
    for said in [
        "- `announced`, Customers were told: by mail, at noon (",
        "- `dns`, `localhost` resolves",
    ] {
        assert!(evidence.contains(said), "{said}: {evidence}");
    }
    machine.run(&["promote", "--all"]).succeeds();
    machine.wait_until("the list for afterwards is open", || {
        items(&machine, "after").len() == 1
    });
    let reason = text(&machine.environment(), "/reasons/1/sentence");
    assert!(reason.contains("`till` has to be confirmed"), "{reason}");
    machine
        .run(&["confirm", "till", "-m", "sold a book"])
        .succeeds();
    assert_eq!(items(&machine, "after")[0].1, "done");

    // And something is to be done after a rollback, which waited for nobody.
    machine.run(&["rollback"]).succeeds();
    machine.wait_for_version("one");
    machine.wait_until("the list for after a rollback is open", || {
        items(&machine, "after_rollback").len() == 1
    });
    machine
        .run(&["confirm", "told", "-m", "called them"])
        .succeeds();
    let list = list(&machine, "after_rollback").unwrap();
    assert_eq!(text(&list, "/items/0/state"), "done");
    let person = rustix::process::geteuid().as_raw();
    assert!(!text(&list, "/items/0/actor").is_empty(), "{person}");
    let events = machine.events();
    let answered = events.iter().filter(|event| *event == "item_answered");
    assert!(answered.count() >= 7 + 7 + 3, "{events:?}");
}
