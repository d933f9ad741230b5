//! A change in a cluster: made from the present state, proposed, and made again from the newer state if another hub was
//! faster.

use parking_lot::MutexGuard;

use super::Registry;
use super::change::{Change, Changing, Made};
use super::ledger::{Proposal, Proposed, Shared};
use super::message::{self, Origin};
use crate::alert::AlertChange;
use crate::error::ChangeError;
use crate::limits::{CHANGE_TRIES, STREAM_MESSAGE_BYTES_MAX};

impl Registry {
    /// Makes changes of alerts, in a cluster. `make` is called as by [`Registry::change`].
    ///
    /// # Errors
    /// Those of `make`. Other hubs were faster, or it is not known yet whether the change is made.
    pub(crate) fn change_alerts<T>(
        &self,
        mut make: impl FnMut() -> Result<(Vec<AlertChange>, T), ChangeError>,
    ) -> Result<T, ChangeError> {
        self.change(move |_| {
            let (changes, made) = make()?;
            Ok((changes.into_iter().map(Change::OfAlerts).collect(), made))
        })
    }

    /// As [`Registry::change`], in a cluster. The follower makes the change, here as everywhere. It has done so when
    /// this returns.
    pub(super) fn propose<T>(
        &self,
        shared: &Shared,
        make: &mut dyn FnMut(&mut Changing<'_>) -> Made<T>,
    ) -> Result<T, ChangeError> {
        let mut number = shared.turn.lock();
        let mut changing = self.changing();
        for _ in 0..CHANGE_TRIES {
            let ids = *changing.next_ids;
            let made = make(&mut changing);
            // The stream gives ids out: those of a proposal that is overtaken are another's.
            *changing.next_ids = ids;
            let (changes, made) = made?;
            if changes.is_empty() {
                return Ok(made);
            }
            *number += 1;
            let origin = Origin { member: shared.own, number: *number };
            let too_large = ChangeError::TooLarge { max: STREAM_MESSAGE_BYTES_MAX };
            let bytes = message::write(&origin, &changes).ok_or(too_large)?;
            let expected = shared.followed();
            let follow = |position: u64, message: &[u8]| self.follow(position, message);
            // The follower needs the lock.
            let proposed = MutexGuard::unlocked(&mut changing.next_ids, || {
                shared.ledger.propose(&Proposal { expected, bytes: &bytes, follow: &follow })
            });
            // Whatever the answer was: what the follower meets in the proposal's place decides.
            let patience = shared.ledger.patience();
            shared.moved.wait_while_for(&mut changing.next_ids, |_| shared.followed() <= expected, patience);
            if shared.has_made(*number) {
                return Ok(made);
            }
            if shared.followed() <= expected {
                return Err(match proposed {
                    Proposed::Overtaken => ChangeError::Overtaken,
                    Proposed::Stored | Proposed::Unknown => ChangeError::Undecided,
                });
            }
        }
        Err(ChangeError::Overtaken)
    }
}
