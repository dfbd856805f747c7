use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

use leadsman_core::time::Timestamp;
use leadsman_store::memory::MemoryLog;
use leadsman_store::{Append, EventLog as _, NewEvent, StreamName};

use super::key::Error as KeyError;
use super::line::CheckpointLine;
use super::*;

/// The same numbers for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn text(&mut self) -> String {
        const PIECES: &[&str] = &[
            "a",
            "ship",
            "\"",
            "\\",
            "/",
            "ä",
            "\u{1f600}",
            "\n",
            "\u{1}",
            "</",
            " ",
            "0",
            "\u{2028}",
        ];
        (0..self.below(12))
            .map(|_| PIECES[self.below(PIECES.len())])
            .collect()
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// Returns a log of `count` random events.
fn log(random: &mut Random, count: usize) -> MemoryLog {
    let log = MemoryLog::new();
    let mut versions = BTreeMap::<StreamName, u64>::new();
    for index in 0..count {
        let streams = [
            "shop",
            "shop/production",
            "0.people",
            "0.audit",
            "blog/staging",
        ];
        let stream: StreamName = streams[random.below(streams.len())].parse().unwrap();
        let version = versions.entry(stream.clone()).or_default();
        let body =
            serde_json::json!({ "event": "noted", "text": random.text(), "n": random.next() });
        let append = Append {
            stream,
            expected_version: *version,
            at: Timestamp::from_millis(1_790_000_000_000 + index as u64),
            actor: ["mia", "leadsman", "ann (ops)"][random.below(3)].to_owned(),
            events: vec![NewEvent {
                kind: "noted".to_owned(),
                // A body is kept as it was written, spaces and all.
                body: if random.below(4) == 0 {
                    serde_json::to_string_pretty(&body).unwrap()
                } else {
                    body.to_string()
                },
            }],
        };
        *version += 1;
        block_on(log.append(append)).unwrap();
    }
    log
}

fn exported(log: &MemoryLog, key: &Key) -> Vec<u8> {
    let mut file = Vec::new();
    block_on(write(log, key, &mut file)).unwrap();
    file
}

/// Returns the lines of an export, each with its end.
fn lines(file: &[u8]) -> Vec<Vec<u8>> {
    file.split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

/// Records the same events again, but for one that says something else: what somebody does who knows
/// how the chain is made. Returns all lines but the checkpoint's.
fn chained_anew(log: &MemoryLog, changed: usize, removed: bool) -> (Vec<Vec<u8>>, MemoryLog) {
    let anew = MemoryLog::new();
    let mut versions = BTreeMap::<StreamName, u64>::new();
    for (index, event) in block_on(log.read_all(0, usize::MAX))
        .unwrap()
        .into_iter()
        .enumerate()
    {
        if removed && index == changed {
            continue;
        }
        let version = versions.entry(event.stream.clone()).or_default();
        let append = Append {
            stream: event.stream,
            expected_version: *version,
            at: event.at,
            actor: if index == changed {
                "nobody".to_owned()
            } else {
                event.actor
            },
            events: vec![NewEvent {
                kind: event.kind,
                body: event.body,
            }],
        };
        *version += 1;
        block_on(anew.append(append)).unwrap();
    }
    let mut lines = lines(&exported(&anew, &Key::fresh()));
    lines.pop();
    (lines, anew)
}

#[test]
fn an_export_that_nobody_touched_always_verifies() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let count = random.below(40);
        let log = log(&mut random, count);
        let key = Key::fresh();
        let file = exported(&log, &key);
        let whole = verify(&file[..], Some(key.public()))
            .unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
        assert_eq!(whole.events, count as u64);
        assert_eq!(whole.head, block_on(log.verify()).unwrap().head);
        assert_eq!(verify(&file[..], None).unwrap(), whole);
        assert_eq!(lines(&file).len(), count + 1);
    }
}

