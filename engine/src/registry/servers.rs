//! Watched servers, and how an agent becomes one.

use std::collections::HashMap;
use std::sync::Arc;

use windfire_wire::RefuseReason;

use super::Registry;
use super::change::{Change, Changing};
use super::ids::IdKind;
use crate::error::{ChangeError, IssuedCredential, Refusal, check_length, check_room};
use crate::limits::{ENROLMENTS_PER_MESSAGE_MAX, NAME_CHARS_MAX, NOTE_CHARS_MAX, SERVERS_MAX};
use crate::secret::{SecretHash, new_secret};
use crate::server::{NewServer, ServerEdit, ServerRecord};
use crate::slot::Slot;
use crate::token::{EnrolToken, Enrolment, is_over};

/// Shortest credential that an agent may bring to its own enrolment.
const CREDENTIAL_BYTES_MIN: usize = 32;

impl Registry {
    pub(crate) fn slot(&self, id: u64) -> Option<Arc<Slot>> {
        self.servers.read().by_id.get(&id).cloned()
    }

    pub(crate) fn slot_by_credential(&self, credential: &str) -> Option<Arc<Slot>> {
        self.servers.read().by_credential.get(&SecretHash::of(credential)).cloned()
    }

    /// The settings of the server of that id.
    pub fn server(&self, id: u64) -> Option<Arc<ServerRecord>> {
        self.slot(id).map(|slot| Arc::clone(&slot.record.read()))
    }

    /// Every server, in ascending id.
    pub(crate) fn slots(&self) -> Vec<Arc<Slot>> {
        self.servers.read().by_id.values().cloned().collect()
    }

    /// Watched servers.
    pub fn server_count(&self) -> usize {
        self.servers.read().by_id.len()
    }

    /// Creates a server. Only the answer has its credential.
    ///
    /// # Errors
    /// A text over its limit, too many servers, a failed write.
    pub fn add_server(&self, new: NewServer, now_s: i64) -> Result<IssuedCredential, ChangeError> {
        let credential = new_secret();
        let hash = SecretHash::of(&credential);
        let id = self.change(move |changing| {
            let (count, mut changes) = (self.server_count(), Vec::new());
            let id = put_server(changing, &mut changes, new.clone(), (count, hash), now_s)?;
            Ok((changes, id))
        })?;
        Ok(IssuedCredential { id, credential })
    }

    /// Changes the settings of a server, and returns the new ones.
    ///
    /// # Errors
    /// No such server, a text over its limit, a failed write.
    pub fn edit_server(&self, id: u64, edit: ServerEdit) -> Result<Arc<ServerRecord>, ChangeError> {
        let slot = self.change(move |_| {
            let slot = self.slot(id).ok_or(ChangeError::NoServer { id })?;
            let mut record = ServerRecord::clone(&slot.record.read());
            if edit.version.is_some_and(|seen| seen != record.version()) {
                return Err(ChangeError::Changed { what: "server", id });
            }
            let edit = edit.clone();
            record.name = edit.name.unwrap_or(record.name);
            record.tag = edit.tag.unwrap_or(record.tag);
            record.note = edit.note.unwrap_or(record.note);
            record.display_index = edit.display_index.unwrap_or(record.display_index);
            record.hide_for_guest = edit.hide_for_guest.unwrap_or(record.hide_for_guest);
            record.country = edit.country.unwrap_or(record.country);
            check_texts(&record.name, &record.tag, &record.note, &record.country)?;
            Ok((vec![Change::Server(record)], slot))
        })?;
        Ok(Arc::clone(&slot.record.read()))
    }

    /// Gives all of these servers a tag, or changes none.
    ///
    /// # Errors
    /// As [`Registry::edit_server`].
    pub fn retag_servers(&self, ids: &[u64], tag: &str) -> Result<(), ChangeError> {
        check_length("tag", tag, NAME_CHARS_MAX)?;
        let retag = |slot: Arc<Slot>| ServerRecord { tag: tag.to_owned(), ..ServerRecord::clone(&slot.record.read()) };
        self.change(|_| {
            let retagged = self.slots_of(ids)?.into_iter().map(retag).map(Change::Server);
            Ok((retagged.collect(), ()))
        })
    }

