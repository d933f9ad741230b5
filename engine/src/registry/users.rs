//! Users of the panel, and the browsers they signed in with.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use super::{Registry, check_room};
use crate::error::ChangeError;
use crate::limits::{LOGINS_MAX, USER_NAME_CHARS_MAX, USERS_MAX};
use crate::secret::{SecretHash, new_secret};
use crate::store::{Changes, Store, StoreError, key, users};
use crate::user::{LOGIN_S, Login, NewLogin, PasswordHash, Role, User, UserEdit};

/// How much of a login's time must have passed until a use is worth a note: not every request is a change.
const RENEW_AFTER_S: i64 = 60;

/// Users by id, and their logins by the hash of the cookie.
pub(super) struct Users {
    by_id: BTreeMap<u64, User>,
    logins: HashMap<SecretHash, KeptLogin>,
    /// Logins that ended while the disk did not take it: no more than were stored, which is [`LOGINS_MAX`].
    ended_on_disk: HashSet<SecretHash>,
}

/// A login whose end moves with each use, and is stored now and then.
struct KeptLogin {
    user: String,
    expires_s: AtomicI64,
    /// The disk has it as it was before.
    is_renewed: AtomicBool,
    /// The disk has it at all.
    is_stored: bool,
}

impl Users {
    pub(super) fn new(users: Vec<User>, logins: Vec<Login>) -> Self {
        let logins = logins.into_iter().map(|login| (login.hash, KeptLogin::from(login)));
        let by_id = users.into_iter().map(|user| (user.id, user)).collect();
        Self { by_id, logins: logins.collect(), ended_on_disk: HashSet::new() }
    }

    fn named(&self, name: &str) -> Option<&User> {
        self.by_id.values().find(|user| user.name == name)
    }

    /// The logins for which `is_over` holds; `changes` ends them on disk, and those that it does not know to be ended.
    fn ending(&self, changes: &mut Changes, is_over: impl Fn(&SecretHash, &KeptLogin) -> bool) -> Vec<SecretHash> {
        let over = self.logins.iter().filter(|(hash, login)| is_over(hash, login)).map(|(hash, _)| *hash);
        let over: Vec<SecretHash> = over.collect();
        over.iter().chain(&self.ended_on_disk).for_each(|hash| changes.delete(key::LOGINS, &hash.0));
        over
    }

    /// Ends logins in memory. `is_stored` says whether the disk took what [`Users::ending`] had for it.
    fn end(&mut self, ended: &[SecretHash], is_stored: bool) {
        for hash in ended {
            if self.logins.remove(hash).is_some_and(|login| login.is_stored) {
                self.ended_on_disk.insert(*hash);
            }
        }
        if is_stored {
            self.ended_on_disk.clear();
        }
    }

    fn is_last_admin(&self, id: u64) -> bool {
        let mut admins = self.by_id.values().filter(|user| user.role == Role::Admin);
        admins.next().is_some_and(|user| user.id == id) && admins.next().is_none()
    }
}

