//! Examples of what is stored about entering, and about checklists.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use leadsman_core::checklist::{Answer, Asks, Check, Checklist, Checklists, Item, When};
use leadsman_core::entry::{
    Approval, ApprovalRule, Calendar, EntryRules, Expedited, Identity, Need, RefPattern, Reference,
    Source, Voters,
};
use leadsman_core::id::{Digest, ReleaseNumber};
use leadsman_core::people::Role;
use leadsman_core::time::Timestamp;
use leadsman_core::{Cause, Event, Origin, ReleaseContent};
use leadsman_gates::{Day, GateResult, Gates, TestsGate};

use crate::world::name;

pub(crate) fn identity() -> Identity {
    Identity {
        digest: Digest::from_bytes([0xcd; 32]),
        source: source(),
    }
}

pub(crate) fn source() -> Source {
    Source {
        commit: Some("5f1d7a84db00d2fce00b31a7fc73224f2d1c5c8a".to_owned()),
        reference: Some(Reference::Branch("release/4".to_owned())),
        authors: BTreeSet::from(["ben".to_owned(), "ben@shop.example".to_owned()]),
    }
}

/// Every rule that there is.
pub(crate) fn rules() -> EntryRules {
    EntryRules {
        automatic: true,
        after: Some(name("staging")),
        branches: BTreeSet::from([RefPattern("release/*".to_owned())]),
        tags: BTreeSet::from([RefPattern("v*".to_owned())]),
        approvals: Some(ApprovalRule {
            count: 2,
            needs: Vec::new(),
            by_author: false,
            lasts: Duration::from_secs(86_400),
        }),
        calendar: Calendar {
            time_zone: "Europe/Berlin".to_owned(),
            windows: vec!["Mon-Fri 09:00-16:00".parse().expect("a window")],
        },
        maintenance: Vec::new(),
        checklists: Checklists::default(),
        gates: Gates {
            tests: Some(TestsGate::default()),
            ..Gates::default()
        },
        waits: Duration::from_secs(3_600),
        expedited: Some(Expedited {
            soak: Duration::from_secs(60),
        }),
    }
}

fn judged() -> GateResult {
    GateResult {
        name: "coverage".to_owned(),
        outcome: leadsman_gates::Outcome::Closed,
        sentence: "coverage 84.1 % of 12,310 lines, 85 % wanted: closed".to_owned(),
        expires: Day::parse("2026-12-24"),
    }
}

/// Every kind of event about entering, with every field that it can have.
pub(crate) fn about_entering(content: &Arc<ReleaseContent>) -> Vec<Event> {
    let release = ReleaseNumber(4);
    let by = || "ann".to_owned();
    let why = || "the shop is full".to_owned();
    let moment = Timestamp::from_millis(1_790_000_000_000);
    let digest = identity().digest;
    vec![
        Event::EntryRequested {
            release,
            content: Arc::clone(content),
            identity: identity(),
            origin: Origin::Ship,
            expedited: Some(why()),
            one_way: None,
            by: by(),
        },
        Event::EntryApproved {
            release,
            digest: digest.clone(),
            note: Some("read and tried".to_owned()),
            owner: false,
            by: by(),
        },
        Event::EntryJudged {
            release,
            digest: digest.clone(),
            gates: vec![judged()],
        },
        Event::ApprovalsRevoked {
            release,
            why: judged().sentence,
        },
        Event::EntryRejected {
            release,
            why: why(),
            by: by(),
        },
        Event::EntryExpired { release },
        Event::EntryOvertaken {
            release,
            by: ReleaseNumber(5),
        },
        Event::EntryAdmitted {
            release,
            digest,
            approvals: vec![Approval {
                by: by(),
                at: moment,
                note: Some("read and tried".to_owned()),
                owner: false,
            }],
            gates: vec![judged()],
            checks: Vec::new(),
            expedited: Some(why()),
        },
        Event::FreezeBegun {
            number: 3,
            from: Some(moment),
            until: Some(moment + Duration::from_secs(3_600)),
            maintenance: false,
            why: why(),
            by: by(),
        },
        Event::FreezeBegun {
            number: 4,
            from: None,
            until: Some(moment),
            maintenance: true,
            why: why(),
            by: by(),
        },
        Event::FreezeExcepted {
            number: 3,
            release,
            why: why(),
            by: by(),
        },
        Event::FreezeEnded {
            number: 3,
            by: by(),
        },
        Event::EntryRequested {
            release,
            content: asking_for_some_people(content),
            identity: identity(),
            origin: Origin::Ship,
            expedited: None,
            one_way: None,
            by: by(),
        },
        Event::EntryApproved {
            release,
            digest: identity().digest,
            note: None,
            owner: true,
            by: by(),
        },
        Event::EntryAdmitted {
            release,
            digest: identity().digest,
            approvals: vec![Approval {
                by: by(),
                at: moment,
                note: None,
                owner: true,
            }],
            gates: Vec::new(),
            checks: Vec::new(),
            expedited: None,
        },
    ]
}

