//! Users of the panel, and the browsers they signed in with.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use super::{Registry, check_room};
use crate::error::ChangeError;
use crate::limits::{LOGINS_MAX, USER_NAME_CHARS_MAX, USERS_MAX};
use crate::secret::{SecretHash, new_secret};
use crate::store::{Changes, Store, StoreError, key, users};
use crate::user::{LOGIN_S, Login, PasswordHash, Role, User, UserEdit};

/// How much of a login's time must have passed until a use is worth a note: not every request is a change.
const RENEW_AFTER_S: i64 = 60;

/// Users by id, and their logins by the hash of the cookie.
pub(super) struct Users {
    by_id: BTreeMap<u64, User>,
    logins: HashMap<SecretHash, KeptLogin>,
}

/// A login whose end moves with each use, and is stored now and then.
struct KeptLogin {
    user: String,
    expires_s: AtomicI64,
    is_renewed: AtomicBool,
}

impl Users {
    pub(super) fn new(users: Vec<User>, logins: Vec<Login>) -> Self {
        let logins = logins.into_iter().map(|login| (login.hash, KeptLogin::from(login)));
        Self { by_id: users.into_iter().map(|user| (user.id, user)).collect(), logins: logins.collect() }
    }

    fn named(&self, name: &str) -> Option<&User> {
        self.by_id.values().find(|user| user.name == name)
    }

    fn end_logins(&mut self, changes: &mut Changes, is_over: impl Fn(&SecretHash, &KeptLogin) -> bool) -> Ended {
        let over = self.logins.iter().filter(|(hash, login)| is_over(hash, login)).map(|(hash, _)| *hash);
        let over: Vec<SecretHash> = over.collect();
        over.iter().for_each(|hash| changes.delete(key::LOGINS, &hash.0));
        Ended(over)
    }

    fn forget(&mut self, ended: &Ended) {
        ended.0.iter().for_each(|hash| drop(self.logins.remove(hash)));
    }

    fn is_last_admin(&self, id: u64) -> bool {
        let mut admins = self.by_id.values().filter(|user| user.role == Role::Admin);
        admins.next().is_some_and(|user| user.id == id) && admins.next().is_none()
    }
}

/// Logins that end with a write.
struct Ended(Vec<SecretHash>);

impl Registry {
    /// Makes a user.
    pub(crate) fn add_user(
        &self,
        store: &Store,
        name: String,
        role: Role,
        password: PasswordHash,
        now_s: i64,
    ) -> Result<u64, ChangeError> {
        let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_.@".contains(character);
        if name.is_empty() || name.len() > USER_NAME_CHARS_MAX || !name.chars().all(is_plain) {
            return Err(ChangeError::BadUserName { found: name, max: USER_NAME_CHARS_MAX });
        }
        let mut next_ids = self.next_ids.lock();
        check_room("users", self.users.read().by_id.len(), USERS_MAX)?;
        if self.users.read().named(&name).is_some() {
            return Err(ChangeError::Exists { what: "user" });
        }
        let id = next_ids.user;
        next_ids.user += 1;
        let user = User { id, name, role, password, created_s: now_s };
        let mut changes = Changes::default();
        changes.put(key::USERS, &key::id_key(id), users::write_user(&user));
        changes.put_number(key::NEXT_USER_ID, next_ids.user);
        store.write_synced(&changes)?;
        self.users.write().by_id.insert(id, user);
        Ok(id)
    }

    /// Every user, in ascending id.
    pub(crate) fn users(&self) -> Vec<User> {
        self.users.read().by_id.values().cloned().collect()
    }

    /// The user of that name.
    pub(crate) fn user(&self, name: &str) -> Option<User> {
        self.users.read().named(name).cloned()
    }

    /// Changes a user and ends its logins, but for the one of `keep`.
    pub(crate) fn edit_user(
        &self,
        store: &Store,
        id: u64,
        edit: UserEdit,
        keep: Option<&str>,
    ) -> Result<(), ChangeError> {
        let _changing = self.next_ids.lock();
        let mut users = self.users.write();
        let mut user = users.by_id.get(&id).cloned().ok_or(ChangeError::NoUser { id })?;
        if edit.role == Some(Role::Viewer) && users.is_last_admin(id) {
            return Err(ChangeError::LastAdmin);
        }
        user.role = edit.role.unwrap_or(user.role);
        user.password = edit.password.unwrap_or(user.password);
        let mut changes = Changes::default();
        changes.put(key::USERS, &key::id_key(id), users::write_user(&user));
        let keep = keep.map(SecretHash::of);
        let ended = users.end_logins(&mut changes, |hash, login| login.user == user.name && Some(*hash) != keep);
        store.write_synced(&changes)?;
        users.forget(&ended);
        users.by_id.insert(id, user);
        Ok(())
    }

