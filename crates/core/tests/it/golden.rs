//! The stored form of every event. What was written once must be readable for ever: a line here is
//! never edited, only added to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use expect_test::expect_file;
use leadsman_analysis::{Finding, GaugeLimit, Metric, Outcome, Verdict, Worse};
use leadsman_core::bundle::{Bundle, Cache, CacheRule, HeaderRule, Pattern};
use leadsman_core::entrance::{Acme, CertificateFiles, Challenge, Entrance, Tls, TlsVersion};
use leadsman_core::entry::Source;
use leadsman_core::id::{DeploymentNumber, Digest, ReleaseNumber};
use leadsman_core::metric::{
    Fold, Measured, MetricSource, PrometheusServer, Queried, Query, Selector, Shown,
};
use leadsman_core::spec::{BaselineKind, OnInconclusive, Probe, ServiceSpec, Strategy};
use leadsman_core::traffic::{
    Capacity, Condition, Ejection, Hold, Maintenance, Mirror, Pace, Place, Rate, RequestLimits,
    Retries, Role, Sticky, Tester, Traffic,
};
use leadsman_core::weight::Weight;
use leadsman_core::{ApplicationEvent, Cause, Closed, End, Event, Origin, Passed, ReleaseContent};
use leadsman_gates::Says;

use crate::golden_entering::{about_checklists, about_entering, identity, rules, source};

use crate::golden_migrations;
use crate::world::{canary, content, name, service};

fn verdict() -> Verdict {
    Verdict {
        outcome: Outcome::Fail,
        requests: 412,
        sentence: "errors 5.1 % (limit 5 %) after 412 requests".to_owned(),
        findings: vec![Finding {
            metric: Metric::Errors,
            outcome: Outcome::Fail,
            canary: 0.051,
            stable: Some(0.004),
            difference: None,
            limit: 0.05,
            sentence: "errors 5.1 % (limit 5 %)".to_owned(),
        }],
        evidence: None,
    }
}

/// Adds a metric of each kind, with every field that it can have.
fn measured(spec: &mut ServiceSpec) {
    let limit = GaugeLimit {
        at_most: Some(100.0),
        at_least: Some(0.5),
        against_stable: Some(0.2),
        worse: Worse::Less,
        hold: Duration::from_secs(30),
        outage: Duration::from_secs(120),
    };
    let every = Duration::from_secs(5);
    let sources = [
        MetricSource::Shown(Shown {
            selector: Selector::parse("jobs{queue=\"mail\",state!=\"dead\"}").expect("it is one"),
            path: "/metrics".to_owned(),
            counter: true,
            series: Some(Fold::Sum),
            instances: Fold::Max,
            every,
        }),
        MetricSource::Queried(Queried {
            server: PrometheusServer {
                url: "http://127.0.0.1:9090".to_owned(),
                token_file: Some("/run/secrets/prometheus".to_owned()),
            },
            query: Query::parse("avg(load{instance=~\"$INSTANCES\"})").expect("it is one"),
            every,
        }),
        MetricSource::Measured(Measured::Cpu),
    ];
    for (name, source) in ["queue", "saturation", "load"].into_iter().zip(sources) {
        spec.limits.metrics.insert(name.to_owned(), limit.clone());
        spec.metrics.insert(name.to_owned(), source);
    }
}

/// Makes each service one that serves files, with everything that can be said of them.
fn served(content: &mut ReleaseContent) {
    let pattern = |text: &str| Pattern::try_from(text.to_owned()).expect("it is one");
    let caches = [
        Cache::Immutable,
        Cache::Asked,
        Cache::Never,
        Cache::For(Duration::from_secs(3600)),
    ];
    let bundle = Bundle {
        path: "/app".to_owned(),
        fallback: Some("index.html".to_owned()),
        cache: caches
            .into_iter()
            .map(|cache| CacheRule {
                files: pattern("assets/**"),
                cache,
            })
            .collect(),
        headers: vec![HeaderRule {
            files: pattern("*.html"),
            headers: BTreeMap::from([("x-frame-options".to_owned(), "deny".to_owned())]),
        }],
        hidden: true,
    };
    for service in content.services.values_mut() {
        let service = Arc::make_mut(service);
        service.spec.run = Vec::new();
        service.spec.serve = Some(bundle.clone());
        service.spec.artifact = Some("./dist".to_owned());
        service.artifact = Some(Digest::from_bytes([0xcd; 32]));
    }
}

