//! Whether a log can be understood as a whole, before anything is done that rests on it.

use leadsman_core::run::RunEvent;
use leadsman_core::time::Timestamp;
use leadsman_core::{ApplicationEvent, Event, audit, people};
use leadsman_store::{EventLog, Recorded, StreamKind};
use serde::de::Error as _;

use crate::error::Error;

/// Reads every event of `log`, and returns the moment of the last one: time goes on from there. Those
/// of figures are not looked at: they are as others tell them, and may be absurd.
///
/// An engine finds out the same when it starts. But by then others have been told to serve, and an
/// older program must not touch what a newer one has made.
///
/// # Errors
///
/// The log cannot be read, or holds what this version does not understand.
pub async fn understand(log: &dyn EventLog) -> Result<Timestamp, Error> {
    let mut last = Timestamp::default();
    for stream in log.streams().await.map_err(Error::NotRead)? {
        let events = log.read_stream(&stream, 0).await.map_err(Error::NotRead)?;
        for recorded in events {
            is_understood(&recorded).map_err(|source| Error::not_understood(&recorded, source))?;
            last = last.max(recorded.at);
        }
    }
    Ok(last)
}

fn is_understood(recorded: &Recorded) -> Result<(), serde_json::Error> {
    let body = &recorded.body;
    match recorded.stream.kind() {
        Some(StreamKind::Application(_)) => {
            serde_json::from_str::<ApplicationEvent>(body).map(drop)
        }
        Some(StreamKind::Environment(_)) => serde_json::from_str::<Event>(body).map(drop),
        Some(StreamKind::People) => serde_json::from_str::<people::Event>(body).map(drop),
        Some(StreamKind::Audit) => serde_json::from_str::<audit::Event>(body).map(drop),
        Some(StreamKind::Run(_)) => serde_json::from_str::<RunEvent>(body).map(drop),
        None => Err(serde_json::Error::custom(
            "no stream of such a name is known",
        )),
    }
}

#[cfg(test)]
mod tests {
    use leadsman_store::memory::MemoryLog;
    use leadsman_store::{Append, FigureLog as _, FigureRow, NewEvent};

    use super::*;

    const RELEASED: &str = r#"{"event":"release_created","number":1,"project":"","origin":"/","artifacts":{},"note":null}"#;
    const PROMOTED: &str = r#"{"event":"deployment_promoted"}"#;

    #[tokio::test]
    async fn an_event_of_another_kind_is_named_and_the_last_moment_is_that_of_any_stream() {
        let log = MemoryLog::new();
        for (stream, at, body) in [
            ("shop", 1, RELEASED),
            ("shop/production", 7, PROMOTED),
            ("shop/staging", 3, PROMOTED),
            ("0.people", 4, r#"{"event":"person_added","person":"mia"}"#),
            ("0.audit", 5, r#"{"event":"acted","act":"stop"}"#),
        ] {
            log.append(append(stream, 0, at, body)).await.unwrap();
        }
        let last = understand(&log).await.unwrap();
        assert_eq!(last, Timestamp::from_millis(7));
        let kept = FigureRow {
            series: "shop/production".to_owned(),
            at: Timestamp::from_millis(u64::MAX >> 1),
            body: "{}".to_owned(),
        };
        log.append_figures(vec![kept]).await.unwrap();
        let last = understand(&log).await.unwrap();
        assert_eq!(last, Timestamp::from_millis(7));
        for (stream, version, body) in [
            ("shop/production", 1, RELEASED),
            ("shop/staging", 1, r#"{"event":"moon_risen"}"#),
            ("shop", 1, PROMOTED),
            ("ship", 0, PROMOTED),
            ("shop/a/b", 0, PROMOTED),
            ("0.people", 0, PROMOTED),
            ("0.audit", 0, PROMOTED),
            ("0.moon", 0, PROMOTED),
        ] {
            let log = MemoryLog::new();
            if version == 1 {
                let first = if stream == "shop" { RELEASED } else { PROMOTED };
                log.append(append(stream, 0, 1, first)).await.unwrap();
            }
            log.append(append(stream, version, 2, body)).await.unwrap();
            let error = understand(&log).await.unwrap_err().to_string();
            let expected = format!("event {} of `{stream}` (`noted`)", version + 1);
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    fn append(stream: &str, expected_version: u64, at: u64, body: &str) -> Append {
        Append {
            stream: stream.parse().unwrap(),
            expected_version,
            at: Timestamp::from_millis(at),
            actor: "mia".to_owned(),
            events: vec![NewEvent {
                kind: "noted".to_owned(),
                body: body.to_owned(),
            }],
        }
    }
}
