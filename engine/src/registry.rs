//! Servers, tokens, logins: who there is and who may. In memory for every look-up, on disk before any change counts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::{Mutex, RwLock};
use windfire_wire::RefuseReason;

use crate::error::{ChangeError, Credentialed, Refusal};
use crate::limits::{ENROL_TOKENS_MAX, LOGINS_MAX, NAME_BYTES_MAX, NOTE_BYTES_MAX, SERVERS_MAX, TOKENS_MAX};
use crate::secret::{SecretHash, new_secret};
use crate::server::{NewServer, ServerEdit, ServerRecord};
use crate::slot::{Slot, Status};
use crate::store::{Changes, Store, StoreError, key, servers, tokens};
use crate::token::{EnrolToken, Login, Scopes, Token, is_over};

/// Shortest credential that an agent may bring to its own enrolment.
const CREDENTIAL_BYTES_MIN: usize = 32;

/// Who there is and who may.
pub(crate) struct Registry {
    servers: RwLock<Servers>,
    tokens: RwLock<HashMap<SecretHash, KeptToken>>,
    enrol_tokens: RwLock<HashMap<SecretHash, EnrolToken>>,
    logins: RwLock<HashMap<SecretHash, Login>>,
    /// Held from the first check of a change to its last effect, so that changes follow one another.
    next_ids: Mutex<NextIds>,
}

#[derive(Default)]
struct Servers {
    by_id: BTreeMap<u64, Arc<Slot>>,
    by_credential: HashMap<SecretHash, Arc<Slot>>,
}

struct KeptToken {
    token: Token,
    last_used_s: AtomicI64,
}

#[derive(Clone, Copy)]
struct NextIds {
    server: u64,
    token: u64,
    enrol_token: u64,
}

/// Stands for "never" in [`KeptToken::last_used_s`].
const NEVER: i64 = i64::MIN;

impl Registry {
    /// Reads the registry; `status_of` gives what was recovered of a server.
    pub(crate) fn load(store: &Store, mut status_of: impl FnMut(u64) -> Status) -> Result<Self, StoreError> {
        let mut servers = Servers::default();
        for record in store.scan_ids(key::SERVERS, servers::read)? {
            let status = status_of(record.id);
            servers.insert(Arc::new(Slot::new(record, status)));
        }
        let tokens = store.scan_ids(key::TOKENS, tokens::read_token)?;
        let enrol_tokens = store.scan_ids(key::ENROL_TOKENS, tokens::read_enrol_token)?;
        let mut logins = HashMap::new();
        store.scan(key::LOGINS, &[], &mut |key, value| {
            let login = tokens::read_login(key, value)?;
            logins.insert(login.hash, login);
            Ok(())
        })?;
        Ok(Self {
            servers: RwLock::new(servers),
            tokens: RwLock::new(tokens.into_iter().map(|token| (token.hash, KeptToken::from(token))).collect()),
            enrol_tokens: RwLock::new(enrol_tokens.into_iter().map(|token| (token.hash, token)).collect()),
            logins: RwLock::new(logins),
            next_ids: Mutex::new(NextIds {
                server: store.number(key::NEXT_SERVER_ID)?.max(1),
                token: store.number(key::NEXT_TOKEN_ID)?.max(1),
                enrol_token: store.number(key::NEXT_ENROL_TOKEN_ID)?.max(1),
            }),
        })
    }

