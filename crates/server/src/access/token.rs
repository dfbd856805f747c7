//! Tokens: made here, and known by their hash from then on.
//!
//! A token is 256 random bits. Nobody can guess it, however fast they try, so that a plain
//! SHA-256 is what it needs to be kept as: the slow hashes for passwords make up for texts that
//! people think up. It is looked up by that hash, so that how long a comparison takes tells of
//! the hash at most, and that leads nobody to the token.

use leadsman_core::id::Digest;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};

/// What every token begins with, so that scanners of source code find one that was left there.
const PREFIX: &str = "lmt_";

/// Returns a new token.
pub(crate) fn make() -> Result<String, ring::error::Unspecified> {
    Ok(format!("{PREFIX}{}", random_hex()?))
}

/// Returns 256 random bits as digits.
pub(crate) fn random_hex() -> Result<String, ring::error::Unspecified> {
    let mut bytes = [0_u8; 32];
    SystemRandom::new().fill(&mut bytes)?;
    Ok(Digest::from_bytes(bytes).hex().to_owned())
}

/// Returns the hash by which a token is known; `None` if it is not the form of one.
pub(crate) fn hash(token: &str) -> Option<Digest> {
    let digits = token.strip_prefix(PREFIX)?;
    let is_form = digits.len() == 64
        && digits
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_form.then(|| sha256(token.as_bytes()))
}

/// Returns the SHA-256 hash of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    let hash = digest(&SHA256, bytes);
    let hash = hash.as_ref().try_into();
    Digest::from_bytes(hash.expect("a SHA-256 hash has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_are_known_by_their_hash() {
        let (one, other) = (make().unwrap(), make().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 68);
        assert_ne!(hash(&one), hash(&other));
        assert_eq!(hash(&one), hash(&one.clone()));
        let upper = one.to_uppercase();
        for bad in ["", "lmt_", "lmt_abc", &one[4..], &upper, &format!("{one}0")] {
            assert_eq!(hash(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_hash_is_the_one_that_everybody_knows() {
        assert_eq!(
            sha256(b"abc").as_str(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
