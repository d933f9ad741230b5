//! API tokens, enrolment tokens and panel logins.
//!
//! ```text
//! token       = hash[32] note scopes created expires? last_used?
//! enrol token = hash[32] note tag uses_left? created expires?
//! login       = user expires                                        (its hash is the key)
//! ```

use super::StoreError;
use crate::record::{RecordReader, RecordWriter};
use crate::secret::SecretHash;
use crate::token::{EnrolToken, Login, Scopes, Token};

pub(crate) fn write_token(token: &Token) -> Vec<u8> {
    let mut value = Vec::with_capacity(64);
    let mut record = RecordWriter(&mut value);
    record.array(&token.hash.0);
    record.text(&token.note);
    record.u8(token.scopes.bits());
    record.i64(token.created_s);
    record.option(token.expires_s);
    record.option(token.last_used_s);
    value
}

pub(crate) fn read_token(id: u64, value: &[u8]) -> Result<Token, StoreError> {
    let mut record = RecordReader::new("an API token", value);
    let token = Token {
        id,
        hash: SecretHash(record.array()?),
        note: record.text()?,
        scopes: Scopes::from_bits(record.u8()?).ok_or_else(|| record.corrupt())?,
        created_s: record.i64()?,
        expires_s: record.option()?,
        last_used_s: record.option()?,
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

pub(crate) fn read_enrol_token(id: u64, value: &[u8]) -> Result<EnrolToken, StoreError> {
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

pub(crate) fn write_login(login: &Login) -> Vec<u8> {
    let mut value = Vec::with_capacity(24);
    let mut record = RecordWriter(&mut value);
    record.text(&login.user);
    record.i64(login.expires_s);
    value
}

pub(crate) fn read_login(key: &[u8], value: &[u8]) -> Result<Login, StoreError> {
    let mut record = RecordReader::new("a login", value);
    let hash = SecretHash(key.try_into().map_err(|_| record.corrupt())?);
    let login = Login { hash, user: record.text()?, expires_s: record.i64()? };
    record.finish()?;
    Ok(login)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_logins_round_trip_and_every_truncation_is_corrupt() {
        let hash = SecretHash::of("x");
        let token = Token {
            id: 3,
            hash,
            note: "n".into(),
            scopes: Scopes::V0,
            created_s: 1,
            expires_s: Some(2),
            last_used_s: None,
        };
        let value = write_token(&token);
        assert_eq!(read_token(3, &value).expect("written"), token);
        assert!((0..value.len()).all(|length| read_token(3, &value[..length]).is_err()));
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
        let login = Login { hash, user: "admin".into(), expires_s: 9 };
        let value = write_login(&login);
        assert_eq!(read_login(&hash.0, &value).expect("written"), login);
        assert!(read_login(&hash.0[1..], &value).is_err());
    }
}
