//! The stored form of what is recorded about people and in the audit. A line is never edited.

use std::collections::BTreeSet;

use expect_test::expect_file;
use leadsman_core::audit::{Asked, Denied, Event as AuditEvent, Key};
use leadsman_core::id::Digest;
use leadsman_core::people::{Event, Grant, Identity, Narrowing, Reach, Role, TokenNumber};
use leadsman_core::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

fn people() -> Vec<Event> {
    let person = || "mia".parse().expect("it is a name");
    let mut events = vec![
        Event::PersonAdded { person: person() },
        Event::PersonRemoved { person: person() },
        Event::TokenRevoked {
            token: TokenNumber(3),
            person: person(),
            name: "ci".to_owned(),
        },
    ];
    for identity in ["user:mia", "email:mia@example.org", "subject:8f2c"] {
        let identity: Identity = identity.parse().expect("it is an identity");
        events.push(Event::IdentityLinked {
            person: person(),
            identity: identity.clone(),
        });
        events.push(Event::IdentityUnlinked {
            person: person(),
            identity,
        });
    }
    let reaches = ["*", "shop", "shop/production", "*", "*"];
    for (role, reach) in Role::ALL.into_iter().zip(reaches) {
        let reach: Reach = reach.parse().expect("it is a reach");
        let grant = Grant { role, reach };
        events.push(Event::RoleGranted {
            person: person(),
            grant: grant.clone(),
        });
        events.push(Event::RoleRevoked {
            person: person(),
            grant,
        });
    }
    let team = || "security".parse().expect("it is a name");
    events.push(Event::TeamJoined {
        person: person(),
        team: team(),
    });
    events.push(Event::TeamLeft {
        person: person(),
        team: team(),
    });
    for sign_in in [false, true] {
        let narrowing = if sign_in {
            Narrowing::default()
        } else {
            Narrowing {
                roles: BTreeSet::from([Role::Developer, Role::Viewer]),
                reach: "shop/staging".parse().expect("it is a reach"),
            }
        };
        events.push(Event::TokenCreated {
            token: TokenNumber(3),
            person: person(),
            name: "ci".to_owned(),
            hash: Digest::from_bytes([0xab; 32]),
            narrowing,
            expires_at: Timestamp::from_millis(1_800_000_000_000),
            sign_in,
            grants: BTreeSet::new(),
        });
    }
    events.push(Event::TokenCreated {
        token: TokenNumber(4),
        person: person(),
        name: "sign-in".to_owned(),
        hash: Digest::from_bytes([0xab; 32]),
        narrowing: Narrowing::default(),
        expires_at: Timestamp::from_millis(1_800_000_000_000),
        sign_in: true,
        grants: BTreeSet::from([Grant {
            role: Role::Operator,
            reach: "shop/staging".parse().expect("it is a reach"),
        }]),
    });
    events
}

fn audit() -> Vec<AuditEvent> {
    let denied = |on: Option<&str>| Denied {
        act: "ship".to_owned(),
        on: on.map(str::to_owned),
        code: "L102".to_owned(),
        why: "`mia` may not ship to `shop/production`".to_owned(),
        count: 1,
        since: Timestamp::from_millis(1_800_000_000_000),
    };
    vec![
        AuditEvent::Denied(denied(None)),
        AuditEvent::Denied(denied(Some("shop/production"))),
        AuditEvent::Refused(denied(Some("shop/production"))),
        AuditEvent::LeftOut {
            count: 4_096,
            since: Timestamp::from_millis(1_800_000_000_000),
        },
        AuditEvent::Acted {
            act: "stop".to_owned(),
            on: None,
        },
        AuditEvent::Acted {
            act: "read a secret".to_owned(),
            on: Some("shop/production".to_owned()),
        },
    ]
}

/// Compares the lines that are written with those that were written once. `UPDATE_EXPECT=1` puts new
/// forms behind them.
fn hold<E>(file: &str, examples: &[E], kind: impl Fn(&E) -> &'static str, kinds: usize)
where
    E: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let path = format!("{FIXTURES}/{file}");
    let mut known = std::fs::read_to_string(&path).unwrap_or_default();
    for line in known.lines() {
        let event: E = serde_json::from_str(line).expect(line);
        let start = format!(r#"{{"event":"{}""#, kind(&event));
        assert!(line.starts_with(&start), "{line}");
    }
    let mut seen = BTreeSet::new();
    for event in examples {
        seen.insert(kind(event));
        let json = serde_json::to_string(event).expect("an event has only text keys");
        let back: E = serde_json::from_str(&json).expect("it was written a moment ago");
        assert_eq!(back, *event);
        if !known.lines().any(|line| line == json) {
            known.push_str(&json);
            known.push('\n');
        }
    }
    assert_eq!(seen.len(), kinds, "an event has no example");
    expect_file![path].assert_eq(&known);
}

#[test]
fn what_happens_to_people_is_stored_as_it_always_was() {
    hold("people.jsonl", &people(), Event::kind, 10);
}

#[test]
fn what_the_audit_has_is_stored_as_it_always_was() {
    hold("audit.jsonl", &audit(), AuditEvent::kind, 4);
}

#[test]
fn an_event_that_says_from_where_it_was_asked_is_still_that_event() {
    let asked = Asked {
        from: "10.0.0.7".to_owned(),
        token: Some("ci".to_owned()),
        why: Some("the errors of last night".to_owned()),
        key: Some(Key {
            text: "deploy-1207".to_owned(),
            request: "5f1e".to_owned(),
        }),
    };
    let asked = serde_json::to_string(&asked).expect("it has only text keys");
    let stored = format!(r#"{{"event":"deployment_paused","by":"mia","asked":{asked}}}"#);
    let event: leadsman_core::Event = serde_json::from_str(&stored).expect("it is an event");
    assert_eq!(event.kind(), "deployment_paused");
}
