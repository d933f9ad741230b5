//! What the registry's stream brings, made in its order by every hub. It is the only place where a hub of a cluster
//! changes the registry, also when the change is its own.

use super::Registry;
use super::change::Change;
use super::message;
use crate::fail_point::FailPoint;
use crate::intake::{FollowError, Followed};
use crate::store::{Changes, key};

impl Registry {
    /// As [`crate::Engine::follow_registry`].
    pub(crate) fn follow(&self, position: u64, message: &[u8]) -> Result<Followed, FollowError> {
        let shared = self.shared.as_ref().ok_or(FollowError::Alone)?;
        let mut changing = self.changing();
        let followed = shared.followed();
        if position <= followed {
            return Ok(Followed::Known);
        }
        if position != followed + 1 {
            return Err(FollowError::RegistryGap { followed, found: position });
        }
        let (origin, changes) = message::read(message)?;
        let mut written = Changes::default();
        changes.iter().for_each(|change| change.put(&mut written));
        // In the same write as what the message brought: after a crash both are there, or neither.
        written.put_number(key::FOLLOWED_REGISTRY, position);
        self.store.reach(FailPoint::ChangeEncoded);
        // The stream has it on disk. After a power cut this hub follows it again from where its store ends.
        self.store.write_kept(&written)?;
        self.store.reach(FailPoint::ChangeWritten);
        let is_own = origin.member == shared.own;
        if !is_own {
            self.end_unshared_logins(&changes);
        }
        shared.begin(position);
        changing.apply(changes);
        shared.end(position, is_own.then_some(origin.number));
        Ok(Followed::Applied)
    }

    /// Another hub has changed these users, and with that has ended their logins as far as it knows them.
    fn end_unshared_logins(&self, changes: &[Change]) {
        let mut users = self.users.write();
        for change in changes {
            let name = match change {
                Change::User(user) => Some(user.name.clone()),
                Change::UserRemoved(id) => users.by_id.get(id).map(|user| user.name.clone()),
                _ => None,
            };
            name.into_iter().for_each(|name| users.end_unstored_of(&name));
        }
    }
}
