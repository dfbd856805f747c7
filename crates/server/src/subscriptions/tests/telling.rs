//! In which order, how often and until when receivers are told.

use std::sync::Arc;
use std::time::Duration;

use leadsman_core::time::Timestamp;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::super::address::Allowed;
use super::super::kept::tests::kept;
use super::super::kept::{Kept, Subscriptions};
use super::super::pace::Pace;
use super::super::post::Post;
use super::super::progress::Progress;
use super::super::teller::{Teller, Telling};
use super::Fake;
use super::receiver::{Got, Receiver, Says, Silent};

const PAUSED: &str = r#"{"event":"deployment_paused","by":"ann"}"#;
const RESUMED: &str = r#"{"event":"deployment_resumed","by":"ann"}"#;
const DAY_MS: u64 = 24 * 3600 * 1_000;

/// A control that tells, on a clock of its own, and without long waits.
struct Control {
    world: Arc<Fake>,
    telling: Arc<Telling>,
    end: watch::Sender<u64>,
    tellers: JoinSet<()>,
    _state: TempDir,
}

impl Control {
    fn new() -> Self {
        let state = tempfile::tempdir().expect("a folder can be made");
        let world = Arc::new(Fake::new());
        let telling = Telling {
            world: Arc::clone(&world) as _,
            kept: Arc::new(Subscriptions::of(state.path())),
            post: Post::default(),
            pace: Pace {
                first: Duration::from_millis(2),
                most: Duration::from_millis(10),
                answer: Duration::from_secs(30),
                ..Pace::default()
            },
            turn: Arc::default(),
        };
        Self {
            world,
            telling: Arc::new(telling),
            end: watch::channel(0).0,
            tellers: JoinSet::new(),
            _state: state,
        }
    }

    /// Waits no longer for an answer than this.
    fn impatient(mut self, answer: Duration) -> Self {
        let telling = Arc::get_mut(&mut self.telling).expect("nobody else has it yet");
        telling.pace.answer = answer;
        self
    }

    /// Adds a subscription, and has it told.
    fn add(&mut self, kept: &Kept) -> AbortHandle {
        self.telling.kept.add(kept).expect("it is new");
        self.tell(kept)
    }

    fn tell(&mut self, kept: &Kept) -> AbortHandle {
        let (telling, kept) = (Arc::clone(&self.telling), kept.clone());
        let source = Arc::from("urn:leadsman:00");
        let end = self.end.subscribe();
        self.tellers.spawn(Teller::run(telling, kept, source, end))
    }

    async fn record(&self, stream: &str, body: &str) {
        let end = self.world.record(stream, body).await;
        self.end.send_replace(end);
    }

    fn progress(&self, kept: &Kept) -> Progress {
        self.telling.kept.progress(kept).expect("it can be read")
    }

