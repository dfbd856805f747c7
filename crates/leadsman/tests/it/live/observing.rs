//! What is seen of requests: the access log, and metrics that Prometheus reads.

use std::fs;
use std::net::TcpListener;

use serde_json::{Value, json};

use super::client;
use super::machine::Machine;
use super::prometheus::Prometheus;

#[test]
fn requests_are_written_down_and_shown_to_prometheus_also_while_control_is_gone() {
    let mut machine = Machine::with_first_release();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let metrics = free.local_addr().unwrap();
    drop(free);
    // Put into force without a gap.
    machine.kill_control();
    machine.up_with(&["--access-log", "--metrics", &metrics.to_string()]);
    for _ in 0..5 {
        assert_eq!(client::get(machine.address, "/?a=b").unwrap().status, 200);
    }
    let log = machine.state().join("access").join("access.log");
    let mut lines: Vec<Value> = Vec::new();
    machine.wait_until("five lines of the access log", || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let read = text.lines().map(serde_json::from_str).collect();
        lines = Result::unwrap_or_default(read);
        lines.len() >= 5
    });
    for line in &lines {
        assert_eq!(line["service"], "quay/production/web", "{line}");
        assert_eq!(line["status"], 200, "{line}");
        assert_eq!(line["path"], "/", "{line}");
        assert!(line.get("query").is_none(), "{line}");
    }
    let Some(mut prometheus) = Prometheus::start(&machine) else {
        return;
    };
    Prometheus::scrape_at(&machine, &[json!(metrics.to_string())]);
    machine.kill_control();
    for _ in 0..5 {
        assert_eq!(client::get(machine.address, "/").unwrap().status, 200);
    }
    let series = "{application=\"quay\",environment=\"production\",service=\"web\",release=\"1\",\
                  kind=\"users\"}";
    let query = format!("sum(leadsman_proxy_requests_total{series}) >= 10");
    machine.wait_until("Prometheus knows of ten requests", || {
        prometheus.value(&query).is_some()
    });
    for query in [
        "min(up) == 1",
        "histogram_quantile(0.99, sum by (le) (leadsman_proxy_answer_duration_seconds_bucket)) > 0",
        "sum(leadsman_proxy_access_log_lines_total) >= 10",
        "sum(leadsman_proxy_instances{state=\"healthy\"}) == 1",
    ] {
        assert!(prometheus.value(query).is_some(), "{query}");
    }
    prometheus.kill();
}
