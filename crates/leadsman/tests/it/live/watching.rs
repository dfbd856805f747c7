//! A person who watches a release on a terminal, and decides.

use std::process::{Child, ExitStatus};

use serde_json::Value;

use super::machine::{LONG, Machine, text};
use super::processes;
use super::terminal::Terminal;

/// A terminal on which everything is watched.
struct Watching<'t> {
    terminal: &'t Terminal,
    child: Child,
}

impl<'t> Watching<'t> {
    fn start(machine: &Machine, terminal: &'t Terminal, options: &[&str]) -> Self {
        let arguments = [&["status", "--watch"], options].concat();
        let mut command = machine.place.command(&arguments);
        command
            .env("TERM", "xterm")
            .stdin(terminal.device())
            .stdout(terminal.device())
            .stderr(terminal.device());
        Self {
            terminal,
            child: command.spawn().unwrap(),
        }
    }

    /// Waits until all of `words` are to be seen.
    fn shows(&self, machine: &Machine, words: &[&str]) {
        self.sees(machine, words, |screen, word| screen.contains(word));
    }

    /// Waits until none of `words` is to be seen.
    fn hides(&self, machine: &Machine, words: &[&str]) {
        self.sees(machine, words, |screen, word| !screen.contains(word));
    }

    fn sees(&self, machine: &Machine, words: &[&str], holds: impl Fn(&str, &str) -> bool) {
        let seen = || self.terminal.screen().text();
        let what = format!("{words:?} on the screen");
        let looked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            machine.wait_until(&what, || {
                let screen = seen();
                words.iter().all(|word| holds(&screen, word))
            });
        }));
        if let Err(panic) = looked {
            println!("--- what is on the screen\n{}", seen());
            std::panic::resume_unwind(panic);
        }
    }

    /// Waits for its end, and checks that the terminal is as it was.
    fn ends(mut self, machine: &Machine) -> ExitStatus {
        let status = machine.wait_for("watching ends", || self.child.try_wait().unwrap());
        machine.wait_until("the screen is given back", || {
            let screen = self.terminal.screen();
            !screen.is_taken && !screen.is_cursor_hidden
        });
        assert!(self.terminal.is_as_usual());
        status
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        // One that has ended is left alone.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_release_is_watched_and_decided_on_by_keys() {
    let mut machine = Machine::with_first_release();
    machine.project("two", LONG);
    machine.ship_detached();
    machine.wait_for_soak();
    let terminal = Terminal::new(110, 40);
    assert!(terminal.is_as_usual());

    let watching = Watching::start(&machine, &terminal, &[]);
    watching.shows(
        &machine,
        &[
            "quay/production",
            "▶ on its way",
            "step 1 of 3 at 25 %",
            "p Pause",
        ],
    );
    assert!(!terminal.is_as_usual() && terminal.screen().is_taken);
    terminal.press("\r");
    watching.shows(
        &machine,
        &[
            "steps  ▶ 25 %  · 50 %  · 100 %",
            "canary  2 ",
            "what happened",
        ],
    );

    terminal.press("p");
    watching.shows(
        &machine,
        &[
            "Pause?",
            "release 2 keeps 25 % of requests",
            "for the audit",
        ],
    );
    terminal.press("look into ticket 8\r");
    watching.shows(
        &machine,
        &["! paused", "✓ quay/production: paused by", "r Resume"],
    );
    assert_eq!(machine.phase(), "paused");
    let audit = machine.json(&["audit", "list"]);
    let entries = audit.pointer("/entries").and_then(Value::as_array).unwrap();
    let because = |entry: &Value| text(entry, "/why") == "look into ticket 8";
    assert!(entries.iter().any(because), "{audit}");
    // What cannot be done now says why.
    terminal.press("p");
    watching.shows(&machine, &["Pause: error[R005]"]);

    // What is decided on something older is refused.
    terminal.press("a");
    watching.shows(&machine, &["Abort?", "the 25 % of requests"]);
    machine.run(&["promote"]).succeeds();
    machine.wait_for_soak();
    terminal.press("\r");
    watching.shows(&machine, &["Abort: not done", "error[R044]", "hint: "]);
    assert_eq!(machine.phase(), "moving");
    terminal.press("\r");
    watching.shows(&machine, &["▶ 50 %"]);

    // Another size is found, however small.
    terminal.resize(40, 10);
    watching.shows(&machine, &["quay/production", "q end"]);
    terminal.resize(110, 40);
    watching.shows(&machine, &["▶ 50 %", "what happened"]);
    terminal.press("q");
    assert!(watching.ends(&machine).success());
    assert_eq!(machine.phase(), "moving", "what runs goes on");
    machine.down();
}

#[test]
fn a_control_that_goes_away_is_waited_for_and_the_terminal_is_given_back_on_a_signal() {
    let mut machine = Machine::with_first_release();
    let terminal = Terminal::new(80, 24);
    let watching = Watching::start(&machine, &terminal, &["--color", "never"]);
    watching.shows(&machine, &["✓ serves", "release 1", "1 environment"]);
    machine.kill_control();
    let lost = ["control is not reached since", "error[L001]", "old: of"];
    watching.shows(&machine, &lost);
    watching.shows(&machine, &["quay/production", "release 1"]);
    machine.up();
    watching.hides(&machine, &lost);
    watching.shows(&machine, &["quay/production", "release 1"]);
    processes::terminate(i32::try_from(watching.child.id()).unwrap());
    assert_eq!(watching.ends(&machine).code(), Some(130));
    machine.down();
}

#[test]
fn what_is_no_terminal_gets_lines_as_ever() {
    let machine = Machine::with_first_release();
    let mut child = machine.start(&["status", "--watch", "--json"]);
    let stdout = child.stdout.take().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stdout));
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(text(&first, "/environments/0/application"), "quay");
    child.kill().unwrap();
    child.wait().unwrap();
}
