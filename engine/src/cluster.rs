//! The part of the engine that a hub of a cluster uses: messages out, messages in.

use windfire_wire::RefuseReason;

use crate::engine::Engine;
use crate::intake::{Effects, FollowError, Followed, Following, Message, Outcome, Shard};

impl Engine {
    /// The message to publish in a partition: the one whose fate is unknown, or else what has gathered since. `None`
    /// when there is nothing, or when the hub is alone. One message of a partition is on its way at a time. It is given
    /// out again, the same number and the same bytes, until [`Engine::settled`] or [`Engine::follow`] says that the
    /// stream has it.
    pub fn next_message(&self, partition: usize) -> Option<Message> {
        let is_attended = |server_id: u64, epoch: u64| {
            self.registry().slot(server_id).is_some_and(|slot| slot.status.lock().is_attended(epoch))
        };
        self.intake().following()?.next_message(partition, &is_attended)
    }

    /// Says what became of a message that was published.
    pub fn settled(&self, partition: usize, number: u64, outcome: Outcome) {
        if let Some(following) = self.intake().following() {
            following.settled(partition, number, outcome);
        }
    }

    /// Applies a message that the stream of a partition has at `position`. Messages must come in the order of their
    /// positions, from behind [`Engine::followed`] on. One that comes again is ignored.
    ///
    /// It is in the store with one of the next commits, together with the position. A start continues behind it.
    ///
    /// # Errors
    /// The message cannot be applied, and nothing of it was: see [`FollowError`]. The same message fails again.
    pub fn follow(&self, partition: usize, position: u64, message: &[u8]) -> Result<Followed, FollowError> {
        let following = self.intake().following().ok_or(FollowError::Alone)?;
        let mut effects = Effects::default();
        // Read before any server is looked up.
        let registry_position = self.registry().followed();
        let slot_of = |server_id: u64| self.registry().slot(server_id);
        let followed = following.follow((partition, position), message, registry_position, &slot_of, &mut effects);
        effects.full.iter().for_each(|slot| self.note_full(slot));
        effects.kicks.into_iter().for_each(|kick| kick(RefuseReason::Superseded));
        followed
    }

    /// The newest message of a partition's stream that was applied; 0 before the first. After a start: the newest one
    /// that is in the store.
    pub fn followed(&self, partition: usize) -> u64 {
        self.shards().get(partition).map_or(0, Shard::followed)
    }

    /// Makes the changes of a message that the registry's stream has at `position`. Messages must come in the order of
    /// their positions, from behind [`Engine::registry_followed`] on. One that comes again is ignored.
    ///
    /// They are in the store, together with the position, when this returns. A start continues behind it. Only this
    /// changes the registry of a hub of a cluster, also if the change is its own.
    ///
    /// # Errors
    /// The message cannot be applied, and nothing of it was: see [`FollowError`].
    pub fn follow_registry(&self, position: u64, message: &[u8]) -> Result<Followed, FollowError> {
        self.registry().follow(position, message)
    }

    /// The newest message of the registry's stream whose changes are made here; 0 before the first.
    pub fn registry_followed(&self) -> u64 {
        self.registry().followed()
    }

    /// Bytes of reports that wait for their message, those of messages on their way not included.
    pub fn offered_bytes(&self) -> usize {
        self.intake().following().map_or(0, Following::waiting_bytes)
    }
}
