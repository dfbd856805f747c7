//! A release day in a real browser: what people see, decide and read.

use std::fs;
use std::path::{Path, PathBuf};

use super::browser::{Browser, LOOKS, Look};
use super::client::Traffic;
use super::machine::{LONG, Machine};
use super::people::with_api;
use super::pipeline::{commit, git, wait_for_end};
use crate::tool::{missing, tool};

const PAGE: &str = "/environments/quay/production";

/// Where pictures are kept, if they are to be kept.
const IMAGES: &str = "LEADSMAN_IMAGES";

/// What is looked at, by whom, and what is found wrong with it.
struct Day {
    machine: Machine,
    browser: Browser,
    images: PathBuf,
    /// The accessibility checker; none where there is none.
    axe: Option<String>,
    /// The pages that were checked.
    checked: Vec<String>,
    _scratch: tempfile::TempDir,
}

impl Day {
    fn begin() -> Option<(Self, String, String)> {
        let mut machine = Machine::new();
        let folder = machine.place.path().to_owned();
        git(&folder, &["init", "--quiet", "--initial-branch=main"]);
        machine.place.write(".gitignore", "*\n!leadsman.yaml\n");
        let url = with_api(&mut machine);
        let browser = Browser::start(&url)?;
        let token = |name: &str, roles: &[&str]| {
            machine.run(&["people", "add", name]).succeeds();
            for role in roles {
                machine.run(&["people", "grant", name, role]).succeeds();
            }
            let made = machine.run(&["token", "create", "browser", "--person", name]);
            made.succeeds().stdout.trim().to_owned()
        };
        let mia = token("mia", &["operator", "developer"]);
        let ina = token("ina", &["admin"]);
        let scratch = tempfile::tempdir().unwrap();
        let images = std::env::var_os(IMAGES).map_or(scratch.path().to_owned(), PathBuf::from);
        let day = Self {
            machine,
            browser,
            images,
            axe: axe(),
            checked: Vec::new(),
            _scratch: scratch,
        };
        Some((day, mia, ina))
    }

    fn sign_in(&mut self, token: &str) {
        self.browser.open("/");
        self.browser.reads(&["Sign in"]);
        self.is_accessible("sign-in");
        self.browser.write("#token", token);
        self.browser.press("form[action='/sign-in'] button");
        self.browser.reads(&["Sign out"]);
    }

    fn sign_out(&self) {
        self.browser.press("form[action='/sign-out'] button");
        self.browser.reads(&["Sign in"]);
    }

    /// Keeps what is to be seen, in every look, and checks that everybody can use it.
    fn kept(&mut self, name: &str) {
        for look in LOOKS {
            self.browser.look(look);
            self.is_within_the_window(name, look);
            self.has_no_violation(&format!("{name}, {}", look.name));
            let file = self.images.join(format!("{name}-{}.png", look.name));
            self.browser.picture(&file);
        }
        self.browser.look(LOOKS[0]);
        self.checked.push(name.to_owned());
    }

    /// Checks that everybody can use the page, by day and by night.
    fn is_accessible(&mut self, name: &str) {
        for look in [LOOKS[0], LOOKS[3]] {
            self.browser.look(look);
            self.is_within_the_window(name, look);
            self.has_no_violation(&format!("{name}, {}", look.name));
        }
        self.browser.look(LOOKS[0]);
        self.checked.push(name.to_owned());
    }

    /// Waits until there is a line in a picture; for pictures that are to be kept, until it says more.
    fn something_is_drawn(&self) {
        let points = if std::env::var_os(IMAGES).is_some() {
            7
        } else {
            1
        };
        let script = "return Math.max(0, ...[...document.querySelectorAll('polyline')] \
                      .map((line) => line.points.length))";
        self.machine.wait_until("something is drawn", || {
            self.browser.run(script).as_u64() >= Some(points)
        });
    }

    /// Nobody has to move a page from side to side.
    fn is_within_the_window(&self, name: &str, look: Look) {
        let beyond = "const root = document.documentElement; \
             if (root.scrollWidth <= root.clientWidth) return []; \
             const all = [...document.querySelectorAll('body *')]; \
             const out = all.filter((it) => it.getBoundingClientRect().right > root.clientWidth); \
             return ['too wide', ...out.map((it) => it.outerHTML.slice(0, 200))]";
        let beyond = self.browser.run(beyond);
        assert_eq!(beyond, serde_json::json!([]), "{name}, {}", look.name);
    }

    fn has_no_violation(&self, name: &str) {
        let Some(axe) = &self.axe else { return };
        // It is there once on each page.
        self.browser.run(&format!("if (!window.axe) {{ {axe} }}"));
        let found = self.browser.run_until_told(
            "const told = arguments[arguments.length - 1]; \
             const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']; \
             axe.run({ runOnly: tags }).then( \
               (result) => told(result.violations.map((it) => \
                 it.impact + ' ' + it.id + ': ' + it.help + ': ' + \
                 it.nodes.map((node) => node.html).join(' | '))), \
               (error) => told(['axe failed: ' + error]))",
        );
        assert_eq!(found, serde_json::json!([]), "{name}");
    }

