//! A file system of its own for one test. It can be frozen: everything that writes to it waits, as on a disk that hangs.
//! Its power can be cut: what the kernel had not written to it is lost. Its device can refuse writes with an I/O error,
//! and the kernel can make it read-only, as it does after an error of a disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;

use super::wait_until;

const BYTES_USUAL: u64 = 512 << 20;
/// The journal is written when a file is synced, and hardly ever without that: the kernel gives a file system up whose
/// journal it cannot write, and here a device that refuses writes must come back.
const JOURNAL_RARELY: &str = "commit=300";
/// The kernel makes it read-only after an error.
const READ_ONLY_AFTER_ERROR: &str = "errors=remount-ro";

/// A mounted file system in a file.
pub(crate) struct FrozenDisk {
    folder: TempDir,
    /// For `mount -o`.
    options: String,
}

impl FrozenDisk {
    /// Makes and mounts one; `Err` with why not, where that is not allowed.
    pub(crate) fn mount() -> Result<Self, String> {
        Self::mount_of(BYTES_USUAL)
    }

    /// The same, of so many bytes.
    pub(crate) fn mount_of(bytes: u64) -> Result<Self, String> {
        Self::make(bytes, "loop".to_owned())
    }

    /// One whose device can refuse writes, for [`FrozenDisk::fail_writes`]. `Err` where it cannot, or does not recover.
    pub(crate) fn mount_that_can_fail() -> Result<Self, String> {
        let disk = Self::make(BYTES_USUAL, format!("loop,{JOURNAL_RARELY}"))?;
        disk.try_write().map_err(|error| format!("a new disk takes no write: {error}"))?;
        run("chattr", &[Path::new("+i"), &disk.image()])?;
        let failed = disk.try_write();
        disk.mend_writes();
        match failed {
            Ok(()) => Err("the file system of temporary files writes to files that must not change".to_owned()),
            Err(_) => disk.try_write().map(|()| disk).map_err(|error| format!("the disk does not recover: {error}")),
        }
    }

    /// One that the kernel can make read-only, for [`FrozenDisk::turn_read_only`].
    pub(crate) fn mount_that_can_turn_read_only() -> Result<Self, String> {
        let disk = Self::make(BYTES_USUAL, format!("loop,{READ_ONLY_AFTER_ERROR}"))?;
        let trigger = disk.error_trigger()?;
        let file = File::options().write(true).open(&trigger);
        file.map(|_| disk).map_err(|error| format!("{}: {error}", trigger.display()))
    }

    fn make(bytes: u64, options: String) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let image = folder.path().join("image");
        File::create(&image).and_then(|file| file.set_len(bytes)).map_err(|error| error.to_string())?;
        fs::create_dir(folder.path().join("disk")).map_err(|error| error.to_string())?;
        let disk = Self { folder, options };
        run("mkfs.ext4", &[Path::new("-q"), &image])?;
        disk.mount_image()?;
        Ok(disk)
    }

    fn mount_image(&self) -> Result<(), String> {
        run("mount", &[Path::new("-o"), Path::new(&self.options), &self.image(), &self.path()])
    }

    /// Cuts the power: from now on the disk has what was written to it at this moment. What the kernel still held in
    /// memory is lost. `end` ends every process that has files there, which must do nothing meanwhile.
    pub(crate) fn cut_power(&self, end: impl FnOnce()) {
        self.copy_image();
        end();
        // Another process of the machine may look at it just now.
        wait_until("nothing uses it", || run("umount", &[&self.path()]).is_ok());
        self.mount_copy();
    }

    /// Writes all that the kernel still holds in memory: no cut takes it any more.
    pub(crate) fn sync(&self) {
        run("sync", &[Path::new("-f"), &self.path()]).expect("a mounted file system");
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// From now on writes wait, until what is returned is dropped.
    pub(crate) fn freeze(&self) -> Frozen<'_> {
        run("fsfreeze", &[Path::new("-f"), &self.path()]).expect("a mounted file system");
        Frozen(self)
    }

    /// From now on the device refuses every write with an I/O error: a write into memory succeeds, and a sync fails.
    pub(crate) fn fail_writes(&self) {
        // Of a file that must not change, ext4 refuses writes also to the loop device that has it open.
        run("chattr", &[Path::new("+i"), &self.image()]).expect("it was possible before");
    }

    /// The device takes writes again.
    pub(crate) fn mend_writes(&self) {
        run("chattr", &[Path::new("-i"), &self.image()]).expect("own file");
    }

    /// Whether it takes no writes though its device does: the kernel gives a file system up whose journal it could not
    /// write.
    pub(crate) fn is_given_up(&self) -> bool {
        self.try_write().is_err()
    }

    /// The kernel finds an error, and makes the file system read-only under whoever uses it. (`mount -o remount,ro` is
    /// refused while a file is open for writing.)
    pub(crate) fn turn_read_only(&self) {
        let trigger = self.error_trigger().expect("a mounted file system");
        fs::write(&trigger, "1").unwrap_or_else(|error| panic!("{}: {error}", trigger.display()));
    }

    /// Unmounts it under whoever uses it, as somebody does who wants to repair it. What was written to it up to this
    /// moment is what [`FrozenDisk::bring_back`] mounts; what the kernel still held in memory is lost.
    pub(crate) fn take_away(&self) {
        self.copy_image();
        run("umount", &[Path::new("-l"), &self.path()]).expect("mounted");
    }

    /// Mounts it again, for writing.
    pub(crate) fn bring_back(&self) {
        self.mount_copy();
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn copy(&self) -> PathBuf {
        self.folder.path().join("copy")
    }

    fn copy_image(&self) {
        run("cp", &[Path::new("--sparse=always"), &self.image(), &self.copy()]).expect("room for a copy");
    }

    fn mount_copy(&self) {
        fs::rename(self.copy(), self.image()).expect("the same folder");
        self.mount_image().expect("ext4 recovers");
    }

    /// Writes a file and syncs it.
    fn try_write(&self) -> io::Result<()> {
        let path = self.path().join("try");
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(b"a few bytes")?;
            file.sync_all()
        });
        let removed = fs::remove_file(path);
        written.and(removed)
    }

    /// The file of the kernel that makes it find an error.
    fn error_trigger(&self) -> Result<PathBuf, String> {
        let (mounts, path) = ("/proc/self/mounts", self.path().display().to_string());
        let text = fs::read_to_string(mounts).map_err(|error| format!("{mounts}: {error}"))?;
        let device_of = |line: &str| {
            let mut fields = line.split(' ');
            let device = fields.next()?.strip_prefix("/dev/")?.to_owned();
            (fields.next()? == path).then_some(device)
        };
        let device = text.lines().rev().find_map(device_of).ok_or_else(|| format!("{mounts}: {path} is missing"))?;
        Ok(Path::new("/sys/fs/ext4").join(device).join("trigger_fs_error"))
    }
}

/// A disk whose writes wait. A test that fails meanwhile lets them go on first: the system does not end a process that
/// waits for a disk.
#[must_use = "writes go on when it is dropped"]
pub(crate) struct Frozen<'a>(&'a FrozenDisk);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let thawed = run("fsfreeze", &[Path::new("-u"), &self.0.path()]);
        assert!(thawed.is_ok() || std::thread::panicking(), "a frozen file system: {thawed:?}");
    }
}

impl Drop for FrozenDisk {
    fn drop(&mut self) {
        let _not_failing = run("chattr", &[Path::new("-i"), &self.image()]);
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
