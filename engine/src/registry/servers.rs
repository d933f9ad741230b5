//! Watched servers, and how an agent becomes one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use windfire_wire::RefuseReason;

use super::{NextIds, Registry, check_length, check_room};
use crate::error::{ChangeError, Credentialed, Refusal};
use crate::limits::{NAME_CHARS_MAX, NOTE_CHARS_MAX, SERVERS_MAX};
use crate::secret::{SecretHash, new_secret};
use crate::server::{NewServer, ServerEdit, ServerRecord};
use crate::slot::{Slot, Status};
use crate::store::{Changes, Store, key, servers, tokens};
use crate::token::{EnrolToken, Enrolment, is_over};

/// Shortest credential that an agent may bring to its own enrolment.
const CREDENTIAL_BYTES_MIN: usize = 32;

/// Every server, by each of its names.
#[derive(Default)]
pub(super) struct Servers {
    by_id: BTreeMap<u64, Arc<Slot>>,
    by_credential: HashMap<SecretHash, Arc<Slot>>,
}

impl Registry {
    pub(crate) fn slot(&self, id: u64) -> Option<Arc<Slot>> {
        self.servers.read().by_id.get(&id).cloned()
    }

    pub(crate) fn slot_by_credential(&self, credential: &str) -> Option<Arc<Slot>> {
        self.servers.read().by_credential.get(&SecretHash::of(credential)).cloned()
    }

    /// Every server, in ascending id.
    pub(crate) fn slots(&self) -> Vec<Arc<Slot>> {
        self.servers.read().by_id.values().cloned().collect()
    }

    pub(crate) fn server_count(&self) -> usize {
        self.servers.read().by_id.len()
    }

    pub(crate) fn add_server(&self, store: &Store, new: NewServer, now_s: i64) -> Result<Credentialed, ChangeError> {
        let credential = new_secret();
        let mut next_ids = self.changing();
        let mut changes = Changes::default();
        let count = self.server_count();
        let slot = put_server(&mut next_ids, &mut changes, new, (count, SecretHash::of(&credential)), now_s)?;
        store.write_synced(&changes)?;
        let id = slot.id;
        self.servers.write().insert(slot);
        self.note_change();
        Ok(Credentialed { id, credential })
    }

    pub(crate) fn edit_server(
        &self,
        store: &Store,
        id: u64,
        edit: ServerEdit,
    ) -> Result<Arc<ServerRecord>, ChangeError> {
        let _changing = self.changing();
        let slot = self.slot(id).ok_or(ChangeError::NoServer { id })?;
        let mut record = ServerRecord::clone(&slot.record.read());
        if edit.version.is_some_and(|seen| seen != servers::version(&record)) {
            return Err(ChangeError::Changed { what: "server", id });
        }
        record.name = edit.name.unwrap_or(record.name);
        record.tag = edit.tag.unwrap_or(record.tag);
        record.note = edit.note.unwrap_or(record.note);
        record.display_index = edit.display_index.unwrap_or(record.display_index);
        record.hide_for_guest = edit.hide_for_guest.unwrap_or(record.hide_for_guest);
        record.country = edit.country.unwrap_or(record.country);
        check_texts(&record.name, &record.tag, &record.note, &record.country)?;
        replace(store, &slot, record)?;
        self.note_change();
        Ok(Arc::clone(&slot.record.read()))
    }

    /// Gives all of these servers a tag in one write, or changes none.
    pub(crate) fn retag_servers(&self, store: &Store, ids: &[u64], tag: &str) -> Result<(), ChangeError> {
        check_length("tag", tag, NAME_CHARS_MAX)?;
        let _changing = self.changing();
        let slots = self.slots_of(ids)?;
        let mut changes = Changes::default();
        let retag = |slot: Arc<Slot>| {
            let record = ServerRecord { tag: tag.to_owned(), ..ServerRecord::clone(&slot.record.read()) };
            changes.put(key::SERVERS, &key::id_key(slot.id), servers::write(&record));
            (slot, Arc::new(record))
        };
        let retagged: Vec<(Arc<Slot>, Arc<ServerRecord>)> = slots.into_iter().map(retag).collect();
        store.write_synced(&changes)?;
        retagged.into_iter().for_each(|(slot, record)| *slot.record.write() = record);
        self.note_change();
        Ok(())
    }

