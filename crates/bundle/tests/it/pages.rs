//! Pages: folders, what stands in for what is not there, and what the project file adds.

use std::collections::BTreeMap;

use leadsman_core::bundle::{Bundle, Cache, CacheRule, HeaderRule, Pattern};

use super::client::Served;

const BROWSER: &str = "accept: text/html,application/xhtml+xml,*/*;q=0.8";

fn pattern(text: &str) -> Pattern {
    Pattern::try_from(text.to_owned()).unwrap()
}

#[tokio::test]
async fn a_folder_has_a_page_at_its_end_and_is_never_listed() {
    let files: [(&str, &[u8]); 4] = [
        ("index.html", b"home"),
        ("docs/a b/index.html", b"docs"),
        ("docs/a b/file.txt", b"file"),
        ("empty/file.txt", b"file"),
    ];
    let served = Served::with(&files, Bundle::default()).await;
    let led = served.get("/docs/a%20b?x=/y&z=%0d").await;
    assert_eq!(
        led.status, 307,
        "not for ever: the next release may be another one"
    );
    assert_eq!(led.header("location"), "/docs/a%20b/?x=/y&z=%0d");
    assert_eq!(led.header("cache-control"), "no-cache");
    assert_eq!(served.get("/docs/a%20b/").await.text(), "docs");
    for path in ["/docs", "/docs/", "/empty", "/empty/", "//docs/a%20b"] {
        assert_eq!(served.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn an_application_of_one_page_answers_where_a_page_is_asked_for() {
    let files: [(&str, &[u8]); 3] = [
        ("index.html", b"app"),
        ("assets/app.js", b"script"),
        ("404.html", b"lost"),
    ];
    let bundle = Bundle {
        fallback: Some("index.html".to_owned()),
        cache: vec![CacheRule {
            files: pattern("**"),
            cache: Cache::Immutable,
        }],
        ..Bundle::default()
    };
    let served = Served::with(&files, bundle).await;
    for path in ["/users/7", "/users/7/", "/assets", "/"] {
        let answer = served.ask(&format!("GET {path}"), &[BROWSER]).await;
        assert_eq!((answer.status, &*answer.text()), (200, "app"), "{path}");
    }
    let page = served.ask("GET /users/7", &[BROWSER]).await;
    assert_eq!(
        page.header("cache-control"),
        "no-cache",
        "whatever is said of the file"
    );
    assert_eq!(page.header("vary"), "accept");
    let known = format!("if-none-match: {}", page.header("etag"));
    assert_eq!(
        served.ask("GET /users/8", &[BROWSER, &known]).await.status,
        304
    );
    for (path, accept) in [
        ("/assets/gone.js", BROWSER),
        ("/users/7", "accept: application/json"),
        ("/users/7", "accept: */*"),
    ] {
        let answer = served.ask(&format!("GET {path}"), &[accept]).await;
        assert_eq!(
            (answer.status, &*answer.text()),
            (404, "lost"),
            "{path} {accept}"
        );
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-cache");
        assert_eq!(answer.header("vary"), "accept");
    }
    let malformed = served.ask("GET /users/%ff", &[BROWSER]).await;
    assert_eq!(malformed.status, 400);
    let known = served.ask("GET /assets/app.js", &[BROWSER]).await;
    assert_eq!((&*known.text(), &*known.header("vary")), ("script", ""));
}

#[tokio::test]
async fn files_lie_below_the_path_that_is_said() {
    let bundle = Bundle {
        path: "/admin".to_owned(),
        fallback: Some("index.html".to_owned()),
        ..Bundle::default()
    };
    let files: [(&str, &[u8]); 2] = [("index.html", b"app"), ("docs/index.html", b"docs")];
    let served = Served::with(&files, bundle).await;
    for (path, location) in [("/admin", "/admin/"), ("/admin/docs", "/admin/docs/")] {
        let led = served.get(path).await;
        assert_eq!((led.status, &*led.header("location")), (307, location));
    }
    assert_eq!(served.get("/admin/docs/").await.text(), "docs");
    assert_eq!(served.ask("GET /admin/x", &[BROWSER]).await.text(), "app");
    for path in ["/", "/index.html", "/administrator"] {
        assert_eq!(
            served.ask(&format!("GET {path}"), &[BROWSER]).await.status,
            404,
            "{path}"
        );
    }
}

#[tokio::test]
async fn headers_and_caches_are_as_the_project_file_says() {
    let header = |files: &str, name: &str, value: &str| HeaderRule {
        files: pattern(files),
        headers: BTreeMap::from([(name.to_owned(), value.to_owned())]),
    };
    let bundle = Bundle {
        cache: vec![CacheRule {
            files: pattern("sw.js"),
            cache: Cache::Never,
        }],
        headers: vec![
            header(".well-known/app-links", "content-type", "application/json"),
            header("*.js", "service-worker-allowed", "/"),
        ],
        ..Bundle::default()
    };
    let files: [(&str, &[u8]); 2] = [("sw.js", b"work"), (".well-known/app-links", b"{}")];
    let served = Served::with(&files, bundle).await;
    let worker = served.get("/sw.js").await;
    assert_eq!(worker.header("cache-control"), "no-store");
    assert_eq!(worker.header("service-worker-allowed"), "/");
    let links = served.get("/.well-known/app-links").await;
    assert_eq!(links.header("content-type"), "application/json");
    assert_eq!(links.header("service-worker-allowed"), "");
}
