//! Bounds of what is sent and of what is read.

use std::time::Duration;

/// How long one exchange may take, from looking up the host to the end of the answer.
pub const EXCHANGE_MAX: Duration = Duration::from_secs(10);

/// How long one address of a host is tried, so that a dead one leaves time for the next.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(3);

/// How long the end of a conversation over SMTP may take. The mail has been taken by then.
pub(crate) const QUIT_MAX: Duration = Duration::from_secs(1);

/// Bytes of an answer's head.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Bytes of an answer's body that are read.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Bytes that a mail server may send in one conversation.
pub(crate) const SMTP_BYTES_MAX: usize = 256 * 1024;

/// Characters of an answer that are shown.
pub(crate) const ERROR_CHARS_MAX: usize = 200;

/// The longest wait that a receiver can ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// The longest wait between two tries, when the receiver asked for none.
pub const BACKOFF_MAX: Duration = Duration::from_secs(300);

/// A notice that is older is given up.
pub const NOTICE_AGE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Work that a template may do. One unit is an instruction, or 64 bytes that are made.
pub(crate) const FUEL: u64 = 100_000;

/// Characters of a subject.
pub(crate) const SUBJECT_CHARS_MAX: usize = 250;

/// Characters of a message of Telegram.
pub(crate) const TELEGRAM_CHARS_MAX: usize = 4096;

/// Characters of an attachment's title and text in Slack. The title's bound is Slack's.
pub(crate) const SLACK_CHARS_MAX: [usize; 2] = [1024, 16_000];

/// Characters of a message's content and of an embed's description in Discord.
pub(crate) const DISCORD_CHARS_MAX: [usize; 2] = [2000, 4096];

/// Bytes of a message of ntfy.
pub(crate) const NTFY_BYTES_MAX: usize = 4096;

/// Alerts that one request to an Alertmanager has.
pub const ALERTMANAGER_BATCH: usize = 256;
