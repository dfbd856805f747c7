//! What is said about each kind of mistake.

use std::collections::BTreeSet;

use expect_test::{ExpectFile, expect};
use leadsman_core::project::{CODES, Problems, Project, Severity};

use super::project;

/// Mistakes in the order of their codes. Each text has only the one kind of mistake.
pub(super) const MISTAKES: &[(&str, &str)] = &[
    ("P001", "application: shop\nservices:\n\tweb: { run: x }\n"),
    (
        "P001",
        "application: shop\nservices:\n  web:\n    run: \"./server\n",
    ),
    ("P001", "application: shop\nservices: { web: { run: x }\n"),
    (
        "P001",
        "application: shop\nservices:\n  web:\n    run: x\n   env: {}\n",
    ),
    ("P001", "application: shop: two\n"),
    ("P001", "application shop\nservices: {}\n"),
    (
        "P001",
        "application: shop\nservices: { web: { run: @x } }\n",
    ),
    ("P001", "application: shop\nservices: [ { run: x }\n"),
    ("P001", "application: shop\nservices: { web: { run: x ] }\n"),
    (
        "P003",
        "aplication: shop\napplication: shop\nservices: { web: { run: x, instnces: 2, replicas: 1 } }\n",
    ),
    (
        "P003",
        "application: a\nservices: { web: { run: x, ready: { path: / } } }\nenvironments: { e: { sevices: {} } }\n",
    ),
    (
        "P003",
        "application: a\nservices: { web: { run: x } }\ntraffic: { stiky: cookie, testers: [{ header: x, vlaue: a }] }\nrequest_limits: { per_cleint: 10/s }\n",
    ),
    (
        "P004",
        "application: shop\nservices:\n  web: { run: x }\n  web: { run: y }\n",
    ),
    (
        "P004",
        "application: a\nservices: { web: { run: x } }\nroutes: [{ service: web, headers: { X-Track: a, x-track: b } }]\n",
    ),
    ("P005", ""),
    ("P005", "application: shop\nservices: {}\n"),
    (
        "P005",
        "application: a\nservices: { web: { run: x } }\ngates:\n  findings: { exceptions: [{ id: CVE-2026-1 }] }\n  licences: { allow: [] }\n  numbers: { kb: {} }\nenvironments: { staging: { gates: { licences: {} } } }\n",
    ),
    (
        "P005",
        "application: shop\nservices: { web: { artifact: dist }, api: }\nroutes: [{ path: / }]\n",
    ),
    (
        "P005",
        "application: a\nservices: { web: { run: x } }\nlimits:\n  metrics:\n    queue: { at_most: 100 }\n    mail: { metric: jobs }\n    load: { prometheus: load, at_most: 1 }\n",
    ),
    (
        "P005",
        "application: a\nservices: { web: { run: x, strategy: { canary: { steps: [{ soak: 1m }] } } } }\n",
    ),
    (
        "P005",
        "application: a\nservices: { web: { run: x } }\nenvironments:\n  production: { tls: {} }\n  staging: { listen: 127.0.0.1:8081, tls: { certificates: [{ key: /etc/a.key }] } }\n",
    ),
    (
        "P005",
        "application: a\nservices: { web: { run: x } }\nenvironments: { production: { tls: { acme: {} } } }\n",
    ),
    (
        "P005",
        "application: a\nservices: { web: { run: x } }\ntraffic:\n  sticky: {}\n  testers: [{ value: a }]\n  mirror: {}\n  hold: {}\n  capacity: {}\nrequest_limits: { in_all: { burst: 5 } }\n",
    ),
    (
        "P005",
        "application: a\nservices: { web: { serve: { fallback: index.html } } }\n",
    ),
    ("P006", "- application: shop\n"),
    ("P006", "application: 12\nservices: [web]\n"),
    (
        "P006",
        "application: a\nservices: { web: { run: x, instances: two, files: \"100\", env: [A=b], memory: {}, artifact: 1.5 } }\n",
    ),
    (
        "P006",
        "application: a\nservices: { web: { run: { a: b }, ready: health, after: api, limits: 5% } }\n",
    ),
    (
        "P007",
        "application: &a shop\nservices: { web: { run: *a } }\n",
    ),
    (
        "P007",
        "application: shop\nservices: { web: { <<: { run: x }, run: x } }\n",
    ),
    (
        "P007",
        "application: !!str shop\nservices: { web: { run: x } }\n",
    ),
    (
        "P007",
        "application: shop\n? [a, b]\n: c\nservices: { web: { run: x } }\n",
    ),
    (
        "P007",
        "application: shop\nservices: { web: { run: x } }\n---\napplication: b\n",
    ),
    (
        "P008",
        "application: My Shop\nservices: { Web: { run: x } }\n",
    ),
    (
        "P009",
        "application: a\nservices: { web: { run: x, after: [ap], strategy: cannary }, api: { run: x, strategy: quick } }\nroutes: [{ service: wbe }]\nenvironments: { e: { services: { wrker: {} } } }\n",
    ),
    (
        "P009",
        "application: a\nservices: { web: { run: x } }\nenvironments: { e: { services: { web: null }, routes: [{ service: web }] } }\n",
    ),
    (
        "P010",
        "application: a\nservices: { web: { run: x, limits: { metrics: { memory: { metric: bytes, at_most: 1 } } } } }\n",
    ),
    (
        "P010",
        "application: a\nservices: { web: { run: x, env: { PORT: 80 } } }\nstrategies: { rolling: { rolling: } }\n",
    ),
    (
        "P011",
        "application: a\nservices: { web: { run: x, ready: { every: 30, within: 1.5h, timeout: soon, steady: 5min } } }\n",
    ),
    (
        "P012",
        "application: a\nservices: { web: { run: x, limits: { errors: 0.05, success: , memory: 90 } } }\n",
    ),
    (
        "P012",
        "application: a\nservices: { web: { run: x, strategy: { canary: { steps: [5, 25%] } } } }\n",
    ),
    (
        "P012",
        "application: a\nservices: { web: { run: x } }\ntraffic: { mirror: 10, retries: 0.2 }\n",
    ),
    (
        "P013",
        "application: a\nservices: { web: { run: x, memory: 512M }, api: { run: x, memory: 1073741824 } }\nroutes: [{ service: web }, { path: /api, service: api }]\n",
    ),
    (
        "P013",
        "application: a\nservices: { web: { run: x } }\nrequest_limits: { body: 10M, uri: 2048 }\n",
    ),
    (
        "P014",
        "application: a\nservices: { web: { run: x } }\nenvironments: { a: { listen: localhost:8080 }, b: { listen: 8081 }, c: { listen: here }, d: { listen: \"127.0.0.1:0\" } }\n",
    ),
    (
        "P015",
        "application: a\nservices: { web: { run: x, instances: 0, files: -1, memory: 1kB, stop: 2h } }\n",
    ),
    (
        "P015",
        "application: a\nservices: { web: { run: x, strategy: { canary: { soak: 0s }, keep_warm: 31d }, limits: { errors: 101% } } }\nstrategies: { s: { blue_green: { steps: [] } } }\n",
    ),
    (
        "P015",
        "application: a\nservices: { web: { run: x } }\ntraffic: { mirror: 0%, hold: 1h, eject: 0, capacity: 0, slow_start: 1ms, maintenance: { status: 100 } }\nrequest_limits: { uri: 1B, per_client: { rate: 1/h, burst: 100000 } }\n",
    ),
    (
        "P016",
        "application: a\nservices: { web: { run: x, stop: { signal: SIGTERM }, user: \"a b\", strategy: { on_inconclusive: wait } } }\n",
    ),
    (
        "P016",
        "application: a\nservices: { web: { run: x } }\ntraffic: { sticky: ip, testers: [{ header: x, to: old }], mirror: { share: 5%, methods: [get] } }\n",
    ),
    (
        "P017",
        "application: a\nservices: { web: { run: x } }\nprometheus: { url: \"http://127.0.0.1:9090\", token_file: token }\n",
    ),
    (
        "P017",
        "application: a\nservices: { web: { run: x, artifact: /srv/dist, folder: ../up, ready: { http: health } } }\nroutes: [{ path: api, service: web }, { path: \"/a*\", service: web }]\n",
    ),
    (
        "P017",
        "application: a\nservices: { web: { serve: { root: /srv/dist, path: app, fallback: ../index.html } } }\n",
    ),
    (
        "P017",
        "application: a\nservices: { web: { run: x } }\nenvironments: { production: { tls: { certificates: [{ chain: a.pem }] } } }\n",
    ),
    (
        "P018",
        "application: a\nservices: { web: { run: x } }\nroutes: [{ host: \"https://shop.example/\", service: web }, { host: \"*.shop.example\", service: web }]\n",
    ),
    (
        "P018",
        "application: a\nservices: { web: { run: x } }\nenvironments: { production: { tls: { acme: { hosts: [localhost] } } } }\n",
    ),
    (
        "P019",
        "application: a\nservices: { web: { run: \"echo 'a\", ready: { command: [] } }, api: { run: cd api && ./serve }, c: { run: A=b ./c }, d: { run: \"\" } }\nroutes: [{ service: web }, { path: /api, service: api }, { path: /c, service: c }, { path: /d, service: d }]\n",
    ),
    (
        "P020",
        "application: a\nservices: { web: { run: x, env: { 1A: b, A-B: c, D: \"a\\0b\" } } }\n",
    ),
    (
        "P021",
        "application: a\nservices: { web: { run: x, ready: { http: /, tcp: true }, limits: { errors: 1%, success: 99% }, strategy: { rolling: , canary: } } }\n",
    ),
    (
        "P021",
        "application: a\nservices: { web: { run: x } }\nprometheus: http://127.0.0.1:9090\nlimits:\n  metrics:\n    queue: { metric: jobs, prometheus: jobs, at_most: 1 }\n    load: { prometheus: load, counter: true, at_most: 1 }\n    size: { instance: memory, every: 5s, at_most: 1GiB }\n    none: { metric: jobs, at_least: 5, at_most: 3 }\n",
    ),
    (
        "P021",
        "application: a\nservices: { web: { run: x, artifact: dist, serve: dist, protocol: http2 } }\n",
    ),
    (
        "P021",
        "application: a\nservices: { web: { run: x } }\ntraffic: { sticky: { cookie: a, header: b }, testers: [{ header: a, cookie: b }] }\n",
    ),
    (
        "P022",
        "application: a\nservices: { web: { run: x, strategy: { canary: { steps: [5%, 25%, 25%, 10%] } } } }\n",
    ),
    (
        "P023",
        "application: a\nservices: { web: { run: x, strategy: { canary: { steps: [0%, 0.001%, 101%] } } } }\n",
    ),
    (
        "P024",
        "application: a\nservices:\n  web: { run: x, after: [api] }\n  api: { run: x, after: [db] }\n  db: { run: x, after: [web] }\n  alone: { run: x, after: [alone] }\nroutes: []\nenv: {}\nlimits: {}\nenvironments: { e: { services: { web: { ready: tcp }, api: { ready: tcp }, db: { ready: tcp }, alone: { ready: tcp } } } }\n",
    ),
    (
        "P025",
        "application: a\nservices: { web: { run: x } }\nenvironments: { a: , b: , c: { listen: 0.0.0.0:8080 } }\n",
    ),
    (
        "P025",
        "application: a\nservices: { web: { run: x } }\nenvironments:\n  production: { listen: \"0.0.0.0:443\", tls: { acme: { hosts: [a.example] }, from_http: \"0.0.0.0:80\" } }\n  staging: { listen: 127.0.0.1:80 }\n",
    ),
    (
        "P026",
        "application: a\nservices: { web: { run: x }, api: { run: x } }\n",
    ),
    (
        "P027",
        "application: a\nservices: { web: { run: x } }\nroutes: [{ path: /a, service: web }, { path: /a/, service: web }]\n",
    ),
    (
        "P027",
        "application: a\nservices: { web: { run: x }, beta: { run: x } }\nroutes:\n  - { service: web }\n  - { methods: [GET, PUT], service: web }\n  - { methods: [PUT], service: beta }\n  - { headers: { x-track: beta }, service: beta }\n  - { cookies: { track: beta }, service: beta }\n",
    ),
    (
        "P028",
        "application: a\nservices: { web: { run: x }, worker: { run: x } }\nroutes: [{ service: web }]\n",
    ),
    (
        "P029",
        "application: a\nservices: { web: { run: x, strategy: { canary: { steps: [5%, 50%, 100%] } } } }\n",
    ),
    (
        "P029",
        "application: a\nservices: { web: { run: x, strategy: { blue_green: { soak: 10m } } } }\n",
    ),
    (
        "P030",
        "application: a\nservices: { web: { run: x } }\nlimits: { metrics: { queue: { metric: jobs, at_most: many, at_least: .inf } } }\n",
    ),
    (
        "P031",
        "application: a\nservices: { web: { run: x } }\nlimits:\n  metrics:\n    queue: { metric: 'sum(jobs)', at_most: 1 }\n    mail: { metric: 'jobs{queue=~\"m.*\"}', at_most: 1 }\n    print: { metric: 'jobs{queue=print}', at_most: 1 }\n",
    ),
    (
        "P032",
        "application: a\nservices: { web: { run: x } }\nprometheus: http://127.0.0.1:9090\nlimits:\n  metrics:\n    load: { prometheus: 'load{instance=~\"$INSTANCE\"}', at_most: 1 }\n    none: { prometheus: '', at_most: 1 }\n",
    ),
    (
        "P033",
        "application: a\nservices: { web: { run: x } }\nprometheus: https://prometheus.example\nenvironments:\n  staging: { prometheus: { url: \"http://ann:secret@127.0.0.1:9090\" } }\n  production: { prometheus: 127.0.0.1:9090, listen: 0.0.0.0:80 }\n",
    ),
    (
        "P034",
        "application: a\nservices: { web: { run: x } }\nprometheus: http://127.0.0.1:9090\nlimits: { metrics: { load: { prometheus: 'load{service=\"$SERVICE\"}', against_stable: 20% } } }\n",
    ),
    (
        "P035",
        "application: a\nservices: { web: { run: x } }\nenvironments:\n  production:\n    headers:\n      content-length: 5\n      x frame: DENY\n      x-frame-options: \"DENY\\r\\nset-cookie: a=b\"\n  staging: { listen: 127.0.0.1:8081, headers: { Strict-Transport-Security: max-age=31536000 } }\n",
    ),
    (
        "P035",
        "application: a\nservices: { web: { run: x } }\ntraffic: { maintenance: { body: later, type: html } }\n",
    ),
    (
        "P035",
        "application: a\nservices: { web: { serve: { root: dist, headers: { \"**\": { cache-control: no-store, ETag: x, connection: close } } } } }\n",
    ),
    (
        "P036",
        "application: a\nservices: { web: { run: x } }\nenvironments: { production: { trusted: [10.1.2.3/8, 10.0.0.0/33], proxy_protocol: [localhost] } }\n",
    ),
    (
        "P037",
        "application: a\nservices: { web: { run: x } }\nenvironments: { production: { tls: { acme: { hosts: [a.example], contact: [Ann, \"mailto:@\"] } } } }\n",
    ),
    (
        "P038",
        "application: a\nservices: { web: { run: x } }\nenvironments: { production: { tls: { acme: { hosts: [a.example], directory: \"http://ca.example\" } } } }\n",
    ),
    (
        "P039",
        "application: a\nservices: { web: { run: x } }\nrequest_limits: { per_client: 100, in_all: 5/d }\nroutes: [{ service: web, request_limits: { per_client: { rate: 0/s, burst: 5 } } }]\n",
    ),
    (
        "P040",
        "application: a\nservices: { web: { run: x } }\ntraffic: { sticky: { header: \"x user\" }, testers: [{ cookie: \"a=b\" }] }\nroutes:\n  - { service: web, headers: { \"x track\": a, x-track: \" a\" }, cookies: { a: \"b;c\" } }\n",
    ),
    (
        "P041",
        "application: a\nservices:\n  web: { run: x, traffic: { sticky: { cookie: side } } }\n  api: { run: x, traffic: { sticky: { cookie: side } } }\nroutes: [{ service: web }, { path: /api, service: api }]\n",
    ),
    (
        "P042",
        "application: a\nservices:\n  web:\n    serve: { root: dist, cache: { assets/: immutable, \"a**\": 1h }, headers: { ../x: { a: b } } }\n",
    ),
    (
        "P043",
        "application: a\nservices: { web: { serve: { root: dist, cache: { \"*.js\": forever, \"*.css\": 2000d } } } }\n",
    ),
    (
        "P044",
        "application: a\nservices: { web: { run: x } }\ngates:\n  rules:\n    bundle: numbers.bundle_kb <= promoted.number.bundle_kb * 1.05\n    tests: \"tests.pased > 1 && tests.flaky\"\n    found: 'findings.list.exists(f, findings.list.exists(g, f.id == g.id))'\n    long: |\n      tests.passed >\n      max(1, 2)\n",
    ),
    (
        "P045",
        "application: a\nservices: { web: { run: x } }\ngates: { findings: { exceptions: [{ id: CVE-2026-1, until: 2026-02-30, reason: not reached }] } }\n",
    ),
    (
        "P046",
        "application: a\nservices: { web: { run: ./x } }\nenvironments: { production: { entry: { windows: [Mon-Fri 9-16, Mo 09:00-16:00, Sat 24:00-25:00] } } }\n",
    ),
    (
        "P047",
        "application: a\nservices: { web: { run: ./x } }\nenvironments: { production: { entry: { windows: [Tue], time_zone: CEST } } }\n",
    ),
    (
        "P048",
        "application: a\nservices: { web: { run: ./x } }\nenvironments: { production: { entry: { branches: [refs/heads/main, \"my branch\"] } } }\n",
    ),
    (
        "P005",
        "application: a\nservices: { web: { run: ./x } }\nenvironments: { production: { entry: { approvals: { lasts: 3d, needs: [{ count: 2 }] } } } }\n",
    ),
    (
        "P021",
        "application: a\nservices: { web: { run: ./x } }\nenvironments: { production: { entry: { approvals: { count: 1, needs: [security, { people: [ben, carl], count: 3 }] } } } }\n",
    ),
    (
        "P024",
        "application: a\nservices: { web: { run: ./x } }\nenvironments:\n  staging: { listen: \"127.0.0.1:1\", entry: { after: production } }\n  production: { entry: { after: staging } }\n",
    ),
    (
        "P024",
        "application: a\nservices: { web: { run: x } }\npipeline:\n  jobs:\n    build: { run: make, needs: [scan] }\n    scan: { run: scan, needs: [build] }\n",
    ),
    (
        "P049",
        "application: a\nservices: { web: { run: x } }\npipeline:\n  start: { schedule: \"0 25 * * *\" }\n  jobs: { test: { run: make test } }\n",
    ),
    (
        "P050",
        "application: a\nservices: { web: { run: x } }\nenvironments:\n  production:\n    checklists:\n      before:\n        database: { connect: db.internal }\n        dns: { name: db.internal, address: db }\n        told: { confirm: \"\" }\n",
    ),
    (
        "P021",
        "application: a\nservices: { web: { run: x } }\nenvironments:\n  production:\n    checklists:\n      before:\n        disk: { free: 10GiB, days: 3 }\n        told: { confirm: Customers were told, within: 1h }\n      after:\n        both: { free: 10GiB, confirm: There is room }\n",
    ),
    (
        "P005",
        "application: a\nservices: { web: { run: x } }\nenvironments: { production: { checklists: { during: { told: { by: operator } } } } }\n",
    ),
];

