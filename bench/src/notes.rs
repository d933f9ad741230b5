//! What tests note: why something is skipped, and what was tried and counted. Tests that pass print nothing, so
//! `make test` has the notes of all of them in one file, and shows it at its end.

use std::fmt::Arguments;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::thread;

/// Variable with the path of the file. Its name has no `WINDFIRE_` before it, which programs under test would warn of.
const FILE_VARIABLE: &str = "TEST_NOTES";

/// Prints why a test or a part of it is skipped, and notes that. Takes what `format!` takes.
#[macro_export]
macro_rules! skipped {
    ($($words:tt)*) => {
        $crate::notes::skipped(file!(), format_args!($($words)*))
    };
}

/// Prints what a test has tried and counted, and notes that. Takes what `format!` takes.
#[macro_export]
macro_rules! tally {
    ($($words:tt)*) => {
        $crate::notes::counted(file!(), format_args!($($words)*))
    };
}

/// As the macro of that name, for a test in that file.
pub fn skipped(file: &str, reason: Arguments<'_>) {
    eprintln!("skipped: {reason}");
    note("skipped", file, reason);
}

/// As the macro `tally`, for a test in that file.
pub fn counted(file: &str, what: Arguments<'_>) {
    println!("{what}");
    note("counted", file, what);
}

fn note(kind: &str, file: &str, words: Arguments<'_>) {
    if let Some(path) = std::env::var_os(FILE_VARIABLE).filter(|path| !path.is_empty()) {
        let line = line(kind, thread::current().name(), file, &words.to_string());
        let path = Path::new(&path);
        append(path, &line).unwrap_or_else(|error| panic!("{FILE_VARIABLE}: {}: {error}", path.display()));
    }
}

/// A note is one line. The thread of a test has its name, with its module. Other threads have other names or none, and
/// `main` is the only one with `--test-threads=1`: then the name of the file has to do.
fn line(kind: &str, thread: Option<&str>, file: &str, words: &str) -> String {
    let of_thread = thread.filter(|name| name.contains('_')).and_then(|name| name.rsplit("::").next());
    let of_file = || Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
    let test = of_thread.map_or_else(of_file, Into::into);
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{kind}: {test}: {words}\n")
}

/// Several test programs may append at the same time, so this is one write.
fn append(path: &Path, line: &str) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(path)?.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_a_line_with_the_name_of_its_test() {
        let file = "engine/hub/tests/single/acks_survive.rs";
        let found = line("skipped", Some("acks_survive::acks_survive_twice"), file, "no disk:\n  not root");
        assert_eq!(found, "skipped: acks_survive_twice: no disk: not root\n");
        for other in [None, Some("main")] {
            assert_eq!(line("counted", other, file, "3 kills"), "counted: acks_survive: 3 kills\n");
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("notes");
        append(&path, "one\n").and_then(|()| append(&path, "two\n")).expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "one\ntwo\n");
    }
}
