//! Whether the name of a file stands for its content, so that it may be kept for ever.
//!
//! Build tools put a digest into a name: `app.3f9a1c2b.js`, `index-5QW3H2ZL.js`, `index-B9aXk3Lm.js`.
//! One that is overlooked costs a question now and then, which is answered with 304. A word that is
//! taken for one costs users who see an old file for a year. So only what no person would write
//! counts: a part of the name, between dots and dashes, of at least eight letters and digits, in
//! which a letter follows a digit, and which is
//!
//! - hexadecimal in small letters, or
//! - in capitals and digits alone, or
//! - of capitals, small letters and digits that take turns at two thirds of the places at least,
//!   which in words (`OAuth2Client`, `Win32Api`) they do not.

/// The shortest digest that tools write, in characters.
const LENGTH_MIN: usize = 8;

/// Whether the file called `name` has a fingerprint in its name.
pub(crate) fn has_one(name: &str) -> bool {
    // What stands behind the last dot says what kind of file it is.
    let Some((stem, _)) = name.rsplit_once('.') else {
        return false;
    };
    stem.split(['.', '-']).any(is_one)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Capital,
    Small,
    Digit,
}

fn is_one(part: &str) -> bool {
    let kind = |c: char| match c {
        'A'..='Z' => Some(Kind::Capital),
        'a'..='z' | '_' => Some(Kind::Small),
        '0'..='9' => Some(Kind::Digit),
        _ => None,
    };
    let Some(kinds) = part.chars().map(kind).collect::<Option<Vec<Kind>>>() else {
        return false;
    };
    let has = |kind| kinds.contains(&kind);
    let pairs = || kinds.windows(2).map(|pair| (pair[0], pair[1]));
    if kinds.len() < LENGTH_MIN || !pairs().any(|(a, b)| a == Kind::Digit && b != Kind::Digit) {
        return false;
    }
    if !has(Kind::Capital) {
        return part.chars().all(|c| c.is_ascii_hexdigit());
    }
    let turns = pairs().filter(|(a, b)| a != b).count();
    !has(Kind::Small) || turns * 3 >= (kinds.len() - 1) * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_told_from_words() {
        for (name, expected) in [
            ("app.3f9a1c2b.js", true),
            ("main.3f9a1c2b.chunk.js", true),
            ("app-3f9a1c2bd4e5f607.css", true),
            ("index-B9aXk3Lm.js", true),
            ("B9aXk3Lm.js", true),
            ("chunk-5QW3H2ZL.js", true),
            ("app.3f9a1c2b.js.map", true),
            ("index.html", false),
            ("app.js", false),
            ("jquery-3.7.1.min.js", false),
            ("app-20241231.js", false),
            ("app-deadbeef.js", false),
            ("app-decade01.js", false),
            ("app-3f9a.js", false),
            ("lib-OAuth2Client.js", false),
            ("lib-Win32Api.js", false),
            ("app-Version2.js", false),
            ("index-AppLayout.js", false),
            ("i18next-http2backend.js", false),
            ("base64Decoder.js", false),
            ("sha256Worker.js", false),
            ("mp3ToWAV.js", false),
            ("utf8toJS4.js", false),
            ("3f9a1c2b", false),
            (".3f9a1c2b", false),
            ("größe-3f9a1c2b.js", true),
            ("app.3F9A1C2B.js", true),
        ] {
            assert_eq!(has_one(name), expected, "{name}");
        }
    }
}