/// Returns the problems of a text, be they errors or warnings.
fn problems(text: &str) -> Option<Problems> {
    match Project::parse(text, "leadsman.yaml") {
        Ok(project) => project.warnings().cloned(),
        Err(problems) => Some(problems),
    }
}

fn said_about(text: &str) -> String {
    problems(text).map_or_else(|| "nothing is wrong".to_owned(), |all| all.to_string())
}

/// The page of each code shows every mistake of its kind with what is said about it.
/// `UPDATE_EXPECT=1` writes the pages anew.
#[test]
fn each_mistake_is_explained_where_it_stands() {
    // One sentence to a line, as everywhere in the documentation.
    let sentences = |text: &str| text.replace(". ", ".\n");
    for code in CODES {
        let mut page = format!(
            "# {}: {}\n\n{}\n",
            code.code,
            code.title,
            sentences(code.cause)
        );
        page.push_str(&format!("\n## What to do\n\n{}\n", sentences(code.remedy)));
        for (_, text) in MISTAKES.iter().filter(|(of, _)| *of == code.code) {
            let written = text.replace('\t', "→");
            page.push_str(&match *text {
                "" => "\n## For example, an empty file\n".to_owned(),
                _ if *text != written => {
                    format!(
                        "\n## For example, with a tab where the arrow is\n\n```yaml\n{written}```\n"
                    )
                }
                _ => format!("\n## For example\n\n```yaml\n{written}```\n"),
            });
            page.push_str(&format!("\n```text\n{}\n```\n", said_about(text)));
        }
        let path = format!("../../../../../docs/errors/{}.md", code.code);
        ExpectFile {
            path: path.into(),
            position: file!(),
        }
        .assert_eq(&page);
    }
}