    fn slots_of(&self, ids: &[u64]) -> Result<Vec<Arc<Slot>>, ChangeError> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().map(|id| self.slot(id).ok_or(ChangeError::NoServer { id })).collect()
    }

    /// Gives a server a new credential and ends the session that has the old one.
    ///
    /// # Errors
    /// No such server, a failed write.
    pub fn rotate_credential(&self, id: u64) -> Result<IssuedCredential, ChangeError> {
        let credential = new_secret();
        let hash = SecretHash::of(&credential);
        self.change(|_| {
            let slot = self.slot(id).ok_or(ChangeError::NoServer { id })?;
            let record = ServerRecord { credential: hash, ..ServerRecord::clone(&slot.record.read()) };
            Ok((vec![Change::Server(record)], ()))
        })?;
        Ok(IssuedCredential { id, credential })
    }

    /// Forgets servers and ends their sessions, or forgets none. Their ids are not given out again.
    ///
    /// # Errors
    /// No such server, a failed write.
    pub fn remove_servers(&self, ids: &[u64]) -> Result<(), ChangeError> {
        self.change(|_| {
            let removed = self.slots_of(ids)?.into_iter().map(|slot| Change::ServerRemoved(slot.id));
            Ok((removed.collect(), ()))
        })
    }

    /// Checks what can be checked without a write, so that an agent without a valid token takes no place from others.
    pub(crate) fn check_enrolment(&self, wish: &Enrolment, now_s: i64) -> Result<(), Refusal> {
        if wish.credential.len() < CREDENTIAL_BYTES_MIN {
            return Err(Refusal::new(
                RefuseReason::BadCredential,
                format!("credential for enrolment has {} bytes, needs {CREDENTIAL_BYTES_MIN}", wish.credential.len()),
            ));
        }
        usable(self.enrol_tokens.read().get(&SecretHash::of(&wish.token)), now_s).map(|_| ())
    }

    /// Creates the servers of agents that bring enrolment tokens, all in one write, or in a cluster some in each
    /// message. Returns the id of each, or its error, in the order of the requests. If a credential is already known,
    /// the id is that of its server.
    pub fn enrol(&self, wishes: &[Enrolment], now_s: i64) -> Vec<Result<u64, Refusal>> {
        let at_once = if self.is_shared() { ENROLMENTS_PER_MESSAGE_MAX } else { wishes.len().max(1) };
        wishes.chunks(at_once).flat_map(|wishes| self.enrol_at_once(wishes, now_s)).collect()
    }

    fn enrol_at_once(&self, wishes: &[Enrolment], now_s: i64) -> Vec<Result<u64, Refusal>> {
        let mut results: Vec<Result<u64, Refusal>> = Vec::new();
        let mut made = HashMap::new();
        let changed = self.change(|changing| {
            let mut batch = EnrolBatch::default();
            results = wishes.iter().map(|wish| self.put_enrolment(changing, &mut batch, wish, now_s)).collect();
            let EnrolBatch { mut changes, made: of_batch, tokens } = batch;
            changes.extend(tokens.into_values().map(Change::EnrolToken));
            made = of_batch;
            Ok((changes, ()))
        });
        if let Err(error) = changed {
            let refusal = full(&error);
            let is_made = |id: &u64| made.values().any(|made| made == id);
            let failed = results.iter_mut().filter(|result| result.as_ref().is_ok_and(is_made));
            failed.for_each(|result| *result = Err(refusal.clone()));
        }
        results
    }

    /// Puts one server into the batch, unless its credential has one.
    fn put_enrolment(
        &self,
        changing: &mut Changing<'_>,
        batch: &mut EnrolBatch,
        wish: &Enrolment,
        now_s: i64,
    ) -> Result<u64, Refusal> {
        let credential = SecretHash::of(&wish.credential);
        let known = self.servers.read().by_credential.get(&credential).map(|slot| slot.id);
        if let Some(id) = known.or_else(|| batch.made.get(&credential).copied()) {
            return Ok(id);
        }
        self.check_enrolment(wish, now_s)?;
        let hash = SecretHash::of(&wish.token);
        // As the earlier requests of the batch left it.
        let token = batch.tokens.get(&hash).cloned().or_else(|| self.enrol_tokens.read().get(&hash).cloned());
        let token = usable(token.as_ref(), now_s)?;
        let token = EnrolToken { uses_left: token.uses_left.map(|uses| uses - 1), ..token.clone() };
        let new = NewServer { name: wish.name.clone(), tag: token.tag.clone(), ..NewServer::default() };
        let count = self.server_count() + batch.made.len();
        let id =
            put_server(changing, &mut batch.changes, new, (count, credential), now_s).map_err(|error| full(&error))?;
        batch.tokens.insert(hash, token);
        batch.made.insert(credential, id);
        Ok(id)
    }
}

/// Servers that one write will create, by credential, and the tokens' uses that it leaves.
#[derive(Default)]
struct EnrolBatch {
    changes: Vec<Change>,
    made: HashMap<SecretHash, u64>,
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

/// Puts a new server into `changes`, and returns its id. `count` is the number of servers without it.
fn put_server(
    changing: &mut Changing<'_>,
    changes: &mut Vec<Change>,
    new: NewServer,
    (count, credential): (usize, SecretHash),
    now_s: i64,
) -> Result<u64, ChangeError> {
    check_texts(&new.name, &new.tag, &new.note, &new.country)?;
    check_room("servers", count, SERVERS_MAX)?;
    let id = changing.take_id(IdKind::Server);
    let NewServer { name, tag, note, display_index, hide_for_guest, country } = new;
    let record =
        ServerRecord { id, name, tag, note, display_index, hide_for_guest, country, credential, created_s: now_s };
    changes.extend([Change::Server(record), changing.next_id(IdKind::Server)]);
    Ok(id)
}

fn check_texts(name: &str, tag: &str, note: &str, country: &str) -> Result<(), ChangeError> {
    check_length("name", name, NAME_CHARS_MAX)?;
    check_length("tag", tag, NAME_CHARS_MAX)?;
    check_length("note", note, NOTE_CHARS_MAX)?;
    let is_code = country.is_empty() || (country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_lowercase()));
    if is_code { Ok(()) } else { Err(ChangeError::BadCountry { found: country.to_owned() }) }
}
