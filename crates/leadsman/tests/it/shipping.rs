//! Shipping from end to end, against a control that answers from a script.

use std::collections::BTreeMap;

use expect_test::expect;
use leadsman_api::{
    Artifact, Deployment, EnvironmentStatus, Moment, Origin, Overview, Phase, Rollout,
    RolloutStage, ServiceStatus, Shipment, Shipped, System,
};

use crate::control::{Answer, Control};
use crate::program::Place;

const PROJECT: &str =
    "application: shop\nservices:\n  web:\n    artifact: site\n    run: ./serve $PORT\n";

/// A moment of the story: 10:00 and some seconds.
fn at(seconds: u64) -> Moment {
    Moment(36_000_000 + seconds * 1000)
}

fn look(version: u64, phase: Phase, stage: RolloutStage, cause: Option<&str>) -> Answer {
    let rollout = Rollout {
        stage,
        step: 1,
        steps: 2,
        weight_percent: 5.0,
        weights_percent: vec![5.0, 100.0],
        soak_ms: Some(10_000),
        soaked_ms: 0,
        verdict: None,
    };
    let web = ServiceStatus {
        closed: None,
        name: "web".to_owned(),
        stable: None,
        canary: None,
        baseline: None,
        warm: None,
        rollout: Some(rollout),
    };
    let deployment = Deployment {
        number: 2,
        release: 2,
        from: Some(1),
        origin: Origin::Ship,
        phase,
        since: at(version),
        started_at: at(0),
        actor: "mia".to_owned(),
        note: None,
        cause: cause.map(str::to_owned),
    };
    let status = EnvironmentStatus {
        certificates: Vec::new(),
        application: "shop".to_owned(),
        environment: "production".to_owned(),
        version,
        at: at(version),
        url: None,
        url_problem: None,
        serves: Some(1),
        schema: None,
        deployment: Some(deployment),
        queued: None,
        requests: Vec::new(),
        freezes: Vec::new(),
        maintenance: None,
        windows: None,
        checklists: Vec::new(),
        services: vec![web],
        reasons: Vec::new(),
    };
    Answer::json(&Overview {
        version,
        at: at(version),
        environments: vec![status],
    })
}

/// Returns a control that lets a release through to where `looks` end.
fn control(place: &Place, looks: Vec<Answer>) -> Control {
    place
        .write("leadsman.yaml", PROJECT)
        .write("site/index.html", "<p>hello");
    let shipped = Shipped {
        waits: false,
        application: "shop".to_owned(),
        environment: "production".to_owned(),
        version: 1,
        release: 2,
        deployment: Some(2),
        started: true,
        sentence: "release 2 is on its way".to_owned(),
    };
    let system = System {
        version: "0.1.0".to_owned(),
        pid: 1,
        started_at: at(0),
        state: "/srv/shop/.leadsman".to_owned(),
        api: None,
    };
    let artifact = Artifact {
        digest: String::new(),
        size: 0,
    };
    Control::start(
        place.path(),
        vec![
            ("GET /v1/system", vec![Answer::json(&system)]),
            (
                "HEAD /v1/artifacts/",
                vec![Answer::text(404, ""), Answer::text(200, "")],
            ),
            ("PUT /v1/artifacts/", vec![Answer::json(&artifact)]),
            ("POST /v1/ship", vec![Answer::json(&shipped)]),
            ("GET /v1/status", looks),
        ],
    )
}

