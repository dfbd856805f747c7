//! Releases that are judged by metrics of their own.

use serde_json::Value;

use super::client::{Traffic, get};
use super::machine::{Machine, text};
use super::prometheus::Prometheus;

/// Returns a strategy whose one step rests on requests that come at all and on the metric `queue`,
/// with these keys.
fn judged_by(queue: &str) -> String {
    format!(
        "strategy: {{ canary: {{ steps: [50%], soak: 1s }}, keep_warm: 10m }}\n\
         limits:\n  errors: null\n  against_stable: null\n  requests: 1\n  metrics:\n    \
         queue: {{ {queue} }}\n"
    )
}

fn verdict(machine: &Machine) -> Value {
    let environment = machine.environment();
    let verdict = environment.pointer("/services/0/rollout/verdict");
    verdict.cloned().unwrap_or_default()
}

/// Waits until the judge says something with every one of `words`, and returns it.
fn wait_for_words(machine: &Machine, words: &[&str]) -> Value {
    machine.wait_for(&format!("the judge says {words:?}"), || {
        let verdict = verdict(machine);
        let said = text(&verdict, "/sentence");
        words
            .iter()
            .all(|word| said.contains(word))
            .then_some(verdict)
    })
}

/// Returns why the newest release went back.
fn cause(machine: &Machine) -> String {
    machine.wait_for_phase("rolled_back");
    text(&machine.environment(), "/deployment/cause")
}

#[test]
fn a_release_whose_own_metric_exceeds_its_limit_is_taken_back_with_the_numbers() {
    let machine = Machine::with_first_release();
    let page = "# TYPE jobs_waiting gauge\njobs_waiting{queue=\"mail\"} 150\nother 1\n";
    machine.place.write("metrics-two", page);
    let queue = "metric: 'jobs_waiting{queue=\"mail\"}', every: 1s, at_most: 100, for: 3s";
    machine.project("two", &judged_by(queue));
    let traffic = Traffic::start(machine.address);
    machine.ship().fails(4, &["`queue` 150 (limit 100) for "]);
    drop(traffic.end_without_failure());
    let cause = cause(&machine);
    assert!(cause.contains("`queue` 150 (limit 100) for "), "{cause}");
    assert_eq!(get(machine.address, "/").unwrap().body, "one");
}

#[test]
fn a_release_that_shows_no_metric_waits_and_goes_on_once_it_does() {
    let machine = Machine::with_first_release();
    machine.project(
        "two",
        &judged_by("metric: jobs_waiting, every: 1s, at_most: 100, for: 3s"),
    );
    let traffic = Traffic::start(machine.address);
    machine.ship_detached();
    let verdict = wait_for_words(&machine, &["`queue` has had no value for "]);
    assert_eq!(text(&verdict, "/outcome"), "no_data");
    machine.place.write("metrics-two", "jobs_waiting 100\n");
    machine.wait_for_version("two");
    machine.wait_for_phase("settling");
    drop(traffic.end_without_failure());
}

/// What Prometheus is asked for on a machine.
fn asked(prometheus: &Prometheus, outage: &str) -> String {
    let queue = format!(
        "prometheus: 'jobs_waiting{{instance=~\"$INSTANCES\"}}', every: 1s, at_most: 100, \
         for: 3s, outage: {outage}"
    );
    let address = prometheus.address;
    format!("{}prometheus: http://{address}\n", judged_by(&queue))
}

/// Ships a version without watching, and has Prometheus scrape it from its first step on.
fn ship_scraped(machine: &Machine, prometheus: &Prometheus) {
    machine.ship_detached();
    machine.wait_for_soak();
    prometheus.scrape(machine);
}

#[test]
fn prometheus_decides_between_revisions_and_says_what_it_lacks() {
    let machine = Machine::with_first_release();
    let Some(prometheus) = Prometheus::start(&machine) else {
        return;
    };
    let strategy = asked(&prometheus, "3s");
    let traffic = Traffic::start(machine.address);
    machine.place.write("metrics-one", "jobs_waiting 1\n");

    // A revision that is not known to Prometheus gets no further, and is not taken back.
    machine.project("two", &strategy);
    ship_scraped(&machine, &prometheus);
    let verdict = wait_for_words(&machine, &["`queue` has had no value for "]);
    assert_eq!(text(&verdict, "/outcome"), "no_data");

    // Several series are an error that names them.
    machine.place.write(
        "metrics-two",
        "jobs_waiting{queue=\"a\"} 1\njobs_waiting{queue=\"b\"} 2\n",
    );
    let verdict = wait_for_words(
        &machine,
        &["2 series where one is wanted", "queue=\"a\"", "queue=\"b\""],
    );
    assert_ne!(text(&verdict, "/outcome"), "fail");
    machine.wait_until("it is a source error", || {
        text(&self::verdict(&machine), "/outcome") == "source_error"
    });

    // A value that keeps its limit passes, though stable's would not.
    machine.place.write("metrics-one", "jobs_waiting 1000\n");
    machine.place.write("metrics-two", "jobs_waiting 100\n");
    machine.wait_for_phase("settling");

    // One that exceeds it is taken back with the numbers.
    machine.place.write("metrics-three", "jobs_waiting 150\n");
    machine.project("three", &strategy);
    ship_scraped(&machine, &prometheus);
    let cause = cause(&machine);
    assert!(cause.contains("`queue` 150 (limit 100) for 3 s"), "{cause}");
    drop(traffic.end_without_failure());
}

#[test]
fn an_outage_of_prometheus_shorter_than_its_budget_holds_the_release() {
    survive_outage("1m", "inconclusive");
}

#[test]
fn an_outage_of_prometheus_longer_than_its_budget_is_an_error_until_it_is_over() {
    survive_outage("2s", "source_error");
}

/// Ships a release, has Prometheus fail until the judge says `outcome`, and then come back.
fn survive_outage(outage: &str, outcome: &str) {
    let machine = Machine::with_first_release();
    let Some(mut prometheus) = Prometheus::start(&machine) else {
        return;
    };
    let traffic = Traffic::start(machine.address);
    machine.project("two", &asked(&prometheus, outage));
    ship_scraped(&machine, &prometheus);
    wait_for_words(&machine, &["`queue` has had no value for "]);
    prometheus.kill();
    // The release is fine, but nobody can say so.
    machine.place.write("metrics-two", "jobs_waiting 1\n");
    let at = prometheus.address.to_string();
    wait_for_words(
        &machine,
        &["`queue` could not be had for ", &at, "Connection refused"],
    );
    machine.wait_until(&format!("that is {outcome}"), || {
        text(&verdict(&machine), "/outcome") == outcome
    });
    assert_eq!(machine.phase(), "moving");
    prometheus.run(&machine);
    machine.wait_for_phase("settling");
    drop(traffic.end_without_failure());
}
