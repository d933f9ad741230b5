//! API tokens and enrolment tokens.
//!
//! ```text
//! token       = hash[32] note scopes created expires? last_used? tags           (none in stores before 3)
//! enrol token = hash[32] note tag uses_left? created expires?
//! ```

use std::sync::Arc;

use crate::record::{Corrupt, RecordReader, RecordWriter};
use crate::secret::SecretHash;
use crate::token::{EnrolToken, Scopes, Token};

pub(crate) fn write_token(token: &Token) -> Vec<u8> {
    let mut value = Vec::with_capacity(64);
    let mut record = RecordWriter(&mut value);
    record.array(&token.hash.0);
    record.text(&token.note);
    record.u8(token.scopes.bits());
    record.i64(token.created_s);
    record.option(token.expires_s);
    record.option(token.last_used_s);
    record.texts(&token.tags);
    value
}

pub(crate) fn read_token(id: u64, value: &[u8]) -> Result<Token, Corrupt> {
    let mut record = RecordReader::new("an API token", value);
    let token = Token {
        id,
        hash: SecretHash(record.array()?),
        note: record.text()?,
        scopes: Scopes::from_bits(record.u8()?).ok_or_else(|| record.corrupt())?,
        created_s: record.i64()?,
        expires_s: record.option()?,
        last_used_s: record.option()?,
        tags: if record.is_empty() { Arc::default() } else { record.texts()?.into() },
    };
    record.finish()?;
    Ok(token)
}

pub(crate) fn write_enrol_token(token: &EnrolToken) -> Vec<u8> {
    let mut value = Vec::with_capacity(64);
    let mut record = RecordWriter(&mut value);
    record.array(&token.hash.0);
    record.text(&token.note);
    record.text(&token.tag);
    record.option(token.uses_left.map(u64::cast_signed));
    record.i64(token.created_s);
    record.option(token.expires_s);
    value
}

pub(crate) fn read_enrol_token(id: u64, value: &[u8]) -> Result<EnrolToken, Corrupt> {
    let mut record = RecordReader::new("an enrolment token", value);
    let token = EnrolToken {
        id,
        hash: SecretHash(record.array()?),
        note: record.text()?,
        tag: record.text()?,
        uses_left: record.option()?.map(i64::cast_unsigned),
        created_s: record.i64()?,
        expires_s: record.option()?,
    };
    record.finish()?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_round_trip_and_every_truncation_is_corrupt() {
        let hash = SecretHash::of("x");
        let token = Token {
            id: 3,
            hash,
            note: "n".into(),
            scopes: Scopes::V0,
            created_s: 1,
            expires_s: Some(2),
            last_used_s: None,
            tags: Arc::new(["a".into(), "b c".into()]),
        };
        let value = write_token(&token);
        assert_eq!(read_token(3, &value).expect("written"), token);
        let old = &value[..value.len() - 7];
        assert_eq!(read_token(3, old).expect("as stores before 3 wrote it"), Token { tags: Arc::default(), ..token });
        let truncated = |length: &usize| *length != old.len();
        assert!((0..value.len()).filter(truncated).all(|length| read_token(3, &value[..length]).is_err()));
        let enrol = EnrolToken {
            id: 4,
            hash,
            note: String::new(),
            tag: "t".into(),
            uses_left: Some(u64::MAX),
            created_s: 1,
            expires_s: None,
        };
        let value = write_enrol_token(&enrol);
        assert_eq!(read_enrol_token(4, &value).expect("written"), enrol);
        assert!((0..value.len()).all(|length| read_enrol_token(4, &value[..length]).is_err()));
    }
}
