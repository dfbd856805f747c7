//! What judging costs: windows a second of `leadsman judge`, and a thousand services at one window
//! a second.
//!
//! Time is processor time, as the system counts it in hundredths of a second, so that other programs
//! on the machine make no difference.

#[path = "common/processor.rs"]
mod processor;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::process::{Command, Stdio};

use leadsman_analysis::{Figures, History, Judge, Limits, Split, Told, Window};

use processor::worked;

/// How many windows the program is given at each rate.
const WINDOWS: usize = 200_000;

/// How many different windows there are: they come in turn.
const DIFFERENT: usize = 997;

/// How many services are judged, and for how many seconds.
const SERVICES: usize = 1000;
const SECONDS: usize = 60;

#[expect(clippy::print_stdout, reason = "the table is what it is for")]
fn main() {
    println!(
        "| requests/s | canary's requests in a window | windows of `leadsman judge` a second of processor time |"
    );
    println!("| --- | --- | --- |");
    for rate in [10, 100, 1000] {
        let per_second = through_the_program(rate);
        println!("| {rate} | {} | {per_second:.0} |", rate as f64 * 0.05);
    }
    println!();
    println!("| services, one window a second each | of one core |");
    println!("| --- | --- |");
    println!(
        "| {SERVICES} at 100 requests/s | {:.2} % |",
        of_a_core() * 100.0
    );
}

/// Returns how many windows the program judges in a second of processor time.
fn through_the_program(rate: u64) -> f64 {
    let folder = tempfile::tempdir().expect("a scratch folder can be made");
    let path = folder.path().join("lines");
    fs::write(&path, lines(rate)).expect("lines can be written");
    let run = |input: Stdio| {
        let before = processor_seconds().1;
        let status = Command::new(env!("CARGO_BIN_EXE_leadsman"))
            .arg("judge")
            .stdin(input)
            .stdout(Stdio::null())
            .status()
            .expect("leadsman can be started");
        assert!(status.success(), "leadsman judge ended with {status}");
        processor_seconds().1 - before
    };
    let whole = run(Stdio::from(File::open(&path).expect("lines can be read")));
    // Starting the program is not judging.
    let empty = run(Stdio::null());
    WINDOWS as f64 / (whole - empty)
}

fn lines(rate: u64) -> String {
    let mut service = Service(7);
    let mut text = String::new();
    for _ in 0..600 {
        let baseline = arm(&service.figures(rate));
        writeln!(text, r#"{{"seconds":1,"baseline":{baseline}}}"#).expect("a string can grow");
    }
    text.push_str("{\"step\":{\"weight\":0.05,\"baseline_weight\":0.95}}\n");
    let windows: Vec<String> = (0..DIFFERENT as u64)
        .map(|second| {
            let canary = arm(&service.figures(of_second(rate * 5, second)));
            let baseline = arm(&service.figures(of_second(rate * 95, second)));
            format!(r#"{{"seconds":1,"canary":{canary},"baseline":{baseline}}}"#)
        })
        .collect();
    for window in windows.iter().cycle().take(WINDOWS) {
        text.push_str(window);
        text.push('\n');
    }
    text
}

/// Returns how many of `hundredths` requests a second fall into this one.
fn of_second(hundredths: u64, second: u64) -> u64 {
    hundredths * (second + 1) / 100 - hundredths * second / 100
}

fn arm(figures: &Figures) -> String {
    let latency = serde_json::to_string(&figures.latency).expect("a histogram is numbers");
    let Figures {
        requests, errors, ..
    } = figures;
    format!(r#"{{"requests":{requests},"errors":{errors},"latency":{latency},"over":[0,0]}}"#)
}

/// Returns what share of a core it takes to judge every service once a second.
fn of_a_core() -> f64 {
    let mut service = Service(11);
    let history = Told::History(History {
        seconds: 1.0,
        baseline: service.figures(100),
        reference: None,
    });
    let windows: Vec<Told> = (0..50)
        .map(|_| {
            Told::Window(Window {
                seconds: 1.0,
                canary: service.figures(5),
                baseline: Some(service.figures(95)),
                reference: None,
                restarts: 0,
            })
        })
        .collect();
    let mut judges: Vec<Judge> = (0..SERVICES)
        .map(|_| {
            let mut judge = Judge::new(Limits::default());
            judge.tell(&history);
            judge.tell(&Told::Step(Split {
                canary: 0.05,
                baseline: 0.95,
            }));
            judge
        })
        .collect();
    let before = processor_seconds().0;
    for second in 0..SECONDS {
        for (i, judge) in judges.iter_mut().enumerate() {
            judge.tell(&windows[(second + i) % windows.len()]);
            std::hint::black_box(judge.verdict());
        }
    }
    (processor_seconds().0 - before) / SECONDS as f64
}

/// A service whose answers take about 80 ms and some much longer, and one of a thousand fails.
struct Service(u64);

impl Service {
    fn figures(&mut self, requests: u64) -> Figures {
        let mut figures = Figures {
            requests,
            ..Figures::default()
        };
        for _ in 0..requests {
            // Any spread will do: a multiplicative generator of Lehmer's.
            self.0 = self.0 * 48_271 % 2_147_483_647;
            let u = self.0 as f64 / 2_147_483_647.0;
            let seconds = 0.08 * (u / (1.0 - u)).powf(0.35);
            figures
                .latency
                .record(std::time::Duration::from_secs_f64(seconds.clamp(1e-4, 0.9)));
            figures.errors += u64::from(self.0.is_multiple_of(1000));
        }
        figures
    }
}

/// Returns the processor time of this process, and of those that it started and that have ended.
fn processor_seconds() -> (f64, f64) {
    let [user, kernel, of_children, of_children_in_kernel] =
        worked("self").expect("Linux has /proc");
    (
        (user + kernel).as_secs_f64(),
        (of_children + of_children_in_kernel).as_secs_f64(),
    )
}
