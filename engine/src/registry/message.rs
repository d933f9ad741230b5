//! The bytes of a message of the registry's stream: the changes of one verb, which are made together.
//!
//! ```text
//! message = version check[4] hub_id boot_id[8] number change*          check: CRC-32 of what follows it
//! change  = 0 id length server        | 1 id                           a server, as stored; removed
//!         | 2 id length token         | 3 id hash[32]                  an API token
//!         | 4 id length enrol token   | 5 id hash[32]
//!         | 6 id length user          | 7 id
//!         | 8 hash[32] length login   | 9 hash[32]
//!         | 10 id length rule         | 11 id
//!         | 12 id length channel      | 13 id
//!         | 14 id length silence      | 15 id
//!         | 16 what next                                               the lowest id of that kind that is free
//!         | 17 rule server length alert   | 18 rule server             an alert of a server or of the hub, which is 0
//!         | 19 number length notice       | 20 number                  a notice that waits; it is sent or given up
//!         | 21 number length row          | 22 notice row              a row of the log; the lowest free numbers
//!         | 23 hub_id boot_id[8]                                       the process that judges alerts from now on
//! ```
//! Version, kinds and `what` are one byte, check and boot_id little-endian, all other numbers varints. Records are
//! those of the store. A message comes from another machine, so all of it is checked before any of it is used.

use std::sync::Arc;

use super::alerts;
use super::change::Change;
use super::ids::IdKind;
use crate::intake::{FollowError, Member, seal_message, unseal_message};
use crate::limits::{CHANGES_PER_MESSAGE_MAX, REGISTRY_ID_MAX, STREAM_MESSAGE_BYTES_MAX};
use crate::record::{Corrupt, RecordReader, RecordWriter};
use crate::secret::SecretHash;
use crate::store::{channels, rules, servers, silences, tokens, users};

/// The version that this hub writes, and the newest that it reads.
const VERSION: u8 = 1;
/// What an error says is corrupt, of a message.
const WHAT: &str = "a change of the registry";

const SERVER: u8 = 0;
const SERVER_REMOVED: u8 = 1;
const TOKEN: u8 = 2;
const TOKEN_REMOVED: u8 = 3;
const ENROL_TOKEN: u8 = 4;
const ENROL_TOKEN_REMOVED: u8 = 5;
const USER: u8 = 6;
const USER_REMOVED: u8 = 7;
const LOGIN: u8 = 8;
const LOGIN_ENDED: u8 = 9;
const RULE: u8 = 10;
const RULE_REMOVED: u8 = 11;
const CHANNEL: u8 = 12;
const CHANNEL_REMOVED: u8 = 13;
const SILENCE: u8 = 14;
const SILENCE_REMOVED: u8 = 15;
const NEXT_ID: u8 = 16;

/// Where a message comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    /// The hub and its process.
    pub(super) member: Member,
    /// Counts the proposals of that process, from 1.
    pub(super) number: u64,
}

/// The message of these changes. `None` when they are too many for one.
pub(super) fn write(origin: &Origin, changes: &[Change]) -> Option<Vec<u8>> {
    if changes.len() > CHANGES_PER_MESSAGE_MAX {
        return None;
    }
    let mut message = vec![VERSION, 0, 0, 0, 0];
    let mut record = RecordWriter(&mut message);
    record.u64(origin.member.hub_id.into());
    record.array(&origin.member.boot_id.to_le_bytes());
    record.u64(origin.number);
    changes.iter().for_each(|change| put(&mut record, change));
    seal_message(&mut message);
    (message.len() <= STREAM_MESSAGE_BYTES_MAX).then_some(message)
}

