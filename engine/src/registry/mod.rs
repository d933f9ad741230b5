//! Servers, tokens, users: who there is and who may. In memory for every look-up, on disk before any change counts.

mod api_tokens;
mod enrol_tokens;
mod servers;
#[cfg(test)]
mod tests;
mod users;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::error::ChangeError;
use crate::secret::SecretHash;
use crate::slot::{Slot, Status};
use crate::store::{Changes, Store, StoreError, key, servers as stored_servers, tokens, users as stored_users};
use crate::token::EnrolToken;
use crate::waits;
use api_tokens::KeptToken;
use servers::Servers;
use users::Users;

/// Who there is and who may.
pub(crate) struct Registry {
    servers: RwLock<Servers>,
    tokens: RwLock<HashMap<SecretHash, KeptToken>>,
    enrol_tokens: RwLock<HashMap<SecretHash, EnrolToken>>,
    users: RwLock<Users>,
    /// Held from the first check of a change to its last effect, so that changes follow one another. The locks above are for
    /// readers, some of them loops: they are held to look and to swap, never over a write.
    next_ids: Mutex<NextIds>,
    /// Counts changes of servers.
    version: AtomicU64,
}

#[derive(Clone, Copy)]
struct NextIds {
    server: u64,
    token: u64,
    enrol_token: u64,
    user: u64,
}

impl Registry {
    /// Reads the registry; `status_of` gives what was recovered of a server.
    pub(crate) fn load(store: &Store, mut status_of: impl FnMut(u64) -> Status) -> Result<Self, StoreError> {
        let mut servers = Servers::default();
        for record in store.scan_ids(key::SERVERS, stored_servers::read)? {
            let status = status_of(record.id);
            servers.insert(Arc::new(Slot::new(record, status)));
        }
        let tokens = store.scan_ids(key::TOKENS, tokens::read_token)?;
        let enrol_tokens = store.scan_ids(key::ENROL_TOKENS, tokens::read_enrol_token)?;
        let users = store.scan_ids(key::USERS, stored_users::read_user)?;
        let mut logins = Vec::new();
        store.scan(key::LOGINS, &[], &mut |key, value| {
            logins.push(stored_users::read_login(key, value)?);
            Ok(())
        })?;
        // Above all that there are, even where the numbers themselves were lost.
        let next = |stored: &'static [u8], highest: Option<u64>| {
            Ok::<u64, StoreError>(store.number(stored)?.max(highest.unwrap_or(0).saturating_add(1)))
        };
        let next_ids = NextIds {
            server: next(key::NEXT_SERVER_ID, servers.highest_id())?,
            token: next(key::NEXT_TOKEN_ID, tokens.iter().map(|token| token.id).max())?,
            enrol_token: next(key::NEXT_ENROL_TOKEN_ID, enrol_tokens.iter().map(|token| token.id).max())?,
            user: next(key::NEXT_USER_ID, users.iter().map(|user| user.id).max())?,
        };
        Ok(Self {
            servers: RwLock::new(servers),
            tokens: RwLock::new(tokens.into_iter().map(|token| (token.hash, KeptToken::from(token))).collect()),
            enrol_tokens: RwLock::new(enrol_tokens.into_iter().map(|token| (token.hash, token)).collect()),
            users: RwLock::new(Users::new(users, logins)),
            next_ids: Mutex::new(next_ids),
            version: AtomicU64::new(0),
        })
    }
}

impl Registry {
    /// Rises with every change of a server, after it can be seen.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Begins a change, after the one before it. It may write while it holds this, so no reader and no loop ever takes it.
    fn changing(&self) -> MutexGuard<'_, NextIds> {
        debug_assert!(waits::are_allowed(), "a loop waits for a change");
        self.next_ids.lock()
    }

    /// Writes what is written already, to see whether the store takes anything.
    pub(crate) fn try_store(&self, store: &Store) -> Result<(), StoreError> {
        let next_ids = self.changing();
        let mut changes = Changes::default();
        changes.put_number(key::NEXT_USER_ID, next_ids.user);
        store.write_synced(&changes)
    }

    fn note_change(&self) {
        self.version.fetch_add(1, Ordering::Release);
    }
}

fn check_length(what: &'static str, text: &str, max: usize) -> Result<(), ChangeError> {
    // What has few bytes has few characters, and most texts are short.
    let found = if text.len() <= max { text.len() } else { text.chars().count() };
    if found > max { Err(ChangeError::TooLong { what, found, max }) } else { Ok(()) }
}

fn check_room(what: &'static str, found: usize, max: usize) -> Result<(), ChangeError> {
    if found >= max { Err(ChangeError::Full { what, max }) } else { Ok(()) }
}
