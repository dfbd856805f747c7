//! Who somebody is here, and by which tokens programs act for them.

use askama::Template;
use leadsman_api::words::plain;
use leadsman_api::{CreatedToken, Moment, Person, Token, Tokens, Wanted};

use super::{ROLES, Section, above, far, page};
use crate::ask::Ask;
use crate::page::{Page, Part, Visitor};
use crate::path;
use crate::words::{Shown, Tone, said, shown};

/// For how many days a token can be made here.
const LIVES: [u64; 5] = [1, 7, 30, 90, 366];

/// How many are shown of those that have ended.
const ENDED: usize = 50;

/// For how long it is made where nobody chooses.
const USUAL: u64 = 90;

/// What there is to see of oneself.
#[derive(Clone, Copy, Debug)]
pub struct Mine<'a> {
    /// Who it is; none for the owner of the state folder, who is no person.
    pub person: Option<&'a Person>,
    /// The tokens that they may see.
    pub tokens: &'a Tokens,
    /// Everybody whom they may make a token for; only themselves where there is nobody.
    pub others: &'a [Person],
    /// Whether they may make one.
    pub makes: bool,
    /// Whether they may see people.
    pub admin: bool,
}

#[derive(Template)]
#[template(path = "settings_you.html")]
struct You {
    name: String,
    grants: Vec<(String, String)>,
    teams: String,
}

#[derive(Template)]
#[template(path = "tokens.html")]
struct List {
    title: &'static str,
    rows: Vec<Row>,
    /// Those that open nothing any more: every session leaves one.
    ended: Vec<Row>,
    more: usize,
    of_others: bool,
}

struct Row {
    number: u64,
    person: String,
    name: String,
    may: String,
    made: Shown,
    ends: Shown,
    tone: Tone,
    state: &'static str,
    revoke: Option<String>,
}

#[derive(Template)]
#[template(path = "token_new.html")]
struct New<'a> {
    visitor: &'a Visitor,
    makes: bool,
    myself: Option<&'a str>,
    others: Vec<&'a str>,
    roles: [&'static str; 5],
    lives: [(u64, bool); 5],
}

#[derive(Template)]
#[template(path = "token_made.html")]
struct Made<'a> {
    made: &'a CreatedToken,
    ends: Shown,
}

/// Returns the page of one's tokens.
pub fn tokens(visitor: &Visitor, mine: &Mine<'_>, now: Moment) -> String {
    let you = You {
        name: plain(&visitor.name),
        grants: grants(mine.person),
        teams: mine.person.map_or(&[][..], |it| &it.teams).join(", "),
    };
    let myself = mine.person.map(|person| &*person.name);
    let new = New {
        visitor,
        makes: mine.makes,
        myself,
        others: mine
            .others
            .iter()
            .map(|it| &*it.name)
            .filter(|name| Some(*name) != myself)
            .collect(),
        roles: ROLES,
        lives: LIVES.map(|days| (days, days == USUAL)),
    };
    let of = |own: bool| {
        let tokens = mine.tokens.tokens.iter().rev();
        let tokens = tokens.filter(move |it| (Some(&*it.person) == myself) == own);
        tokens.map(|token| row(token, now)).collect::<Vec<_>>()
    };
    let own = list("Your tokens", of(true), false);
    let mut parts = vec![Part::of("you", &you)];
    if mine.person.is_some() {
        parts.push(Part::of("tokens", &own));
    }
    parts.push(Part::of("new-token", &new));
    if mine.admin {
        let others = list("Tokens of others", of(false), true);
        parts.push(Part::of("tokens-of-others", &others));
    }
    page(visitor, mine.admin, Section::Tokens, "Settings", parts)
}

/// Returns the answer to who has made a token: the only page that ever shows it.
pub fn token_made(visitor: &Visitor, made: &CreatedToken, now: Moment) -> String {
    let ends = shown(made.expires_at, now);
    Page {
        title: "A new token",
        visitor: Some(visitor),
        live: None,
        above: &above(),
        parts: &[Part::of("token-made", &Made { made, ends })],
    }
    .whole()
}