#[test]
fn a_release_is_uploaded_shipped_and_watched_until_it_has_all_traffic() {
    let place = Place::new();
    let control = control(
        &place,
        vec![
            // From before the shipment: it must not be taken for the end.
            look(0, Phase::Settled, RolloutStage::Promoted, None),
            look(1, Phase::Moving, RolloutStage::Preparing, None),
            look(2, Phase::Moving, RolloutStage::Soaking, None),
            look(2, Phase::Moving, RolloutStage::Soaking, None),
            look(3, Phase::Settling, RolloutStage::Promoted, None),
        ],
    );
    let ran = place.run(&["ship", "-m", "the new basket"]);
    expect![[r#"
        status 0
        --- stdout
        release 2 has all traffic
        --- stderr
        uploading `site`, 2.0 KiB
        shop/production: release 2 is on its way
        10:00:01  web: step 1 of 2: instances for 5 % become ready
        10:00:01  release 2: on its way
        10:00:02  web: step 1 of 2: holds 5 % for 10s
        10:00:03  web: promoted
        10:00:03  release 2: has all traffic
    "#]]
    .assert_eq(&ran.whole());

    let (put, bytes) = control.asked("PUT /v1/artifacts/sha256:");
    assert!(
        bytes.windows(8).any(|window| window == b"<p>hello"),
        "it is the packed site"
    );
    let digest = put.strip_prefix("PUT /v1/artifacts/").unwrap();
    let (_, body) = control.asked("POST /v1/ship");
    let shipment: Shipment = serde_json::from_slice(&body).unwrap();
    let expected = Shipment {
        expedite: None,
        one_way: None,
        project: PROJECT.to_owned(),
        file: "leadsman.yaml".to_owned(),
        origin: place.path().to_str().unwrap().to_owned(),
        environment: Some("production".to_owned()),
        artifacts: BTreeMap::from([("web".to_owned(), digest.to_owned())]),
        note: Some("the new basket".to_owned()),
    };
    assert_eq!(shipment, expected);

    let again = place.run(&["ship", "--detach", "-q"]);
    expect![[r#"
        status 0
        --- stdout
        shop/production: release 2 is on its way
    "#]]
    .assert_eq(&again.whole());
    assert!(
        control.all("PUT").is_empty(),
        "what is there is not sent again"
    );
}

#[test]
fn a_release_that_goes_back_ends_with_its_own_status() {
    let cause = "`web` at 5 %: errors 5.1 % of 2140 requests (limit 5 %)";
    let looks = || {
        vec![
            look(1, Phase::Moving, RolloutStage::Soaking, None),
            look(2, Phase::Returning, RolloutStage::Returning, Some(cause)),
            look(3, Phase::RolledBack, RolloutStage::Returned, Some(cause)),
        ]
    };
    let place = Place::new();
    let _control = control(&place, looks());
    expect![[r#"
        status 4
        --- stderr
        uploading `site`, 2.0 KiB
        shop/production: release 2 is on its way
        10:00:01  web: step 1 of 2: holds 5 % for 10s
        10:00:01  release 2: on its way
        10:00:02  web: traffic goes back
        10:00:02  release 2: goes back, `web` at 5 %: errors 5.1 % of 2140 requests (limit 5 %)
        10:00:03  web: traffic is back
        10:00:03  release 2: went back, `web` at 5 %: errors 5.1 % of 2140 requests (limit 5 %)
        error[L060]: release 2 went back
          caused by: `web` at 5 %: errors 5.1 % of 2140 requests (limit 5 %)
        hint: see everything that led to it with `leadsman why`
    "#]]
    .assert_eq(&place.run(&["ship"]).whole());

    let place = Place::new();
    let _control = control(&place, looks());
    let ran = place.run(&["ship", "--json", "--quiet"]);
    assert_eq!(ran.status, 4, "{}", ran.whole());
    let answer: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(answer.pointer("/deployment/phase").unwrap(), "rolled_back");
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(error.pointer("/error/causes/0").unwrap(), cause);
}

#[test]
fn ctrl_c_ends_the_watching_and_says_that_the_rollout_goes_on() {
    let place = Place::new();
    let control = control(
        &place,
        vec![look(1, Phase::Moving, RolloutStage::Soaking, None)],
    );
    let child = place.start(&["ship"]);
    // It watches: it has asked for the second look.
    control.asked("GET /v1/status");
    control.asked("GET /v1/status?after=1");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ran = place.told(child.wait_with_output().unwrap());
    assert_eq!(ran.status, 130, "{}", ran.whole());
    assert!(
        ran.stderr.ends_with(
            "release 2 goes on without being watched: `leadsman status --watch` shows it, \
             `leadsman abort` takes it back\n"
        ),
        "{}",
        ran.stderr
    );
    assert!(
        control.all("POST /v1/env").is_empty(),
        "nothing was commanded"
    );
}

#[test]
fn a_restart_of_control_is_waited_for() {
    let place = Place::new();
    let _control = control(
        &place,
        vec![
            look(1, Phase::Moving, RolloutStage::Soaking, None),
            Answer::cut_off(),
            look(2, Phase::Settling, RolloutStage::Promoted, None),
        ],
    );
    expect![[r#"
        status 0
        --- stdout
        release 2 has all traffic
        --- stderr
        uploading `site`, 2.0 KiB
        shop/production: release 2 is on its way
        10:00:01  web: step 1 of 2: holds 5 % for 10s
        10:00:01  release 2: on its way
        control does not answer; what serves goes on serving, and this waits for it
        control answers again
        10:00:02  web: promoted
        10:00:02  release 2: has all traffic
    "#]]
    .assert_eq(&place.run(&["ship"]).whole());
}

#[test]
fn a_release_that_cannot_be_watched_is_said_to_be_recorded() {
    let place = Place::new();
    let _control = control(&place, vec![Answer::text(200, "not JSON")]);
    expect![[r#"
        status 3
        --- stderr
        uploading `site`, 2.0 KiB
        shop/production: release 2 is on its way
        error[L007]: the answer to `status` was not understood
          caused by: expected ident at line 1 column 2
        hint: release 2 is recorded and goes on as soon as control runs: `leadsman status --watch` shows it
    "#]].assert_eq(&place.run(&["ship"]).whole());
}

#[test]
fn a_project_file_with_problems_and_a_missing_artifact_ship_nothing() {
    let place = Place::new();
    let control = control(&place, Vec::new());
    place.write("leadsman.yaml", PROJECT.replace("site", "sight"));
    expect![[r#"
        status 1
        --- stderr
        error[L030]: failed to pack the artifact `sight`
          caused by: `[FOLDER]/sight` does not exist
    "#]]
    .assert_eq(&place.run(&["ship"]).whole());
    place.write("leadsman.yaml", PROJECT.replace("run", "runn"));
    expect![[r#"
        status 1
        --- stderr
        error[L012]: `[FOLDER]/leadsman.yaml` has 2 problems
          caused by: 3:3: service `web` has neither `run` nor `serve` (P005)
          caused by: 5:5: unknown key `runn` in `services.web` (P003)
        hint: see all about it with `leadsman check`
    "#]]
    .assert_eq(&place.run(&["ship"]).whole());
    assert!(control.all("P").is_empty(), "nothing was put or posted");
}
