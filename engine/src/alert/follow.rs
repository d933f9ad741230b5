//! What the registry's stream brings of alerts. It is the only way in which alerts, notices and their numbers change on
//! a hub of a cluster, also when the change is its own.

use super::book::{AlertBook, Board};
use super::change::AlertChange;
use super::entry::Entry;
use super::state::Alert;
use crate::intake::Member;

impl AlertBook {
    /// Makes visible what a message has brought. It is stored already. `own` is this process.
    pub(crate) fn follow(&self, changes: Vec<AlertChange>, own: Member) {
        let mut board = self.board.write();
        board.followed.messages += 1;
        changes.into_iter().for_each(|change| board.follow(change, own));
    }
}

impl Board {
    fn follow(&mut self, change: AlertChange, own: Member) {
        match change {
            AlertChange::Alert(alert) => self.follow_alert(alert, own),
            AlertChange::Ended { rule_id, server_id } => {
                self.entries.remove(rule_id, server_id);
                self.followed.unplaced.remove(&(rule_id, server_id));
            }
            AlertChange::Notice(notice) => self.queue.follow(notice),
            AlertChange::NoticeGone(sequence) => drop(self.queue.remove(sequence)),
            // It is in the store, and only read from there.
            AlertChange::Row(_) => {}
            AlertChange::NextNumbers { notice, row } => {
                self.queue.raise_next(notice);
                self.next_row = self.next_row.max(row);
            }
            AlertChange::Judge(member) => {
                self.followed.judge = Some(member);
                self.followed.terms += 1;
            }
        }
    }

    fn follow_alert(&mut self, alert: Alert, own: Member) {
        let ids = (alert.rule_id, alert.server_id);
        // After an acknowledgement it is still where this hub's passes have brought it.
        let known = self.entries.get(ids.0, ids.1).filter(|known| known.alert.state == alert.state).cloned();
        let entry = match known {
            Some(known) if self.followed.judge == Some(own) && is_acknowledgement(&known.alert, &alert) => {
                // The hub that was asked knows older values.
                let acknowledged_by = alert.acknowledged_by;
                Entry { alert: Alert { acknowledged_by, ..known.alert }, ..known }
            }
            Some(known) => Entry { alert, ..known },
            None => {
                if self.followed.judge == Some(own) {
                    self.followed.unplaced.insert(ids);
                }
                Entry::followed(alert)
            }
        };
        self.entries.put(entry);
    }
}

/// Whether an alert differs from what is known by who has acknowledged it, and otherwise only by its values.
fn is_acknowledgement(known: &Alert, alert: &Alert) -> bool {
    let Alert { value, worst_value, .. } = *known;
    let same = Alert { value, worst_value, acknowledged_by: known.acknowledged_by.clone(), ..alert.clone() };
    known.acknowledged_by != alert.acknowledged_by && same == *known
}
