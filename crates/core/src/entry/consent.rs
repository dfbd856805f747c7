//! Whose consent a release needs, and whether it has it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::request::Approval;
use crate::id::{EnvironmentId, TeamName};
use crate::people::{Act, People, Person, PersonName, Reach};
use crate::time::Timestamp;

/// The consent that a release needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRule {
    /// How many people in all.
    pub count: u8,
    /// Who has to be among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// Whether one of them may be who wrote or shipped it.
    pub by_author: bool,
    /// How long a consent lasts.
    pub lasts: Duration,
}

/// So many of some people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// How many.
    pub count: u8,
    /// Of whom.
    pub of: Voters,
}

/// Some people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Voters {
    /// Who belongs to a team when their consent is counted.
    Team(TeamName),
    /// These.
    People(BTreeSet<PersonName>),
}

/// What of the consent that was given counts at a moment, and what is still wanted.
pub(super) struct Consent<'a> {
    /// What counts.
    pub(super) given: Vec<&'a Approval>,
    /// How many people there have to be in all.
    pub(super) needed: usize,
    /// Who has to be among them still.
    pub(super) lacking: Vec<Need>,
}

impl Consent<'_> {
    /// Whether it is enough.
    pub(super) fn is_enough(&self) -> bool {
        self.lacking.is_empty() && self.given.len() >= self.needed
    }
}

impl ApprovalRule {
    /// Counts `approvals` at the moment `now`. Only who may approve in `environment` by then
    /// counts: whoever has lost the role has lost their vote, and has it again with the role.
    pub(super) fn count<'a>(
        &self,
        approvals: &'a [Approval],
        people: &People,
        environment: &EnvironmentId,
        now: Timestamp,
    ) -> Consent<'a> {
        let counts = |approval: &&Approval| {
            now < approval.at + self.lasts && may_approve(approval, people, environment)
        };
        let given: Vec<&Approval> = approvals.iter().filter(counts).collect();
        let lacking = self.lacking(&given, people);
        let needs = self.needs.iter().map(|need| usize::from(need.count));
        let needed = usize::from(self.count).max(needs.sum());
        Consent {
            given,
            needed,
            lacking,
        }
    }

    /// Returns what is still wanted where each person counts for one need only. Who counts for what
    /// is found so that as many needs as possible are met (by augmenting paths): somebody who could
    /// stand for two of them stands for the one that nobody else can.
    fn lacking(&self, given: &[&Approval], people: &People) -> Vec<Need> {
        let places: Vec<usize> = self
            .needs
            .iter()
            .enumerate()
            .flat_map(|(index, need)| vec![index; usize::from(need.count)])
            .collect();
        // For each who consented, the place that they stand for.
        let mut stands: Vec<Option<usize>> = vec![None; given.len()];
        let mut open = vec![0_u8; self.needs.len()];
        for (place, need) in places.iter().enumerate() {
            let mut seen = vec![false; given.len()];
            let suits = |place: usize, who: usize| {
                let of = places.get(place).and_then(|need| self.needs.get(*need));
                let by = given.get(who).map(|approval| approval.by.as_str());
                of.zip(by).is_some_and(|(need, by)| need.of.has(by, people))
            };
            if !stand(place, &suits, &mut stands, &mut seen)
                && let Some(open) = open.get_mut(*need)
            {
                *open = open.saturating_add(1);
            }
        }
        let wanted = self.needs.iter().zip(open).filter(|(_, open)| *open > 0);
        let wanted = wanted.map(|(need, count)| Need {
            count,
            of: need.of.clone(),
        });
        wanted.collect()
    }
}

/// Finds somebody for `place`, who may leave another place to somebody else.
fn stand(
    place: usize,
    suits: &impl Fn(usize, usize) -> bool,
    stands: &mut Vec<Option<usize>>,
    seen: &mut [bool],
) -> bool {
    for who in 0..stands.len() {
        let is_new = seen.get(who) == Some(&false);
        if !is_new || !suits(place, who) {
            continue;
        }
        if let Some(seen) = seen.get_mut(who) {
            *seen = true;
        }
        let before = stands.get(who).copied().flatten();
        if before.is_none_or(|before| stand(before, suits, stands, seen)) {
            if let Some(stands) = stands.get_mut(who) {
                *stands = Some(place);
            }
            return true;
        }
    }
    false
}

