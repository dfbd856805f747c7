//! The windows that the data plane closes.

use std::sync::Arc;

use leadsman_core::time::Timestamp;
use leadsman_engine::SideWindow;
use tokio::time::sleep;

use super::chance::Chance;
use super::sea::{Kind, Sea};

/// Closes a window after the other.
pub(super) async fn count(sea: Arc<Sea>) {
    let length = sea.setting.window;
    loop {
        sleep(length).await;
        {
            let mut truth = sea.truth();
            let truth = &mut *truth;
            let now = sea.now(truth);
            let is = |kind| truth.trouble.is(kind, now.moment);
            if is(Kind::PlaneDown) || is(Kind::FiguresMissing) {
                continue;
            }
            let seconds = length.as_secs_f64();
            let requests = sea.setting.requests * length.as_secs();
            let late = is(Kind::FiguresLate);
            let absurd = is(Kind::FiguresAbsurd);
            if !is(Kind::Unsaved) {
                truth.proxy.save();
            }
            let mut window = truth
                .proxy
                .count(&truth.instances, requests, seconds, sea.seed, now);
            truth
                .checks
                .window(now.moment, &window, &truth.proxy, &truth.instances);
            if absurd {
                make_absurd(
                    &mut window,
                    &mut Chance::of(sea.seed, &format!("absurd {}", now.moment)),
                );
            }
            let readable = now.moment + if late { 20_000 } else { 0 };
            truth.proxy.keep(window, readable);
        }
        sea.window_closed.notify_waiters();
    }
}

fn make_absurd(window: &mut SideWindow, chance: &mut Chance) {
    match chance.below(6) {
        0 => window.seconds = 0.0,
        1 => window.seconds = f64::NAN,
        2 => window.seconds = -5.0,
        3 => window.started_at = Timestamp::from_millis(u64::MAX / 4),
        4 => window
            .sides
            .values_mut()
            .for_each(|figures| figures.requests = u64::MAX),
        _ => window
            .sides
            .values_mut()
            .for_each(|figures| figures.errors = figures.requests * 9 + 3),
    }
}
