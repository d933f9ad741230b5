//! Country of an address, from a database file that the operator names.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use maxminddb::{PathElement, Reader};
use windfire_engine::CountryLookup;

use crate::swap::Swap;

/// A database in memory.
pub(crate) type Database = Reader<Vec<u8>>;

/// The database in use, or none.
#[derive(Clone)]
pub(crate) struct Countries(Arc<Swap<Option<Database>>>);

impl Countries {
    pub(crate) fn new(database: Option<Database>) -> Self {
        Self(Arc::new(Swap::new(database)))
    }

    /// Uses another one from now on. Servers keep the country that they have until their agents connect again.
    pub(crate) fn replace(&self, database: Option<Database>) {
        self.0.replace(database);
    }

    /// For the engine.
    pub(crate) fn look_up(&self) -> CountryLookup {
        let databases = Arc::clone(&self.0);
        Box::new(move |address| {
            let database = databases.current();
            let found = (*database).as_ref().and_then(|reader| look_up(reader, address));
            found.unwrap_or_default()
        })
    }
}

/// Opens the database. It may have either of the two usual layouts: a `country` object with an `iso_code`, or a plain
/// text `country`. If there is no country, the continent is used, as in v0.
pub(crate) fn open(path: &Path) -> Result<Database, String> {
    Reader::open_readfile(path)
        .map_err(|error| format!("country_db {}: {error}: name an mmdb file, or leave the key out", path.display()))
}

fn look_up(reader: &Database, address: &str) -> Option<String> {
    let parts = address.split('/').find_map(|part| part.parse::<IpAddr>().ok())?;
    let found = reader.lookup(parts).ok()?;
    let text = |path: &[&'static str]| {
        let path: Vec<PathElement<'_>> = path.iter().map(|key| PathElement::Key(key)).collect();
        found.decode_path::<String>(&path).ok().flatten()
    };
    let code = text(&["country", "iso_code"])
        .or_else(|| text(&["country_code"]))
        .or_else(|| text(&["country"]))
        .or_else(|| text(&["continent", "code"]))
        .or_else(|| text(&["continent"]))?;
    let code = code.to_ascii_lowercase();
    (code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_lowercase())).then_some(code)
}