    pub(crate) fn remove_user(&self, store: &Store, id: u64) -> Result<(), ChangeError> {
        let _changing = self.next_ids.lock();
        let mut users = self.users.write();
        let name = users.by_id.get(&id).map(|user| user.name.clone()).ok_or(ChangeError::NoUser { id })?;
        if users.is_last_admin(id) {
            return Err(ChangeError::LastAdmin);
        }
        let mut changes = Changes::default();
        changes.delete(key::USERS, &key::id_key(id));
        let ended = users.end_logins(&mut changes, |_, login| login.user == name);
        store.write_synced(&changes)?;
        users.forget(&ended);
        users.by_id.remove(&id);
        Ok(())
    }

    // Logins

    /// Signs `user` in; gives the cookie's value. Logins that are over make room first.
    pub(crate) fn add_login(
        &self,
        store: &Store,
        cookie: Option<String>,
        user: String,
        now_s: i64,
    ) -> Result<String, ChangeError> {
        let _changing = self.next_ids.lock();
        let mut users = self.users.write();
        let mut changes = Changes::default();
        let over = users.end_logins(&mut changes, |_, login| login.expires_s.load(Ordering::Relaxed) <= now_s);
        check_room("logins", users.logins.len() - over.0.len(), LOGINS_MAX)?;
        let cookie = cookie.unwrap_or_else(new_secret);
        let login = Login { hash: SecretHash::of(&cookie), user, expires_s: now_s + LOGIN_S };
        changes.put(key::LOGINS, &login.hash.0, users::write_login(&login));
        store.write_synced(&changes)?;
        users.forget(&over);
        users.logins.insert(login.hash, login.into());
        Ok(cookie)
    }

    /// Who signed in with that cookie, when the login is not over at `now_s`. Each use moves its end.
    pub(crate) fn login_user(&self, cookie: &str, now_s: i64) -> Option<User> {
        let users = self.users.read();
        let login = users.logins.get(&SecretHash::of(cookie))?;
        let expires_s = login.expires_s.load(Ordering::Relaxed);
        let user = users.named(&login.user).filter(|_| expires_s > now_s)?;
        if now_s + LOGIN_S - expires_s >= RENEW_AFTER_S {
            login.expires_s.store(now_s + LOGIN_S, Ordering::Relaxed);
            login.is_renewed.store(true, Ordering::Relaxed);
        }
        Some(user.clone())
    }

    /// Ends the login of that cookie, or all of its user's.
    pub(crate) fn end_login(&self, store: &Store, cookie: &str, everywhere: bool) -> Result<(), ChangeError> {
        let _changing = self.next_ids.lock();
        let mut users = self.users.write();
        let own = SecretHash::of(cookie);
        let name = users.logins.get(&own).map(|login| login.user.clone());
        let mut changes = Changes::default();
        let ended = users.end_logins(&mut changes, |hash, login| {
            *hash == own || (everywhere && name.as_ref().is_some_and(|name| *name == login.user))
        });
        store.write_synced(&changes)?;
        users.forget(&ended);
        Ok(())
    }

    /// Stores how long logins that were used will last.
    pub(crate) fn store_renewed_logins(&self, store: &Store) -> Result<(), StoreError> {
        // No login can end meanwhile, or this would bring it back.
        let _changing = self.next_ids.lock();
        let users = self.users.read();
        let mut changes = Changes::default();
        for (hash, login) in users.logins.iter().filter(|(_, login)| login.is_renewed.swap(false, Ordering::Relaxed)) {
            let expires_s = login.expires_s.load(Ordering::Relaxed);
            let login = Login { hash: *hash, user: login.user.clone(), expires_s };
            changes.put(key::LOGINS, &hash.0, users::write_login(&login));
        }
        if changes.is_empty() { Ok(()) } else { store.write_synced(&changes) }
    }
}

impl From<Login> for KeptLogin {
    fn from(login: Login) -> Self {
        Self { user: login.user, expires_s: AtomicI64::new(login.expires_s), is_renewed: AtomicBool::new(false) }
    }
}
