//! `DAMAGED`: the marks of table files that a compaction could not read.
//!
//! ```text
//! DAMAGED = "windfire damaged 1\n" { "table " file " " family "\n" }* "check " check "\n"
//! ```
//! `check` is the CRC-32 of everything before that line, as 8 hexadecimal digits.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use super::key;
use super::options::DB_FOLDER;

/// Name of the file.
pub(super) const FILE: &str = "DAMAGED";
const PREFIX: &str = "windfire damaged 1\n";
const TABLE_PREFIX: &str = "table ";
const CHECK_PREFIX: &str = "check ";
/// Marked table files of one family. The first ends its compactions, and others only name more of the damage.
const TABLES_PER_FAMILY_MAX: usize = 3;
/// Bytes of the file that are read. All families with all their marks need half of it.
const FILE_BYTES_MAX: u64 = 8 * 1024;
/// Digits of a table file's number.
const DIGITS_MAX: usize = 20;

/// A table file that a compaction could not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedTable {
    /// Its path in the data folder.
    pub file: String,
    /// The column family that it is of.
    pub family: &'static str,
}

/// The marks that the file of the store in `folder` has. The error says why they are ignored.
pub(super) fn read(folder: &Path) -> Result<Vec<DamagedTable>, String> {
    let path = folder.join(FILE);
    let mut bytes = Vec::new();
    let found = File::open(&path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    let why = match found {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => error.to_string(),
        Ok(_) if bytes.len() as u64 > FILE_BYTES_MAX => format!("it has more than {FILE_BYTES_MAX} bytes"),
        Ok(_) => match std::str::from_utf8(&bytes).ok().and_then(parse) {
            Some(tables) => return Ok(tables),
            None => "it is damaged, or of another version".to_owned(),
        },
    };
    Err(format!(
        "{} was ignored ({why}): table files that it named are found again when a compaction reads them",
        path.display()
    ))
}

/// Makes these the marks of the store in `folder`, durably.
pub(super) fn save(folder: &Path, tables: &[DamagedTable]) -> io::Result<()> {
    let path = folder.join(FILE);
    if tables.is_empty() {
        let is_gone = |error: io::Error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) };
        fs::remove_file(&path).or_else(is_gone)?;
    } else {
        // Renamed into place, so that a crash leaves no half-written marks behind.
        let draft = path.with_extension("new");
        let mut file = File::create(&draft)?;
        file.write_all(text(tables).as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
    }
    File::open(folder)?.sync_all()
}

/// The marks that a text says, written again; `None` when it says nothing.
pub(super) fn rewritten(said: &str) -> Option<String> {
    parse(said).map(|tables| text(&tables))
}

fn text(tables: &[DamagedTable]) -> String {
    let mut text = PREFIX.to_owned();
    for DamagedTable { file, family } in tables {
        text.push_str(&format!("{TABLE_PREFIX}{file} {family}\n"));
    }
    let check = crc32fast::hash(text.as_bytes());
    text.push_str(&format!("{CHECK_PREFIX}{check:08x}\n"));
    text
}

fn parse(text: &str) -> Option<Vec<DamagedTable>> {
    let (said, check) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let said = text.get(..=said.len())?;
    if u32::from_str_radix(check.strip_prefix(CHECK_PREFIX)?, 16).ok()? != crc32fast::hash(said.as_bytes()) {
        return None;
    }
    let mut tables = Vec::new();
    for line in said.strip_prefix(PREFIX)?.lines() {
        let (file, family) = line.strip_prefix(TABLE_PREFIX)?.split_once(' ')?;
        let table = DamagedTable { file: file.to_owned(), family: known_family(family)? };
        if !is_table_file(file) || !has_room(&tables, &table) {
            return None;
        }
        tables.push(table);
    }
    Some(tables)
}

/// Whether there is room for a mark, and it is new.
pub(super) fn has_room(tables: &[DamagedTable], table: &DamagedTable) -> bool {
    let of_family = tables.iter().filter(|known| known.family == table.family).count();
    of_family < TABLES_PER_FAMILY_MAX && !tables.contains(table)
}

