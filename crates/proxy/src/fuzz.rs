//! Throws made-up input at what parses input from outside.
//!
//! A target is a function that panics where something is not as it must be. It is called with the
//! lines of its corpus and then, until the time is up, with mutations of these: bytes and words
//! exchanged, put in, taken out, repeated, and inputs glued together. Nothing guides it: there is no
//! measure of coverage on a stable compiler, so the corpus has to have something of everything.
//!
//! Each test `fuzzed_…` is a target. By itself it takes half a second and always does the same;
//! `./dev fuzz` runs it for longer, with a seed that is printed. What fails is made smaller, kept as
//! a file, and called again by its name.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs, panic};

use crate::random::Random;

/// How long a target takes among all other tests.
const SHARE: Duration = Duration::from_millis(500);

/// How long an input may become, in bytes.
const LENGTH_MAX: usize = 4096;

/// How often it is tried to make a failing input smaller.
const TRIES: usize = 20_000;

/// Words that parsers look for.
const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"=",
    b"\"",
    b"-",
    b"@",
    b"0",
    b"5",
    b"ff",
    b"0x",
    b"+1",
    b"-1",
    b"18446744073709551616",
    b"ffffffffffffffff",
    b"65536",
    b"chunked",
    b"transfer-encoding: chunked\r\n",
    b"content-length: 5\r\n",
    b"connection: close\r\n",
    b"host: a\r\n",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"\xff",
    b"\xc3\xa9",
    b"::1",
    b"[::1]:80",
    b"127.0.0.1",
    b"null",
    b"{}",
    b"[]",
    b"true",
    b"1e999",
    b"\\u0000",
    b"PROXY ",
    b"UNKNOWN",
    b"<",
    b"/>",
    b"]]>",
    b"&#x1b;",
    b"<!DOCTYPE x [",
    b"testcase",
    b"end_of_record\n",
    b".exists(f, ",
    b" in ",
];

/// Calls `check` with as many inputs as there is time for. The corpus is the file `name` in
/// `tests/corpus`, each line of which is an input with escapes as in Rust's byte strings.
///
/// # Panics
/// One of them fails; the message says where it is kept.
pub(crate) fn fuzz(name: &str, check: impl Fn(&[u8])) {
    let fails = |input: &[u8]| catch_unwind(AssertUnwindSafe(|| check(input))).is_err();
    if let Some(file) = env::var_os("LEADSMAN_FUZZ_INPUT") {
        return check(&fs::read(&file).expect("the input can be read"));
    }
    let corpus = corpus(name);
    for input in &corpus {
        assert!(
            !fails(input),
            "`{name}` fails with {}",
            input.escape_ascii()
        );
    }
    let number = |variable: &str| env::var(variable).ok()?.parse::<u64>().ok();
    let seed = number("LEADSMAN_FUZZ_SEED").unwrap_or(1);
    let time = number("LEADSMAN_FUZZ_SECONDS").map_or(SHARE, Duration::from_secs);
    let mut mutator = Mutator {
        random: Random(seed),
        inputs: corpus,
    };
    let started = Instant::now();
    let mut executions: u64 = 0;
    while started.elapsed() < time {
        let input = mutator.next();
        executions += 1;
        if fails(&input) {
            // What it fails with is the same again and again.
            let hook = panic::take_hook();
            panic::set_hook(Box::new(|_| ()));
            let small = smaller(input, &fails);
            panic::set_hook(hook);
            let file = keep(name, &small);
            panic!(
                "`{name}` fails after {executions} inputs from seed {seed}, with this one:\n{}\n\
                 try it again with `./dev fuzz {name} --input {}`; once it passes, make it a line of \
                 the corpus",
                small.escape_ascii(),
                file.display()
            );
        }
    }
    let per_second = executions as f64 / started.elapsed().as_secs_f64();
    println!("{name}: {executions} inputs from seed {seed}, {per_second:.0} a second: all is well");
}

