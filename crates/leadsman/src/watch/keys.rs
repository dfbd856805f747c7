//! Which key does what.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use leadsman_api::Choice;

/// What a key means while a page is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Press {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    /// Opens the environment that is selected.
    Open,
    /// Goes back to the overview.
    Back,
    Help,
    /// Draws everything anew.
    Redraw,
    /// Ends, because enough was seen.
    End,
    /// Ends, as a program is interrupted.
    Interrupt,
    /// Makes the choice that has this key.
    Choose(char),
}

/// What a key means while something is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    Type(char),
    Erase,
    EraseAll,
    /// Does what was asked about.
    Do,
    /// Leaves it.
    Leave,
    /// Ends the program.
    Interrupt,
}

/// What the keys do that no choice has, as people read it.
pub(super) const KEYS: [(&str, &str); 9] = [
    (
        "↑ ↓ or k j",
        "select an environment; scroll where one is open",
    ),
    ("PgUp PgDn", "the same by a page"),
    ("g G", "to the first, to the last"),
    ("Enter or →", "open the environment"),
    ("Esc or ←", "back to the overview"),
    (
        "letters",
        "decide: you are told what follows before it is done",
    ),
    ("Ctrl-L", "draw everything anew"),
    ("?", "these keys"),
    ("q or Ctrl-C", "end; nothing that runs is touched"),
];

/// The usual keys of choices, by the first part of their names.
const USUAL: [(&str, char); 9] = [
    ("promote-all", 'F'),
    ("promote", 'P'),
    ("pause", 'p'),
    ("resume", 'r'),
    ("abort", 'a'),
    ("rollback", 'b'),
    ("retry", 'R'),
    ("approve", 'A'),
    ("reject", 'x'),
];

/// Returns what a key means while a page is shown.
pub(super) fn press(key: KeyEvent) -> Option<Press> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Press::Interrupt),
            KeyCode::Char('l') => Some(Press::Redraw),
            _ => None,
        };
    }
    if key.modifiers.contains(KeyModifiers::ALT) {
        return None;
    }
    Some(match key.code {
        KeyCode::Up | KeyCode::Char('k') => Press::Up,
        KeyCode::Down | KeyCode::Char('j') => Press::Down,
        KeyCode::PageUp => Press::PageUp,
        KeyCode::PageDown | KeyCode::Char(' ') => Press::PageDown,
        KeyCode::Home | KeyCode::Char('g') => Press::First,
        KeyCode::End | KeyCode::Char('G') => Press::Last,
        KeyCode::Enter | KeyCode::Right | KeyCode::Char('l') => Press::Open,
        KeyCode::Esc | KeyCode::Left | KeyCode::Backspace | KeyCode::Char('h') => Press::Back,
        KeyCode::Char('?') => Press::Help,
        KeyCode::Char('q') => Press::End,
        KeyCode::Char(letter) => Press::Choose(letter),
        _ => return None,
    })
}

/// Returns what a key means while something is asked.
pub(super) fn edit(key: KeyEvent) -> Option<Edit> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Edit::Interrupt),
            KeyCode::Char('u') => Some(Edit::EraseAll),
            KeyCode::Char('h') => Some(Edit::Erase),
            _ => None,
        };
    }
    match key.code {
        KeyCode::Enter => Some(Edit::Do),
        KeyCode::Esc => Some(Edit::Leave),
        KeyCode::Backspace => Some(Edit::Erase),
        KeyCode::Char(letter) if !letter.is_control() => Some(Edit::Type(letter)),
        _ => None,
    }
}

/// Returns the key of each choice, in their order; `None` where there are more than keys.
///
/// A choice of a usual kind has the usual key, the first of its kind if there are several; what
/// is left gets digits.
pub(super) fn of_choices(choices: &[Choice]) -> Vec<Option<char>> {
    let mut taken: Vec<char> = Vec::new();
    let mut keys: Vec<Option<char>> = choices
        .iter()
        .map(|choice| {
            let key = usual(&choice.name).filter(|key| !taken.contains(key))?;
            taken.push(key);
            Some(key)
        })
        .collect();
    let mut digits = '1'..='9';
    for key in keys.iter_mut().filter(|key| key.is_none()) {
        *key = digits.next();
    }
    keys
}

