//! Users of the panel and their logins.
//!
//! ```text
//! user  = name role created memory_kib passes salt[32] hash[32]
//! login = user expires                                              (its hash is the key)
//! ```

use crate::record::{Corrupt, RecordReader, RecordWriter};
use crate::secret::SecretHash;
use crate::user::{Login, PasswordHash, Role, User};

pub(crate) fn write_user(user: &User) -> Vec<u8> {
    let mut value = Vec::with_capacity(96);
    let mut record = RecordWriter(&mut value);
    record.text(&user.name);
    record.text(user.role.name());
    record.i64(user.created_s);
    record.u64(user.password.memory_kib.into());
    record.u64(user.password.passes.into());
    record.array(&user.password.salt);
    record.array(&user.password.hash);
    value
}

pub(crate) fn read_user(id: u64, value: &[u8]) -> Result<User, Corrupt> {
    let mut record = RecordReader::new("a user", value);
    let name = record.text()?;
    let role = Role::named(&record.text()?).ok_or_else(|| record.corrupt())?;
    let created_s = record.i64()?;
    let memory_kib = u32::try_from(record.u64()?).map_err(|_| record.corrupt())?;
    let passes = u32::try_from(record.u64()?).map_err(|_| record.corrupt())?;
    if !PasswordHash::is_affordable(memory_kib, passes) {
        return Err(record.corrupt());
    }
    let password = PasswordHash { memory_kib, passes, salt: record.array()?, hash: record.array()? };
    record.finish()?;
    Ok(User { id, name, role, password, created_s })
}

pub(crate) fn write_login(login: &Login) -> Vec<u8> {
    let mut value = Vec::with_capacity(24);
    let mut record = RecordWriter(&mut value);
    record.text(&login.user);
    record.i64(login.expires_s);
    value
}

pub(crate) fn read_login(key: &[u8], value: &[u8]) -> Result<Login, Corrupt> {
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
    fn users_and_logins_round_trip_and_every_truncation_is_corrupt() {
        let password = PasswordHash::of("correct horse battery").expect("long enough");
        let user = User { id: 3, name: "bob".into(), role: Role::Viewer, password, created_s: -1 };
        let value = write_user(&user);
        assert_eq!(read_user(3, &value).expect("written"), user);
        assert!((0..value.len()).all(|length| read_user(3, &value[..length]).is_err()));
        let hash = SecretHash::of("x");
        let login = Login { hash, user: "admin".into(), expires_s: 9 };
        let value = write_login(&login);
        assert_eq!(read_login(&hash.0, &value).expect("written"), login);
        assert!(read_login(&hash.0[1..], &value).is_err());
    }
}
