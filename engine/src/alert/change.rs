//! One thing of alerts that has become different, as the hubs of a cluster tell one another.

use super::journal::AlertEvent;
use super::notice::Notice;
use super::state::Alert;
use crate::intake::Member;

/// One thing that is different from now on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AlertChange {
    /// An alert, new or changed.
    Alert(Alert),
    /// An alert is ok, or has lost its rule or its server.
    Ended { rule_id: u64, server_id: u64 },
    /// A notice that waits to be sent: it is new, or says more than before.
    Notice(Notice),
    /// A notice is sent or given up.
    NoticeGone(u64),
    /// A row of the log, with its number.
    Row(AlertEvent),
    /// The lowest numbers of a notice and of a row that were never given out.
    NextNumbers { notice: u64, row: u64 },
    /// From now on only passes of that process count.
    Judge(Member),
}
