//! Whom requests are made to.

use std::fmt;

use http::Uri;
use http::uri::Authority;

/// A server, by what stands in a URL before the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whether it is spoken to over TLS.
    pub secure: bool,
    /// Its name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    authority: Authority,
}

impl Target {
    /// Reads a URL; also returns its path and query. The error says how to mend it.
    pub fn parse(url: &str) -> Result<(Self, String), String> {
        const FORM: &str = "write it like `http://localhost:8080/` or `https://shop.example/cart`";
        let uri: Uri = url.parse().map_err(|_| FORM.to_owned())?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(FORM.to_owned()),
        };
        let authority = uri.authority().ok_or_else(|| FORM.to_owned())?;
        if authority.as_str().contains('@') {
            let instead =
                "names and passwords have no place in a URL: send an `authorization` header";
            return Err(instead.to_owned());
        }
        // A port that is none is passed over by others.
        let has_port = !authority.as_str().ends_with(authority.host());
        if has_port && authority.port_u16().is_none() {
            return Err(FORM.to_owned());
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        if host.is_empty() {
            return Err(FORM.to_owned());
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let target = Self {
            secure,
            host: host.to_owned(),
            port: authority
                .port_u16()
                .unwrap_or(if secure { 443 } else { 80 }),
            authority: authority.clone(),
        };
        Ok((target, path.to_owned()))
    }

    /// Returns its scheme.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// Returns its name or address, with its port where that was written.
    pub(crate) fn authority(&self) -> &str {
        self.authority.as_str()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (url, host, port, secure, path) in [
            ("http://localhost:8080", "localhost", 8080, false, "/"),
            (
                "https://shop.example/a?b=c",
                "shop.example",
                443,
                true,
                "/a?b=c",
            ),
            ("http://[::1]/x", "::1", 80, false, "/x"),
        ] {
            let (target, found) = Target::parse(url).unwrap();
            assert_eq!(
                (&*target.host, target.port, target.secure),
                (host, port, secure),
                "{url}"
            );
            assert_eq!(found, path);
        }
        for bad in [
            "",
            "localhost:8080",
            "/x",
            "ftp://x/",
            "http://",
            "http://a:b@x/",
            "http://x:99999/",
        ] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }
}
