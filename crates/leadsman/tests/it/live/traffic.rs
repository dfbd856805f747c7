//! What the project file says of requests, and what a person does about them by hand.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::Value;

use super::certificate::{Certificate, FILE, HOST, believing_in};
use super::client::{Told, get, tell, tell_over};
use super::machine::{LONG, Machine, QUICK, text};

/// What the services of these tests ask for.
const TRAFFIC: &str = "traffic:\n  sticky: cookie\n  testers: [{ header: x-tester, value: ann }]\n  \
                       maintenance: { status: 503, body: back at noon, retry_after: 1h }\n";

/// Asks as a user who has `cookie`; returns the version that answered, and the cookie that is left.
fn visit(address: SocketAddr, cookie: Option<&str>) -> (String, Option<String>) {
    let cookie = cookie.map(|cookie| ("cookie", cookie));
    let Told { answer, head } = tell(address, "/", cookie.as_slice()).unwrap();
    assert_eq!(answer.status, 200, "{head}");
    let set = head
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    let set = set.map(|set| set.split(';').next().unwrap().to_owned());
    (answer.body, set)
}

#[test]
fn users_stay_and_testers_see_the_canary_while_it_is_paused() {
    let machine = Machine::started();
    machine.project("one", &format!("{QUICK}{TRAFFIC}"));
    machine.ship().succeeds();
    machine.wait_for_version("one");
    machine.project("two", &format!("{LONG}{TRAFFIC}"));
    machine.ship_detached();
    machine.wait_for_soak();
    machine.run(&["pause"]).succeeds();

    let mut users = BTreeMap::new();
    machine.wait_until("there are users of both", || {
        let (version, cookie) = visit(machine.address, None);
        let cookie = cookie.expect("whoever comes new is remembered");
        assert!(cookie.starts_with("leadsman-web="), "{cookie}");
        users.insert(version, cookie);
        users.len() == 2
    });
    for (version, cookie) in &users {
        for _ in 0..20 {
            let (body, _) = visit(machine.address, Some(cookie));
            assert_eq!(body, *version, "a user of it stays");
        }
    }
    for (name, version) in [("ann", Some("two")), ("eve", None)] {
        let mut seen = Vec::new();
        for _ in 0..20 {
            let header = [("x-tester", name), ("cookie", &*users["one"])];
            seen.push(tell(machine.address, "/", &header).unwrap().answer.body);
        }
        let expected = version.unwrap_or("one");
        assert!(seen.iter().all(|body| body == expected), "{name}: {seen:?}");
    }

    machine.run(&["abort"]).succeeds();
    machine.wait_for_phase("rolled_back");
    let (body, _) = visit(machine.address, Some(&users["two"]));
    assert_eq!(body, "one", "nobody stays with what is gone");
}

#[test]
fn too_many_requests_of_a_route_are_refused_with_a_reason() {
    let machine = Machine::started();
    let routes = "routes:\n  - { service: web }\n  - { path: /few, service: web, request_limits: \
                  { per_client: { rate: 1/h, burst: 3 }, uri: 100B } }\n";
    machine.project("one", &format!("{QUICK}{routes}"));
    machine.ship().succeeds();
    machine.wait_for_version("one");
    let told: Vec<Told> = (0..10)
        .map(|_| tell(machine.address, "/few", &[]).unwrap())
        .collect();
    let statuses: Vec<u16> = told.iter().map(|told| told.answer.status).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429, 429, 429, 429, 429, 429]);
    let head = &told[9].head;
    assert!(head.contains("x-leadsman-reason: client-rate"), "{head}");
    assert!(head.contains("retry-after: "), "{head}");
    let long = format!("/few/{}", "a".repeat(200));
    assert_eq!(get(machine.address, &long).unwrap().status, 414);
    assert_eq!(get(machine.address, "/").unwrap().status, 200);
}

#[test]
fn maintenance_is_switched_by_hand_and_outlives_control() {
    let mut machine = Machine::started();
    machine.project("one", &format!("{QUICK}{TRAFFIC}"));
    machine.ship().succeeds();
    machine.wait_for_version("one");

    machine
        .run(&["maintenance", "off"])
        .fails(1, &["error[R020]"]);
    machine.run(&["maintenance", "on"]).succeeds();
    let is_closed = || get(machine.address, "/").is_ok_and(|it| it.body == "back at noon");
    machine.wait_until("it is closed", is_closed);
    let Told { answer, head } = tell(machine.address, "/", &[]).unwrap();
    assert_eq!(answer.status, 503);
    assert!(head.contains("retry-after: 3600"), "{head}");
    let tester = tell(machine.address, "/", &[("x-tester", "ann")]).unwrap();
    assert_eq!(tester.answer.body, "one", "testers see it");
    machine
        .run(&["maintenance", "on"])
        .fails(1, &["error[R019]", "leadsman maintenance off"]);
    let status = machine.run(&["status"]).succeeds().stdout;
    assert!(status.contains("in maintenance since"), "{status}");
    let closed = machine.environment().pointer("/services/0/closed").cloned();
    let closed = closed.unwrap();
    assert_eq!(text(&closed, "/how"), "maintenance");
    assert!(!text(&closed, "/actor").is_empty(), "{closed}");

    machine.kill_control();
    machine.up();
    machine.project("two", &format!("{QUICK}{TRAFFIC}"));
    machine.ship_detached();
    machine.wait_for_soak();
    assert_eq!(get(machine.address, "/").unwrap().body, "back at noon");
    machine.run(&["promote", "--all"]).succeeds();
    machine.wait_for_phase("settling");
    assert_eq!(get(machine.address, "/").unwrap().body, "back at noon");

    machine
        .run(&["maintenance", "off", "--service", "web"])
        .succeeds();
    machine.wait_for_version("two");
    let events = machine.events();
    let of_closing = events.iter().filter(|kind| kind.starts_with("services_"));
    let of_closing: Vec<&str> = of_closing.map(String::as_str).collect();
    assert_eq!(of_closing, ["services_closed", "services_opened"]);
    machine.run(&["audit", "verify"]).succeeds();
}

