//! What is told of one request, once it is over.

use std::net::IpAddr;
use std::time::Duration;

use http::Version;

use super::Trace;

/// The longest that each text may be, in bytes; what is longer is cut off.
const TEXT_MAX: usize = 1024;

/// What is told of one request, once it is over.
#[derive(Debug)]
pub(crate) struct Entry {
    /// When it arrived, in nanoseconds since 1970.
    pub(crate) arrived_ns: u64,
    /// How long it took until its head was answered.
    pub(crate) first_byte: Option<Duration>,
    /// How long it took until all was over.
    pub(crate) duration: Duration,
    /// The status of the answer; `None` where the client left before there was one.
    pub(crate) status: Option<u16>,
    /// How the answer ended.
    pub(crate) end: End,
    pub(crate) client: IpAddr,
    pub(crate) version: Version,
    pub(crate) is_encrypted: bool,
    pub(crate) attempts: u32,
    /// Bytes of the bodies.
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) trace: Option<Trace>,
    /// Whether it is to be a line of the access log.
    pub(crate) is_logged: bool,
    texts: Texts,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All of it was passed on.
    Complete,
    /// The client left before that.
    ClientLeft,
    /// The instance broke off.
    BrokeOff,
}

/// All texts behind one another, so that an entry takes one piece of memory.
#[derive(Debug, Default)]
struct Texts {
    all: String,
    ends: [u32; TEXTS],
}

/// The texts of an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Text {
    Id,
    Method,
    Host,
    Path,
    Query,
    Agent,
    Reason,
    Service,
    Side,
    Instance,
}

const TEXTS: usize = 10;

/// What an entry is made with, text by text, in the order of [`Text`]. An empty one is none.
pub(crate) type Said<'a> = [&'a [u8]; TEXTS];

impl Entry {
    /// Returns an entry of nothing but these texts, to be filled in.
    pub(crate) fn new(client: IpAddr, said: Said<'_>) -> Self {
        Self {
            arrived_ns: 0,
            first_byte: None,
            duration: Duration::ZERO,
            status: None,
            end: End::Complete,
            client,
            version: Version::HTTP_11,
            is_encrypted: false,
            attempts: 0,
            bytes_in: 0,
            bytes_out: 0,
            trace: None,
            is_logged: false,
            texts: Texts::of(said),
        }
    }

    /// Returns its place in a trace, if it is to be a span.
    pub(crate) fn sampled(&self) -> Option<&Trace> {
        self.trace.as_ref().filter(|trace| trace.is_sampled)
    }

    /// Returns a text, if it is there.
    pub(crate) fn text(&self, text: Text) -> Option<&str> {
        let at = text as usize;
        let from = at
            .checked_sub(1)
            .map_or(0, |before| self.texts.ends[before]);
        let range = from as usize..self.texts.ends[at] as usize;
        self.texts.all.get(range).filter(|text| !text.is_empty())
    }
}

impl Texts {
    fn of(said: Said<'_>) -> Self {
        let length = said.iter().map(|text| text.len().min(TEXT_MAX)).sum();
        let mut all = String::with_capacity(length);
        let ends = said.map(|text| {
            // Cut before it is looked at: nobody makes this cost more than it may.
            let text = &text[..text.len().min(TEXT_MAX)];
            all.push_str(&String::from_utf8_lossy(text));
            u32::try_from(all.len()).unwrap_or(u32::MAX)
        });
        Self { all, ends }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_apart_and_cut_off() {
        let long = "x".repeat(5000);
        let mut said: Said<'_> = [b""; TEXTS];
        said[Text::Id as usize] = b"7";
        said[Text::Path as usize] = long.as_bytes();
        said[Text::Agent as usize] = b"\xff\xfe";
        said[Text::Instance as usize] = b"web-0";
        let entry = Entry::new(IpAddr::from([127, 0, 0, 1]), said);
        assert_eq!(entry.text(Text::Id), Some("7"));
        assert_eq!(entry.text(Text::Method), None);
        assert_eq!(entry.text(Text::Path).map(str::len), Some(TEXT_MAX));
        assert_eq!(entry.text(Text::Agent), Some("\u{fffd}\u{fffd}"));
        assert_eq!(entry.text(Text::Instance), Some("web-0"));
    }
}