/// Returns the page that asks whether a token is to be revoked.
pub fn revoke_token(visitor: &Visitor, token: &Token) -> String {
    let (number, name, person) = (token.number, &token.name, &token.person);
    let ask = Ask {
        label: format!("Revoke token {number}"),
        sentence: said(&format!(
            "Token {number}, `{name}` of {person}, opens nothing any more from then on, and cannot \
             be brought back."
        )),
        points: Vec::new(),
        action: path::fill(path::TOKEN_REVOKE, &[&number.to_string()]),
        above: &above(),
        hidden: Vec::new(),
        reason: Wanted::Maybe,
        reason_label: None,
        grave: true,
    };
    ask.page(visitor)
}

/// Returns a list of tokens, the newest first, with those that have ended behind the others.
fn list(title: &'static str, rows: Vec<Row>, of_others: bool) -> List {
    let (rows, mut ended): (Vec<Row>, Vec<Row>) =
        rows.into_iter().partition(|row| row.revoke.is_some());
    let more = ended.len().saturating_sub(ENDED);
    ended.truncate(ENDED);
    List {
        title,
        rows,
        ended,
        more,
        of_others,
    }
}

fn grants(person: Option<&Person>) -> Vec<(String, String)> {
    let grants = person.into_iter().flat_map(|person| &person.grants);
    grants
        .map(|grant| (grant.role.clone(), far(grant.reach.as_deref())))
        .collect()
}

fn row(token: &Token, now: Moment) -> Row {
    let (tone, state) = match token.revoked_at {
        Some(_) => (Tone::Bad, "revoked"),
        None if token.expires_at <= now => (Tone::Plain, "has ended"),
        None if token.sign_in => (Tone::Good, "signed in"),
        None => (Tone::Good, "open"),
    };
    let roles = match token.roles.as_slice() {
        [] => "all that they may".to_owned(),
        roles => format!("as {}", roles.join(", ")),
    };
    let may = match token.reach.as_deref() {
        None => roles,
        Some(reach) => format!("{roles}, in {reach}"),
    };
    Row {
        number: token.number,
        person: token.person.clone(),
        name: plain(&token.name),
        may,
        made: shown(token.created_at, now),
        ends: shown(token.revoked_at.unwrap_or(token.expires_at), now),
        tone,
        state,
        revoke: matches!(tone, Tone::Good)
            .then(|| path::fill(path::TOKEN_REVOKE, &[&token.number.to_string()])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: u64, revoked: bool, expires: u64) -> Token {
        Token {
            number,
            person: "mia".to_owned(),
            name: "<laptop>".to_owned(),
            roles: vec!["viewer".to_owned()],
            reach: Some("shop".to_owned()),
            created_at: Moment(1_000),
            expires_at: Moment(expires),
            revoked_at: revoked.then_some(Moment(1_500)),
            sign_in: number == 3,
        }
    }

    #[test]
    fn what_opens_nothing_any_more_stands_behind_what_does_and_cannot_be_revoked() {
        let now = Moment(2_000);
        let rows: Vec<Row> = [
            token(1, false, 9_000),
            token(2, true, 9_000),
            token(3, false, 9_000),
            token(4, false, 1_900),
        ]
        .iter()
        .map(|it| row(it, now))
        .collect();
        let states: Vec<_> = rows.iter().map(|it| (it.number, it.state)).collect();
        assert_eq!(
            states,
            [
                (1, "open"),
                (2, "revoked"),
                (3, "signed in"),
                (4, "has ended")
            ]
        );
        assert_eq!(rows[0].may, "as viewer, in shop");
        let listed = list("Your tokens", rows, false);
        let numbers = |rows: &[Row]| rows.iter().map(|it| it.number).collect::<Vec<_>>();
        assert_eq!(numbers(&listed.rows), [1, 3]);
        assert_eq!(numbers(&listed.ended), [2, 4]);
        let html = Part::of("tokens", &listed).html;
        assert_eq!(html.matches("/revoke\"").count(), 2, "{html}");
        assert!(html.contains("&#60;laptop&#62;"), "{html}");
        let many = (0..60).map(|number| row(&token(number, true, 9_000), now));
        let listed = list("Your tokens", many.collect(), false);
        assert_eq!((listed.ended.len(), listed.more), (50, 10));
    }
}
