//! Exports of a state folder, and exports that somebody else has made: no control runs.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use expect_test::expect;
use leadsman_core::time::Timestamp;
use leadsman_store::sqlite::SqliteLog;
use leadsman_store::{Append, EventLog as _, FigureLog as _, FigureRow, NewEvent};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{Archive, Builder, EntryType, Header};

use crate::program::Place;

/// What is in the artifact of these tests: nobody unpacks it here.
const ARTIFACT: &[u8] = b"as good as a packed folder";

fn hex(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a state folder with a log, an artifact, a certificate, and what no export has.
fn state(place: &Place, name: &str) {
    let artifact = hex(ARTIFACT);
    place
        .write(&format!("{name}/artifacts/{artifact}.tar"), ARTIFACT)
        .write(&format!("{name}/artifacts/.incoming-x"), "half of one")
        .write(
            &format!("{name}/proxy/certificates/quay.test.pem"),
            "a secret",
        )
        .write(
            &format!("{name}/proxy/certificates/quay.test.new"),
            "half of one",
        )
        .write(&format!("{name}/proxy/certificates/account-x.json"), "{}")
        .write(&format!("{name}/proxy/table.json"), "{}")
        .write(&format!("{name}/logs/x/output.log"), "said");
    let log = SqliteLog::open(place.path().join(name).join("events.db")).unwrap();
    let released = json!({
        "event": "release_created", "number": 1, "project": "", "origin": "/",
        "artifacts": { "web": format!("sha256:{artifact}"), "api": format!("sha256:{}", "0".repeat(64)) },
        "note": null,
    });
    let append = Append {
        stream: "shop".parse().unwrap(),
        expected_version: 0,
        at: Timestamp::from_millis(1_790_000_000_000),
        actor: "mia".to_owned(),
        events: vec![NewEvent {
            kind: "release_created".to_owned(),
            body: released.to_string(),
        }],
    };
    let figure = FigureRow {
        series: "shop/production/1/web".to_owned(),
        at: Timestamp::from_millis(1_790_000_000_000),
        body: r#"["a telling figure"]"#.to_owned(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(log.append(append)).unwrap();
    runtime.block_on(log.append_figures(vec![figure])).unwrap();
}

/// Returns every file below a folder with the digest of its content, sorted.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path
                    .strip_prefix(folder)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                found.push((name, hex(&fs::read(path).unwrap())));
            }
        }
    }
    found.sort();
    found
}

/// Returns the files that SQLite does not make anew for whoever reads.
fn kept(mut files: Vec<(String, String)>) -> Vec<(String, String)> {
    files.retain(|(name, _)| !name.ends_with("-shm") && !name.ends_with("-wal"));
    files
}

/// An entry of an archive.
#[derive(Clone)]
struct Entry {
    path: String,
    kind: EntryType,
    content: Vec<u8>,
    /// How large it says it is.
    bytes: u64,
}

impl Entry {
    fn new(path: &str, content: &[u8]) -> Self {
        Self {
            path: path.to_owned(),
            kind: EntryType::Regular,
            content: content.to_owned(),
            bytes: content.len() as u64,
        }
    }
}

/// Takes an export apart.
fn entries(export: &[u8]) -> Vec<Entry> {
    let mut archive = Archive::new(export);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        Entry::new(&path, &content)
    });
    entries.collect()
}