    fn slots_of(&self, ids: &[u64]) -> Result<Vec<Arc<Slot>>, ChangeError> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().map(|id| self.slot(id).ok_or(ChangeError::NoServer { id })).collect()
    }

    /// Gives the server a new credential; the agent with the old one is refused from now on.
    pub(crate) fn rotate_credential(&self, store: &Store, id: u64) -> Result<Credentialed, ChangeError> {
        let _changing = self.changing();
        let slot = self.slot(id).ok_or(ChangeError::NoServer { id })?;
        let credential = new_secret();
        let mut record = ServerRecord::clone(&slot.record.read());
        let old = std::mem::replace(&mut record.credential, SecretHash::of(&credential));
        let new = record.credential;
        replace(store, &slot, record)?;
        {
            let mut servers = self.servers.write();
            servers.by_credential.remove(&old);
            servers.by_credential.insert(new, Arc::clone(&slot));
        }
        slot.kick(RefuseReason::BadCredential);
        Ok(Credentialed { id, credential })
    }

    /// Forgets all of these servers in one write, or none.
    pub(crate) fn remove_servers(&self, store: &Store, ids: &[u64]) -> Result<(), ChangeError> {
        let _changing = self.changing();
        let slots = self.slots_of(ids)?;
        let mut changes = Changes::default();
        for slot in &slots {
            for family in [key::SERVERS, key::HOSTS, key::LATEST] {
                changes.delete(family, &key::id_key(slot.id));
            }
        }
        store.write_synced(&changes)?;
        {
            let mut servers = self.servers.write();
            for slot in &slots {
                servers.by_id.remove(&slot.id);
                let credential = slot.record.read().credential;
                servers.by_credential.remove(&credential);
            }
        }
        self.note_change();
        for slot in slots {
            slot.status.lock().is_removed = true;
            slot.kick(RefuseReason::BadCredential);
        }
        Ok(())
    }

    /// Whether an agent may wait for its enrolment, as far as can be said without a write: so that who has no token, or one
    /// that is used up, takes no place of those who have.
    pub(crate) fn check_enrolment(&self, wish: &Enrolment, now_s: i64) -> Result<(), Refusal> {
        if wish.credential.len() < CREDENTIAL_BYTES_MIN {
            return Err(Refusal::new(
                RefuseReason::BadCredential,
                format!("credential for enrolment has {} bytes, needs {CREDENTIAL_BYTES_MIN}", wish.credential.len()),
            ));
        }
        usable(self.enrol_tokens.read().get(&SecretHash::of(&wish.token)), now_s).map(|_| ())
    }

    /// Makes the servers of agents that bring credentials of their own and enrolment tokens: one for each credential that is
    /// new, all in one write. The server of each request, or why there is none.
    pub(crate) fn enrol(&self, store: &Store, wishes: &[Enrolment], now_s: i64) -> Vec<Result<u64, Refusal>> {
        let mut next_ids = self.changing();
        let mut batch = EnrolBatch::default();
        let mut results: Vec<Result<u64, Refusal>> =
            wishes.iter().map(|wish| self.put_enrolment(&mut next_ids, &mut batch, wish, now_s)).collect();
        let EnrolBatch { mut changes, made, tokens } = batch;
        if made.is_empty() {
            return results;
        }
        for token in tokens.values() {
            changes.put(key::ENROL_TOKENS, &key::id_key(token.id), tokens::write_enrol_token(token));
        }
        if let Err(error) = store.write_synced(&changes) {
            let refusal = full(&error.into());
            let is_made = |id: &u64| made.values().any(|slot| slot.id == *id);
            let failed = results.iter_mut().filter(|result| result.as_ref().is_ok_and(is_made));
            failed.for_each(|result| *result = Err(refusal.clone()));
            return results;
        }
        self.enrol_tokens.write().extend(tokens);
        {
            let mut servers = self.servers.write();
            made.into_values().for_each(|slot| servers.insert(slot));
        }
        self.note_change();
        results
    }

    /// Puts one server into the batch, unless its credential has one.
    fn put_enrolment(
        &self,
        next_ids: &mut NextIds,
        batch: &mut EnrolBatch,
        wish: &Enrolment,
        now_s: i64,
    ) -> Result<u64, Refusal> {
        let credential = SecretHash::of(&wish.credential);
        let known = self.servers.read().by_credential.get(&credential).map(|slot| slot.id);
        if let Some(id) = known.or_else(|| batch.made.get(&credential).map(|slot| slot.id)) {
            return Ok(id);
        }
        self.check_enrolment(wish, now_s)?;
        let hash = SecretHash::of(&wish.token);
        // As the requests before in the batch left it.
        let token = batch.tokens.get(&hash).cloned().or_else(|| self.enrol_tokens.read().get(&hash).cloned());
        let token = usable(token.as_ref(), now_s)?;
        let token = EnrolToken { uses_left: token.uses_left.map(|uses| uses - 1), ..token.clone() };
        let new = NewServer { name: wish.name.clone(), tag: token.tag.clone(), ..NewServer::default() };
        let count = self.server_count() + batch.made.len();
        let slot =
            put_server(next_ids, &mut batch.changes, new, (count, credential), now_s).map_err(|error| full(&error))?;
        let id = slot.id;
        batch.tokens.insert(hash, token);
        batch.made.insert(credential, slot);
        Ok(id)
    }
}