/// The family of that name.
pub(super) fn known_family(name: &str) -> Option<&'static str> {
    key::FAMILIES.into_iter().chain([key::DEFAULT]).find(|family| *family == name)
}

/// Whether this is the path of a table file in a data folder, and of nothing outside of it.
pub(super) fn is_table_file(path: &str) -> bool {
    let name = path.strip_prefix(DB_FOLDER).and_then(|name| name.strip_prefix('/'));
    name.and_then(|name| name.strip_suffix(".sst")).is_some_and(|digits| {
        (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(number: usize, family: &'static str) -> DamagedTable {
        DamagedTable { file: format!("{DB_FOLDER}/{number:06}.sst"), family }
    }

    /// Everything that a file has before its check, with the right check.
    fn checked(said: &str) -> String {
        format!("{said}{CHECK_PREFIX}{:08x}\n", crc32fast::hash(said.as_bytes()))
    }

    #[test]
    fn marks_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(read(folder.path()), Ok(Vec::new()));
        let marks = vec![table(12, key::RAW), table(7, key::DEFAULT), table(1_234_567, key::RAW)];
        save(folder.path(), &marks).expect("written");
        assert_eq!(read(folder.path()), Ok(marks));
        for _ in 0..2 {
            save(folder.path(), &[]).expect("removed");
            assert!(!folder.path().join(FILE).exists());
        }
    }

    #[test]
    fn marks_are_bounded_and_all_of_them_fit_into_the_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let families = || key::FAMILIES.into_iter().chain([key::DEFAULT]);
        let mut marks = Vec::new();
        for family in families() {
            // The longest names that there can be.
            for mark in (usize::MAX - 9..usize::MAX).map(|number| table(number, family)) {
                if has_room(&marks, &mark) {
                    marks.push(mark);
                }
            }
        }
        assert_eq!(marks.len(), families().count() * TABLES_PER_FAMILY_MAX);
        assert!(marks.iter().all(|mark| !has_room(&marks, mark) && is_table_file(&mark.file)));
        assert!(text(&marks).len() as u64 <= FILE_BYTES_MAX);
        save(folder.path(), &marks).expect("written");
        assert_eq!(read(folder.path()), Ok(marks));
    }

    #[test]
    fn a_changed_bit_of_the_file_makes_no_other_marks() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sound = vec![table(12, key::RAW), table(7, key::LOG)];
        let bytes = text(&sound).into_bytes();
        let mut ignored = 0;
        for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            fs::write(folder.path().join(FILE), bytes).expect("written");
            match read(folder.path()) {
                // A letter of the check in upper case is the same digit.
                Ok(tables) => assert_eq!(tables, sound, "byte {at}, bit {bit}"),
                Err(_) => ignored += 1,
            }
        }
        assert!(ignored >= bytes.len() * 8 - 8, "{ignored} of {} bits", bytes.len() * 8);
    }

    #[test]
    fn a_file_with_the_right_check_names_tables_of_families_and_nothing_else() {
        let good = format!("{PREFIX}table rocksdb/000012.sst raw\n");
        assert_eq!(parse(&checked(&good)), Some(vec![table(12, key::RAW)]));
        let mut hostile = vec![
            good.replace("damaged 1", "damaged 2"),
            format!("{good}{good}"),
            format!("{good}table rocksdb/000012.sst raw\n"),
            format!("{good}\n"),
        ];
        for line in [
            "rocksdb/000012.sst",
            "table rocksdb/000012.sst",
            "table rocksdb/000012.sst elsewhere",
            "table rocksdb/../../000012.sst raw",
            "table /etc/passwd raw",
            "table rocksdb/.sst raw",
            "table rocksdb/000012.log raw",
            "table rocksdb/123456789012345678901.sst raw",
        ] {
            hostile.push(format!("{PREFIX}{line}\n"));
        }
        let many = (0..=TABLES_PER_FAMILY_MAX).map(|number| format!("table rocksdb/{number:06}.sst raw\n"));
        hostile.push(format!("{PREFIX}{}", many.collect::<String>()));
        for said in hostile {
            assert_eq!(parse(&checked(&said)), None, "{said:?}");
        }
    }
}
