//! Enrolment tokens: who may become a server.

use super::{Registry, check_length, check_room};
use crate::error::ChangeError;
use crate::limits::{ENROL_TOKENS_MAX, NAME_CHARS_MAX, NOTE_CHARS_MAX};
use crate::secret::{SecretHash, new_secret};
use crate::store::{Changes, Store, key, tokens};
use crate::token::EnrolToken;

impl Registry {
    pub(crate) fn add_enrol_token(
        &self,
        store: &Store,
        note: String,
        tag: String,
        uses: Option<u64>,
        expires_s: Option<i64>,
        now_s: i64,
    ) -> Result<(u64, String), ChangeError> {
        check_length("note", &note, NOTE_CHARS_MAX)?;
        check_length("tag", &tag, NAME_CHARS_MAX)?;
        let text = new_secret();
        let hash = SecretHash::of(&text);
        let mut next_ids = self.changing();
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
        let _changing = self.changing();
        let hash = self.enrol_tokens.read().values().find(|token| token.id == id).map(|token| token.hash);
        let hash = hash.ok_or(ChangeError::NoToken { what: "enrolment token", id })?;
        let mut changes = Changes::default();
        changes.delete(key::ENROL_TOKENS, &key::id_key(id));
        store.write_synced(&changes)?;
        self.enrol_tokens.write().remove(&hash);
        Ok(())
    }
}
