//! Who may fetch a backup of this hub.
//!
//! A backup has the key of the hub's certificate and the secrets of channels, which no API token shows. So it needs an
//! invitation: a secret that the command line gets on the hub's own machine, that lasts for a while, and that only the
//! memory of this process knows.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use windfire_engine::secret::{SecretHash, new_secret};

/// The newest invitation, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Invitations(Mutex<Option<Invitation>>);

#[derive(Debug)]
struct Invitation {
    hash: SecretHash,
    until: Instant,
}

impl Invitations {
    /// A new invitation, in place of an earlier one.
    pub(crate) fn invite(&self, lasts: Duration, now: Instant) -> String {
        let secret = new_secret();
        *self.0.lock() = Some(Invitation { hash: SecretHash::of(&secret), until: now + lasts });
        secret
    }

    /// Whether a secret is that of the invitation.
    pub(crate) fn is_invited(&self, secret: &str, now: Instant) -> bool {
        let hash = SecretHash::of(secret);
        self.0.lock().as_ref().is_some_and(|of| of.hash == hash && now < of.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_lasts_for_a_while_and_until_the_next_one() {
        let (invitations, now, lasts) = (Invitations::default(), Instant::now(), Duration::from_secs(60));
        assert!(!invitations.is_invited("", now), "there is none");
        let first = invitations.invite(lasts, now);
        assert!(invitations.is_invited(&first, now) && !invitations.is_invited(&first[1..], now));
        let last = now + lasts - Duration::from_millis(1);
        assert!(invitations.is_invited(&first, last) && !invitations.is_invited(&first, now + lasts));
        let second = invitations.invite(lasts, now);
        assert!(invitations.is_invited(&second, now) && !invitations.is_invited(&first, now));
    }
}
