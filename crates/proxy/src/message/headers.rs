//! The headers of a message.
//!
//! They are a list, in the order in which their lines came. A head has a dozen of them: to look
//! through all costs less than to hash a name. Values stay where they were read: a line says where,
//! and holds nothing that would have to be counted when it is made and when it is dropped. The room
//! of a list that is done with is used for the next one of the same thread.

use std::cell::RefCell;
use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// How many headers are mostly added to a head on its way: who asked and by what, its name, and its
/// place in a trace; and how long their values are together, in bytes.
const ADDED: usize = 8;
const ADDED_BYTES: usize = 192;

/// How many lists are kept for the next heads, and how many lines and bytes those have at most.
const SPARE: usize = 32;
const SPARE_LINES: usize = 64;
const SPARE_BYTES: usize = 1024;

thread_local! {
    #[expect(clippy::vec_box, reason = "a list moves between here and heads as one pointer")]
    static SPARES: RefCell<Vec<Box<List>>> = const { RefCell::new(Vec::new()) };
}

/// The headers of a message, in the order in which they came. Several may have the same name.
#[derive(Default)]
pub(crate) struct Headers(Option<Box<List>>);

static NONE: List = List {
    head: Bytes::new(),
    added: Vec::new(),
    lines: Vec::new(),
};

#[derive(Default)]
struct List {
    /// What they were read from.
    head: Bytes,
    /// The values of those that were added, one behind the other.
    added: Vec<u8>,
    lines: Vec<Line>,
}

#[derive(Clone)]
struct Line {
    name: HeaderName,
    value: Place,
}

/// Where a value stands. No message is so long that 32 bits would not do; what lies beyond is
/// nowhere.
#[derive(Clone, Copy)]
struct Place {
    start: u32,
    end: u32,
    is_added: bool,
    /// Whether no later message will say the same.
    is_said_once: bool,
}

/// The value of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value<'h>(&'h [u8]);

impl<'h> Value<'h> {
    #[inline]
    pub(crate) fn of(bytes: &'h [u8]) -> Self {
        Self(bytes)
    }

    #[inline]
    pub(crate) fn as_bytes(self) -> &'h [u8] {
        self.0
    }

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Returns it as text, if it is nothing but visible letters of ASCII, blanks and tabs.
    pub(crate) fn to_str(self) -> Option<&'h str> {
        let is_visible = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
        let text = self.0.iter().all(is_visible).then_some(self.0)?;
        std::str::from_utf8(text).ok()
    }
}

impl PartialEq<str> for Value<'_> {
    fn eq(&self, text: &str) -> bool {
        self.0 == text.as_bytes()
    }
}

/// What a header can be made to say. Whoever is one sees to it that the bytes are those of a value.
pub(crate) trait Said {
    fn bytes(&self) -> &[u8];

    /// Says whether no later message will say the same.
    fn is_said_once(&self) -> bool;
}

impl Said for HeaderValue {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    fn is_said_once(&self) -> bool {
        self.is_sensitive()
    }
}

impl<S: Said> Said for &S {
    fn bytes(&self) -> &[u8] {
        (**self).bytes()
    }

    fn is_said_once(&self) -> bool {
        (**self).is_said_once()
    }
}

impl Place {
    fn new(range: Range<usize>, is_added: bool) -> Self {
        let at = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            start: at(range.start),
            end: at(range.end),
            is_added,
            is_said_once: false,
        }
    }

    #[inline]
    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl List {
    #[inline]
    fn value(&self, place: Place) -> Value<'_> {
        let holder = match place.is_added {
            true => &self.added[..],
            false => &self.head[..],
        };
        Value(holder.get(place.range()).unwrap_or_default())
    }

    /// Returns a value to be kept, which takes no memory of its own if it was read.
    fn kept(&self, place: Place) -> Option<HeaderValue> {
        let mut value = match place.is_added {
            true => HeaderValue::from_bytes(self.value(place).0).ok()?,
            false => {
                let range = place.range();
                let is_there = range.start <= range.end && range.end <= self.head.len();
                let bytes = is_there.then(|| self.head.slice(range))?;
                HeaderValue::from_maybe_shared(bytes).ok()?
            }
        };
        value.set_sensitive(place.is_said_once);
        Some(value)
    }

    fn add(&mut self, value: &impl Said) -> Place {
        if self.added.is_empty() {
            self.added.reserve(ADDED_BYTES);
        }
        let start = self.added.len();
        self.added.extend_from_slice(value.bytes());
        Place {
            is_said_once: value.is_said_once(),
            ..Place::new(start..self.added.len(), true)
        }
    }
}

impl Headers {
    /// Returns none, with room for so many and for what is mostly added on the way.
    #[inline]
    pub(crate) fn with_capacity(lines: usize) -> Self {
        let mut list = spare();
        list.lines.reserve(lines + ADDED);
        Self(Some(list))
    }

