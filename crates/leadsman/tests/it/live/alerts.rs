//! What control shows to Prometheus, and what the guide has Prometheus say about it.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::client;
use super::machine::{Machine, QUICK};
use super::people::with_api;
use super::prometheus::Prometheus;
use crate::tool::{missing, tool};

/// Reads the page over the control socket, as the one who owns it.
pub(super) fn page(machine: &Machine) -> String {
    let socket = UnixStream::connect(machine.state().join("control.sock")).unwrap();
    let told = client::tell_over(socket, "control", "/metrics", &[]).unwrap();
    assert_eq!(told.answer.status, 200, "{told:?}");
    told.answer.body
}

/// Returns Prometheus' tool for whoever writes pages and rules, which comes with it; `None` where
/// `./dev test` said why it cannot be had.
fn promtool() -> Option<PathBuf> {
    if let Some(why) = missing("prometheus") {
        println!("skipped, there is no promtool: {why}");
        return None;
    }
    let prometheus = tool("prometheus", "./dev test").unwrap();
    let folder = prometheus.parent().unwrap();
    let mut places = [folder.join("promtool"), folder.join("usr/bin/promtool")].into_iter();
    let found = places.find(|place| place.is_file());
    if found.is_none() {
        println!(
            "skipped, there is no promtool beside {}",
            prometheus.display()
        );
    }
    found
}

/// Has it look at `text` as a page.
fn check_page(promtool: &Path, text: &str) {
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}\n{text}");
}

/// Returns the blocks of YAML in the guide: how it is scraped, and the rules.
fn guide() -> (String, String) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/alerts.md");
    let text = fs::read_to_string(path).unwrap();
    let mut blocks = text.split("```yaml\n").skip(1);
    let mut block = || {
        blocks
            .next()
            .unwrap()
            .split("```")
            .next()
            .unwrap()
            .to_owned()
    };
    (block(), block())
}

#[test]
fn prometheus_reads_the_page_and_says_what_the_guide_has_it_say() {
    let mut machine = Machine::new();
    let url = with_api(&mut machine);
    // Nobody will say that they tried it.
    machine.project("one", QUICK);
    let file = machine.place.path().join("leadsman.yaml");
    let project = fs::read_to_string(&file).unwrap();
    let list = "checklists: { after: { till: { confirm: \"The till was tried\", within: 1s } } },";
    let asking = project.replacen("{ production: {", &format!("{{ production: {{ {list}"), 1);
    assert_ne!(asking, project);
    fs::write(&file, asking).unwrap();
    machine.ship().succeeds();
    machine.wait_for_version("one");
    let Some(promtool) = promtool() else { return };
    check_page(&promtool, &page(&machine));

    let address = url.strip_prefix("http://").unwrap();
    let add = ["people", "add", "prometheus", "--role", "viewer"];
    machine.run(&add).succeeds();
    let create = ["token", "create", "scrapes", "--person", "prometheus"];
    let create = [&create[..], &["--role", "viewer", "--expires", "366d"]].concat();
    let token = machine.run(&create).succeeds().stdout;
    machine.place.write("prometheus/leadsman.token", token);
    let (config, rules) = guide();
    assert!(config.contains("127.0.0.1:7070") && rules.contains("increase("));
    machine.place.write("prometheus/leadsman.rules.yml", rules);
    let config = config.replace("127.0.0.1:7070", address);
    let often = "global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }\n";
    let config = format!("{often}{config}");
    machine.place.write("prometheus/checked.yml", &config);
    // It looks at the rules that the file names, too.
    let checked = machine.place.path().join("prometheus/checked.yml");
    let checked = Command::new(&promtool)
        .args(["check", "config"])
        .arg(checked)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");

    let Some(prometheus) = Prometheus::start_with(&machine, &config) else {
        return;
    };
    machine.wait_until("the page is scraped", || {
        prometheus.value("leadsman_environment_release") == Some(1.0)
    });
    let fires = |alert: &str| {
        let query = format!("count(ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}})");
        prometheus.value(&query).is_some()
    };
    machine.wait_until("Prometheus says that something was missed", || {
        fires("LeadsmanChecklistMissed")
    });
    let page_of_missed = page(&machine);
    let missed = "leadsman_checklist_items{application=\"quay\",environment=\"production\",\
                  when=\"after\",state=\"missed\"} 1\n";
    assert!(page_of_missed.contains(missed), "{page_of_missed}");
    assert!(!fires("LeadsmanWentBack"));
    // It never becomes ready.
    let ready = "{ http: /health, every: 50ms, within: 1s }";
    machine.project_of("    run: [\"false\"]\n", ready, QUICK);
    machine.ship().fails(4, &[]);
    machine.wait_until("Prometheus says that it went back", || {
        fires("LeadsmanWentBack")
    });
    assert!(!fires("LeadsmanBudgetExceeded"));
    check_page(&promtool, &page(&machine));
}
