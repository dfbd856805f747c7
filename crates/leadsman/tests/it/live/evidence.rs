//! Evidence of a release that went all the way: what is in it, and that nothing can be changed in it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;

use serde_json::Value;
use tar::Archive;

use super::machine::Machine;
use super::random::Random;

const FILE: &str = "harbour-2-evidence.tar";

/// Writes the evidence of release 2, reads it as somebody else would, and tampers with it.
pub(super) fn of_the_second_release(machine: &Machine) {
    machine.run(&["evidence", "2"]).succeeds();
    machine.run(&["audit", "export", "log.jsonl"]).succeeds();
    let key = machine.run(&["audit", "key"]).succeeds().stdout;
    let key = key.trim();
    let whole = machine.run(&[
        "evidence",
        "verify",
        FILE,
        "--key",
        key,
        "--log",
        "log.jsonl",
    ]);
    let said = whole.succeeds().stdout;
    assert!(said.contains("every event of it is in the log"), "{said}");
    let files = files(machine, FILE);
    says_all(&files);
    nothing_can_be_changed(machine);
    machine
        .run(&["evidence", "99"])
        .fails(1, &["error[L123]", "`harbour` has no release 99"]);
}

/// Writes the evidence of a release, and returns what it says to a person.
pub(super) fn summary(machine: &Machine, release: &str) -> String {
    machine
        .run(&["evidence", release, "--to", "summed-up.tar"])
        .succeeds();
    let summary = files(machine, "summed-up.tar").remove("summary.md");
    String::from_utf8(summary.unwrap()).unwrap()
}

fn files(machine: &Machine, name: &str) -> BTreeMap<String, Vec<u8>> {
    let file = fs::File::open(machine.place.path().join(name)).unwrap();
    let mut archive = Archive::new(file);
    let entries = archive.entries().unwrap();
    entries
        .map(|entry| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            (path, content)
        })
        .collect()
}

fn says_all(files: &BTreeMap<String, Vec<u8>>) {
    let text = |name: &str| String::from_utf8(files[name].clone()).unwrap();
    let summary = text("summary.md");
    for said in [
        "# Evidence of release 2 of `harbour`",
        "| lint | passed |",
        "- approved by ben at",
        ": tried",
        "gate `tests`",
        "gate `jobs.load`: job `load` passed: open",
        "## Environment `production`",
        "every limit is kept",
    ] {
        assert!(summary.contains(said), "{said}: {summary}");
    }
    assert!(text("project.yaml").starts_with("application: harbour"));
    let facts: Value = serde_json::from_slice(&files["facts.json"]).unwrap();
    let kinds: Vec<&str> = facts["reports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|report| {
            report
                .pointer("/source/kind")
                .and_then(Value::as_str)
                .unwrap()
        })
        .collect();
    for kind in ["junit", "lcov", "sarif", "numbers", "load", "job"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
    // The reports themselves, and what the judge was told.
    let reports: Vec<&String> = files
        .keys()
        .filter(|name| name.starts_with("reports/"))
        .collect();
    assert_eq!(reports.len(), 5, "{reports:?}");
    assert!(reports.iter().any(|name| text(name).contains("<testsuite")));
    let figures = text("figures/1.jsonl");
    assert!(figures.lines().count() > 1, "{figures}");
    // What others do is not in it.
    let events = text("events.jsonl");
    assert!(!events.contains("person_added") && !events.contains("token_created"));
}

fn nothing_can_be_changed(machine: &Machine) {
    let path = machine.place.path().join(FILE);
    let good = fs::read(&path).unwrap();
    let mut archive = Archive::new(&good[..]);
    let places: Vec<(u64, u64)> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.raw_file_position(), entry.size()))
        .filter(|(_, size)| *size > 0)
        .collect();
    let changed = "changed.tar";
    let is_refused = |bytes: &[u8], what: &str| {
        machine.place.write(changed, bytes);
        let ran = machine
            .run(&["evidence", "verify", changed])
            .fails(1, &["error[L124]"]);
        assert!(ran.stdout.is_empty(), "{what}");
    };
    let mut random = Random::new(0x1ead);
    for (begin, size) in &places {
        let at = usize::try_from(begin + random.below(*size)).unwrap();
        let mut bytes = good.clone();
        bytes[at] ^= 1 << random.below(8);
        is_refused(&bytes, &format!("byte {at}"));
    }
    is_refused(&good[..good.len() / 2], "cut off");
    let (last, _) = places.last().unwrap();
    let without_last = usize::try_from(last - 512).unwrap();
    is_refused(&good[..without_last], "the last file is missing");
    let twice = [
        &good[..without_last],
        &good[without_last..good.len() - 1024],
        &good[without_last..],
    ];
    is_refused(&twice.concat(), "the last file is there twice");
    // Somebody else's key signs nothing here.
    let other = "0".repeat(64);
    machine
        .run(&["evidence", "verify", FILE, "--key", &other])
        .fails(1, &["error[L124]", "`signature.json`"]);
}
