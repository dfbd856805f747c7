//! Where control is: on a socket of this machine, or at an address.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use http::Uri;
use http::uri::Scheme;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};

use crate::Secret;

/// Where control is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Socket(PathBuf),
    Remote(Remote),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Remote(remote) => f.write_str(&remote.url),
        }
    }
}

/// A control that is reached over the network.
#[derive(Clone, Debug)]
pub struct Remote {
    url: String,
    pub(super) authority: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pub(super) token: Option<Secret>,
}

/// A URL cannot be used to reach control.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{url}` is not usable as the address of a Leadsman: {why}")]
pub struct InvalidUrl {
    /// What was given.
    pub url: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Remote {
    /// Reads a URL such as `https://leadsman.example:7070`. Without TLS it has to be a loopback
    /// address: a token that travels in the open is anybody's.
    ///
    /// # Errors
    ///
    /// It is not usable.
    pub fn new(url: &str, token: Option<Secret>) -> Result<Self, InvalidUrl> {
        let invalid = |why| InvalidUrl {
            url: url.to_owned(),
            why,
        };
        let parsed: Uri = url.parse().map_err(|_| invalid("it is no URL"))?;
        let authority = parsed
            .authority()
            .ok_or_else(|| invalid("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(invalid("a user or a password does not belong there"));
        }
        if !matches!(parsed.path(), "" | "/") || parsed.query().is_some() {
            return Err(invalid("there is more behind the host"));
        }
        let host = authority.host();
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host).to_owned();
        let (tls, port) = if parsed.scheme() == Some(&Scheme::HTTPS) {
            let name = ServerName::try_from(host.clone());
            let name = name.map_err(|_| invalid("its host is no name that a certificate has"))?;
            let config = config().ok_or_else(|| invalid("this machine knows no certificates"))?;
            (Some((config, name)), 443)
        } else if parsed.scheme() == Some(&Scheme::HTTP) {
            let address = host.parse::<IpAddr>();
            if host != "localhost" && !address.is_ok_and(|address| address.is_loopback()) {
                return Err(invalid("without TLS only a loopback address is"));
            }
            (None, 80)
        } else {
            return Err(invalid("it begins neither with https:// nor with http://"));
        };
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            authority: authority.to_string(),
            port: authority.port_u16().unwrap_or(port),
            host,
            tls,
            token,
        })
    }

    /// Returns the URL.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Returns how to speak TLS with whom this machine trusts.
fn config() -> Option<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return None;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().ok()?;
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    Some(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_would_give_a_token_away_are_refused() {
        for (url, good) in [
            ("http://127.0.0.1:7070", true),
            ("http://127.0.0.1:7070/", true),
            ("http://localhost:7070", true),
            ("http://[::1]:7070", true),
            ("http://10.0.0.1:7070", false),
            ("http://leadsman.example", false),
            ("http://127.0.0.1.evil.example", false),
            ("ftp://127.0.0.1", false),
            ("127.0.0.1:7070", false),
            ("http://mia:secret@127.0.0.1", false),
            ("http://127.0.0.1/path", false),
            ("http://127.0.0.1/?a", false),
            ("", false),
        ] {
            assert_eq!(Remote::new(url, None).is_ok(), good, "{url}");
        }
        let remote = Remote::new("http://[::1]:7070/", Some(Secret("lmt_a".to_owned()))).unwrap();
        assert_eq!((remote.host.as_str(), remote.port), ("::1", 7070));
        assert_eq!(remote.url(), "http://[::1]:7070");
        assert!(!format!("{remote:?}").contains("lmt_a"));
    }
}
