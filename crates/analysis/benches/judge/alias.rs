//! Draws from a finite distribution in a few nanoseconds (Walker's alias method).
//!
//! Each outcome has a column, and all columns are chosen alike. An outcome that is less probable
//! than that leaves the rest of its column to another one. One random number chooses the column
//! with its upper half, and one of the two outcomes with its lower half. `rand_distr` has the same,
//! with two numbers and for any kind of weight, at three times the price.

use rand::Rng;

pub(crate) struct Alias {
    columns: Vec<Column>,
}

#[derive(Clone, Copy)]
struct Column {
    /// Lower halves below this one stand for the column's own outcome.
    own: u32,
    other: u32,
}

impl Alias {
    /// Makes a table of these `chances`, which are positive and together 1.
    pub(crate) fn new(chances: &[f64]) -> Self {
        // The height of each outcome, where a column is 1 high.
        let count = chances.len();
        let mut heights: Vec<f64> = chances.iter().map(|it| it * count as f64).collect();
        let (mut low, mut high): (Vec<usize>, Vec<usize>) =
            (0..count).partition(|outcome| heights[*outcome] < 1.0);
        let mut columns: Vec<Column> = (0..count as u32)
            .map(|outcome| Column {
                own: u32::MAX,
                other: outcome,
            })
            .collect();
        while let (Some(small), Some(large)) = (low.pop(), high.pop()) {
            columns[small] = Column {
                own: (heights[small] * f64::from(u32::MAX)) as u32,
                other: large as u32,
            };
            heights[large] -= 1.0 - heights[small];
            let rest = if heights[large] < 1.0 {
                &mut low
            } else {
                &mut high
            };
            rest.push(large);
        }
        Self { columns }
    }

    /// Draws an outcome.
    pub(crate) fn draw(&self, rng: &mut impl Rng) -> usize {
        let number = rng.next_u64();
        let column = ((number >> 32) * self.columns.len() as u64) >> 32;
        let Column { own, other } = self.columns[column as usize];
        if (number as u32) < own {
            column as usize
        } else {
            other as usize
        }
    }
}
