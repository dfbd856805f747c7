//! Answers of control for tests.

use jiff::tz::TimeZone;
use leadsman_api::{
    Deployment, EnvironmentStatus, Figures, Finding, Instance, InstanceState, Moment, Origin,
    Outcome, Overview, Phase, Reason, Rollout, RolloutStage, ServiceStatus, Side, Verdict, Who,
};

use super::words::Clock;

/// 2026-09-21 14:13:20 UTC.
pub(crate) const NOW: Moment = Moment(1_790_000_000_000);

/// Returns the moment `seconds` before now.
pub(crate) fn ago(seconds: u64) -> Moment {
    Moment(NOW.0 - seconds * 1000)
}

pub(crate) fn clock() -> Clock {
    Clock {
        now: NOW,
        zone: TimeZone::UTC,
    }
}

/// Returns `text` without its styles.
pub(crate) fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

pub(crate) fn instance(release: u64, ordinal: u16) -> Instance {
    Instance {
        unhealthy: false,
        ejected: 0,
        id: format!("shop.production.web.r{release}.d{release}.{ordinal}"),
        state: InstanceState::Running,
        ready: true,
        started_at: ago(700),
        restarts: 0,
        memory_bytes: Some(38 << 20),
        address: Some(format!("127.0.0.1:4100{ordinal}")),
        detail: None,
    }
}

pub(crate) fn side(release: u64, weight_percent: f64, instances: u16) -> Side {
    Side {
        release,
        deployment: release,
        weight_percent,
        wanted: instances,
        instances: (1..=instances)
            .map(|ordinal| instance(release, ordinal))
            .collect(),
        figures: Some(Figures {
            window_ms: 10_000,
            requests_per_second: 0.48 * weight_percent,
            error_ratio: Some(0.001),
            p95_ms: Some(if release == 4 { 81.0 } else { 79.0 }),
            p99_ms: Some(140.0),
        }),
        cut_off: None,
    }
}

pub(crate) fn deployment(phase: Phase) -> Deployment {
    Deployment {
        number: 4,
        release: 4,
        from: Some(3),
        origin: Origin::Ship,
        phase,
        since: ago(780),
        started_at: ago(780),
        actor: "mia".to_owned(),
        note: None,
        cause: None,
    }
}

/// Returns how everything stands where there is one environment.
pub(crate) fn overview(status: EnvironmentStatus) -> Overview {
    Overview {
        version: 1,
        at: NOW,
        environments: vec![status],
    }
}

/// Returns an environment without anything on its way.
pub(crate) fn serving() -> EnvironmentStatus {
    EnvironmentStatus {
        certificates: Vec::new(),
        application: "shop".to_owned(),
        environment: "production".to_owned(),
        version: 12,
        at: NOW,
        url: Some("http://127.0.0.1:8080".to_owned()),
        url_problem: None,
        serves: Some(3),
        schema: None,
        deployment: Some(Deployment {
            number: 3,
            release: 3,
            from: Some(2),
            ..deployment(Phase::Settled)
        }),
        queued: None,
        requests: Vec::new(),
        freezes: Vec::new(),
        maintenance: None,
        windows: None,
        checklists: Vec::new(),
        services: vec![
            ServiceStatus {
                closed: None,
                name: "api".to_owned(),
                stable: Some(side(3, 100.0, 2)),
                canary: None,
                baseline: None,
                warm: None,
                rollout: None,
            },
            ServiceStatus {
                closed: None,
                name: "web".to_owned(),
                stable: Some(side(3, 100.0, 4)),
                canary: None,
                baseline: None,
                warm: None,
                rollout: None,
            },
        ],
        reasons: Vec::new(),
    }
}

/// Returns an environment whose service `web` soaks at 25 %.
pub(crate) fn soaking() -> EnvironmentStatus {
    let mut status = serving();
    status.deployment = Some(deployment(Phase::Moving));
    let web = status.services.last_mut().expect("there are two services");
    web.stable = Some(side(3, 75.0, 4));
    web.canary = Some(side(4, 25.0, 1));
    web.rollout = Some(Rollout {
        stage: RolloutStage::Soaking,
        step: 2,
        steps: 4,
        weight_percent: 25.0,
        weights_percent: vec![5.0, 25.0, 50.0, 100.0],
        soak_ms: Some(600_000),
        soaked_ms: 252_000,
        verdict: Some(Verdict {
            outcome: Outcome::Inconclusive,
            requests: 412,
            sentence: "errors 0.2 % of 412 requests, too few to be sure".to_owned(),
            findings: vec![
                finding("errors", Outcome::Inconclusive, "errors 0.2 % (limit 5 %)"),
                finding("p95", Outcome::Pass, "p95 81 ms (limit 1 s)"),
            ],
            evidence: None,
        }),
    });
    status.reasons = vec![Reason {
        kind: "soak".to_owned(),
        service: Some("web".to_owned()),
        sentence: "step 2 of 4 of `web` holds 25 % for 5 min 48 s more".to_owned(),
        since: ago(252),
        until: Some(Moment(NOW.0 + 348_000)),
        who: Who::Either,
        commands: vec!["leadsman promote".to_owned(), "leadsman abort".to_owned()],
    }];
    status
}

/// Returns an environment whose newest release went back.
pub(crate) fn rolled_back() -> EnvironmentStatus {
    let mut status = serving();
    status.deployment = Some(Deployment {
        since: ago(95),
        cause: Some("`web` at 5 %: errors 5.1 % of 2140 requests (limit 5 %)".to_owned()),
        ..deployment(Phase::RolledBack)
    });
    status
}

fn finding(metric: &str, outcome: Outcome, sentence: &str) -> Finding {
    Finding {
        metric: metric.to_owned(),
        outcome,
        difference: None,
        sentence: sentence.to_owned(),
    }
}
