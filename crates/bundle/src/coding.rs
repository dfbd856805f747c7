//! In which coding a file is sent, by what the client accepts.

use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderValue};

/// How a file can be coded on its way, beside being sent as it is. The best one comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Brotli,
    Zstd,
    Gzip,
}

impl Coding {
    pub(crate) const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    pub(crate) fn value(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// Returns the extension of files that are coded like this.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }
}

/// Returns the codings that the client accepts, the one that it likes best first; of equals, the one
/// that is best. A client that says nothing gets files as they are.
pub(crate) fn accepted(headers: &HeaderMap) -> Vec<Coding> {
    let said: Vec<(&str, u16)> = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(weighed)
        .collect();
    let quality = |names: &[&str]| {
        let is_one = |name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        let named = said.iter().find(|(name, _)| is_one(name));
        named.map(|(_, quality)| *quality)
    };
    let any = quality(&["*"]);
    // What is not named is acceptable as it is, so a coding has to be liked at least as much.
    let plain = quality(&["identity"]).unwrap_or(0);
    let mut accepted: Vec<(Coding, u16)> = Coding::ALL
        .into_iter()
        .filter_map(|coding| {
            let names: &[&str] = match coding {
                Coding::Gzip => &["gzip", "x-gzip"],
                Coding::Brotli | Coding::Zstd => &[coding.name()],
            };
            let quality = quality(names).or(any)?;
            (quality > 0 && quality >= plain).then_some((coding, quality))
        })
        .collect();
    // Stable: equals stay in the order of `Coding::ALL`.
    accepted.sort_by_key(|(_, quality)| std::cmp::Reverse(*quality));
    accepted.into_iter().map(|(coding, _)| coding).collect()
}

/// Whether the client asks for pages: it names their type, as browsers do for what they show.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let values = headers.get_all(http::header::ACCEPT).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(weighed)
        .any(|(name, quality)| {
            quality > 0
                && (name.eq_ignore_ascii_case("text/html")
                    || name.eq_ignore_ascii_case("application/xhtml+xml"))
        })
}

/// Reads one entry of a list, such as `gzip;q=0.5`: its name, and its quality in thousandths.
fn weighed(entry: &str) -> Option<(&str, u16)> {
    let mut parts = entry.split(';');
    let name = parts.next()?.trim();
    let mut quality = 1000;
    for part in parts {
        let Some((key, value)) = part.split_once('=') else {
            continue;
        };
        if key.trim().eq_ignore_ascii_case("q") {
            quality = thousandths(value.trim())?;
        }
    }
    (!name.is_empty()).then_some((name, quality))
}

/// Reads a quality (RFC 9110, 12.4.2): `0` to `1` with up to three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let are_digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits || !matches!(whole, "0" | "1") {
        return None;
    }
    let value: u16 = format!("{whole}{fraction:0<3}").parse().ok()?;
    (value <= 1000).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: http::HeaderName, values: &[&'static str]) -> HeaderMap {
        let values = values
            .iter()
            .map(|value| (name.clone(), HeaderValue::from_static(value)));
        values.collect()
    }

    #[test]
    fn the_client_chooses_and_the_better_one_decides_between_equals() {
        for (values, expected) in [
            (&[][..], ""),
            (&[""], ""),
            (&["identity"], ""),
            (&["gzip"], "gzip"),
            (&["x-gzip"], "gzip"),
            (&["gzip, deflate, br, zstd"], "br zstd gzip"),
            (&["gzip", "br"], "br gzip"),
            (&["GZIP;Q=1.0"], "gzip"),
            (&["gzip;q=1, br;q=0.9"], "gzip br"),
            (&["br;q=0, gzip"], "gzip"),
            (&["*"], "br zstd gzip"),
            (&["*;q=0.5, gzip"], "gzip br zstd"),
            (&["*, br;q=0"], "zstd gzip"),
            (&["identity;q=1, *;q=0"], ""),
            (&["identity;q=1, gzip;q=0.5"], ""),
            (&["identity;q=0, gzip;q=0.5"], "gzip"),
            (&["gzip;q=2, br;q=x, zstd;q=0.0001"], ""),
            (&["gzip;q=0.001"], "gzip"),
            (&[";q=1,,"], ""),
        ] {
            let accepted = accepted(&said(ACCEPT_ENCODING, values));
            let names: Vec<&str> = accepted.into_iter().map(Coding::name).collect();
            assert_eq!(names.join(" "), expected, "{values:?}");
        }
    }

    #[test]
    fn only_who_names_pages_wants_one() {
        for (accept, expected) in [
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                true,
            ),
            ("application/json, Text/HTML;q=0.1", true),
            ("text/html;q=0", false),
            ("*/*", false),
            ("text/*", false),
            ("application/json", false),
        ] {
            let headers = said(http::header::ACCEPT, &[accept]);
            assert_eq!(wants_page(&headers), expected, "{accept}");
        }
        assert!(!wants_page(&HeaderMap::new()));
    }
}
