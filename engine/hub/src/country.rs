//! Country of an address, from a database file that the operator names.

use std::net::IpAddr;
use std::path::Path;

use maxminddb::{PathElement, Reader};
use windfire_engine::CountryLookup;

/// Opens the database. It may have either of the two usual layouts: a `country` object with an `iso_code`, or a plain
/// text `country`. If there is no country, the continent is used, as in v0.
pub(crate) fn open(path: &Path) -> Result<CountryLookup, String> {
    let reader = Reader::open_readfile(path)
        .map_err(|error| format!("country_db {}: {error}: name an mmdb file, or leave the key out", path.display()))?;
    Ok(Box::new(move |address| look_up(&reader, address).unwrap_or_default()))
}

fn look_up(reader: &Reader<Vec<u8>>, address: &str) -> Option<String> {
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
