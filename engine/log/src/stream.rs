//! What standard error is: a terminal, systemd's journal, or something else.

use std::io::IsTerminal;

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// It shows colours.
    Terminal,
    /// It knows the time of each line, and reads a priority at its beginning.
    Journal,
    /// A file, a pipe, or another program.
    Other,
}

impl Stream {
    pub(crate) fn of_stderr() -> Self {
        let is_named = |name: String| own_device_and_inode().is_some_and(|own| names(&name, own));
        if std::io::stderr().is_terminal() {
            Self::Terminal
        } else if std::env::var("JOURNAL_STREAM").is_ok_and(is_named) {
            Self::Journal
        } else {
            Self::Other
        }
    }
}

/// Whether the text is this device and inode. systemd sets it as `device:inode` in decimal. A process whose output was
/// redirected after that still has the variable, so it alone says nothing.
fn names(text: &str, (device, inode): (u64, u64)) -> bool {
    let parts = text.split_once(':').and_then(|(left, right)| Some((left.parse().ok()?, right.parse().ok()?)));
    parts == Some((device, inode))
}

#[cfg(unix)]
fn own_device_and_inode() -> Option<(u64, u64)> {
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;

    let own = std::io::stderr().as_fd().try_clone_to_owned().ok()?;
    let about = std::fs::File::from(own).metadata().ok()?;
    Some((about.dev(), about.ino()))
}

#[cfg(not(unix))]
fn own_device_and_inode() -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_named_by_its_device_and_its_inode() {
        assert!(names("8:12345", (8, 12345)));
        for other in ["", ":", "8", "8:", "8:12346", "9:12345", "12345:8", "8:12345:1", "8:x", "-8:12345"] {
            assert!(!names(other, (8, 12345)), "{other:?}");
        }
    }
}
