//! Opens a store that may be of an older format.

use std::path::Path;

use super::keep::{Upgraded, keep};
use super::place::{check_may_open, drop_rollback};
use crate::fail_point::AtFailPoint;
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::format::{Found, check};
use crate::store::whole::{check_database, check_manifest, rehearse};

/// Opens the store in `folder` as [`Store::open`] does. One of an older format is upgraded by that; with
/// `keeps_rollback` it is kept as it was before.
pub(crate) fn open_or_upgrade(
    folder: &Path,
    at_fail_point: AtFailPoint,
    keeps_rollback: bool,
) -> Result<(Store, Option<Upgraded>), StoreError> {
    check_may_open(folder)?;
    if check(folder)? != Found::Older {
        return Ok((Store::open(folder, at_fail_point)?, None));
    }
    // What lost something is refused before anything is written.
    check_database(folder)?;
    check_manifest(folder)?;
    rehearse(folder)?;
    let upgraded = keep(folder, keeps_rollback, at_fail_point)?;
    let store = Store::open(folder, at_fail_point)?;
    if upgraded.rollback.is_none() {
        // What an earlier start kept is not this store any more.
        drop_rollback(folder)?;
    }
    Ok((store, Some(upgraded)))
}