fn usual(name: &str) -> Option<char> {
    let is_it = |kind: &str| {
        let rest = name.strip_prefix(kind);
        // `approve-7` is one of the kind `approve`.
        let is_number = |rest: &str| {
            let number = rest.strip_prefix('-');
            number.is_some_and(|number| number.parse::<u64>().is_ok())
        };
        rest.is_some_and(|rest| rest.is_empty() || is_number(rest))
    };
    USUAL
        .iter()
        .find(|(kind, _)| is_it(kind))
        .map(|(_, key)| *key)
}

#[cfg(test)]
mod tests {
    use leadsman_api::{Command, Wanted};

    use super::*;

    fn key(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    fn control(letter: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)
    }

    #[test]
    fn keys_of_a_page_mean_what_the_help_says() {
        for (pressed, expected) in [
            (key(KeyCode::Up), Some(Press::Up)),
            (key(KeyCode::Char('k')), Some(Press::Up)),
            (key(KeyCode::Down), Some(Press::Down)),
            (key(KeyCode::Char('j')), Some(Press::Down)),
            (key(KeyCode::PageUp), Some(Press::PageUp)),
            (key(KeyCode::PageDown), Some(Press::PageDown)),
            (key(KeyCode::Char(' ')), Some(Press::PageDown)),
            (key(KeyCode::Char('g')), Some(Press::First)),
            (key(KeyCode::Char('G')), Some(Press::Last)),
            (key(KeyCode::Enter), Some(Press::Open)),
            (key(KeyCode::Right), Some(Press::Open)),
            (key(KeyCode::Esc), Some(Press::Back)),
            (key(KeyCode::Left), Some(Press::Back)),
            (key(KeyCode::Char('?')), Some(Press::Help)),
            (key(KeyCode::Char('q')), Some(Press::End)),
            (control('c'), Some(Press::Interrupt)),
            (control('l'), Some(Press::Redraw)),
            (control('z'), None),
            (key(KeyCode::Char('p')), Some(Press::Choose('p'))),
            (key(KeyCode::Char('1')), Some(Press::Choose('1'))),
            (key(KeyCode::F(1)), None),
            (KeyEvent::new(KeyCode::Char('a'), KeyModifiers::ALT), None),
            (
                KeyEvent::new(KeyCode::Char('P'), KeyModifiers::SHIFT),
                Some(Press::Choose('P')),
            ),
        ] {
            assert_eq!(press(pressed), expected, "{pressed:?}");
        }
    }

    #[test]
    fn while_something_is_asked_letters_are_text() {
        for (pressed, expected) in [
            (key(KeyCode::Char('q')), Some(Edit::Type('q'))),
            (key(KeyCode::Char('?')), Some(Edit::Type('?'))),
            (key(KeyCode::Char('\u{7}')), None),
            (key(KeyCode::Backspace), Some(Edit::Erase)),
            (control('u'), Some(Edit::EraseAll)),
            (key(KeyCode::Enter), Some(Edit::Do)),
            (key(KeyCode::Esc), Some(Edit::Leave)),
            (control('c'), Some(Edit::Interrupt)),
            (key(KeyCode::Up), None),
        ] {
            assert_eq!(edit(pressed), expected, "{pressed:?}");
        }
    }

    #[test]
    fn every_choice_has_a_key_of_its_own_and_none_that_moves() {
        let choice = |name: &str| Choice {
            name: name.to_owned(),
            command: Command::Pause {},
            reason: Wanted::No,
            follows: None,
            refused: None,
        };
        for (names, expected) in [
            (
                &["promote", "promote-all", "pause", "resume", "abort"][..],
                "PFpra",
            ),
            (&["rollback", "retry"], "bR"),
            (&["approve-7", "reject-7", "approve-8", "reject-8"], "Ax12"),
            (&["hold", "promote", "confirm-disk"], "1P2"),
            (&["approve-all", "pauses", "abort-"], "123"),
        ] {
            let choices: Vec<Choice> = names.iter().map(|name| choice(name)).collect();
            let keys: String = of_choices(&choices).into_iter().flatten().collect();
            assert_eq!(keys, expected, "{names:?}");
        }
        let many: Vec<Choice> = (0..20).map(|n| choice(&format!("act{n}"))).collect();
        let keys = of_choices(&many);
        assert_eq!(keys.iter().flatten().count(), 9);
        // A key that moves can never be that of a choice.
        for (_, letter) in USUAL {
            assert_eq!(
                press(key(KeyCode::Char(letter))),
                Some(Press::Choose(letter))
            );
        }
    }
}