fn put(record: &mut RecordWriter<'_>, change: &Change) {
    match change {
        Change::Server(server) => put_record(record, SERVER, server.id, &servers::write(server)),
        Change::ServerRemoved(id) => put_id(record, SERVER_REMOVED, *id),
        Change::Token(token) => put_record(record, TOKEN, token.id, &tokens::write_token(token)),
        Change::TokenRemoved { id, hash } => {
            put_id(record, TOKEN_REMOVED, *id);
            record.array(&hash.0);
        }
        Change::EnrolToken(token) => put_record(record, ENROL_TOKEN, token.id, &tokens::write_enrol_token(token)),
        Change::EnrolTokenRemoved { id, hash } => {
            put_id(record, ENROL_TOKEN_REMOVED, *id);
            record.array(&hash.0);
        }
        Change::User(user) => put_record(record, USER, user.id, &users::write_user(user)),
        Change::UserRemoved(id) => put_id(record, USER_REMOVED, *id),
        Change::Login(login) => {
            record.u8(LOGIN);
            record.array(&login.hash.0);
            put_value(record, &users::write_login(login));
        }
        Change::LoginEnded(hash) => {
            record.u8(LOGIN_ENDED);
            record.array(&hash.0);
        }
        Change::Rule(rule) => put_record(record, RULE, rule.id, &rules::write(rule)),
        Change::RuleRemoved(id) => put_id(record, RULE_REMOVED, *id),
        Change::Channel(channel) => put_record(record, CHANNEL, channel.id, &channels::write(channel)),
        Change::ChannelRemoved(id) => put_id(record, CHANNEL_REMOVED, *id),
        Change::Silence(silence) => put_record(record, SILENCE, silence.id, &silences::write(silence)),
        Change::SilenceRemoved(id) => put_id(record, SILENCE_REMOVED, *id),
        Change::NextId(kind, next) => {
            record.u8(NEXT_ID);
            record.u8(kind.number());
            record.u64(*next);
        }
        Change::OfAlerts(change) => alerts::write(record, change),
    }
}

fn put_id(record: &mut RecordWriter<'_>, kind: u8, id: u64) {
    record.u8(kind);
    record.u64(id);
}

fn put_record(record: &mut RecordWriter<'_>, kind: u8, id: u64, value: &[u8]) {
    put_id(record, kind, id);
    put_value(record, value);
}

fn put_value(record: &mut RecordWriter<'_>, value: &[u8]) {
    record.u64(value.len() as u64);
    record.0.extend_from_slice(value);
}

/// Where a message comes from, and its changes.
pub(super) fn read(message: &[u8]) -> Result<(Origin, Vec<Change>), FollowError> {
    let mut record = RecordReader::new(WHAT, unseal_message(message, VERSION, WHAT)?);
    let hub_id = record.u32()?;
    let boot_id = u64::from_le_bytes(record.array()?);
    let number = record.u64()?;
    let mut changes = Vec::new();
    while !record.is_empty() {
        if changes.len() == CHANGES_PER_MESSAGE_MAX {
            return Err(record.corrupt().into());
        }
        changes.push(take(&mut record)?);
    }
    Ok((Origin { member: Member { hub_id, boot_id }, number }, changes))
}

fn take(record: &mut RecordReader<'_>) -> Result<Change, Corrupt> {
    let kind = record.u8()?;
    Ok(match kind {
        SERVER => Change::Server(take_record(record, servers::read)?),
        SERVER_REMOVED => Change::ServerRemoved(take_id(record)?),
        TOKEN => Change::Token(take_record(record, tokens::read_token)?),
        TOKEN_REMOVED => Change::TokenRemoved { id: take_id(record)?, hash: SecretHash(record.array()?) },
        ENROL_TOKEN => Change::EnrolToken(take_record(record, tokens::read_enrol_token)?),
        ENROL_TOKEN_REMOVED => Change::EnrolTokenRemoved { id: take_id(record)?, hash: SecretHash(record.array()?) },
        USER => Change::User(take_record(record, users::read_user)?),
        USER_REMOVED => Change::UserRemoved(take_id(record)?),
        LOGIN => {
            let hash: [u8; 32] = record.array()?;
            let length = record.length()?;
            Change::Login(users::read_login(&hash, record.take(length)?)?)
        }
        LOGIN_ENDED => Change::LoginEnded(SecretHash(record.array()?)),
        RULE => Change::Rule(Arc::new(take_record(record, rules::read)?)),
        RULE_REMOVED => Change::RuleRemoved(take_id(record)?),
        CHANNEL => Change::Channel(Arc::new(take_record(record, channels::read)?)),
        CHANNEL_REMOVED => Change::ChannelRemoved(take_id(record)?),
        SILENCE => Change::Silence(Arc::new(take_record(record, silences::read)?)),
        SILENCE_REMOVED => Change::SilenceRemoved(take_id(record)?),
        NEXT_ID => {
            let kind = IdKind::numbered(record.u8()?).ok_or_else(|| record.corrupt())?;
            Change::NextId(kind, take_id(record)?)
        }
        _ => Change::OfAlerts(alerts::read(kind, record)?.ok_or_else(|| record.corrupt())?),
    })
}

