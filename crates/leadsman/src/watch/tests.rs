//! What follows from keys and answers.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use leadsman_api::{Accepted, Choice, Command, Moment, Overview, Wanted};

use super::model::{Dialog, Look, Model};
use super::samples::{choices, knowing, model, several};
use super::update::{Input, Wish};
use crate::failure::{Exit, Failure};
use crate::render::samples::{NOW, serving};

fn at(seconds: u64) -> Moment {
    Moment(NOW.0 + seconds * 1000)
}

fn press(model: &mut Model, code: KeyCode) -> Vec<Wish> {
    model.update(NOW, Input::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn presses(model: &mut Model, letters: &str) -> Vec<Wish> {
    let all = letters.chars();
    all.flat_map(|letter| press(model, KeyCode::Char(letter)))
        .collect()
}

fn absent() -> Failure {
    leadsman_api::Error::NotRunning {
        at: "/x".to_owned(),
    }
    .into()
}

fn overview(version: u64) -> Overview {
    Overview {
        version,
        at: NOW,
        environments: several(),
    }
}

fn tell(model: &mut Model, seconds: u64, told: Result<Overview, Failure>) -> Vec<Wish> {
    model.update(at(seconds), Input::Status(Box::new(told)))
}

/// Returns a model in which what soaks is selected and everything is known of it.
fn soaks() -> Model {
    let mut environments = several();
    environments.swap(0, 2);
    knowing(environments)
}

/// Returns the command that was given, the version it was decided on, and the reason.
fn given(wishes: &[Wish]) -> (&Command, u64, Option<&str>) {
    match wishes {
        [
            Wish::Give {
                command,
                seen,
                reason,
                ..
            },
        ] => (command, *seen, reason.as_deref()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_selected_moves_and_is_looked_at() {
    let mut model = knowing(several());
    for (code, expected) in [
        (KeyCode::Down, 1),
        (KeyCode::Char('j'), 2),
        (KeyCode::Char('G'), 3),
        (KeyCode::Down, 3),
        (KeyCode::Up, 2),
        (KeyCode::Char('k'), 1),
        (KeyCode::PageDown, 3),
        (KeyCode::Home, 0),
        (KeyCode::Up, 0),
    ] {
        press(&mut model, code);
        assert_eq!(model.selected, expected, "{code:?}");
    }
    let mut model = knowing(several());
    let wishes = press(&mut model, KeyCode::Down);
    assert!(
        matches!(&wishes[..], [Wish::Look { target, whole: false, series: false }]
            if target.environment == "staging"),
        "{wishes:?}"
    );
    assert!(
        model.choices().is_none(),
        "those of another are not its own"
    );
}

#[test]
fn enter_opens_and_escape_goes_back() {
    let mut model = soaks();
    let wishes = press(&mut model, KeyCode::Enter);
    assert!(model.is_open);
    assert!(
        matches!(wishes[..], [Wish::Look { whole: true, .. }]),
        "{wishes:?}"
    );
    model.drawn(30);
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::PageDown);
    assert_eq!((model.scroll, model.selected), (11, 0));
    press(&mut model, KeyCode::End);
    assert_eq!(model.scroll, 30);
    press(&mut model, KeyCode::Esc);
    assert!(!model.is_open);
    press(&mut model, KeyCode::Enter);
    assert_eq!(model.scroll, 0, "it is begun at its top");
}

#[test]
fn what_was_opened_while_less_was_asked_for_is_asked_again() {
    let mut model = model(several());
    assert!(
        model.asked.is_some(),
        "choices are asked for from the start"
    );
    press(&mut model, KeyCode::Enter);
    let answer = |model: &Model, is_whole: bool| {
        Input::Looked(Box::new(Look {
            target: model.target().unwrap(),
            choices: Ok(choices()),
            events: is_whole.then(|| Ok(Vec::new())),
            series: None,
        }))
    };
    let brief = answer(&model, false);
    let wishes = model.update(NOW, brief);
    assert!(
        matches!(
            wishes[..],
            [Wish::Look {
                whole: true,
                series: true,
                ..
            }]
        ),
        "{wishes:?}"
    );
    let whole = answer(&model, true);
    assert_eq!(model.update(NOW, whole), []);
}

#[test]
fn the_same_environment_stays_selected_wherever_it_is() {
    let mut model = soaks();
    let mut later = overview(2);
    later.environments.rotate_left(1);
    tell(&mut model, 1, Ok(later));
    assert_eq!(model.target().unwrap().application, "shop");
    assert_eq!(model.selected, 1);

    press(&mut model, KeyCode::Enter);
    let mut without = overview(3);
    without.environments = vec![serving()];
    without.environments[0].environment = "other".to_owned();
    tell(&mut model, 2, Ok(without));
    assert!(!model.is_open, "what is gone is not shown");
    tell(
        &mut model,
        3,
        Ok(Overview {
            environments: Vec::new(),
            ..overview(4)
        }),
    );
    for code in [KeyCode::Enter, KeyCode::Down, KeyCode::Char('p')] {
        press(&mut model, code);
    }
    assert!(!model.is_open && model.dialog.is_none());
}

#[test]
fn only_what_was_named_is_shown() {
    let mut model = soaks();
    model.shown.named = Some("shop/production".to_owned());
    tell(&mut model, 1, Ok(overview(2)));
    assert_eq!(model.overview.environments.len(), 1);
}

#[test]
fn a_choice_is_confirmed_and_given_with_the_version_that_was_looked_at() {
    let mut model = soaks();
    assert_eq!(presses(&mut model, "p"), []);
    assert!(matches!(model.dialog, Some(Dialog::Confirm(_))));
    // What happens meanwhile changes nothing of what is being decided on.
    let mut newer = choices();
    newer.version = 99;
    model.known.as_mut().unwrap().choices = Some(Ok(newer));
    let wishes = press(&mut model, KeyCode::Enter);
    assert_eq!(given(&wishes), (&Command::Pause {}, 12, None));
    assert_eq!(press(&mut model, KeyCode::Enter), [], "it is given once");
    assert_eq!(press(&mut model, KeyCode::Esc), []);

    let accepted = Accepted {
        version: 13,
        deployment: Some(4),
        sentence: "release 4 is paused".to_owned(),
    };
    let wishes = model.update(NOW, Input::Given(Ok(accepted)));
    assert!(matches!(wishes[..], [Wish::Look { .. }]), "{wishes:?}");
    assert!(model.dialog.is_none());
    let notice = model.notice.as_ref().unwrap();
    assert_eq!(notice.text, "shop/production: release 4 is paused");
    press(&mut model, KeyCode::Down);
    assert_eq!(model.notice, None);
}

#[test]
fn a_choice_that_is_left_is_not_made() {
    let mut model = soaks();
    assert_eq!(presses(&mut model, "a"), []);
    assert_eq!(press(&mut model, KeyCode::Esc), []);
    assert!(model.dialog.is_none());
    assert_eq!(press(&mut model, KeyCode::Enter).len(), 1, "it opens");
    assert!(model.dialog.is_none());
}

#[test]
fn the_reason_goes_where_the_command_has_a_place_for_it() {
    let approve = Command::Approve {
        release: 5,
        digest: Some("sha256:00".to_owned()),
        note: None,
    };
    let reject = Command::Reject {
        release: 5,
        why: "to be said".to_owned(),
    };
    let with_note = |note: Option<&str>| Command::Approve {
        release: 5,
        digest: Some("sha256:00".to_owned()),
        note: note.map(str::to_owned),
    };
    let because = Command::Reject {
        release: 5,
        why: "no q".to_owned(),
    };
    for (name, command, wanted, key, text, expected, reason) in [
        (
            "abort",
            Command::Abort {},
            Wanted::No,
            "a",
            "q?",
            Command::Abort {},
            Some("q?"),
        ),
        (
            "abort",
            Command::Abort {},
            Wanted::No,
            "a",
            " ",
            Command::Abort {},
            None,
        ),
        (
            "approve-5",
            approve.clone(),
            Wanted::Maybe,
            "A",
            "ok",
            with_note(Some("ok")),
            None,
        ),
        (
            "approve-5",
            approve,
            Wanted::Maybe,
            "A",
            "",
            with_note(None),
            None,
        ),
        ("reject-5", reject, Wanted::Yes, "x", "no q", because, None),
    ] {
        let mut model = soaks();
        let mut one = choices();
        one.choices = vec![Choice {
            name: name.to_owned(),
            command,
            reason: wanted,
            follows: Some("it follows".to_owned()),
            refused: None,
        }];
        model.known.as_mut().unwrap().choices = Some(Ok(one));
        presses(&mut model, key);
        if wanted == Wanted::Yes {
            assert_eq!(
                press(&mut model, KeyCode::Enter),
                [],
                "{name} needs a reason"
            );
            assert!(matches!(&model.dialog, Some(Dialog::Confirm(it)) if it.lacks_reason));
        }
        presses(&mut model, text);
        let wishes = press(&mut model, KeyCode::Enter);
        assert_eq!(given(&wishes), (&expected, 12, reason), "{name} {text:?}");
    }
}

#[test]
fn a_reason_is_written_pasted_and_erased_and_commands_nothing() {
    let mut model = soaks();
    model.shown.reason = "ticket 8".to_owned();
    presses(&mut model, "a");
    press(&mut model, KeyCode::Backspace);
    presses(&mut model, "9");
    let pasted = "\x1b[2J twice\n\u{202e}".to_owned();
    model.update(NOW, Input::Pasted(pasted));
    model.update(NOW, Input::Pasted("ä".repeat(2000)));
    let wishes = press(&mut model, KeyCode::Enter);
    let (_, _, reason) = given(&wishes);
    let reason = reason.unwrap();
    assert!(reason.starts_with("ticket 9[2J twice ä"), "{reason}");
    assert!(reason.len() <= 2000);
}

#[test]
fn what_is_refused_says_so() {
    let mut model = soaks();
    // Not possible now: it is not even asked about.
    presses(&mut model, "r");
    assert!(model.dialog.is_none());
    let notice = model.notice.as_ref().unwrap();
    assert_eq!(notice.text, "Resume: error[R006]: release 4 is not paused");
    presses(&mut model, "z");
    let notice = model.notice.as_ref().unwrap();
    assert!(
        notice.text.contains("nothing has the key `z`"),
        "{notice:?}"
    );

    // Refused by control, because something has happened.
    presses(&mut model, "p");
    press(&mut model, KeyCode::Enter);
    let stale = Failure {
        code: "R044".to_owned(),
        exit: Exit::Failed,
        ..absent()
    };
    model.update(NOW, Input::Given(Err(stale)));
    assert!(
        matches!(&model.dialog, Some(Dialog::Refused { failure, .. }) if failure.code == "R044")
    );
    press(&mut model, KeyCode::Enter);
    assert!(
        model.dialog.is_none() && !model.is_open,
        "the key closes it, and no more"
    );
}

#[test]
fn a_control_that_is_away_is_asked_again_and_what_was_known_stays() {
    let mut model = soaks();
    let wishes = tell(&mut model, 3, Err(absent()));
    assert_eq!(
        wishes,
        [Wish::Status {
            after: None,
            later: true
        }]
    );
    assert_eq!(model.lost_since(), Some(NOW), "since it was heard of last");
    assert_eq!(model.overview.environments.len(), 4);
    presses(&mut model, "p");
    assert!(model.dialog.is_none(), "nothing is decided on what is old");
    let look = Look {
        target: model.target().unwrap(),
        choices: Err(absent()),
        events: None,
        series: None,
    };
    model.update(at(4), Input::Looked(Box::new(look)));
    assert!(model.choices().is_some());

    tell(&mut model, 9, Ok(overview(1)));
    assert_eq!(model.lost_since(), None);
}

#[test]
fn a_control_that_says_nothing_is_noticed() {
    let mut model = soaks();
    model.update(at(4), Input::Tick);
    assert_eq!(model.lost_since(), None);
    model.update(at(6), Input::Tick);
    assert_eq!(model.lost_since(), Some(NOW));
}

#[test]
fn it_ends_by_key_and_by_signal_whatever_is_shown() {
    let control = |letter| KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
    for before in ["", "?", "p", "pp"] {
        let mut model = soaks();
        presses(&mut model, before);
        let wishes = model.update(NOW, Input::Key(control('c')));
        assert_eq!(wishes, [Wish::End(Exit::Interrupted)], "after {before:?}");
        let wishes = model.update(NOW, Input::Ended);
        assert_eq!(wishes, [Wish::End(Exit::Interrupted)], "after {before:?}");
    }
    let mut model = soaks();
    assert_eq!(presses(&mut model, "q"), [Wish::End(Exit::Done)]);
    let wishes = model.update(NOW, Input::Key(control('l')));
    assert_eq!(wishes, [Wish::Redraw]);
}
