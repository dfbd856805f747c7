//! Requests as they are sent, answers and failures as they are understood.

use std::error::Error as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use leadsman_api::{Client, Command, Error, HistoryQuery, LogsQuery, Scope, Shipment, StatusQuery};

use crate::control::{Control, answer};

const ACCEPTED: &str = r#"{"version":9,"deployment":4,"sentence":"release 3 comes back"}"#;
const OVERVIEW: &str = r#"{"version":12,"at":5,"environments":[]}"#;

#[tokio::test]
async fn a_command_is_sent_as_json_with_the_version_of_the_api() {
    let control = Control::answering(&[&answer("200 OK", ACCEPTED)]);
    let command = Command::Rollback {
        to: Some(3),
        scope: Scope::Canary,
        migrate_back: false,
    };
    let accepted = Client::new(control.socket())
        .command("shop", "production", &command)
        .await;
    assert_eq!(accepted.unwrap().sentence, "release 3 comes back");

    let request = control.request().await;
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST /v1/environments/shop/production/commands HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("leadsman-api: 1"), "{head}");
    assert_eq!(body, r#"{"command":"rollback","to":3,"scope":"canary"}"#);
}

#[tokio::test]
async fn what_is_asked_for_stands_in_the_query() {
    let control = Control::answering(&[&answer("200 OK", OVERVIEW)]);
    let query = StatusQuery {
        after: Some(11),
        wait_ms: Some(1000),
    };
    let overview = Client::new(control.socket()).status(&query).await.unwrap();
    assert_eq!(overview.version, 12);
    assert!(
        control
            .request()
            .await
            .starts_with("GET /v1/status?after=11&wait_ms=1000 HTTP/1.1")
    );
}

#[tokio::test]
async fn a_refusal_is_passed_on_whole() {
    let body = r#"{"status":409,"type":"/errors/R003","code":"R003","detail":"`shop/production` is not paused",
        "request_id":"7"}"#;
    let control = Control::answering(&[&answer("409 Conflict", body)]);
    let client = Client::new(control.socket());
    let error = client
        .command("shop", "production", &Command::Resume {})
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "`shop/production` is not paused");
    let Error::Refused(problem) = error else {
        panic!("{error:?}")
    };
    assert_eq!((problem.status, problem.code.as_str()), (409, "R003"));
}

#[tokio::test]
async fn a_failure_without_a_problem_in_it_is_still_told() {
    let control = Control::answering(&[&answer("404 Not Found", "")]);
    let error = Client::new(control.socket()).system().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "control answered `version` with 404 Not Found"
    );
}

#[tokio::test]
async fn nobody_on_the_socket_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let error = Client::new(&socket).system().await.unwrap_err();
    assert!(matches!(error, Error::NotRunning { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("no Leadsman answers on `{}`", socket.display())
    );

    // A control that was killed leaves its socket behind.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let error = Client::new(&socket).system().await.unwrap_err();
    assert!(matches!(error, Error::NotRunning { .. }), "{error:?}");
}

#[tokio::test]
async fn a_socket_of_somebody_else_is_told_from_one_without_control() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser may open everything, so that there is nothing to be seen as one.
    if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
        return;
    }
    let error = Client::new(&socket).system().await.unwrap_err();
    assert!(matches!(error, Error::NotPermitted { .. }), "{error:?}");
}

#[tokio::test]
async fn a_socket_path_that_is_too_long_names_the_path() {
    let socket = format!("/tmp/{}/control.sock", "x".repeat(120));
    let error = Client::new(&socket).system().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("failed to connect to `{socket}`")
    );
    assert!(error.source().is_some());
}

#[tokio::test]
async fn a_control_of_another_version_is_recognised_before_its_answer_is_read() {
    let other = "HTTP/1.1 200 OK\r\nleadsman-api: 2\r\ncontent-length: 0\r\n\r\n";
    let nothing = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    for (response, expected) in [(other, Some("2".to_owned())), (nothing, None)] {
        let control = Control::answering(&[response]);
        let error = Client::new(control.socket()).system().await.unwrap_err();
        let Error::OtherVersion { theirs, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(theirs, expected);
    }
}

#[tokio::test]
async fn a_lost_connection_leaves_a_doubt_only_about_what_changes_something() {
    let whole = answer("200 OK", ACCEPTED);
    let half = whole.get(..whole.len() - 5).unwrap();
    for response in ["", "HTTP/1.1 200 OK\r\nleads", half] {
        let control = Control::answering(&[response]);
        let client = Client::new(control.socket());
        let error = client
            .command("shop", "production", &Command::Abort {})
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "the connection was lost during `abort`");
        assert!(error.maybe_done());

        let control = Control::answering(&[response]);
        let error = Client::new(control.socket()).system().await.unwrap_err();
        assert!(matches!(error, Error::Lost { .. }), "{error:?}");
        assert!(!error.maybe_done());
    }
}

/// Control is killed while it answers, and is there again: it is asked once more with the same key,
/// and told from it that nothing else is asked for.
#[tokio::test]
async fn an_act_whose_answer_is_lost_is_asked_for_again_with_the_same_key() {
    let busy = r#"{"type":"/errors/L088","status":409,"code":"L088","detail":"still under way",
        "request_id":"7"}"#;
    let control = Control::answering_in_turn(&[
        &["HTTP/1.1 200 OK\r\nleadsman-api: 1\r\ncontent-length: 90\r\n\r\n{"],
        &[],
        &[&answer("409 Conflict", busy)],
        &[&answer("200 OK", ACCEPTED)],
    ]);
    let client = Client::new(control.socket());
    let accepted = client
        .decide("shop", "production", &Command::Abort {}, Some(12))
        .await;
    assert_eq!(accepted.unwrap().version, 9);
    let requests = control.requests().await;
    let key = |request: &String| {
        let line = request
            .lines()
            .find(|it| it.starts_with("idempotency-key: "));
        line.expect("an act has a key").to_owned()
    };
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|it| *it == requests[0]), "{requests:?}");
    assert!(
        requests[0].contains("if-match: W/\"12\"\r\n"),
        "{requests:?}"
    );

    let other = Control::answering(&[&answer("200 OK", ACCEPTED)]);
    let client = Client::new(other.socket());
    let accepted = client
        .command("shop", "production", &Command::Abort {})
        .await;
    accepted.unwrap();
    assert_ne!(key(&other.request().await), key(&requests[0]));
}

