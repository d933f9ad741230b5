//! Single numbers and times of the store: the values of the family `default`.

use super::checkpoints::Checkpoints;
use super::database::Store;
use super::error::StoreError;
use super::positions::Positions;
use super::{clock, key};
use crate::clock::StoredClock;
use crate::record::Corrupt;

impl Store {
    /// The number stored under `key`, 0 when there is none.
    pub(crate) fn number(&self, key: &'static [u8]) -> Result<u64, StoreError> {
        self.with(|db| match db.get(key).map_err(|error| self.error(&error))? {
            None => Ok(0),
            Some(value) => {
                key::id_of(&value).ok_or_else(|| Corrupt::at(format!("number {}", String::from_utf8_lossy(key))).into())
            }
        })
    }

    /// How far the latest status is complete; nowhere in a new store.
    pub(crate) fn checkpoints(&self) -> Result<Checkpoints, StoreError> {
        self.with(|db| match db.get(key::CHECKPOINT).map_err(|error| self.error(&error))? {
            None => Ok(Checkpoints::default()),
            Some(value) => Ok(Checkpoints::read(&value)?),
        })
    }

    /// What the hub believed of the time when it last stored it; nothing in a new store, or one of an older hub.
    pub(crate) fn clock(&self) -> Result<Option<StoredClock>, StoreError> {
        self.with(|db| {
            let value = db.get(key::CLOCK).map_err(|error| self.error(&error))?;
            Ok(value.map(|value| clock::read(&value)).transpose()?)
        })
    }

    /// The time stored under `key`, when there is one.
    pub(crate) fn time(&self, key: &'static [u8]) -> Result<Option<i64>, StoreError> {
        self.with(|db| Ok(db.get(key).map_err(|error| self.error(&error))?.and_then(|value| key::time_of(&value))))
    }

    /// How far a hub of a cluster has followed the streams; nowhere in a store that never followed one.
    pub(crate) fn positions(&self) -> Result<Positions, StoreError> {
        self.with(|db| match db.get(key::FOLLOWED).map_err(|error| self.error(&error))? {
            None => Ok(Positions::default()),
            Some(value) => Ok(Positions::read(&value)?),
        })
    }
}