/// Every check that there is.
fn all_checks() -> Vec<Check> {
    let path = || "/var/lib".to_owned();
    let host = || "shop.example".to_owned();
    vec![
        Check::Disk {
            at: path(),
            free: 10 << 30,
        },
        Check::Memory { available: 2 << 30 },
        Check::Certificate {
            host: host(),
            port: 443,
            days: 14,
        },
        Check::Dns {
            name: host(),
            address: None,
        },
        Check::Dns {
            name: host(),
            address: Some([10, 0, 0, 7].into()),
        },
        Check::Connect {
            host: host(),
            port: 5432,
        },
        Check::Newest {
            folder: path(),
            age: Duration::from_secs(86_400),
        },
        Check::Command {
            run: vec!["./check".to_owned(), "--all".to_owned()],
            timeout: Duration::from_secs(30),
            folder: path(),
        },
        Check::Gate {
            name: "tests".to_owned(),
        },
    ]
}

/// Every kind of event about checklists, with everything that an item can ask.
pub(crate) fn about_checklists(content: &ReleaseContent) -> Vec<Event> {
    let release = ReleaseNumber(4);
    let confirm = || Asks::Confirm {
        what: "Customers were told".to_owned(),
        by: Role::Operator,
        lasts: Duration::from_secs(86_400),
    };
    let answer = |asked: Asks| Answer {
        item: name("told"),
        asked,
        passed: true,
        said: "by mail".to_owned(),
        by: "mia".to_owned(),
        at: Timestamp::from_millis(1_790_000_000_000),
    };
    let asked = || all_checks().into_iter().map(Asks::Check).chain([confirm()]);
    let item = |(index, asks): (usize, Asks)| {
        let item = Item {
            asks,
            within: Duration::from_secs(3_600),
            rollback: index == 0,
        };
        (name(&format!("item-{index}")), item)
    };
    let list: Checklist = asked().enumerate().map(item).collect();
    let mut asking = content.clone();
    asking.entry.checklists = Checklists {
        before: list.clone(),
        during: list.clone(),
        after: list.clone(),
        after_rollback: list,
    };
    let mut events = vec![
        Event::EntryRequested {
            release,
            content: Arc::new(asking),
            identity: identity(),
            origin: Origin::Ship,
            expedited: None,
            one_way: None,
            by: "ann".to_owned(),
        },
        Event::EntryAdmitted {
            release,
            digest: identity().digest,
            approvals: Vec::new(),
            gates: Vec::new(),
            checks: vec![answer(confirm())],
            expedited: None,
        },
        Event::ItemMissed {
            release,
            when: When::After,
            item: name("told"),
            asks: confirm(),
            said: "`told` has to be confirmed".to_owned(),
        },
        Event::RollbackStarted {
            services: BTreeSet::from([name("web")]),
            cause: Cause::Unchecked {
                item: name("told"),
                asked: confirm(),
            },
        },
    ];
    for (when, asked) in When::ALL.into_iter().cycle().zip(asked()) {
        events.push(Event::ItemAnswered {
            release,
            digest: Some(identity().digest).filter(|_| when == When::Before),
            when,
            item: name("told"),
            passed: when != When::During,
            asks: asked,
            said: "by mail".to_owned(),
            by: "mia".to_owned(),
        });
    }
    events
}

/// A release whose rules ask for the consent of some people in particular.
fn asking_for_some_people(content: &ReleaseContent) -> Arc<ReleaseContent> {
    let people = ["anna", "ben", "carl"].map(name);
    let needs = vec![
        Need {
            count: 1,
            of: Voters::Team(name("security")),
        },
        Need {
            count: 2,
            of: Voters::People(BTreeSet::from(people)),
        },
    ];
    let approvals = rules().approvals.map(|rule| ApprovalRule { needs, ..rule });
    Arc::new(ReleaseContent {
        entry: EntryRules {
            approvals,
            maintenance: vec!["Sun 02:00-04:00".parse().expect("a window")],
            ..EntryRules::default()
        },
        ..content.clone()
    })
}