    // Servers

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
        let mut next_ids = self.next_ids.lock();
        let mut changes = Changes::default();
        let slot = self.put_server(&mut next_ids, &mut changes, new, SecretHash::of(&credential), now_s)?;
        store.write_synced(&changes)?;
        let id = slot.id;
        self.servers.write().insert(slot);
        Ok(Credentialed { id, credential })
    }

    fn put_server(
        &self,
        next_ids: &mut NextIds,
        changes: &mut Changes,
        new: NewServer,
        credential: SecretHash,
        now_s: i64,
    ) -> Result<Arc<Slot>, ChangeError> {
        check_texts(&new.name, &new.tag, &new.note, &new.country)?;
        check_room("servers", self.server_count(), SERVERS_MAX)?;
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

    pub(crate) fn edit_server(&self, store: &Store, id: u64, edit: ServerEdit) -> Result<(), ChangeError> {
        let _changing = self.next_ids.lock();
        let slot = self.slot(id).ok_or(ChangeError::NoServer { id })?;
        let mut record = ServerRecord::clone(&slot.record.read());
        record.name = edit.name.unwrap_or(record.name);
        record.tag = edit.tag.unwrap_or(record.tag);
        record.note = edit.note.unwrap_or(record.note);
        record.display_index = edit.display_index.unwrap_or(record.display_index);
        record.hide_for_guest = edit.hide_for_guest.unwrap_or(record.hide_for_guest);
        record.country = edit.country.unwrap_or(record.country);
        check_texts(&record.name, &record.tag, &record.note, &record.country)?;
        replace(store, &slot, record)
    }

    /// Gives the server a new credential; the agent with the old one is refused from now on.
    pub(crate) fn rotate_credential(&self, store: &Store, id: u64) -> Result<Credentialed, ChangeError> {
        let _changing = self.next_ids.lock();
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

    pub(crate) fn remove_server(&self, store: &Store, id: u64) -> Result<(), ChangeError> {
        let _changing = self.next_ids.lock();
        let slot = self.slot(id).ok_or(ChangeError::NoServer { id })?;
        let mut changes = Changes::default();
        for family in [key::SERVERS, key::HOSTS, key::LATEST] {
            changes.delete(family, &key::id_key(id));
        }
        store.write_synced(&changes)?;
        {
            let mut servers = self.servers.write();
            servers.by_id.remove(&id);
            let credential = slot.record.read().credential;
            servers.by_credential.remove(&credential);
        }
        slot.status.lock().is_removed = true;
        slot.kick(RefuseReason::BadCredential);
        Ok(())
    }

    /// The server of an agent that brings a credential of its own and an enrolment token: made when the credential is new.
    pub(crate) fn enrol(
        &self,
        store: &Store,
        token: &str,
        name: String,
        credential: &str,
        now_s: i64,
    ) -> Result<Arc<Slot>, Refusal> {
        if credential.len() < CREDENTIAL_BYTES_MIN {
            return Err(Refusal::new(
                RefuseReason::BadCredential,
                format!("credential for enrolment has {} bytes, needs {CREDENTIAL_BYTES_MIN}", credential.len()),
            ));
        }
        let hash = SecretHash::of(token);
        let mut next_ids = self.next_ids.lock();
        if let Some(slot) = self.slot_by_credential(credential) {
            return Ok(slot);
        }
        let found = self.enrol_tokens.read().get(&hash).cloned();
        let refused = |why: &str| Refusal::new(RefuseReason::BadEnrolToken, format!("enrolment token is {why}"));
        let mut found = found.ok_or_else(|| refused("unknown"))?;
        if is_over(found.expires_s, now_s) {
            return Err(refused("expired"));
        }
        if found.uses_left == Some(0) {
            return Err(refused("used up"));
        }
        found.uses_left = found.uses_left.map(|uses| uses - 1);
        let new = NewServer { name, tag: found.tag.clone(), ..NewServer::default() };
        let mut changes = Changes::default();
        let full = |error: ChangeError| Refusal::new(RefuseReason::Full, error.to_string());
        let slot =
            self.put_server(&mut next_ids, &mut changes, new, SecretHash::of(credential), now_s).map_err(full)?;
        changes.put(key::ENROL_TOKENS, &key::id_key(found.id), tokens::write_enrol_token(&found));
        store.write_synced(&changes).map_err(|error| full(error.into()))?;
        self.enrol_tokens.write().insert(hash, found);
        self.servers.write().insert(Arc::clone(&slot));
        Ok(slot)
    }

    // API tokens

    /// Makes a token. `text` is for tokens brought along from elsewhere; otherwise one is made.
    pub(crate) fn add_token(
        &self,
        store: &Store,
        text: Option<String>,
        note: String,
        scopes: Scopes,
        expires_s: Option<i64>,
        now_s: i64,
    ) -> Result<(u64, String), ChangeError> {
        check_length("note", &note, NOTE_BYTES_MAX)?;
        let text = text.unwrap_or_else(new_secret);
        let hash = SecretHash::of(&text);
        let mut next_ids = self.next_ids.lock();
        check_room("API tokens", self.tokens.read().len(), TOKENS_MAX)?;
        if self.tokens.read().contains_key(&hash) {
            return Err(ChangeError::Exists { what: "API token" });
        }
        let id = next_ids.token;
        next_ids.token += 1;
        let token = Token { id, hash, note, scopes, created_s: now_s, expires_s, last_used_s: None };
        let mut changes = Changes::default();
        changes.put(key::TOKENS, &key::id_key(id), tokens::write_token(&token));
        changes.put_number(key::NEXT_TOKEN_ID, next_ids.token);
        store.write_synced(&changes)?;
        self.tokens.write().insert(hash, token.into());
        Ok((id, text))
    }

    /// Every API token, in ascending id.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        let mut tokens: Vec<Token> = self.tokens.read().values().map(KeptToken::current).collect();
        tokens.sort_by_key(|token| token.id);
        tokens
    }

    pub(crate) fn remove_token(&self, store: &Store, id: u64) -> Result<(), ChangeError> {
        let _changing = self.next_ids.lock();
        let hash = self.tokens.read().values().find(|kept| kept.token.id == id).map(|kept| kept.token.hash);
        let hash = hash.ok_or(ChangeError::NoToken { what: "API token", id })?;
        let mut changes = Changes::default();
        changes.delete(key::TOKENS, &key::id_key(id));
        store.write_synced(&changes)?;
        self.tokens.write().remove(&hash);
        Ok(())
    }

    /// What the token of that text may do at `now_s`, when it exists and is not over. Notes the use.
    pub(crate) fn token_scopes(&self, text: &str, now_s: i64) -> Option<Scopes> {
        let tokens = self.tokens.read();
        let kept = tokens.get(&SecretHash::of(text)).filter(|kept| !is_over(kept.token.expires_s, now_s))?;
        kept.last_used_s.store(now_s, Ordering::Relaxed);
        Some(kept.token.scopes)
    }

    /// Stores when tokens were last used.
    pub(crate) fn store_last_used(&self, store: &Store) -> Result<(), StoreError> {
        // No token can be removed meanwhile, or this would bring it back.
        let _changing = self.next_ids.lock();
        let used: Vec<Token> = {
            let tokens = self.tokens.read();
            let current = tokens.values().map(|kept| (kept.token.last_used_s, kept.current()));
            current.filter(|(stored, token)| *stored != token.last_used_s).map(|(_, token)| token).collect()
        };
        if used.is_empty() {
            return Ok(());
        }
        let mut changes = Changes::default();
        for token in &used {
            changes.put(key::TOKENS, &key::id_key(token.id), tokens::write_token(token));
        }
        store.write_synced(&changes)?;
        let mut tokens = self.tokens.write();
        for token in used {
            if let Some(kept) = tokens.get_mut(&token.hash) {
                kept.token = token;
            }
        }
        Ok(())
    }

    // Enrolment tokens

    pub(crate) fn add_enrol_token(
        &self,
        store: &Store,
        note: String,
        tag: String,
        uses: Option<u64>,
        expires_s: Option<i64>,
        now_s: i64,
    ) -> Result<(u64, String), ChangeError> {
        check_length("note", &note, NOTE_BYTES_MAX)?;
        check_length("tag", &tag, NAME_BYTES_MAX)?;
        let text = new_secret();
        let hash = SecretHash::of(&text);
        let mut next_ids = self.next_ids.lock();
        check_room("enrolment tokens", self.enrol_tokens.read().len(), ENROL_TOKENS_MAX)?;
        let id = next_ids.enrol_token;
        next_ids.enrol_token += 1;
        let token = EnrolToken { id, hash, note, tag, uses_left: uses, created_s: now_s, expires_s };
        let mut changes = Changes::default();
        changes.put(key::ENROL_TOKENS, &key::id_key(id), tokens::write_enrol_token(&token));
        changes.put_number(key::NEXT_ENROL_TOKEN_ID, next_ids.enrol_token);
        store.write_synced(&changes)?;
        self.enrol_tokens.write().insert(hash, token);
        Ok((id, text))
    }

    /// Every enrolment token, in ascending id.
    pub(crate) fn enrol_tokens(&self) -> Vec<EnrolToken> {
        let mut tokens: Vec<EnrolToken> = self.enrol_tokens.read().values().cloned().collect();
        tokens.sort_by_key(|token| token.id);
        tokens
    }

    pub(crate) fn remove_enrol_token(&self, store: &Store, id: u64) -> Result<(), ChangeError> {
        let _changing = self.next_ids.lock();
        let hash = self.enrol_tokens.read().values().find(|token| token.id == id).map(|token| token.hash);
        let hash = hash.ok_or(ChangeError::NoToken { what: "enrolment token", id })?;
        let mut changes = Changes::default();
        changes.delete(key::ENROL_TOKENS, &key::id_key(id));
        store.write_synced(&changes)?;
        self.enrol_tokens.write().remove(&hash);
        Ok(())
    }

    // Panel logins

    /// Signs `user` in until `expires_s`; gives the cookie's value. Logins that are over make room first.
    pub(crate) fn add_login(
        &self,
        store: &Store,
        cookie: Option<String>,
        user: String,
        expires_s: i64,
        now_s: i64,
    ) -> Result<String, ChangeError> {
        let _changing = self.next_ids.lock();
        let mut changes = Changes::default();
        let over: Vec<SecretHash> =
            self.logins.read().values().filter(|login| login.expires_s <= now_s).map(|login| login.hash).collect();
        over.iter().for_each(|hash| changes.delete(key::LOGINS, &hash.0));
        check_room("logins", self.logins.read().len() - over.len(), LOGINS_MAX)?;
        let cookie = cookie.unwrap_or_else(new_secret);
        let login = Login { hash: SecretHash::of(&cookie), user, expires_s };
        changes.put(key::LOGINS, &login.hash.0, tokens::write_login(&login));
        store.write_synced(&changes)?;
        let mut logins = self.logins.write();
        over.iter().for_each(|hash| drop(logins.remove(hash)));
        logins.insert(login.hash, login);
        Ok(cookie)
    }

    /// Who signed in with that cookie, when the login is not over at `now_s`.
    pub(crate) fn login_user(&self, cookie: &str, now_s: i64) -> Option<String> {
        let logins = self.logins.read();
        logins.get(&SecretHash::of(cookie)).filter(|login| login.expires_s > now_s).map(|login| login.user.clone())
    }
}

