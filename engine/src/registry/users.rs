//! Users of the panel, and the browsers they signed in with.

use std::sync::atomic::Ordering;

use super::Registry;
use super::change::Change;
use super::ids::IdKind;
use super::tables::{KeptLogin, Users};
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
        self.change(move |changing| {
            check_room("users", self.users.read().by_id.len(), USERS_MAX)?;
            if self.users.read().named(&name).is_some() {
                return Err(ChangeError::Exists { what: "user" });
            }
            let id = changing.take_id(IdKind::User);
            let user = User { id, name: name.clone(), role, password: password.clone(), created_s: now_s };
            Ok((vec![Change::User(user), changing.next_id(IdKind::User)], id))
        })
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
        let keep = keep.map(SecretHash::of);
        self.change(move |_| {
            let users = self.users.read();
            let mut user = users.by_id.get(&id).cloned().ok_or(ChangeError::NoUser { id })?;
            if edit.role == Some(Role::Viewer) && users.is_last_admin(id) {
                return Err(ChangeError::LastAdmin);
            }
            let edit = edit.clone();
            user.role = edit.role.unwrap_or(user.role);
            user.password = edit.password.unwrap_or(user.password);
            let over = users.logins_where(|hash, login| login.user == user.name && Some(*hash) != keep);
            let mut changes = endings(&users, &over);
            changes.push(Change::User(user));
            Ok((changes, ()))
        })
    }

    /// Removes a user and ends its logins.
    ///
    /// # Errors
    /// As [`Registry::edit_user`].
    pub fn remove_user(&self, id: u64) -> Result<(), ChangeError> {
        self.change(|_| {
            let users = self.users.read();
            let name = users.by_id.get(&id).map(|user| user.name.as_str()).ok_or(ChangeError::NoUser { id })?;
            if users.is_last_admin(id) {
                return Err(ChangeError::LastAdmin);
            }
            let mut changes = endings(&users, &users.logins_where(|_, login| login.user == name));
            changes.push(Change::UserRemoved(id));
            Ok((changes, ()))
        })
    }

    // Logins. A disk that fails must not keep users from signing in to see why, nor from signing out. Neither must
    // brokers that are away.

    /// Signs the user of that name in to the panel, with the given `cookie` or a new one. A login that cannot be
    /// written is kept in memory. [`Registry::store_uses`] stores it later, in a cluster [`Registry::share_logins`].
    ///
    /// # Errors
    /// No such user, too many logins.
    pub fn add_login(&self, cookie: Option<String>, user: String, now_s: i64) -> Result<NewLogin, ChangeError> {
        if self.is_shared() {
            // If that cannot be written, they end later.
            drop(self.end_expired_here(now_s));
        }
        let cookie = cookie.unwrap_or_else(new_secret);
        let login = Login { hash: SecretHash::of(&cookie), user, expires_s: now_s + LOGIN_S };
        let changed = self.change(|_| {
            let users = self.users.read();
            let mut changes = endings(&users, &self.make_room(&users, &login.user, now_s)?);
            changes.push(Change::Login(login.clone()));
            Ok((changes, ()))
        });
        match changed {
            Ok(()) => return Ok(NewLogin { cookie, is_stored: true }),
            Err(ChangeError::Store(_) | ChangeError::Overtaken | ChangeError::Undecided) => {}
            Err(error) => return Err(error),
        }
        let _changing = self.changing();
        let mut users = self.users.write();
        let over = self.make_room(&users, &login.user, now_s)?;
        over.iter().for_each(|hash| users.end_login(hash, false));
        users.insert_login(&login, false);
        Ok(NewLogin { cookie, is_stored: false })
    }

    /// The logins that end so that there is room for one of that user. In a cluster none: each hub knows of uses for
    /// itself, and what is over here may be in use on another hub.
    fn make_room(&self, users: &Users, user: &str, now_s: i64) -> Result<Vec<SecretHash>, ChangeError> {
        if users.named(user).is_none() {
            // Removed since it was looked up: its login must not become one of the next user of that name.
            return Err(ChangeError::NoUserNamed { name: user.to_owned() });
        }
        let over = if self.is_shared() { Vec::new() } else { users.logins_where(|_, login| is_expired(login, now_s)) };
        check_room("logins", users.logins.len() - over.len(), LOGINS_MAX)?;
        Ok(over)
    }

    /// Ends logins that were not used on this hub for so long that they are over here.
    fn end_expired_here(&self, now_s: i64) -> Result<(), StoreError> {
        let mut changing = self.changing();
        let over = self.users.read().logins_where(|_, login| is_expired(login, now_s));
        changing.carry_out(over.into_iter().map(Change::LoginEnded).collect())
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
    /// [`Registry::store_uses`] writes it later, and only a start before that would bring the logins back. In a cluster
    /// [`Registry::share_logins`] tells the other hubs later.
    pub fn end_login(&self, cookie: &str, everywhere: bool) -> bool {
        let ended: Vec<SecretHash> = {
            let _changing = self.changing();
            let mut users = self.users.write();
            let own = SecretHash::of(cookie);
            let name = users.logins.get(&own).map(|login| login.user.clone());
            let over =
                users.logins_where(|hash, login| *hash == own || (everywhere && name.as_ref() == Some(&login.user)));
            let ended = over.iter().chain(users.ended_on_disk()).copied().collect();
            // Ended in memory first: signing out does not wait for a slow disk.
            over.iter().for_each(|hash| users.end_login(hash, false));
            ended
        };
        self.change(|_| Ok((ended.iter().copied().map(Change::LoginEnded).collect(), ()))).is_ok()
    }

    /// In a cluster: tells the other hubs of logins that were created or ended while the brokers were away. Called now
    /// and then, by a thread that may wait for the brokers. A hub that is alone has nothing to tell.
    ///
    /// # Errors
    /// The brokers are still away. The next call tries again.
    pub fn share_logins(&self) -> Result<(), ChangeError> {
        if !self.is_shared() {
            return Ok(());
        }
        self.change(|_| {
            let users = self.users.read();
            let mut changes = endings(&users, &[]);
            changes.extend(users.unstored().map(Change::Login));
            Ok((changes, ()))
        })
    }

    /// Stores the changes of logins that are not on disk: the new expiry of used ones, and those that were created or
    /// ended while writes failed. In a cluster the latter are not this hub's alone: see [`Registry::share_logins`].
    pub(super) fn store_logins(&self) -> Result<(), StoreError> {
        let is_shared = self.is_shared();
        // No login can end under this lock. Otherwise this write would bring it back.
        let mut changing = self.changing();
        let (renewed, changes) = {
            let users = self.users.read();
            let is_renewed = |login: &KeptLogin| login.is_renewed.swap(false, Ordering::Relaxed);
            let renewed = users.logins_where(|_, login| (login.is_stored || !is_shared) && is_renewed(login));
            let login = |hash: &SecretHash| {
                let kept = users.logins.get(hash)?;
                let expires_s = kept.expires_s.load(Ordering::Relaxed);
                Some(Change::Login(Login { hash: *hash, user: kept.user.clone(), expires_s }))
            };
            let mut changes = if is_shared { Vec::new() } else { endings(&users, &[]) };
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

fn is_expired(login: &KeptLogin, now_s: i64) -> bool {
    login.expires_s.load(Ordering::Relaxed) <= now_s
}

/// Ends these logins on disk, and those whose end is not on disk yet.
fn endings(users: &Users, over: &[SecretHash]) -> Vec<Change> {
    over.iter().chain(users.ended_on_disk()).map(|hash| Change::LoginEnded(*hash)).collect()
}