impl Voters {
    fn has(&self, name: &str, people: &People) -> bool {
        match self {
            Self::Team(team) => {
                somebody(people, name).is_some_and(|person| person.teams.contains(team))
            }
            Self::People(these) => these.iter().any(|one| one.as_str() == name),
        }
    }
}

/// Whether who gave it may give it still. The name of somebody who was removed and of somebody who
/// was added later may be one: what the first one said is not the second one's word.
fn may_approve(approval: &Approval, people: &People, environment: &EnvironmentId) -> bool {
    if approval.owner {
        return true;
    }
    let Ok(name) = approval.by.parse::<PersonName>() else {
        return false;
    };
    let about = Reach::Environment(environment.clone());
    let added = people.people.get(&name).map(|person| person.added_at);
    added.is_some_and(|added| added <= approval.at)
        && people.standing_rights(&name).may(Act::Approve, &about)
}

fn somebody<'p>(people: &'p People, name: &str) -> Option<&'p Person> {
    people.people.get(&name.parse::<PersonName>().ok()?)
}

/// As in "two of `anna`, `ben` and `carl`".
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.of {
            Voters::Team(team) => write!(f, "{} of team `{team}`", self.count),
            Voters::People(people) => {
                let names: Vec<String> = people.iter().map(|name| format!("`{name}`")).collect();
                write!(f, "{} of {}", self.count, names.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Digest;
    use crate::people::{Command, Grant, Narrowing, Role, decide, evolve};

    /// Everybody: `anna:security,product` is an approver who belongs to two teams, `-eve` no
    /// approver.
    fn people(all: &[&str]) -> People {
        let mut people = People::default();
        let tell = |people: &mut People, command: &Command| {
            for event in decide(people, command, Timestamp::default()).unwrap() {
                *people = evolve(people.clone(), Timestamp::default(), &event);
            }
        };
        for text in all {
            let (name, teams) = text.split_once(':').unwrap_or((text, ""));
            let role = if name.starts_with('-') {
                Role::Operator
            } else {
                Role::Approver
            };
            let person: PersonName = name.trim_start_matches('-').parse().unwrap();
            let grants = BTreeSet::from([Grant {
                role,
                reach: "shop/production".parse().unwrap(),
            }]);
            let add = Command::Add {
                person: person.clone(),
                identities: BTreeSet::new(),
                grants,
            };
            tell(&mut people, &add);
            for team in teams.split(',').filter(|team| !team.is_empty()) {
                let join = Command::Join {
                    person: person.clone(),
                    team: team.parse().unwrap(),
                };
                tell(&mut people, &join);
            }
        }
        people
    }

    /// `2 security` or `1 anna|ben`.
    fn need(text: &str) -> Need {
        let (count, of) = text.split_once(' ').unwrap();
        let of = if of.contains('|') {
            Voters::People(of.split('|').map(|name| name.parse().unwrap()).collect())
        } else {
            Voters::Team(of.parse().unwrap())
        };
        Need {
            count: count.parse().unwrap(),
            of,
        }
    }

    #[test]
    fn a_vote_by_a_group_counts_until_a_sign_in_says_otherwise() {
        let name: PersonName = "fay".parse().unwrap();
        let environment = EnvironmentId {
            application: "shop".parse().unwrap(),
            environment: "production".parse().unwrap(),
        };
        let mut people = people(&["-fay"]);
        let rule = ApprovalRule {
            count: 1,
            needs: Vec::new(),
            by_author: false,
            lasts: Duration::from_secs(7 * 24 * 3600),
        };
        let vote = [Approval {
            by: "fay".to_owned(),
            at: Timestamp::default() + Duration::from_secs(60),
            note: None,
            owner: false,
        }];
        let days = |days: u64| Timestamp::default() + Duration::from_secs(days * 24 * 3600);
        let sign_in = |number: u8, grants: &[&str]| Command::CreateToken {
            person: name.clone(),
            name: "sign-in".to_owned(),
            hash: Digest::from_bytes([number; 32]),
            narrowing: Narrowing::default(),
            expires_at: Timestamp::default() + Duration::from_secs(8 * 3600),
            sign_in: true,
            grants: grants
                .iter()
                .map(|reach| Grant {
                    role: Role::Approver,
                    reach: reach.parse().unwrap(),
                })
                .collect(),
        };
        let mut tell = |command: &Command| {
            for event in decide(&people, command, Timestamp::default()).unwrap() {
                people = evolve(people.clone(), Timestamp::default(), &event);
            }
            let count = |day| {
                let consent = rule.count(&vote, &people, &environment, days(day));
                consent.is_enough()
            };
            // While the sign-in lives, after it has ended, and when consent itself has.
            (count(0), count(6), count(8))
        };
        assert_eq!(tell(&sign_in(1, &["blog"])), (false, false, false));
        assert_eq!(tell(&sign_in(2, &["shop/production"])), (true, true, false));
        // The newest one says that she is in no such group any more.
        assert_eq!(tell(&sign_in(3, &[])), (false, false, false));
        let revoke = |number| Command::RevokeToken {
            token: crate::people::TokenNumber(number),
        };
        // Unless it is revoked; and then the one before is, too.
        assert_eq!(tell(&revoke(3)), (true, true, false));
        assert_eq!(tell(&revoke(2)), (false, false, false));
    }

    #[test]
    fn who_counts_for_what_is_this_table() {
        let all = [
            "anna:security,product",
            "ben:security",
            "carl:product",
            "dora",
            "-eve:security",
        ];
        let people = people(&all);
        let environment = EnvironmentId {
            application: "shop".parse().unwrap(),
            environment: "production".parse().unwrap(),
        };
        for (count, needs, given, lacks) in [
            // So many of whomever.
            (2, "", "anna", Some("")),
            (2, "", "anna dora", None),
            // Who is no approver here, or nobody at all, does not count.
            (1, "", "eve", Some("")),
            (1, "", "mallory", Some("")),
            // One of each.
            (
                1,
                "1 security, 1 product",
                "ben",
                Some("1 of team `product`"),
            ),
            (1, "1 security, 1 product", "ben carl", None),
            // One person stands for one need only.
            (
                1,
                "1 security, 1 product",
                "anna",
                Some("1 of team `product`"),
            ),
            // Whoever could stand for two leaves one to who can stand for that alone, in any order.
            (1, "1 security, 1 product", "anna ben", None),
            (1, "1 security, 1 product", "ben anna", None),
            (1, "1 security, 1 product", "anna carl", None),
            (1, "1 product, 1 security", "anna carl", None),
            // A team of which somebody is no approver.
            (1, "1 security", "eve", Some("1 of team `security`")),
            // Two of three by name, and a third one of whomever.
            (
                1,
                "2 anna|ben|carl",
                "anna dora",
                Some("1 of `anna`, `ben`, `carl`"),
            ),
            (1, "2 anna|ben|carl", "anna carl", None),
            (3, "2 anna|ben|carl", "anna carl", Some("")),
            (3, "2 anna|ben|carl", "anna carl dora", None),
            // A chain: anna leaves security to ben, who leaves his name to nobody.
            (
                1,
                "1 security, 1 anna|carl, 1 product",
                "carl anna ben",
                None,
            ),
            (2, "2 security, 1 product", "anna ben carl", None),
            (
                2,
                "2 security, 1 product",
                "ben carl dora",
                Some("1 of team `security`"),
            ),
        ] {
            let needs = needs.split(", ").filter(|text| !text.is_empty());
            let rule = ApprovalRule {
                count,
                needs: needs.map(need).collect(),
                by_author: false,
                lasts: Duration::from_secs(60),
            };
            let approvals: Vec<Approval> = given
                .split_whitespace()
                .map(|by| Approval {
                    by: by.to_owned(),
                    at: Timestamp::default(),
                    note: None,
                    owner: false,
                })
                .collect();
            let consent = rule.count(&approvals, &people, &environment, Timestamp::default());
            let lacking: Vec<String> = consent.lacking.iter().map(ToString::to_string).collect();
            let got = (!consent.is_enough()).then(|| lacking.join(", "));
            assert_eq!(
                got.as_deref(),
                lacks,
                "{count}, {:?}, by {given}",
                rule.needs
            );
        }
    }
}
