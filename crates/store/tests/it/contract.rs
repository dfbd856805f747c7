//! The contract of a log: the same tests for every implementation.

use leadsman_core::time::Timestamp;
use leadsman_store::{
    APPEND_BYTES_MAX, APPEND_EVENTS_MAX, AppendError, FigureRow, Hash, NewEvent, Recorded, Verified,
};

use crate::support::{Log, append, event, stream};

/// Runs each test against each implementation.
macro_rules! contract {
    ($($test:ident)*) => {
        mod memory { $(
            #[test]
            fn $test() {
                let scratch = crate::support::memory();
                crate::support::block_on(super::$test(&*scratch.log));
            }
        )* }
        mod sqlite { $(
            #[test]
            fn $test() {
                let scratch = crate::support::sqlite();
                crate::support::block_on(super::$test(&*scratch.log));
            }
        )* }
    };
}

contract! {
    an_empty_log_has_nothing
    events_come_back_as_they_were_appended
    positions_go_over_all_streams_and_versions_over_one
    a_wrong_expectation_is_a_conflict_and_records_nothing
    of_many_with_the_same_expectation_exactly_one_wins
    an_append_without_events_only_checks_the_version
    reads_begin_after_what_was_read_before
    streams_are_listed_by_name
    what_is_too_large_is_refused
    what_is_not_usable_is_refused
    the_hash_is_the_documented_one
    a_log_verifies_and_says_what_it_has
    figures_come_back_by_series_and_time
    figures_are_replaced_and_pruned
    unusable_figures_are_refused_together
}

