//! Ids of servers, tokens, users, rules, channels and silences. None is given out twice.

use crate::store::key;

/// The things that have their own ids. Their order is in messages of the registry's stream.
#[derive(Clone, Copy)]
pub(super) enum IdKind {
    Server,
    Token,
    EnrolToken,
    User,
    Rule,
    Channel,
    Silence,
}

/// Ids that were never given out.
#[derive(Clone, Copy)]
pub(super) struct NextIds {
    pub(super) server: u64,
    pub(super) token: u64,
    pub(super) enrol_token: u64,
    pub(super) user: u64,
    pub(super) rule: u64,
    pub(super) channel: u64,
    pub(super) silence: u64,
}

impl NextIds {
    pub(super) fn of(&mut self, kind: IdKind) -> &mut u64 {
        match kind {
            IdKind::Server => &mut self.server,
            IdKind::Token => &mut self.token,
            IdKind::EnrolToken => &mut self.enrol_token,
            IdKind::User => &mut self.user,
            IdKind::Rule => &mut self.rule,
            IdKind::Channel => &mut self.channel,
            IdKind::Silence => &mut self.silence,
        }
    }
}

impl IdKind {
    const ALL: [Self; 7] =
        [Self::Server, Self::Token, Self::EnrolToken, Self::User, Self::Rule, Self::Channel, Self::Silence];

    /// Its number in messages.
    pub(super) const fn number(self) -> u8 {
        self as u8
    }

    /// The kind of that number.
    pub(super) fn numbered(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    pub(super) const fn key(self) -> &'static [u8] {
        match self {
            Self::Server => key::NEXT_SERVER_ID,
            Self::Token => key::NEXT_TOKEN_ID,
            Self::EnrolToken => key::NEXT_ENROL_TOKEN_ID,
            Self::User => key::NEXT_USER_ID,
            Self::Rule => key::NEXT_RULE_ID,
            Self::Channel => key::NEXT_CHANNEL_ID,
            Self::Silence => key::NEXT_SILENCE_ID,
        }
    }
}
