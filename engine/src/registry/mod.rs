//! Servers, tokens, users and their rights; rules of alerts, channels and silences. They are in memory for every
//! look-up, and on disk before any change counts.

mod alerts;
mod api_tokens;
mod change;
mod channels;
mod enrol_tokens;
mod follow;
mod ids;
mod ledger;
mod message;
mod propose;
mod rules;
mod servers;
mod silences;
mod tables;
#[cfg(test)]
mod tests;
mod users;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::alert::AlertBook;
use crate::alert::channel::Channel;
use crate::alert::rule::Rule;
use crate::alert::silence::Silence;
use crate::intake::{Member, Shards};
use crate::secret::SecretHash;
use crate::slot::Slot;
use crate::status::Status;
use crate::store::{
    Store, StoreError, channels as stored_channels, key, rules as stored_rules, servers as stored_servers,
    silences as stored_silences, tokens, users as stored_users,
};
use crate::token::EnrolToken;
use ids::{IdKind, NextIds};
use ledger::Shared;
use tables::{KeptToken, Servers, Users};

pub use ledger::{FollowRegistry, Ledger, Proposal, Proposed};
#[doc(hidden)]
pub use message::{checked_registry_message, read_registry_message};

/// Servers, tokens, users and their rights; rules of alerts, channels and silences. Every change is on disk when it
/// returns: on this hub's, or in a cluster on those of the brokers.
pub struct Registry {
    store: Arc<Store>,
    /// They forget servers that are removed.
    shards: Arc<Shards>,
    servers: RwLock<Servers>,
    tokens: RwLock<HashMap<SecretHash, KeptToken>>,
    enrol_tokens: RwLock<HashMap<SecretHash, EnrolToken>>,
    users: RwLock<Users>,
    rules: RwLock<BTreeMap<u64, Arc<Rule>>>,
    channels: RwLock<BTreeMap<u64, Arc<Channel>>>,
    silences: RwLock<BTreeMap<u64, Arc<Silence>>>,
    /// Held from the first check of a change to its last effect, so that changes follow one another. The locks above
    /// are for readers, some of them loops: they are held to look and to swap, never during a write.
    next_ids: Mutex<NextIds>,
    /// Counts changes of servers.
    version: AtomicU64,
    /// In a cluster.
    shared: Option<Box<Shared>>,
}

impl Registry {
    /// Reads the registry. `status_of` returns the recovered status of a server.
    pub(crate) fn load(
        store: &Arc<Store>,
        shards: &Arc<Shards>,
        mut status_of: impl FnMut(u64) -> Status,
    ) -> Result<Self, StoreError> {
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
        let rules = store.scan_ids(key::RULES, stored_rules::read)?;
        let channels = store.scan_ids(key::CHANNELS, stored_channels::read)?;
        let silences = store.scan_ids(key::SILENCES, stored_silences::read)?;
        // Above all existing ids, even if the stored next ids were lost.
        let next = |kind: IdKind, highest: Option<u64>| {
            Ok::<u64, StoreError>(store.number(kind.key())?.max(highest.unwrap_or(0).saturating_add(1)))
        };
        let next_ids = NextIds {
            server: next(IdKind::Server, servers.highest_id())?,
            token: next(IdKind::Token, tokens.iter().map(|token| token.id).max())?,
            enrol_token: next(IdKind::EnrolToken, enrol_tokens.iter().map(|token| token.id).max())?,
            user: next(IdKind::User, users.iter().map(|user| user.id).max())?,
            rule: next(IdKind::Rule, rules.iter().map(|rule| rule.id).max())?,
            channel: next(IdKind::Channel, channels.iter().map(|channel| channel.id).max())?,
            silence: next(IdKind::Silence, silences.iter().map(|silence| silence.id).max())?,
        };
        Ok(Self {
            store: Arc::clone(store),
            shards: Arc::clone(shards),
            servers: RwLock::new(servers),
            tokens: RwLock::new(tokens.into_iter().map(|token| (token.hash, KeptToken::from(token))).collect()),
            enrol_tokens: RwLock::new(enrol_tokens.into_iter().map(|token| (token.hash, token)).collect()),
            users: RwLock::new(Users::new(users, logins)),
            rules: RwLock::new(rules.into_iter().map(|rule| (rule.id, Arc::new(rule))).collect()),
            channels: RwLock::new(channels.into_iter().map(|channel| (channel.id, Arc::new(channel))).collect()),
            silences: RwLock::new(silences.into_iter().map(|silence| (silence.id, Arc::new(silence))).collect()),
            next_ids: Mutex::new(next_ids),
            version: AtomicU64::new(0),
            shared: None,
        })
    }

    /// From now on all hubs of a cluster have this registry. This one goes on where its store ends.
    pub(crate) fn share(
        &mut self,
        own: Member,
        ledger: Arc<dyn Ledger>,
        alerts: &Arc<AlertBook>,
    ) -> Result<(), StoreError> {
        let position = self.store.number(key::FOLLOWED_REGISTRY)?;
        self.shared = Some(Box::new(Shared::new(own, ledger, Arc::clone(alerts), position)));
        Ok(())
    }
}

impl Registry {
    /// Whether all hubs of a cluster have it.
    fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// This process, if all hubs of a cluster have the registry.
    pub(crate) fn member(&self) -> Option<Member> {
        self.shared.as_ref().map(|shared| shared.own)
    }

    /// The newest message of the registry's stream of which anything can be seen here; 0 on a hub that is alone.
    pub(crate) fn begun(&self) -> u64 {
        self.shared.as_ref().map_or(0, |shared| shared.begun())
    }

    /// The newest message of the registry's stream of which everything can be seen here; 0 on a hub that is alone.
    pub(crate) fn followed(&self) -> u64 {
        self.shared.as_ref().map_or(0, |shared| shared.followed())
    }

    /// Rises with every change of a server, after it can be seen.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Writes a value that is already stored, to see whether writes succeed.
    pub(crate) fn try_store(&self) -> Result<(), StoreError> {
        let mut changing = self.changing();
        let same = changing.next_id(IdKind::User);
        changing.store(&[same])
    }

    /// Stores when API tokens and logins were last used. Called now and then, and at a graceful stop. In a cluster each
    /// hub has this for itself.
    ///
    /// # Errors
    /// The write failed.
    pub fn store_uses(&self) -> Result<(), StoreError> {
        self.store_last_used()?;
        self.store_logins()
    }

    fn note_change(&self) {
        self.version.fetch_add(1, Ordering::Release);
    }
}
