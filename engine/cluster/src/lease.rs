//! A lease: what one hub has at a time, in the whole cluster.
//!
//! A lease is a key in a bucket of the brokers, and its value says who has it. The holder writes it again from time to
//! time, each time on the condition that its own last writing is still the newest. Another hub takes it when it has
//! seen the same writing for the whole length of a lease, measured by its own clock from the moment of seeing it, and
//! again only on the condition that no newer one came. The holder counts from before it wrote, and stops earlier by a
//! margin. So no two hubs have a lease at the same time, as long as their clocks run about equally fast. What time
//! these clocks show does not matter, nor do the clocks of the brokers. These remove a lease only long after its end.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use crate::api::{MessageQuery, code};
use crate::brokers::Brokers;
use crate::error::{ClusterError, Trouble, shown};
use crate::limits::{LEASE_KEPT, LEASE_MARGIN_PARTS, LEASE_TTL};
use crate::mailbox::Mailbox;
use crate::names::{BootId, HubId, LeaseKey, Names};
use crate::refusal::Refusal;
use crate::stored::{Draft, Expected, message, publish};

/// Who has a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// This hub, which may act until then, unless it renews the lease.
    Held {
        /// The end, by a clock that never leaps.
        until: Instant,
    },
    /// Another hub has it, or had it until lately.
    Elsewhere {
        /// Which hub and boot.
        holder: String,
        /// What changes each time the holder renews the lease.
        revision: u64,
    },
    /// Another hub was faster just now.
    Overtaken,
}

/// One hub's part in a lease.
pub struct Lease {
    mailbox: Mailbox,
    stream: String,
    subject: String,
    /// The hub and its boot.
    me: String,
    ttl: Duration,
    /// Of the writings of this boot, so that each has its own id.
    number: u64,
    /// This hub's last writing, as long as no newer one is known.
    mine: Option<u64>,
    /// Whether the lease may be this hub's: a writing was sent, and no other hub's is known to be newer.
    may_be_mine: bool,
    until: Option<Instant>,
    /// Another hub's last writing, and since when it is known.
    seen: Option<(u64, Instant)>,
}

impl Lease {
    /// The part of a hub in the lease of that work. All hubs must give the same `ttl`, usually [`LEASE_TTL`].
    pub fn new(brokers: &Brokers, names: &Names, work: &'static str, hub: &HubId, boot: BootId, ttl: Duration) -> Self {
        Self::of(brokers, names, &LeaseKey::Work(work), hub, boot, ttl)
    }

    fn of(brokers: &Brokers, names: &Names, key: &LeaseKey, hub: &HubId, boot: BootId, ttl: Duration) -> Self {
        Self {
            mailbox: brokers.mailbox(),
            stream: names.lease_stream(),
            subject: names.lease_subject(key),
            me: format!("{hub}.{boot}"),
            // Beyond half of that the clocks of the brokers would begin to matter.
            ttl: ttl.min(LEASE_KEPT / 2),
            number: 0,
            mine: None,
            may_be_mine: false,
            until: None,
            seen: None,
        }
    }

    /// Until when this hub may act, if it may now.
    pub fn held_until(&self) -> Option<Instant> {
        self.until.filter(|until| Instant::now() < *until)
    }

    /// How long to wait until the next [`step`](Self::step), so that a renewal that fails can be repeated in time.
    pub fn step_interval(&self) -> Duration {
        self.ttl / 4
    }

    /// Renews the lease, takes it if it is free, or looks whether it is.
    ///
    /// # Errors
    /// When the brokers do not answer. A lease that is held stays so until [`held_until`](Self::held_until).
    pub async fn step(&mut self) -> Result<Standing, ClusterError> {
        let standing = self.advance().await;
        standing.map_err(|trouble| trouble.of(format!("renewing the lease {}", self.subject)))
    }

    /// Gives the lease back, so that another hub need not wait for its end, also if nobody waited for the end of the
    /// last [`step`](Self::step). This hub must not act any more.
    ///
    /// # Errors
    /// When the brokers do not answer. The lease then ends after its length.
    pub async fn release(mut self) -> Result<(), ClusterError> {
        let released = self.give_back().await;
        released.map_err(|trouble| trouble.of(format!("giving back the lease {}", self.subject)))
    }

