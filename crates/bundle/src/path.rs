//! From the path of a request to the name of a file.

use std::borrow::Cow;

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The name of a file or a folder, relative to what is served; empty for all of it.
    pub(crate) name: String,
    /// Whether it ends with `/`: only a folder can be meant.
    pub(crate) folder: bool,
}

/// A path that no file could have: it is not percent-encoded UTF-8, or leads elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads the path of a request below `base`; `None` if it does not lie there.
pub(crate) fn asked(path: &str, base: &str) -> Result<Option<Asked>, Malformed> {
    let Some(rest) = path.strip_prefix(base.trim_end_matches('/')) else {
        return Ok(None);
    };
    if rest.is_empty() {
        let name = String::new();
        return Ok(Some(Asked {
            name,
            folder: false,
        }));
    }
    let Some(rest) = rest.strip_prefix('/') else {
        return Ok(None);
    };
    let (rest, folder) = match rest.strip_suffix('/') {
        Some(rest) => (rest, true),
        None => (rest, rest.is_empty()),
    };
    let parts: Result<Vec<_>, _> = rest.split('/').map(part).collect();
    Ok(Some(Asked {
        name: parts?.join("/"),
        folder,
    }))
}

/// Reads one part of a path. An encoded `/` separates nothing, and is in no file's name.
fn part(part: &str) -> Result<Cow<'_, str>, Malformed> {
    let part = decoded(part)?;
    let is_no_name = part.contains(|c: char| c == '/' || c == '\\' || c.is_control());
    if is_no_name || matches!(&*part, "." | "..") {
        return Err(Malformed);
    }
    Ok(part)
}

fn decoded(part: &str) -> Result<Cow<'_, str>, Malformed> {
    if !part.contains('%') {
        return Ok(Cow::Borrowed(part));
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
            return Err(Malformed);
        };
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| Malformed)?);
    }
    String::from_utf8(bytes)
        .map(Cow::Owned)
        .map_err(|_| Malformed)
}

/// Writes the name of a file or folder as a part of a URL.
pub(crate) fn encoded(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=:@".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_below_its_base() {
        let asked_for = |path, base| match asked(path, base) {
            Ok(Some(Asked { name, folder })) => format!("{name}{}", if folder { "/" } else { "" }),
            Ok(None) => "elsewhere".to_owned(),
            Err(Malformed) => "malformed".to_owned(),
        };
        for (path, base, expected) in [
            ("/", "/", "/"),
            ("/a/b.js", "/", "a/b.js"),
            ("/a/", "/", "a/"),
            ("/a%20b/%C3%B6.html", "/", "a b/ö.html"),
            ("/a+b", "/", "a+b"),
            ("*", "/", "elsewhere"),
            ("/admin", "/admin", ""),
            ("/admin/", "/admin", "/"),
            ("/admin/x", "/admin", "x"),
            ("/administrator", "/admin", "elsewhere"),
            ("/", "/admin", "elsewhere"),
            ("//a", "/", "/a"),
            ("/..", "/", "malformed"),
            ("/a/../../etc/passwd", "/", "malformed"),
            ("/%2e%2e/etc", "/", "malformed"),
            ("/.%2E/etc", "/", "malformed"),
            ("/./a", "/", "malformed"),
            ("/a%2Fb", "/", "malformed"),
            ("/a%5C..%5Cb", "/", "malformed"),
            ("/a\\b", "/", "malformed"),
            ("/a%00.js", "/", "malformed"),
            ("/a%0d%0ab", "/", "malformed"),
            ("/a%", "/", "malformed"),
            ("/a%2", "/", "malformed"),
            ("/a%zz", "/", "malformed"),
            ("/a%+1", "/", "malformed"),
            ("/%ff", "/", "malformed"),
            ("/...", "/", "..."),
        ] {
            assert_eq!(asked_for(path, base), expected, "{path} below {base}");
        }
    }

    #[test]
    fn what_is_encoded_is_read_again() {
        for name in ["a b/ö?#%.html", "plain/x-1_2.js", "a\"<>b"] {
            let path = format!("/{}", encoded(name));
            assert!(
                path.is_ascii() && !path.contains(['?', '#', ' ', '"']),
                "{path}"
            );
            assert_eq!(asked(&path, "/").unwrap().unwrap().name, name);
        }
    }
}
