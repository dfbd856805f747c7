//! The headers of a message.
//!
//! They are a list, in the order in which their lines came. A head has a dozen of them: to look
//! through all costs less than to hash a name, and a list is made, added to and taken apart with
//! one allocation.

use http::{HeaderMap, HeaderName, HeaderValue};

/// How many headers are mostly added to a head on its way: who asked and by what, its name, and its
/// place in a trace.
const ADDED: usize = 8;

/// The headers of a message, in the order in which they came. Several may have the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Headers(Vec<(HeaderName, HeaderValue)>);

impl Headers {
    /// Returns none, with room for so many that come and for what is mostly added on the way.
    #[inline]
    pub(crate) fn with_capacity(lines: usize) -> Self {
        Self(Vec::with_capacity(lines + ADDED))
    }

    /// Returns how many there are; each of the same name counts.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the value of the first header of this name.
    #[inline]
    pub(crate) fn get<N>(&self, name: N) -> Option<&HeaderValue>
    where
        HeaderName: PartialEq<N>,
    {
        let found = self.0.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| value)
    }

    /// Returns the values of all headers of this name.
    #[inline]
    pub(crate) fn get_all<N>(&self, name: N) -> impl DoubleEndedIterator<Item = &HeaderValue>
    where
        HeaderName: PartialEq<N>,
    {
        let lines = self.0.iter();
        lines.filter_map(move |(other, value)| (*other == name).then_some(value))
    }

    /// Says whether there is a header of this name.
    #[inline]
    pub(crate) fn contains<N>(&self, name: N) -> bool
    where
        HeaderName: PartialEq<N>,
    {
        self.0.iter().any(|(other, _)| *other == name)
    }

    /// Adds a header behind all others.
    #[inline]
    pub(crate) fn append(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.push((name, value));
    }

    /// Puts a header in the place of the first one of its name, and takes the others of that name
    /// out; where there is none it comes behind all others.
    pub(crate) fn insert(&mut self, name: HeaderName, value: HeaderValue) {
        let mut value = Some(value);
        self.0.retain_mut(|(other, old)| {
            if *other != name {
                return true;
            }
            value.take().map(|value| *old = value).is_some()
        });
        if let Some(value) = value {
            self.append(name, value);
        }
    }

    /// Takes all headers of this name out, and returns the value of the first one.
    pub(crate) fn remove<N>(&mut self, name: N) -> Option<HeaderValue>
    where
        HeaderName: PartialEq<N>,
    {
        let mut removed = self.0.extract_if(.., |(other, _)| *other == name);
        let (_, first) = removed.next()?;
        removed.for_each(drop);
        Some(first)
    }

    /// Takes out what is not `wanted`.
    #[inline]
    pub(crate) fn retain(&mut self, mut wanted: impl FnMut(&HeaderName, &HeaderValue) -> bool) {
        self.0.retain(|(name, value)| wanted(name, value));
    }

    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// Returns the names of all headers; one that several have comes several times.
    #[inline]
    pub(crate) fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().map(|(name, _)| name)
    }
}

impl Extend<(HeaderName, HeaderValue)> for Headers {
    fn extend<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(&mut self, headers: I) {
        self.0.extend(headers);
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for Headers {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(headers: I) -> Self {
        Self(headers.into_iter().collect())
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

impl From<Headers> for HeaderMap {
    fn from(headers: Headers) -> Self {
        let mut map = Self::with_capacity(headers.len());
        for (name, value) in headers.0 {
            map.append(name, value);
        }
        map
    }
}

#[cfg(test)]
impl<N> std::ops::Index<N> for Headers
where
    HeaderName: PartialEq<N>,
{
    type Output = HeaderValue;

    fn index(&self, name: N) -> &HeaderValue {
        self.get(name).expect("a header of this name")
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

    fn line((name, value): (&HeaderName, &HeaderValue)) -> String {
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
            let value = |value: &HeaderValue| value.to_str().unwrap().to_owned();
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
        let remove: fn(&mut Headers, HeaderValue) = |headers, _| drop(headers.remove(HOST));
        let retain: fn(&mut Headers, HeaderValue) =
            |headers, _| headers.retain(|name, value| name == VIA || value == "2");
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
            ("host: 1, via: 2, host: 2, x: 3", retain, "via: 2, host: 2"),
        ] {
            let mut headers = headers(before);
            change(&mut headers, value());
            assert_eq!(lines(&headers), after, "{before}");
        }
        assert_eq!(headers("host: 1, host: 2").remove(HOST).unwrap(), "1");
        assert_eq!(headers("via: 1").remove("host"), None);
    }

    #[test]
    fn a_map_has_the_same_headers() {
        for (said, again) in [
            ("", ""),
            ("host: 1, via: 2, x: 3", "host: 1, via: 2, x: 3"),
            // A map keeps those of a name together.
            ("x: 1, via: 2, x: 3, via: 4", "x: 1, x: 3, via: 2, via: 4"),
        ] {
            let map = HeaderMap::from(headers(said));
            assert_eq!(map.len(), headers(said).len(), "{said}");
            assert_eq!(lines(&Headers::from(map)), again, "{said}");
        }
    }

    #[test]
    fn what_is_mostly_added_finds_room() {
        let mut headers = Headers::with_capacity(2);
        let capacity = headers.0.capacity();
        for _ in 0..2 + ADDED {
            headers.append(HOST, HeaderValue::from_static("1"));
        }
        assert_eq!(headers.0.capacity(), capacity);
    }
}
