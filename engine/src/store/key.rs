//! Column families and keys, all on one screen. Names and layouts are on disk and therefore for ever.
//!
//! | family | key | value |
//! | --- | --- | --- |
//! | `default` | `checkpoint` | commit number up to which `latest` is complete |
//! | `default` | `next_server_id`, `next_token_id`, `next_enrol_token_id` | the id given out next |
//! | `log` | commit number `u64` BE, shard `u8` | [`super::log`]: the reports of one shard in one commit |
//! | `latest` | server id `u64` BE | [`super::latest`]: newest sample, progress of outboxes |
//! | `hosts` | server id `u64` BE | [`super::hosts`]: facts, address, country |
//! | `servers` | server id `u64` BE | [`super::servers`]: name, tag, credential hash |
//! | `tokens` | token id `u64` BE | [`super::tokens`]: API token |
//! | `enrol_tokens` | token id `u64` BE | [`super::tokens`]: enrolment token |
//! | `logins` | SHA-256 of the cookie | [`super::tokens`]: panel login |

pub(crate) const LOG: &str = "log";
pub(crate) const LATEST: &str = "latest";
pub(crate) const HOSTS: &str = "hosts";
pub(crate) const SERVERS: &str = "servers";
pub(crate) const TOKENS: &str = "tokens";
pub(crate) const ENROL_TOKENS: &str = "enrol_tokens";
pub(crate) const LOGINS: &str = "logins";

pub(crate) const FAMILIES: [&str; 7] = [LOG, LATEST, HOSTS, SERVERS, TOKENS, ENROL_TOKENS, LOGINS];

pub(crate) const CHECKPOINT: &[u8] = b"checkpoint";
pub(crate) const NEXT_SERVER_ID: &[u8] = b"next_server_id";
pub(crate) const NEXT_TOKEN_ID: &[u8] = b"next_token_id";
pub(crate) const NEXT_ENROL_TOKEN_ID: &[u8] = b"next_enrol_token_id";

pub(crate) fn id_key(id: u64) -> [u8; 8] {
    id.to_be_bytes()
}

pub(crate) fn id_of(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

pub(crate) fn log_key(commit: u64, shard: u8) -> [u8; 9] {
    let mut key = [shard; 9];
    key[..8].copy_from_slice(&commit.to_be_bytes());
    key
}

pub(crate) fn commit_of(log_key: &[u8]) -> Option<u64> {
    let (commit, shard) = log_key.split_first_chunk::<8>()?;
    (shard.len() == 1).then(|| u64::from_be_bytes(*commit))
}
