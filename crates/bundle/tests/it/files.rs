//! Files: whole, compressed, in parts, unchanged.

use std::io::Read as _;

use leadsman_core::bundle::Bundle;

use super::client::{Answer, Served};

/// Text that is worth compressing.
fn text() -> Vec<u8> {
    "the tide comes in, the tide goes out. "
        .repeat(100)
        .into_bytes()
}

fn unpacked(answer: &Answer) -> Vec<u8> {
    let mut unpacked = Vec::new();
    match &*answer.header("content-encoding") {
        "br" => brotli::Decompressor::new(&*answer.body, 4096).read_to_end(&mut unpacked),
        "gzip" => flate2::read::GzDecoder::new(&*answer.body).read_to_end(&mut unpacked),
        "" => return answer.body.clone(),
        other => panic!("{other} was not asked for"),
    }
    .unwrap();
    unpacked
}

#[tokio::test]
async fn a_file_comes_with_its_type_its_tag_and_how_long_it_may_be_kept() {
    let files: [(&str, &[u8]); 3] = [
        ("index.html", b"<p>hello"),
        ("assets/app.3f9a1c2b.js", b"alert(1)"),
        ("pixel", b"\x00\x01"),
    ];
    let served = Served::with(&files, Bundle::default()).await;
    for (path, body, kind, cache) in [
        ("/", "<p>hello", "text/html; charset=utf-8", "no-cache"),
        (
            "/index.html",
            "<p>hello",
            "text/html; charset=utf-8",
            "no-cache",
        ),
        (
            "/assets/app.3f9a1c2b.js?v=1",
            "alert(1)",
            "text/javascript; charset=utf-8",
            "public, max-age=31536000, immutable",
        ),
        ("/pixel", "\0\u{1}", "application/octet-stream", "no-cache"),
    ] {
        let answer = served.get(path).await;
        assert_eq!((answer.status, &*answer.text()), (200, body), "{path}");
        assert_eq!(answer.header("content-type"), kind, "{path}");
        assert_eq!(answer.header("cache-control"), cache, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("content-length"), body.len().to_string());
        assert_eq!(answer.header("etag").len(), 34, "{answer:?}");
        assert_eq!(answer.header("last-modified"), "", "nobody knows it");
    }
    let head = served.ask("HEAD /", &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), "8");
}

#[tokio::test]
async fn text_is_compressed_as_the_client_likes_it() {
    let files: [(&str, &[u8]); 3] = [
        ("app.js", &text()),
        ("small.js", b"alert(1)"),
        ("photo.jpg", &text()),
    ];
    let served = Served::with(&files, Bundle::default()).await;
    let mut tags = Vec::new();
    for (accepted, coding) in [
        ("", ""),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("br;q=0.1, gzip;q=0.2", "gzip"),
        ("identity", ""),
        ("deflate", ""),
    ] {
        let header = format!("accept-encoding: {accepted}");
        let answer = served.ask("GET /app.js", &[&header]).await;
        assert_eq!(answer.header("content-encoding"), coding, "{accepted}");
        assert_eq!(answer.header("vary"), "accept-encoding");
        assert_eq!(
            answer.header("content-length"),
            answer.body.len().to_string()
        );
        assert!(unpacked(&answer) == text(), "{accepted}");
        tags.push(answer.header("etag"));
    }
    assert_eq!(
        (&tags[0], &tags[4], &tags[5]),
        (&tags[5], &tags[0], &tags[4])
    );
    assert!(
        tags[0] != tags[1] && tags[1] != tags[2] && tags[2] == tags[3],
        "{tags:?}"
    );
    for path in ["/small.js", "/photo.jpg"] {
        let answer = served
            .ask(&format!("GET {path}"), &["accept-encoding: gzip, br"])
            .await;
        assert_eq!(
            (answer.header("content-encoding"), answer.header("vary")),
            Default::default()
        );
    }
}

#[tokio::test]
async fn what_was_compressed_before_is_sent_as_it_lies_there() {
    let files: [(&str, &[u8]); 4] = [
        ("app.wasm", b"plain"),
        ("app.wasm.zst", b"zstd"),
        ("app.wasm.br", b"brotli"),
        ("app.wasm.gz", b"gzip"),
    ];
    let served = Served::with(&files, Bundle::default()).await;
    for (accepted, body) in [
        ("zstd", "zstd"),
        ("br, zstd", "brotli"),
        ("gzip", "gzip"),
        ("x", "plain"),
    ] {
        let header = format!("accept-encoding: {accepted}");
        let answer = served.ask("GET /app.wasm", &[&header]).await;
        assert_eq!(
            (&*answer.text(), &*answer.header("content-type")),
            (body, "application/wasm")
        );
        assert_eq!(answer.header("vary"), "accept-encoding");
    }
    let by_itself = served.get("/app.wasm.gz").await;
    assert_eq!(by_itself.text(), "gzip");
    assert_eq!(by_itself.header("content-encoding"), "");
    assert_eq!(by_itself.header("content-type"), "application/gzip");
}

#[tokio::test]
async fn who_has_a_file_already_is_told_so() {
    let text = text();
    let served = Served::with(&[("app.js", &text)], Bundle::default()).await;
    let gzip = "accept-encoding: gzip";
    let tag = served.ask("GET /app.js", &[gzip]).await.header("etag");
    let known = format!("if-none-match: {tag}");
    for line in ["GET /app.js", "HEAD /app.js"] {
        let answer = served.ask(line, &[gzip, &known]).await;
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{line}");
        assert_eq!(answer.header("etag"), tag);
        assert_eq!(answer.header("cache-control"), "no-cache");
        assert_eq!(answer.header("vary"), "accept-encoding");
    }
    let other_form = served.ask("GET /app.js", &[&known]).await;
    assert_eq!((other_form.status, other_form.body == text), (200, true));
    let by_time = "if-modified-since: Fri, 31 Dec 9999 23:59:59 GMT";
    assert_eq!(served.ask("GET /app.js", &[by_time]).await.status, 200);
    let changed = served.ask("GET /app.js", &["if-match: \"x\""]).await;
    assert_eq!(changed.status, 412);
}

