//! The changes of one verb of the registry, as a list. They are stored in one write, and then made visible in one
//! place. A failed write changes nothing, and no reader waits for the disk. In a cluster the list is proposed to the
//! registry's stream, and stored and made visible when the stream brings it.

use std::sync::Arc;

use parking_lot::MutexGuard;
use windfire_wire::RefuseReason;

use super::Registry;
use super::alerts;
use super::ids::{IdKind, NextIds};
use super::tables;
use crate::alert::AlertChange;
use crate::alert::channel::Channel;
use crate::alert::rule::Rule;
use crate::alert::silence::Silence;
use crate::error::ChangeError;
use crate::fail_point::FailPoint;
use crate::secret::SecretHash;
use crate::server::ServerRecord;
use crate::slot::Slot;
use crate::status::Status;
use crate::store::{Changes, StoreError, channels, key, rules, servers, silences, tokens, users};
use crate::token::{EnrolToken, Token};
use crate::user::{Login, User};
use crate::waits;

/// One thing that is different from now on.
pub(super) enum Change {
    /// A server, new or edited.
    Server(ServerRecord),
    ServerRemoved(u64),
    /// An API token, new or used.
    Token(Token),
    TokenRemoved {
        id: u64,
        hash: SecretHash,
    },
    /// An enrolment token, new or used.
    EnrolToken(EnrolToken),
    EnrolTokenRemoved {
        id: u64,
        hash: SecretHash,
    },
    /// A user, new or edited.
    User(User),
    UserRemoved(u64),
    /// A login, new or renewed.
    Login(Login),
    LoginEnded(SecretHash),
    /// A rule, new or edited.
    Rule(Arc<Rule>),
    RuleRemoved(u64),
    /// A channel, new or edited.
    Channel(Arc<Channel>),
    ChannelRemoved(u64),
    /// A silence, new or edited.
    Silence(Arc<Silence>),
    SilenceRemoved(u64),
    /// The lowest id of that kind that was never given out.
    NextId(IdKind, u64),
    /// Something of alerts, in a cluster.
    OfAlerts(AlertChange),
}

/// The changes of a verb, and what it returns.
pub(super) type Made<T> = Result<(Vec<Change>, T), ChangeError>;

/// The lock of a change under way: the next one waits for its end. Its holder may write to disk, so no reader and no
/// loop ever takes it.
pub(super) struct Changing<'a> {
    pub(super) registry: &'a Registry,
    pub(super) next_ids: MutexGuard<'a, NextIds>,
}

impl Changing<'_> {
    /// A new id. It is used up even if the write fails: a failed write may still have reached the disk. In a cluster it
    /// is used up when the stream has the change.
    pub(super) fn take_id(&mut self, kind: IdKind) -> u64 {
        let next = self.next_ids.of(kind);
        *next += 1;
        *next - 1
    }

    /// The change that stores the newest id.
    pub(super) fn next_id(&mut self, kind: IdKind) -> Change {
        Change::NextId(kind, *self.next_ids.of(kind))
    }

    /// Stores the changes, all in one write, and makes them visible. In a cluster only what each hub has for itself is
    /// changed so.
    ///
    /// # Errors
    /// The write failed. Nothing changed.
    pub(super) fn carry_out(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        self.store(&changes)?;
        self.apply(changes);
        Ok(())
    }

    /// Makes stored changes visible.
    pub(super) fn apply(&mut self, changes: Vec<Change>) {
        for change in &changes {
            if let Change::NextId(kind, next) = change {
                let present = self.next_ids.of(*kind);
                *present = (*present).max(*next);
            }
        }
        self.registry.apply(changes);
    }

    /// Stores the changes without making them visible, because they already are.
    pub(super) fn store(&self, changes: &[Change]) -> Result<(), StoreError> {
        let mut written = Changes::default();
        changes.iter().for_each(|change| change.put(&mut written));
        if written.is_empty() {
            return Ok(());
        }
        let store = &self.registry.store;
        store.reach(FailPoint::ChangeEncoded);
        store.write_synced(&written)?;
        store.reach(FailPoint::ChangeWritten);
        Ok(())
    }
}