    /// Lets go of the room that is kept for the next lists of this thread.
    pub(crate) fn let_go_of_spares() {
        drop(SPARES.take());
    }

    /// Says what they were read from: values that stand in it are there from now on.
    pub(crate) fn were_read_from(&mut self, head: Bytes) {
        self.list_mut().head = head;
    }

    #[inline]
    fn list(&self) -> &List {
        self.0.as_deref().unwrap_or(&NONE)
    }

    #[inline]
    fn list_mut(&mut self) -> &mut List {
        self.0.get_or_insert_with(spare)
    }

    /// Returns how many there are; each of the same name counts.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.list().lines.len()
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.list().lines.is_empty()
    }

    /// Returns the value of the first header of this name.
    #[inline]
    pub(crate) fn get<N>(&self, name: N) -> Option<Value<'_>>
    where
        HeaderName: PartialEq<N>,
    {
        let list = self.list();
        let found = list.lines.iter().find(|line| line.name == name);
        found.map(|line| list.value(line.value))
    }

    /// Returns the same to be kept.
    pub(crate) fn get_kept<N>(&self, name: N) -> Option<HeaderValue>
    where
        HeaderName: PartialEq<N>,
    {
        let list = self.list();
        let found = list.lines.iter().find(|line| line.name == name)?;
        list.kept(found.value)
    }

    /// Returns the values of all headers of this name.
    #[inline]
    pub(crate) fn get_all<N>(&self, name: N) -> impl DoubleEndedIterator<Item = Value<'_>>
    where
        HeaderName: PartialEq<N>,
    {
        let list = self.list();
        let lines = list.lines.iter();
        let of_name = lines.filter(move |line| line.name == name);
        of_name.map(|line| list.value(line.value))
    }

    /// Says whether there is a header of this name.
    #[inline]
    pub(crate) fn contains<N>(&self, name: N) -> bool
    where
        HeaderName: PartialEq<N>,
    {
        self.list().lines.iter().any(|line| line.name == name)
    }

    /// Adds a header that was read behind all others; its value stands at `place` in what it was read
    /// from.
    #[inline]
    pub(crate) fn append_read(&mut self, name: HeaderName, place: Range<usize>) {
        let value = Place::new(place, false);
        self.list_mut().lines.push(Line { name, value });
    }

    /// Adds a header behind all others.
    #[inline]
    pub(crate) fn append(&mut self, name: HeaderName, value: impl Said) {
        let list = self.list_mut();
        let value = list.add(&value);
        list.lines.push(Line { name, value });
    }

    /// Adds a header with the value of the first one of the name `other`, if there is one.
    pub(crate) fn append_copy(&mut self, name: HeaderName, other: &HeaderName) {
        let list = self.list_mut();
        if let Some(line) = list.lines.iter().find(|line| line.name == *other) {
            let value = line.value;
            list.lines.push(Line { name, value });
        }
    }

    /// Puts a header in the place of the first one of its name, and takes the others of that name
    /// out; where there is none it comes behind all others.
    pub(crate) fn insert(&mut self, name: HeaderName, value: impl Said) {
        let list = self.list_mut();
        let value = list.add(&value);
        let mut is_missing = true;
        list.lines.retain_mut(|line| {
            if line.name != name {
                return true;
            }
            line.value = value;
            std::mem::take(&mut is_missing)
        });
        if is_missing {
            list.lines.push(Line { name, value });
        }
    }

    /// Takes all headers of this name out.
    pub(crate) fn remove<N>(&mut self, name: N)
    where
        HeaderName: PartialEq<N>,
    {
        self.list_mut().lines.retain(|line| line.name != name);
    }

    /// Takes out what is not `wanted`.
    #[inline]
    pub(crate) fn retain(&mut self, mut wanted: impl FnMut(&HeaderName) -> bool) {
        self.list_mut().lines.retain(|line| wanted(&line.name));
    }

    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&HeaderName, Value<'_>)> {
        let list = self.list();
        let lines = list.lines.iter();
        lines.map(|line| (&line.name, list.value(line.value)))
    }

    /// Returns the names of all headers; one that several have comes several times.
    #[inline]
    pub(crate) fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.list().lines.iter().map(|line| &line.name)
    }

    /// Returns all of them with values to be kept.
    pub(crate) fn to_kept(&self) -> impl Iterator<Item = (&HeaderName, HeaderValue)> {
        let list = self.list();
        let lines = list.lines.iter();
        lines.filter_map(|line| Some((&line.name, list.kept(line.value)?)))
    }

    /// Returns the value of the first header of this name.
    #[cfg(test)]
    pub(crate) fn text<N>(&self, name: N) -> &str
    where
        HeaderName: PartialEq<N>,
    {
        let value = self.get(name).expect("a header of this name");
        value.to_str().expect("visible letters")
    }
}

