//! The registry's tables in memory, for every look-up.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::secret::SecretHash;
use crate::slot::Slot;
use crate::token::Token;
use crate::user::{Login, Role, User};

/// Every server, by each of its names.
#[derive(Default)]
pub(super) struct Servers {
    pub(super) by_id: BTreeMap<u64, Arc<Slot>>,
    pub(super) by_credential: HashMap<SecretHash, Arc<Slot>>,
}

impl Servers {
    pub(super) fn highest_id(&self) -> Option<u64> {
        self.by_id.last_key_value().map(|(id, _)| *id)
    }

    pub(super) fn insert(&mut self, slot: Arc<Slot>) {
        let credential = slot.record.read().credential;
        self.by_credential.insert(credential, Arc::clone(&slot));
        self.by_id.insert(slot.id, slot);
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Arc<Slot>> {
        let slot = self.by_id.remove(&id)?;
        let credential = slot.record.read().credential;
        self.by_credential.remove(&credential);
        Some(slot)
    }

    /// The same server, under another credential.
    pub(super) fn rekey(&mut self, old: &SecretHash, new: SecretHash, slot: &Arc<Slot>) {
        self.by_credential.remove(old);
        self.by_credential.insert(new, Arc::clone(slot));
    }
}

/// A token with the time of its last use, which is stored now and then.
pub(super) struct KeptToken {
    pub(super) token: Token,
    pub(super) last_used_s: AtomicI64,
}

/// Means "never" in [`KeptToken::last_used_s`].
const NEVER: i64 = i64::MIN;

impl KeptToken {
    pub(super) fn current(&self) -> Token {
        let last_used_s = self.last_used_s.load(Ordering::Relaxed);
        Token { last_used_s: (last_used_s != NEVER).then_some(last_used_s), ..self.token.clone() }
    }
}

impl From<Token> for KeptToken {
    fn from(token: Token) -> Self {
        Self { last_used_s: AtomicI64::new(token.last_used_s.unwrap_or(NEVER)), token }
    }
}

/// Inserts or replaces a token. A known token keeps its last use, which may be newer.
pub(super) fn insert_token(tokens: &mut HashMap<SecretHash, KeptToken>, token: Token) {
    match tokens.get_mut(&token.hash) {
        Some(kept) => kept.token = token,
        None => drop(tokens.insert(token.hash, token.into())),
    }
}

/// Users by id, and their logins by the hash of the cookie.
pub(super) struct Users {
    pub(super) by_id: BTreeMap<u64, User>,
    pub(super) logins: HashMap<SecretHash, KeptLogin>,
    /// Logins that ended while writes failed, so that they are still on disk: at most
    /// [`LOGINS_MAX`](crate::limits::LOGINS_MAX).
    ended_on_disk: HashSet<SecretHash>,
}

/// A login whose end moves with each use, and is stored now and then.
pub(super) struct KeptLogin {
    pub(super) user: String,
    pub(super) expires_s: AtomicI64,
    /// Its newest expiry is not on disk.
    pub(super) is_renewed: AtomicBool,
    /// It is on disk, perhaps with an older expiry. In a cluster all hubs have it then.
    pub(super) is_stored: bool,
}

impl Users {
    pub(super) fn new(users: Vec<User>, logins: Vec<Login>) -> Self {
        let logins = logins.into_iter().map(|login| (login.hash, KeptLogin::from(&login)));
        let by_id = users.into_iter().map(|user| (user.id, user)).collect();
        Self { by_id, logins: logins.collect(), ended_on_disk: HashSet::new() }
    }

    pub(super) fn named(&self, name: &str) -> Option<&User> {
        self.by_id.values().find(|user| user.name == name)
    }

    /// Hashes of the logins for which `is_over` holds.
    pub(super) fn logins_where(&self, is_over: impl Fn(&SecretHash, &KeptLogin) -> bool) -> Vec<SecretHash> {
        self.logins.iter().filter(|(hash, login)| is_over(hash, login)).map(|(hash, _)| *hash).collect()
    }

    /// Hashes of logins that ended, even if they are still on disk.
    pub(super) fn ended_on_disk(&self) -> impl Iterator<Item = &SecretHash> {
        self.ended_on_disk.iter()
    }

    pub(super) fn insert(&mut self, user: User) {
        self.by_id.insert(user.id, user);
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.by_id.remove(&id);
    }

    /// Inserts a login. A known login keeps its expiry, which may be later by now.
    pub(super) fn insert_login(&mut self, login: &Login, is_stored: bool) {
        match self.logins.get_mut(&login.hash) {
            Some(kept) => kept.is_stored |= is_stored,
            None => {
                let kept = KeptLogin { is_stored, is_renewed: (!is_stored).into(), ..KeptLogin::from(login) };
                self.logins.insert(login.hash, kept);
            }
        }
    }

    /// Ends a login in memory. `is_stored` says whether its end is on disk.
    pub(super) fn end_login(&mut self, hash: &SecretHash, is_stored: bool) {
        let was_on_disk = self.logins.remove(hash).is_some_and(|login| login.is_stored);
        if is_stored {
            self.ended_on_disk.remove(hash);
        } else if was_on_disk {
            self.ended_on_disk.insert(*hash);
        }
    }

    /// Logins that are not on disk.
    pub(super) fn unstored(&self) -> impl Iterator<Item = Login> {
        let unstored = self.logins.iter().filter(|(_, login)| !login.is_stored);
        unstored.map(|(hash, login)| Login {
            hash: *hash,
            user: login.user.clone(),
            expires_s: login.expires_s.load(Ordering::Relaxed),
        })
    }

    /// Ends logins of a user that are not on disk.
    pub(super) fn end_unstored_of(&mut self, name: &str) {
        self.logins.retain(|_, login| login.is_stored || login.user != name);
    }

    pub(super) fn is_last_admin(&self, id: u64) -> bool {
        let mut admins = self.by_id.values().filter(|user| user.role == Role::Admin);
        admins.next().is_some_and(|user| user.id == id) && admins.next().is_none()
    }
}

impl From<&Login> for KeptLogin {
    fn from(login: &Login) -> Self {
        let (user, expires_s) = (login.user.clone(), AtomicI64::new(login.expires_s));
        Self { user, expires_s, is_renewed: AtomicBool::new(false), is_stored: true }
    }
}