impl Change {
    pub(super) fn put(&self, changes: &mut Changes) {
        match self {
            Self::Server(record) => changes.put(key::SERVERS, &key::id_key(record.id), servers::write(record)),
            Self::ServerRemoved(id) => {
                let families = [key::SERVERS, key::HOSTS, key::LATEST];
                families.into_iter().for_each(|family| changes.delete(family, &key::id_key(*id)));
            }
            Self::Token(token) => changes.put(key::TOKENS, &key::id_key(token.id), tokens::write_token(token)),
            Self::TokenRemoved { id, .. } => changes.delete(key::TOKENS, &key::id_key(*id)),
            Self::EnrolToken(token) => {
                changes.put(key::ENROL_TOKENS, &key::id_key(token.id), tokens::write_enrol_token(token));
            }
            Self::EnrolTokenRemoved { id, .. } => changes.delete(key::ENROL_TOKENS, &key::id_key(*id)),
            Self::User(user) => changes.put(key::USERS, &key::id_key(user.id), users::write_user(user)),
            Self::UserRemoved(id) => changes.delete(key::USERS, &key::id_key(*id)),
            Self::Login(login) => changes.put(key::LOGINS, &login.hash.0, users::write_login(login)),
            Self::LoginEnded(hash) => changes.delete(key::LOGINS, &hash.0),
            Self::Rule(rule) => changes.put(key::RULES, &key::id_key(rule.id), rules::write(rule)),
            Self::RuleRemoved(id) => changes.delete(key::RULES, &key::id_key(*id)),
            Self::Channel(channel) => changes.put(key::CHANNELS, &key::id_key(channel.id), channels::write(channel)),
            Self::ChannelRemoved(id) => changes.delete(key::CHANNELS, &key::id_key(*id)),
            Self::Silence(silence) => changes.put(key::SILENCES, &key::id_key(silence.id), silences::write(silence)),
            Self::SilenceRemoved(id) => changes.delete(key::SILENCES, &key::id_key(*id)),
            Self::NextId(kind, next) => changes.put_number(kind.key(), *next),
            Self::OfAlerts(change) => alerts::put(change, changes),
        }
    }
}

impl Registry {
    /// Begins a change, once the previous one has ended.
    pub(super) fn changing(&self) -> Changing<'_> {
        debug_assert!(waits::are_allowed(), "a loop waits for a change");
        Changing { registry: self, next_ids: self.next_ids.lock() }
    }

    /// Makes the changes of a verb, and returns what `make` returns with them. In a cluster `make` is called again, on
    /// the newer state, if another hub was faster: it may be called several times.
    ///
    /// # Errors
    /// Those of `make`, a failed write. In a cluster instead of a failed write: other hubs were faster, or nobody knows
    /// yet whether the change is made.
    pub(super) fn change<T>(&self, mut make: impl FnMut(&mut Changing<'_>) -> Made<T>) -> Result<T, ChangeError> {
        match &self.shared {
            None => {
                let mut changing = self.changing();
                let (changes, made) = make(&mut changing)?;
                changing.carry_out(changes)?;
                Ok(made)
            }
            Some(shared) => self.propose(shared, &mut make),
        }
    }

    fn apply(&self, changes: Vec<Change>) {
        let (mut removed, mut of_alerts) = (Vec::new(), Vec::new());
        let mut is_of_servers = false;
        for change in changes {
            match change {
                Change::Server(record) => {
                    is_of_servers = true;
                    self.apply_server(record);
                }
                Change::ServerRemoved(id) => {
                    is_of_servers = true;
                    removed.extend(self.servers.write().remove(id));
                }
                Change::Token(token) => tables::insert_token(&mut self.tokens.write(), token),
                Change::TokenRemoved { hash, .. } => drop(self.tokens.write().remove(&hash)),
                Change::EnrolToken(token) => drop(self.enrol_tokens.write().insert(token.hash, token)),
                Change::EnrolTokenRemoved { hash, .. } => drop(self.enrol_tokens.write().remove(&hash)),
                Change::User(user) => self.users.write().insert(user),
                Change::UserRemoved(id) => self.users.write().remove(id),
                Change::Login(login) => self.users.write().insert_login(&login, true),
                Change::LoginEnded(hash) => self.users.write().end_login(&hash, true),
                Change::Rule(rule) => drop(self.rules.write().insert(rule.id, rule)),
                Change::RuleRemoved(id) => drop(self.rules.write().remove(&id)),
                Change::Channel(channel) => drop(self.channels.write().insert(channel.id, channel)),
                Change::ChannelRemoved(id) => drop(self.channels.write().remove(&id)),
                Change::Silence(silence) => drop(self.silences.write().insert(silence.id, silence)),
                Change::SilenceRemoved(id) => drop(self.silences.write().remove(&id)),
                // They are under the lock for changes.
                Change::NextId(..) => {}
                Change::OfAlerts(change) => of_alerts.push(change),
            }
        }
        if let Some(shared) = self.shared.as_ref().filter(|_| !of_alerts.is_empty()) {
            shared.alerts.follow(of_alerts, shared.own);
        }
        if is_of_servers {
            self.note_change();
        }
        // Many may be removed at once, and reports wait while a shard's list is looked through.
        let ids = removed.iter().map(|slot| slot.id).collect();
        for slot in &removed {
            slot.status.lock().remove();
            slot.kick(RefuseReason::BadCredential);
        }
        self.shards.forget(&ids);
    }

    fn apply_server(&self, record: ServerRecord) {
        let Some(slot) = self.slot(record.id) else {
            return self.servers.write().insert(Arc::new(Slot::new(record, Status::default())));
        };
        let (old, new) = (slot.record.read().credential, record.credential);
        // First the record, then the session: a session that opens in between finds the new record, or is found here.
        *slot.record.write() = Arc::new(record);
        if old != new {
            self.servers.write().rekey(&old, new, &slot);
            slot.kick(RefuseReason::BadCredential);
        }
    }
}
