//! The places to which answers go: a terminal, a pipe, a file.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Foreign text as a terminal may show it: characters that move the cursor, end the line or change the direction of
/// writing are escaped.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_active) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        if is_active(char) {
            let _into_a_string = write!(plain, "{}", char.escape_unicode());
        } else {
            plain.push(char);
        }
    }
    Cow::Owned(plain)
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and marks of the direction of writing.
fn is_active(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Prints text and ends the line. It is no error if the reader has closed the pipe, as `head` does.
pub(crate) fn say(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(()),
    }
}

/// Prints on standard error why the program ends. Errors are ignored, as the reader may be gone. If the log is JSON, it
/// is a line of the log.
pub(crate) fn complain(error: &str) {
    if windfire_log::write_error(&error) {
        return;
    }
    let lines: Vec<Cow<'_, str>> = error.lines().map(plain).collect();
    let _nobody_hears = writeln!(io::stderr(), "windfire: {}", lines.join("\n"));
}

/// Standard output, which remembers that its reader has gone.
pub(crate) struct Pipe {
    out: BufWriter<io::StdoutLock<'static>>,
    is_closed: bool,
}

impl Pipe {
    pub(crate) fn new() -> Self {
        Self { out: BufWriter::new(io::stdout().lock()), is_closed: false }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    fn noting<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        self.is_closed |= result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        result
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.out.write(bytes);
        self.noting(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.out.flush();
        self.noting(result)
    }
}

/// A file that is written completely or not at all. It is written to `FILE.part`, next to its place, and renamed at the
/// end. A device or a pipe is written directly.
pub(crate) struct Draft {
    path: PathBuf,
    part: PathBuf,
    file: Option<BufWriter<File>>,
    /// Rights of a new file.
    mode: u32,
    is_done: bool,
}

impl Draft {
    /// A file at `path` with these rights, unless there is one with others.
    pub(crate) fn new(path: &Path, mode: u32) -> Self {
        // The target of a link is replaced, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let found = fs::metadata(&path).ok();
        let is_whole = found.as_ref().is_none_or(fs::Metadata::is_file);
        let mode = found.filter(|_| is_whole).map_or(mode, |found| found.permissions().mode());
        let mut part = path.clone().into_os_string();
        if is_whole {
            part.push(".part");
        }
        let part = PathBuf::from(part);
        Self { path, part, file: None, mode, is_done: false }
    }

    /// Puts the file in its place.
    pub(crate) fn done(mut self) -> io::Result<()> {
        let (is_whole, mode) = (self.part != self.path, self.mode & 0o777);
        let file = self.file()?;
        file.flush()?;
        if is_whole {
            file.get_ref().sync_all()?;
            file.get_ref().set_permissions(Permissions::from_mode(mode))?;
            fs::rename(&self.part, &self.path)?;
        }
        self.is_done = true;
        Ok(())
    }

    fn file(&mut self) -> io::Result<&mut BufWriter<File>> {
        if self.file.is_none() {
            self.file = Some(BufWriter::new(File::options().write(true).create(true).truncate(true).open(&self.part)?));
        }
        self.file.as_mut().ok_or_else(|| io::Error::other("not open"))
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_done && self.file.is_some() && self.part != self.path {
            let _gone_already = fs::remove_file(&self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_move_the_cursor_or_turn_the_line_is_spelt_out() {
        for (text, shown) in [
            ("web <1> — 東京 é", "web <1> — 東京 é"),
            ("a\nb\tc\r", "a\\u{a}b\\u{9}c\\u{d}"),
            ("\x1b[2J\x07\0", "\\u{1b}[2J\\u{7}\\u{0}"),
            ("\u{9b}31m\x7f\u{85}", "\\u{9b}31m\\u{7f}\\u{85}"),
            ("x\u{202e}gpj.exe", "x\\u{202e}gpj.exe"),
            (
                "\u{61c}\u{200e}\u{200f}\u{2028}\u{2066}\u{2069}",
                "\\u{61c}\\u{200e}\\u{200f}\\u{2028}\\u{2066}\\u{2069}",
            ),
        ] {
            assert_eq!(plain(text), shown, "{text:?}");
        }
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("day.csv");
        let count = || fs::read_dir(folder.path()).expect("there").count();
        drop(Draft::new(&path, 0o644));
        assert_eq!(count(), 0, "nothing was said");
        let mut draft = Draft::new(&path, 0o640);
        draft.write_all(b"new").expect("room");
        draft.done().expect("room");
        assert_eq!(fs::read(&path).expect("there"), b"new");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o640);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("day.csv", &link).expect("made");
        for target in [&path, &link] {
            let mut draft = Draft::new(target, 0o600);
            draft.write_all(b"half").expect("room");
            drop(draft);
            assert_eq!((fs::read(&path).expect("there"), count()), (b"new".to_vec(), 2));
        }
        let mut draft = Draft::new(&link, 0o600);
        draft.write_all(b"newer").expect("room");
        draft.done().expect("room");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read(&path).expect("there"), b"newer");
        Draft::new(Path::new("/dev/null"), 0o600).done().expect("a device");
        assert!(!fs::metadata("/dev/null").expect("there").is_file());
    }
}
