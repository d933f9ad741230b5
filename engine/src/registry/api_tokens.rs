//! API tokens: who may read.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::{Registry, check_length, check_room};
use crate::error::ChangeError;
use crate::limits::{NAME_CHARS_MAX, NOTE_CHARS_MAX, TAGS_PER_TOKEN_MAX, TOKEN_CHARS_MAX, TOKEN_CHARS_MIN, TOKENS_MAX};
use crate::secret::{SecretHash, new_secret};
use crate::store::{Changes, Store, StoreError, key, tokens};
use crate::token::{Grant, NewToken, Scope, Token, is_over};

/// A token with the time of its last use, which is stored now and then.
pub(super) struct KeptToken {
    token: Token,
    last_used_s: AtomicI64,
}

/// Stands for "never" in [`KeptToken::last_used_s`].
const NEVER: i64 = i64::MIN;

impl Registry {
    /// Makes a token. `text` is for tokens brought along from elsewhere; otherwise one is made.
    pub(crate) fn add_token(&self, store: &Store, new: NewToken, now_s: i64) -> Result<(u64, String), ChangeError> {
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
        let mut next_ids = self.changing();
        check_room("API tokens", self.tokens.read().len(), TOKENS_MAX)?;
        if self.tokens.read().contains_key(&hash) {
            return Err(ChangeError::Exists { what: "API token" });
        }
        let id = next_ids.token;
        next_ids.token += 1;
        let token = Token { id, hash, note, scopes, tags: tags.into(), created_s: now_s, expires_s, last_used_s: None };
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
        let _changing = self.changing();
        let hash = self.tokens.read().values().find(|kept| kept.token.id == id).map(|kept| kept.token.hash);
        let hash = hash.ok_or(ChangeError::NoToken { what: "API token", id })?;
        let mut changes = Changes::default();
        changes.delete(key::TOKENS, &key::id_key(id));
        store.write_synced(&changes)?;
        self.tokens.write().remove(&hash);
        Ok(())
    }

    /// What the token of that text may do at `now_s`, when it exists and is not over. Notes the use.
    pub(crate) fn token_grant(&self, text: &str, now_s: i64) -> Option<Grant> {
        // No token is blank; a store from before that was checked may have one.
        let text = Some(text).filter(|text| !text.trim().is_empty())?;
        let tokens = self.tokens.read();
        let kept = tokens.get(&SecretHash::of(text)).filter(|kept| !is_over(kept.token.expires_s, now_s))?;
        kept.last_used_s.store(now_s, Ordering::Relaxed);
        Some(Grant { scopes: kept.token.scopes, tags: Arc::clone(&kept.token.tags) })
    }

    /// Stores when tokens were last used.
    pub(crate) fn store_last_used(&self, store: &Store) -> Result<(), StoreError> {
        // No token can be removed meanwhile, or this would bring it back.
        let _changing = self.changing();
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
}

/// Whether a text that somebody brings along can be a token: long enough not to be guessed, and fit for a header.
fn check_text(text: &str) -> Result<(), ChangeError> {
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    let is_allowed = is_visible && (TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX).contains(&text.len());
    let found = text.chars().count();
    if is_allowed { Ok(()) } else { Err(ChangeError::BadTokenText { found }) }
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
