//! What a terminal shows, as a picture.

use expect_test::{ExpectFile, expect_file};
use leadsman_api::Moment;
use ratatui::style::{Color, Modifier};

use crate::failure::Failure;
use crate::render::samples::NOW;
use crate::watch::model::{Confirm, Dialog, Model, Notice};
use crate::watch::samples::{choices, drawn, knowing, several, text_of};

/// Compares what is shown on a small and on a large terminal, and that it is the same without
/// colours.
fn check(mut model: Model, small: &ExpectFile, large: &ExpectFile) {
    for ((columns, rows), expected) in [((80, 24), small), ((200, 60), large)] {
        let picture = drawn(&mut model, columns, rows, true);
        let text = text_of(&picture);
        expected.assert_eq(&text);
        let plain = drawn(&mut model, columns, rows, false);
        assert_eq!(text_of(&plain), text);
        let is_coloured =
            |cell: &ratatui::buffer::Cell| cell.fg != Color::Reset || cell.bg != Color::Reset;
        assert!(!plain.content().iter().any(is_coloured));
        // A dialog may hide all that has any.
        let has_colours = picture.content().iter().any(is_coloured);
        assert!(has_colours || model.dialog.is_some());
    }
}

/// Returns a model whose selected environment is in the middle of a canary, and open.
fn open() -> Model {
    let mut environments = several();
    environments.swap(0, 2);
    let mut model = knowing(environments);
    model.is_open = true;
    model
}

fn confirm(name: &str) -> Confirm {
    let model = open();
    let all = choices();
    let choice = all.choices.into_iter().find(|it| it.name == name).unwrap();
    Confirm {
        target: model.target().unwrap(),
        means: leadsman_api::words::means(model.status().unwrap(), &choice),
        choice,
        seen: all.version,
        text: String::new(),
        lacks_reason: false,
        is_given: false,
    }
}

fn absent() -> Failure {
    Failure::from(leadsman_api::Error::NotRunning {
        at: "/srv/shop/.leadsman/control.sock".to_owned(),
    })
}

#[test]
fn the_overview_has_every_environment() {
    let mut model = knowing(several());
    model.selected = 2;
    model.known = open().known;
    check(
        model,
        &expect_file!["golden/overview-80x24.txt"],
        &expect_file!["golden/overview-200x60.txt"],
    );
}

#[test]
fn an_environment_shows_both_sides_the_judge_and_the_past() {
    check(
        open(),
        &expect_file!["golden/environment-80x24.txt"],
        &expect_file!["golden/environment-200x60.txt"],
    );
}

#[test]
fn the_end_of_a_long_page_is_reached() {
    let mut model = open();
    drawn(&mut model, 80, 24, false);
    model.scroll = usize::MAX;
    let text = text_of(&drawn(&mut model, 80, 24, false));
    assert!(model.scroll < 100, "{}", model.scroll);
    expect_file!["golden/environment-end-80x24.txt"].assert_eq(&text);
}

#[test]
fn a_choice_says_what_follows_before_it_is_made() {
    let mut model = open();
    let mut asked = confirm("abort");
    asked.text = "the basket loses articles, see ticket 812".to_owned();
    model.dialog = Some(Dialog::Confirm(Box::new(asked)));
    check(
        model,
        &expect_file!["golden/confirm-80x24.txt"],
        &expect_file!["golden/confirm-200x60.txt"],
    );
}

#[test]
fn what_is_refused_says_its_code_and_what_to_do() {
    let mut model = open();
    let problem = leadsman_api::Problem {
        kind: leadsman_api::Problem::kind_of("R044"),
        status: 409,
        code: "R044".to_owned(),
        message: "something has happened since this was looked at: version 12, now it is 14"
            .to_owned(),
        hint: Some("look at how things stand now, and decide on that".to_owned()),
        request_id: "17".to_owned(),
    };
    model.dialog = Some(Dialog::Refused {
        label: "Abort".to_owned(),
        failure: problem.into(),
    });
    check(
        model,
        &expect_file!["golden/refused-80x24.txt"],
        &expect_file!["golden/refused-200x60.txt"],
    );
}

