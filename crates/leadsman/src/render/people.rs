//! Who may do what, the tokens, and the audit.

use leadsman_api::{Audit, Grant, People, Person, Token, Tokens, Webhooks};

use super::paint;
use super::table::Table;
use super::words::{Clock, clean, wrapped};

/// Returns everybody with what they may do.
pub(crate) fn list(people: &People) -> String {
    if people.people.is_empty() {
        return "nobody is known: only who owns the state folder may do anything\n".to_owned();
    }
    let mut table = Table::default();
    for person in &people.people {
        let grants: Vec<String> = person.grants.iter().map(grant).collect();
        let grants = if grants.is_empty() {
            "may do nothing".to_owned()
        } else {
            grants.join(", ")
        };
        table.row([
            paint::strong(&clean(&person.name)),
            grants,
            teams(person),
            clean(&person.identities.join(" ")),
        ]);
    }
    lines(&table)
}

fn teams(person: &Person) -> String {
    let teams: Vec<String> = person.teams.iter().map(|team| clean(team)).collect();
    match teams.len() {
        0 => String::new(),
        1 => format!("team {}", teams.join("")),
        _ => format!("teams {}", teams.join(", ")),
    }
}

/// Returns the tokens, each with what it opens and until when.
pub(crate) fn tokens(tokens: &Tokens, clock: &Clock) -> String {
    if tokens.tokens.is_empty() {
        return "there are no tokens\n".to_owned();
    }
    let mut table = Table::default();
    for token in &tokens.tokens {
        table.row([
            token.number.to_string(),
            paint::strong(&clean(&token.name)),
            clean(&token.person),
            narrowing(token),
            life(token, clock),
        ]);
    }
    lines(&table)
}

/// Returns the webhooks, each with what it begins and where it is sent to.
pub(crate) fn webhooks(webhooks: &Webhooks) -> String {
    if webhooks.webhooks.is_empty() {
        return "there are no webhooks\n".to_owned();
    }
    let mut table = Table::default();
    for webhook in &webhooks.webhooks {
        let from = webhook.url.as_ref().or(webhook.repository.as_ref());
        table.row([
            paint::strong(&clean(&webhook.name)),
            clean(&webhook.application),
            format!("{} of {}", clean(&webhook.called), clean(&webhook.sender)),
            from.map_or_else(String::new, |from| clean(from)),
            clean(&webhook.address),
        ]);
    }
    lines(&table)
}

/// Returns a page of the audit, the newest first.
pub(crate) fn audit(audit: &Audit, clock: &Clock) -> String {
    if audit.entries.is_empty() && audit.next.is_none() {
        return "nothing in the audit is like that\n".to_owned();
    }
    let mut text = String::new();
    for entry in &audit.entries {
        let first = format!("{:>6}  {}  ", entry.position, clock.long(entry.at));
        let mut said = format!("{}: ", clean(&entry.actor));
        if !entry.stream.starts_with("0.") {
            said.push_str(&format!("{}: ", clean(&entry.stream)));
        }
        said.push_str(&clean(&entry.sentence));
        let token = entry.token.as_ref().map(|token| format!("token {token}"));
        let from = entry.from.as_ref().map(|from| format!("from {from}"));
        let aside: Vec<String> = from.into_iter().chain(token).collect();
        if !aside.is_empty() {
            said.push_str(&format!(" ({})", clean(&aside.join(", "))));
        }
        if let Some(why) = &entry.why {
            said.push_str(&format!(", because: {}", clean(why)));
        }
        text.push_str(&wrapped(&first, &said));
    }
    if let Some(next) = audit.next {
        text.push_str(&format!("there is more: --before {next}\n"));
    }
    text
}

fn grant(grant: &Grant) -> String {
    match &grant.reach {
        None => clean(&grant.role),
        Some(reach) => format!("{} for {}", clean(&grant.role), clean(reach)),
    }
}

fn narrowing(token: &Token) -> String {
    let role = if token.roles.is_empty() {
        "whatever they may".to_owned()
    } else {
        token.roles.join(" or ")
    };
    grant(&Grant {
        role,
        reach: token.reach.clone(),
    })
}

