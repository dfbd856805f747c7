//! What a valid file means.

use expect_test::{Expect, expect};
use leadsman_analysis::Limits;
use leadsman_core::id::ServiceName;
use leadsman_core::project::{self, Project, units};
use leadsman_core::spec::{EnvironmentSpec, Probe, Protocol, Strategy};
use leadsman_gates::{Gates, Severity};

use super::{fixtures, project, resolved};

#[test]
fn five_lines_are_enough() {
    let spec = resolved(
        "application: files\nservices:\n  web:\n    artifact: ./site\n    run: python3 -m http.server $PORT\n",
        "production",
    );
    expect![[r#"
        EnvironmentSpec {
            application: ApplicationName(
                "files",
            ),
            environment: EnvironmentName(
                "production",
            ),
            listen: 127.0.0.1:8080,
            entrance: Entrance {
                tls: None,
                headers: {},
                trusted: [
                    "127.0.0.0/8",
                    "::1/128",
                ],
                proxy_protocol: [],
            },
            entry: EntryRules {
                automatic: false,
                after: None,
                branches: {},
                tags: {},
                approvals: None,
                calendar: Calendar {
                    time_zone: "UTC",
                    windows: [],
                },
                maintenance: [],
                checklists: Checklists {
                    before: {},
                    during: {},
                    after: {},
                    after_rollback: {},
                },
                gates: Gates {
                    tests: None,
                    coverage: None,
                    findings: None,
                    licences: None,
                    load: None,
                    jobs: {},
                    numbers: {},
                    rules: {},
                    expire: 30,
                },
                waits: 604800s,
                expedited: None,
            },
            services: {
                ServiceName(
                    "web",
                ): ServiceSpec {
                    instances: 1,
                    run: [
                        "python3",
                        "-m",
                        "http.server",
                        "$PORT",
                    ],
                    serve: None,
                    artifact: Some(
                        "./site",
                    ),
                    folder: ".",
                    env: {},
                    user: None,
                    memory: None,
                    files: None,
                    protocol: Http1,
                    ready: Readiness {
                        probe: Tcp,
                        every: 500ms,
                        timeout: 1s,
                        within: 60s,
                        steady: 0ns,
                    },
                    stop: Stop {
                        signal: "TERM",
                        drain: 30s,
                        grace: 10s,
                    },
                    after: [],
                    strategy: Strategy {
                        steps: [
                            Step {
                                weight: Weight(
                                    500,
                                ),
                                soak: Some(
                                    600s,
                                ),
                            },
                            Step {
                                weight: Weight(
                                    2500,
                                ),
                                soak: Some(
                                    600s,
                                ),
                            },
                            Step {
                                weight: Weight(
                                    5000,
                                ),
                                soak: Some(
                                    600s,
                                ),
                            },
                            Step {
                                weight: Weight(
                                    9000,
                                ),
                                soak: Some(
                                    600s,
                                ),
                            },
                            Step {
                                weight: Weight(
                                    10000,
                                ),
                                soak: None,
                            },
                        ],
                        sizing: Proportional,
                        keep_warm: 600s,
                        patience: 3600s,
                        on_inconclusive: Hold,
                        baseline: Stable,
                    },
                    limits: Limits {
                        errors: Some(
                            0.05,
                        ),
                        p95: None,
                        p99: None,
                        memory: Some(
                            0.9,
                        ),
                        cpu: None,
                        restarts: Some(
                            0,
                        ),
                        against_stable: AgainstStable {
                            errors: Some(
                                0.01,
                            ),
                            p95: Some(
                                0.2,
                            ),
                            p99: Some(
                                0.5,
                            ),
                        },
                        requests: 100,
                        warm_up: 0ns,
                        risk: Risk {
                            steps: 0.008,
                            alone: 0.001,
                            tripwire: 0.001,
                            tolerated: 0.1,
                            pass: 0.05,
                        },
                        metrics: {},
                    },
                    metrics: {},
                    traffic: Traffic {
                        sticky: None,
                        testers: [],
                        mirror: None,
                        hold: None,
                        maintenance: None,
                        eject: None,
                        retries: None,
                        capacity: None,
                        slow_start: None,
                    },
                },
            },
            routes: [
                RouteRule {
                    host: None,
                    path: "/",
                    methods: [],
                    when: [],
                    service: ServiceName(
                        "web",
                    ),
                    limits: None,
                },
            ],
            migration: None,
        }
    "#]]
    .assert_debug_eq(&spec);
}

#[test]
fn a_full_file_is_resolved_for_each_environment() {
    let (_, text) = fixtures()
        .into_iter()
        .find(|(name, _)| name.ends_with("full.yaml"))
        .unwrap();
    let project = project(&text);
    let mut environments = project.environments();
    let mut shown = || Some(show(project.resolve(environments.next()?).unwrap()));
    let first = shown().unwrap();
    let others = std::iter::from_fn(shown).map(|other| differences(&first, &other));
    let shown = first.clone() + &others.collect::<String>();
    expect![[r#"
        shop development 127.0.0.1:8080
          */admin -> admin
            RequestLimits { uri: None, body: Some(10485760), pace: None, per_client: Some(Rate { requests: 100, per: 1s, burst: 100 }), in_all: None }
          */pages -> pages
            RequestLimits { uri: None, body: Some(10485760), pace: None, per_client: Some(Rate { requests: 100, per: 1s, burst: 100 }), in_all: None }
          */api -> api
            RequestLimits { uri: None, body: Some(10485760), pace: None, per_client: Some(Rate { requests: 100, per: 1s, burst: 100 }), in_all: None }
          */app -> app
            RequestLimits { uri: None, body: Some(10485760), pace: None, per_client: Some(Rate { requests: 100, per: 1s, burst: 100 }), in_all: None }
          */ -> web
            RequestLimits { uri: None, body: Some(10485760), pace: None, per_client: Some(Rate { requests: 100, per: 1s, burst: 100 }), in_all: None }
          admin: 1 x ["./admin"]
            artifact None, folder .
            {"LEVEL": "info", "REGION": "eu"}, as None
            memory None, files None
            ready tcp 500ms 1s 1m 0s
            stop TERM 30s 10s, after []
            strategy Full [100 % for 5m] warm 10m patience 0s Rollback
            Limits { errors: Some(0.05), p95: Some(1s), p99: Some(2s), memory: Some(0.9), cpu: Some(0.8), restarts: Some(1), against_stable: AgainstStable { errors: Some(0.005), p95: Some(0.2), p99: Some(1.5) }, requests: 200, warm_up: 0ns, risk: Risk { steps: 0.008, alone: 0.001, tripwire: 0.001, tolerated: 0.1, pass: 0.05 }, metrics: {} }
            Traffic { sticky: Some(Header("x-user")), testers: [], mirror: None, hold: None, maintenance: None, eject: None, retries: Some(Retries { share: Weight(5000), per_second: 10 }), capacity: None, slow_start: None }
          api: 1 x ["./api", "--port", "$PORT", "--workers", "4"]
            artifact None, folder .
            {"LEVEL": "info", "REGION": "eu"}, as Some("1000")
            memory None, files None
            ready /ready 1s 500ms 2m 3s
            stop TERM 30s 20s, after []
            strategy Proportional [1 % for 5m, 10 % for 1h, 100 %] warm 1h patience 1h Hold
            Limits { errors: Some(0.005), p95: Some(1s), p99: None, memory: Some(0.9), cpu: Some(0.8), restarts: Some(1), against_stable: AgainstStable { errors: None, p95: None, p99: None }, requests: 200, warm_up: 0ns, risk: Risk { steps: 0.008, alone: 0.001, tripwire: 0.001, tolerated: 0.1, pass: 0.05 }, metrics: {} }
            Traffic { sticky: Some(Cookie { name: "leadsman-api", path: "/", max_age: None }), testers: [], mirror: Some(Mirror { share: Weight(1000), methods: ["GET", "HEAD", "OPTIONS"], body: 0, at_once: 100 }), hold: Some(Hold { wait: 5s, requests: 1000 }), maintenance: Some(Maintenance { status: 503, body: "Back at noon.", content_type: "text/plain; charset=utf-8", retry_after: None }), eject: Some(Ejection { failures: 5, time: 10s, time_max: 300s, share: Weight(5000) }), retries: Some(Retries { share: Weight(2000), per_second: 10 }), capacity: Some(Capacity { requests: 100, pending: 1000, wait: 5s }), slow_start: Some(10s) }
          app: 1 x []
            artifact Some("./front/dist"), folder .
            {"LEVEL": "info", "REGION": "eu"}, as None
            memory None, files None
            ready tcp 500ms 1s 1m 0s
            stop TERM 30s 10s, after []
            strategy Proportional [5 % for 30m, 25 % for 30m, 50 % for 30m, 100 % for 30m] warm 10m patience 1h Hold
            Limits { errors: Some(0.05), p95: Some(1s), p99: Some(2s), memory: Some(0.9), cpu: Some(0.8), restarts: Some(1), against_stable: AgainstStable { errors: Some(0.005), p95: Some(0.2), p99: Some(1.5) }, requests: 200, warm_up: 0ns, risk: Risk { steps: 0.008, alone: 0.001, tripwire: 0.001, tolerated: 0.1, pass: 0.05 }, metrics: {} }
            Bundle { path: "/app", fallback: Some("index.html"), cache: [CacheRule { files: Pattern("sw.js"), cache: Never }, CacheRule { files: Pattern("assets/**"), cache: Immutable }, CacheRule { files: Pattern("/robots.txt"), cache: For(3600s) }, CacheRule { files: Pattern("*.map"), cache: Asked }], headers: [HeaderRule { files: Pattern(".well-known/apple-app-site-association"), headers: {"content-type": "application/json"} }, HeaderRule { files: Pattern("**"), headers: {"referrer-policy": "no-referrer", "x-frame-options": "deny"} }], hidden: true }
            Traffic { sticky: None, testers: [], mirror: None, hold: None, maintenance: None, eject: None, retries: Some(Retries { share: Weight(5000), per_second: 10 }), capacity: None, slow_start: Some(10s) }
          pages: 1 x []
            artifact Some("./site"), folder .
            {"LEVEL": "info", "REGION": "eu"}, as None
            memory None, files None
            ready tcp 500ms 1s 1m 0s
            stop TERM 30s 10s, after []
            strategy Proportional [5 % for 30m, 25 % for 30m, 50 % for 30m, 100 % for 30m] warm 10m patience 1h Hold
            Limits { errors: Some(0.05), p95: Some(1s), p99: Some(2s), memory: Some(0.9), cpu: Some(0.8), restarts: Some(1), against_stable: AgainstStable { errors: Some(0.005), p95: Some(0.2), p99: Some(1.5) }, requests: 200, warm_up: 0ns, risk: Risk { steps: 0.008, alone: 0.001, tripwire: 0.001, tolerated: 0.1, pass: 0.05 }, metrics: {} }
            Bundle { path: "/", fallback: None, cache: [], headers: [], hidden: false }
            Traffic { sticky: Some(Cookie { name: "leadsman-pages", path: "/", max_age: None }), testers: [], mirror: None, hold: None, maintenance: None, eject: None, retries: Some(Retries { share: Weight(5000), per_second: 10 }), capacity: None, slow_start: Some(10s) }
          web: 2 x ["./server", "--quiet", "two words", "$PORT"]
            artifact Some("./dist"), folder .
            {"DEBUG": "true", "GREETING": "hello", "REGION": "eu", "VERSION": "1.10"}, as Some("www-data")
            memory Some(536870912), files Some(4096)
            ready /health?full=1 500ms 1s 1m 0s
            stop INT 45s 1m30s, after ["api", "worker"]
            strategy Proportional [5 % for 30m, 25 % for 30m, 50 % for 30m, 100 % for 30m] warm 10m patience 1h Hold
            Limits { errors: Some(0.01), p95: Some(400ms), p99: Some(2s), memory: Some(0.9), cpu: Some(0.8), restarts: Some(1), against_stable: AgainstStable { errors: Some(0.005), p95: Some(0.3), p99: Some(1.5) }, requests: 200, warm_up: 0ns, risk: Risk { steps: 0.008, alone: 0.001, tripwire: 0.001, tolerated: 0.1, pass: 0.05 }, metrics: {"heap": GaugeLimit { at_most: Some(536870912.0), at_least: None, against_stable: Some(0.5), worse: More, hold: 30s, outage: 120s }, "hits": GaugeLimit { at_most: None, at_least: None, against_stable: Some(0.1), worse: Less, hold: 30s, outage: 120s }, "queue": GaugeLimit { at_most: Some(100.0), at_least: None, against_stable: Some(0.2), worse: More, hold: 60s, outage: 120s }, "saturation": GaugeLimit { at_most: Some(0.8), at_least: None, against_stable: None, worse: More, hold: 0ns, outage: 120s }, "sent": GaugeLimit { at_most: None, at_least: Some(0.5), against_stable: None, worse: Less, hold: 30s, outage: 300s }} }
            Traffic { sticky: Some(Cookie { name: "side", path: "/shop", max_age: Some(604800s) }), testers: [Tester { when: Condition { place: Header, name: "x-tester", value: Some("ann") }, to: Canary }, Tester { when: Condition { place: Cookie, name: "tester", value: None }, to: Stable }], mirror: Some(Mirror { share: Weight(250), methods: ["GET", "POST"], body: 65536, at_once: 10 }), hold: Some(Hold { wait: 10s, requests: 50 }), maintenance: Some(Maintenance { status: 200, body: "<h1>\"Back\" soon</h1>\n", content_type: "text/html; charset=utf-8", retry_after: Some(3600s) }), eject: Some(Ejection { failures: 3, time: 5s, time_max: 60s, share: Weight(3000) }), retries: Some(Retries { share: Weight(1000), per_second: 0 }), capacity: Some(Capacity { requests: 64, pending: 0, wait: 0ns }), slow_start: Some(30s) }
            heap: Measured(Memory)
            hits: Queried(Queried { server: PrometheusServer { url: "http://127.0.0.1:9090", token_file: None }, query: Query("hits{release=\"${RELEASE}\"}"), every: 15s })
            queue: Shown(Shown { selector: Selector { name: "jobs_waiting", labels: [Label { name: "queue", value: "mail", is: true }, Label { name: "state", value: "dead", is: false }] }, path: "/metrics", counter: false, series: None, instances: Max, every: 5s })
            saturation: Queried(Queried { server: PrometheusServer { url: "http://127.0.0.1:9090", token_file: None }, query: Query("avg(load{instance=~\"$INSTANCES\"})"), every: 30s })
            sent: Shown(Shown { selector: Selector { name: "mails_sent_total", labels: [] }, path: "/internal/metrics", counter: true, series: Some(Sum), instances: Sum, every: 2s })
          worker: 1 x ["./worker"]
            artifact None, folder .
            {"LEVEL": "info", "REGION": "eu"}, as None
            memory None, files None
            ready ["./is-ready"] 500ms 1s 1m 0s
            stop TERM 30s 10s, after []
            strategy InTurn [100 %] warm 0s patience 1h Hold
            Limits { errors: None, p95: None, p99: None, memory: None, cpu: None, restarts: None, against_stable: AgainstStable { errors: None, p95: None, p99: None }, requests: 100, warm_up: 0ns, risk: Risk { steps: 0.008, alone: 0.001, tripwire: 0.001, tolerated: 0.1, pass: 0.05 }, metrics: {} }
            Traffic { sticky: None, testers: [], mirror: None, hold: None, maintenance: None, eject: None, retries: Some(Retries { share: Weight(5000), per_second: 10 }), capacity: None, slow_start: Some(10s) }
        shop staging 127.0.0.1:8081
          */pages -> pages
            RequestLimits { uri: None, body: None, pace: Some(Pace { idle: 60s, bytes_per_second: 1024, grace: 10s }), per_client: Some(Rate { requests: 100, per: 1s, burst: 100 }), in_all: None }
          */api -> api
            RequestLimits { uri: None, body: None, pace: Some(Pace { idle: 60s, bytes_per_second: 1024, grace: 10s }), per_client: Some(Rate { requests: 100, per: 1s, burst: 100 }), in_all: None }
          */app -> app
            RequestLimits { uri: None, body: None, pace: Some(Pace { idle: 60s, bytes_per_second: 1024, grace: 10s }), per_client: Some(Rate { requests: 100, per: 1s, burst: 100 }), in_all: None }
          */ -> web
            RequestLimits { uri: None, body: None, pace: Some(Pace { idle: 60s, bytes_per_second: 1024, grace: 10s }), per_client: Some(Rate { requests: 100, per: 1s, burst: 100 }), in_all: None }
          api: 1 x ["./api", "--port", "$PORT", "--workers", "4"]
            {"LEVEL": "debug"}, as Some("1000")
            strategy InTurn [100 %] warm 0s patience 1h Hold
            Limits { errors: Some(0.005), p95: Some(1s), p99: None, memory: Some(0.9), cpu: Some(0.8), restarts: Some(1), against_stable: AgainstStable { errors: None, p95: None, p99: None }, requests: 10, warm_up: 0ns, risk: Risk { steps: 0.008, alone: 0.001, tripwire: 0.001, tolerated: 0.1, pass: 0.05 }, metrics: {} }
            Traffic { sticky: Some(Address), testers: [], mirror: Some(Mirror { share: Weight(1000), methods: ["GET", "HEAD", "OPTIONS"], body: 0, at_once: 100 }), hold: Some(Hold { wait: 5s, requests: 1000 }), maintenance: Some(Maintenance { status: 503, body: "Back at noon.", content_type: "text/plain; charset=utf-8", retry_after: None }), eject: Some(Ejection { failures: 5, time: 10s, time_max: 300s, share: Weight(5000) }), retries: Some(Retries { share: Weight(2000), per_second: 10 }), capacity: Some(Capacity { requests: 100, pending: 1000, wait: 5s }), slow_start: None }
          app: 1 x []
            {"LEVEL": "debug"}, as None
            strategy InTurn [100 %] warm 0s patience 1h Hold
            Limits { errors: Some(0.05), p95: Some(1s), p99: Some(2s), memory: Some(0.9), cpu: Some(0.8), restarts: Some(1), against_stable: AgainstStable { errors: Some(0.005), p95: Some(0.2), p99: Some(1.5) }, requests: 10, warm_up: 0ns, risk: Risk { steps: 0.008, alone: 0.001, tripwire: 0.001, tolerated: 0.1, pass: 0.05 }, metrics: {} }
            Bundle { path: "/app", fallback: None, cache: [CacheRule { files: Pattern("sw.js"), cache: Never }, CacheRule { files: Pattern("assets/**"), cache: Immutable }, CacheRule { files: Pattern("/robots.txt"), cache: For(3600s) }, CacheRule { files: Pattern("**"), cache: For(600s) }], headers: [HeaderRule { files: Pattern(".well-known/apple-app-site-association"), headers: {"content-type": "application/json"} }, HeaderRule { files: Pattern("**"), headers: {"referrer-policy": "no-referrer", "x-frame-options": "deny"} }], hidden: false }
            Traffic { sticky: Some(Address), testers: [], mirror: None, hold: None, maintenance: None, eject: None, retries: Some(Retries { share: Weight(5000), per_second: 10 }), capacity: None, slow_start: None }
          pages: 1 x ["./pages"]
            artifact None, folder .
            {"LEVEL": "debug"}, as None
            strategy InTurn [100 %] warm 0s patience 1h Hold
            Limits { errors: Some(0.05), p95: Some(1s), p99: Some(2s), memory: Some(0.9), cpu: Some(0.8), restarts: Some(1), against_stable: AgainstStable { errors: Some(0.005), p95: Some(0.2), p99: Some(1.5) }, requests: 10, warm_up: 0ns, risk: Risk { steps: 0.008, alone: 0.001, tripwire: 0.001, tolerated: 0.1, pass: 0.05 }, metrics: {} }
            Traffic { sticky: Some(Address), testers: [], mirror: None, hold: None, maintenance: None, eject: None, retries: Some(Retries { share: Weight(5000), per_second: 10 }), capacity: None, slow_start: None }
          web: 1 x ["./server", "--quiet", "two words", "$PORT"]
            artifact None, folder .
            {"DEBUG": "true", "GREETING": "hello", "LEVEL": "debug", "VERSION": "1.10"}, as Some("www-data")
            ready /health?full=1 500ms 1s 5m 0s
            strategy InTurn [100 %] warm 0s patience 1h Hold
            Limits { errors: Some(0.01), p95: Some(400ms), p99: Some(2s), memory: Some(0.9), cpu: Some(0.8), restarts: Some(1), against_stable: AgainstStable { errors: Some(0.005), p95: Some(0.3), p99: Some(1.5) }, requests: 10, warm_up: 0ns, risk: Risk { steps: 0.008, alone: 0.001, tripwire: 0.001, tolerated: 0.1, pass: 0.05 }, metrics: {"heap": GaugeLimit { at_most: Some(536870912.0), at_least: None, against_stable: Some(0.5), worse: More, hold: 30s, outage: 120s }, "hits": GaugeLimit { at_most: None, at_least: None, against_stable: Some(0.1), worse: Less, hold: 30s, outage: 120s }, "queue": GaugeLimit { at_most: Some(100.0), at_least: None, against_stable: Some(0.2), worse: More, hold: 60s, outage: 120s }, "saturation": GaugeLimit { at_most: Some(0.8), at_least: None, against_stable: None, worse: More, hold: 0ns, outage: 120s }, "sent": GaugeLimit { at_most: None, at_least: Some(0.5), against_stable: None, worse: Less, hold: 30s, outage: 300s }} }
            Traffic { sticky: Some(Address), testers: [Tester { when: Condition { place: Header, name: "x-tester", value: Some("ann") }, to: Canary }, Tester { when: Condition { place: Cookie, name: "tester", value: None }, to: Stable }], mirror: Some(Mirror { share: Weight(250), methods: ["GET", "POST"], body: 65536, at_once: 10 }), hold: Some(Hold { wait: 10s, requests: 50 }), maintenance: Some(Maintenance { status: 200, body: "<h1>\"Back\" soon</h1>\n", content_type: "text/html; charset=utf-8", retry_after: Some(3600s) }), eject: Some(Ejection { failures: 3, time: 5s, time_max: 60s, share: Weight(3000) }), retries: Some(Retries { share: Weight(1000), per_second: 0 }), capacity: Some(Capacity { requests: 64, pending: 0, wait: 0ns }), slow_start: None }
          worker: 3 x ["./worker"]
            {"LEVEL": "debug"}, as None
            strategy InTurn [33.33 % for 30s, 66.66 % for 30s, 100 %] warm 0s patience 1h Hold
            Limits { errors: None, p95: None, p99: None, memory: None, cpu: None, restarts: None, against_stable: AgainstStable { errors: None, p95: None, p99: None }, requests: 10, warm_up: 0ns, risk: Risk { steps: 0.008, alone: 0.001, tripwire: 0.001, tolerated: 0.1, pass: 0.05 }, metrics: {} }
            Traffic { sticky: Some(Address), testers: [], mirror: None, hold: None, maintenance: None, eject: None, retries: Some(Retries { share: Weight(5000), per_second: 10 }), capacity: None, slow_start: None }
          no */admin
          no admin
          no pages Bundle
        shop production [::]:80
          shop.example/api -> api
            ["POST", "PUT"] []
            RequestLimits { uri: Some(2048), body: Some(1073741824), pace: Some(Pace { idle: 20s, bytes_per_second: 0, grace: 10s }), per_client: Some(Rate { requests: 100, per: 1s, burst: 100 }), in_all: Some(Rate { requests: 1000, per: 60s, burst: 50 }) }
          shop.example/api -> api
            RequestLimits { uri: None, body: Some(10485760), pace: None, per_client: Some(Rate { requests: 100, per: 1s, burst: 100 }), in_all: None }
          shop.example/ -> web
            [] [Condition { place: Header, name: "x-track", value: Some("beta") }, Condition { place: Header, name: "x-internal", value: None }, Condition { place: Cookie, name: "track", value: Some("1") }]
            RequestLimits { uri: None, body: Some(10485760), pace: None, per_client: Some(Rate { requests: 100, per: 1s, burst: 100 }), in_all: None }
          admin.shop.example/ -> admin
            RequestLimits { uri: None, body: Some(10485760), pace: None, per_client: Some(Rate { requests: 100, per: 1s, burst: 100 }), in_all: None }
          */pages -> pages
          */app -> app
          */ -> web
          admin: 1 x ["./admin"]
            strategy Full [10 % for 10m, 50 % for 10m, 100 %] warm 10m patience 1h Hold
          api: 1 x ["./api", "--port", "$PORT", "--workers", "4"]
            ready ["./probe", "1"] 1s 500ms 2m 3s
            strategy Full [100 %] warm 10m patience 1h Hold
          web: 4 x ["./server", "--quiet", "two words", "$PORT"]
            ready tcp 500ms 1s 1m 0s
            stop INT 45s 1m30s, after ["api"]
            strategy Proportional [5 % for 30m, 25 % for 30m, 50 % for 30m, 100 % for 30m] warm 2h patience 1h Hold
            Limits { errors: Some(0.01), p95: Some(400ms), p99: Some(2s), memory: Some(0.9), cpu: Some(0.8), restarts: Some(1), against_stable: AgainstStable { errors: Some(0.005), p95: Some(0.3), p99: Some(1.5) }, requests: 200, warm_up: 0ns, risk: Risk { steps: 0.008, alone: 0.001, tripwire: 0.001, tolerated: 0.1, pass: 0.05 }, metrics: {"hits": GaugeLimit { at_most: None, at_least: None, against_stable: Some(0.1), worse: Less, hold: 30s, outage: 120s }, "queue": GaugeLimit { at_most: None, at_least: None, against_stable: Some(0.2), worse: More, hold: 60s, outage: 120s }, "saturation": GaugeLimit { at_most: Some(0.8), at_least: None, against_stable: None, worse: More, hold: 0ns, outage: 120s }, "sent": GaugeLimit { at_most: None, at_least: Some(0.5), against_stable: None, worse: Less, hold: 30s, outage: 300s }} }
            hits: Queried(Queried { server: PrometheusServer { url: "http://[::1]:9090/prom", token_file: Some("/run/secrets/prometheus") }, query: Query("hits{release=\"${RELEASE}\"}"), every: 15s })
            saturation: Queried(Queried { server: PrometheusServer { url: "http://[::1]:9090/prom", token_file: Some("/run/secrets/prometheus") }, query: Query("avg(load{instance=~\"$INSTANCES\"})"), every: 30s })
          no */admin
          no */api
          no */ RequestLimits
          no web heap
        shop preview 127.0.0.1:8443
          */admin -> admin
          */pages -> pages
          */api -> api
          */app -> app
          */ -> web
        shop public [::]:443
          */admin -> admin
          */pages -> pages
          */api -> api
          */app -> app
          */ -> web
    "#]].assert_eq(&shown);
}

/// Prints an environment in few lines.
fn show(spec: &EnvironmentSpec) -> String {
    let mut lines = vec![format!(
        "{} {} {}",
        spec.application, spec.environment, spec.listen
    )];
    for rule in &spec.routes {
        let host = rule.host.as_deref().unwrap_or("*");
        lines.push(format!("  {host}{} -> {}", rule.path, rule.service));
        if !rule.methods.is_empty() || !rule.when.is_empty() {
            lines.push(format!("    {:?} {:?}", rule.methods, rule.when));
        }
        lines.extend(rule.limits.as_ref().map(|limits| format!("    {limits:?}")));
    }
    for (name, service) in &spec.services {
        let ready = &service.ready;
        let probe = match &ready.probe {
            Probe::Http(path) => path.clone(),
            Probe::Tcp => "tcp".to_owned(),
            Probe::Command(words) => format!("{words:?}"),
        };
        let times = [ready.every, ready.timeout, ready.within, ready.steady].map(units::duration);
        let stop = [service.stop.drain, service.stop.grace].map(units::duration);
        let after: Vec<&str> = service.after.iter().map(ServiceName::as_str).collect();
        lines.extend([
            format!("  {name}: {} x {:?}", service.instances, service.run),
            format!(
                "    artifact {:?}, folder {}",
                service.artifact, service.folder
            ),
            format!("    {:?}, as {:?}", service.env, service.user),
            format!("    memory {:?}, files {:?}", service.memory, service.files),
            format!("    ready {probe} {}", times.join(" ")),
            format!(
                "    stop {} {}, after {after:?}",
                service.stop.signal,
                stop.join(" ")
            ),
            format!("    strategy {}", strategy(&service.strategy)),
            format!("    {:?}", service.limits),
        ]);
        if let Some(bundle) = &service.serve {
            lines.push(format!("    {bundle:?}"));
        }
        if !service.traffic.is_default() {
            lines.push(format!("    {:?}", service.traffic));
        }
        for (metric, source) in &service.metrics {
            lines.push(format!("    {metric}: {source:?}"));
        }
    }
    lines.join("\n") + "\n"
}

/// Returns of what [`show`] prints only what is not as in `first`, and the routes in their order.
fn differences(first: &str, other: &str) -> String {
    let (before, after) = (places(first), places(other));
    let mut shown: Vec<&str> = other.lines().take(1).collect();
    let mut above = None;
    for entry @ ([_, key], line) in &after {
        let is_head = key.is_empty();
        if is_head {
            above = Some(*line);
        }
        if !before.contains(entry) || (is_head && line.contains(" -> ")) {
            // What it belongs to stands above it, once.
            shown.extend(above.take().filter(|_| !is_head));
            shown.push(line);
        }
    }
    let has = |wanted: [&str; 2]| after.iter().any(|(place, _)| *place == wanted);
    let gone = before.iter().filter_map(|([block, key], _)| {
        let is_gone = !has([block, key]) && (has([block, ""]) || key.is_empty());
        is_gone.then(|| format!("  no {}", [*block, *key].join(" ").trim()))
    });
    let gone: Vec<String> = gone.collect();
    shown.extend(gone.iter().map(String::as_str));
    shown.join("\n") + "\n"
}

/// Returns each line that [`show`] printed of a route or a service: of which one, and what it is
/// about, which is nothing in the first of them.
fn places(shown: &str) -> Vec<([&str; 2], &str)> {
    let mut block = "";
    let lines = shown.lines().skip(1);
    let places = lines.map(|line| {
        let word = line.trim_start().split([' ', ':']).next();
        let word = word.unwrap_or_default();
        if !line.starts_with("    ") {
            block = word;
            return ([block, ""], line);
        }
        let key = if word.starts_with('{') { "env" } else { word };
        ([block, key], line)
    });
    places.collect()
}

/// Prints a strategy in one line.
fn strategy(strategy: &Strategy) -> String {
    let steps: Vec<String> = strategy
        .steps
        .iter()
        .map(|step| match step.soak {
            Some(soak) => format!("{} for {}", step.weight, units::duration(soak)),
            None => step.weight.to_string(),
        })
        .collect();
    format!(
        "{:?} [{}] warm {} patience {} {:?}",
        strategy.sizing,
        steps.join(", "),
        units::duration(strategy.keep_warm),
        units::duration(strategy.patience),
        strategy.on_inconclusive,
    )
}

#[test]
fn each_way_to_write_a_strategy_gives_its_steps() {
    #[track_caller]
    fn check(written: &str, instances: u16, expected: Expect) {
        let text = format!(
            "application: a\nservices: {{ web: {{ run: x, instances: {instances}, strategy: {written} }} }}\n\
             strategies: {{ own: {{ canary: {{ steps: [20%], soak: 1m }}, patience: 5m }} }}"
        );
        let spec = resolved(&text, "production");
        let service = spec.services.values().next().expect("it has one service");
        expected.assert_eq(&strategy(&service.strategy));
    }
    check(
        "canary",
        1,
        expect![
            "Proportional [5 % for 10m, 25 % for 10m, 50 % for 10m, 90 % for 10m, 100 %] warm 10m patience 1h Hold"
        ],
    );
    check(
        "blue-green",
        1,
        expect!["Full [100 %] warm 10m patience 1h Hold"],
    );
    check(
        "rolling",
        4,
        expect!["InTurn [25 %, 50 %, 75 %, 100 %] warm 0s patience 1h Hold"],
    );
    check(
        "own",
        1,
        expect!["Proportional [20 % for 1m, 100 %] warm 10m patience 5m Hold"],
    );
    check(
        "{}",
        1,
        expect![
            "Proportional [5 % for 10m, 25 % for 10m, 50 % for 10m, 90 % for 10m, 100 %] warm 10m patience 1h Hold"
        ],
    );
    check(
        "{ rolling: }",
        1,
        expect!["InTurn [100 %] warm 0s patience 1h Hold"],
    );
    check(
        "{ rolling: { soak: 30s } }",
        3,
        expect!["InTurn [33.33 % for 30s, 66.66 % for 30s, 100 %] warm 0s patience 1h Hold"],
    );
    check(
        "{ canary: { soak: 1h } }",
        1,
        expect![
            "Proportional [5 % for 1h, 25 % for 1h, 50 % for 1h, 90 % for 1h, 100 %] warm 10m patience 1h Hold"
        ],
    );
    check(
        "{ canary: { steps: [50%, 100%] } }",
        1,
        expect!["Proportional [50 % for 10m, 100 % for 10m] warm 10m patience 1h Hold"],
    );
    check(
        "{ canary: { steps: [0.01%, 12.5 %], soak: null } }",
        1,
        expect!["Proportional [0.01 %, 12.5 %, 100 %] warm 10m patience 1h Hold"],
    );
    check(
        "{ blue_green: { steps: [10%] }, keep_warm: 0s }",
        1,
        expect!["Full [10 % for 10m, 100 %] warm 0s patience 1h Hold"],
    );
    check(
        "{ blue_green: { soak: 5m } }",
        1,
        expect!["Full [100 % for 5m] warm 10m patience 1h Hold"],
    );
}

/// Returns the examples of a page of the guide.
fn examples(page: &str) -> Vec<&str> {
    let examples = page.split("```yaml\n").skip(1);
    examples
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect()
}

/// The examples of the guide are fragments: each is completed to a file, every `run` by itself.
#[test]
fn the_examples_of_the_guide_are_valid() {
    let examples = examples(include_str!("../../../../../docs/guide/project-file.md"));
    assert!(examples.len() > 5);
    for example in examples {
        if example.starts_with("application") {
            project(example);
        } else if let Some(lines) = example.strip_prefix("    ") {
            for line in lines.split("\n    ") {
                let run = if line.starts_with("run") {
                    ""
                } else {
                    "    run: x\n"
                };
                project(&format!(
                    "application: a\nservices:\n  web:\n{run}    {line}\n"
                ));
            }
        } else {
            let strategies = "strategies: { careful: }\n";
            let strategies = if example.contains("strategies") {
                ""
            } else {
                strategies
            };
            project(&format!(
                "application: a\nservices:\n  web: {{ run: x }}\n  mailer: {{ run: x, ready: tcp }}\n\
                 routes: [{{ service: web }}]\n{strategies}{example}"
            ));
        }
    }
}

/// Those about metrics are fragments of a service, or of the top level.
#[test]
fn the_examples_about_metrics_are_valid() {
    let examples = examples(include_str!("../../../../../docs/guide/metrics.md"));
    assert_eq!(examples.len(), 4);
    for example in examples {
        let before = if example.starts_with("services") {
            "application: a\n"
        } else if example.starts_with(' ') {
            "application: a\nservices:\n  web:\n    run: x\n    limits:\n"
        } else {
            "application: a\nservices: { web: { run: x } }\n"
        };
        project(&format!("{before}{example}"));
    }
}

/// Those about requests and connections are fragments of the top level.
#[test]
fn the_examples_about_traffic_and_tls_are_valid() {
    let pages = [
        (include_str!("../../../../../docs/guide/traffic.md"), 6),
        (include_str!("../../../../../docs/guide/tls.md"), 4),
        (include_str!("../../../../../docs/guide/gates.md"), 6),
    ];
    for (page, count) in pages {
        let examples = examples(page);
        assert_eq!(examples.len(), count);
        for example in examples {
            let before = if example.starts_with("application") {
                ""
            } else {
                "application: a\nservices: { web: { run: x } }\n"
            };
            project(&format!("{before}{example}"));
        }
    }
}

#[test]
fn an_environment_adds_to_gates_or_takes_single_ones_out() {
    let text = "application: a\nservices: { web: { run: x } }\n\
        gates: { tests: pass, coverage: 85%, findings: { block: high, exceptions: [{ id: A, until: 2026-12-31, reason: r }] }, numbers: { kb: 250 } }\n\
        environments:\n  \
          development: { listen: \"127.0.0.1:1\", gates: null }\n  \
          staging: { listen: \"127.0.0.1:2\", gates: { coverage: null, findings: critical, rules: { few: tests.flaky < 3 } } }\n  \
          production: { gates: { coverage: { unit: 90% }, numbers: { kb: { growth: 5% } }, expire: 7d } }\n";
    assert_eq!(resolved(text, "development").entry.gates, Gates::default());
    let staging = resolved(text, "staging").entry.gates;
    assert!(staging.tests.is_some() && staging.coverage.is_none());
    let findings = staging.findings.unwrap();
    assert_eq!(
        (findings.from, findings.exceptions.len()),
        (Severity::Critical, 1)
    );
    assert_eq!(staging.rules["few"], "tests.flaky < 3");
    let production = resolved(text, "production").entry.gates;
    let coverage = production.coverage.unwrap();
    assert_eq!((coverage.all, coverage.groups["unit"]), (None, 0.9));
    let kb = &production.numbers["kb"];
    assert_eq!((kb.at_most, kb.growth), (Some(250.0), Some(0.05)));
    assert_eq!((production.expire, staging.expire), (7, 30));
}

#[test]
fn gates_are_kept_with_the_release_and_no_gates_leave_no_trace() {
    let with = |gates: &str| {
        let text = format!("application: a\nservices: {{ web: {{ run: x }} }}\n{gates}");
        resolved(&text, "production")
    };
    for (gates, holds) in [
        ("", false),
        ("gates: { expire: 7d }", false),
        ("gates: { tests: pass }", true),
    ] {
        let spec = with(gates);
        let kept = serde_json::to_string(&spec).unwrap();
        assert_eq!(kept.contains("\"gates\""), holds, "{gates}");
        assert_eq!(
            serde_json::from_str::<EnvironmentSpec>(&kept).unwrap(),
            spec
        );
    }
}

#[test]
fn what_instances_speak_is_a_word() {
    let speaks = |word: &str| {
        let text = format!("application: a\nservices: {{ web: {{ run: x, protocol: {word} }} }}\n");
        let spec = resolved(&text, "production");
        spec.services.values().next().unwrap().protocol
    };
    assert_eq!(speaks("http1"), Protocol::Http1);
    assert_eq!(speaks("http2"), Protocol::Http2);
    assert_eq!(speaks("grpc"), Protocol::Http2);
}

#[test]
fn limits_are_read_as_a_file_of_their_own() {
    let default = Limits::default();
    let read = |text| project::limits(text, "limits.yaml");
    assert_eq!(read("").unwrap(), default);
    let text = "errors: 2%\nagainst_stable: { p95: 10%, p99: null }\nrestarts: null\n";
    let limits = read(text).unwrap();
    assert_eq!((limits.errors, limits.restarts), (Some(0.02), None));
    assert_eq!(limits.against_stable.p95, Some(0.1));
    assert_eq!(limits.against_stable.p99, None);
    assert_eq!(limits.against_stable.errors, default.against_stable.errors);
    let text = "metrics: { queue: { at_most: 5 }, hits: { prometheus: hits, at_least: 1 } }\n";
    let limits = read(text).unwrap();
    assert_eq!(limits.metrics["queue"].at_most, Some(5.0));
    assert_eq!(limits.metrics["hits"].at_least, Some(1.0));
    let problems = read("metrics: { queue: { metric: jobs } }\n").unwrap_err();
    assert!(
        problems.to_string().contains("`queue` has no limit"),
        "{problems}"
    );
    let problems = read("errors: 2%\nlimits:\n  p95: 5\n").unwrap_err();
    expect![[r#"
        error[P003]: unknown key `limits` at the top level
         --> limits.yaml:2:1
          |
        2 | limits:
          | ^^^^^^
        hint: known here are `errors`, `success`, `p95`, `p99`, `memory`, `cpu`, `restarts`, `requests`, `warm_up`, `risk`, `against_stable` and `metrics`
    "#]].assert_eq(&format!("{problems}\n"));
}

#[test]
fn approvals_ask_for_so_many_people_or_for_some_in_particular() {
    let approvals = |written: &str| {
        let text = format!(
            "application: a\nservices: {{ web: {{ run: ./x }} }}\nenvironments: {{ production: {{ \
             entry: {{ approvals: {written} }} }} }}\n"
        );
        let project = Project::parse(&text, "leadsman.yaml").expect("it is right");
        let name = "production".parse().expect("a name");
        let rule = project
            .resolve(&name)
            .and_then(|spec| spec.entry.approvals.clone());
        let rule = rule.expect("it asks for approvals");
        let needs: Vec<String> = rule.needs.iter().map(ToString::to_string).collect();
        (rule.count, needs.join("; "))
    };
    for (written, count, needs) in [
        ("2", 2, ""),
        ("{ count: 3 }", 3, ""),
        (
            "{ needs: [security, product] }",
            2,
            "1 of team `security`; 1 of team `product`",
        ),
        (
            "{ count: 4, needs: [{ team: security, count: 2 }, { people: [ben, anna] }] }",
            4,
            "2 of team `security`; 1 of `anna`, `ben`",
        ),
        (
            "{ needs: [{ people: [anna, ben, carl], count: 2 }] }",
            2,
            "2 of `anna`, `ben`, `carl`",
        ),
    ] {
        assert_eq!(approvals(written), (count, needs.to_owned()), "{written}");
    }
}
