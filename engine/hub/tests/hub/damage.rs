//! Damage to files, and copies of a folder to damage.

use std::fs;
use std::path::{Path, PathBuf};

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    /// One bit of it changes.
    Flip,
    /// It is cut at any length below its own.
    Cut,
    /// It is empty.
    Empty,
    /// It is gone.
    Remove,
}

impl Damage {
    pub(crate) const ALL: [Self; 4] = [Self::Flip, Self::Cut, Self::Empty, Self::Remove];

    /// Whether it can happen to a file of so many bytes.
    pub(crate) fn can_happen_to(self, bytes: u64) -> bool {
        bytes > 0 || self == Self::Remove
    }

    /// Does it. Returns the place of the byte that changed, or the new length.
    pub(crate) fn happen_to(self, path: &Path, random: &mut fastrand::Rng) -> usize {
        let mut bytes = fs::read(path).expect("readable");
        // The sound folder may have a link to the same file.
        fs::remove_file(path).expect("own file");
        let at = match self {
            Self::Flip | Self::Cut => random.usize(..bytes.len()),
            Self::Empty | Self::Remove => 0,
        };
        match self {
            Self::Flip => bytes[at] ^= 1 << random.u8(..8),
            Self::Cut | Self::Empty => bytes.truncate(at),
            Self::Remove => return at,
        }
        fs::write(path, bytes).expect("written");
        at
    }
}

/// Every file in a folder and in those below it, by its path there, in order.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    list(folder, Path::new(""), &mut found);
    found.sort();
    found
}

fn list(folder: &Path, below: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("listed")) {
        let (path, kind) = (below.join(entry.file_name()), entry.file_type().expect("known"));
        if kind.is_dir() {
            list(&entry.path(), &path, found);
        } else if kind.is_file() {
            found.push(path);
        }
    }
}

/// Makes `to` a copy of the files in `from`. Table files of RocksDB, which never change, are linked.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for file in files(from) {
        let (source, target) = (from.join(&file), to.join(&file));
        fs::create_dir_all(target.parent().expect("within a folder")).expect("a folder");
        if file.extension().is_some_and(|extension| extension == "sst") {
            fs::hard_link(source, target).expect("the same file system");
        } else {
            fs::copy(source, target).expect("copied");
        }
    }
}
