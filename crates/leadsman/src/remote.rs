//! A control that is reached over the network: where it is, and with what token.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use leadsman_api::{Remote, Secret};

use crate::codes::Code;
use crate::failure::Failure;

/// The variable that holds a token. A token is no argument: everybody on the machine sees those.
const VARIABLE: &str = "LEADSMAN_TOKEN";

/// The longest file that is read as a token, in bytes.
const TOKEN_BYTES_MAX: u64 = 4_096;

/// Returns the control at `url`, with the token that was given: in the environment, in a file, or
/// in the one that is kept for it.
pub(crate) fn find(url: &str, token_file: Option<&Path>) -> Result<Remote, Failure> {
    let given = std::env::var(VARIABLE)
        .ok()
        .filter(|token| !token.is_empty());
    let token = match (given, token_file) {
        (Some(token), _) => Some(Secret(token.trim().to_owned())),
        (None, Some(file)) => Some(read(file, "token")?),
        (None, None) => match kept(url) {
            Some(file) if file.exists() => Some(read(&file, "token")?),
            Some(_) | None => None,
        },
    };
    Remote::new(url, token).map_err(|error| {
        Failure::of(Code::NoSuchServer, &error).hint("name it like `https://leadsman.example:7070`")
    })
}

/// Returns the file in which a token for `url` is kept.
pub(crate) fn kept(url: &str) -> Option<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.filter(|path| path.is_absolute());
    let config =
        config.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")))?;
    let name: String = url
        .trim_end_matches('/')
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '_'
            }
        })
        .collect();
    Some(config.join("leadsman").join("tokens").join(name))
}

/// Reads a token or another secret from a file that nobody else may read.
pub(crate) fn read(path: &Path, kind: &str) -> Result<Secret, Failure> {
    let failed = |why: &str| {
        let what = format!("the {kind} in `{}` cannot be used: {why}", path.display());
        Failure::new(Code::TokenUnusable, what)
    };
    let file = fs::File::open(path).map_err(|error| {
        Failure::new(
            Code::TokenUnusable,
            format!("failed to read the {kind} in `{}`", path.display()),
        )
        .because(&error)
    })?;
    let metadata = file
        .metadata()
        .map_err(|error| failed(&error.to_string()))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(failed("others may read it").hint(format!(
            "take that from them with `chmod 600 {}`, and use another one if they may have seen it",
            path.display()
        )));
    }
    let mut text = String::new();
    file.take(TOKEN_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|error| failed(&error.to_string()))?;
    let token = text.trim();
    if token.is_empty() {
        return Err(failed("it is empty"));
    }
    Ok(Secret(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_from_a_file_that_is_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for (text, mode, expected) in [
            ("lmt_a\n", 0o600, Ok("lmt_a")),
            ("lmt_a", 0o400, Ok("lmt_a")),
            ("lmt_a", 0o640, Err("others may read it")),
            ("lmt_a", 0o604, Err("others may read it")),
            ("\n", 0o600, Err("it is empty")),
        ] {
            drop(fs::remove_file(&path));
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match (read(&path, "token"), expected) {
                (Ok(token), Ok(expected)) => assert_eq!(token.0, expected),
                (Err(failure), Err(why)) => {
                    assert!(failure.message.contains(why), "{failure:?}");
                    assert!(!failure.to_text().contains("lmt_"));
                }
                other => panic!("{text:?} {mode:o}: {other:?}"),
            }
        }
    }

    #[test]
    fn each_server_has_a_file_of_its_own() {
        let name = |url| kept(url).unwrap().file_name().unwrap().to_owned();
        assert_eq!(name("https://a.example:1/"), "https___a.example_1");
        assert_ne!(name("https://a.example:1"), name("https://a.example:2"));
    }
}