/// Does one thing to an export that changes it; returns what, and the file.
fn tampered(random: &mut Random, file: &[u8], log: &MemoryLog) -> (String, Vec<u8>) {
    loop {
        let mut lines = lines(file);
        let (one, other) = (random.below(lines.len()), random.below(lines.len()));
        let events = lines.len() - 1;
        let (what, changed) = match random.below(12) {
            0 | 1 => {
                let mut file = file.to_vec();
                let at = random.below(file.len());
                let bit = random.below(8);
                file[at] ^= 1 << bit;
                (format!("bit {bit} of byte {at} flipped"), file)
            }
            2 => {
                let mut file = file.to_vec();
                let at = random.below(file.len());
                file[at] = random.next() as u8;
                (format!("byte {at} replaced"), file)
            }
            3 => {
                let mut file = file.to_vec();
                let at = random.below(file.len() + 1);
                let byte = [b' ', b'\n', b'0', b'}', 0][random.below(5)];
                file.insert(at, byte);
                (format!("{byte} put in at {at}"), file)
            }
            4 => {
                let mut file = file.to_vec();
                let at = random.below(file.len());
                file.remove(at);
                (format!("byte {at} taken out"), file)
            }
            5 => {
                lines.remove(one);
                (format!("line {one} removed"), lines.concat())
            }
            6 => {
                lines.swap(one, other);
                (format!("lines {one} and {other} swapped"), lines.concat())
            }
            7 => {
                let line = lines[one].clone();
                lines.insert(other, line);
                (format!("line {one} again at {other}"), lines.concat())
            }
            8 => {
                let end = random.below(file.len());
                (format!("cut off at {end}"), file[..end].to_vec())
            }
            9 => {
                let checkpoint = lines.pop().unwrap();
                lines.truncate(random.below(events));
                lines.push(checkpoint);
                (
                    "lines cut off before the checkpoint".to_owned(),
                    lines.concat(),
                )
            }
            10 => {
                // Everything is right, but for the signature, which is of the old history.
                let (mut anew, _) = chained_anew(log, one.min(events - 1), random.below(2) == 0);
                anew.push(lines.pop().unwrap());
                (format!("chained anew from {one}"), anew.concat())
            }
            _ => {
                // The checkpoint says what is there, and is signed, by another key.
                let (mut anew, other) = chained_anew(log, one.min(events - 1), false);
                let head = block_on(other.verify()).unwrap();
                let mine = CheckpointLine::sign(&Key::fresh(), head.events, head.head, 7);
                let mine = serde_json::to_string(&mine).unwrap();
                anew.push(format!("{mine}\n").into_bytes());
                (format!("chained anew from {one} and signed"), anew.concat())
            }
        };
        if changed != file {
            return (what, changed);
        }
    }
}

#[test]
fn a_thousand_random_tamperings_are_all_found() {
    let key = Key::fresh();
    let mut found = BTreeMap::<String, usize>::new();
    let mut random = Random(20_261_122);
    let mut log = self::log(&mut random, 60);
    let mut file = exported(&log, &key);
    for round in 0..1_000 {
        if round % 100 == 99 {
            let count = 1 + random.below(120);
            log = self::log(&mut random, count);
            file = exported(&log, &key);
        }
        let (what, changed) = tampered(&mut random, &file, &log);
        match verify(&changed[..], Some(key.public())) {
            Ok(whole) => panic!("round {round}, {what}: {whole:?}"),
            Err(Wrong::Line { line, .. }) => {
                assert!(
                    line as usize <= lines(&file).len() + 1,
                    "{what}: line {line}"
                );
                let kind = what.split(' ').next().unwrap().to_owned();
                *found.entry(kind).or_default() += 1;
            }
            Err(wrong @ Wrong::Read { .. }) => panic!("round {round}, {what}: {wrong}"),
        }
    }
    assert_eq!(found.values().sum::<usize>(), 1_000);
    assert!(
        found.len() >= 7,
        "every kind of tampering was tried: {found:?}"
    );
}

#[test]
fn the_first_line_that_is_wrong_is_named() {
    let key = Key::fresh();
    let mut random = Random(7);
    let log = log(&mut random, 9);
    let file = exported(&log, &key);
    let original = lines(&file);
    let wrong = |lines: &[Vec<u8>]| match verify(&lines.concat()[..], Some(key.public())) {
        Err(Wrong::Line { line, why }) => (line, why),
        other => panic!("{other:?}"),
    };
    let mut changed = original.clone();
    let text = String::from_utf8(changed[4].clone()).unwrap();
    changed[4] = text
        .replacen("\"actor\":\"", "\"actor\":\"x", 1)
        .into_bytes();
    assert_eq!(wrong(&changed).0, 5);
    let mut removed = original.clone();
    removed.remove(4);
    assert_eq!(wrong(&removed).0, 5);
    let mut cut = original.clone();
    cut.pop();
    let (line, why) = wrong(&cut);
    assert_eq!(line, 10);
    assert!(why.contains("without a checkpoint"), "{why}");
    let mut twice = original.clone();
    twice.push(original[9].clone());
    let (line, why) = wrong(&twice);
    assert_eq!(
        (line, why.as_str()),
        (11, "nothing may follow on the checkpoint")
    );
    // Without the key that it has to be, whoever signed is believed: the key is told.
    let other = Key::fresh();
    let signed = exported(&log, &other);
    assert_eq!(verify(&signed[..], None).unwrap().key, other.public());
    let (line, why) = match verify(&signed[..], Some(key.public())) {
        Err(Wrong::Line { line, why }) => (line, why),
        wrong => panic!("{wrong:?}"),
    };
    assert_eq!(line, 10);
    assert!(why.contains(&other.public().to_string()), "{why}");
}

#[test]
fn a_line_without_end_takes_bounded_memory() {
    let endless = std::io::BufReader::new(std::io::repeat(b' '));
    match verify(endless, None) {
        Err(Wrong::Line { line: 1, why }) => assert!(why.contains("has no end"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_key_is_made_once_and_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let first = Key::of(folder.path()).unwrap().public();
    assert_eq!(Key::of(folder.path()).unwrap().public(), first);
    let path = folder.path().join("audit.key");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(Key::of(folder.path()), Err(KeyError::Open { .. })));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, "no key").unwrap();
    assert!(matches!(
        Key::of(folder.path()),
        Err(KeyError::NoKey { .. })
    ));
    assert_eq!(first.to_string().parse(), Ok(first));
    assert!("ABC".parse::<PublicKey>().is_err());
}