#[test]
fn held_requests_wait_and_are_answered_when_the_service_is_open_again() {
    let machine = Machine::with_first_release();
    machine.run(&["hold", "on"]).succeeds();
    let address = machine.address;
    let held = machine.wait_for("requests are held", || {
        let (answer, answered) = std::sync::mpsc::channel();
        std::thread::spawn(move || answer.send(get(address, "/")));
        // One that was sent before the table was in force is answered at once.
        let patience = std::time::Duration::from_secs(1);
        answered.recv_timeout(patience).is_err().then_some(answered)
    });
    machine.run(&["hold", "off"]).succeeds();
    let answer = held.recv().unwrap().unwrap();
    assert_eq!((answer.status, &*answer.body), (200, "one"));
}

/// Asks `quay.example` over TLS, believing in `root` alone.
fn tell_encrypted(
    address: SocketAddr,
    root: &rustls::pki_types::CertificateDer<'static>,
) -> Result<Told, String> {
    let name = HOST.try_into().unwrap();
    let client = rustls::ClientConnection::new(believing_in([root]), name).unwrap();
    let stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
    let stream = rustls::StreamOwned::new(client, stream);
    tell_over(stream, HOST, "/", &[])
}

#[test]
fn an_encrypted_environment_shows_until_when_its_certificate_is_good() {
    let machine = Machine::started();
    let first = Certificate::new(5);
    first.put(&machine);
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = free.local_addr().unwrap();
    drop(free);
    let chain = machine.place.path().join(FILE);
    let project = |certificates: &str| {
        machine.project("one", QUICK);
        let file = machine.place.path().join("leadsman.yaml");
        let written = std::fs::read_to_string(file).unwrap();
        let tls = format!(
            "\", tls: {{ certificates: [{certificates}], from_http: \"{plain}\" }}, headers: {{ \
             strict-transport-security: max-age=60 }} }} }}\n"
        );
        machine
            .place
            .write("leadsman.yaml", written.replacen("\" } }\n", &tls, 1));
    };
    project(&format!("{{ chain: \"{}\" }}", chain.display()));
    machine.ship().succeeds();

    let told = machine.wait_for("it answers", || {
        tell_encrypted(machine.address, &first.root).ok()
    });
    assert_eq!((told.answer.status, &*told.answer.body), (200, "one"));
    let head = told.head;
    assert!(
        head.contains("strict-transport-security: max-age=60"),
        "{head}"
    );
    let led = tell(plain, "/there?a=b", &[]).unwrap();
    assert_eq!(led.answer.status, 308, "{}", led.head);
    assert!(
        led.head.contains("location: https://127.0.0.1:"),
        "{}",
        led.head
    );

    let certificate = |machine: &Machine| {
        let environment = machine.environment();
        assert!(text(&environment, "/url").starts_with("https://"));
        environment.pointer("/certificates/0").cloned()
    };
    let soon = machine.wait_for("the certificate is known", || certificate(&machine));
    assert_eq!(text(&soon, "/hosts/0"), "quay.example");
    assert!(text(&soon, "/problem").contains("expires in"), "{soon}");
    let status = machine.run(&["status"]).succeeds().stdout;
    assert!(
        status.contains("! quay.example: the certificate in"),
        "{status}"
    );

    // A new one is put in its place, and used without anybody's doing.
    let second = Certificate::new(90);
    second.put(&machine);
    machine.wait_until("the new one is good", || {
        let good = certificate(&machine);
        good.is_some_and(|it| it.get("problem") == Some(&Value::Null))
    });
    tell_encrypted(machine.address, &second.root).unwrap();
    let status = machine.run(&["status"]).succeeds().stdout;
    assert!(
        status.contains("certificate of quay.example until 2"),
        "{status}"
    );

    // One that cannot be read is said, and costs only its own hosts.
    let gone = machine.place.path().join("gone.pem");
    let both = [chain, gone].map(|path| format!("{{ chain: \"{}\" }}", path.display()));
    project(&both.join(", "));
    machine.ship().succeeds();
    machine.wait_until("the other one is said", || {
        let status = machine.run(&["status"]).succeeds().stdout;
        status.contains("gone.pem")
    });
    tell_encrypted(machine.address, &second.root).unwrap();
}
