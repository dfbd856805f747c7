//! Services that serve files: a built front end goes out like any other service.

use std::collections::BTreeMap;
use std::path::Path;

use super::client::{Told, get, tell};
use super::machine::{LONG, Machine, QUICK};
use super::processes;

const READY: &str = "{ http: /, every: 50ms, within: 20s }";

/// Puts a front end into `dist`: a page, and a script with a fingerprint that belongs to it.
fn build(machine: &Machine, version: &str) {
    let dist = machine.place.path().join("dist");
    drop(std::fs::remove_dir_all(&dist));
    let script = script(version);
    let page = format!("<p>{version}<script src=\"/assets/{script}\"></script>");
    machine.place.write("dist/index.html", page);
    let body = format!("say('{version}');").repeat(200);
    machine.place.write(&format!("dist/assets/{script}"), body);
}

fn script(version: &str) -> String {
    format!("app.3f9a1c2b{version}.js")
        .replace("one", "0a1")
        .replace("two", "0b2")
}

fn project(machine: &Machine, rest: &str) {
    let lines =
        "    serve: { root: dist, fallback: index.html }\n    traffic: { sticky: cookie }\n";
    machine.project_of(lines, READY, rest);
}

/// Asks for a page as a browser does; returns the version that it is of, and the cookie to keep.
fn page(machine: &Machine, path: &str, cookie: Option<&str>) -> (&'static str, String, Told) {
    let mut headers = vec![("accept", "text/html,*/*;q=0.8")];
    headers.extend(cookie.map(|cookie| ("cookie", cookie)));
    let told = tell(machine.address, path, &headers).unwrap();
    assert_eq!(told.answer.status, 200, "{}", told.head);
    let version = ["one", "two"].into_iter().find(|version| {
        let start = format!("<p>{version}<");
        told.answer.body.starts_with(&start)
    });
    let set = told
        .head
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    let set = set.map_or(cookie.unwrap_or_default(), |set| {
        set.split(';').next().unwrap()
    });
    (version.unwrap(), set.to_owned(), told)
}

fn header(told: &Told, name: &str) -> String {
    let lines = told.head.lines().filter_map(|line| line.split_once(": "));
    let value = lines
        .filter(|(known, _)| *known == name)
        .map(|(_, value)| value)
        .next();
    value.unwrap_or_default().to_owned()
}

#[test]
fn two_versions_of_a_front_end_stand_side_by_side_and_users_get_what_belongs_together() {
    let machine = Machine::started();
    build(&machine, "one");
    project(&machine, QUICK);
    machine.ship().succeeds();
    machine.wait_until("it answers", || {
        get(machine.address, "/").is_ok_and(|it| it.status == 200)
    });
    // What is shipped is what counts, not what lies in the folder.
    build(&machine, "two");
    assert_eq!(page(&machine, "/", None).0, "one");

    let path = format!("/assets/{}", script("one"));
    let whole = tell(machine.address, &path, &[]).unwrap();
    assert_eq!(whole.answer.status, 200, "{}", whole.head);
    assert_eq!(
        header(&whole, "cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(
        header(&whole, "content-type"),
        "text/javascript; charset=utf-8"
    );
    assert_eq!(header(&whole, "vary"), "accept-encoding");
    let tag = header(&whole, "etag");
    let known = tell(machine.address, &path, &[("if-none-match", &tag)]).unwrap();
    assert_eq!((known.answer.status, &*known.answer.body), (304, ""));
    let part = tell(machine.address, &path, &[("range", "bytes=5-7")]).unwrap();
    assert_eq!((part.answer.status, &*part.answer.body), (206, "one"));
    let user = page(&machine, "/users/7?tab=a", None).2;
    assert_eq!(header(&user, "cache-control"), "no-cache");
    assert_eq!(
        get(machine.address, "/users/7").unwrap().status,
        404,
        "no page was asked for"
    );

    project(&machine, LONG);
    machine.ship_detached();
    machine.wait_for_soak();
    machine.run(&["pause"]).succeeds();
    let mut users = BTreeMap::new();
    machine.wait_until("there are users of both", || {
        let (version, cookie, _) = page(&machine, "/", None);
        users.insert(version, cookie);
        users.len() == 2
    });
    for (version, cookie) in &users {
        for _ in 0..10 {
            assert_eq!(page(&machine, "/deep/link", Some(cookie)).0, *version);
            let path = format!("/assets/{}", script(version));
            let told = tell(machine.address, &path, &[("cookie", cookie)]).unwrap();
            assert_eq!(
                told.answer.status, 200,
                "{version}: its page and its script"
            );
        }
    }
    machine.run(&["abort"]).succeeds();
    machine.wait_for_phase("rolled_back");
    assert_eq!(page(&machine, "/", Some(&users["two"])).0, "one");
    machine.run(&["audit", "verify"]).succeeds();
}

#[test]
fn the_example_ships_as_its_readme_says() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/front-end");
    let machine = Machine::started();
    let read = |name: &str| std::fs::read_to_string(example.join(name)).unwrap();
    for name in ["dist/index.html", "dist/assets/app.1d4c7e02.js"] {
        machine.place.write(name, read(name));
    }
    let address = machine.address;
    machine.place.write(
        "leadsman.yaml",
        format!(
            "{}environments: {{ production: {{ listen: \"{address}\" }} }}\n",
            read("leadsman.yaml")
        ),
    );
    machine.ship().succeeds();
    let browser = [("accept", "text/html")];
    for (path, status) in [("/", 200), ("/tides", 200), ("/assets/gone.js", 404)] {
        let told = tell(address, path, &browser).unwrap();
        assert_eq!(told.answer.status, status, "{path}: {}", told.head);
    }
    let told = tell(address, "/assets/app.1d4c7e02.js", &[]).unwrap();
    let cache = header(&told, "cache-control");
    assert_eq!(cache, "public, max-age=31536000, immutable");
}

#[test]
fn what_serves_stays_of_its_version_when_the_program_is_replaced() {
    let mut machine = Machine::new();
    machine.install_newer();
    machine.up();
    build(&machine, "one");
    project(&machine, QUICK);
    machine.ship().succeeds();
    let serving = machine.instances().into_iter().next().unwrap();
    // As an installer does: the old file is gone, and something else lies in its place.
    let program = machine.place.path().join("leadsman-newer");
    std::fs::remove_file(&program).unwrap();
    std::fs::write(&program, "not even a program").unwrap();
    processes::kill(serving.pid);
    machine.wait_until("it was started again", || {
        let now = machine.instances();
        now.iter().any(|now| now.pid != serving.pid)
            && get(machine.address, "/").is_ok_and(|it| it.status == 200)
    });
    assert_eq!(page(&machine, "/", None).0, "one");
}

#[test]
fn a_folder_that_could_not_be_served_is_not_shipped() {
    let machine = Machine::started();
    project(&machine, QUICK);
    let missing = machine.run(&["ship"]);
    missing.fails(
        1,
        &[
            "error[L032]",
            "the folder `dist` cannot be served",
            "failed to read",
        ],
    );
    machine.place.write("dist/app.js", "say()");
    let without_page = machine.run(&["ship"]);
    without_page.fails(
        1,
        &[
            "error[L032]",
            "the fallback `index.html` is not among the files",
        ],
    );
    let history = machine.run(&["history"]);
    history.fails(1, &["error[L022]: nothing has been shipped yet"]);
}
