//! A share of a service's requests.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A share of requests in hundredths of a percent: 500 is 5 %. From 0 to 10 000.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Weight(u16);

impl Weight {
    /// No requests.
    pub const NONE: Self = Self(0);
    /// All requests.
    pub const ALL: Self = Self(10_000);

    /// Returns the weight of `hundredths` of a percent; more than all is all.
    pub const fn from_hundredths(hundredths: u16) -> Self {
        Self(if hundredths > 10_000 {
            10_000
        } else {
            hundredths
        })
    }

    /// Returns the weight in whole percent; more than all is all.
    pub const fn percent(percent: u16) -> Self {
        Self::from_hundredths(percent.saturating_mul(100))
    }

    /// Returns the share `part` of `whole`, rounded down, but not to zero unless `part` is zero.
    pub fn of(part: u16, whole: u16) -> Self {
        if part == 0 || whole == 0 {
            return Self::NONE;
        }
        let hundredths = u32::from(part) * 10_000 / u32::from(whole);
        Self::from_hundredths(u16::try_from(hundredths.clamp(1, 10_000)).unwrap_or(10_000))
    }

    /// Returns the hundredths of a percent, 0 to 10 000.
    pub const fn hundredths(self) -> u16 {
        self.0
    }

    /// Returns both shares together, at most all requests.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self::from_hundredths(self.0.saturating_add(other.0))
    }

    /// Returns what is left of all requests.
    #[must_use]
    pub const fn rest(self) -> Self {
        Self(10_000 - self.0)
    }

    /// Returns the share of a fresh baseline beside a canary that has this one: the same, or what
    /// is left.
    #[must_use]
    pub fn beside(self) -> Self {
        self.min(self.rest())
    }

    /// Returns how many of `instances` are needed to carry this share: rounded up.
    pub fn of_instances(self, instances: u16) -> u16 {
        let needed = (u32::from(self.0) * u32::from(instances)).div_ceil(10_000);
        u16::try_from(needed).unwrap_or(instances)
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match part {
            0 => write!(f, "{whole} %"),
            part if part % 10 == 0 => write!(f, "{whole}.{} %", part / 10),
            part => write!(f, "{whole}.{part:02} %"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_people_write_shares() {
        assert_eq!(Weight::percent(5).to_string(), "5 %");
        assert_eq!(Weight::from_hundredths(1250).to_string(), "12.5 %");
        assert_eq!(Weight::from_hundredths(1).to_string(), "0.01 %");
    }

    #[test]
    fn a_share_of_instances_is_rounded_up() {
        assert_eq!(Weight::percent(5).of_instances(4), 1);
        assert_eq!(Weight::percent(25).of_instances(4), 1);
        assert_eq!(Weight::percent(26).of_instances(4), 2);
        assert_eq!(Weight::ALL.of_instances(4), 4);
        assert_eq!(Weight::NONE.of_instances(4), 0);
    }
}
