//! How far a load is, in one line.

use leadsman_load::{Latency, Progress};

use crate::render::words;

/// Returns the line.
pub(crate) fn line(progress: &Progress) -> String {
    let (elapsed, length) = (progress.elapsed.min(progress.length), progress.length);
    let (elapsed_s, length_s) = (elapsed.as_secs(), length.as_secs_f64().ceil());
    let under_way = words::count(progress.under_way, "request");
    let figures = &progress.figures;
    if elapsed < progress.elapsed {
        return format!("{length_s:.0} s are over, waiting for the answers to {under_way}");
    }
    if progress.is_warming_up {
        return format!("{elapsed_s} of {length_s:.0} s, warming up, {under_way} under way");
    }
    let rate = figures.good_rate().unwrap_or_default();
    let latency = |of| {
        let latency = figures.latency(of);
        latency.map_or("-".to_owned(), super::render::latency)
    };
    format!(
        "{elapsed_s} of {length_s:.0} s, {} answered, {} failed, p50 {}, p99 {}, {} under way",
        words::rate(rate),
        figures.errors(),
        latency(Latency::P50),
        latency(Latency::P99),
        progress.under_way,
    )
}
