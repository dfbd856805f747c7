//! `leadsman load`, as people and scripts use it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use expect_test::expect;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::{Place, Ran};

/// Starts a server that answers every request with this status and an empty body; its threads end
/// with their connections.
fn server(status: u16) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // The other end may go away at any time.
            thread::spawn(move || drop(serve(stream, status)));
        }
    });
    address
}

fn serve(mut stream: TcpStream, status: u16) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let lines = BufReader::new(stream.try_clone()?).lines();
    for line in lines {
        if line?.is_empty() {
            write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n")?;
        }
    }
    Ok(())
}

/// Replaces times, which differ each time, and the widths that come of them.
fn timeless(ran: &Ran) -> String {
    let mut lines = Vec::new();
    for line in ran.whole().lines() {
        let is_measured = line.starts_with("latency") || line.starts_with("generator late");
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if is_measured {
            words.retain(|word| word.parse::<f64>().is_err());
        }
        lines.push(words.join(" "));
    }
    let mut text = lines.join("\n");
    if let Some(at) = text.find("127.0.0.1:") {
        let digits = text[at + 10..]
            .chars()
            .take_while(char::is_ascii_digit)
            .count();
        let port = text[at..at + 10 + digits].to_owned();
        text = text.replace(&port, "[SERVER]");
    }
    text
}

