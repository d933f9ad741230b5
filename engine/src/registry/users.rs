//! Users of the panel, and the browsers they signed in with.

use std::sync::atomic::Ordering;

use super::Registry;
use super::change::Change;
use super::ids::IdKind;
use super::tables::Users;
use crate::error::{ChangeError, check_room};
use crate::limits::{LOGINS_MAX, USER_NAME_CHARS_MAX, USERS_MAX};
use crate::secret::{SecretHash, new_secret};
use crate::store::StoreError;
use crate::user::{LOGIN_S, Login, NewLogin, PasswordHash, Role, User, UserEdit};

/// How much of a login's time must have passed until a use is stored, so that not every request is a write.
const RENEW_AFTER_S: i64 = 60;

/// A change is checked under the lock for changes, written without the lock for readers, and then made visible under
/// it: a reader never waits for the disk.
impl Registry {
    /// Creates a user of the panel and returns its id.
    ///
    /// # Errors
    /// A bad name or one that is taken, too many users, a failed write.
    pub fn add_user(&self, name: String, role: Role, password: PasswordHash, now_s: i64) -> Result<u64, ChangeError> {
        let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_.@".contains(character);
        if name.is_empty() || name.len() > USER_NAME_CHARS_MAX || !name.chars().all(is_plain) {
            return Err(ChangeError::BadUserName { found: name, max: USER_NAME_CHARS_MAX });
        }
        let mut changing = self.changing();
        check_room("users", self.users.read().by_id.len(), USERS_MAX)?;
        if self.users.read().named(&name).is_some() {
            return Err(ChangeError::Exists { what: "user" });
        }
        let id = changing.take_id(IdKind::User);
        let next_id = changing.next_id(IdKind::User);
        changing.carry_out(vec![Change::User(User { id, name, role, password, created_s: now_s }), next_id])?;
        Ok(id)
    }

    /// Every user of the panel, in ascending id.
    pub fn users(&self) -> Vec<User> {
        self.users.read().by_id.values().cloned().collect()
    }

    /// The user of that name.
    pub fn user(&self, name: &str) -> Option<User> {
        self.users.read().named(name).cloned()
    }

    /// Changes a user and ends its logins, but for the one of the cookie `keep`.
    ///
    /// # Errors
    /// No such user, the last administrator, a failed write.
    pub fn edit_user(&self, id: u64, edit: UserEdit, keep: Option<&str>) -> Result<(), ChangeError> {
        let changing = self.changing();
        let changes = {
            let users = self.users.read();
            let mut user = users.by_id.get(&id).cloned().ok_or(ChangeError::NoUser { id })?;
            if edit.role == Some(Role::Viewer) && users.is_last_admin(id) {
                return Err(ChangeError::LastAdmin);
            }
            user.role = edit.role.unwrap_or(user.role);
            user.password = edit.password.unwrap_or(user.password);
            let keep = keep.map(SecretHash::of);
            let over = users.logins_where(|hash, login| login.user == user.name && Some(*hash) != keep);
            let mut changes = endings(&users, &over);
            changes.push(Change::User(user));
            changes
        };
        Ok(changing.carry_out(changes)?)
    }

    /// Removes a user and ends its logins.
    ///
    /// # Errors
    /// As [`Registry::edit_user`].
    pub fn remove_user(&self, id: u64) -> Result<(), ChangeError> {
        let changing = self.changing();
        let changes = {
            let users = self.users.read();
            let name = users.by_id.get(&id).map(|user| user.name.as_str()).ok_or(ChangeError::NoUser { id })?;
            if users.is_last_admin(id) {
                return Err(ChangeError::LastAdmin);
            }
            let mut changes = endings(&users, &users.logins_where(|_, login| login.user == name));
            changes.push(Change::UserRemoved(id));
            changes
        };
        Ok(changing.carry_out(changes)?)
    }