/// Returns everything that can be said of how requests are treated.
fn traffic() -> Traffic {
    let second = Duration::from_secs(1);
    let tester = |place, to| Tester {
        when: Condition {
            place,
            name: "x-tester".to_owned(),
            value: Some("ann".to_owned()),
        },
        to,
    };
    Traffic {
        sticky: Some(Sticky::Cookie {
            name: "leadsman-web".to_owned(),
            path: "/".to_owned(),
            max_age: Some(second * 3600),
        }),
        testers: vec![
            tester(Place::Header, Role::Canary),
            tester(Place::Cookie, Role::Stable),
        ],
        mirror: Some(Mirror {
            share: Weight::percent(10),
            methods: vec!["GET".to_owned()],
            body: 1024,
            at_once: 100,
        }),
        hold: Some(Hold {
            wait: second * 5,
            requests: 1000,
        }),
        maintenance: Some(Maintenance {
            retry_after: Some(second * 60),
            ..Maintenance::default()
        }),
        eject: Some(Ejection {
            failures: 5,
            time: second * 10,
            time_max: second * 300,
            share: Weight::percent(50),
        }),
        retries: Some(Retries {
            share: Weight::percent(20),
            per_second: 10,
        }),
        capacity: Some(Capacity {
            requests: 100,
            pending: 1000,
            wait: second * 5,
        }),
        slow_start: Some(second * 30),
    }
}

/// Adds everything to a release that can be said of how requests come to it.
fn treated(content: &mut ReleaseContent) {
    let second = Duration::from_secs(1);
    let rate = Rate {
        requests: 10,
        per: second,
        burst: 50,
    };
    for rule in &mut content.routing.rules {
        rule.methods = vec!["GET".to_owned()];
        rule.when = vec![Condition {
            place: Place::Header,
            name: "x-track".to_owned(),
            value: None,
        }];
        rule.limits = Some(RequestLimits {
            uri: Some(2048),
            body: Some(1 << 20),
            pace: Some(Pace {
                idle: second * 60,
                bytes_per_second: 1024,
                grace: second * 10,
            }),
            per_client: Some(rate.clone()),
            in_all: Some(rate.clone()),
        });
    }
    for (index, service) in content.services.values_mut().enumerate() {
        let service = Arc::make_mut(service);
        service.spec.traffic = traffic();
        if index > 0 {
            service.spec.traffic.sticky = Some(Sticky::Header("x-user".to_owned()));
        }
    }
    let files = CertificateFiles {
        chain: "/etc/shop/a.pem".to_owned(),
        key: "/etc/shop/a.key".to_owned(),
    };
    let acme = Acme {
        directory: "https://ca.example/directory".to_owned(),
        hosts: vec!["shop.example".to_owned()],
        contact: vec!["ops@shop.example".to_owned()],
        challenge: Challenge::Http01,
        roots: Some("/etc/shop/roots.pem".to_owned()),
    };
    content.routing.entrance = Entrance {
        tls: Some(Tls {
            certificates: vec![files],
            acme: Some(acme),
            min: TlsVersion::V1_3,
            from_http: Some(([0, 0, 0, 0], 80).into()),
        }),
        headers: BTreeMap::from([("x-frame-options".to_owned(), "DENY".to_owned())]),
        trusted: vec!["10.0.0.0/8".to_owned()],
        proxy_protocol: vec!["10.0.0.1/32".to_owned()],
    };
}