#[test]
fn each_mistake_is_of_one_kind_and_each_kind_is_shown() {
    for (code, text) in MISTAKES {
        let problems = problems(text).expect("it is a mistake");
        assert!(
            problems.iter().all(|problem| problem.code == *code),
            "{problems}"
        );
        let warns = problems
            .iter()
            .any(|problem| problem.severity == Severity::Warning);
        assert_eq!(
            Project::parse(text, "leadsman.yaml").is_ok(),
            warns,
            "{text}"
        );
    }
    let shown: BTreeSet<&str> = MISTAKES.iter().map(|(code, _)| *code).collect();
    let known: BTreeSet<&str> = CODES.iter().map(|code| code.code).collect();
    // What is too large is shown where hostile files are.
    assert_eq!(
        known.difference(&shown).copied().collect::<Vec<_>>(),
        ["P002"]
    );
}

#[test]
fn all_mistakes_are_told_in_one_go() {
    let text = "\
application: shop
services:
  web:
    run: ./server
    instances: 0
    memory: 512M
    after: [worker]
    strategy: carful
    limits: { errors: 5, p95: 400 }
strategies:
  careful: { canary: { steps: [50%, 25%] } }
environments:
  production: { listn: 0.0.0.0:80 }
";
    expect![[r#"
        error[P015]: `0` is out of range
         --> leadsman.yaml:5:16
          |
        5 |     instances: 0
          |                ^
        hint: choose one from 1 to 1000

        error[P013]: `512M` is not a size
         --> leadsman.yaml:6:13
          |
        6 |     memory: 512M
          |             ^^^^
        hint: write `512MiB`, which counts in 1024s

        error[P009]: there is no service `worker`
         --> leadsman.yaml:7:13
          |
        7 |     after: [worker]
          |             ^^^^^^
        hint: only `web` is known here

        error[P009]: there is no strategy `carful`
         --> leadsman.yaml:8:15
          |
        8 |     strategy: carful
          |               ^^^^^^
        hint: did you mean `careful`?

        error[P012]: `5` is not a share
         --> leadsman.yaml:9:23
          |
        9 |     limits: { errors: 5, p95: 400 }
          |                       ^
        hint: shares are written in percent: `5%`

        error[P011]: `400` is not a duration
         --> leadsman.yaml:9:31
          |
        9 |     limits: { errors: 5, p95: 400 }
          |                               ^^^
        hint: say in which unit, such as `400ms`, `400s` or `400m`

        error[P022]: the step to 25% comes after the one to 50%
          --> leadsman.yaml:11:37
           |
        11 |   careful: { canary: { steps: [50%, 25%] } }
           |                                     ^^^
        hint: put the weights in rising order, each once

        error[P003]: unknown key `listn` in `environments.production`
          --> leadsman.yaml:13:17
           |
        13 |   production: { listn: 0.0.0.0:80 }
           |                 ^^^^^
        hint: did you mean `listen`?"#]]
    .assert_eq(&said_about(text));
}

#[test]
fn one_mistake_is_told_once_though_many_environments_share_it() {
    let text = "application: a\nservices: { web: { run: x, after: [nobody] } }\n\
        environments: { a: { listen: 127.0.0.1:1 }, b: { listen: 127.0.0.1:2 } }\n";
    let problems = Project::parse(text, "leadsman.yaml").unwrap_err();
    assert_eq!(problems.count(), 1, "{problems}");
}

#[test]
fn a_long_line_is_cut_around_the_place_that_matters() {
    let text = format!(
        "application: a\nservices: {{ web: {{ run: \"{}\", instnces: 1 }} }}\n",
        "x".repeat(500)
    );
    expect![[r#"
        error[P003]: unknown key `instnces` in `services.web`
         --> leadsman.yaml:2:529
          |
        2 | xxxxxxxxxxxxxxxxxxxxxxxxxxx", instnces: 1 } }
          |                               ^^^^^^^^
        hint: did you mean `instances`?"#]]
    .assert_eq(&said_about(&text));
}

#[test]
fn what_a_terminal_would_obey_is_not_repeated() {
    let said = said_about("application: \"\\e]0;title\\a\"\nservices: { web: { run: x } }\n");
    assert!(
        said.chars().all(|c| c == '\n' || !c.is_control()),
        "{said:?}"
    );
    let raw = said_about("application: a\nservices: { web: { run: x } } # \u{202e}\n\u{85}x: 1\n");
    assert!(!raw.contains(['\u{202e}', '\u{85}']), "{raw:?}");
}

#[test]
fn problems_serialise_for_programs() {
    let problems = Project::parse("services: { web: { run: x } }\n", "leadsman.yaml").unwrap_err();
    expect![[r#"
        {
          "file_name": "leadsman.yaml",
          "problems": [
            {
              "code": "P005",
              "severity": "error",
              "message": "the project file has no `application`",
              "location": {
                "line": 1,
                "column": 1,
                "length": 1
              },
              "source_line": "services: { web: { run: x } }",
              "hint": "add it, such as `application: shop`"
            }
          ],
          "omitted": 0
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&problems).unwrap());
}

#[test]
fn a_service_that_only_listens_inside_needs_no_route() {
    project(
        "application: a\nservices: { web: { run: x }, worker: { run: x, ready: { command: y } } }\n",
    );
    project("application: a\nservices: { web: { run: x, ready: tcp } }\nroutes: []\n");
}

#[test]
fn a_warning_is_given_once_and_only_where_all_requests_are_held() {
    let file = |canary: &str| {
        format!(
            "application: a\nservices: {{ web: {{ run: x }}, api: {{ run: x }} }}\nroutes: []\n\
             strategy: {{ canary: {{ {canary} }} }}\nenvironments:\n  \
             a: {{ listen: 127.0.0.1:1 }}\n  b: {{ listen: 127.0.0.1:2 }}\n"
        )
    };
    for (canary, count) in [
        ("steps: [5%, 100%]", 1),
        ("steps: [5%, { weight: 100%, soak: null }]", 0),
        ("steps: [5%, 100%], soak: null", 0),
        ("steps: [5%, 90%]", 0),
        ("soak: 1h", 0),
    ] {
        let text = file(canary).replace("run: x", "run: x, ready: tcp");
        let found = problems(&text).map_or(0, |all| all.count());
        assert_eq!(found, count, "{text}");
    }
}
