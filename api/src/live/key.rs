//! The stream key of a subscriber.

use std::sync::Arc;

use windfire_engine::server::ServerRecord;

use super::row::Precision;
use crate::viewer::Audience;

/// The audience and filter of a subscriber. Subscribers of one key share every byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamKey {
    pub(crate) audience: Audience,
    pub(crate) filter: Filter,
}

/// Which servers, of those that the audience sees.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Filter {
    All,
    Tag(String),
    /// In ascending order. These are shown exactly.
    Ids(Arc<[u64]>),
}

impl StreamKey {
    pub(super) fn precision(&self) -> Precision {
        match self.filter {
            Filter::All | Filter::Tag(_) => Precision::Coarse,
            Filter::Ids(_) => Precision::Exact,
        }
    }

    pub(super) fn shows(&self, server: &ServerRecord) -> bool {
        let is_wanted = match &self.filter {
            Filter::All => true,
            Filter::Tag(tag) => server.tag == *tag,
            Filter::Ids(ids) => ids.binary_search(&server.id).is_ok(),
        };
        is_wanted && self.audience.sees(server)
    }
}