    // Logins. A disk that fails must not keep users from signing in to see why, nor from signing out.

    /// Signs the user of that name in to the panel, with the given `cookie` or a new one. A login that cannot be
    /// written is kept in memory. [`Registry::store_uses`] stores it later.
    ///
    /// # Errors
    /// No such user, too many logins.
    pub fn add_login(&self, cookie: Option<String>, user: String, now_s: i64) -> Result<NewLogin, ChangeError> {
        let changing = self.changing();
        let (over, mut changes) = {
            let users = self.users.read();
            if users.named(&user).is_none() {
                // Removed since it was looked up: its login must not become one of the next user of that name.
                return Err(ChangeError::NoUserNamed { name: user });
            }
            let over = users.logins_where(|_, login| login.expires_s.load(Ordering::Relaxed) <= now_s);
            check_room("logins", users.logins.len() - over.len(), LOGINS_MAX)?;
            let changes = endings(&users, &over);
            (over, changes)
        };
        let cookie = cookie.unwrap_or_else(new_secret);
        let login = Login { hash: SecretHash::of(&cookie), user, expires_s: now_s + LOGIN_S };
        changes.push(Change::Login(login.clone()));
        let is_stored = changing.carry_out(changes).is_ok();
        if !is_stored {
            let mut users = self.users.write();
            over.iter().for_each(|hash| users.end_login(hash, false));
            users.insert_login(&login, false);
        }
        Ok(NewLogin { cookie, is_stored })
    }

    /// The user who signed in with that cookie. `None` if the login has expired. Each use extends it.
    pub fn login_user(&self, cookie: &str, now_s: i64) -> Option<User> {
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

    /// Ends the login of that cookie, or all logins of its user, at once. Returns whether that is on disk too. If not,
    /// [`Registry::store_uses`] writes it later, and only a start before that would bring the logins back.
    pub fn end_login(&self, cookie: &str, everywhere: bool) -> bool {
        let changing = self.changing();
        let over = {
            let users = self.users.read();
            let own = SecretHash::of(cookie);
            let name = users.logins.get(&own).map(|login| login.user.as_str());
            users.logins_where(|hash, login| *hash == own || (everywhere && name == Some(login.user.as_str())))
        };
        // Ended in memory first: signing out does not wait for a slow disk.
        let changes = {
            let mut users = self.users.write();
            let changes = endings(&users, &over);
            over.iter().for_each(|hash| users.end_login(hash, false));
            changes
        };
        changing.carry_out(changes).is_ok()
    }

    /// Stores the changes of logins that are not on disk: the new expiry of used ones, and those that were created or
    /// ended while writes failed.
    pub(super) fn store_logins(&self) -> Result<(), StoreError> {
        // No login can end under this lock. Otherwise this write would bring it back.
        let changing = self.changing();
        let (renewed, changes) = {
            let users = self.users.read();
            let renewed = users.logins_where(|_, login| login.is_renewed.swap(false, Ordering::Relaxed));
            let login = |hash: &SecretHash| {
                let kept = users.logins.get(hash)?;
                let expires_s = kept.expires_s.load(Ordering::Relaxed);
                Some(Change::Login(Login { hash: *hash, user: kept.user.clone(), expires_s }))
            };
            let mut changes = endings(&users, &[]);
            changes.extend(renewed.iter().filter_map(login));
            (renewed, changes)
        };
        let written = changing.carry_out(changes);
        if written.is_err() {
            let users = self.users.read();
            let renewed = renewed.iter().filter_map(|hash| users.logins.get(hash));
            renewed.for_each(|login| login.is_renewed.store(true, Ordering::Relaxed));
        }
        written
    }
}

/// Ends these logins on disk, and those whose end is not on disk yet.
fn endings(users: &Users, over: &[SecretHash]) -> Vec<Change> {
    over.iter().chain(users.ended_on_disk()).map(|hash| Change::LoginEnded(*hash)).collect()
}