    /// Says on the page that asks for it that something is to be done, perhaps with a reason.
    fn confirm(&self, sentence: &[&str], reason: Option<&str>) {
        self.browser.reads(sentence);
        if let Some(reason) = reason {
            self.browser.write("#reason", reason);
        }
        self.browser.press("main form button");
        self.browser.reads(&["What you can do"]);
        assert_eq!(self.browser.path(), PAGE);
    }
}

/// Returns the accessibility checker; none where `./dev test` has said why there is none.
fn axe() -> Option<String> {
    if let Some(why) = missing("axe") {
        println!("skipped, there is no axe-core: {why}");
        return None;
    }
    let file = tool("axe", "./dev test").unwrap_or_else(|error| panic!("{error}"));
    Some(fs::read_to_string(file).unwrap())
}

fn choice(name: &str) -> String {
    format!("a[href='{PAGE}/do/{name}']")
}

#[test]
fn people_watch_decide_and_read_a_release_day_in_a_browser() {
    let Some((mut day, mia, ina)) = Day::begin() else {
        return;
    };
    day.machine.project("one", LONG);
    day.machine.ship().succeeds();
    let users = Traffic::start(day.machine.address);

    // A canary, watched live.
    day.machine.project("two", LONG);
    day.machine.ship_detached();
    day.sign_in(&mia);
    day.browser.reads(&["quay", "release 2"]);
    day.browser.press(&format!("a[href='{PAGE}']"));
    day.browser
        .reads(&["Canary", "25 %", "holds 25 %", "Pause"]);
    // What is counted comes by itself.
    day.browser.reads(&["/s", "ms"]);
    day.browser.press(&choice("pause"));
    day.kept("confirm");
    day.confirm(&["Pause", "25 %"], None);
    day.browser.reads(&["paused", "Resume"]);
    day.browser.press(&choice("resume"));
    day.confirm(&["Resume"], None);
    day.browser.press(&choice("promote"));
    day.confirm(&["50 %"], None);
    day.browser.reads(&["holds 50 %"]);
    day.browser.open("/");
    day.kept("overview");
    day.browser.open(PAGE);
    day.browser.reads(&["holds 50 %"]);
    day.something_is_drawn();
    day.kept("environment");
    day.browser.press(&choice("promote-all"));
    day.confirm(&["gets 100 %"], None);
    day.browser.reads(&["release 2 serves"]);

    // Another one needs a second person.
    let entry = "entry: { approvals: 1 }";
    day.machine.project("three frail", LONG);
    let file = day.machine.place.path().join("leadsman.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replacen("production: {", &format!("production: {{ {entry},"), 1);
    fs::write(&file, text).unwrap();
    day.machine.run(&["ship", "--detach"]).succeeds();
    day.browser.reads(&["Waiting to enter", "Release 3"]);
    day.sign_out();
    day.sign_in(&ina);
    day.browser.open(PAGE);
    day.browser.reads(&["Waiting to enter", "Release 3"]);
    day.is_accessible("environment with a request");
    day.browser.press(&choice("approve-3"));
    day.confirm(&["release 3"], Some("read, and tried on staging"));
    day.browser.reads(&["holds 25 %", "release 3"]);

    // It is bad: it goes back by itself, and says why.
    day.machine.place.write("sick", "");
    day.browser.reads(&[
        "release 3",
        "went back",
        "answers failed",
        "release 2 serves",
    ]);
    fs::remove_file(day.machine.place.path().join("sick")).unwrap();
    day.kept("rolled-back");

    // What serves is taken back by hand.
    day.browser.press(&choice("rollback"));
    day.confirm(&["release 1"], None);
    day.browser.reads(&["release 1 serves"]);
    drop(users.end());

    // Everything else that there is to see.
    day.machine.place.write("leadsman.yaml", {
        let text = fs::read_to_string(&file).unwrap();
        format!("{text}pipeline:\n  start: {{ push: [main] }}\n  jobs:\n    unit: {{ run: echo good }}\n")
    });
    commit(&day.machine);
    day.machine.run(&["run", "--detach"]).succeeds();
    wait_for_end(&day.machine, 1);
    for (name, path) in [
        ("history", format!("{PAGE}/history")),
        ("service", format!("{PAGE}/services/web")),
        ("release", "/applications/quay/releases/3".to_owned()),
        ("runs", "/runs".to_owned()),
        ("run", "/runs/quay/1".to_owned()),
        ("output of a job", "/runs/quay/1/logs/unit".to_owned()),
        ("audit", "/audit".to_owned()),
        ("settings", "/settings".to_owned()),
        ("people", "/settings/people".to_owned()),
        ("person", "/settings/people/mia".to_owned()),
        ("webhooks", "/settings/webhooks".to_owned()),
        ("freezes", "/settings/freezes".to_owned()),
        ("nothing there", "/applications/quay/releases/99".to_owned()),
    ] {
        day.browser.open(&path);
        day.browser.reads(&["Sign out"]);
        if name == "release" {
            day.kept(name);
        } else {
            day.is_accessible(name);
        }
    }
    day.sign_out();
    assert!(
        Path::new(&day.images)
            .join("overview-phone-dark.png")
            .is_file()
    );
    println!("{} pages: {}", day.checked.len(), day.checked.join(", "));
}