fn life(token: &Token, clock: &Clock) -> String {
    if let Some(at) = token.revoked_at {
        format!("revoked {}", clock.long(at))
    } else if token.expires_at <= clock.now {
        format!("expired {}", clock.long(token.expires_at))
    } else {
        format!("until {}", clock.long(token.expires_at))
    }
}

fn lines(table: &Table) -> String {
    let mut text = table.to_lines(0).join("\n");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use jiff::tz::TimeZone;
    use leadsman_api::{AuditEntry, Moment};

    use super::*;

    fn clock() -> Clock {
        Clock {
            now: Moment(1_790_000_000_000),
            zone: TimeZone::UTC,
        }
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn people_are_listed_with_what_they_may_do() {
        let person = |name: &str, grants: &[(&str, Option<&str>)], identities: &[&str]| Person {
            name: name.to_owned(),
            identities: identities.iter().map(|it| (*it).to_owned()).collect(),
            grants: grants
                .iter()
                .map(|(role, reach)| Grant {
                    role: (*role).to_owned(),
                    reach: reach.map(str::to_owned),
                })
                .collect(),
            teams: grants
                .iter()
                .filter(|(role, _)| *role != "admin")
                .map(|(role, _)| format!("{role}s"))
                .collect(),
            added_at: Moment(0),
        };
        let people = People {
            people: vec![
                person(
                    "ann",
                    &[("admin", None)],
                    &["user:ann", "email:ann@example.org"],
                ),
                person(
                    "ben",
                    &[("viewer", None), ("operator", Some("shop/staging"))],
                    &[],
                ),
                person("mallory\u{1b}[2J", &[], &[]),
            ],
        };
        expect![[r#"
            ann      admin                                                        user:ann email:ann@example.org
            ben      viewer, operator for shop/staging  teams viewers, operators
            mallory  may do nothing
        "#]]
        .assert_eq(&plain(&list(&people)));
    }

    #[test]
    fn tokens_are_listed_with_what_they_open_and_until_when() {
        let token =
            |number, expires, revoked: Option<u64>, roles: &[&str], reach: Option<&str>| Token {
                number,
                person: "ann".to_owned(),
                name: "ci".to_owned(),
                roles: roles.iter().map(|it| (*it).to_owned()).collect(),
                reach: reach.map(str::to_owned),
                created_at: Moment(0),
                expires_at: Moment(expires),
                revoked_at: revoked.map(Moment),
                sign_in: false,
            };
        let listed = Tokens {
            tokens: vec![
                token(1, 1_790_000_000_001, None, &[], None),
                token(
                    2,
                    1_790_000_000_000,
                    None,
                    &["viewer", "developer"],
                    Some("shop"),
                ),
                token(3, 1_790_000_000_001, Some(1_780_000_000_000), &[], None),
            ],
        };
        expect![[r"
            1  ci  ann  whatever they may             until 2026-09-21 14:13:20
            2  ci  ann  viewer or developer for shop  expired 2026-09-21 14:13:20
            3  ci  ann  whatever they may             revoked 2026-05-28 20:26:40
        "]]
        .assert_eq(&plain(&tokens(&listed, &clock())));
    }

    #[test]
    fn the_audit_says_who_what_when_from_where_and_why() {
        let entry = |stream: &str, actor: &str, sentence: &str| AuditEntry {
            position: 7,
            at: Moment(1_790_000_000_000),
            actor: actor.to_owned(),
            stream: stream.to_owned(),
            kind: "denied".to_owned(),
            sentence: sentence.to_owned(),
            from: Some("10.0.0.7".to_owned()),
            token: Some("3 ci".to_owned()),
            why: Some("the errors of last night".to_owned()),
        };
        let mut second = entry("shop/production", "leadsman", "promoted");
        (second.from, second.token, second.why) = (None, None, None);
        let page = Audit {
            entries: vec![
                entry("0.audit", "ann", "denied ship: you may not (L102)"),
                second,
            ],
            next: Some(7),
        };
        expect![[r#"
                 7  2026-09-21 14:13:20  ann: denied ship: you may not (L102) (from
                                         10.0.0.7, token 3 ci), because: the errors of last
                                         night
                 7  2026-09-21 14:13:20  leadsman: shop/production: promoted
            there is more: --before 7
        "#]]
        .assert_eq(&plain(&audit(&page, &clock())));
    }
}
