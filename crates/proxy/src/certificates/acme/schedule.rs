//! When a certificate is renewed, and how long to wait after it could not be.

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::ops::Range;
use std::time::Duration;

/// By how much the wait grows with every failure: five of them in the first hour, which is what
/// large servers put up with.
const GROWTH: u32 = 3;

/// The longest wait after a failure.
const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// Returns when the certificate for `host` is renewed that is valid for `valid` (seconds since
/// 1970): after two thirds of that, or up to a twentieth of it earlier, so that those that were
/// obtained together do not stay together.
pub(crate) fn renewed_at(host: &str, valid: &Range<u64>) -> u64 {
    let lifetime = valid.end.saturating_sub(valid.start);
    let early = u128::from(lifetime / 20) * u128::from(jitter(&(host, valid.start))) / 1000;
    valid.start + lifetime / 3 * 2 - u64::try_from(early).unwrap_or(0)
}

/// Returns how long to wait after the certificate for `host` could not be obtained `failures`
/// times in a row: `first` after the first, and up to a tenth less.
pub(crate) fn retried_in(host: &str, failures: u32, first: Duration) -> Duration {
    let growth = GROWTH.saturating_pow(failures.saturating_sub(1));
    let wait = first.saturating_mul(growth).min(LONGEST);
    wait - wait / 10 * jitter(&(host, failures)) / 1000
}

/// Returns a number from 0 to 999 that is always the same for the same.
fn jitter(of: &impl Hash) -> u32 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    u32::try_from(hasher.finish() % 1000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600;

    #[test]
    fn renewal_comes_at_two_thirds_or_a_little_earlier() {
        let mut moments = std::collections::BTreeSet::new();
        for number in 0..100 {
            let host = format!("{number}.example");
            let valid = 1_000_000_000..1_000_000_000 + 90 * DAY;
            let moment = renewed_at(&host, &valid);
            let after = moment - valid.start;
            assert!(after <= 60 * DAY && after > 55 * DAY, "{host}: {after}");
            assert_eq!(moment, renewed_at(&host, &valid));
            moments.insert(moment);
        }
        assert!(moments.len() > 90, "they stay together");
        // Whatever a server says.
        for valid in [5..5, 0..u64::MAX, u64::MAX..u64::MAX] {
            renewed_at("a.example", &valid);
        }
        #[expect(clippy::reversed_empty_ranges, reason = "it ends before it begins")]
        let never = 7..5;
        assert_eq!(renewed_at("a.example", &never), 7);
    }

    #[test]
    fn the_wait_grows_and_has_an_end() {
        for (failures, minutes) in [
            (1, 1),
            (2, 3),
            (3, 9),
            (4, 27),
            (5, 81),
            (6, 243),
            (7, 720),
            (50, 720),
        ] {
            let wait = retried_in("a.example", failures, Duration::from_secs(60)).as_secs();
            assert!(
                wait <= minutes * 60 && wait >= minutes * 54,
                "{failures}: {wait}"
            );
        }
        let first_hour = (1..).scan(0, |sum, failures| {
            *sum += retried_in("a.example", failures, Duration::from_secs(60)).as_secs();
            Some(*sum)
        });
        assert_eq!(
            1 + first_hour.take_while(|moment| *moment < 3600).count(),
            5
        );
    }
}
