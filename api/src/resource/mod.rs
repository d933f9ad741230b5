//! The resources that the panel and the command line manage. A resource is a file with its operations, bodies, answers,
//! schemas and functions. A new one is a line in each list here. Each answer is an envelope with a `result`.

mod alert;
mod channel;
mod channel_settings;
mod cluster;
mod enrol_token;
mod hub;
mod preview;
mod rule;
mod server;
mod session;
mod silence;
mod token;
mod user;

use crate::operation::Section;

/// In the order of the document.
pub(crate) const RESOURCES: [Section; 12] = [
    Section { operations: &session::OPERATIONS, schemas: session::schemas },
    Section { operations: &token::OPERATIONS, schemas: token::schemas },
    Section { operations: &server::OPERATIONS, schemas: server::schemas },
    Section { operations: &enrol_token::OPERATIONS, schemas: enrol_token::schemas },
    Section { operations: &user::OPERATIONS, schemas: user::schemas },
    Section { operations: &alert::OPERATIONS, schemas: alert::schemas },
    Section { operations: &rule::OPERATIONS, schemas: rule::schemas },
    Section { operations: &preview::OPERATIONS, schemas: preview::schemas },
    Section { operations: &channel::OPERATIONS, schemas: channel::schemas },
    Section { operations: &silence::OPERATIONS, schemas: silence::schemas },
    Section { operations: &hub::OPERATIONS, schemas: hub::schemas },
    Section { operations: &cluster::OPERATIONS, schemas: cluster::schemas },
];
