//! The folder of the spool, looked at from outside: opening it would take it from an agent that runs.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use windfire_doctor::Finding;

use crate::limits::SPOOL_FILES_MAX;
use crate::outbox::SpoolOptions;

const CHECK: &str = "spool";
/// Age of the oldest file above which its reports may wait for a hub that is not reached.
const AGE_WARN: Duration = Duration::from_secs(3600);
/// A spool with less than one part in so many left is nearly full: then the agent pauses.
const LEFT_SHARE: u64 = 10;

/// What is in a spool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Content {
    files: usize,
    bytes: u64,
    /// Since the last write to the oldest file that is not empty.
    oldest: Option<Duration>,
}

/// Without a spool.
pub(super) fn without() -> Finding {
    Finding::info(CHECK, "none: reports that the hub has not taken are lost at a restart of the agent (--spool)")
}

pub(super) fn examine(options: &SpoolOptions, now_ms: i64) -> Finding {
    let folder = &options.folder;
    if !folder.exists() {
        let above = folder.ancestors().skip(1).find(|above| above.is_dir()).unwrap_or(Path::new("."));
        let seen = format!("{} does not exist yet", folder.display());
        return match writable(above) {
            Ok(()) => Finding::ok(CHECK, format!("{seen}; the agent creates it")),
            Err(error) => {
                let seen = format!("{seen}, and {} cannot be written: {error}", above.display());
                Finding::bad(CHECK, seen, "create it for the agent's user, or name another with --spool")
            }
        };
    }
    let (shown, content) = (folder.display().to_string(), content(folder, now_ms));
    judge(&shown, &writable(folder), &content, free_bytes(folder), options.bytes_max)
}

fn judge(
    folder: &str,
    writable: &io::Result<()>,
    content: &io::Result<Content>,
    free_bytes: Option<u64>,
    bytes_max: u64,
) -> Finding {
    if let Err(error) = writable {
        let remedy = "give it to the agent's user, or run this as that user";
        return Finding::bad(CHECK, format!("{folder} cannot be written: {error}"), remedy);
    }
    let Content { files, bytes, oldest } = match content {
        Ok(content) => *content,
        Err(error) => {
            let remedy = "give it to the agent's user, or run this as that user";
            return Finding::bad(CHECK, format!("{folder} cannot be read: {error}"), remedy);
        }
    };
    let age = oldest.map_or(String::new(), |age| format!(", the oldest written {} s ago", age.as_secs()));
    let seen = format!("{folder} has {bytes} of {bytes_max} bytes in {files} files{age}");
    let left = bytes_max.saturating_sub(bytes);
    if left < bytes_max / LEFT_SHARE {
        return Finding::warn(CHECK, format!("{seen}: it is nearly full"), "reach the hub, or raise --spool-bytes-max");
    }
    if let Some(free) = free_bytes.filter(|free| *free < left) {
        let seen = format!("{seen}; its disk has {free} bytes left, fewer than it may take");
        return Finding::warn(CHECK, seen, "free some, or lower --spool-bytes-max");
    }
    if oldest.is_some_and(|age| age > AGE_WARN) {
        let seen = format!("{seen}: they wait for the hub, or no agent runs");
        return Finding::warn(CHECK, seen, "start the agent; if it runs, look at its log for the hub");
    }
    Finding::ok(CHECK, seen)
}

#[cfg(unix)]
fn writable(folder: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};
    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

#[cfg(not(unix))]
fn writable(folder: &Path) -> io::Result<()> {
    let is_readonly = fs::metadata(folder)?.permissions().readonly();
    if is_readonly { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
}

/// Bytes that this user may still write to the disk.
#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}

fn content(folder: &Path, now_ms: i64) -> io::Result<Content> {
    let mut content = Content::default();
    let now = Duration::from_millis(u64::try_from(now_ms).unwrap_or(0));
    for entry in fs::read_dir(folder)?.take(SPOOL_FILES_MAX) {
        let entry = entry?;
        if entry.path().extension().is_none_or(|extension| extension != "seg") {
            continue;
        }
        let found = match entry.metadata() {
            // An agent that runs deletes what was acknowledged.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            found => found?,
        };
        content.files += 1;
        content.bytes = content.bytes.saturating_add(found.len());
        if found.len() > 0 {
            let written = found.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            content.oldest = content.oldest.max(Some(now.saturating_sub(written)));
        }
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use windfire_doctor::Verdict;

    use super::*;

    #[test]
    fn a_spool_is_judged_by_its_rights_its_room_and_its_age() {
        let of = |bytes, age_s| Ok(Content { files: 1, bytes, oldest: Some(Duration::from_secs(age_s)) });
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        for (writable, content, free_bytes, verdict) in [
            (Ok(()), of(10, 5), Some(5000), Verdict::Ok),
            (Ok(()), Ok(Content::default()), None, Verdict::Ok),
            (Ok(()), of(10, 3601), Some(5000), Verdict::Warn),
            (Ok(()), of(901, 5), Some(5000), Verdict::Warn),
            (Ok(()), of(10, 5), Some(500), Verdict::Warn),
            (Err(denied()), of(10, 5), Some(5000), Verdict::Bad),
            (Ok(()), Err(denied()), Some(5000), Verdict::Bad),
        ] {
            let finding = judge("/spool", &writable, &content, free_bytes, 1000);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
        }
        assert_eq!(without().verdict, Verdict::Info);
    }

    #[test]
    fn the_files_of_a_spool_are_counted_and_nothing_is_created() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = SpoolOptions { folder: folder.path().join("a/spool"), bytes_max: 1 << 21 };
        assert_eq!(examine(&options, 0).verdict, Verdict::Ok, "it can be created");
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0);
        fs::create_dir_all(&options.folder).expect("made");
        for (name, text) in [("1.seg", "four"), ("2-0a.seg", ""), ("state", "windfire spool 2"), ("lock", "")] {
            fs::write(options.folder.join(name), text).expect("room");
        }
        let written = fs::metadata(options.folder.join("1.seg")).and_then(|found| found.modified()).expect("a time");
        let written_ms = written.duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        let now_ms = i64::try_from(written_ms).expect("not so late") + 90_000;
        let found = content(&options.folder, now_ms).expect("readable");
        assert_eq!((found.files, found.bytes), (2, 4));
        assert_eq!(found.oldest.map(|age| age.as_secs().abs_diff(90) <= 1), Some(true), "{found:?}");
        assert_eq!(content(&options.folder, 0).expect("readable").oldest, Some(Duration::ZERO), "a clock before 1970");
    }
}
