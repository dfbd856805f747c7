//! From when until when a certificate is valid: the one thing about it that no library at hand
//! says without judging it.

use std::ops::Range;

/// The tags of DER that stand on the way to the validity.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Returns from when until when the certificate `der` is valid, in seconds since 1970; `None` for
/// what is no certificate.
pub fn validity(der: &[u8]) -> Option<Range<u64>> {
    let (SEQUENCE, certificate, _) = value(der)? else {
        return None;
    };
    let (SEQUENCE, mut fields, _) = value(certificate)? else {
        return None;
    };
    if let (VERSION, _, rest) = value(fields)? {
        fields = rest;
    }
    // The serial number, the algorithm of the signature, and who issued it.
    for _ in 0..3 {
        fields = value(fields)?.2;
    }
    let (SEQUENCE, validity, _) = value(fields)? else {
        return None;
    };
    let (tag, text, rest) = value(validity)?;
    let from = seconds(tag, text)?;
    let (tag, text, _) = value(rest)?;
    Some(from..seconds(tag, text)?)
}

/// Reads one value: its tag, its content, and what comes after it.
fn value(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        // So many bytes of length follow; three of them are enough for 16 MiB.
        0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = length
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// Reads `YYMMDDhhmmssZ`, or the same with a year of four digits (RFC 5280, 4.1.2.5).
fn seconds(tag: u8, text: &[u8]) -> Option<u64> {
    let (text, Some(b'Z')) = (text.get(..text.len().checked_sub(1)?)?, text.last()) else {
        return None;
    };
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let pairs: Vec<u64> = text
        .chunks(2)
        .map(|pair| {
            pair.iter()
                .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
        })
        .collect();
    let (year, rest) = match (tag, &pairs[..]) {
        (UTC_TIME, [year, rest @ ..]) => (year + if *year < 50 { 2000 } else { 1900 }, rest),
        (GENERALIZED_TIME, [century, year, rest @ ..]) => (century * 100 + year, rest),
        _ => return None,
    };
    let &[
        month @ 1..=12,
        day @ 1..=31,
        hour @ 0..24,
        minute @ 0..60,
        second @ 0..=60,
    ] = rest
    else {
        return None;
    };
    let days = days_since_1970(year, month, day)?;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// Counts days in years that begin in March, so that a leap day is the last one of its year.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year.checked_sub(1)?, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    // The first of March of the year 0 was so many days before 1970.
    (year * 365 + leap_days + day_of_year).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn moments_are_read() {
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "261121152003Z", Some(1_795_274_403)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "20000229000000Z", Some(951_782_400)),
            (GENERALIZED_TIME, "20000301000000Z", Some(951_868_800)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (UTC_TIME, "691231235959Z", None),
            (GENERALIZED_TIME, "00000101000000Z", None),
            (UTC_TIME, "261321152003Z", None),
            (UTC_TIME, "261121242003Z", None),
            (UTC_TIME, "2611211520Z", None),
            (UTC_TIME, "26112115200xZ", None),
            (UTC_TIME, "261121152003", None),
            (UTC_TIME, "Z", None),
            (UTC_TIME, "", None),
            (0x02, "261121152003Z", None),
        ] {
            assert_eq!(seconds(tag, text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn the_validity_of_a_certificate_is_found() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["site.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 2, 29);
        params.not_after = date_time_ymd(2061, 7, 4);
        let made = params.self_signed(&key).unwrap();
        let expected = params.not_before.unix_timestamp()..params.not_after.unix_timestamp();
        let read = validity(made.der()).unwrap();
        assert_eq!((read.start, read.end), (1_582_934_400, 2_887_660_800));
        assert_eq!(
            i64::try_from(read.start).unwrap()..i64::try_from(read.end).unwrap(),
            expected
        );
    }

    #[test]
    fn what_is_cut_short_or_damaged_is_no_certificate_and_harms_nobody() {
        let made = rcgen::generate_simple_self_signed(vec!["site.example".to_owned()]).unwrap();
        let der = made.cert.der().to_vec();
        for length in 0..der.len() {
            assert_eq!(validity(&der[..length]), None, "{length}");
        }
        for at in 0..der.len() {
            for byte in [0, 0x7f, 0x80, 0x83, 0x84, 0xff] {
                let mut damaged = der.clone();
                damaged[at] = byte;
                let end_of_time = 253_402_300_800;
                let read = validity(&damaged);
                assert!(
                    read.is_none_or(|valid| valid.end <= end_of_time),
                    "{at}: {byte}"
                );
            }
        }
    }
}