fn kinds(events: &[Recorded]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

async fn an_empty_log_has_nothing(log: &dyn Log) {
    assert_eq!(log.read_all(0, usize::MAX).await.unwrap(), []);
    assert_eq!(
        log.read_stream(&stream("shop/production"), 0)
            .await
            .unwrap(),
        []
    );
    assert_eq!(log.streams().await.unwrap(), []);
    let nothing = Verified {
        events: 0,
        streams: 0,
        head: Hash::GENESIS,
    };
    assert_eq!(log.verify().await.unwrap(), nothing);
}

async fn events_come_back_as_they_were_appended(log: &dyn Log) {
    let body = "{ \"text\" : \"Grüße \\u0000 🚢\",\n  \"n\": 1.50 }".to_owned();
    let mut write = append("shop/production", 0, &["ReleaseShipped"]);
    write.actor = "Ada Lovelace <ada@example.com>".to_owned();
    write.events.push(NewEvent {
        kind: "WeightShifted".to_owned(),
        body: body.clone(),
    });
    let recorded = log.append(write.clone()).await.unwrap();
    assert_eq!(log.read_stream(&write.stream, 0).await.unwrap(), recorded);
    assert_eq!(log.read_all(0, usize::MAX).await.unwrap(), recorded);

    let second = &recorded[1];
    assert_eq!((second.position, second.version), (2, 2));
    assert_eq!(
        (&second.stream, second.at, &second.actor),
        (&write.stream, write.at, &write.actor)
    );
    assert_eq!(
        (second.kind.as_str(), &second.body),
        ("WeightShifted", &body)
    );
}

async fn positions_go_over_all_streams_and_versions_over_one(log: &dyn Log) {
    let mut places = Vec::new();
    for (name, expected, kinds) in [
        ("a", 0, &["a1", "a2"][..]),
        ("b", 0, &["b1"]),
        ("a", 2, &["a3"]),
        ("b", 1, &["b2"]),
    ] {
        let recorded = log.append(append(name, expected, kinds)).await.unwrap();
        places.extend(
            recorded
                .iter()
                .map(|it| (it.position, it.version, it.kind.clone())),
        );
    }
    let expected = [
        (1, 1, "a1"),
        (2, 2, "a2"),
        (3, 1, "b1"),
        (4, 3, "a3"),
        (5, 2, "b2"),
    ];
    assert_eq!(places, expected.map(|(p, v, kind)| (p, v, kind.to_owned())));
    let b = log.read_stream(&stream("b"), 0).await.unwrap();
    assert_eq!(kinds(&b), ["b1", "b2"]);
}

async fn a_wrong_expectation_is_a_conflict_and_records_nothing(log: &dyn Log) {
    log.append(append("a", 0, &["a1", "a2"])).await.unwrap();
    for (name, wrong, has) in [
        ("a", 0, 2),
        ("a", 1, 2),
        ("a", 3, 2),
        ("a", u64::MAX, 2),
        ("b", 1, 0),
    ] {
        let mut write = append(name, 0, &["x", "y"]);
        write.expected_version = wrong;
        let error = log.append(write).await.unwrap_err();
        let AppendError::Conflict {
            stream,
            expected,
            actual,
        } = &error
        else {
            unreachable!("{error:?}")
        };
        assert_eq!((stream.as_str(), *expected, *actual), (name, wrong, has));
    }
    assert_eq!(
        kinds(&log.read_all(0, usize::MAX).await.unwrap()),
        ["a1", "a2"]
    );
    log.append(append("a", 2, &["a3"])).await.unwrap();
    log.verify().await.unwrap();
}

async fn of_many_with_the_same_expectation_exactly_one_wins(log: &dyn Log) {
    for round in 0..5 {
        // All are waiting at once: with group commit they share a transaction.
        let answers = futures_util::future::join_all(
            (0..20).map(|_| log.append(append("a", round, &["won"]))),
        )
        .await;
        assert_eq!(answers.iter().filter(|it| it.is_ok()).count(), 1);
        for answer in answers {
            let actual = match answer {
                Ok(recorded) => recorded[0].version,
                Err(AppendError::Conflict { actual, .. }) => actual,
                Err(error) => unreachable!("{error:?}"),
            };
            assert_eq!(actual, round + 1);
        }
    }
    assert_eq!(log.verify().await.unwrap().events, 5);
}

async fn an_append_without_events_only_checks_the_version(log: &dyn Log) {
    log.append(append("a", 0, &["a1"])).await.unwrap();
    assert_eq!(log.append(append("a", 1, &[])).await.unwrap(), []);
    assert_eq!(log.append(append("b", 0, &[])).await.unwrap(), []);
    let error = log.append(append("a", 0, &[])).await.unwrap_err();
    assert!(matches!(error, AppendError::Conflict { .. }), "{error:?}");
    assert_eq!(log.streams().await.unwrap(), [stream("a")]);
    assert_eq!(log.verify().await.unwrap().events, 1);
}

async fn reads_begin_after_what_was_read_before(log: &dyn Log) {
    log.append(append("a", 0, &["a1", "a2"])).await.unwrap();
    log.append(append("b", 0, &["b1"])).await.unwrap();
    log.append(append("a", 2, &["a3"])).await.unwrap();
    for (after, limit, expected) in [
        (0, 2, &["a1", "a2"][..]),
        (2, 2, &["b1", "a3"]),
        (3, usize::MAX, &["a3"]),
        (1, 0, &[]),
        (4, 9, &[]),
        (u64::MAX, 9, &[]),
    ] {
        let events = log.read_all(after, limit).await.unwrap();
        assert_eq!(kinds(&events), expected, "{limit} after {after}");
    }
    for (after, expected) in [
        (0, &["a1", "a2", "a3"][..]),
        (2, &["a3"]),
        (3, &[]),
        (u64::MAX, &[]),
    ] {
        let events = log.read_stream(&stream("a"), after).await.unwrap();
        assert_eq!(kinds(&events), expected, "after {after}");
    }
}

async fn streams_are_listed_by_name(log: &dyn Log) {
    for name in ["shop/staging", "shop", "shop-2/a", "shop/production"] {
        log.append(append(name, 0, &["x"])).await.unwrap();
    }
    let names = ["shop", "shop-2/a", "shop/production", "shop/staging"];
    assert_eq!(log.streams().await.unwrap(), names.map(stream));
}

async fn what_is_too_large_is_refused(log: &dyn Log) {
    let text = |bytes: usize| NewEvent {
        kind: "text".to_owned(),
        body: format!("\"{}\"", "a".repeat(bytes - 2)),
    };
    let mut write = append("a", 0, &[]);
    for events in [
        vec![event("x"); APPEND_EVENTS_MAX + 1],
        vec![text(APPEND_BYTES_MAX + 1)],
        vec![text(APPEND_BYTES_MAX), text(2)],
    ] {
        write.events = events;
        let error = log.append(write.clone()).await.unwrap_err();
        assert!(matches!(error, AppendError::TooLarge { .. }), "{error:?}");
    }
    assert_eq!(log.read_all(0, 1).await.unwrap(), []);
    write.events = vec![text(APPEND_BYTES_MAX)];
    log.append(write.clone()).await.unwrap();
    write.expected_version = 1;
    write.events = vec![event("x"); APPEND_EVENTS_MAX];
    log.append(write).await.unwrap();
}

async fn what_is_not_usable_is_refused(log: &dyn Log) {
    let good = append("a", 0, &["x", "y"]);
    let with = |change: fn(&mut leadsman_store::Append)| {
        let mut write = good.clone();
        change(&mut write);
        write
    };
    for (field, write) in [
        ("actor", with(|it| it.actor.clear())),
        ("actor", with(|it| it.actor = "a\nb".to_owned())),
        ("actor", with(|it| it.actor = "a".repeat(201))),
        ("kind", with(|it| it.events[1].kind.clear())),
        ("kind", with(|it| it.events[1].kind = "a\0".to_owned())),
        ("body", with(|it| it.events[1].body.clear())),
        ("body", with(|it| it.events[1].body = "{".to_owned())),
        ("body", with(|it| it.events[1].body = "{} {}".to_owned())),
        (
            "moment",
            with(|it| it.at = Timestamp::from_millis(u64::MAX)),
        ),
    ] {
        let error = log.append(write).await.unwrap_err();
        let AppendError::Invalid { what, .. } = error else {
            unreachable!("{error:?}")
        };
        assert_eq!(what, field);
    }
    assert_eq!(log.read_all(0, 1).await.unwrap(), []);
    log.append(good).await.unwrap();
}

/// The hashes were computed by a program that shares no code with this one.
async fn the_hash_is_the_documented_one(log: &dyn Log) {
    let mut write = append("shop/production", 0, &[]);
    write.at = Timestamp::from_millis(1_700_000_000_123);
    write.actor = "adá".to_owned();
    write.events = vec![
        NewEvent {
            kind: "ReleaseShipped".to_owned(),
            body: r#"{"release":1}"#.to_owned(),
        },
        NewEvent {
            kind: "Paused".to_owned(),
            body: "null".to_owned(),
        },
    ];
    let recorded = log.append(write).await.unwrap();
    let hashes: Vec<_> = recorded
        .iter()
        .map(|event| event.hash.to_string())
        .collect();
    assert_eq!(
        hashes,
        [
            "6d5e8a5e0b6e086ab71ef932057fe6dcaf4346931a173ab6422bbcbe111e706d",
            "5fe896d7c267fae00aa77dad9080d4cb8def53772ca4dcc7e394544e1c8b2033",
        ]
    );
}

async fn a_log_verifies_and_says_what_it_has(log: &dyn Log) {
    log.append(append("a", 0, &["a1", "a2"])).await.unwrap();
    let last = log.append(append("b", 0, &["b1"])).await.unwrap();
    let verified = log.verify().await.unwrap();
    assert_eq!(
        verified,
        Verified {
            events: 3,
            streams: 2,
            head: last[0].hash
        }
    );
}

fn figure(series: &str, at: u64, body: &str) -> FigureRow {
    FigureRow {
        series: series.to_owned(),
        at: Timestamp::from_millis(at),
        body: body.to_owned(),
    }
}

async fn figures_come_back_by_series_and_time(log: &dyn Log) {
    let rows = [
        figure("a", 3, "3"),
        figure("a", 1, "1"),
        figure("b", 2, "2"),
        figure("a/b", 1, "0"),
    ];
    log.append_figures(rows.to_vec()).await.unwrap();
    for (series, since, limit, expected) in [
        ("a", 0, 2, vec![rows[1].clone(), rows[0].clone()]),
        ("a", 0, 1, vec![rows[1].clone()]),
        ("a", 0, 0, vec![]),
        ("a", 3, usize::MAX, vec![rows[0].clone()]),
        ("a", u64::MAX, 9, vec![]),
        ("b", 2, 9, vec![rows[2].clone()]),
        ("c", 0, 9, vec![]),
    ] {
        let found = log
            .read_figures(series, Timestamp::from_millis(since), limit)
            .await
            .unwrap();
        assert_eq!(found, expected, "{limit} of {series} since {since}");
    }
    let last = |series: &str, at| (series.to_owned(), Timestamp::from_millis(at));
    assert_eq!(
        log.figure_series().await.unwrap(),
        [last("a", 3), last("a/b", 1), last("b", 2)]
    );
    assert_eq!(
        log.read_all(0, 1).await.unwrap(),
        [],
        "a figure is no event"
    );
}

async fn figures_are_replaced_and_pruned(log: &dyn Log) {
    assert_eq!(log.figure_series().await.unwrap(), []);
    log.append_figures(vec![figure("a", 1, "1"), figure("a", 2, "2")])
        .await
        .unwrap();
    log.append_figures(vec![
        figure("a", 2, "7"),
        figure("b", 1, "8"),
        figure("b", 1, "9"),
    ])
    .await
    .unwrap();
    let moment = Timestamp::from_millis;
    let rows = [figure("a", 1, "1"), figure("a", 2, "7")];
    let found = log.read_figures("a", moment(0), 9).await.unwrap();
    assert_eq!(found, rows);
    let found = log.read_figures("b", moment(0), 9).await.unwrap();
    assert_eq!(found, [figure("b", 1, "9")]);

    for (series, before, count) in [
        ("a", 2, 1),
        ("a", 2, 0),
        ("c", u64::MAX, 0),
        ("b", u64::MAX, 1),
    ] {
        let pruned = log.prune_figures(series, moment(before)).await.unwrap();
        assert_eq!(pruned, count, "{series} before {before}");
    }
    let found = log.read_figures("a", moment(0), 9).await.unwrap();
    assert_eq!(found, rows[1..]);
    assert_eq!(
        log.figure_series().await.unwrap(),
        [("a".to_owned(), moment(2))]
    );
}

async fn unusable_figures_are_refused_together(log: &dyn Log) {
    for bad in [
        figure("", 1, "1"),
        figure("a\n", 1, "1"),
        figure("b", 1, "x"),
        figure("b", u64::MAX, "1"),
    ] {
        let error = log
            .append_figures(vec![figure("a", 1, "1"), bad])
            .await
            .unwrap_err();
        assert!(matches!(error, AppendError::Invalid { .. }), "{error:?}");
    }
    let large = figure("a", 1, &" ".repeat(APPEND_BYTES_MAX + 1));
    let error = log.append_figures(vec![large]).await.unwrap_err();
    assert!(matches!(error, AppendError::TooLarge { .. }), "{error:?}");
    assert_eq!(
        log.read_figures("a", Timestamp::from_millis(0), 9)
            .await
            .unwrap(),
        []
    );
}