/// Changes are checked under the lock for changes, written without the lock for readers, and then made visible under it: a
/// reader never waits for the disk.
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
        let mut next_ids = self.changing();
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
        let _changing = self.changing();
        let mut changes = Changes::default();
        let (user, ended) = {
            let users = self.users.read();
            let mut user = users.by_id.get(&id).cloned().ok_or(ChangeError::NoUser { id })?;
            if edit.role == Some(Role::Viewer) && users.is_last_admin(id) {
                return Err(ChangeError::LastAdmin);
            }
            user.role = edit.role.unwrap_or(user.role);
            user.password = edit.password.unwrap_or(user.password);
            let keep = keep.map(SecretHash::of);
            let ended = users.ending(&mut changes, |hash, login| login.user == user.name && Some(*hash) != keep);
            (user, ended)
        };
        changes.put(key::USERS, &key::id_key(id), users::write_user(&user));
        store.write_synced(&changes)?;
        let mut users = self.users.write();
        users.end(&ended, true);
        users.by_id.insert(id, user);
        Ok(())
    }

    pub(crate) fn remove_user(&self, store: &Store, id: u64) -> Result<(), ChangeError> {
        let _changing = self.changing();
        let mut changes = Changes::default();
        let ended = {
            let users = self.users.read();
            let name = users.by_id.get(&id).map(|user| user.name.as_str()).ok_or(ChangeError::NoUser { id })?;
            if users.is_last_admin(id) {
                return Err(ChangeError::LastAdmin);
            }
            users.ending(&mut changes, |_, login| login.user == name)
        };
        changes.delete(key::USERS, &key::id_key(id));
        store.write_synced(&changes)?;
        let mut users = self.users.write();
        users.end(&ended, true);
        users.by_id.remove(&id);
        Ok(())
    }

    // Logins. A disk that takes nothing keeps nobody from signing in to see why, nor from signing out.

    /// Signs `user` in. Logins that are over make room first.
    pub(crate) fn add_login(
        &self,
        store: &Store,
        cookie: Option<String>,
        user: String,
        now_s: i64,
    ) -> Result<NewLogin, ChangeError> {
        let _changing = self.changing();
        let mut changes = Changes::default();
        let over = {
            let users = self.users.read();
            if users.named(&user).is_none() {
                // Removed since it was looked up: its login must not wait for the next user of that name.
                return Err(ChangeError::NoUserNamed { name: user });
            }
            let over = users.ending(&mut changes, |_, login| login.expires_s.load(Ordering::Relaxed) <= now_s);
            check_room("logins", users.logins.len() - over.len(), LOGINS_MAX)?;
            over
        };
        let cookie = cookie.unwrap_or_else(new_secret);
        let login = Login { hash: SecretHash::of(&cookie), user, expires_s: now_s + LOGIN_S };
        changes.put(key::LOGINS, &login.hash.0, users::write_login(&login));
        let is_stored = store.write_synced(&changes).is_ok();
        let mut users = self.users.write();
        users.end(&over, is_stored);
        users.logins.insert(login.hash, KeptLogin { is_stored, is_renewed: (!is_stored).into(), ..login.into() });
        Ok(NewLogin { cookie, is_stored })
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

    /// Ends the login of that cookie, or all of its user's. Whether the disk has it too.
    pub(crate) fn end_login(&self, store: &Store, cookie: &str, everywhere: bool) -> bool {
        let _changing = self.changing();
        let mut changes = Changes::default();
        let ended = {
            let users = self.users.read();
            let own = SecretHash::of(cookie);
            let name = users.logins.get(&own).map(|login| login.user.as_str());
            users.ending(&mut changes, |hash, login| *hash == own || (everywhere && name == Some(login.user.as_str())))
        };
        // Ended in memory first: whoever signs out need not wait for a slow disk to be signed out.
        self.users.write().end(&ended, false);
        let is_stored = changes.is_empty() || store.write_synced(&changes).is_ok();
        self.users.write().end(&[], is_stored);
        is_stored
    }

    /// Stores what the disk does not have of logins: how long those that were used will last, those that were made and those
    /// that ended while it took nothing.
    pub(crate) fn store_logins(&self, store: &Store) -> Result<(), StoreError> {
        // No login can end meanwhile, or this would bring it back.
        let _changing = self.changing();
        let mut changes = Changes::default();
        let renewed: Vec<Login> = {
            let users = self.users.read();
            users.ending(&mut changes, |_, _| false);
            let is_renewed = |login: &KeptLogin| login.is_renewed.swap(false, Ordering::Relaxed);
            let renewed = users.logins.iter().filter(|(_, login)| is_renewed(login)).map(|(hash, login)| {
                let expires_s = login.expires_s.load(Ordering::Relaxed);
                Login { hash: *hash, user: login.user.clone(), expires_s }
            });
            renewed.collect()
        };
        renewed.iter().for_each(|login| changes.put(key::LOGINS, &login.hash.0, users::write_login(login)));
        if changes.is_empty() {
            return Ok(());
        }
        let written = store.write_synced(&changes);
        let mut users = self.users.write();
        for Login { hash, .. } in &renewed {
            if let Some(kept) = users.logins.get_mut(hash) {
                kept.is_stored |= written.is_ok();
                *kept.is_renewed.get_mut() |= written.is_err();
            }
        }
        users.end(&[], written.is_ok());
        written
    }
}

impl From<Login> for KeptLogin {
    fn from(login: Login) -> Self {
        let (user, expires_s) = (login.user, AtomicI64::new(login.expires_s));
        Self { user, expires_s, is_renewed: AtomicBool::new(false), is_stored: true }
    }
}
