//! Trees of `/proc` and `/sys` for tests.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use super::files::Files;
use super::root::Root;

pub(super) struct Tree(TempDir);

impl Tree {
    /// A tree with these files. A text that begins with `->` is a link, and a path that ends with a slash a folder.
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().expect("a temporary folder"));
        files.iter().for_each(|(path, text)| tree.put(path, text));
        tree
    }

    pub(super) fn put(&self, path: &str, text: &str) {
        let at = self.0.path().join(path.trim_start_matches('/'));
        if path.ends_with('/') {
            fs::create_dir_all(at).expect("made");
            return;
        }
        fs::create_dir_all(at.parent().expect("a folder")).expect("made");
        match text.strip_prefix("->") {
            Some(to) => symlink(to, at).expect("linked"),
            None => fs::write(at, text).expect("written"),
        }
    }

    pub(super) fn remove(&self, path: &str) {
        let at = self.0.path().join(path.trim_start_matches('/'));
        if at.is_dir() { fs::remove_dir_all(at) } else { fs::remove_file(at) }.expect("removed");
    }

    pub(super) fn files(&self) -> Files {
        Files::new(&self.machine())
    }

    pub(super) fn root(&self) -> &Path {
        self.0.path()
    }

    /// The tree as the machine of this process.
    pub(super) fn machine(&self) -> Root {
        Root::own(self.0.path())
    }

    /// The tree as the host of a container.
    pub(super) fn host(&self) -> Root {
        Root::of_host(self.0.path())
    }
}
