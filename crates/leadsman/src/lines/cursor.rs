//! A line of JSON, read from left to right.
//!
//! Most of a line is pairs of small numbers, and a reader of all there can be in JSON spends more
//! time on what could be there than on what is. This one knows what a line can have: objects, lists
//! and numbers.

use super::Wrong;

/// Where in a line one is.
pub(super) struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

/// Every whole number with so many digits fits into 64 bits.
const MOST_DIGITS: usize = 19;

/// What was read. What is wrong is far larger than a number, and numbers are all there is.
pub(super) type Read<T> = Result<T, Box<Wrong>>;

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// Returns the complaint that `what` is wrong here.
    pub(super) fn wrong(&self, what: impl Into<String>) -> Box<Wrong> {
        Box::new(Wrong::Json {
            what: what.into(),
            column: self.at + 1,
        })
    }

    /// Reads an object; `value` is given each key, in order, and reads its value.
    pub(super) fn object(
        &mut self,
        what: &str,
        mut value: impl FnMut(&mut Self, &'a [u8]) -> Read<()>,
    ) -> Read<()> {
        self.expect(b'{', what)?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.key()?;
            value(self, key)?;
            if !self.goes_on(b'}', "`,` or `}`")? {
                return Ok(());
            }
        }
    }

    /// Reads a list; `item` reads each of what is in it.
    pub(super) fn list(
        &mut self,
        what: &str,
        mut item: impl FnMut(&mut Self) -> Read<()>,
    ) -> Read<()> {
        self.expect(b'[', what)?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            item(self)?;
            if !self.goes_on(b']', "`,` or `]`")? {
                return Ok(());
            }
        }
    }

    /// Reads a list of two whole numbers.
    pub(super) fn pair(&mut self, what: &str) -> Read<[u64; 2]> {
        if let Some((pair, length)) = short_pair(&self.text[self.at..]) {
            self.at += length;
            return Ok(pair);
        }
        self.expect(b'[', what)?;
        let first = self.whole()?;
        self.expect(b',', what)?;
        let second = self.whole()?;
        self.expect(b']', what)?;
        Ok([first, second])
    }

    /// Reads a whole number that is not negative.
    pub(super) fn whole(&mut self) -> Read<u64> {
        self.skip_space();
        let start = self.at;
        let (mut number, mut length) = (0_u64, 0);
        for digit in &self.text[start..] {
            let digit = digit.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
            length += 1;
        }
        self.at += length;
        let has_more = matches!(self.here(), Some(b'.' | b'e' | b'E'));
        if length == 0 || has_more || (length > 1 && self.text[start] == b'0') {
            self.at = start;
            return Err(self.wrong("expected a whole number that is not negative"));
        }
        if length > MOST_DIGITS {
            self.at = start;
            return Err(self.wrong(format!("a number of more than {MOST_DIGITS} digits")));
        }
        Ok(number)
    }

    /// Reads a number.
    pub(super) fn number(&mut self) -> Read<f64> {
        self.skip_space();
        let start = self.at;
        let number = self.span_of_number().then(|| {
            let text = std::str::from_utf8(&self.text[start..self.at]).ok()?;
            text.parse().ok()
        });
        number.flatten().ok_or_else(|| {
            self.at = start;
            self.wrong("expected a number")
        })
    }

    /// Passes what can be a number; says whether there was one.
    fn span_of_number(&mut self) -> bool {
        self.pass(|byte| byte == b'-', 1);
        let starts_with_zero = self.here() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || (starts_with_zero && whole > 1) {
            return false;
        }
        if self.pass(|byte| byte == b'.', 1) == 1 && self.digits() == 0 {
            return false;
        }
        if self.pass(|byte| matches!(byte, b'e' | b'E'), 1) == 1 {
            self.pass(|byte| matches!(byte, b'+' | b'-'), 1);
            return self.digits() > 0;
        }
        true
    }

    fn digits(&mut self) -> usize {
        self.pass(|byte| byte.is_ascii_digit(), usize::MAX)
    }

    /// Passes at most so many bytes of a kind; returns how many.
    fn pass(&mut self, kind: impl Fn(u8) -> bool, most: usize) -> usize {
        let rest = self.text[self.at..].iter().take(most);
        let passed = rest.take_while(|byte| kind(**byte)).count();
        self.at += passed;
        passed
    }

    /// Makes sure that nothing follows.
    pub(super) fn end(&mut self) -> Read<()> {
        self.skip_space();
        match self.here() {
            None => Ok(()),
            Some(_) => Err(self.wrong("nothing may follow")),
        }
    }

    fn key(&mut self) -> Read<&'a [u8]> {
        self.expect(b'"', "a key in quotes")?;
        let start = self.at;
        self.pass(
            |byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\',
            usize::MAX,
        );
        let key = &self.text[start..self.at];
        if self.here() != Some(b'"') {
            return Err(self.wrong("expected `\"`: a key is plain ASCII"));
        }
        self.at += 1;
        self.expect(b':', "`:`")?;
        Ok(key)
    }

    fn here(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.here() {
            self.at += 1;
        }
    }

    /// Passes this byte if it is next; says whether it was.
    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        let is_here = self.here() == Some(byte);
        self.at += usize::from(is_here);
        is_here
    }

    /// Passes a comma, and says that more follows, or the `last` byte.
    fn goes_on(&mut self, last: u8, what: &str) -> Read<bool> {
        self.skip_space();
        let here = self.here();
        if here != Some(b',') && here != Some(last) {
            return Err(self.missed(what));
        }
        self.at += 1;
        Ok(here == Some(b','))
    }

    fn expect(&mut self, byte: u8, what: &str) -> Read<()> {
        if self.take(byte) {
            return Ok(());
        }
        Err(self.missed(what))
    }

    #[cold]
    fn missed(&self, what: &str) -> Box<Wrong> {
        let found = if self.here().is_none() {
            "the line ends here"
        } else {
            "something else is here"
        };
        self.wrong(format!("expected {what}, but {found}"))
    }
}

