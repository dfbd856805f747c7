//! How many events a second the SQLite log takes in: one caller who waits for each answer,
//! against many callers whose appends share commits.
//!
//! The rates are those of the disk below the temporary folder; their ratio is what group commit
//! gains there.
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use leadsman_core::time::Timestamp;
use leadsman_store::sqlite::SqliteLog;
use leadsman_store::{Append, EventLog as _, NewEvent};
use tokio::task::JoinSet;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// How long each form is measured.
const DURATION: Duration = Duration::from_secs(3);

/// How many callers append at once in the second form.
const CALLERS: u64 = 64;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (single, single_slowest) = measure(1).await?;
    let (grouped, grouped_slowest) = measure(CALLERS).await?;
    println!("append, 1 caller:    {single:>8.0} events/s, slowest answer {single_slowest:.1?}");
    println!(
        "append, {CALLERS} callers: {grouped:>8.0} events/s, slowest answer {grouped_slowest:.1?}"
    );
    println!("group commit gains a factor of {:.1}", grouped / single);
    Ok(())
}

/// Returns events per second, and the longest that a caller waited.
async fn measure(callers: u64) -> Result<(f64, Duration), Error> {
    let folder = tempfile::tempdir()?;
    let log = Arc::new(SqliteLog::open(folder.path().join("events.db"))?);
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        tasks.spawn(append_until(start + DURATION, Arc::clone(&log), caller));
    }
    let (mut count, mut slowest) = (0, Duration::ZERO);
    while let Some(ended) = tasks.join_next().await {
        let (appended, waited) = ended??;
        count += appended;
        slowest = slowest.max(waited);
    }
    let rate = f64::from(count) / start.elapsed().as_secs_f64();
    let verified = log.verify().await?;
    assert_eq!(
        verified.events,
        u64::from(count),
        "every answer stands for an event"
    );
    Ok((rate, slowest))
}

async fn append_until(
    end: Instant,
    log: Arc<SqliteLog>,
    caller: u64,
) -> Result<(u32, Duration), Error> {
    let stream: leadsman_store::StreamName = format!("caller/{caller}").parse()?;
    let (mut count, mut slowest) = (0, Duration::ZERO);
    while Instant::now() < end {
        let event = NewEvent {
            kind: "WeightShifted".to_owned(),
            body: r#"{"service":"web","from":5,"to":25,"reason":"step 1 of 3 passed"}"#.to_owned(),
        };
        let asked = Instant::now();
        log.append(Append {
            stream: stream.clone(),
            expected_version: u64::from(count),
            at: Timestamp::from_millis(u64::from(count)),
            actor: "engine".to_owned(),
            events: vec![event],
        })
        .await?;
        slowest = slowest.max(asked.elapsed());
        count += 1;
    }
    Ok((count, slowest))
}
