//! Servers as people made them.
//!
//! ```text
//! value = name tag note display_index hide_for_guest country credential[32] created
//! ```

use sha2::{Digest, Sha256};

use crate::record::{Corrupt, RecordReader, RecordWriter};
use crate::secret::SecretHash;
use crate::server::ServerRecord;

pub(crate) fn write(server: &ServerRecord) -> Vec<u8> {
    let mut value = Vec::with_capacity(96);
    let mut record = RecordWriter(&mut value);
    record.text(&server.name);
    record.text(&server.tag);
    record.text(&server.note);
    record.i64(server.display_index);
    record.u8(u8::from(server.hide_for_guest));
    record.text(&server.country);
    record.array(&server.credential.0);
    record.i64(server.created_s);
    value
}

impl ServerRecord {
    /// Tells this state of the server from any other, by a hash of its stored bytes. The credential has no part in it: it is
    /// not edited.
    pub fn version(&self) -> u64 {
        let value = write(&Self { credential: SecretHash([0; 32]), ..self.clone() });
        let digest = Sha256::digest(&value);
        u64::from_be_bytes(*digest.first_chunk().expect("32 bytes"))
    }
}

pub(crate) fn read(id: u64, value: &[u8]) -> Result<ServerRecord, Corrupt> {
    let mut record = RecordReader::new("a server", value);
    let server = ServerRecord {
        id,
        name: record.text()?,
        tag: record.text()?,
        note: record.text()?,
        display_index: record.i64()?,
        hide_for_guest: record.bool()?,
        country: record.text()?,
        credential: SecretHash(record.array()?),
        created_s: record.i64()?,
    };
    record.finish()?;
    Ok(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_round_trips_and_every_truncation_is_corrupt() {
        let server = ServerRecord {
            id: 9,
            name: "S<3>&\"é".into(),
            tag: "a b".into(),
            note: String::new(),
            display_index: -7,
            hide_for_guest: true,
            country: "hk".into(),
            credential: SecretHash::of("secret"),
            created_s: 1_790_000_000,
        };
        let value = write(&server);
        assert_eq!(read(9, &value).expect("written"), server);
        assert!((0..value.len()).all(|length| read(9, &value[..length]).is_err()));
    }
}
