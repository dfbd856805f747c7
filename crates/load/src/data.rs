//! Rows of values for requests, from a CSV file or one with a JSON object in each line.

/// A file has no more bytes than this.
const BYTES_MAX: usize = 256 << 20;

/// There are no more rows than this.
const ROWS_MAX: usize = 2_000_000;

/// A row has no more values than this.
const COLUMNS_MAX: usize = 256;

/// Named values in rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    columns: Vec<String>,
    /// Every row's values, one row after another.
    values: Vec<Box<str>>,
    /// The line in which each row begins.
    lines: Vec<u32>,
}

/// What is wrong with a file of data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Wrong {
    /// In which line, from 1.
    pub line: usize,
    /// What is wrong, and how to mend it.
    pub what: String,
}

impl Wrong {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self {
            line,
            what: what.into(),
        }
    }
}

impl Data {
    /// Reads a file: JSON lines where the first character is a `{`, CSV otherwise.
    ///
    /// # Errors
    ///
    /// The first line that cannot be used.
    pub fn read(bytes: &[u8]) -> Result<Self, Wrong> {
        if bytes.len() > BYTES_MAX {
            let what = format!("the file has more than {} MiB", BYTES_MAX >> 20);
            return Err(Wrong::new(1, what));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            Wrong::new(line, "it is no UTF-8 text")
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let data = if text.trim_start().starts_with('{') {
            json_lines(text)
        } else {
            csv(text)
        }?;
        if data.lines.is_empty() {
            return Err(Wrong::new(1, "there is no row of values"));
        }
        Ok(data)
    }

    /// Returns how many rows there are.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// Returns which column has this name.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// Returns a value of a row; rows are counted round.
    pub(crate) fn value(&self, row: u64, name: &str) -> &str {
        let rows = self.lines.len().max(1) as u64;
        let index = usize::try_from(row % rows).unwrap_or_default() * self.columns.len();
        let column = self.column(name).unwrap_or_default();
        self.values.get(index + column).map_or("", |value| value)
    }

    /// Returns the names, for a person.
    pub(crate) fn listed(&self) -> String {
        let names: Vec<String> = self
            .columns
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        names.join(", ")
    }

    /// Returns the line of the first row whose value in this column cannot stand in a header.
    pub(crate) fn unfit_for_header(&self, column: usize) -> Option<u32> {
        let rows = self.values.chunks(self.columns.len().max(1));
        let mut lines = rows.zip(&self.lines);
        lines
            .find(|(row, _)| !row.get(column).is_none_or(|value| fits_header(value)))
            .map(|(_, line)| *line)
    }

    fn begin(columns: Vec<String>, line: usize) -> Result<Self, Wrong> {
        if columns.len() > COLUMNS_MAX {
            return Err(Wrong::new(
                line,
                format!("it has more than {COLUMNS_MAX} values"),
            ));
        }
        for (index, name) in columns.iter().enumerate() {
            if name.is_empty() {
                let what = format!("the {}. column has no name", index + 1);
                return Err(Wrong::new(line, what));
            }
            if columns[..index].contains(name) {
                return Err(Wrong::new(line, format!("`{name}` is there twice")));
            }
        }
        Ok(Self {
            columns,
            values: Vec::new(),
            lines: Vec::new(),
        })
    }

    fn add(&mut self, values: impl Iterator<Item = String>, line: usize) -> Result<(), Wrong> {
        if self.lines.len() >= ROWS_MAX {
            return Err(Wrong::new(
                line,
                format!("there are more than {ROWS_MAX} rows"),
            ));
        }
        self.values.extend(values.map(String::into_boxed_str));
        self.lines.push(u32::try_from(line).unwrap_or(u32::MAX));
        Ok(())
    }
}

/// Says whether a text can stand in a header.
pub(crate) fn fits_header(text: &str) -> bool {
    http::HeaderValue::from_str(text).is_ok()
        || http::HeaderValue::from_bytes(text.as_bytes()).is_ok()
}

fn json_lines(text: &str) -> Result<Data, Wrong> {
    let mut data: Option<Data> = None;
    for (text, line) in text.lines().zip(1..) {
        if text.trim().is_empty() {
            continue;
        }
        let row: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).map_err(|error| {
                Wrong::new(line, format!("it is no JSON object in one line: {error}"))
            })?;
        let data = match &mut data {
            Some(data) => data,
            None => data.insert(Data::begin(row.keys().cloned().collect(), line)?),
        };
        let mut values = Vec::with_capacity(data.columns.len());
        for name in &data.columns {
            values.push(match row.get(name) {
                Some(serde_json::Value::String(text)) => text.clone(),
                Some(serde_json::Value::Null) => String::new(),
                Some(value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) => {
                    value.to_string()
                }
                Some(_) => {
                    let what = format!("`{name}` is neither a text nor a number");
                    return Err(Wrong::new(line, what));
                }
                None => return Err(Wrong::new(line, format!("`{name}` is missing"))),
            });
        }
        if let Some(more) = row.keys().find(|name| !data.columns.contains(name)) {
            let what = format!("`{more}` is not in the first row: each row has the same names");
            return Err(Wrong::new(line, what));
        }
        data.add(values.into_iter(), line)?;
    }
    data.ok_or_else(|| Wrong::new(1, "there is no row of values"))
}

