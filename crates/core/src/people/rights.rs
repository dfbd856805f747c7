//! What somebody may do, all things considered.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::reach::Reach;
use super::role::{Act, Role};

/// A role, and how far it is granted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// How far.
    pub reach: Reach,
}

/// What a token leaves of what its person may do: never more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Narrowing {
    /// Only what one of these roles allows; whatever the person may do where there are none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<Role>,
    /// Only what lies in here.
    pub reach: Reach,
}

impl Narrowing {
    fn leaves(&self, act: Act) -> bool {
        self.roles.is_empty() || self.roles.iter().any(|role| role.allows(act))
    }
}

/// What somebody may do. Nothing, unless something allows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    grants: BTreeSet<Grant>,
    narrowings: Vec<Narrowing>,
}

impl Rights {
    /// Returns the rights of whoever owns the state folder: everything.
    pub fn of_owner() -> Self {
        Self::of(BTreeSet::from([Grant {
            role: Role::Admin,
            reach: Reach::Everything,
        }]))
    }

    /// Returns the rights that `grants` give.
    pub const fn of(grants: BTreeSet<Grant>) -> Self {
        Self {
            grants,
            narrowings: Vec::new(),
        }
    }

    /// Leaves of them what `narrowing` leaves.
    #[must_use]
    pub fn narrowed(mut self, narrowing: Narrowing) -> Self {
        self.narrowings.push(narrowing);
        self
    }

    /// Whether they allow `act` on all of `about`.
    pub fn may(&self, act: Act, about: &Reach) -> bool {
        let granted = |grant: &Grant| grant.role.allows(act) && grant.reach.covers(about);
        let left = |to: &Narrowing| to.leaves(act) && to.reach.covers(about);
        self.grants.iter().any(granted) && self.narrowings.iter().all(left)
    }

    /// Returns the roles that they give on all of `about`.
    pub fn roles(&self, about: &Reach) -> BTreeSet<Role> {
        let is = |role: Role, one: Role| one == role || one == Role::Admin;
        let left = |role: Role, to: &Narrowing| {
            let roles = &to.roles;
            to.reach.covers(about) && (roles.is_empty() || roles.iter().any(|one| is(role, *one)))
        };
        let has = |role: &Role| {
            let mut grants = self.grants.iter();
            grants.any(|grant| is(*role, grant.role) && grant.reach.covers(about))
                && self.narrowings.iter().all(|to| left(*role, to))
        };
        Role::ALL.into_iter().filter(has).collect()
    }

    /// Whether there is anything that they allow `act` on.
    pub fn may_somewhere(&self, act: Act) -> bool {
        self.grants
            .iter()
            .filter(|grant| grant.role.allows(act))
            .any(|grant| {
                let mut rest = Some(grant.reach.clone());
                for narrowing in &self.narrowings {
                    rest = rest
                        .filter(|_| narrowing.leaves(act))
                        .and_then(|rest| rest.within(&narrowing.reach));
                }
                rest.is_some()
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(role: Role, reach: &str) -> Grant {
        let reach = reach.parse().unwrap();
        Grant { role, reach }
    }

    fn narrowing(roles: &[Role], reach: &str) -> Narrowing {
        Narrowing {
            roles: roles.iter().copied().collect(),
            reach: reach.parse().unwrap(),
        }
    }

    #[test]
    fn nothing_is_allowed_without_a_grant() {
        let nobody = Rights::default();
        for act in Act::ALL {
            assert!(!nobody.may_somewhere(act), "{act}");
            assert!(
                !nobody.may(act, &"shop/production".parse().unwrap()),
                "{act}"
            );
        }
    }

    #[test]
    fn a_grant_holds_as_far_as_it_reaches() {
        let rights = Rights::of(BTreeSet::from([
            grant(Role::Viewer, "*"),
            grant(Role::Operator, "shop/staging"),
        ]));
        for (act, about, may) in [
            (Act::See, "*", true),
            (Act::See, "blog/production", true),
            (Act::Abort, "shop/staging", true),
            (Act::Abort, "shop/production", false),
            (Act::Abort, "shop", false),
            (Act::Abort, "*", false),
            (Act::People, "*", false),
        ] {
            assert_eq!(
                rights.may(act, &about.parse().unwrap()),
                may,
                "{act} {about}"
            );
        }
        assert!(rights.may_somewhere(Act::Abort));
        assert!(!rights.may_somewhere(Act::Approve));
    }

    #[test]
    fn roles_are_those_that_are_granted_and_left() {
        let production = "shop/production".parse().unwrap();
        let roles = |rights: &Rights| {
            let roles = rights.roles(&production);
            roles
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let some = Rights::of(BTreeSet::from([
            grant(Role::Operator, "shop"),
            grant(Role::Approver, "shop/staging"),
            grant(Role::Developer, "*"),
        ]));
        assert_eq!(roles(&some), "developer operator");
        assert_eq!(
            roles(&some.clone().narrowed(narrowing(&[Role::Operator], "*"))),
            "operator"
        );
        assert_eq!(roles(&some.narrowed(narrowing(&[], "shop/staging"))), "");
        let owner = Rights::of_owner();
        assert_eq!(roles(&owner), "viewer developer operator approver admin");
    }

    #[test]
    fn a_token_only_takes_away() {
        let admin = Rights::of_owner();
        let ships = admin.narrowed(narrowing(&[Role::Developer], "shop/staging"));
        for (act, about, may) in [
            (Act::Ship, "shop/staging", true),
            (Act::Ship, "shop/production", false),
            (Act::Abort, "shop/staging", false),
            (Act::People, "*", false),
        ] {
            assert_eq!(
                ships.may(act, &about.parse().unwrap()),
                may,
                "{act} {about}"
            );
        }
        let viewer = Rights::of(BTreeSet::from([grant(Role::Viewer, "shop")]));
        let wants_more = viewer.clone().narrowed(narrowing(&[Role::Admin], "*"));
        assert!(!wants_more.may(Act::Ship, &"shop".parse().unwrap()));
        assert!(wants_more.may(Act::See, &"shop".parse().unwrap()));
        let elsewhere = viewer.narrowed(narrowing(&[], "blog"));
        assert!(!elsewhere.may_somewhere(Act::See));
        let twice = ships.narrowed(narrowing(&[], "shop/production"));
        assert!(!twice.may_somewhere(Act::Ship));
    }
}
