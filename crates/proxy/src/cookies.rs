//! Finding a cookie in the head of a request.

use http::header::COOKIE;

use crate::message::Headers;

/// Returns the value of the first cookie of this name.
pub(crate) fn find<'h>(headers: &'h Headers, name: &str) -> Option<&'h [u8]> {
    let lines = headers.get_all(COOKIE);
    // HTTP/2 clients may send each cookie in a line of its own.
    let mut pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.find_map(|pair| {
        let rest = pair.trim_ascii().strip_prefix(name.as_bytes())?;
        let value = rest.strip_prefix(b"=")?;
        // Quotes around it are allowed, and no part of it.
        let bare = value
            .strip_prefix(b"\"")
            .and_then(|value| value.strip_suffix(b"\""));
        Some(bare.unwrap_or(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_name_is_found() {
        for (lines, value) in [
            (&["side=a"][..], Some("a")),
            (&["x=1; side=a;y=2"], Some("a")),
            (&["x=1;  side=a==; side=b"], Some("a==")),
            (&["x=1", "side=\"a\""], Some("a")),
            (&["side="], Some("")),
            (&["side=\""], Some("\"")),
            (&["sides=a", "aside=b; Side=c", "side", ";;", ""], None),
            (&[], None),
        ] {
            let mut headers = Headers::default();
            for line in lines {
                headers.append(COOKIE, http::HeaderValue::from_static(line));
            }
            let found = find(&headers, "side");
            assert_eq!(found, value.map(str::as_bytes), "{lines:?}");
        }
    }

    #[test]
    fn fuzzed_cookies() {
        crate::fuzz::fuzz("cookies", |input| {
            let lines: Vec<&[u8]> = input
                .split(|byte| *byte == b'\n')
                .filter(|line| http::HeaderValue::from_bytes(line).is_ok())
                .collect();
            let of = |lines: &[&[u8]]| {
                let mut headers = Headers::default();
                for line in lines {
                    headers.append(COOKIE, http::HeaderValue::from_bytes(line).unwrap());
                }
                find(&headers, "side").map(<[u8]>::to_vec)
            };
            let found = of(&lines);
            // One line for all of them says the same.
            assert_eq!(of(&[&lines.join(&b"; "[..])]), found);
            if let Some(value) = found {
                assert!(!value.contains(&b';'));
                assert!(
                    lines
                        .iter()
                        .any(|line| line.windows(4).any(|name| name == b"side"))
                );
            }
        });
    }
}