fn csv(text: &str) -> Result<Data, Wrong> {
    let mut records = Records {
        rest: text,
        line: 1,
    };
    let Some((names, line)) = records.next_record()? else {
        return Err(Wrong::new(
            1,
            "there is no line with the names of the values",
        ));
    };
    let mut data = Data::begin(
        names.iter().map(|name| name.trim().to_owned()).collect(),
        line,
    )?;
    while let Some((values, line)) = records.next_record()? {
        let (found, wanted) = (values.len(), data.columns.len());
        if found != wanted {
            let what = format!("it has {found} values and the first line {wanted} names");
            return Err(Wrong::new(line, what));
        }
        data.add(values.into_iter(), line)?;
    }
    Ok(data)
}

/// What is left of a CSV text.
struct Records<'t> {
    rest: &'t str,
    line: usize,
}

impl Records<'_> {
    /// Reads a record and says in which line it begins. Empty lines are passed over.
    fn next_record(&mut self) -> Result<Option<(Vec<String>, usize)>, Wrong> {
        loop {
            let line_end = if self.rest.starts_with("\r\n") { 2 } else { 1 };
            if !self.rest.starts_with(['\r', '\n']) {
                break;
            }
            self.rest = self.rest.get(line_end..).unwrap_or_default();
            self.line += 1;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let begins = self.line;
        let mut values = Vec::new();
        loop {
            let value = self.value(begins)?;
            values.push(value);
            if values.len() > COLUMNS_MAX {
                return Err(Wrong::new(
                    begins,
                    format!("it has more than {COLUMNS_MAX} values"),
                ));
            }
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
                continue;
            }
            let rest = self.rest.strip_prefix('\r').unwrap_or(self.rest);
            let Some(rest) = rest.strip_prefix('\n') else {
                if rest.is_empty() {
                    self.rest = rest;
                    return Ok(Some((values, begins)));
                }
                return Err(Wrong::new(
                    self.line,
                    "a `\"` ends a value, but more follows",
                ));
            };
            self.rest = rest;
            self.line += 1;
            return Ok(Some((values, begins)));
        }
    }

    fn value(&mut self, begins: usize) -> Result<String, Wrong> {
        let Some(mut rest) = self.rest.strip_prefix('"') else {
            let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
            let (value, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Ok(value.strip_suffix('\r').unwrap_or(value).to_owned());
        };
        let mut value = String::new();
        loop {
            let Some((part, after)) = rest.split_once('"') else {
                return Err(Wrong::new(begins, "a `\"` begins a value that never ends"));
            };
            value.push_str(part);
            self.line += part.matches('\n').count();
            rest = after;
            match rest.strip_prefix('"') {
                Some(after) => {
                    value.push('"');
                    rest = after;
                }
                None => break,
            }
        }
        self.rest = rest;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_from_both_forms_and_counted_round() {
        for text in [
            "id,name\n1,Ann\n2,\"B, \"\"the\"\"\nthird\"\n",
            "\u{feff}id , name\r\n\r\n1,Ann\r\n2,\"B, \"\"the\"\"\nthird\"",
            "{\"id\": 1, \"name\": \"Ann\"}\n\n{\"name\": \"B, \\\"the\\\"\\nthird\", \"id\": 2}\n",
        ] {
            let data = Data::read(text.as_bytes()).unwrap();
            assert_eq!(data.rows(), 2, "{text}");
            assert_eq!(data.value(0, "id"), "1");
            assert_eq!(data.value(2, "name"), "Ann");
            assert_eq!(data.value(3, "name"), "B, \"the\"\nthird");
        }
    }

    #[test]
    fn a_file_that_is_wrong_says_in_which_line() {
        for (bytes, wrong) in [
            (
                &b""[..],
                "line 1: there is no line with the names of the values",
            ),
            (b"id,name\n", "line 1: there is no row of values"),
            (
                b"id,name\n1,a\n2\n",
                "line 3: it has 1 values and the first line 2 names",
            ),
            (b"id,id\n1,2\n", "line 1: `id` is there twice"),
            (b"id,\n1,2\n", "line 1: the 2. column has no name"),
            (
                b"id\n\"a\nb\"x\n",
                "line 3: a `\"` ends a value, but more follows",
            ),
            (
                b"id\n1\n\"a\n\n",
                "line 3: a `\"` begins a value that never ends",
            ),
            (b"id\n1\n\xff\n", "line 3: it is no UTF-8 text"),
            (b"{\"a\":1}\n{\"b\":1}\n", "line 2: `a` is missing"),
            (
                b"{\"a\":1}\n{\"a\":1,\"b\":1}\n",
                "line 2: `b` is not in the first row",
            ),
            (
                b"{\"a\":1}\n{\"a\":[1]}\n",
                "line 2: `a` is neither a text nor a number",
            ),
            (
                b"{\"a\":1}\n\n[]\n",
                "line 3: it is no JSON object in one line",
            ),
        ] {
            let error = Data::read(bytes).unwrap_err().to_string();
            assert!(error.starts_with(wrong), "{error}");
        }
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_found_with_its_line() {
        let data = Data::read(b"a,b\n1,x\n2,\"x\ny\"\n3,z\n").unwrap();
        assert_eq!(data.unfit_for_header(0), None);
        assert_eq!(data.unfit_for_header(1), Some(3));
    }
}