#[test]
fn a_load_is_reported_and_its_thresholds_tell_the_status() {
    let place = Place::new();
    let url = format!("http://{}/", server(200));
    let load = [
        "load",
        &url,
        "--rate",
        "20",
        "--for",
        "500ms",
        "--warm-up",
        "100ms",
    ];
    let ran = place.run(&[&load[..], &["--rate-at-least", "15"]].concat());
    expect![[r#"
        status 0
        --- stdout
        20 requests/s (open model) to http://[SERVER] over HTTP/1.1, measured for 500ms after 100ms, by 1 thread

        requests 10: 20.0/s due, 20.0/s begun, 20.0/s answered as they should be
        answers 10, 0 B of bodies
        errors 0

        p50 p90 p95 p99 p99.9 max
        latency ms ms ms ms ms ms
        generator late by ms ms ms ms ms ms

        holds errors <= 1% 0 %
        holds rate >= 15/s 20.0/s"#]].assert_eq(&timeless(&ran));

    let failing = format!("http://{}/", server(503));
    let ran = place.run(&["load", &failing, "--rate", "20", "--for", "500ms"]);
    expect![[r#"
        status 1
        --- stdout
        20 requests/s (open model) to http://[SERVER] over HTTP/1.1, measured for 500ms, by 1 thread

        requests 10: 20.0/s due, 20.0/s begun, 0.0/s answered as they should be
        answers 10, 0 B of bodies
        errors 10 (100 %): status 503 10

        p50 p90 p95 p99 p99.9 max
        latency ms ms ms ms ms ms
        generator late by ms ms ms ms ms ms

        broken errors <= 1% 100 %
        --- stderr
        error[L113]: 1 of 1 thresholds do not hold: `errors <= 1%`"#]]
    .assert_eq(&timeless(&ran));
}

#[test]
fn programs_are_told_the_same_as_json() {
    let place = Place::new();
    let url = format!("http://{}/", server(200));
    let users = [
        "load", &url, "--users", "5", "--think", "20ms", "--for", "500ms", "--json",
    ];
    let ran = place.run(&[&users[..], &["--max", "1h", "--p95", "1ms", "--p50", "0s"]].concat());
    assert_eq!(ran.status, 1);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["kind"], "leadsman-load");
    assert_eq!(report["model"], "closed");
    assert_eq!(report["users"], 5.0);
    assert_eq!(report["errors"], 0);
    assert_eq!(report["holds"], false);
    assert!(report["requests"].as_u64().unwrap() > 20, "{report}");
    assert_eq!(report["thresholds"][0]["threshold"], "p50 <= 0ms");
    let failure: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(failure["error"]["code"], "L113");
}

#[test]
fn a_file_describes_a_load_as_a_job_does() {
    let place = Place::new();
    let server = server(200);
    place.write("rows.csv", "id\n1\n2\n");
    place.write(
        "load.yaml",
        "rate: 40\nfor: 1s\ndata: rows.csv\nrate_at_least: 20\nheaders: { x-id: '${id}' }\n\
         requests:\n- /p/${id}\n- { name: order, path: /order, body: '${id}', times: 3 }\n",
    );
    let ran = place.run(&[
        "load",
        &format!("http://{server}"),
        "--scenario",
        "load.yaml",
        "--json",
    ]);
    assert_eq!(ran.status, 0, "{}", ran.whole());
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let of = |index: usize, key: &str| report["by_request"][index][key].clone();
    assert_eq!(
        (of(0, "name"), of(0, "requests")),
        ("GET /p/${id}".into(), 10.into())
    );
    assert_eq!(
        (of(1, "name"), of(1, "requests")),
        ("order".into(), 30.into())
    );

    // What gates read of it is what it says.
    let read = leadsman_gates::read(
        leadsman_gates::ReportKind::Load,
        ran.stdout.as_bytes(),
        &leadsman_gates::Limits::default(),
    );
    let load = read.unwrap().load.unwrap();
    assert_eq!(load.requests, 40);
    assert_eq!((load.errors, load.rate), (Some(0.0), Some(40.0)));
    assert_eq!(load.p999_ms, report["latency_ms"]["p999"].as_f64());
    assert_eq!((load.invalid, load.crossed.len()), (None, 0));

    place.write("load.yaml", "url: /\nusers: 150\nfor: 2 min\np95: 400ms\n");
    let wrong = place.run(&["load", "--scenario", "load.yaml"]);
    place.write("load.yaml", "url: /\nusers: 150\nfor: 2m\np95: 400ms\n");
    let nowhere = place.run(&["load", "--scenario", "load.yaml"]);
    let both = place.run(&["load", "--scenario", "load.yaml", "--p95", "1s"]);
    let told = [wrong, nowhere, both].map(|ran| timeless(&ran)).join("\n");
    expect![[r#"
        status 2
        --- stderr
        error[L110]: `load.yaml` has 1 problem
        caused by: 3:6: `2 min` is not a duration (P011)
        status 2
        --- stderr
        error[L110]: the load cannot be made as it is described
        caused by: it names no server: write a URL before `--scenario`, or in `url`
        status 2
        --- stderr
        error: the argument '--scenario <FILE>' cannot be used with:
        --p50 <TIME>
        --p90 <TIME>
        --p95 <TIME>
        --p99 <TIME>
        --p99.9 <TIME>
        --max <TIME>
        --errors <SHARE>
        --rate-at-least <COUNT>

        Usage: leadsman load --scenario <FILE> [URL]

        For more information, try '--help'."#]]
    .assert_eq(&told);
}

#[test]
fn ctrl_c_ends_it_early_with_what_was_measured() {
    let place = Place::new();
    let url = format!("http://{}/", server(200));
    let child = place.start(&["load", &url, "--rate", "100", "--for", "1h", "--json"]);
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    // It is begun once it has connections: by then it listens to signals, too.
    let fds = format!("/proc/{}/task", child.id());
    let is_begun = || {
        std::fs::read_dir(&fds).unwrap().flatten().any(|task| {
            let name = std::fs::read_to_string(task.path().join("comm"));
            name.is_ok_and(|name| name.starts_with("load-"))
        })
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_begun() {
        assert!(Instant::now() < deadline, "it does not begin");
        thread::sleep(Duration::from_millis(5));
    }
    kill_process(pid, Signal::INT).unwrap();
    let ran = place.told(child.wait_with_output().unwrap());
    assert_eq!(ran.status, 130, "{}", ran.whole());
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["interrupted"], true);
    assert_eq!(report["holds"], false);
}

#[test]
fn what_is_no_load_says_why_and_asks_for_nothing() {
    let place = Place::new();
    place.write("data.csv", "id,name\n1,a\n2\n");
    place.write("good.csv", "id,name\n1,a\n");
    place.write("headers.txt", "accept: text/html\nauthorization secret\n");
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{closed}/");
    let mut told = String::new();
    for arguments in [
        &["localhost:8080", "--rate", "1"][..],
        &["http://x/${id}", "--rate", "1"],
        &["http://x/${nr}", "--rate", "1", "--data", "good.csv"],
        &["http://x/", "--rate", "1", "--data", "data.csv"],
        &["http://x/", "--rate", "1", "--data", "none.csv"],
        &["http://x/", "--rate", "1", "--header", "@headers.txt"],
        &["http://x/", "--rate", "1", "--for", "0s"],
        &["http://x/", "--rate", "2000000"],
        &["http://x/", "--rate", "-1"],
        &["http://x/", "--users", "5", "--for", "5"],
        &["http://x/"],
        &[&url, "--rate", "20000"],
    ] {
        let ran = place.run(&[&["load"], arguments].concat());
        told.push_str(&format!(
            "{}\n",
            timeless(&ran).replace(&closed.to_string(), "[CLOSED]")
        ));
    }
    expect![[r#"
        status 2
        --- stderr
        error[L110]: the load cannot be made as it is described
        caused by: `localhost:8080`: write it like `http://localhost:8080/` or `https://shop.example/cart`
        status 2
        --- stderr
        error[L110]: the load cannot be made as it is described
        caused by: `GET /${id}`: there is no data that has `${id}`
        status 2
        --- stderr
        error[L110]: the load cannot be made as it is described
        caused by: `GET /${nr}`: the data has no `nr`, it has `id`, `name`
        status 2
        --- stderr
        error[L111]: the data of `data.csv` cannot be used
        caused by: line 3: it has 1 values and the first line 2 names
        status 2
        --- stderr
        error[L111]: failed to read data from `none.csv`
        caused by: No such file or directory (os error 2)
        status 2
        --- stderr
        error[L110]: the load cannot be made as it is described
        caused by: line 2 of `headers.txt`: write it like `accept: text/html`
        status 2
        --- stderr
        error[L110]: the load cannot be made as it is described
        caused by: it must last longer than nothing and at most 7 days
        caused by: the warm-up takes all the time: nothing is left to measure
        status 2
        --- stderr
        error[L110]: the load cannot be made as it is described
        caused by: the rate is more than 1000000, which one machine does not make
        status 2
        --- stderr
        error: unexpected argument '-1' found

        tip: to pass '-1' as a value, use '-- -1'

        Usage: leadsman load [OPTIONS] [URL]

        For more information, try '--help'.
        status 2
        --- stderr
        error: invalid value '5' for '--for <TIME>': say in which unit, such as `5ms`, `5s` or `5m`

        For more information, try '--help'.
        status 2
        --- stderr
        error: the following required arguments were not provided:
        --rate <COUNT>

        Usage: leadsman load --rate <COUNT> <URL>

        For more information, try '--help'.
        status 1
        --- stderr
        error[L112]: failed to connect to [SERVER]
        caused by: Connection refused (os error 111)
    "#]].assert_eq(&told);
}