/// Puts an export together, whatever it says.
fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for entry in entries {
        let mut header = Header::new_gnu();
        // What no honest writer would call an entry.
        let name = &mut header.as_old_mut().name;
        name[..entry.path.len()].copy_from_slice(entry.path.as_bytes());
        header.set_entry_type(entry.kind);
        header.set_mode(0o600);
        header.set_size(entry.bytes);
        if entry.kind != EntryType::Regular {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        builder.append(&header, &entry.content[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Returns the manifest of an export.
fn manifest(entries: &[Entry]) -> Value {
    serde_json::from_slice(&entries[0].content).unwrap()
}

/// A place with an export of a state folder.
fn exported() -> (Place, Vec<u8>) {
    let place = Place::new();
    state(&place, "old");
    let ran = place.run(&["state", "export", "export.tar", "--state", "old"]);
    assert_eq!(ran.status, 0, "{}", ran.whole());
    let export = fs::read(place.path().join("export.tar")).unwrap();
    (place, export)
}

#[test]
fn an_export_holds_what_another_machine_needs_and_nothing_else() {
    let place = Place::new();
    state(&place, "old");
    let before = files(&place.path().join("old"));
    let ran = place.run(&["state", "export", "export.tar", "--state", "old"]);
    let whole = ran.whole().replace(&hex(ARTIFACT), "ARTIFACT");
    let size = whole.split(['(', ')']).nth(1).unwrap().to_owned();
    expect![[r#"
        status 0
        --- stdout
        exported 1 event and 1 artifact (SIZE) to `[FOLDER]/export.tar`
        the head of its log is 55669e559e210a45b31647a3fb454913cc5f592f1355afff7d4816a391005961
        --- stderr
        it holds private keys: keep it where nobody else can read it, or export again with `--without-keys`
        warning: not there, and so not in it: 1 artifact of recorded releases, sha256:0000000000000000000000000000000000000000000000000000000000000000
    "#]]
    .assert_eq(&whole.replace(&size, "SIZE"));
    assert_eq!(
        kept(files(&place.path().join("old"))),
        kept(before),
        "nothing was changed"
    );
    let export = fs::read(place.path().join("export.tar")).unwrap();
    let names: Vec<String> = entries(&export)
        .into_iter()
        .map(|entry| entry.path)
        .collect();
    let artifact = format!("artifacts/{}.tar", hex(ARTIFACT));
    assert_eq!(
        names,
        [
            "manifest.json",
            "events.db",
            &artifact,
            "proxy/certificates/account-x.json",
            "proxy/certificates/quay.test.pem"
        ]
    );
    let mode = fs::metadata(place.path().join("export.tar"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let left: Vec<_> = fs::read_dir(place.path())
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn what_is_not_wanted_is_left_out() {
    let place = Place::new();
    state(&place, "old");
    let without = ["--without-figures", "--without-keys"];
    let export = |file, options: &[&str]| {
        let ran = place.run(
            &[
                &["state", "export", file, "--state", "old", "--json"],
                options,
            ]
            .concat(),
        );
        assert_eq!(ran.status, 0, "{}", ran.whole());
        let bytes = fs::read(place.path().join(file)).unwrap();
        let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        let report: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(report.pointer("/bytes"), Some(&bytes.len().into()));
        let told = (report["figures"].clone(), report["secrets"].clone());
        (told, holds(b"a telling figure"), holds(b"a secret"))
    };
    assert_eq!(
        export("all.tar", &[]),
        ((true.into(), 2.into()), true, true)
    );
    assert_eq!(
        export("some.tar", &without),
        ((false.into(), 0.into()), false, false)
    );
    let ran = place.run(&["state", "import", "some.tar", "--state", "new"]);
    assert_eq!(ran.status, 0, "{}", ran.whole());
}

#[test]
fn what_was_exported_is_imported_by_a_file_and_by_a_pipe() {
    let (place, export) = exported();
    let expected: Vec<_> = files(&place.path().join("old"))
        .into_iter()
        .filter(|(name, _)| {
            let is_left_out = [".incoming", ".new", "table.json", "logs/", "events.db"];
            !is_left_out.iter().any(|word| name.contains(word))
        })
        .collect();
    let ran = place.run(&["state", "import", "export.tar", "--state", "new"]);
    assert_eq!(ran.status, 0, "{}", ran.whole());
    fs::create_dir(place.path().join("empty")).unwrap();
    symlink("empty", place.path().join("linked")).unwrap();
    let shell = |script: &str| {
        let script = format!(
            "set -o pipefail; {}",
            script.replace("leadsman", crate::program::PROGRAM)
        );
        let mut command = std::process::Command::new("bash");
        command
            .args(["-c", &script])
            .current_dir(place.path())
            .env("TMPDIR", place.path());
        place.told(command.output().unwrap())
    };
    let ran = shell("leadsman state export - --state old | leadsman state import - --state linked");
    assert_eq!(ran.status, 0, "{}", ran.whole());
    for folder in ["new", "empty"] {
        let path = place.path().join(folder);
        let mut found = files(&path);
        found.retain(|(name, _)| name != "events.db" && name != "format.json");
        assert_eq!(found, expected, "{folder}");
        for (name, _) in files(&path) {
            let mode = fs::metadata(path.join(&name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{folder}");
        let verified = |state| place.run(&["audit", "verify", "--state", state]).stdout;
        assert_eq!(verified(folder), verified("old"));
    }
    assert!(place.path().join("linked").is_symlink());
    // A second export of the same is the same but for its moment.
    let ran = place.run(&["state", "export", "again.tar", "--state", "new"]);
    assert_eq!(ran.status, 0, "{}", ran.whole());
    let again = fs::read(place.path().join("again.tar")).unwrap();
    let of = |export| {
        entries(export)
            .into_iter()
            .skip(2)
            .map(|entry| (entry.path, entry.content))
    };
    assert!(of(&export).eq(of(&again)));
}

#[test]
fn a_state_that_is_there_is_never_touched() {
    let (place, _) = exported();
    place.write("file", "precious").write("used/lock", "");
    for state in ["old", "used", "file"] {
        let path = place.path().join(state);
        let content = || {
            if path.is_dir() {
                files(&path)
            } else {
                vec![(String::new(), hex(&fs::read(&path).unwrap()))]
            }
        };
        let before = content();
        let ran = place.run(&["state", "import", "export.tar", "--state", state]);
        assert_eq!(ran.status, 1, "{}", ran.whole());
        let said =
            format!("error[L046]: `[FOLDER]/{state}` is no empty folder: nothing was changed\n");
        assert!(ran.stderr.starts_with(&said), "{}", ran.stderr);
        assert_eq!(content(), before);
    }
}

#[test]
fn an_export_that_fails_leaves_the_one_before_and_nothing_else() {
    let (place, export) = exported();
    let artifact = format!("old/artifacts/{}.tar", hex(ARTIFACT));
    for content in [
        "as good as a packed hammer",
        "as good",
        "as good as a packed folder, and more",
    ] {
        place.write(&artifact, content);
        let ran = place.run(&["state", "export", "export.tar", "--state", "old"]);
        assert_eq!(ran.status, 1, "{}", ran.whole());
        assert!(
            ran.stderr.starts_with("error[L044]: the artifact `sha256:"),
            "{}",
            ran.stderr
        );
        assert_eq!(fs::read(place.path().join("export.tar")).unwrap(), export);
    }
    place.write(&artifact, ARTIFACT);
    let ran = place.run(&["state", "export", "export.tar", "--state", "nowhere"]);
    assert!(
        ran.stderr.starts_with("error[L041]: there is no event log"),
        "{}",
        ran.stderr
    );
    let ran = place.run(&["state", "export", "no/such/folder.tar", "--state", "old"]);
    assert!(ran.stderr.starts_with("error[L014]"), "{}", ran.stderr);
    let log = place.path().join("old/events.db");
    let text = fs::read(&log).unwrap();
    let at = text.windows(3).position(|window| window == b"mia").unwrap();
    let mut tampered = text;
    tampered[at] = b'e';
    fs::write(&log, tampered).unwrap();
    let ran = place.run(&["state", "export", "export.tar", "--state", "old"]);
    assert!(
        ran.stderr
            .starts_with("error[L040]: the event log is broken at position 1"),
        "{}",
        ran.stderr
    );
    assert_eq!(fs::read(place.path().join("export.tar")).unwrap(), export);
    let left: Vec<_> = fs::read_dir(place.path())
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

/// Imports what nobody should, and returns what was said of it, after checks that hold for all.
fn refusal(place: &Place, export: &[u8]) -> String {
    place.write("hostile.tar", export);
    let before = files(place.path());
    let ran = place.run(&["state", "import", "hostile.tar", "--state", "deep/new"]);
    assert_eq!(ran.status, 1, "{}", ran.whole());
    assert_eq!(ran.stdout, "");
    assert_eq!(files(place.path()), before, "{}", ran.stderr);
    assert_eq!(fs::read_dir(place.path().join("deep")).unwrap().count(), 0);
    ran.stderr
}

#[test]
fn an_export_that_ends_too_early_is_refused_wherever_it_ends() {
    let (place, export) = exported();
    let last = entries(&export).pop().unwrap().content.len();
    // Behind the last content there are zeros up to the next block, and two blocks of them.
    let content_ends = export.len() - 1024 - (512 - last % 512);
    let header = 512;
    assert_eq!(
        place
            .run(&["state", "import", "export.tar", "--state", "x"])
            .status,
        0
    );
    for length in (0..content_ends)
        .step_by(1999)
        .chain([1, header, content_ends - 1])
    {
        let said = refusal(&place, &export[..length]);
        let is_said = said.starts_with("error[L045]: the export ends too early");
        assert!(is_said, "{length}: {said}");
    }
}

/// Replaces what follows `words` up to the end of a word, wherever they stand, by `...`.
fn without_word_after(text: &str, words: &str) -> String {
    let mut parts = text.split(words);
    let mut kept = parts.next().unwrap().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
        kept.push_str(&format!("{words}...{rest}"));
    }
    kept
}

#[test]
fn an_export_that_is_none_or_that_something_was_done_to_is_refused_with_the_reason() {
    let (place, export) = exported();
    let good = entries(&export);
    let other = {
        let other = Place::new();
        let log = SqliteLog::open(other.path().join("events.db")).unwrap();
        drop(log);
        fs::read(other.path().join("events.db")).unwrap()
    };
    type Change<'a> = Box<dyn Fn(&mut Vec<Entry>) + 'a>;
    // What is done to the manifest, which is always one that fits its own size.
    let says = |change: Box<dyn Fn(&mut Value)>| -> Change<'_> {
        Box::new(move |entries| {
            let mut manifest = manifest(entries);
            change(&mut manifest);
            entries[0] = Entry::new("manifest.json", manifest.to_string().as_bytes());
        })
    };
    // Replaces the log, and says so.
    let log = |content: Vec<u8>| -> Change<'_> {
        Box::new(move |entries| {
            let mut manifest = manifest(entries);
            manifest["files"][0]["bytes"] = content.len().into();
            manifest["files"][0]["digest"] = format!("sha256:{}", hex(&content)).into();
            entries[0] = Entry::new("manifest.json", manifest.to_string().as_bytes());
            entries[1] = Entry::new("events.db", &content);
        })
    };
    let changed = |find: &[u8], by: &[u8]| {
        let mut content = good[1].content.clone();
        let at = content
            .windows(find.len())
            .position(|window| window == find)
            .unwrap();
        content[at..at + by.len()].copy_from_slice(by);
        content
    };
    // The 4 bytes at 60 are what SQLite calls `user_version`.
    let newer = {
        let mut content = good[1].content.clone();
        content[60..64].copy_from_slice(&99_u32.to_be_bytes());
        content
    };
    let kind = |kind| -> Change<'_> { Box::new(move |entries| entries[2].kind = kind) };
    let called = |name: &'static str| -> Change<'_> {
        Box::new(move |entries| entries[2].path = name.to_owned())
    };
    let cases: Vec<(&str, Change<'_>)> = vec![
        ("an entry that goes up", called("../evil")),
        ("an absolute entry", called("/tmp/evil")),
        ("an entry in place of another", called("artifacts/evil")),
        ("a link", kind(EntryType::Symlink)),
        ("a hard link", kind(EntryType::Link)),
        ("a device", kind(EntryType::Char)),
        ("a folder", kind(EntryType::Directory)),
        ("a long name", kind(EntryType::GNULongName)),
        ("a file with holes", kind(EntryType::GNUSparse)),
        (
            "an entry too many",
            Box::new(|entries| entries.push(Entry::new("evil", b""))),
        ),
        (
            "the last entry again",
            Box::new(|entries| entries.push(entries.last().unwrap().clone())),
        ),
        (
            "an entry too few",
            Box::new(|entries| drop(entries.remove(2))),
        ),
        ("no manifest", Box::new(|entries| drop(entries.remove(0)))),
        (
            "nothing but a manifest",
            Box::new(|entries| entries.truncate(1)),
        ),
        (
            "other content",
            Box::new(|entries| entries[2].content[0] ^= 1),
        ),
        (
            "less content than is said",
            Box::new(|entries| {
                entries[2].content.pop();
                entries[2].bytes -= 1;
            }),
        ),
        (
            "a file that goes up",
            says(Box::new(|it| it["files"][1]["path"] = "../../evil".into())),
        ),
        (
            "a file that goes up later",
            says(Box::new(|it| {
                it["files"][1]["path"] = "artifacts/../../evil".into();
            })),
        ),
        (
            "an absolute file",
            says(Box::new(|it| it["files"][1]["path"] = "/etc/passwd".into())),
        ),
        (
            "a file that no export has",
            says(Box::new(|it| {
                it["files"][1]["path"] = "control.sock".into();
            })),
        ),
        (
            "a hidden certificate",
            says(Box::new(|it| {
                it["files"][3]["path"] = "proxy/certificates/.pem".into();
            })),
        ),
        (
            "a certificate elsewhere",
            says(Box::new(|it| {
                it["files"][3]["path"] = "proxy/certificates/a/b.pem".into();
            })),
        ),
        (
            "an artifact of another name",
            says(Box::new(|it| {
                it["files"][1]["path"] = format!("artifacts/{}.tar", "a".repeat(64)).into();
            })),
        ),
        (
            "a file twice",
            says(Box::new(|it| it["files"][2] = it["files"][1].clone())),
        ),
        (
            "no log",
            says(Box::new(|it| {
                drop(it["files"].as_array_mut().unwrap().remove(0));
            })),
        ),
        ("no files", says(Box::new(|it| it["files"] = json!([])))),
        (
            "more than fits any disk",
            says(Box::new(|it| {
                it["files"][1]["bytes"] = (1_u64 << 60).into();
            })),
        ),
        (
            "more than can be counted",
            says(Box::new(|it| {
                it["files"][1]["bytes"] = u64::MAX.into();
                it["files"][2]["bytes"] = u64::MAX.into();
            })),
        ),
        (
            "a newer format",
            says(Box::new(|it| {
                *it = json!({ "format": 99, "program": "7.1.0" });
            })),
        ),
        (
            "a newer state",
            says(Box::new(|it| {
                it["state"] = 99.into();
                it["program"] = "7.1.0".into();
            })),
        ),
        (
            "an event more",
            says(Box::new(|it| it["events"] = 2.into())),
        ),
        (
            "another head",
            says(Box::new(|it| it["head"] = "ab".repeat(32).into())),
        ),
        (
            "a manifest of something else",
            says(Box::new(|it| *it = json!(["format"]))),
        ),
        (
            "a large manifest",
            Box::new(|entries| {
                entries[0].bytes = 1 << 40;
                entries.truncate(1);
            }),
        ),
        ("a log of something else", log(b"Dear diary".repeat(1000))),
        ("a newer log", log(newer)),
        ("another log", log(other)),
        ("a log that was changed", log(changed(b"mia", b"eve"))),
    ];
    let mut said = String::new();
    for (name, change) in &cases {
        let mut entries = good.clone();
        change(&mut entries);
        writeln!(said, "{name}:\n{}", refusal(&place, &archive(&entries))).unwrap();
    }
    for (name, export) in [
        ("no archive", b"Dear diary. ".repeat(1000)),
        ("nothing", Vec::new()),
        ("something behind the end", [&export[..], b"more"].concat()),
        (
            "zeros without end",
            [&export[..], &vec![0; 2 << 20][..]].concat(),
        ),
    ] {
        writeln!(said, "{name}:\n{}", refusal(&place, &export)).unwrap();
    }
    // How much room a disk has is no business of a test, and names of folders are made up.
    let said = without_word_after(&said, "there is room for ");
    let said = without_word_after(&said, ".leadsman-import-").replace(&hex(ARTIFACT), "ARTIFACT");
    expect![[r#"
        an entry that goes up:
        error[L045]: the export is refused: `../evil` goes up with `..`
        hint: nothing was changed: use another export, or fetch this one anew

        an absolute entry:
        error[L045]: the export is refused: `/tmp/evil` is an absolute path
        hint: nothing was changed: use another export, or fetch this one anew

        an entry in place of another:
        error[L045]: the export is refused: `artifacts/evil` is not what the manifest has here
        hint: nothing was changed: use another export, or fetch this one anew

        a link:
        error[L045]: the export is refused: `artifacts/ARTIFACT.tar` is a link
        hint: nothing was changed: use another export, or fetch this one anew

        a hard link:
        error[L045]: the export is refused: `artifacts/ARTIFACT.tar` is a link
        hint: nothing was changed: use another export, or fetch this one anew

        a device:
        error[L045]: the export is refused: `artifacts/ARTIFACT.tar` is a device
        hint: nothing was changed: use another export, or fetch this one anew

        a folder:
        error[L045]: the export is refused: `artifacts/ARTIFACT.tar` is a folder
        hint: nothing was changed: use another export, or fetch this one anew

        a long name:
        error[L045]: the export is refused: `artifacts/ARTIFACT.tar` is of a kind that no export has
        hint: nothing was changed: use another export, or fetch this one anew

        a file with holes:
        error[L045]: the export is refused: `artifacts/ARTIFACT.tar` is of a kind that no export has
        hint: nothing was changed: use another export, or fetch this one anew

        an entry too many:
        error[L045]: the export is refused: `evil` is not in the manifest
        hint: nothing was changed: use another export, or fetch this one anew

        the last entry again:
        error[L045]: the export is refused: `proxy/certificates/quay.test.pem` is not in the manifest
        hint: nothing was changed: use another export, or fetch this one anew

        an entry too few:
        error[L045]: the export is refused: `proxy/certificates/account-x.json` is not what the manifest has here
        hint: nothing was changed: use another export, or fetch this one anew

        no manifest:
        error[L045]: the export is refused: `events.db` stands where `manifest.json` should be
        hint: nothing was changed: use another export, or fetch this one anew

        nothing but a manifest:
        error[L045]: the export ends too early, in `events.db`
        hint: nothing was changed: use another export, or fetch this one anew

        other content:
        error[L045]: the export is refused: `artifacts/ARTIFACT.tar` has the digest `sha256:cbe965f136375741e31021696e4447575347a2e1eb426e6798c7a281ab5ef7cb`, not `sha256:ARTIFACT`
        hint: nothing was changed: use another export, or fetch this one anew

        less content than is said:
        error[L045]: the export is refused: `artifacts/ARTIFACT.tar` has another size than the manifest says
        hint: nothing was changed: use another export, or fetch this one anew

        a file that goes up:
        error[L045]: the export is refused: `../../evil` goes up with `..`
        hint: nothing was changed: use another export, or fetch this one anew

        a file that goes up later:
        error[L045]: the export is refused: `artifacts/../../evil` goes up with `..`
        hint: nothing was changed: use another export, or fetch this one anew

        an absolute file:
        error[L045]: the export is refused: `/etc/passwd` is an absolute path
        hint: nothing was changed: use another export, or fetch this one anew

        a file that no export has:
        error[L045]: the export is refused: `control.sock` is nothing that an export has
        hint: nothing was changed: use another export, or fetch this one anew

        a hidden certificate:
        error[L045]: the export is refused: `proxy/certificates/.pem` is nothing that an export has
        hint: nothing was changed: use another export, or fetch this one anew

        a certificate elsewhere:
        error[L045]: the export is refused: `proxy/certificates/a/b.pem` is nothing that an export has
        hint: nothing was changed: use another export, or fetch this one anew

        an artifact of another name:
        error[L045]: the export is refused: `artifacts/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.tar` is called by another digest than it has
        hint: nothing was changed: use another export, or fetch this one anew

        a file twice:
        error[L045]: the export is refused: `artifacts/ARTIFACT.tar` is there twice, or out of order
        hint: nothing was changed: use another export, or fetch this one anew

        no log:
        error[L045]: the export is refused: `artifacts/ARTIFACT.tar` stands in the place of another
        hint: nothing was changed: use another export, or fetch this one anew

        no files:
        error[L045]: the export is refused: `events.db` is missing
        hint: nothing was changed: use another export, or fetch this one anew

        more than fits any disk:
        error[L014]: the export needs 1152921504606867466 bytes, and there is room for ...

        more than can be counted:
        error[L014]: the export needs 18446744073709551615 bytes, and there is room for ...

        a newer format:
        error[L043]: the export was written by Leadsman 7.1.0 in format 99; this is Leadsman 0.1.0, which knows formats up to 1
        hint: import it with Leadsman 7.1.0 or a newer one

        a newer state:
        error[L043]: the export is of a state that was written by Leadsman 7.1.0 in format 99; this is Leadsman 0.1.0, which knows formats up to 2
        hint: import it with Leadsman 7.1.0 or a newer one

        an event more:
        error[L045]: the export is refused: its event log ends elsewhere than it says of itself
        hint: nothing was changed: use another export, or fetch this one anew

        another head:
        error[L045]: the export is refused: its event log ends elsewhere than it says of itself
        hint: nothing was changed: use another export, or fetch this one anew

        a manifest of something else:
        error[L045]: the export is refused: what it says of itself cannot be understood
          caused by: invalid type: string "format", expected u64 at line 1 column 9
        hint: nothing was changed: use another export, or fetch this one anew

        a large manifest:
        error[L045]: the export is refused: `manifest.json` is larger than 32 MiB
        hint: nothing was changed: use another export, or fetch this one anew

        a log of something else:
        error[L045]: the event log in the export cannot be used
          caused by: `[FOLDER]/deep/.leadsman-import-.../events.db` is not a database
        hint: nothing was changed: use another export, or fetch this one anew

        a newer log:
        error[L043]: the event log in the export cannot be used
          caused by: event log `[FOLDER]/deep/.leadsman-import-.../events.db` has schema version 99, this program knows versions up to 1
        hint: import it with the version of Leadsman that exported it, or a newer one

        another log:
        error[L045]: the export is refused: its event log ends elsewhere than it says of itself
        hint: nothing was changed: use another export, or fetch this one anew

        a log that was changed:
        error[L045]: the event log in the export is not what was recorded
          caused by: the event log is broken at position 1: the event was changed
        hint: nothing was changed: use another export, or fetch this one anew

        no archive:
        error[L045]: this is no export, or a damaged one: no entry can be read where `manifest.json` should be
        hint: nothing was changed: use another export, or fetch this one anew

        nothing:
        error[L045]: the export ends too early, in `manifest.json`
        hint: nothing was changed: use another export, or fetch this one anew

        something behind the end:
        error[L045]: the export is refused: `its end` is followed by something
        hint: nothing was changed: use another export, or fetch this one anew

        zeros without end:
        error[L045]: the export is refused: `its end` is followed by something
        hint: nothing was changed: use another export, or fetch this one anew

    "#]].assert_eq(&said);
}