/// Reads a pair as programs write most of them, `[250,3]`, and says how long it is; `None` leaves
/// anything else to who knows it all.
fn short_pair(text: &[u8]) -> Option<([u64; 2], usize)> {
    let rest = text.strip_prefix(b"[")?;
    let (first, length) = short_number(rest);
    let after = rest[length..].strip_prefix(b",")?;
    let (second, more) = short_number(after);
    let is_short = length > 0 && more > 0 && after.get(more) == Some(&b']');
    is_short.then_some(([first, second], length + more + 3))
}

/// Reads up to four digits, of which the first is not 0 unless it is the only one.
fn short_number(text: &[u8]) -> (u64, usize) {
    let (mut number, mut length) = (0, 0);
    for digit in text.iter().take(4) {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 || (length == 1 && number == 0) {
            break;
        }
        number = number * 10 + u64::from(digit);
        length += 1;
    }
    (number, length)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Reads anything that is made of what a cursor knows.
    fn anything(cursor: &mut Cursor<'_>) -> Read<Value> {
        cursor.skip_space();
        match cursor.here() {
            Some(b'{') => {
                let mut object = serde_json::Map::new();
                cursor.object("an object", |cursor, key| {
                    let key = String::from_utf8(key.to_vec()).unwrap();
                    object.insert(key, anything(cursor)?);
                    Ok(())
                })?;
                Ok(Value::Object(object))
            }
            Some(b'[') => {
                let mut list = Vec::new();
                cursor.list("a list", |cursor| {
                    list.push(anything(cursor)?);
                    Ok(())
                })?;
                Ok(Value::Array(list))
            }
            _ => cursor.number().map(Value::from),
        }
    }

    fn read(text: &[u8]) -> Option<Value> {
        let mut cursor = Cursor::new(text);
        let value = anything(&mut cursor).ok()?;
        cursor.end().ok().map(|()| value)
    }

    /// What a general reader makes of it, with every number a floating one.
    fn expected(text: &[u8]) -> Option<Value> {
        fn floating(value: Value) -> Option<Value> {
            Some(match value {
                Value::Number(number) => Value::from(number.as_f64()?),
                Value::Array(list) => list.into_iter().map(floating).collect::<Option<_>>()?,
                Value::Object(object) => Value::Object(
                    object
                        .into_iter()
                        .map(|(key, value)| Some((key, floating(value)?)))
                        .collect::<Option<_>>()?,
                ),
                _ => return None,
            })
        }
        serde_json::from_slice(text).ok().and_then(floating)
    }

    #[test]
    fn it_reads_what_a_general_reader_reads() {
        let line = br#" {"seconds": 1.5, "canary":{"requests":10,"latency":[[1,2] , [30,4]],"over":[]},"t":-0.25e-1,"x":{}} "#;
        assert!(read(line).is_some());
        let bytes = b" {}[]\",:0123456789-+.eE\\tx\t\xc3\x01";
        let mut lines = vec![line.to_vec()];
        for at in 0..line.len() {
            lines.push(line[..at].to_vec());
            lines.push([&line[..at], &line[at + 1..]].concat());
            for byte in bytes {
                lines.push([&line[..at], &[*byte][..], &line[at..]].concat());
                lines.push([&line[..at], &[*byte][..], &line[at + 1..]].concat());
            }
        }
        let mut understood = 0;
        for line in lines {
            // Keys are plain: without escapes, and nothing but ASCII.
            let is_plain = line.is_ascii() && !line.contains(&b'\\') && !line.contains(&b'\x7f');
            let expected = expected(&line).filter(|_| is_plain);
            understood += u32::from(expected.is_some());
            assert_eq!(read(&line), expected, "{}", line.escape_ascii());
        }
        assert!(understood > 500, "{understood}");
    }

    #[test]
    fn whole_numbers_are_whole() {
        for (text, expected) in [
            ("0", Some(0)),
            (" 17 ", Some(17)),
            ("9999999999999999999", Some(9_999_999_999_999_999_999)),
            ("10000000000000000000", None),
            ("017", None),
            ("1.0", None),
            ("1e3", None),
            ("-1", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(
                Cursor::new(text.as_bytes()).whole().ok(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_pair_is_the_same_however_it_is_written() {
        for (text, expected) in [
            ("[250,3]", Some([250, 3])),
            ("[0,0]", Some([0, 0])),
            (" [ 250 , 3 ] ", Some([250, 3])),
            ("[12345,99999]", Some([12_345, 99_999])),
            ("[9999,1]", Some([9_999, 1])),
            ("[01,1]", None),
            ("[1,00]", None),
            ("[1,-1]", None),
            ("[1,1.0]", None),
            ("[1]", None),
            ("[1,]", None),
            ("[1,2,3]", None),
            ("[1,2", None),
            ("1,2]", None),
        ] {
            let mut cursor = Cursor::new(text.as_bytes());
            let pair = cursor.pair("a pair").ok();
            assert_eq!(pair.filter(|_| cursor.end().is_ok()), expected, "{text}");
        }
    }
}
