//! A file system of its own for one test. It can be frozen: everything that writes to it waits, as on a disk that hangs. And
//! its power can be cut: what the kernel had not written to it is lost.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;

const BYTES_USUAL: u64 = 512 << 20;

/// A mounted file system in a file.
pub(crate) struct FrozenDisk {
    folder: TempDir,
}

impl FrozenDisk {
    /// Makes and mounts one; `Err` with why not, where that is not allowed.
    pub(crate) fn mount() -> Result<Self, String> {
        Self::mount_of(BYTES_USUAL)
    }

    /// The same, of so many bytes.
    pub(crate) fn mount_of(bytes: u64) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let image = folder.path().join("image");
        File::create(&image).and_then(|file| file.set_len(bytes)).map_err(|error| error.to_string())?;
        std::fs::create_dir(folder.path().join("disk")).map_err(|error| error.to_string())?;
        let disk = Self { folder };
        run("mkfs.ext4", &[Path::new("-q"), &image])?;
        run("mount", &[Path::new("-o"), Path::new("loop"), &image, &disk.path()])?;
        Ok(disk)
    }

    /// Cuts the power: from now on the disk has what was written to it at this moment. What the kernel still held in memory is
    /// lost. `end` ends every process that has files there, which must do nothing meanwhile.
    pub(crate) fn cut_power(&self, end: impl FnOnce()) {
        let (image, copy) = (self.folder.path().join("image"), self.folder.path().join("copy"));
        run("cp", &[Path::new("--sparse=always"), &image, &copy]).expect("room for a copy");
        end();
        run("umount", &[&self.path()]).expect("nothing uses it");
        std::fs::rename(&copy, &image).expect("the same folder");
        run("mount", &[Path::new("-o"), Path::new("loop"), &image, &self.path()]).expect("ext4 recovers");
    }

    /// Writes all that the kernel still holds in memory: no cut takes it any more.
    pub(crate) fn sync(&self) {
        run("sync", &[Path::new("-f"), &self.path()]).expect("a mounted file system");
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// From now on writes wait.
    pub(crate) fn freeze(&self) {
        run("fsfreeze", &[Path::new("-f"), &self.path()]).expect("a mounted file system");
    }

    /// They go on.
    pub(crate) fn thaw(&self) {
        run("fsfreeze", &[Path::new("-u"), &self.path()]).expect("a frozen file system");
    }
}

impl Drop for FrozenDisk {
    fn drop(&mut self) {
        let _not_frozen = run("fsfreeze", &[Path::new("-u"), &self.path()]);
        let _not_mounted = run("umount", &[&self.path()]);
    }
}

/// Makes a child of this process stand still, and returns when all of its threads do.
pub(crate) fn stand_still(pid: u32) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("a process");
    kill_process(pid, Signal::STOP).expect("own child");
    let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).expect("own child").expect("a change of its state");
    assert!(status.stopped(), "it ended instead: {status:?}");
}

fn run(program: &str, arguments: &[&Path]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    let words = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{program}: {}", words.trim())) }
}
