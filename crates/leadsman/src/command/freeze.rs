//! `leadsman freeze`: lets nothing enter for a time.

use std::time::{Duration, SystemTime};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use leadsman_api::{Command, Moment};
use leadsman_core::project::units;

use super::give::give;
use crate::context::Context;
use crate::failure::Failure;

/// Let nothing enter the environment for a time, or one release all the same
///
/// What is on its way goes on, and the way back stays free. Without an end it lasts until somebody
/// says `leadsman thaw`. Times are those of this machine's clock,
/// such as `2026-12-24 18:00`, or carry an offset, such as `2026-12-24T18:00:00+01:00`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Why
    #[arg(long, short = 'm', value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    time: Time,
    /// Declare no freeze, but let this release in despite one
    #[arg(long, value_name = "RELEASE", conflicts_with_all = ["from", "until", "lasts"])]
    except: Option<u64>,
    /// The number of the freeze that it is let in despite of; needed where there are several
    #[arg(long, value_name = "NUMBER", requires = "except")]
    freeze: Option<u64>,
}

/// When something begins and ends.
#[derive(Debug, clap::Args)]
pub(super) struct Time {
    /// When it begins [default: at once]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Moment>,
    /// When it ends
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "lasts")]
    until: Option<Moment>,
    /// How long it lasts, such as `4h` or `3d`
    #[arg(long = "for", value_name = "DURATION", value_parser = units::parse_duration)]
    lasts: Option<Duration>,
}

impl Time {
    /// Returns the command that declares a freeze for this time, or plans a maintenance window.
    pub(super) fn freeze(&self, maintenance: bool, why: String) -> Command {
        Command::Freeze {
            from: self.from,
            until: self.until.or_else(|| ends(self.from, self.lasts)),
            maintenance,
            why,
        }
    }

    /// Whether nothing is said.
    pub(super) const fn is_empty(&self) -> bool {
        self.from.is_none() && self.until.is_none() && self.lasts.is_none()
    }
}

pub(crate) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let why = args.reason.clone();
    let command = match args.except {
        Some(release) => Command::Except {
            freeze: args.freeze,
            release,
            why,
        },
        None => args.time.freeze(false, why),
    };
    give(context, command).await
}

/// Returns when a freeze ends that begins then, or now, and lasts for so long.
fn ends(from: Option<Moment>, lasts: Option<Duration>) -> Option<Moment> {
    let now = || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        millis(now.unwrap_or_default())
    };
    let begins = from.map_or_else(now, |from| from.0);
    Some(Moment(begins.saturating_add(millis(lasts?))))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn moment(text: &str) -> Result<Moment, String> {
    let local = |text: &str| {
        let time: DateTime = text.parse().ok()?;
        Some(time.to_zoned(TimeZone::system()).ok()?.timestamp())
    };
    let zoned = |text: &str| text.parse::<Zoned>().ok().map(|zoned| zoned.timestamp());
    let read = text.parse::<Timestamp>().ok();
    let read = read.or_else(|| zoned(text)).or_else(|| local(text));
    let millis = read.and_then(|time| u64::try_from(time.as_millisecond()).ok());
    millis.map(Moment).ok_or_else(|| {
        "it is no time: write it like `2026-12-24 18:00` or `2026-12-24T18:00:00+01:00`".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_an_offset() {
        assert_eq!(moment("1970-01-01T01:00:00+01:00"), Ok(Moment(0)));
        assert_eq!(moment("1970-01-01T00:00:01Z"), Ok(Moment(1_000)));
        assert_eq!(
            moment("1970-01-02T01:00+01:00[Europe/Berlin]"),
            Ok(Moment(86_400_000))
        );
        let local = |text: &str| {
            let time: DateTime = text.parse().unwrap();
            let zoned = time.to_zoned(TimeZone::system()).unwrap();
            Moment(u64::try_from(zoned.timestamp().as_millisecond()).unwrap())
        };
        for text in ["2026-12-24 18:00", "2026-12-24T18:00:30", "2026-12-24"] {
            assert_eq!(moment(text), Ok(local(text)), "{text}");
        }
        for text in [
            "",
            "tomorrow",
            "18:00",
            "2026-13-01",
            "1969-12-31T00:00:00Z",
        ] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_freeze_lasts_from_when_it_begins() {
        let hour = Some(Duration::from_secs(3_600));
        assert_eq!(ends(Some(Moment(5)), hour), Some(Moment(3_600_005)));
        assert_eq!(ends(Some(Moment(5)), None), None);
        assert!(ends(None, hour) > Some(Moment(1_700_000_000_000)));
    }
}
