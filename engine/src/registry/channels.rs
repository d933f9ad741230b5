//! Channels that messages go to.

use std::sync::Arc;

use super::Registry;
use super::change::Change;
use super::ids::IdKind;
use crate::alert::channel::{Channel, ChannelEdit, NewChannel};
use crate::error::{ChangeError, check_room};
use crate::limits::CHANNELS_MAX;

/// Rules that an error names. More would hide what it says.
const RULES_NAMED_MAX: usize = 10;

impl Registry {
    /// Creates a channel and returns its id.
    ///
    /// # Errors
    /// A field with a wrong value, too many channels, a failed write.
    pub fn add_channel(&self, new: NewChannel, now_s: i64) -> Result<u64, ChangeError> {
        self.change(move |changing| {
            check_room("channels", self.channels.read().len(), CHANNELS_MAX)?;
            let new = new.clone();
            let kind = new.kind.with_secrets_of(None)?;
            // Ids of channels that are refused are not used up.
            let id = *changing.next_ids.of(IdKind::Channel);
            let channel = NewChannel { kind, ..new }.into_channel(id, now_s);
            channel.check()?;
            let id = changing.take_id(IdKind::Channel);
            Ok((vec![Change::Channel(Arc::new(channel)), changing.next_id(IdKind::Channel)], id))
        })
    }

    /// Changes a channel, and returns it.
    ///
    /// # Errors
    /// No such channel, a field with a wrong value, a secret that is kept for another place, a failed write.
    pub fn edit_channel(&self, id: u64, edit: ChannelEdit) -> Result<Arc<Channel>, ChangeError> {
        self.change(move |_| {
            let old = self.channel(id).ok_or(ChangeError::NoSuch { what: "channel", id })?;
            let channel = Arc::new(edit.clone().applied_to(&old)?);
            channel.check()?;
            Ok((vec![Change::Channel(Arc::clone(&channel))], channel))
        })
    }

    /// Removes a channel that no rule names. Otherwise alerts would go nowhere without a word.
    ///
    /// # Errors
    /// No such channel, a rule that names it, a failed write.
    pub fn remove_channel(&self, id: u64) -> Result<(), ChangeError> {
        self.change(|_| {
            if self.channel(id).is_none() {
                return Err(ChangeError::NoSuch { what: "channel", id });
            }
            let rules = self.rules();
            let using = rules.iter().filter(|rule| rule.channels.contains(&id)).map(|rule| rule.id.to_string());
            let using: Vec<String> = using.collect();
            if !using.is_empty() {
                return Err(ChangeError::ChannelInUse { id, rules: named(&using) });
            }
            Ok((vec![Change::ChannelRemoved(id)], ()))
        })
    }

    /// Every channel with its secrets, in ascending id.
    pub fn channels(&self) -> Vec<Arc<Channel>> {
        self.channels.read().values().cloned().collect()
    }

    /// The channel of that id, with its secrets.
    pub fn channel(&self, id: u64) -> Option<Arc<Channel>> {
        self.channels.read().get(&id).cloned()
    }
}

/// Rules of these ids in words, the first of them by name.
fn named(ids: &[String]) -> String {
    let shown = ids[..ids.len().min(RULES_NAMED_MAX)].join(", ");
    let more = if ids.len() > RULES_NAMED_MAX { ", …" } else { "" };
    format!("rule{} {shown}{more}", if ids.len() == 1 { "" } else { "s" })
}
