//! API tokens, with which clients may read.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Registry;
use super::change::Change;
use super::ids::IdKind;
use super::tables::KeptToken;
use crate::error::{ChangeError, check_length, check_room};
use crate::limits::{NAME_CHARS_MAX, NOTE_CHARS_MAX, TAGS_PER_TOKEN_MAX, TOKEN_CHARS_MAX, TOKEN_CHARS_MIN, TOKENS_MAX};
use crate::secret::{SecretHash, new_secret};
use crate::store::StoreError;
use crate::token::{Grant, NewToken, Scope, Token, is_over};

impl Registry {
    /// Creates an API token and returns its id and text.
    ///
    /// # Errors
    /// A note over its limit, a text that is taken, too many tokens, a failed write.
    pub fn add_token(&self, new: NewToken, now_s: i64) -> Result<(u64, String), ChangeError> {
        let NewToken { text, note, scopes, tags, expires_s } = new;
        check_length("note", &note, NOTE_CHARS_MAX)?;
        if scopes.allows(Scope::Admin) && !tags.is_empty() {
            return Err(ChangeError::AdminWithTags);
        }
        check_room("tags of a token", tags.len().saturating_sub(1), TAGS_PER_TOKEN_MAX)?;
        tags.iter().try_for_each(|tag| check_length("tag", tag, NAME_CHARS_MAX))?;
        text.as_deref().map_or(Ok(()), check_text)?;
        let text = text.unwrap_or_else(new_secret);
        let hash = SecretHash::of(&text);
        let tags: Arc<[String]> = tags.into();
        let id = self.change(|changing| {
            check_room("API tokens", self.tokens.read().len(), TOKENS_MAX)?;
            if self.tokens.read().contains_key(&hash) {
                return Err(ChangeError::Exists { what: "API token" });
            }
            let id = changing.take_id(IdKind::Token);
            let (note, tags) = (note.clone(), Arc::clone(&tags));
            let token = Token { id, hash, note, scopes, tags, created_s: now_s, expires_s, last_used_s: None };
            Ok((vec![Change::Token(token), changing.next_id(IdKind::Token)], id))
        })?;
        Ok((id, text))
    }

    /// Every API token, in ascending id.
    pub fn tokens(&self) -> Vec<Token> {
        let mut tokens: Vec<Token> = self.tokens.read().values().map(KeptToken::current).collect();
        tokens.sort_by_key(|token| token.id);
        tokens
    }

    /// Removes an API token, effective at once.
    ///
    /// # Errors
    /// No such token, a failed write.
    pub fn remove_token(&self, id: u64) -> Result<(), ChangeError> {
        self.change(|_| {
            let hash = self.tokens.read().values().find(|kept| kept.token.id == id).map(|kept| kept.token.hash);
            let hash = hash.ok_or(ChangeError::NoSuch { what: "API token", id })?;
            Ok((vec![Change::TokenRemoved { id, hash }], ()))
        })
    }

    /// The rights of the API token of that text. `None` if there is none or it has expired.
    pub fn token_grant(&self, text: &str, now_s: i64) -> Option<Grant> {
        // No token is blank, but an older store may have one, from before this was checked.
        let text = Some(text).filter(|text| !text.trim().is_empty())?;
        let tokens = self.tokens.read();
        let kept = tokens.get(&SecretHash::of(text)).filter(|kept| !is_over(kept.token.expires_s, now_s))?;
        kept.last_used_s.store(now_s, Ordering::Relaxed);
        Some(Grant { id: kept.token.id, scopes: kept.token.scopes, tags: Arc::clone(&kept.token.tags) })
    }

    /// Stores when tokens were last used.
    pub(super) fn store_last_used(&self) -> Result<(), StoreError> {
        // No token can be removed under this lock. Otherwise this write would bring it back.
        let mut changing = self.changing();
        let used: Vec<Change> = {
            let tokens = self.tokens.read();
            let current = tokens.values().map(|kept| (kept.token.last_used_s, kept.current()));
            let used = current.filter(|(stored, token)| *stored != token.last_used_s);
            used.map(|(_, token)| Change::Token(token)).collect()
        };
        changing.carry_out(used)
    }
}

/// Whether a client's text can be a token: long enough not to be guessed, and fit for a header.
fn check_text(text: &str) -> Result<(), ChangeError> {
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    let is_allowed = is_visible && (TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX).contains(&text.len());
    let found = text.chars().count();
    if is_allowed { Ok(()) } else { Err(ChangeError::BadTokenText { found }) }
}