#[tokio::test]
async fn a_part_is_sent_of_the_very_form_that_was_begun() {
    let text = text();
    let served = Served::with(&[("app.js", &text)], Bundle::default()).await;
    let part = served.ask("GET /app.js", &["range: bytes=4-7"]).await;
    assert_eq!((part.status, &*part.text()), (206, "tide"));
    assert_eq!(part.header("content-range"), "bytes 4-7/3800");
    assert_eq!(part.header("accept-ranges"), "bytes");
    let end = served.ask("GET /app.js", &["range: bytes=-2"]).await;
    assert_eq!((end.status, &*end.text()), (206, ". "));
    let beyond = served.ask("GET /app.js", &["range: bytes=3800-"]).await;
    assert_eq!(
        (beyond.status, &*beyond.header("content-range")),
        (416, "bytes */3800")
    );
    let several = served.ask("GET /app.js", &["range: bytes=0-1,3-4"]).await;
    assert_eq!((several.status, several.body.len()), (200, 3800));
    let head = served.ask("HEAD /app.js", &["range: bytes=0-1"]).await;
    assert_eq!(
        (head.status, &*head.header("content-length")),
        (200, "3800")
    );

    // A compressed file is put together from its parts, and another form never comes between.
    let gzip = "accept-encoding: gzip";
    let whole = served.ask("GET /app.js", &[gzip]).await;
    let same = format!("if-range: {}", whole.header("etag"));
    let first = served.ask("GET /app.js", &[gzip, "range: bytes=0-9"]).await;
    let rest = served
        .ask("GET /app.js", &[gzip, "range: bytes=10-", &same])
        .await;
    assert_eq!((first.status, rest.status), (206, 206));
    assert_eq!([first.body, rest.body].concat(), whole.body);
    let plain = served
        .ask("GET /app.js", &["range: bytes=10-", &same])
        .await;
    assert_eq!((plain.status, plain.body.len()), (200, 3800));
}

#[tokio::test]
async fn a_large_file_is_read_while_it_is_sent() {
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(|n| n.to_be_bytes()).collect();
    let served = Served::with(&[("film.mp4", &large)], Bundle::default()).await;
    let whole = served.get("/film.mp4").await;
    assert!(whole.status == 200 && whole.body == large);
    let part = served
        .ask("GET /film.mp4", &["range: bytes=11999990-"])
        .await;
    assert!(part.status == 206 && part.body == large[11_999_990..]);
    let tag = format!("if-none-match: {}", whole.header("etag"));
    assert_eq!(served.ask("GET /film.mp4", &[&tag]).await.status, 304);

    // What was announced cannot be sent any more: the answer breaks off and looks like it.
    std::fs::write(served.folder.path().join("film.mp4"), &large[..1_000_000]).unwrap();
    let broken = served.get("/film.mp4").await;
    assert_eq!(broken.header("content-length"), "12000000");
    assert!(broken.body.len() < 12_000_000);
    std::fs::remove_file(served.folder.path().join("film.mp4")).unwrap();
    assert_eq!(served.get("/film.mp4").await.status, 500);
}

#[tokio::test]
async fn only_what_asks_for_a_file_is_answered_with_one() {
    let served = Served::with(&[("index.html", b"<p>")], Bundle::default()).await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"] {
        let answer = served
            .ask(&format!("{method} /"), &["content-length: 0"])
            .await;
        assert_eq!(
            (answer.status, &*answer.header("allow")),
            (405, "GET, HEAD, OPTIONS"),
            "{method}"
        );
    }
    for line in ["OPTIONS /", "OPTIONS *"] {
        let answer = served.ask(line, &[]).await;
        assert_eq!(
            (answer.status, &*answer.header("allow")),
            (204, "GET, HEAD, OPTIONS"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn nothing_outside_of_the_folder_can_be_asked_for() {
    let files: [(&str, &[u8]); 4] = [
        ("index.html", b"<p>"),
        (".env", b"SECRET"),
        (".git/config", b"SECRET"),
        (".well-known/security.txt", b"contact"),
    ];
    let served = Served::with(&files, Bundle::default()).await;
    std::fs::write(served.folder.path().join("late.txt"), "SECRET").unwrap();
    for (path, status) in [
        ("/.env", 404),
        ("/%2eenv", 404),
        ("/.git/config", 404),
        ("/late.txt", 404),
        ("/../../../../etc/passwd", 400),
        ("/%2e%2e/%2e%2e/etc/passwd", 400),
        ("/..%2f..%2fetc/passwd", 400),
        ("/..%5c..%5cetc%5cpasswd", 400),
        ("/index.html%00.js", 400),
        ("/%", 400),
        ("//etc/passwd", 404),
        ("/index.html/", 404),
        ("/index.html/x", 404),
        ("/.well-known/security.txt", 200),
        ("/.well-known/", 404),
    ] {
        let answer = served.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(
            !answer.text().contains("SECRET") && !answer.text().contains("root:"),
            "{path}"
        );
        if status >= 400 {
            assert_eq!(answer.header("cache-control"), "no-cache", "{path}");
        }
    }
}
