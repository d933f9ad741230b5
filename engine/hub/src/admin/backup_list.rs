//! The list of what a backup has in it, in its file `BACKUP`.
//!
//! ```text
//! BACKUP = "windfire backup 1\n"
//!          "servers " number "\n" "commit " number "\n" "change " number "\n"      what the store holds
//!          { "file " bytes " " path "\n" }*                                         every other file, by its path in the backup
//! ```

use std::fmt::Write as _;

use windfire_engine::Contents;

/// The list's file in a backup.
pub(super) const FILE: &str = "BACKUP";
const FIRST_LINE: &str = "windfire backup 1";

/// What the list says.
pub(super) struct Said<'a> {
    pub(super) contents: Contents,
    /// Each file's path and its bytes.
    pub(super) files: Vec<(&'a str, u64)>,
}

/// The list of these files.
pub(super) fn text<'a>(contents: Contents, files: impl Iterator<Item = (&'a str, u64)>) -> String {
    let Contents { servers, commit, change } = contents;
    let mut text = format!("{FIRST_LINE}\nservers {servers}\ncommit {commit}\nchange {change}\n");
    for (path, bytes) in files {
        let _into_a_string = writeln!(text, "file {bytes} {path}");
    }
    text
}

/// What a list says; `None` when it is damaged.
pub(super) fn parse(text: &str) -> Option<Said<'_>> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let mut number = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ')?.parse::<u64>().ok();
    lines_begin(text).then_some(())?;
    let _first_line = number("windfire backup")?;
    let contents = Contents { servers: number("servers")?, commit: number("commit")?, change: number("change")? };
    let file = |line: &'_ str| -> Option<(usize, u64)> {
        let (bytes, path) = line.strip_prefix("file ")?.split_once(' ')?;
        // A path that leads out of the backup is refused.
        let is_inside = !path.starts_with('/') && path.split('/').all(|part| !part.is_empty() && part != "..");
        is_inside.then_some((line.len() - path.len(), bytes.parse().ok()?))
    };
    let files = lines.map(|line| file(line).map(|(at, bytes)| (&line[at..], bytes))).collect::<Option<Vec<_>>>()?;
    Some(Said { contents, files })
}

fn lines_begin(text: &str) -> bool {
    text.strip_prefix(FIRST_LINE).is_some_and(|rest| rest.starts_with('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "windfire backup 1\nservers 2\ncommit 30\nchange 400\nfile 5 FORMAT\nfile 0 rocksdb/a b.log\n";

    #[test]
    fn what_a_backup_says_is_read() {
        let said = parse(TEXT).expect("well-formed");
        assert_eq!(said.contents, Contents { servers: 2, commit: 30, change: 400 });
        assert_eq!(said.files, [("FORMAT", 5), ("rocksdb/a b.log", 0)]);
        assert_eq!(text(said.contents, said.files.into_iter()), TEXT);
    }

    #[test]
    fn what_is_cut_or_leads_elsewhere_is_no_backup() {
        for end in 0..TEXT.len() {
            // Without its last lines the list names fewer files. The store checks the files that are not named.
            assert!(parse(&TEXT[..end]).is_none() || TEXT[..end].ends_with('\n'), "{:?}", &TEXT[..end]);
        }
        for path in ["/etc/passwd", "../x", "rocksdb/../../x", "a//b", ""] {
            assert!(parse(&format!("{TEXT}file 1 {path}\n")).is_none(), "{path}");
        }
        assert!(parse(&TEXT.replace("backup 1", "backup 2")).is_none());
        assert!(parse(&TEXT.replace("backup 1", "backup 10")).is_none());
    }
}