/// An id after which there are others.
fn take_id(record: &mut RecordReader<'_>) -> Result<u64, Corrupt> {
    let id = record.u64()?;
    if (1..=REGISTRY_ID_MAX).contains(&id) { Ok(id) } else { Err(record.corrupt()) }
}

fn take_record<T>(
    record: &mut RecordReader<'_>,
    read: impl Fn(u64, &[u8]) -> Result<T, Corrupt>,
) -> Result<T, Corrupt> {
    let id = take_id(record)?;
    let length = record.length()?;
    read(id, record.take(length)?)
}

/// A message with a right check over whatever follows it, for the fuzzer.
#[doc(hidden)]
pub fn checked_registry_message(checked: &[u8]) -> Vec<u8> {
    let mut message = vec![VERSION, 0, 0, 0, 0];
    message.extend_from_slice(checked);
    seal_message(&mut message);
    message
}

/// Reads bytes as a message, for the fuzzer. Whether they are one. What was read must mean the same when it is written
/// again.
#[doc(hidden)]
pub fn read_registry_message(message: &[u8]) -> bool {
    let Ok((origin, changes)) = read(message) else { return false };
    // There is more than one way to write a number, and records of older stores get longer.
    let Some(again) = write(&origin, &changes) else { return true };
    let third = read(&again).ok().and_then(|(origin, changes)| write(&origin, &changes));
    assert!(third == Some(again), "a message that was read is written as another one");
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::alert::AlertChange;
    use crate::alert::journal::{AlertEvent, EventKind};
    use crate::alert::notice::{Notice, NoticeKind};
    use crate::alert::rule::Severity;
    use crate::alert::state::Alert;
    use crate::server::ServerRecord;
    use crate::token::{EnrolToken, Scopes, Token};
    use crate::user::{Login, PasswordHash, Role, User};

    const ORIGIN: Origin = Origin { member: Member { hub_id: 2, boot_id: 0x0102_0304 }, number: 300 };

    fn server(id: u64, name: &str) -> ServerRecord {
        ServerRecord {
            id,
            name: name.to_owned(),
            tag: String::new(),
            note: String::new(),
            display_index: 0,
            hide_for_guest: false,
            country: String::new(),
            credential: SecretHash([7; 32]),
            created_s: 1,
        }
    }

    /// A change of each kind, by number.
    fn change(kind: u8, id: u64, text: &str) -> Change {
        let (hash, text) = (SecretHash::of(text), text.to_owned());
        match kind {
            0 => Change::Server(server(id, &text)),
            1 => Change::ServerRemoved(id),
            2 => {
                let (tags, scopes) = (Arc::new([text.clone()]), Scopes::V0);
                let (created_s, expires_s, last_used_s) = (5, Some(-3), None);
                Change::Token(Token { id, hash, note: text, scopes, tags, created_s, expires_s, last_used_s })
            }
            3 => Change::TokenRemoved { id, hash },
            4 => {
                let note = text.clone();
                let (uses_left, expires_s) = (Some(id), None);
                Change::EnrolToken(EnrolToken { id, hash, note, tag: text, uses_left, created_s: -1, expires_s })
            }
            5 => Change::EnrolTokenRemoved { id, hash },
            6 => {
                let password = PasswordHash::of_nobody();
                Change::User(User { id, name: text, role: Role::Viewer, password, created_s: 9 })
            }
            7 => Change::UserRemoved(id),
            8 => Change::Login(Login { hash, user: text, expires_s: 77 }),
            9 => Change::LoginEnded(hash),
            11 => Change::RuleRemoved(id),
            13 => Change::ChannelRemoved(id),
            15 => Change::SilenceRemoved(id),
            17 => {
                let mut alert = Alert::begun((id, id / 2), 3, Some(90.5), -4);
                alert.acknowledged_by = Some(text);
                Change::OfAlerts(AlertChange::Alert(alert))
            }
            18 => Change::OfAlerts(AlertChange::Ended { rule_id: id, server_id: id - 1 }),
            19 => {
                let notice = Notice { sequence: id, ..Notice::new(1, id, NoticeKind::Firing, 8) };
                Change::OfAlerts(AlertChange::Notice(Notice { by_tag: vec![(text, 2)], ..notice }))
            }
            20 => Change::OfAlerts(AlertChange::NoticeGone(id)),
            21 => Change::OfAlerts(AlertChange::Row(AlertEvent {
                time_ms: -1,
                sequence: id,
                rule_id: 5,
                rule_name: text.clone(),
                server_id: 0,
                server_name: String::new(),
                severity: Severity::Info,
                what: EventKind::Undelivered,
                value: None,
                note: text,
            })),
            22 => Change::OfAlerts(AlertChange::NextNumbers { notice: id, row: id + 1 }),
            23 => Change::OfAlerts(AlertChange::Judge(Member { hub_id: 7, boot_id: id })),
            other => Change::NextId(IdKind::numbered(other % 7).expect("there are seven"), id),
        }
    }

    fn is_taken(message: &[u8]) -> bool {
        read_registry_message(message)
    }

    #[test]
    fn a_message_keeps_its_bytes() {
        let hash = SecretHash([9; 32]);
        let changes = [
            Change::Server(server(5, "ab")),
            Change::NextId(IdKind::Server, 6),
            Change::TokenRemoved { id: 300, hash },
            Change::LoginEnded(hash),
            Change::SilenceRemoved(4),
            Change::OfAlerts(AlertChange::Ended { rule_id: 300, server_id: 0 }),
            Change::OfAlerts(AlertChange::NoticeGone(7)),
            Change::OfAlerts(AlertChange::NextNumbers { notice: 8, row: 300 }),
            Change::OfAlerts(AlertChange::Judge(ORIGIN.member)),
        ];
        let message = write(&ORIGIN, &changes).expect("small");
        let mut golden = vec![1];
        golden.extend_from_slice(&crc32fast::hash(&message[5..]).to_le_bytes());
        golden.extend_from_slice(&[2, 4, 3, 2, 1, 0, 0, 0, 0, 0xac, 0x02]);
        golden.extend_from_slice(&[0, 5, 41, 2, b'a', b'b', 0, 0, 0, 0, 0]);
        golden.extend_from_slice(&[7; 32]);
        golden.extend_from_slice(&[2]);
        golden.extend_from_slice(&[16, 0, 6]);
        golden.extend_from_slice(&[3, 0xac, 0x02]);
        golden.extend_from_slice(&[9; 32]);
        golden.extend_from_slice(&[9]);
        golden.extend_from_slice(&[9; 32]);
        golden.extend_from_slice(&[15, 4]);
        golden.extend_from_slice(&[18, 0xac, 0x02, 0]);
        golden.extend_from_slice(&[20, 7]);
        golden.extend_from_slice(&[22, 8, 0xac, 0x02]);
        golden.extend_from_slice(&[23, 2, 4, 3, 2, 1, 0, 0, 0, 0]);
        assert_eq!(message, golden);
        let (origin, read) = read(&message).expect("written");
        assert_eq!((origin, read.len()), (ORIGIN, changes.len()));
        assert!(matches!(&read[0], Change::Server(record) if *record == server(5, "ab")));
        assert!(matches!(read[1], Change::NextId(IdKind::Server, 6)));
        assert!(matches!(read[2], Change::TokenRemoved { id: 300, hash: found } if found == hash));
    }

    #[test]
    fn numbers_beyond_their_bounds_are_refused() {
        let origin = [2, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let of = |change: &[u8]| is_taken(&checked_registry_message(&[&origin[..], change].concat()));
        assert!(of(&[]) && of(&[1, 5]) && of(&[16, 6, 1]));
        assert!(!of(&[1, 0]), "no server has id 0");
        assert!(!of(&[16, 7, 1]), "there are seven kinds of ids");
        assert!(!of(&[24, 1]), "an unknown kind");
        assert!(of(&[18, 1, 0]) && of(&[22, 1, 1]), "the hub is server 0");
        assert!(!of(&[18, 0, 1]) && !of(&[20, 0]) && !of(&[22, 0, 1]) && !of(&[22, 1, 0]), "these count from 1");
        let mut highest = vec![16, 0];
        RecordWriter(&mut highest).u64(REGISTRY_ID_MAX);
        assert!(of(&highest));
        let mut above = vec![16, 0];
        RecordWriter(&mut above).u64(REGISTRY_ID_MAX + 1);
        assert!(!of(&above), "no id would be left");
        assert!(!is_taken(&vec![1; STREAM_MESSAGE_BYTES_MAX + 1]));
        let removed = |count: usize| (0..count).map(|_| Change::ServerRemoved(1)).collect::<Vec<_>>();
        assert!(write(&ORIGIN, &removed(CHANGES_PER_MESSAGE_MAX)).is_some_and(|message| is_taken(&message)));
        assert!(write(&ORIGIN, &removed(CHANGES_PER_MESSAGE_MAX + 1)).is_none());
        let many = [1, 1].repeat(CHANGES_PER_MESSAGE_MAX + 1);
        assert!(!of(&many));
        let long = server(1, &"n".repeat(STREAM_MESSAGE_BYTES_MAX));
        assert!(write(&ORIGIN, &[Change::Server(long)]).is_none());
    }

    proptest! {
        #[test]
        fn changes_round_trip(parts in proptest::collection::vec((0u8..32, 1u64..1 << 40, ".{0,20}"), 0..12)) {
            let changes: Vec<Change> = parts.iter().map(|(kind, id, text)| change(*kind, *id, text)).collect();
            let message = write(&ORIGIN, &changes).expect("small");
            let (origin, read) = read(&message).expect("written");
            prop_assert_eq!(origin, ORIGIN);
            prop_assert_eq!(read.len(), changes.len());
            prop_assert_eq!(write(&origin, &read), Some(message));
        }

        #[test]
        fn hostile_changes_never_panic(changes in proptest::collection::vec(any::<u8>(), 0..200)) {
            is_taken(&changes);
            is_taken(&checked_registry_message(&changes));
        }

        #[test]
        fn a_damaged_change_with_a_right_check_never_panics(
            parts in proptest::collection::vec((0u8..32, 1u64..1 << 40, ".{0,20}"), 1..6),
            at in any::<proptest::sample::Index>(),
            to in any::<u8>(),
        ) {
            let changes: Vec<Change> = parts.iter().map(|(kind, id, text)| change(*kind, *id, text)).collect();
            let mut checked = write(&ORIGIN, &changes).expect("small").split_off(5);
            let at = at.index(checked.len());
            checked[at] = to;
            is_taken(&checked_registry_message(&checked));
            is_taken(&checked_registry_message(&checked[..at]));
        }
    }
}