#[test]
fn the_keys_are_told() {
    let mut model = open();
    model.dialog = Some(Dialog::Help);
    check(
        model,
        &expect_file!["golden/help-80x24.txt"],
        &expect_file!["golden/help-200x60.txt"],
    );
}

#[test]
fn a_control_that_is_away_is_said_and_the_picture_is_marked_as_old() {
    let mut model = open();
    model.is_open = false;
    model.now = Moment(NOW.0 + 72_000);
    model.failure = Some(absent());
    model.notice = Some(Notice {
        is_done: false,
        text: "control is not reached: nothing can be decided on now".to_owned(),
    });
    check(
        model,
        &expect_file!["golden/lost-80x24.txt"],
        &expect_file!["golden/lost-200x60.txt"],
    );
}

#[test]
fn nothing_that_was_shipped_is_said_too() {
    let mut model = crate::watch::samples::model(Vec::new());
    let text = text_of(&drawn(&mut model, 80, 10, false));
    assert!(text.contains("nothing has been shipped yet"), "{text}");
    model.is_open = true;
    drawn(&mut model, 80, 10, false);
}

#[test]
fn what_is_selected_is_in_sight_however_small_the_terminal() {
    for rows in [6, 10, 12, 24] {
        for selected in 0..4 {
            let mut model = knowing(several());
            model.selected = selected;
            let text = text_of(&drawn(&mut model, 60, rows, false));
            assert!(text.contains('▸'), "{selected} of 4 in {rows} rows: {text}");
        }
    }
}

#[test]
fn what_is_written_is_in_sight_however_small_the_terminal() {
    for (columns, rows) in [(40, 10), (23, 7), (80, 24), (200, 60)] {
        let mut model = open();
        let mut asked = confirm("abort");
        asked.text = format!("{} the end", "a long story ".repeat(40));
        model.dialog = Some(Dialog::Confirm(Box::new(asked)));
        let text = text_of(&drawn(&mut model, columns, rows, false));
        assert!(text.contains("the end"), "{columns}x{rows}: {text}");
        assert!(text.contains("Enter does it"), "{columns}x{rows}: {text}");
        assert!(text.contains("Abort?"), "{columns}x{rows}: {text}");
    }
}

#[test]
fn a_picture_without_colours_still_sets_off_what_is_selected() {
    let picture = drawn(&mut knowing(several()), 80, 24, false);
    let is_inverse = |cell: &&ratatui::buffer::Cell| cell.modifier.contains(Modifier::REVERSED);
    let inverse: String = picture
        .content()
        .iter()
        .filter(is_inverse)
        .map(|cell| cell.symbol())
        .collect();
    assert_eq!(inverse, "blog/production");
}

#[test]
fn no_size_is_too_small_or_too_large() {
    let mut lost = open();
    lost.failure = Some(absent());
    lost.now = Moment(NOW.0 + 9_000_000);
    let mut overview = knowing(several());
    overview.selected = 3;
    let with = |dialog: Dialog| {
        let mut model = open();
        model.dialog = Some(dialog);
        model
    };
    let mut hostile = open();
    for status in &mut hostile.overview.environments {
        status.application = "x\x1b[2J漢\u{301}\u{202e}".repeat(30);
        for service in &mut status.services {
            service.name = String::new();
        }
    }
    let mut models = [
        overview,
        open(),
        lost,
        hostile,
        with(Dialog::Help),
        with(Dialog::Confirm(Box::new(confirm("rollback")))),
        with(Dialog::Refused {
            label: "Pause".to_owned(),
            failure: absent(),
        }),
    ];
    // Every small size, and some of the large ones: the first to break are at the edges.
    let columns = (0..=26).chain([39, 40, 41, 60, 79, 80, 119, 120, 121, 200]);
    let rows = || (0..=14).chain([24, 60]);
    let sizes = columns.flat_map(|columns| rows().map(move |rows| (columns, rows)));
    for (index, (columns, rows)) in sizes.enumerate() {
        // The next size has the others.
        for model in models.iter_mut().skip(index % 2).step_by(2) {
            model.scroll = 7;
            let text = text_of(&drawn(model, columns, rows, true));
            assert!(!text.contains('\x1b') && !text.contains('\u{202e}'));
        }
    }
}