    async fn give_back(&mut self) -> Result<(), Trouble> {
        while self.may_be_mine {
            if let Some(mine) = self.mine {
                self.write(mine, true).await?;
                break;
            }
            // A writing may still be on its way. One of this hub's that is newer makes sure that it does not count.
            self.advance().await?;
        }
        self.until = None;
        Ok(())
    }

    async fn advance(&mut self) -> Result<Standing, Trouble> {
        if let Some(mine) = self.mine {
            // Until the answer is here it is not known whether this is still the newest writing.
            self.mine = None;
            if let Ok(standing) = self.take(mine).await {
                return Ok(standing);
            }
        }
        let query = MessageQuery::LastBySubj(self.subject.clone());
        let found = message(&mut self.mailbox, &self.stream, &query).await?;
        let Some(found) = found else { return self.take_or_see(0).await };
        if found.is_deletion {
            return self.take_or_see(found.sequence).await;
        }
        let holder = shown(&found.text().unwrap_or_default());
        if holder == self.me {
            return self.take_or_see(found.sequence).await;
        }
        (self.until, self.may_be_mine) = (None, false);
        match self.seen {
            Some((revision, since)) if revision == found.sequence => {
                if since.elapsed() >= self.ttl {
                    return self.take_or_see(revision).await;
                }
            }
            _ => self.seen = Some((found.sequence, Instant::now())),
        }
        Ok(Standing::Elsewhere { holder, revision: found.sequence })
    }

    /// Takes the lease; a refusal says that another hub was faster.
    async fn take_or_see(&mut self, last: u64) -> Result<Standing, Trouble> {
        match self.take(last).await {
            Err(Trouble::Refused(error)) if code::WRONG_LAST.contains(&error.err_code) => Ok(Standing::Overtaken),
            other => other,
        }
    }

    /// Writes that this hub has the lease, if `last` is the newest writing.
    async fn take(&mut self, last: u64) -> Result<Standing, Trouble> {
        let before = Instant::now();
        let revision = self.write(last, false).await?;
        let until = before + self.ttl.saturating_sub(self.ttl / LEASE_MARGIN_PARTS);
        self.mine = Some(revision);
        self.until = Some(until);
        self.seen = None;
        Ok(Standing::Held { until })
    }

    async fn write(&mut self, last: u64, is_deletion: bool) -> Result<u64, Trouble> {
        // Whoever stops waiting here leaves a writing whose fate is not known.
        self.may_be_mine = true;
        self.number = self.number.wrapping_add(1);
        let id = format!("{}.{}.{}", self.subject, self.me, self.number);
        let expected = Expected::OfSubject(last);
        let draft = Draft { stream: &self.stream, subject: &self.subject, id: &id, expected, is_deletion };
        let value = if is_deletion { Bytes::new() } else { Bytes::from(self.me.clone()) };
        publish(&mut self.mailbox, &draft, value).await
    }
}

/// Takes a hub's id for one run of it. The lease that is returned must be renewed like any other; when it is lost,
/// another process has the id.
///
/// A process that was killed has its id for the length of a lease. So this may take that long.
///
/// # Errors
/// When another process has the id, or the brokers do not answer.
pub async fn claim_hub_id(brokers: &Brokers, names: &Names, hub: &HubId, boot: BootId) -> Result<Lease, ClusterError> {
    let mut lease = Lease::of(brokers, names, &LeaseKey::Hub(hub.clone()), hub, boot, LEASE_TTL);
    let mut first = None;
    loop {
        match lease.step().await? {
            Standing::Held { .. } => return Ok(lease),
            Standing::Elsewhere { holder, revision } => {
                if *first.get_or_insert(revision) != revision {
                    return Err(Refusal::HubIdInUse { hub: hub.to_string(), holder }.into());
                }
            }
            Standing::Overtaken => {}
        }
        sleep(LEASE_TTL / 20).await;
    }
}
