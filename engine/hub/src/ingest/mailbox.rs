//! Messages from other threads to the conversations of a listener.

use quinn_proto::ConnectionHandle;
use tokio::sync::mpsc::UnboundedSender;
use windfire_engine::Kick;
use windfire_engine::error::Refusal;
use windfire_wire::RefuseReason;

use crate::enroller::Enrolled;

/// A message from another thread to a conversation of this listener.
pub(super) enum Mail {
    /// Its session ends.
    Kicked(RefuseReason),
    /// The result of the enrolment that it waits for.
    Enrolled(Result<u64, Refusal>),
}

/// A conversation by its handle and number, and the message to it.
pub(super) type Addressed = (ConnectionHandle, u64, Mail);

/// Sends messages to conversations of this listener from any thread. Each session is kicked at most once and enrolled
/// at most once, so the channel holds at most twice as many messages as there are sessions.
#[derive(Clone)]
pub(super) struct Mailbox(pub(super) UnboundedSender<Addressed>);

impl Mailbox {
    /// The kick of one conversation.
    pub(super) fn kick_of(&self, handle: ConnectionHandle, number: u64) -> Kick {
        let mailbox = self.clone();
        Box::new(move |reason| mailbox.post(handle, number, Mail::Kicked(reason)))
    }

    /// Delivers the result of its enrolment to one conversation.
    pub(super) fn enrolled_of(&self, handle: ConnectionHandle, number: u64) -> Enrolled {
        let mailbox = self.clone();
        Box::new(move |result| mailbox.post(handle, number, Mail::Enrolled(result)))
    }

    fn post(&self, handle: ConnectionHandle, number: u64, mail: Mail) {
        // A listener that is gone has no sessions left to tell.
        let _gone = self.0.send((handle, number, mail));
    }
}
