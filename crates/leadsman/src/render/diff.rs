//! How two releases differ.

use leadsman_api::{Change, Diff};

use super::paint;
use super::words::clean;

/// Returns a difference as people read it.
pub(crate) fn text(diff: &Diff) -> String {
    let Diff { from, to, changes } = diff;
    if changes.is_empty() {
        return format!("{} and {} are the same\n", clean(from), clean(to));
    }
    let head = paint::strong(&format!("{} -> {}", clean(from), clean(to)));
    format!("{head}\n{}", lines(changes))
}

/// Returns one line for each change.
pub(super) fn lines(changes: &[Change]) -> String {
    changes.iter().map(line).collect()
}

fn line(change: &Change) -> String {
    let path = clean(&change.path);
    let line = match (
        change.before.as_deref().map(value),
        change.after.as_deref().map(value),
    ) {
        (Some(before), Some(after)) => {
            format!("{} {path}: {before} -> {after}", paint::care("~"))
        }
        (None, Some(after)) => format!("{} {path}: {after}", paint::good("+")),
        (Some(before), None) => format!("{} {path}: {before}", paint::bad("-")),
        (None, None) => format!("{} {path}", paint::care("~")),
    };
    format!("  {line}\n")
}

/// Returns a value as it is shown: of a digest, what is enough to tell it from another one.
fn value(value: &str) -> String {
    match value.strip_prefix("sha256:") {
        Some(hex) if hex.len() == 64 => format!("sha256:{}…", clean(hex.get(..12).unwrap_or(hex))),
        _ => clean(value),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn change(path: &str, before: Option<&str>, after: Option<&str>) -> Change {
        Change {
            path: path.to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        }
    }

    #[test]
    fn changes_are_told_by_sign_and_not_by_colour_alone() {
        let digest = |hex: &str| format!("sha256:{}", hex.repeat(64));
        let mut diff = Diff {
            from: "release 3".to_owned(),
            to: "release 4".to_owned(),
            changes: vec![
                change("services.web.env.LOG", Some("info"), Some("debug")),
                change("services.web.instances", None, Some("4")),
                change("services.mail", Some("./mail"), None),
                change(
                    "services.web.artifact",
                    Some(&digest("a")),
                    Some(&digest("b")),
                ),
            ],
        };
        expect![[r#"
            release 3 -> release 4
              ~ services.web.env.LOG: info -> debug
              + services.web.instances: 4
              - services.mail: ./mail
              ~ services.web.artifact: sha256:aaaaaaaaaaaa… -> sha256:bbbbbbbbbbbb…
        "#]]
        .assert_eq(&anstream::adapter::strip_str(&text(&diff)).to_string());

        diff.changes.clear();
        assert_eq!(text(&diff), "release 3 and release 4 are the same\n");
    }
}
