//! The time in which a certificate is valid, read from its bytes (X.509 in DER, RFC 5280).
//!
//! ```text
//! certificate = SEQUENCE { signed = SEQUENCE { [0] version?, INTEGER serial, SEQUENCE algorithm, SEQUENCE issuer,
//!               SEQUENCE { from, to }, … }, … }
//! ```

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
/// Bytes of a length: no certificate is longer than four of them can say.
const LENGTH_BYTES_MAX: usize = 4;

/// From when on and until when a certificate is valid, Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from_s: i64,
    pub(super) to_s: i64,
}

/// `None` if the bytes are no certificate.
pub(super) fn validity(der: &[u8]) -> Option<Validity> {
    let (certificate, _) = value(der, SEQUENCE)?;
    let (signed, _) = value(certificate, SEQUENCE)?;
    let rest = value(signed, VERSION).map_or(signed, |(_, rest)| rest);
    let (_serial, rest) = value(rest, INTEGER)?;
    let (_algorithm, rest) = value(rest, SEQUENCE)?;
    let (_issuer, rest) = value(rest, SEQUENCE)?;
    let (times, _) = value(rest, SEQUENCE)?;
    let (from_s, rest) = time(times)?;
    let (to_s, _) = time(rest)?;
    Some(Validity { from_s, to_s })
}

/// The content of the first value, which must have that tag, and the bytes after it.
fn value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, mut rest) = rest.split_first().filter(|_| *found == tag)?;
    let mut length = usize::from(*first);
    if length >= 0x80 {
        let (bytes, after) = rest.split_at_checked(length & 0x7f)?;
        if bytes.is_empty() || bytes.len() > LENGTH_BYTES_MAX {
            return None;
        }
        length = bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte));
        rest = after;
    }
    rest.split_at_checked(length)
}

/// A time, Unix seconds, and the bytes after it.
fn time(der: &[u8]) -> Option<(i64, &[u8])> {
    if let Some((text, rest)) = value(der, GENERALIZED_TIME) {
        return Some((seconds(text)?, rest));
    }
    let (text, rest) = value(der, UTC_TIME)?;
    // Two digits of the year: 50 to 99 are of the last century.
    let century: &[u8] = if *text.first()? >= b'5' { b"19" } else { b"20" };
    Some((seconds(&[century, text].concat())?, rest))
}

/// Unix seconds of a time that is written as `YYYYMMDDHHMMSSZ`.
fn seconds(text: &[u8]) -> Option<i64> {
    let digits = text.strip_suffix(b"Z").filter(|digits| digits.len() == 14)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |from: usize, to: usize| digits[from..to].iter().fold(0, |n, digit| n * 10 + i64::from(*digit - b'0'));
    let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // A year begins in March here, so that the day that may be missing is its last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719,468 days lie between the first of March of year 0 and 1970.
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + number(8, 10) * 3600 + number(10, 12) * 60 + number(12, 14))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(from: (i32, u8, u8), to: (i32, u8, u8)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["hub.example".to_owned()]).expect("a name");
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(to.0, to.1, to.2);
        params.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate").der().to_vec()
    }

    #[test]
    fn the_days_of_a_certificate_are_read() {
        // 1975 and 2026 have two digits of their year, 4096 has four.
        let made = validity(&certificate((1975, 1, 1), (4096, 1, 1)));
        assert_eq!(made, Some(Validity { from_s: 157_766_400, to_s: 67_090_118_400 }));
        let made = validity(&certificate((2024, 2, 29), (2026, 3, 1)));
        assert_eq!(made, Some(Validity { from_s: 1_709_164_800, to_s: 1_772_323_200 }));
    }

    #[test]
    fn times_are_read_to_the_second() {
        assert_eq!(seconds(b"20261127070509Z"), Some(1_795_763_109));
        assert_eq!(seconds(b"19700101000000Z"), Some(0));
        let cut = ["", "Z", "20261127070509", "2026112707050Z"];
        for odd in cut.into_iter().chain(["20261327070509Z", "20260027070509Z", "2026112707x509Z"]) {
            assert_eq!(seconds(odd.as_bytes()), None, "{odd}");
        }
    }

    #[test]
    fn bytes_that_are_cut_or_changed_are_no_fault() {
        let whole = certificate((2020, 1, 1), (2030, 1, 1));
        for length in 0..whole.len() {
            assert_eq!(validity(&whole[..length]), None, "cut after {length} bytes");
        }
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] = 0xff;
            let _any_answer = validity(&changed);
        }
        assert_eq!(validity(&[SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(validity(&[SEQUENCE, 0x80]), None);
    }
}
