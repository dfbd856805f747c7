//! How long the pages take that people look at most, where there is much to tell: 200 services, and
//! 10,000 deployments that are over.
//!
//! The engine is the real one, among fakes; the pages are asked for over TCP, one after the other.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "the figures are what it is for"
)]
#![expect(dead_code, reason = "the tests do more with it than is done here")]

#[path = "../tests/it/raw.rs"]
mod raw;
#[path = "../tests/it/served.rs"]
mod served;
#[path = "../tests/it/shelf.rs"]
mod shelf;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use raw::{Ask, ask};
use served::Served;

const SERVICES: usize = 200;
const DEPLOYMENTS_EACH: usize = 50;

/// How often each page is asked for.
const ASKED: usize = 500;

/// What is promised of the overview.
const P99: Duration = Duration::from_millis(50);
const PAGE_BYTES: usize = 100_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let served = Served::start().await;
    let begun = Instant::now();
    // Nobody waits for the pauses between the steps of what is over.
    tokio::time::pause();
    for version in 0..DEPLOYMENTS_EACH {
        for service in 0..SERVICES {
            let project = format!(
                "application: quay-{service}\nservices:\n  web: {{ run: serve {version} }}\n\
                 strategy: {{ blue_green: {{}}, keep_warm: 1s }}\n"
            );
            let shipped = served.world.ship_project(&project, "ann").await;
            shipped.unwrap();
        }
        let mut views = served.world.engine.views();
        let settled = views.wait_for(|views| {
            let all = views.environments.values();
            all.filter(|view| view.environment.last_deployment.0 == version as u64 + 1)
                .filter(|view| view.environment.deployment.is_none())
                .count()
                == SERVICES
        });
        drop(settled.await.unwrap());
    }
    tokio::time::resume();
    eprintln!(
        "{SERVICES} services and {} deployments after {:.0?}",
        SERVICES * DEPLOYMENTS_EACH,
        begun.elapsed()
    );
    let token = served.token_of("mia", "admin", None).await;
    println!(
        "| page, with {SERVICES} services and {} deployments | p50 | p99 | bytes |",
        SERVICES * DEPLOYMENTS_EACH
    );
    println!("|---|---:|---:|---:|");
    let (p99, bytes) = measure(&served, &token, "overview", "/").await;
    let page = "/environments/quay-7/production";
    measure(&served, &token, "environment", page).await;
    measure(&served, &token, "history", &format!("{page}/history")).await;
    if p99 <= P99 && bytes <= PAGE_BYTES {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: the overview takes longer, or is larger, than is promised");
    ExitCode::FAILURE
}

/// Asks for a page again and again; returns how long the slowest hundredth took, and how large it is.
async fn measure(served: &Served, token: &str, name: &str, path: &str) -> (Duration, usize) {
    let mut took = Vec::with_capacity(ASKED);
    let mut bytes = 0;
    for _ in 0..ASKED {
        let begun = Instant::now();
        let what = Ask {
            path,
            token: Some(token),
            ..Ask::default()
        };
        let answer = ask(served.address, what).await;
        took.push(begun.elapsed());
        assert_eq!(answer.status, 200, "{answer:?}");
        bytes = answer.body.len();
    }
    took.sort_unstable();
    let (p50, p99) = (took[ASKED / 2], took[ASKED * 99 / 100]);
    println!("| {name} | {p50:.2?} | {p99:.2?} | {bytes} |");
    (p99, bytes)
}
