//! Columns that stand below one another.

use super::words::width;

/// Rows of cells, aligned when they are written.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

/// How many spaces stand between two columns.
const GAP: usize = 2;

impl Table {
    /// Adds a row. Cells may be styled and may be empty.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// Returns the rows as lines, each after `indent` spaces. The last cell of a row may be as
    /// long as it likes.
    pub(crate) fn to_lines(&self, indent: usize) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut widths = vec![0; columns];
        for row in &self.rows {
            for (cell, widest) in row.iter().zip(&mut widths) {
                *widest = width(cell).max(*widest);
            }
        }
        let line = |row: &Vec<String>| {
            let mut line = " ".repeat(indent);
            for (cell, widest) in row.iter().zip(&widths) {
                line.push_str(cell);
                // A column that is empty in every row takes no room.
                if *widest > 0 {
                    line.push_str(&" ".repeat(widest - width(cell) + GAP));
                }
            }
            line.trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}