/// Servers that one write will make, by credential, and what it leaves of their tokens.
#[derive(Default)]
struct EnrolBatch {
    changes: Changes,
    made: HashMap<SecretHash, Arc<Slot>>,
    tokens: HashMap<SecretHash, EnrolToken>,
}

fn usable(token: Option<&EnrolToken>, now_s: i64) -> Result<&EnrolToken, Refusal> {
    let refused = |why: &str| Refusal::new(RefuseReason::BadEnrolToken, format!("enrolment token is {why}"));
    let token = token.ok_or_else(|| refused("unknown"))?;
    if is_over(token.expires_s, now_s) {
        return Err(refused("expired"));
    }
    if token.uses_left == Some(0) { Err(refused("used up")) } else { Ok(token) }
}

fn full(error: &ChangeError) -> Refusal {
    Refusal::new(RefuseReason::Full, error.to_string())
}

/// Puts a new server into `changes`. `count` is how many there are without it.
fn put_server(
    next_ids: &mut NextIds,
    changes: &mut Changes,
    new: NewServer,
    (count, credential): (usize, SecretHash),
    now_s: i64,
) -> Result<Arc<Slot>, ChangeError> {
    check_texts(&new.name, &new.tag, &new.note, &new.country)?;
    check_room("servers", count, SERVERS_MAX)?;
    let id = next_ids.server;
    // An id is used up even if the write fails: a failed write may still have reached the disk.
    next_ids.server += 1;
    let NewServer { name, tag, note, display_index, hide_for_guest, country } = new;
    let record =
        ServerRecord { id, name, tag, note, display_index, hide_for_guest, country, credential, created_s: now_s };
    changes.put(key::SERVERS, &key::id_key(id), servers::write(&record));
    changes.put_number(key::NEXT_SERVER_ID, next_ids.server);
    Ok(Arc::new(Slot::new(record, Status::default())))
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
}

fn replace(store: &Store, slot: &Slot, record: ServerRecord) -> Result<(), ChangeError> {
    let mut changes = Changes::default();
    changes.put(key::SERVERS, &key::id_key(slot.id), servers::write(&record));
    store.write_synced(&changes)?;
    *slot.record.write() = Arc::new(record);
    Ok(())
}

fn check_texts(name: &str, tag: &str, note: &str, country: &str) -> Result<(), ChangeError> {
    check_length("name", name, NAME_CHARS_MAX)?;
    check_length("tag", tag, NAME_CHARS_MAX)?;
    check_length("note", note, NOTE_CHARS_MAX)?;
    let is_code = country.is_empty() || (country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_lowercase()));
    if is_code { Ok(()) } else { Err(ChangeError::BadCountry { found: country.to_owned() }) }
}
