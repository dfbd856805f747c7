//! What has to be looked at, and what is done of it.

use leadsman_api::{Checklist, ChecklistItem, EnvironmentStatus, ItemState, Overview};

use super::paint;
use super::words::{Clock, clean, wrapped};

/// Returns every list that is open, by environment.
pub(crate) fn text(overview: &Overview, clock: &Clock) -> String {
    let mut text = String::new();
    for status in &overview.environments {
        if !status.checklists.is_empty() {
            let name = format!("{}/{}", status.application, status.environment);
            text.push_str(&format!("{}\n", paint::strong(&name)));
        }
        for list in &status.checklists {
            text.push_str(&one(list, clock));
        }
    }
    if text.is_empty() {
        text.push_str("nothing has to be looked at just now\n");
    }
    text
}

/// Returns what was missed: nothing waits for it, and somebody should know.
pub(super) fn missed(status: &EnvironmentStatus, clock: &Clock) -> String {
    let mut text = String::new();
    for list in &status.checklists {
        let missed = list.items.iter();
        for item in missed.filter(|item| item.state == ItemState::Missed) {
            let said = item
                .said
                .as_deref()
                .map(|said| format!(": {}", clean(said)));
            let until = item
                .until
                .map(|until| format!(" until {}", clock.short(until)));
            let line = format!(
                "checklist `{}` of release {}: `{}` was not done{}{}",
                list.when,
                list.release,
                clean(&item.name),
                until.unwrap_or_default(),
                said.unwrap_or_default()
            );
            text.push_str(&wrapped("  ! ", &line));
        }
    }
    text
}

fn one(list: &Checklist, clock: &Clock) -> String {
    let done = list
        .items
        .iter()
        .filter(|item| item.state == ItemState::Done);
    let mut text = format!(
        "  {} of release {}, since {}: {} of {} done\n",
        list.when,
        list.release,
        clock.short(list.since),
        done.count(),
        list.items.len()
    );
    for one in &list.items {
        text.push_str(&item(one, clock));
    }
    text
}

fn item(item: &ChecklistItem, clock: &Clock) -> String {
    let (word, mark) = match item.state {
        ItemState::Open => (paint::care("open"), "-"),
        ItemState::Done => (paint::good("done"), "+"),
        ItemState::Failed => (paint::bad("failed"), "!"),
        ItemState::Expired => (paint::care("expired"), "!"),
        ItemState::Missed => (paint::bad("missed"), "!"),
    };
    let mut line = format!("{}, {word}: {}", clean(&item.name), clean(&item.asks));
    if let Some(role) = &item.role
        && item.state != ItemState::Done
    {
        line.push_str(&format!(
            " (to be confirmed by somebody who is {})",
            clean(role)
        ));
    }
    let mut text = wrapped(&format!("    {mark} "), &line);
    if let Some(said) = &item.said {
        let by = match &item.actor {
            Some(actor) if item.role.is_some() => format!("{}: ", clean(actor)),
            Some(_) | None => String::new(),
        };
        let at = item.at.map(|at| format!(" ({})", clock.short(at)));
        let line = format!("{by}{}{}", clean(said), at.unwrap_or_default());
        text.push_str(&wrapped("        ", &line));
    }
    if let Some(until) = item.until {
        let what = match item.state {
            ItemState::Done => Some("counts until"),
            ItemState::Open | ItemState::Failed | ItemState::Expired if item.rollback => {
                Some("the release goes back if it is not done by")
            }
            ItemState::Open | ItemState::Failed | ItemState::Expired => Some("to be done by"),
            ItemState::Missed => None,
        };
        if let Some(what) = what {
            text.push_str(&wrapped(
                "        ",
                &format!("{what} {}", clock.short(until)),
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use leadsman_api::Moment;

    use super::super::samples::{NOW, ago, clock, overview, plain, serving};
    use super::*;

    fn asked(name: &str, asks: &str, state: ItemState) -> ChecklistItem {
        ChecklistItem {
            name: name.to_owned(),
            asks: asks.to_owned(),
            role: None,
            state,
            said: None,
            actor: None,
            at: None,
            until: None,
            rollback: false,
        }
    }

    #[test]
    fn what_is_open_is_listed_with_what_was_found_and_who_said_so() {
        let mut status = serving();
        status.checklists = vec![
            Checklist {
                when: "before".to_owned(),
                release: 8,
                digest: None,
                since: ago(700),
                items: vec![
                    ChecklistItem {
                        role: Some("operator".to_owned()),
                        said: Some("told by mail".to_owned()),
                        actor: Some("mia".to_owned()),
                        at: Some(ago(60)),
                        until: Some(Moment(NOW.0 + 3_600_000)),
                        ..asked("announced", "Customers were told", ItemState::Done)
                    },
                    ChecklistItem {
                        said: Some("3.2 GiB of 10GiB free in `/var/lib`".to_owned()),
                        actor: Some("leadsman".to_owned()),
                        at: Some(ago(5)),
                        ..asked("disk", "10GiB free in `/var/lib`", ItemState::Failed)
                    },
                ],
            },
            Checklist {
                when: "after".to_owned(),
                release: 7,
                digest: None,
                since: ago(7_200),
                items: vec![
                    ChecklistItem {
                        role: Some("approver".to_owned()),
                        until: Some(Moment(NOW.0 + 60_000)),
                        rollback: true,
                        ..asked("till", "The till was tried", ItemState::Open)
                    },
                    ChecklistItem {
                        said: Some("`./smoke` exited with status 3".to_owned()),
                        until: Some(ago(3_600)),
                        ..asked("smoke", "the command `./smoke`", ItemState::Missed)
                    },
                ],
            },
        ];
        // The first line shows how far the others are indented.
        expect![[r#"
            shop/production
              ! checklist `after` of release 7: `smoke` was not done until 13:13: `./smoke`
                exited with status 3
        "#]]
        .assert_eq(&format!(
            "shop/production\n{}",
            plain(&missed(&status, &clock()))
        ));
        expect![[r#"
            shop/production
              before of release 8, since 14:01: 1 of 2 done
                + announced, done: Customers were told
                    mia: told by mail (14:12)
                    counts until 15:13
                ! disk, failed: 10GiB free in `/var/lib`
                    3.2 GiB of 10GiB free in `/var/lib` (14:13)
              after of release 7, since 12:13: 0 of 2 done
                - till, open: The till was tried (to be confirmed by somebody who is
                  approver)
                    the release goes back if it is not done by 14:14
                ! smoke, missed: the command `./smoke`
                    `./smoke` exited with status 3
        "#]]
        .assert_eq(&plain(&text(&overview(status), &clock())));
        expect![[r#"
            nothing has to be looked at just now
        "#]]
        .assert_eq(&plain(&text(&overview(serving()), &clock())));
    }
}
