//! The host and port that a request is for.

use http::header::HOST;
use http::uri::Authority;

use crate::message::{Headers, Value};

/// The host and port that a request is for, in the words of its client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Host<'h> {
    said: &'h [u8],
    name: HostName,
}

/// Where the name of the host stands in what was said: it is the beginning of it, the rest is the
/// port.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostName {
    length: usize,
}

impl<'h> Host<'h> {
    /// Understands what a request says; `None` where that is no host, or hides another one.
    ///
    /// What most say is understood at once. All else is left to who knows what a host may be.
    pub(super) fn read(said: &'h [u8]) -> Option<Self> {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_".contains(byte);
        let plain = said.iter().take_while(|byte| is_plain(byte)).count();
        let is_understood = plain > 0 && is_port(&said[plain..]);
        let length = match is_understood {
            true => plain,
            false => uncommon(said)?,
        };
        let name = HostName { length };
        Some(Self { said, name })
    }

    /// The same of what stands in the target of a request.
    pub(super) fn read_target(authority: &'h Authority) -> Option<Self> {
        Self::read(authority.as_str().as_bytes())
    }

    /// Returns the name without the port.
    pub(super) fn name(&self) -> &'h str {
        self.name.in_bytes(self.said)
    }

    /// Returns where the name stands.
    pub(super) fn place(&self) -> HostName {
        self.name
    }

    /// Returns it as it was said.
    pub(super) fn said(&self) -> &'h [u8] {
        self.said
    }
}

impl HostName {
    /// Returns it out of headers that say the host.
    pub(super) fn in_headers(self, headers: &Headers) -> &str {
        let said = headers.get(HOST).map(Value::as_bytes);
        self.in_bytes(said.unwrap_or_default())
    }

    fn in_bytes(self, said: &[u8]) -> &str {
        let name = said.get(..self.length).unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }
}

/// Returns how long the name is in what not many say: of an address of IPv6, say.
fn uncommon(said: &[u8]) -> Option<usize> {
    let authority = Authority::try_from(said).ok()?;
    let name = authority.host();
    // Who hides a name before an `@` is up to no good.
    let is_open = !authority.as_str().contains('@');
    let rest = said.strip_prefix(name.as_bytes())?;
    (is_open && is_port(rest)).then_some(name.len())
}

/// Says whether what follows the name of a host is nothing, or a port that is a number.
fn is_port(rest: &[u8]) -> bool {
    match rest {
        [] => true,
        [b':', port @ ..] => {
            let number = port.iter().try_fold(0_u16, |number, digit| {
                let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
                number.checked_mul(10)?.checked_add(digit.into())
            });
            number.is_some()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the name of the host as the whole of the rules has it.
    fn by_the_rules(said: &[u8]) -> Option<String> {
        let authority = Authority::try_from(said).ok()?;
        let rest = authority.as_str().strip_prefix(authority.host());
        let has_plain_port = match rest {
            None | Some("") => true,
            Some(rest) => rest.strip_prefix(':').is_some_and(|port| {
                let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
                is_number && (port.is_empty() || port.parse::<u16>().is_ok())
            }),
        };
        let is_open = !authority.as_str().contains('@');
        (is_open && has_plain_port).then(|| authority.host().to_owned())
    }

    fn read(said: &[u8]) -> Option<String> {
        let host = Host::read(said)?;
        assert_eq!(host.said(), said);
        Some(host.name().to_owned())
    }

    #[test]
    fn a_host_is_a_name_and_perhaps_a_port() {
        for (said, name) in [
            ("site.example", Some("site.example")),
            ("Site-1_2.example.", Some("Site-1_2.example.")),
            ("site.example:8080", Some("site.example")),
            ("site.example:", Some("site.example")),
            ("site.example:0080", Some("site.example")),
            ("site.example:00000065535", Some("site.example")),
            ("site.example:65536", None),
            ("site.example:99999999999999999999", None),
            ("site.example:+1", None),
            ("site.example:x", None),
            ("site.example:80:80", None),
            ("127.0.0.1:80", Some("127.0.0.1")),
            ("[::1]", Some("[::1]")),
            ("[::1]:80", Some("[::1]")),
            ("[::1]80", None),
            ("[::1", None),
            ("::1", None),
            (":80", Some("")),
            ("a!$&'()*+,;=~", Some("a!$&'()*+,;=~")),
            ("a%41", None),
            ("a b", None),
            ("a/b", None),
            ("a?b", None),
            ("a#b", None),
            ("user@site.example", None),
            ("site.example@", None),
            ("user:80@site.example", None),
            ("gr\u{fc}n.example", None),
            ("a\\b", None),
            ("", None),
        ] {
            assert_eq!(read(said.as_bytes()).as_deref(), name, "{said}");
            assert_eq!(by_the_rules(said.as_bytes()).as_deref(), name, "{said}");
        }
    }

    #[test]
    fn fuzzed_host() {
        crate::fuzz::fuzz("host", |input| {
            if http::HeaderValue::from_bytes(input).is_ok() {
                assert_eq!(read(input), by_the_rules(input));
            }
        });
    }
}
