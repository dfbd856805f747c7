//! The page that Prometheus reads.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use expect_test::expect_file;
use leadsman_api::Command;

use crate::exposition::Page;
use crate::raw::{Answer, Ask, ask};
use crate::served::{Served, shipment};

const PATIENCE: Duration = Duration::from_secs(30);

async fn get(served: &Served, token: &str) -> Answer {
    let asked = Ask {
        path: "/metrics",
        token: Some(token),
        ..Ask::default()
    };
    ask(served.address, asked).await
}

/// Returns the page, which has to be one.
pub(crate) async fn page(served: &Served, token: &str) -> Page {
    let answer = get(served, token).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let kind = "content-type: text/plain; version=0.0.4; charset=utf-8";
    assert!(answer.head.contains(kind), "{}", answer.head);
    Page::read(&answer.body)
}

/// Reads pages until one of them is enough.
async fn page_with(
    served: &Served,
    token: &str,
    what: &str,
    enough: impl Fn(&Page) -> bool,
) -> Page {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let page = page(served, token).await;
        if enough(&page) {
            return page;
        }
        tokio::task::yield_now().await;
    }
    panic!("no page with {what}")
}

fn is(page: &Page, name: &str, labels: &[(&str, &str)], value: f64) {
    let sum = page.sum(name, labels);
    assert!(
        (sum - value).abs() < 1e-9,
        "{name} {labels:?} is {sum}, not {value}: {page:#?}"
    );
}

const HERE: [(&str, &str); 2] = [("application", "shop"), ("environment", "production")];