/// Reads what to begin with.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let text = fs::read_to_string(folder.join(name).with_extension("txt"));
    let text = text.expect("each target has a corpus");
    let inputs: Vec<Vec<u8>> = text.lines().map(unescaped).collect();
    assert!(!inputs.is_empty(), "the corpus of `{name}` is empty");
    inputs
}

/// Returns what [`slice::escape_ascii`] has written.
fn unescaped(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (&kind, after) = rest.split_first().expect("something after a backslash");
        rest = after;
        bytes.push(match kind {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'x' => {
                let (digits, after) = rest.split_at(2);
                rest = after;
                let digits = std::str::from_utf8(digits).expect("two digits");
                u8::from_str_radix(digits, 16).expect("two digits")
            }
            itself => itself,
        });
    }
    bytes
}

/// Leaves out of `input` what it fails without.
fn smaller(mut input: Vec<u8>, fails: &impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut tries = TRIES;
    let mut length = input.len();
    while length > 0 && tries > 0 {
        let mut at = 0;
        while at < input.len() && tries > 0 {
            let mut without = input.clone();
            without.drain(at..(at + length).min(input.len()));
            tries -= 1;
            if fails(&without) {
                input = without;
            } else {
                at += length;
            }
        }
        length /= 2;
    }
    input
}

/// Writes `input` to a file that is named after it.
fn keep(name: &str, input: &[u8]) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let folder = env::var_os("LEADSMAN_FUZZ_FOLDER").map_or_else(env::temp_dir, PathBuf::from);
    let file = folder.join(format!("{name}-{:016x}", hasher.finish()));
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&file, input))
        .expect("a disk that takes it");
    file
}

/// Makes inputs out of others.
struct Mutator {
    random: Random,
    inputs: Vec<Vec<u8>>,
}

impl Mutator {
    fn next(&mut self) -> Vec<u8> {
        let from = self.random.below(self.inputs.len());
        let mut input = self.inputs[from].clone();
        for _ in 0..1 + self.random.below(6) {
            self.mutate(&mut input);
        }
        input.truncate(LENGTH_MAX);
        input
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        let random = &mut self.random;
        let at = random.below(input.len() + 1);
        let length = random.below(16).min(input.len() - at);
        match random.below(9) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = random.next() as u8,
            2 => input.insert(at, random.next() as u8),
            3 => drop(input.drain(at..at + length)),
            4 => {
                let piece = input[at..at + length].repeat(1 + random.below(8));
                drop(input.splice(at..at, piece));
            }
            5 | 6 => {
                let word = WORDS[random.below(WORDS.len())];
                // In the place of something, or between.
                let end = at + if random.below(2) == 0 { length } else { 0 };
                drop(input.splice(at..end, word.iter().copied()));
            }
            7 => input.truncate(at),
            _ => {
                let other = &self.inputs[random.below(self.inputs.len())];
                let from = random.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
}

/// A program that has to be found wanting, and by what.
#[test]
fn what_fails_is_found_made_small_and_kept() {
    let random = &mut Random(7);
    let inputs = vec![b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec()];
    let fails = |input: &[u8]| input.windows(3).any(|three| three == b"\0\r\n");
    let mut mutator = Mutator {
        random: Random(random.next()),
        inputs,
    };
    let found = std::iter::repeat_with(|| mutator.next())
        .take(100_000)
        .find(|input| fails(input));
    let small = smaller(found.expect("it is found"), &fails);
    assert_eq!(small, b"\0\r\n");
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(unescaped(&bytes.escape_ascii().to_string()), bytes);
    let again = || {
        let mut mutator = Mutator {
            random: Random(3),
            inputs: vec![b"abc".to_vec(), b"def".to_vec()],
        };
        (0..100).map(|_| mutator.next()).collect::<Vec<_>>()
    };
    assert_eq!(again(), again(), "the same seed makes the same inputs");
}
