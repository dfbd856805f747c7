//! What waits to enter, and for what.

use leadsman_api::{EnvironmentStatus, Freeze, Overview, Request};

use super::paint;
use super::words::{Clock, clean, wrapped};

/// How many characters of a commit or a digest tell it from others, for people.
const SHORT: usize = 12;

/// Returns every release that waits, by environment, and the freezes.
pub(crate) fn text(overview: &Overview, clock: &Clock) -> String {
    let mut text = String::new();
    for status in &overview.environments {
        text.push_str(&environment(status, clock));
    }
    if text.is_empty() {
        text.push_str("nothing waits to enter, and nothing is frozen\n");
    }
    text
}

fn environment(status: &EnvironmentStatus, clock: &Clock) -> String {
    let EnvironmentStatus {
        requests,
        freezes,
        maintenance,
        ..
    } = status;
    if requests.is_empty() && freezes.is_empty() && maintenance.is_none() {
        return String::new();
    }
    let name = format!("{}/{}", status.application, status.environment);
    let mut text = format!("{}\n", paint::strong(&name));
    text.push_str(&self::freezes(status, clock));
    for one in &status.requests {
        text.push_str(&request(one, clock));
    }
    text
}

/// Returns the times in which nothing enters: those that are on and those that are planned.
pub(super) fn freezes(status: &EnvironmentStatus, clock: &Clock) -> String {
    let is_over = |freeze: &&Freeze| freeze.until.is_some_and(|until| until <= clock.now);
    let ahead = status.freezes.iter().filter(|freeze| !is_over(freeze));
    let declared = ahead.map(|one| wrapped("  ! ", &freeze(one, clock)));
    let weekly = status.maintenance.iter();
    let weekly = weekly.map(|works| wrapped("  ! ", &format!("nothing enters: {}", clean(works))));
    declared.chain(weekly).collect()
}

/// Says when a freeze or a maintenance window is, and why.
pub(crate) fn freeze(freeze: &Freeze, clock: &Clock) -> String {
    let Freeze {
        number,
        from,
        until,
        maintenance,
        why,
        actor,
        except,
    } = freeze;
    let begins = if *from > clock.now { "from" } else { "since" };
    let kind = if *maintenance {
        "maintenance window"
    } else {
        "freeze"
    };
    let mut text = format!("{kind} {number} {begins} {}", clock.short(*from));
    if let Some(until) = until {
        text.push_str(&format!(" until {}", clock.short(*until)));
    }
    text.push_str(&format!(": {} ({})", clean(why), clean(actor)));
    for release in except {
        text.push_str(&format!("; release {release} may enter"));
    }
    text
}

fn request(request: &Request, clock: &Clock) -> String {
    let mut first = format!(
        "release {} waits for {}, until {}; asked for by {}",
        request.release,
        clock.since(request.since),
        clock.short(request.until),
        clean(&request.actor)
    );
    if let Some(why) = &request.expedited {
        first.push_str(&format!(", on the expedited way: {}", clean(why)));
    }
    let mut text = wrapped("  - ", &first);
    let mut more = |line: &str| text.push_str(&wrapped("      ", line));
    let mut source = Vec::new();
    source.extend(request.built_from.as_deref().map(clean));
    source.extend(
        request
            .commit
            .as_deref()
            .map(|commit| format!("commit {}", short(commit))),
    );
    if !request.authors.is_empty() {
        source.push(format!("by {}", clean(&request.authors.join(", "))));
    }
    if !source.is_empty() {
        more(&format!("built from {}", source.join(", ")));
    }
    let digest = request
        .digest
        .strip_prefix("sha256:")
        .unwrap_or(&request.digest);
    more(&format!("digest sha256:{}…", short(digest)));
    for approval in &request.approvals {
        let note = approval
            .note
            .as_deref()
            .map(|note| format!(": {}", clean(note)));
        more(&format!(
            "approved by {} at {}{}",
            clean(&approval.actor),
            clock.short(approval.at),
            note.unwrap_or_default()
        ));
    }
    for missing in &request.missing {
        more(&format!("lacks: {}", clean(missing)));
    }
    text
}

fn short(text: &str) -> String {
    clean(text.get(..SHORT).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use leadsman_api::{Approval, Moment};

    use super::super::samples::{NOW, ago, clock, overview, plain, serving};
    use super::*;

    #[test]
    fn what_waits_is_listed_with_what_it_lacks() {
        let mut waiting = serving();
        waiting.freezes = vec![Freeze {
            number: 3,
            from: ago(3_600),
            until: Some(Moment(NOW.0 + 86_400_000)),
            maintenance: false,
            why: "the sale".to_owned(),
            actor: "eve".to_owned(),
            except: vec![9],
        }];
        waiting.requests = vec![Request {
            release: 8,
            digest: format!("sha256:{}", "ab".repeat(32)),
            commit: Some("5f1d7a84db00d2fce00b31a7fc73224f2d1c5c8a".to_owned()),
            built_from: Some("branch `release/4`".to_owned()),
            authors: vec!["ben".to_owned()],
            actor: "ann".to_owned(),
            expedited: None,
            since: ago(700),
            until: Moment(NOW.0 + 3_600_000),
            approvals: vec![Approval {
                actor: "cy".to_owned(),
                at: ago(60),
                note: Some("read and tried".to_owned()),
            }],
            gates: Vec::new(),
            missing: vec![
                "1 of 2 approvals (by cy)".to_owned(),
                "freeze 3 by eve: the sale".to_owned(),
            ],
        }];
        expect![[r#"
            shop/production
              ! freeze 3 since 13:13 until 2026-09-22 14:13: the sale (eve); release 9 may
                enter
              - release 8 waits for 11m40s, until 15:13; asked for by ann
                  built from branch `release/4`, commit 5f1d7a84db00, by ben
                  digest sha256:abababababab…
                  approved by cy at 14:12: read and tried
                  lacks: 1 of 2 approvals (by cy)
                  lacks: freeze 3 by eve: the sale
        "#]]
        .assert_eq(&plain(&text(&overview(waiting), &clock())));
        expect![[r#"
            nothing waits to enter, and nothing is frozen
        "#]]
        .assert_eq(&plain(&text(&overview(serving()), &clock())));
    }
}