    /// Waits until what is kept of a subscription is as `wanted`.
    async fn until(&self, kept: &Kept, wanted: impl Fn(&Progress) -> bool) -> Progress {
        let found = async {
            loop {
                let progress = self.progress(kept);
                if wanted(&progress) {
                    return progress;
                }
                tokio::task::yield_now().await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(60), found).await;
        found.unwrap_or_else(|_| panic!("what is kept: {:?}", self.progress(kept)))
    }
}

fn ids(got: &[Got]) -> Vec<String> {
    got.iter().map(Got::id).collect()
}

fn problems(progress: &Progress) -> Vec<&str> {
    let recent = progress.recent.iter();
    recent
        .map(|delivery| delivery.problem.as_deref().unwrap_or("told"))
        .collect()
}

#[tokio::test]
async fn what_happens_is_told_in_order_and_signed() {
    let receiver = Receiver::start(&[]).await;
    let mut control = Control::new();
    let chat = kept("chat", &receiver.url());
    control.add(&chat);
    for body in [PAUSED, RESUMED, PAUSED] {
        control.record("shop/production", body).await;
    }
    control.record("shop/staging", PAUSED).await;
    let got = receiver.until(4).await;
    assert_eq!(
        ids(&got),
        [
            "shop/production/1",
            "shop/production/2",
            "shop/production/3",
            "shop/staging/1"
        ]
    );
    for one in &got {
        assert!(one.is_signed_by(chat.secret.reveal()), "{one:?}");
        assert_eq!(one.path, "/hook?key=secret");
        assert_eq!(
            one.headers["content-type"],
            "application/cloudevents+json; charset=utf-8"
        );
        let now = control.telling.world.now().as_millis() / 1_000;
        assert_eq!(one.headers["webhook-timestamp"], now.to_string());
        let mut other = one.clone();
        other.body.push(b' ');
        assert!(!other.is_signed_by(chat.secret.reveal()));
        let another = kept("other", &receiver.url());
        assert!(!one.is_signed_by(another.secret.reveal()));
    }
    let progress = control
        .until(&chat, |progress| progress.position == 4)
        .await;
    assert_eq!(problems(&progress), ["told"; 4]);
}

#[tokio::test]
async fn who_begins_anew_goes_on_where_it_was() {
    let receiver = Receiver::start(&[]).await;
    let mut control = Control::new();
    let chat = kept("chat", &receiver.url());
    let teller = control.add(&chat);
    control.record("shop/production", PAUSED).await;
    control.record("shop/production", RESUMED).await;
    control
        .until(&chat, |progress| progress.position == 2)
        .await;
    teller.abort();
    // This one is answered by nobody: whether it arrived is not known, so that it is told again.
    receiver.says(Says::Nothing);
    let teller = control.tell(&chat);
    control.record("shop/production", PAUSED).await;
    receiver.until(3).await;
    teller.abort();
    control.tell(&chat);
    control.record("shop/production", RESUMED).await;
    let got = receiver.until(5).await;
    assert_eq!(
        ids(&got),
        [1, 2, 3, 3, 4].map(|version| format!("shop/production/{version}"))
    );
}

#[tokio::test]
async fn a_log_that_is_older_than_what_was_told_is_told_of_what_comes_to_it() {
    let receiver = Receiver::start(&[]).await;
    let mut control = Control::new();
    let chat = kept("chat", &receiver.url());
    control.telling.kept.add(&chat).unwrap();
    let mut progress = control.progress(&chat);
    progress.position = 70;
    control
        .telling
        .kept
        .keep_progress("chat", &progress)
        .unwrap();
    control.record("shop/production", PAUSED).await;
    control.tell(&chat);
    // It has begun where the log ended then, or else it would be told of the first one, too.
    let narrow = kept("narrow", &receiver.url());
    control.add(&narrow);
    assert_eq!(ids(&receiver.until(1).await), ["shop/production/1"]);
    control.record("shop/production", RESUMED).await;
    let got = receiver.until(3).await;
    assert_eq!(
        ids(&got),
        [
            "shop/production/1",
            "shop/production/2",
            "shop/production/2"
        ]
    );
}

#[tokio::test]
async fn whatever_fails_is_tried_again_before_anything_else_is_told() {
    let elsewhere = Receiver::start(&[]).await;
    let receiver = Receiver::start(&[
        Says::Status(500),
        Says::Redirect(elsewhere.address),
        Says::Nothing,
        Says::Cut,
        Says::Later(7),
        Says::Endless,
        Says::Status(404),
    ])
    .await;
    let mut control = Control::new().impatient(Duration::from_millis(500));
    let chat = kept("chat", &receiver.url());
    control.record("shop/production", PAUSED).await;
    control.record("shop/production", RESUMED).await;
    control.add(&chat);
    let got = receiver.until(9).await;
    let versions = [1, 1, 1, 1, 1, 1, 1, 1, 2];
    assert_eq!(
        ids(&got),
        versions.map(|version| format!("shop/production/{version}"))
    );
    assert!(got.iter().all(|one| one.is_signed_by(chat.secret.reveal())));
    assert!(elsewhere.got().is_empty(), "a redirection was followed");
    let progress = control
        .until(&chat, |progress| progress.position == 2)
        .await;
    let problems = problems(&progress);
    for (problem, part) in problems.iter().zip([
        "it answered with 500",
        "it answered with 307, and redirections are not followed",
        "there was no answer within 0.5 s",
        "no answer",
        "it answered with 503",
        "no answer",
        "it answered with 404",
        "told",
        "told",
    ]) {
        assert!(problem.contains(part), "{part}: {problems:?}");
    }
    assert_eq!((progress.failed, progress.next_at), (0, None));
}

#[tokio::test]
async fn who_does_not_listen_yet_is_told_when_they_do() {
    let silent = Silent::new();
    let mut control = Control::new();
    let chat = kept("chat", &format!("http://{}/", silent.address()));
    control.add(&chat);
    control.record("shop/production", PAUSED).await;
    let progress = control.until(&chat, |progress| progress.failed >= 2).await;
    assert_eq!(progress.position, 0);
    assert!(
        problems(&progress)[0].starts_with("no connection: "),
        "{progress:?}"
    );
    assert!(progress.next_at.is_some() && progress.failing_since.is_some());
    let receiver = silent.listen();
    assert_eq!(ids(&receiver.until(1).await), ["shop/production/1"]);
    control
        .until(&chat, |progress| progress.position == 1)
        .await;
}

#[tokio::test]
async fn who_answers_that_they_are_gone_is_told_nothing_more() {
    let receiver = Receiver::start(&[Says::Status(204), Says::Status(410)]).await;
    let mut control = Control::new();
    let chat = kept("chat", &receiver.url());
    control.add(&chat);
    for body in [PAUSED, RESUMED, PAUSED] {
        control.record("shop/production", body).await;
    }
    assert!(
        control
            .tellers
            .join_next()
            .await
            .is_some_and(|it| it.is_ok())
    );
    assert_eq!(receiver.got().len(), 2);
    let progress = control.progress(&chat);
    assert_eq!(progress.ended_at, Some(control.telling.world.now()));
    assert_eq!((progress.position, progress.next_at), (1, None));
    assert_eq!(
        control.world.acted_so_far(),
        ["subscription `chat` ended: its address answered with 410"]
    );
    // The next control knows.
    control.tell(&chat);
    assert!(
        control
            .tellers
            .join_next()
            .await
            .is_some_and(|it| it.is_ok())
    );
    assert_eq!(receiver.got().len(), 2);
}

#[tokio::test]
async fn what_could_not_be_told_for_three_days_is_given_up_and_noted() {
    let silent = Silent::new();
    let mut control = Control::new();
    let chat = kept("chat", &format!("http://{}/", silent.address()));
    control.add(&chat);
    control.record("shop/production", PAUSED).await;
    control.record("shop/production", RESUMED).await;
    control.until(&chat, |progress| progress.failed >= 2).await;
    control.world.pass(DAY_MS);
    control.record("shop/production", PAUSED).await;
    control.world.pass(2 * DAY_MS - 1);
    let failed = control.progress(&chat).failed;
    let progress = control
        .until(&chat, |progress| progress.failed > failed + 1)
        .await;
    assert_eq!((progress.position, progress.given_up), (0, 0));
    control.world.pass(1);
    let progress = control
        .until(&chat, |progress| progress.given_up == 2)
        .await;
    // The third is a day younger.
    assert_eq!(progress.position, 2);
    let acted = control.world.acted_so_far();
    assert_eq!(
        acted,
        ["subscription `chat` is not told of 2 events any more"]
    );
    let receiver = silent.listen();
    assert_eq!(ids(&receiver.until(1).await), ["shop/production/3"]);
    let progress = control
        .until(&chat, |progress| progress.position == 3)
        .await;
    assert_eq!((progress.given_up, progress.failing_since), (2, None));
    assert_eq!(control.world.acted_so_far(), acted);
}

#[tokio::test]
async fn one_that_is_slow_holds_up_no_other() {
    let slow = Receiver::start(&[Says::Nothing]).await;
    let quick = Receiver::start(&[]).await;
    let mut control = Control::new();
    let (first, second) = (kept("first", &slow.url()), kept("second", &quick.url()));
    control.add(&first);
    control.add(&second);
    for body in [PAUSED, RESUMED, PAUSED] {
        control.record("shop/production", body).await;
    }
    assert_eq!(quick.until(3).await.len(), 3);
    assert_eq!(slow.until(1).await.len(), 1);
    assert_eq!(control.progress(&first).position, 0);
}

#[tokio::test]
async fn one_that_was_removed_is_told_nothing_more() {
    let silent = Silent::new();
    let mut control = Control::new();
    let chat = kept("chat", &format!("http://{}/", silent.address()));
    control.add(&chat);
    control.record("shop/production", PAUSED).await;
    control.until(&chat, |progress| progress.failed >= 1).await;
    control.telling.kept.remove("chat").unwrap();
    assert!(
        control
            .tellers
            .join_next()
            .await
            .is_some_and(|it| it.is_ok())
    );
    assert_eq!(control.telling.kept.all().unwrap(), []);
}

#[tokio::test]
async fn only_what_is_wanted_is_told_and_the_rest_is_passed_over() {
    let receiver = Receiver::start(&[]).await;
    let mut control = Control::new();
    let narrow = Kept {
        only: vec!["deployment_resumed".to_owned()],
        about: "shop/production".parse().unwrap(),
        ..kept("narrow", &receiver.url())
    };
    for (stream, body) in [
        ("shop/production", PAUSED),
        ("shop/staging", RESUMED),
        ("blog/production", RESUMED),
        ("0.people", r#"{"event":"person_added","person":"mia"}"#),
        ("0.audit", r#"{"event":"acted","act":"stop"}"#),
        ("shop/production", RESUMED),
    ] {
        control.record(stream, body).await;
    }
    control.add(&narrow);
    let got = receiver.until(1).await;
    assert_eq!(ids(&got), ["shop/production/2"]);
    control
        .until(&narrow, |progress| progress.position == 6)
        .await;
    let wide = Kept {
        added_at: Timestamp::from_millis(8),
        ..kept("wide", &receiver.url())
    };
    control.add(&wide);
    let got = receiver.until(5).await;
    let all = [
        "shop/production/2",
        "shop/production/1",
        "shop/staging/1",
        "blog/production/1",
        "shop/production/2",
    ];
    assert_eq!(ids(&got), all, "neither people nor the audit are told");
}

#[tokio::test]
async fn an_address_of_this_machine_is_told_only_where_that_was_said() {
    let receiver = Receiver::start(&[]).await;
    let mut control = Control::new();
    let port = receiver.address.port();
    for (name, url) in [
        ("literal", format!("http://127.0.0.1:{port}/")),
        ("name", format!("http://localhost:{port}/")),
        ("tls", format!("https://localhost:{port}/")),
    ] {
        let strict = Kept {
            allowed: Allowed::default(),
            ..kept(name, &url)
        };
        control.add(&strict);
    }
    control.record("shop/production", PAUSED).await;
    for strict in control.telling.kept.all().unwrap() {
        let progress = control
            .until(&strict, |progress| progress.failed >= 1)
            .await;
        let problem = problems(&progress)[0];
        assert!(
            problem.starts_with("it leads to this machine or to a private network"),
            "{problem}"
        );
    }
    assert!(receiver.got().is_empty());
}

#[tokio::test]
async fn who_asks_to_be_left_alone_is_left_alone_but_not_for_ever() {
    let receiver = Receiver::start(&[Says::Later(86_400)]).await;
    let mut control = Control::new();
    let chat = kept("chat", &receiver.url());
    control.record("shop/production", PAUSED).await;
    control.add(&chat);
    let progress = control.until(&chat, |progress| progress.failed == 1).await;
    let most = control.telling.pace.most;
    assert_eq!(progress.next_at, Some(control.telling.world.now() + most));
    assert_eq!(receiver.until(2).await.len(), 2);
}
