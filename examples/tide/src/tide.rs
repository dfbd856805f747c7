//! How high the sea stands: a sum of harmonic constituents, as tide tables are computed.

use std::time::{Duration, SystemTime};

/// One regular part of the tide, with the period of something that sun or moon does.
struct Constituent {
    /// In metres.
    amplitude: f64,
    /// In degrees an hour. Fixed by astronomy, the same everywhere.
    speed: f64,
    /// In degrees, how far it lags at this place.
    phase: f64,
}

/// The five largest constituents of a quay on a shelf sea: M2 and S2 (moon and sun, twice a day),
/// N2 (the moon's distance), K1 and O1 (once a day).
const CONSTITUENTS: [Constituent; 5] = [
    Constituent {
        amplitude: 1.42,
        speed: 28.984_104,
        phase: 112.0,
    },
    Constituent {
        amplitude: 0.47,
        speed: 30.0,
        phase: 154.0,
    },
    Constituent {
        amplitude: 0.29,
        speed: 28.439_73,
        phase: 88.0,
    },
    Constituent {
        amplitude: 0.11,
        speed: 15.041_069,
        phase: 231.0,
    },
    Constituent {
        amplitude: 0.08,
        speed: 13.943_036,
        phase: 47.0,
    },
];

/// The mean level above chart datum, in metres.
const MEAN: f64 = 2.6;

/// The tide at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tide {
    /// Above chart datum, in metres.
    pub(crate) height: f64,
    /// In metres an hour; negative while it falls.
    pub(crate) rate: f64,
}

/// Returns the tide at a moment. What lies before 1970 counts as 1970.
pub(crate) fn at(moment: SystemTime) -> Tide {
    let since = moment
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let hours = since.as_secs_f64() / 3600.0;
    let mut tide = Tide {
        height: MEAN,
        rate: 0.0,
    };
    for Constituent {
        amplitude,
        speed,
        phase,
    } in &CONSTITUENTS
    {
        let angle = (speed * hours - phase).to_radians();
        tide.height += amplitude * angle.cos();
        tide.rate -= amplitude * speed.to_radians() * angle.sin();
    }
    tide
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_minutes(minutes: u64) -> Tide {
        at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_763_700_000 + 60 * minutes))
    }

    #[test]
    fn high_water_comes_about_every_twelve_hours_and_25_minutes() {
        let month = 30 * 24 * 60;
        let turns = (1..month).filter(|&minute| {
            after_minutes(minute - 1).rate > 0.0 && after_minutes(minute).rate <= 0.0
        });
        let count = turns.count();
        // 30 days hold 57.97 half lunar days.
        assert!((57..=59).contains(&count), "{count} high waters");
    }

    #[test]
    fn the_rate_is_the_slope_of_the_height_and_the_height_stays_in_its_bounds() {
        let reach: f64 = CONSTITUENTS
            .iter()
            .map(|constituent| constituent.amplitude)
            .sum();
        for minute in 0..5000 {
            let (tide, next) = (after_minutes(minute), after_minutes(minute + 1));
            assert!((tide.height - MEAN).abs() <= reach, "{tide:?}");
            let slope = (next.height - tide.height) * 60.0;
            assert!(
                (slope - tide.rate).abs() < 0.02,
                "{tide:?} and a slope of {slope}"
            );
        }
    }
}
