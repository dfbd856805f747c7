//! Runs that begin by the clock.
//!
//! Which schedules there are is known from the newest run of each application: from its first run on
//! the pipeline counts, and from each further one what that commit says. A minute in which control was
//! away has passed.

use jiff::Timestamp as Moment;
use leadsman_core::pipeline::Schedule;
use leadsman_core::run::Trigger;
use leadsman_core::schedule::{Cron, WallMinute};
use leadsman_core::time::Timestamp;

use super::begin::NewRun;
use super::{Runs, State};
use crate::by::By;

/// The name under which is recorded what the clock asks for.
const CLOCK: &str = "leadsman";

/// Returns the minute that a moment lies in, counted from 1970 on.
pub(super) fn minute_of(moment: Timestamp) -> u64 {
    moment.as_millis() / 60_000
}

/// Returns what is to begin in the minute that `now` lies in.
pub(super) fn due(state: &State, now: Timestamp) -> Vec<NewRun> {
    let newest = state.newest.iter().filter_map(|(application, number)| {
        let id = leadsman_core::run::RunId {
            application: application.clone(),
            number: *number,
        };
        state.runs.get(&id)
    });
    newest
        .filter_map(|known| {
            let run = &known.run;
            let schedule = run.pipeline.start.schedule.as_ref()?;
            // Control that was started anew within the minute does not begin it twice.
            let begun = run.about.trigger == Trigger::Schedule
                && minute_of(run.started_at) == minute_of(now);
            (!begun && is_due(schedule, now)).then(|| NewRun {
                repository: run.about.repository.clone(),
                commit: format!("refs/heads/{}", schedule.branch),
                reference: format!("refs/heads/{}", schedule.branch),
                project_file: run.about.project_file.clone(),
                trigger: Trigger::Schedule,
                only: Vec::new(),
                delivery: None,
            })
        })
        .collect()
}

/// Whether a schedule names the minute that `now` lies in, by the clock of its place.
fn is_due(schedule: &Schedule, now: Timestamp) -> bool {
    let millis = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    let zoned = Moment::from_millisecond(millis)
        .ok()
        .and_then(|moment| moment.in_tz(&schedule.time_zone).ok());
    let (Some(zoned), Ok(cron)) = (zoned, Cron::parse(&schedule.cron)) else {
        // What was recorded was checked; a zone that this machine does not know names no minute.
        return false;
    };
    let small = |number: i8| u8::try_from(number).unwrap_or_default();
    cron.is_due(WallMinute {
        minute: small(zoned.minute()),
        hour: small(zoned.hour()),
        day: small(zoned.day()),
        month: small(zoned.month()),
        weekday: small(zoned.weekday().to_sunday_zero_offset()),
    })
}

/// Begins what is due. What cannot begin is said in the log of the process: nobody asked for it who
/// could be told.
pub(super) async fn begin(runs: &Runs, due: Vec<NewRun>) {
    for new in due {
        if let Err(error) = runs.begin(&new, &By::from(CLOCK)).await {
            let error = leadsman_runtime::words(&error);
            tracing::warn!(
                repository = new.repository,
                error,
                "the clock asks for a run in vain"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_goes_by_the_clock_of_its_place() {
        let at = |text: &str| {
            let moment: Moment = text.parse().unwrap();
            Timestamp::from_millis(u64::try_from(moment.as_millisecond()).unwrap())
        };
        for (cron, zone, moment, due) in [
            ("0 3 * * *", "UTC", "2026-07-01T03:00:59Z", true),
            ("0 3 * * *", "UTC", "2026-07-01T03:01:00Z", false),
            ("0 3 * * *", "Europe/Berlin", "2026-07-01T01:00:00Z", true),
            ("0 3 * * *", "Europe/Berlin", "2026-12-01T02:00:00Z", true),
            ("0 3 * * sun", "Europe/Berlin", "2026-11-22T02:00:00Z", true),
            (
                "0 3 * * mon",
                "Europe/Berlin",
                "2026-11-22T02:00:00Z",
                false,
            ),
        ] {
            let schedule = Schedule {
                cron: cron.to_owned(),
                time_zone: zone.to_owned(),
                branch: "main".to_owned(),
            };
            assert_eq!(is_due(&schedule, at(moment)), due, "{cron} {zone} {moment}");
        }
    }
}
