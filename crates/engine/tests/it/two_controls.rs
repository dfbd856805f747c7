//! Two controls on one log: what one of them knows, the other learns.

use std::sync::Arc;
use std::time::Duration;

use leadsman_core::Command;
use leadsman_gates::{Outcome, ReportKind, Says, Tests};
use leadsman_testkit::World;

const PROJECT: &str = "application: shop\nservices:\n  web: { run: serve }\nenvironments:\n  \
                       production: { gates: { tests: pass }, entry: { approvals: 1 } }\n";

#[tokio::test(start_paused = true)]
async fn a_report_that_one_has_received_is_known_to_the_other() {
    let one = World::start().await;
    let release = one.ship_project(PROJECT, "dora").await.unwrap();
    let environment = World::environment();
    let other = World::start_on(Arc::clone(&one.log), Arc::clone(&one.figures)).await;
    let source = leadsman_gates::Source {
        kind: ReportKind::Junit,
        path: "out/unit.xml".to_owned(),
        job: Some("unit".to_owned()),
        group: None,
    };
    let says = Says {
        tests: Some(Tests {
            passed: 7,
            ..Tests::default()
        }),
        ..Says::default()
    };
    let told = other
        .engine
        .report(&environment.application, release, source, says, "ann");
    told.await.unwrap();
    // Each looks again, as it does whenever something happens, and finds what the other wrote.
    for _ in 0..20 {
        for world in [&other, &one] {
            let asked = world.engine.command(&environment, Command::Resume, "ann");
            assert!(asked.await.is_err(), "nothing is paused");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    for world in [&other, &one] {
        let views = world.engine.views();
        let view = Arc::clone(&views.borrow().environments[&environment]);
        let gates = &view.environment.requests[&release].gates;
        assert!(
            gates.iter().all(|gate| gate.outcome == Outcome::Open),
            "{gates:?}"
        );
    }
    let kinds = one.kinds().await;
    let judged = kinds.iter().filter(|kind| *kind == "entry_judged").count();
    // That it is closed, that it is open, and at the most once each way between.
    assert!(judged <= 4, "{kinds:?}");
}
