//! Licence expressions, as far as packages use them: `AND`, `OR`, `WITH`, parentheses, and `/`
//! between alternatives as it was once written.

/// Says whether the expression is met by licences that `allowed` accepts. A licence with an
/// exception is asked for as a whole, such as `Apache-2.0 WITH LLVM-exception`. What cannot be
/// read is not met.
pub(crate) fn is_met(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any(&mut rest, allowed) == Some(true) && rest.is_empty()
}

/// Reads alternatives; `None` where the expression is malformed.
fn any(rest: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut met = all(rest, allowed)?;
    while let ["OR", after @ ..] = *rest {
        *rest = after;
        // Evaluated first: the words have to be read in any case.
        met = all(rest, allowed)? || met;
    }
    Some(met)
}

/// Reads what must hold together. It binds closer than `OR`.
fn all(rest: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut met = one(rest, allowed)?;
    while let ["AND", after @ ..] = *rest {
        *rest = after;
        met = one(rest, allowed)? && met;
    }
    Some(met)
}

fn one(rest: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    match *rest {
        ["(", after @ ..] => {
            *rest = after;
            let met = any(rest, allowed)?;
            let [")", after @ ..] = *rest else {
                return None;
            };
            *rest = after;
            Some(met)
        }
        [")" | "AND" | "OR" | "WITH", ..] | [] => None,
        [licence, "WITH", exception, after @ ..] => {
            *rest = after;
            Some(allowed(&format!("{licence} WITH {exception}")))
        }
        [licence, after @ ..] => {
            *rest = after;
            Some(allowed(licence))
        }
    }
}

#[test]
fn expressions_are_read_as_they_bind() {
    let allowed = |licence: &str| matches!(licence, "MIT" | "Apache-2.0" | "Unicode-3.0");
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("MIT OR GPL-3.0-only", true),
        ("GPL-3.0-only OR MIT", true),
        ("MIT AND GPL-3.0-only", false),
        ("MIT/Apache-2.0", true),
        ("(MIT OR GPL-3.0-only) AND Unicode-3.0", true),
        ("MIT OR GPL-3.0-only AND LGPL-3.0-only", true),
        ("Apache-2.0 WITH LLVM-exception", false),
        ("Apache-2.0 WITH LLVM-exception OR MIT", true),
        ("", false),
        ("MIT OR", false),
        ("(MIT", false),
        ("MIT)", false),
        ("MIT Apache-2.0", false),
    ] {
        assert_eq!(is_met(expression, &allowed), met, "{expression:?}");
    }
}