#[tokio::test]
async fn a_rollout_is_shown_and_what_came_of_it_is_counted() {
    let served = Served::start().await;
    let token = served.token_of("prometheus", "viewer", None).await;
    let first = page(&served, &token).await;
    is(&first, "leadsman_build_info", &[("version", "1.2.3")], 1.0);
    is(&first, "leadsman_start_time_seconds", &[], 0.007);
    assert!(first.family("leadsman_entry_requests").samples.is_empty());

    served.client.ship(&shipment(1)).await.expect("the first");
    page_with(&served, &token, "a first release", |page| {
        page.sum("leadsman_deployments_ended_total", &[]) > 0.5
    })
    .await;
    served
        .client
        .ship(&shipment(2))
        .await
        .expect("nothing stands in the way");
    let soaking = page_with(&served, &token, "a soak", |page| {
        page.sum("leadsman_rollout_stage", &[("stage", "soaking")]) > 0.5
    })
    .await;
    let service = [&HERE[..], &[("service", "web")]].concat();
    let on = |label, value| [&service[..], &[(label, value)]].concat();
    let here = |label, value| [&HERE[..], &[(label, value)]].concat();
    is(&soaking, "leadsman_environment_release", &HERE, 1.0);
    is(
        &soaking,
        "leadsman_environment_accepts_requests",
        &HERE,
        1.0,
    );
    is(
        &soaking,
        "leadsman_deployment_phase",
        &here("phase", "moving"),
        1.0,
    );
    is(&soaking, "leadsman_deployment_phase", &HERE, 1.0);
    is(&soaking, "leadsman_deployment_number", &HERE, 2.0);
    is(&soaking, "leadsman_deployment_release", &HERE, 2.0);
    is(&soaking, "leadsman_rollout_steps", &service, 3.0);
    is(&soaking, "leadsman_rollout_stage", &service, 1.0);
    is(&soaking, "leadsman_service_closed", &service, 0.0);
    let step = soaking.sum("leadsman_rollout_step", &service);
    let weight = if step < 1.5 { 0.05 } else { 0.5 };
    is(&soaking, "leadsman_rollout_soak_seconds", &service, 60.0);
    is(
        &soaking,
        "leadsman_side_weight_ratio",
        &on("side", "canary"),
        weight,
    );
    is(&soaking, "leadsman_side_weight_ratio", &service, 1.0);
    let ready = [("service", "web"), ("side", "canary"), ("state", "ready")];
    assert!(soaking.sum("leadsman_side_instances", &ready) > 0.5);
    assert!(
        !soaking
            .family("leadsman_waiting_seconds")
            .samples
            .is_empty()
    );
    is(&soaking, "leadsman_freezes", &HERE, 0.0);

    let abort = Command::Abort {};
    let aborted = served.client.command("shop", "production", &abort).await;
    aborted.expect("it moves");
    let freeze = serde_json::from_str(r#"{"command":"freeze","why":"holidays"}"#);
    let freeze: Command = freeze.expect("it is a command");
    let frozen = served.client.command("shop", "production", &freeze).await;
    frozen.expect("it can be frozen");
    let name = "leadsman_deployments_ended_total";
    let over = page_with(&served, &token, "an end and a freeze", |page| {
        page.sum(name, &[("outcome", "aborted")]) > 0.5
            && page.sum("leadsman_freezes", &[("kind", "freeze")]) > 0.5
    })
    .await;
    is(&over, name, &here("outcome", "settled"), 1.0);
    is(&over, name, &here("outcome", "failed"), 0.0);
    is(
        &over,
        "leadsman_deployment_phase",
        &here("phase", "rolled_back"),
        1.0,
    );
    assert!(
        over.family("leadsman_deployment_age_seconds")
            .samples
            .is_empty()
    );
}

#[tokio::test]
async fn who_sees_one_application_reads_of_that_one() {
    let served = Served::start().await;
    served.client.ship(&shipment(1)).await.expect("the first");
    let all = served.token_of("all", "viewer", None).await;
    let shop = served.token_of("ours", "viewer", Some("shop")).await;
    let other = served.token_of("theirs", "viewer", Some("blog")).await;
    let refused = "leadsman_refused_requests_total";
    // Who may not see people is counted, too.
    for _ in 0..2 {
        let asked = Ask {
            path: "/v1/people",
            token: Some(&shop),
            ..Ask::default()
        };
        assert_eq!(ask(served.address, asked).await.status, 403);
    }
    let page_of_all = page(&served, &all).await;
    is(&page_of_all, refused, &[("code", "L102")], 2.0);
    let events = |page: &Page| page.sum("leadsman_log_events_total", &[]);
    assert!(events(&page_of_all) > 1.5);
    for (token, environments) in [(&all, 1), (&shop, 1), (&other, 0)] {
        let page = page(&served, token).await;
        let of = page.family("leadsman_entry_requests").samples.len();
        assert_eq!(of, environments);
        let whole = page.family("leadsman_log_events_total").samples.len();
        assert_eq!(whole, usize::from(token == &all));
        let whole = page.family(refused).samples.len();
        assert_eq!(whole, usize::from(token == &all));
    }
    assert_eq!(get(&served, "lmt_").await.status, 401);
}

#[tokio::test]
async fn the_reference_is_up_to_date() {
    let served = Served::start().await;
    let token = served.token_of("prometheus", "viewer", None).await;
    let page = page(&served, &token).await;
    let mut reference = String::from(
        "# Metrics of control\n\n\
         What `/metrics` of the API shows.\n\
         This page is made by the tests of the crate `leadsman-server`; \
         [the guide](../guide/alerts.md) says how to read it, and \
         [another page](metrics.md) what the data plane shows.\n\n\
         | metric | type | meaning |\n|---|---|---|\n",
    );
    let mut seen = BTreeMap::new();
    for family in &page.0 {
        let (name, kind, help) = (&family.name, &family.kind, &family.help);
        reference.push_str(&format!("| `{name}` | {kind} | {help} |\n"));
        let before = seen.insert(help, name);
        assert_eq!(before, None, "{name} says what another one says");
    }
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/control-metrics.md"
    );
    expect_file![path].assert_eq(&reference);
}