/// Returns a list with nothing in it.
fn spare() -> Box<List> {
    SPARES.with_borrow_mut(Vec::pop).unwrap_or_default()
}

impl Clone for Headers {
    fn clone(&self) -> Self {
        let from = self.list();
        let mut list = spare();
        list.head.clone_from(&from.head);
        list.added.extend_from_slice(&from.added);
        list.lines.extend_from_slice(&from.lines);
        Self(Some(list))
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        let Some(mut list) = self.0.take() else {
            return;
        };
        list.head = Bytes::new();
        list.added.clear();
        list.lines.clear();
        if list.lines.capacity() <= SPARE_LINES && list.added.capacity() <= SPARE_BYTES {
            // At the end of a thread there may be no place for it any more.
            let _ = SPARES.try_with(|spares| {
                let mut spares = spares.borrow_mut();
                if spares.len() < SPARE {
                    spares.push(list);
                }
            });
        }
    }
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines = self
            .iter()
            .map(|(name, value)| (name, value.0.escape_ascii().to_string()));
        f.debug_map().entries(lines).finish()
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

impl Extend<(HeaderName, HeaderValue)> for Headers {
    fn extend<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(&mut self, headers: I) {
        for (name, value) in headers {
            self.append(name, value);
        }
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for Headers {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(headers: I) -> Self {
        let mut all = Self::default();
        all.extend(headers);
        all
    }
}

impl From<HeaderMap> for Headers {
    fn from(map: HeaderMap) -> Self {
        let mut headers = Self::with_capacity(map.len());
        // Of several headers with the same name only the first one is said to have it.
        let mut last = None;
        for (name, value) in map {
            last = name.or(last);
            headers.extend(last.clone().map(|name| (name, value)));
        }
        headers
    }
}

impl From<&Headers> for HeaderMap {
    fn from(headers: &Headers) -> Self {
        let mut map = Self::with_capacity(headers.len());
        for (name, value) in headers.to_kept() {
            map.append(name, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use http::header::{HOST, VIA};

    use super::*;

    /// Makes headers of `a: 1, b: 2`.
    fn headers(lines: &str) -> Headers {
        let lines = lines.split(", ").filter(|line| !line.is_empty());
        let pairs = lines.map(|line| line.split_once(": ").unwrap());
        pairs
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn line((name, value): (&HeaderName, Value<'_>)) -> String {
        format!("{name}: {}", value.to_str().unwrap())
    }

    fn lines(headers: &Headers) -> String {
        let lines: Vec<String> = headers.iter().map(line).collect();
        lines.join(", ")
    }

    #[test]
    fn what_is_found_is_what_came() {
        for (said, first, all) in [
            ("", None, &[][..]),
            ("via: 1, x-host: 2", None, &[]),
            ("host: 1", Some("1"), &["1"]),
            ("via: 1, host: 2, via: 3", Some("2"), &["2"]),
            ("host: 2, via: 1, host: 3", Some("2"), &["2", "3"]),
        ] {
            let headers = headers(said);
            let value = |value: Value<'_>| value.to_str().unwrap().to_owned();
            assert_eq!(headers.get(HOST).map(value).as_deref(), first, "{said}");
            assert_eq!(headers.get("Host"), headers.get(&HOST), "{said}");
            assert_eq!(headers.contains(HOST), first.is_some(), "{said}");
            let found: Vec<String> = headers.get_all(HOST).map(value).collect();
            assert_eq!(found, all, "{said}");
            let last = headers.get_all(HOST).next_back().map(value);
            assert_eq!(last.as_deref(), all.last().copied(), "{said}");
            assert_eq!(headers.is_empty(), said.is_empty(), "{said}");
            assert_eq!(headers.len(), headers.names().count(), "{said}");
        }
    }

    #[test]
    fn what_is_changed_stays_in_its_place() {
        let value = || HeaderValue::from_static("9");
        let append: fn(&mut Headers, HeaderValue) = |headers, value| headers.append(HOST, value);
        let insert: fn(&mut Headers, HeaderValue) = |headers, value| headers.insert(HOST, value);
        let remove: fn(&mut Headers, HeaderValue) = |headers, _| headers.remove(HOST);
        let retain: fn(&mut Headers, HeaderValue) = |headers, _| headers.retain(|name| name == VIA);
        for (before, change, after) in [
            ("", append, "host: 9"),
            ("host: 1, via: 2", append, "host: 1, via: 2, host: 9"),
            ("", insert, "host: 9"),
            ("via: 1", insert, "via: 1, host: 9"),
            ("via: 1, host: 2, x: 3", insert, "via: 1, host: 9, x: 3"),
            (
                "x: 1, host: 2, via: 3, host: 4, x: 5, host: 6",
                insert,
                "x: 1, host: 9, via: 3, x: 5",
            ),
            ("", remove, ""),
            ("via: 1, x: 2", remove, "via: 1, x: 2"),
            (
                "host: 1, via: 2, host: 3, host: 4, x: 5",
                remove,
                "via: 2, x: 5",
            ),
            ("host: 1, via: 2, host: 2, via: 3", retain, "via: 2, via: 3"),
        ] {
            let mut headers = headers(before);
            change(&mut headers, value());
            assert_eq!(lines(&headers), after, "{before}");
        }
    }

    #[test]
    fn a_map_has_the_same_headers() {
        for (said, again) in [
            ("", ""),
            ("host: 1, via: 2, x: 3", "host: 1, via: 2, x: 3"),
            // A map keeps those of a name together.
            ("x: 1, via: 2, x: 3, via: 4", "x: 1, x: 3, via: 2, via: 4"),
        ] {
            let map = HeaderMap::from(&headers(said));
            assert_eq!(map.len(), headers(said).len(), "{said}");
            assert_eq!(lines(&Headers::from(map)), again, "{said}");
        }
    }

    #[test]
    fn what_is_mostly_added_finds_room() {
        let mut headers = Headers::with_capacity(2);
        let capacity = headers.list().lines.capacity();
        headers.append(HOST, HeaderValue::from_static("1"));
        let bytes = headers.list().added.capacity();
        for _ in 1..2 + ADDED {
            let value = "x".repeat(ADDED_BYTES / (2 + ADDED));
            headers.append(HOST, HeaderValue::from_str(&value).unwrap());
        }
        assert_eq!(headers.list().lines.capacity(), capacity);
        assert_eq!(headers.list().added.capacity(), bytes);
    }

    #[test]
    fn room_is_used_again_until_it_is_let_go_of() {
        Headers::let_go_of_spares();
        let spares = || SPARES.with_borrow(Vec::len);
        let few = || headers("host: 1, via: 2");
        drop((few(), few(), Headers::default()));
        assert_eq!(spares(), 2);
        let again = few();
        assert_eq!((spares(), lines(&again).as_str()), (1, "host: 1, via: 2"));
        drop(again);
        // What is unusually large would stay so for ever.
        let mut many = Headers::with_capacity(SPARE_LINES + 1);
        many.append(HOST, HeaderValue::from_static("1"));
        drop(many);
        let all: Vec<Headers> = (0..=SPARE).map(|_| few()).collect();
        drop(all);
        assert_eq!(spares(), SPARE);
        Headers::let_go_of_spares();
        assert_eq!(spares(), 0);
    }

    #[test]
    fn what_was_read_stays_where_it_is() {
        let head = Bytes::from_static(b"host: a\r\nx: b\r\n");
        let mut headers = Headers::with_capacity(2);
        headers.append_read(HOST, 6..7);
        headers.append_read(HeaderName::from_static("x"), 12..13);
        headers.were_read_from(head);
        headers.append_copy(VIA, &HOST);
        headers.append_copy(VIA, &VIA);
        headers.append_copy(VIA, &http::header::AGE);
        assert_eq!(lines(&headers), "host: a, x: b, via: a, via: a");
        assert!(headers.list().added.is_empty());
        // What is said otherwise is said otherwise in one place only.
        headers.insert(HOST, HeaderValue::from_static("c"));
        assert_eq!(lines(&headers), "host: c, x: b, via: a, via: a");
        assert_eq!(headers.get_kept("x").unwrap(), "b");
        assert_eq!(headers.get_kept(HOST).unwrap(), "c");
        assert_eq!(headers.get_kept("y"), None);
    }

    #[test]
    fn what_is_nowhere_is_nothing() {
        let far = usize::MAX;
        for (start, end) in [(13, 18), (18, 13), (17, 18), (far, far), (3, far)] {
            let place = start..end;
            let mut headers = Headers::with_capacity(1);
            headers.append_read(HOST, place.clone());
            headers.were_read_from(Bytes::from_static(b"host: a\r\nx: b\r\n"));
            assert_eq!(headers.get(HOST), Some(Value(b"")), "{place:?}");
            assert_eq!(headers.get_kept(HOST), None, "{place:?}");
        }
    }

    #[test]
    fn what_is_said_once_stays_so() {
        let mut value = HeaderValue::from_static("1");
        value.set_sensitive(true);
        let mut map = HeaderMap::new();
        map.insert(HOST, value);
        let headers = Headers::from(map);
        assert!(headers.get_kept(HOST).unwrap().is_sensitive());
        assert!(HeaderMap::from(&headers)[HOST].is_sensitive());
    }
}
