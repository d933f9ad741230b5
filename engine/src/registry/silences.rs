//! Silences, in which alerts are not told.

use std::sync::Arc;

use super::Registry;
use super::change::{Change, Changing};
use super::ids::IdKind;
use super::rules::check_given_out;
use crate::alert::silence::{NewSilence, Silence, SilenceEdit};
use crate::error::{ChangeError, check_room};
use crate::limits::SILENCES_MAX;

impl Registry {
    /// Creates a silence and returns its id. If there are too many, those that are over are removed.
    ///
    /// # Errors
    /// A field with a wrong value, an unknown rule or server, too many silences, a failed write.
    pub fn add_silence(&self, new: NewSilence, now_s: i64) -> Result<u64, ChangeError> {
        self.change(move |changing| {
            // Ids of silences that are refused are not used up.
            let silence = new.clone().into_silence(*changing.next_ids.of(IdKind::Silence), now_s);
            silence.check()?;
            check_names(changing, &silence)?;
            let silences = self.silences();
            let mut changes = Vec::new();
            if silences.len() >= SILENCES_MAX {
                let over = silences.iter().filter(|silence| silence.is_over(now_s));
                changes.extend(over.map(|silence| Change::SilenceRemoved(silence.id)));
            }
            check_room("silences", silences.len() - changes.len(), SILENCES_MAX)?;
            let id = changing.take_id(IdKind::Silence);
            changes.extend([Change::Silence(Arc::new(silence)), changing.next_id(IdKind::Silence)]);
            Ok((changes, id))
        })
    }

    /// Changes a silence, and returns it.
    ///
    /// # Errors
    /// No such silence, a field with a wrong value, an unknown rule or server, a failed write.
    pub fn edit_silence(&self, id: u64, edit: SilenceEdit) -> Result<Arc<Silence>, ChangeError> {
        self.change(move |changing| {
            let old = self.silence(id).ok_or(ChangeError::NoSuch { what: "silence", id })?;
            let silence = Arc::new(edit.clone().applied_to(&old));
            silence.check()?;
            check_names(changing, &silence)?;
            Ok((vec![Change::Silence(Arc::clone(&silence))], silence))
        })
    }

    /// Removes a silence, effective at once.
    ///
    /// # Errors
    /// No such silence, a failed write.
    pub fn remove_silence(&self, id: u64) -> Result<(), ChangeError> {
        self.change(|_| match self.silence(id) {
            None => Err(ChangeError::NoSuch { what: "silence", id }),
            Some(_) => Ok((vec![Change::SilenceRemoved(id)], ())),
        })
    }

    /// Every silence, in ascending id: also those that are over.
    pub fn silences(&self) -> Vec<Arc<Silence>> {
        self.silences.read().values().cloned().collect()
    }

    /// The silence of that id.
    pub fn silence(&self, id: u64) -> Option<Arc<Silence>> {
        self.silences.read().get(&id).cloned()
    }
}

/// Whether there is, or was, everything that a silence names.
fn check_names(changing: &Changing<'_>, silence: &Silence) -> Result<(), ChangeError> {
    check_given_out("rules", "rule", &silence.rules, changing.next_ids.rule)?;
    check_given_out("ids", "server", &silence.ids, changing.next_ids.server)
}