#[tokio::test]
async fn a_control_that_hangs_is_given_up_on() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    // It listens, so that connecting works, and never accepts.
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let client = Client::new(&socket).with_patience(Duration::from_millis(20));
    let error = client
        .command("shop", "production", &Command::Pause {})
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NoAnswer { .. }), "{error:?}");
    assert!(error.maybe_done());
}

#[tokio::test]
async fn an_artifact_is_looked_up_and_streamed() {
    for (status, expected) in [("200 OK", true), ("404 Not Found", false)] {
        let control = Control::answering(&[&format!(
            "HTTP/1.1 {status}\r\nleadsman-api: 1\r\ncontent-length: 0\r\n\r\n"
        )]);
        let client = Client::new(control.socket());
        assert_eq!(client.has_artifact("sha256:ab").await.unwrap(), expected);
        assert!(
            control
                .request()
                .await
                .starts_with("HEAD /v1/artifacts/sha256:ab ")
        );
    }

    let control =
        Control::answering(&[&answer("201 Created", r#"{"digest":"sha256:ab","size":6}"#)]);
    let bytes = stream::iter(["abc", "def"].map(|part| Ok(Bytes::from_static(part.as_bytes()))));
    let client = Client::new(control.socket());
    assert_eq!(
        client
            .put_artifact("sha256:ab", 6, bytes)
            .await
            .unwrap()
            .size,
        6
    );
    let request = control.request().await;
    assert!(
        request.starts_with("PUT /v1/artifacts/sha256:ab "),
        "{request}"
    );
    assert!(request.ends_with("\r\n\r\nabcdef"), "{request}");
}

#[tokio::test]
async fn an_upload_whose_source_fails_is_not_taken_for_whole() {
    let control = Control::answering(&[]);
    let bytes = stream::iter([
        Ok(Bytes::from_static(b"abc")),
        Err(std::io::Error::other("the disk went away")),
    ]);
    let error = Client::new(control.socket())
        .put_artifact("sha256:ab", 6, bytes)
        .await;
    assert!(matches!(
        error.unwrap_err(),
        Error::Lost {
            maybe_done: false,
            ..
        }
    ));
}

#[tokio::test]
async fn log_lines_are_read_however_they_are_cut() {
    let line = |text: &str| format!(r#"{{"instance":"shop.a.web.r1.d1.1","text":"{text}"}}"#);
    let body = format!("{}\n\n{}\n", line("one"), line("two"));
    let (first, second) = body.split_at(50);
    let control = Control::answering(&[
        "HTTP/1.1 200 OK\r\nleadsman-api: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        &format!("{:x}\r\n{first}\r\n", first.len()),
        &format!("{:x}\r\n{second}\r\n0\r\n\r\n", second.len()),
    ]);
    let query = LogsQuery {
        service: Some("web".to_owned()),
        follow: true,
        ..LogsQuery::default()
    };
    let mut lines = Client::new(control.socket())
        .logs("shop", "a", &query)
        .await
        .unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap().text, "one");
    assert_eq!(lines.next().await.unwrap().unwrap().text, "two");
    assert_eq!(lines.next().await.unwrap(), None);
    assert!(
        control
            .request()
            .await
            .contains("/logs?service=web&follow=true ")
    );
}

#[tokio::test]
async fn logs_that_break_off_are_not_taken_for_their_end() {
    let control = Control::answering(&[
        "HTTP/1.1 200 OK\r\nleadsman-api: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        "5\r\n{\"ins\r\n",
    ]);
    let client = Client::new(control.socket());
    let mut lines = client
        .logs("shop", "a", &LogsQuery::default())
        .await
        .unwrap();
    assert!(matches!(
        lines.next().await.unwrap_err(),
        Error::Lost { .. }
    ));
}

#[tokio::test]
async fn a_shipment_and_a_history_go_where_they_belong() {
    let shipped = r#"{"application":"shop","environment":"a","version":2,"release":1,"deployment":1,
        "started":true,"sentence":"release 1 starts"}"#;
    let control = Control::answering(&[&answer("200 OK", shipped)]);
    let shipment = Shipment {
        expedite: None,
        one_way: None,
        project: "application: shop".to_owned(),
        file: "leadsman.yaml".to_owned(),
        origin: "/srv/shop".to_owned(),
        environment: None,
        artifacts: [("web".to_owned(), "sha256:ab".to_owned())].into(),
        note: None,
    };
    assert!(
        Client::new(control.socket())
            .ship(&shipment)
            .await
            .unwrap()
            .started
    );
    let request = control.request().await;
    assert!(request.starts_with("POST /v1/ship "), "{request}");
    let sent = serde_json::from_str::<Shipment>(request.split_once("\r\n\r\n").unwrap().1);
    assert_eq!(sent.unwrap(), shipment);

    let control = Control::answering(&[&answer("200 OK", "not JSON")]);
    let query = HistoryQuery {
        limit: Some(5),
        ..HistoryQuery::default()
    };
    let error = Client::new(control.socket())
        .history("shop", "a", &query)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the answer to `history` was not understood"
    );
    assert!(control.request().await.contains("/history?limit=5 "));
}
