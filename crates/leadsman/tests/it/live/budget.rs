//! A budget that is exceeded while the run goes on.

use super::alerts::page;
use super::machine::Machine;
use super::pipeline::git;

#[test]
fn what_takes_longer_than_its_budget_is_told_while_it_still_does() {
    let mut machine = Machine::new();
    let folder = machine.place.path().to_owned();
    let gate = folder.join("go-on");
    git(&folder, &["init", "--quiet", "--initial-branch=main"]);
    machine.place.write(".gitignore", "*\n!leadsman.yaml\n");
    machine.place.write(
        "leadsman.yaml",
        format!(
            "application: quay\nservices: {{ web: {{ run: ./web }} }}\npipeline:\n  budget: 1s\n  jobs:\n    \
             slow: {{ budget: 1s, script: \"until [ -e {} ]; do sleep 0.05; done\" }}\n    \
             quick: {{ budget: 1h, script: \"true\" }}\n",
            gate.display()
        ),
    );
    git(&folder, &["add", "--all"]);
    git(&folder, &["commit", "--quiet", "-m", "a change"]);
    machine.up();
    machine.run(&["run", "--detach"]).succeeds();
    let exceeded = machine.wait_for("both are told", || {
        let arguments = ["audit", "list", "--kind", "budget_exceeded"];
        let entries = machine.json(&arguments)["entries"]
            .as_array()
            .unwrap()
            .clone();
        (entries.len() == 2).then_some(entries)
    });
    let sentences: Vec<&str> = exceeded
        .iter()
        .map(|entry| entry["sentence"].as_str().unwrap())
        .collect();
    for part in [
        "the run takes longer than its budget of 1 s",
        "`slow` takes longer than its budget of 1 s",
    ] {
        assert!(
            sentences.iter().any(|it| it.contains(part)),
            "{sentences:?}"
        );
    }
    let run = machine.json(&["run", "show", "1"]);
    assert_eq!(run["state"], "running", "{run}");
    assert_eq!(run["over_budget"], true, "{run}");
    let listed = machine.run(&["runs"]).succeeds().stdout;
    assert!(listed.contains("over its budget, 1 job too"), "{listed}");
    assert!(machine.said().contains("takes longer than its budget"));
    let page = page(&machine);
    for line in [
        "leadsman_newest_run_state{application=\"quay\",state=\"running\"} 1\n",
        "leadsman_budget_seconds{application=\"quay\",run=\"1\",of=\"run\"} 1\n",
        "leadsman_budget_exceeded{application=\"quay\",run=\"1\",of=\"run\"} 1\n",
        "leadsman_budget_exceeded{application=\"quay\",run=\"1\",of=\"job\",pipeline_job=\"slow\"} 1\n",
        "leadsman_budget_exceeded{application=\"quay\",run=\"1\",of=\"job\",pipeline_job=\"quick\"} 0\n",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
    machine.place.write("go-on", "");
    machine.wait_until("the end of the run", || {
        machine.json(&["run", "show", "1"])["ended_at"].is_u64()
    });
    machine.down();
}
