//! Numbers over time in one line.

/// From nothing to the highest.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Returns `values`, the oldest first, as a line of at most so many columns whose top is `top`.
/// What is not known is a space. Where there are more values than columns, neighbours are joined
/// and the highest is shown: a peak is what one looks for.
pub(super) fn spark(values: &[Option<f64>], columns: usize, top: f64) -> String {
    if values.is_empty() || columns == 0 {
        return String::new();
    }
    let shown = values.len().min(columns);
    let joined = (0..shown).map(|column| {
        let from = column * values.len() / shown;
        let to = (column + 1) * values.len() / shown;
        let some = values.get(from..to).into_iter().flatten().flatten();
        some.copied().reduce(f64::max)
    });
    joined
        .map(|value| value.map_or(' ', |value| level(value, top)))
        .collect()
}

fn level(value: f64, top: f64) -> char {
    let share = if top > 0.0 {
        (value / top).clamp(0.0, 1.0)
    } else {
        0.0
    };
    // A share of nothing is the lowest one only if it is nothing.
    let index = (share * LEVELS.len() as f64).ceil() as usize;
    LEVELS[index.saturating_sub(1).min(LEVELS.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_drawn_up_to_the_top() {
        let some = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
        for (values, columns, top, expected) in [
            (some(&[0.0, 1.0, 4.0, 8.0]), 10, 8.0, "▁▁▄█"),
            (some(&[0.0, 9.0, 100.0]), 3, 8.0, "▁██"),
            (some(&[0.0, 0.0]), 3, 0.0, "▁▁"),
            (some(&[1.0, 8.0, 2.0, 2.0]), 2, 8.0, "█▂"),
            (vec![Some(8.0), None, Some(8.0)], 5, 8.0, "█ █"),
            (vec![None, None, Some(8.0), None], 2, 8.0, " █"),
            (some(&[f64::NAN]), 2, 8.0, "▁"),
            (Vec::new(), 2, 8.0, ""),
            (some(&[1.0]), 0, 8.0, ""),
        ] {
            assert_eq!(spark(&values, columns, top), expected, "{values:?}");
        }
    }
}
