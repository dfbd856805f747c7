//! Appends to the log at the path it is given until it is killed, and says on standard output
//! what was acknowledged: a line of stream and version per append, after its answer.
//!
//! For the durability tests only.

use std::io::{self, Write as _};
use std::sync::Arc;

use leadsman_core::time::Timestamp;
use leadsman_store::sqlite::SqliteLog;
use leadsman_store::{Append, AppendError, EventLog as _, NewEvent, StreamName};
use tokio::task::JoinSet;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// How many append at once: enough for commits of several.
const APPENDERS: u64 = 8;

/// How many events an append has; there are never fewer of them in the log.
const EVENTS_PER_APPEND: usize = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let path = std::env::args_os()
        .nth(1)
        .ok_or("the path of a log is expected")?;
    let log = Arc::new(SqliteLog::open(path)?);
    let mut appenders = JoinSet::new();
    for number in 0..APPENDERS {
        let stream = format!("appender/{number}").parse()?;
        appenders.spawn(append_forever(Arc::clone(&log), stream));
    }
    while let Some(ended) = appenders.join_next().await {
        ended??;
    }
    Ok(())
}

async fn append_forever(log: Arc<SqliteLog>, stream: StreamName) -> Result<(), Error> {
    let mut expected_version = 0;
    loop {
        let event = |index| NewEvent {
            kind: "Appended".to_owned(),
            body: format!("{index}"),
        };
        let append = Append {
            stream: stream.clone(),
            expected_version,
            at: Timestamp::from_millis(expected_version),
            actor: std::process::id().to_string(),
            events: (0..EVENTS_PER_APPEND).map(event).collect(),
        };
        match log.append(append).await {
            Ok(recorded) => {
                expected_version += recorded.len() as u64;
                // One write for the whole line: a reader never sees a part of it.
                let line = format!("{stream} {expected_version}\n");
                io::stdout().lock().write_all(line.as_bytes())?;
            }
            // Somebody else appends too, or this is not the first run.
            Err(AppendError::Conflict { actual, .. }) => expected_version = actual,
            Err(error) => return Err(error.into()),
        }
    }
}
