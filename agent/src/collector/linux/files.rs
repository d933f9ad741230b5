//! The kernel's files, below a root, so that a test brings its own.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::root::Root;

/// Reads the kernel's files, and remembers those that could not be read.
#[derive(Debug)]
pub(in crate::collector) struct Files {
    root: Root,
    /// Files that could not be read, and why. Each is logged once.
    unread: BTreeMap<&'static str, String>,
    /// How many of these were logged.
    said: usize,
}

impl Files {
    pub(super) fn new(root: &Root) -> Self {
        Self { root: root.clone(), unread: BTreeMap::new(), said: 0 }
    }

    /// Where a file is; `path` begins with a slash.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.file(path)
    }

    /// A file that every machine has. Bytes that are not UTF-8 are replaced.
    pub(super) fn text(&mut self, path: &'static str) -> Option<String> {
        match fs::read(self.path(path)) {
            Ok(bytes) => Some(text_of(bytes)),
            Err(error) => {
                self.miss(path, &error);
                None
            }
        }
    }

    /// A file that only some have.
    pub(super) fn text_if(&self, path: &str) -> Option<String> {
        text(&self.path(path))
    }

    /// Notes that a file of every machine could not be read, or has unexpected contents.
    pub(super) fn miss(&mut self, path: &'static str, why: &dyn std::fmt::Display) {
        self.unread.entry(path).or_insert_with(|| why.to_string());
    }

    /// Logs which files could not be read, once.
    pub(super) fn complain(&mut self) {
        if self.unread.len() > self.said {
            self.said = self.unread.len();
            let named = |(path, why): (&&'static str, &String)| format!("{} ({why})", self.path(path).display());
            let what: Vec<String> = self.unread.iter().map(named).collect();
            tracing::warn!("some files of this machine cannot be read: values from {} are 0", what.join(", "));
        }
    }

    /// Files that could not be read, and why.
    pub(super) fn missed(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.unread.iter().map(|(path, why)| (*path, why.as_str()))
    }

    #[cfg(test)]
    pub(super) fn unread(&self) -> Vec<&'static str> {
        self.unread.keys().copied().collect()
    }
}

/// A file's text, when there is one.
pub(super) fn text(path: &Path) -> Option<String> {
    fs::read(path).ok().map(text_of)
}

/// A file's one number.
pub(super) fn number<T: std::str::FromStr>(path: &Path) -> Option<T> {
    text(path)?.trim().parse().ok()
}

/// Names in a folder.
pub(super) fn names(path: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    Ok(entries.into_iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