/// One example of each kind of event, with every field that it can have.
fn examples() -> Vec<Event> {
    let by = || "ann".to_owned();
    let web = || name("web");
    let strategy = canary(&[5, 50]);
    let mut full = service(4, 2, &strategy);
    full.artifact = Some(Digest::from_bytes([0xab; 32]));
    full.spec.artifact = Some("./dist".to_owned());
    full.spec
        .env
        .insert("GREETING".to_owned(), "hello".to_owned());
    full.spec.user = Some("www-data".to_owned());
    full.spec.memory = Some(512 << 20);
    full.spec.files = Some(4096);
    full.spec.ready.probe = Probe::Http("/health".to_owned());
    measured(&mut full.spec);
    let content = || content(&[("web", full.clone())], false);
    let release = ReleaseNumber(4);
    let services = || BTreeSet::from([web()]);
    let mut events = vec![
        Event::DeploymentQueued {
            release,
            content: content(),
            origin: Origin::Ship,
            by: by(),
            identity: None,
            soak_at_most: None,
            one_way: None,
        },
        Event::DeploymentQueued {
            release,
            content: content(),
            origin: Origin::Ship,
            by: by(),
            identity: Some(identity()),
            soak_at_most: Some(Duration::from_secs(60)),
            one_way: None,
        },
        Event::RolloutStarted { service: web() },
        Event::WeightShifted {
            service: web(),
            step: 0,
            weight: Weight::percent(5),
        },
        Event::BaselineGivenUp {
            service: web(),
            why: "cannot be started: no such file".to_owned(),
        },
        Event::SoakStarted {
            service: web(),
            step: 0,
        },
        Event::VerdictReached {
            service: web(),
            verdict: verdict(),
        },
        Event::StepsSkipped {
            service: web(),
            by: by(),
        },
        Event::DeploymentPromoted {},
        Event::DeploymentPaused {
            works: None,
            by: by(),
        },
        Event::DeploymentPaused {
            works: Some("maintenance window 3 by ann: new disks".to_owned()),
            by: by(),
        },
        Event::DeploymentResumed { by: by() },
        Event::ServiceReturned { service: web() },
        Event::DeploymentFrozen {
            why: "0 of 2 instances are ready".to_owned(),
        },
    ];
    for how in [Closed::Held, Closed::Maintenance] {
        events.push(Event::ServicesClosed {
            services: services(),
            how,
            by: by(),
        });
    }
    events.push(Event::ServicesOpened {
        services: services(),
        by: by(),
    });
    let fresh = Strategy {
        baseline: BaselineKind::Fresh,
        on_inconclusive: OnInconclusive::Advance,
        ..strategy.clone()
    };
    events.push(Event::DeploymentStarted {
        number: DeploymentNumber(7),
        release,
        content: content(),
        origin: Origin::Ship,
        rollouts: BTreeMap::from([(web(), fresh)]),
        by: by(),
        identity: None,
        one_way: None,
    });
    for origin in [
        Origin::Ship,
        Origin::Retry,
        Origin::Rollback {
            from: ReleaseNumber(5),
            migrate_back: false,
        },
    ] {
        let rollouts = BTreeMap::from([(web(), strategy.clone())]);
        let number = DeploymentNumber(7);
        let (content, by) = (content(), by());
        events.push(Event::DeploymentStarted {
            number,
            release,
            content,
            origin,
            rollouts,
            by,
            identity: None,
            one_way: None,
        });
    }
    let mut with_traffic = (*content()).clone();
    let other = name("other");
    let second = Arc::clone(&with_traffic.services[&web()]);
    with_traffic.services.insert(other, second);
    treated(&mut with_traffic);
    events.push(Event::DeploymentStarted {
        number: DeploymentNumber(7),
        release,
        content: Arc::new(with_traffic),
        origin: Origin::Ship,
        rollouts: BTreeMap::from([(web(), strategy)]),
        by: by(),
        identity: None,
        one_way: None,
    });
    let mut with_files = (*content()).clone();
    served(&mut with_files);
    events.push(Event::DeploymentStarted {
        number: DeploymentNumber(8),
        release,
        content: Arc::new(with_files),
        origin: Origin::Ship,
        rollouts: BTreeMap::new(),
        by: by(),
        identity: None,
        one_way: None,
    });
    let mut guarded = (*content()).clone();
    guarded.entry = rules();
    events.push(Event::DeploymentStarted {
        number: DeploymentNumber(9),
        release,
        content: Arc::new(guarded),
        origin: Origin::Ship,
        rollouts: BTreeMap::new(),
        by: by(),
        identity: Some(identity()),
        one_way: None,
    });
    events.extend(about_entering(&content()));
    events.extend(about_checklists(&content()));
    events.extend(golden_migrations::examples(&content()));
    for passed in [
        Passed::Judged { verdict: verdict() },
        Passed::Ready,
        Passed::ByHand { by: by() },
        Passed::Unproven { verdict: verdict() },
    ] {
        events.push(Event::StepPassed {
            service: web(),
            step: 0,
            passed: passed.clone(),
        });
        events.push(Event::ServicePromoted {
            service: web(),
            passed,
        });
    }
    for cause in [
        Cause::Failed {
            service: web(),
            weight: Weight::percent(5),
            verdict: verdict(),
        },
        Cause::NotReady {
            service: web(),
            detail: "exited with status 1".to_owned(),
        },
        Cause::Inconclusive {
            service: web(),
            verdict: verdict(),
        },
        Cause::Aborted { by: by() },
        Cause::RolledBack { by: by() },
        Cause::Superseded {
            by: ReleaseNumber(5),
        },
    ] {
        events.push(Event::RollbackStarted {
            services: services(),
            cause,
        });
    }
    for end in [
        End::Settled,
        End::RolledBack,
        End::Superseded {
            by: ReleaseNumber(5),
        },
        End::Abandoned,
    ] {
        events.push(Event::DeploymentEnded { end });
    }
    events
}

