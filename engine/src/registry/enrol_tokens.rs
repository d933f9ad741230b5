//! Enrolment tokens, with which agents may become servers.

use super::Registry;
use super::change::Change;
use super::ids::IdKind;
use crate::error::{ChangeError, check_length, check_room};
use crate::limits::{ENROL_TOKENS_MAX, NAME_CHARS_MAX, NOTE_CHARS_MAX};
use crate::secret::{SecretHash, new_secret};
use crate::token::EnrolToken;

impl Registry {
    /// Creates an enrolment token for servers with `tag` and returns its id and text.
    ///
    /// # Errors
    /// A text over its limit, too many tokens, a failed write.
    pub fn add_enrol_token(
        &self,
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
        let id = self.change(move |changing| {
            check_room("enrolment tokens", self.enrol_tokens.read().len(), ENROL_TOKENS_MAX)?;
            let id = changing.take_id(IdKind::EnrolToken);
            let (note, tag) = (note.clone(), tag.clone());
            let token = EnrolToken { id, hash, note, tag, uses_left: uses, created_s: now_s, expires_s };
            Ok((vec![Change::EnrolToken(token), changing.next_id(IdKind::EnrolToken)], id))
        })?;
        Ok((id, text))
    }

    /// Every enrolment token, in ascending id.
    pub fn enrol_tokens(&self) -> Vec<EnrolToken> {
        let mut tokens: Vec<EnrolToken> = self.enrol_tokens.read().values().cloned().collect();
        tokens.sort_by_key(|token| token.id);
        tokens
    }

    /// Removes an enrolment token. Servers that it created stay.
    ///
    /// # Errors
    /// No such token, a failed write.
    pub fn remove_enrol_token(&self, id: u64) -> Result<(), ChangeError> {
        self.change(|_| {
            let hash = self.enrol_tokens.read().values().find(|token| token.id == id).map(|token| token.hash);
            let hash = hash.ok_or(ChangeError::NoSuch { what: "enrolment token", id })?;
            Ok((vec![Change::EnrolTokenRemoved { id, hash }], ()))
        })
    }
}
