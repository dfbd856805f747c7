//! What a deployment that waits says about it.

use super::machine::{LONG, Machine, text};

/// Returns the reasons why the deployment waits, one per line.
fn reasons(machine: &Machine) -> String {
    let environment = machine.environment();
    let reasons = environment.pointer("/reasons").unwrap().as_array().unwrap();
    let sentences: Vec<_> = reasons
        .iter()
        .map(|reason| text(reason, "/sentence"))
        .collect();
    sentences.join("\n")
}

/// Waits until `words` are in the only reason, and checks that `why` and `status` say the same.
fn waits_for(machine: &Machine, words: &[&str]) {
    machine.wait_until(&format!("it waits for {words:?}"), || {
        let reasons = reasons(machine);
        words.iter().all(|word| reasons.contains(word))
    });
    for command in ["why", "status"] {
        let said = machine.run(&[command]).succeeds().stdout;
        // It is wrapped to the width of a terminal.
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(
                said.contains(word),
                "{word:?} is not in what {command} says: {said}"
            );
        }
    }
}

#[test]
fn a_deployment_that_waits_says_in_a_sentence_for_what() {
    let machine = Machine::with_first_release();
    machine.project("two", LONG);
    machine.ship_detached();
    waits_for(&machine, &["step 1 of 3", "`web`", "25 %"]);
    machine.run(&["pause"]).succeeds();
    waits_for(&machine, &["paused"]);
    machine.run(&["abort"]).succeeds();
    machine.wait_for_phase("rolled_back");

    let soaked = LONG.replace("1h", "100ms");
    machine.project("three", &soaked);
    machine.ship_detached();
    waits_for(&machine, &["no request"]);
}