/// Where the stored forms are, a file for each kind of event.
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/events");

#[test]
fn every_kind_of_event_is_stored_in_a_form_that_is_known() {
    let mut written: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for event in examples() {
        let json = serde_json::to_string(&event).expect("an event has only text keys");
        let back: Event = serde_json::from_str(&json).expect("it was written a moment ago");
        assert_eq!(back, event);
        assert!(
            json.starts_with(&format!(r#"{{"event":"{}""#, event.kind())),
            "{json}"
        );
        let value: serde_json::Value = serde_json::from_str(&json).expect("it is one");
        // From where and why something was asked for is put under this name when it is recorded.
        assert_eq!(value.get("asked"), None, "{json}");
        written.entry(event.kind()).or_default().push(json);
    }
    assert_eq!(written.len(), 35, "an event has no example");
    for (kind, examples) in written {
        // `UPDATE_EXPECT=1` puts a new form behind those that were written before.
        let path = format!("{FIXTURES}/{kind}.jsonl");
        let mut known = std::fs::read_to_string(&path).unwrap_or_default();
        for example in examples {
            if !known.lines().any(|line| line == example) {
                known.push_str(&example);
                known.push('\n');
            }
        }
        expect_file![path].assert_eq(&known);
    }
}

#[test]
fn whatever_was_stored_once_is_still_read() {
    let mut kinds = 0;
    for file in std::fs::read_dir(FIXTURES).expect("it is there") {
        let path = file.expect("it is readable").path();
        let kind = path.file_stem().expect("it has a name").to_string_lossy();
        let text = std::fs::read_to_string(&path).expect("it is text");
        if ["release_created", "report_received"].contains(&&*kind) {
            continue;
        }
        for line in text.lines() {
            let event: Event = serde_json::from_str(line).expect(line);
            assert_eq!(event.kind(), kind, "{line}");
        }
        kinds += 1;
    }
    assert_eq!(kinds, 35, "an event has no file");
}

#[test]
fn a_release_is_stored_as_it_always_was() {
    let mut stored = String::new();
    for source in [Source::default(), source()] {
        let event = ApplicationEvent::ReleaseCreated {
            number: ReleaseNumber(4),
            project: "application: shop\n".to_owned(),
            origin: "/srv/shop".to_owned(),
            artifacts: BTreeMap::from([(name("web"), Digest::from_bytes([0xab; 32]))]),
            note: Some("the new checkout".to_owned()),
            source,
        };
        let json = serde_json::to_string(&event).expect("an event has only text keys") + "\n";
        let back: ApplicationEvent =
            serde_json::from_str(&json).expect("it was written a moment ago");
        assert_eq!(back, event);
        stored.push_str(&json);
    }
    let report = ApplicationEvent::ReportReceived {
        release: ReleaseNumber(4),
        source: leadsman_gates::Source {
            kind: leadsman_gates::ReportKind::Junit,
            path: "out/unit.xml".to_owned(),
            job: Some("unit".to_owned()),
            group: None,
        },
        says: Box::new(Says {
            tests: Some(leadsman_gates::Tests::default()),
            ..Says::default()
        }),
    };
    let json = serde_json::to_string(&report).expect("an event has only text keys") + "\n";
    let back: ApplicationEvent = serde_json::from_str(&json).expect("it was written a moment ago");
    assert_eq!(back, report);
    expect_file![format!("{FIXTURES}/report_received.jsonl")].assert_eq(&json);
    expect_file![format!("{FIXTURES}/release_created.jsonl")].assert_eq(&stored);
}