impl Servers {
    fn insert(&mut self, slot: Arc<Slot>) {
        let credential = slot.record.read().credential;
        self.by_credential.insert(credential, Arc::clone(&slot));
        self.by_id.insert(slot.id, slot);
    }
}

impl KeptToken {
    fn current(&self) -> Token {
        let last_used_s = self.last_used_s.load(Ordering::Relaxed);
        Token { last_used_s: (last_used_s != NEVER).then_some(last_used_s), ..self.token.clone() }
    }
}

impl From<Token> for KeptToken {
    fn from(token: Token) -> Self {
        Self { last_used_s: AtomicI64::new(token.last_used_s.unwrap_or(NEVER)), token }
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
    check_length("name", name, NAME_BYTES_MAX)?;
    check_length("tag", tag, NAME_BYTES_MAX)?;
    check_length("note", note, NOTE_BYTES_MAX)?;
    let is_code = country.is_empty() || (country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_lowercase()));
    if is_code { Ok(()) } else { Err(ChangeError::BadCountry { found: country.to_owned() }) }
}

fn check_length(what: &'static str, text: &str, max: usize) -> Result<(), ChangeError> {
    if text.len() > max { Err(ChangeError::TooLong { what, found: text.len(), max }) } else { Ok(()) }
}

fn check_room(what: &'static str, found: usize, max: usize) -> Result<(), ChangeError> {
    if found >= max { Err(ChangeError::Full { what, max }) } else { Ok(()) }
}
