//! Where the machine's files are: in `/`, or in a container, below the folder where its host's root is mounted.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::collector::options::CollectorError;

/// The root of the machine that is read.
#[derive(Debug, Clone)]
pub(super) struct Root {
    folder: PathBuf,
    is_host: bool,
}

impl Root {
    /// This process's machine. The kernel's files are below `folder`: `/`, or a test's tree.
    pub(super) fn own(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), is_host: false }
    }

    /// The host of this container. Its root is mounted at `folder`, with everything below it.
    pub(super) fn of_host(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), is_host: true }
    }

    /// Checks that the host's list of mounts is there. Without it, disks would be 0 and look like a machine without
    /// any.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn check(&self) -> Result<(), CollectorError> {
        if !self.is_host {
            return Ok(());
        }
        let mounts = self.file("/proc/self/mounts");
        let Err(error) = File::open(&mounts) else { return Ok(()) };
        let (mounts, folder) = (mounts.display(), self.folder.display());
        let error = format!(
            "{mounts}: {error}. Mount the host's root at {folder} with everything below it, as with \
             -v /:{folder}:ro,rslave, or leave --host-root out"
        );
        Err(CollectorError { what: "host root", error })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a file is; `path` begins with a slash.
    pub(super) fn file(&self, path: &str) -> PathBuf {
        let path = path.trim_start_matches('/');
        // `/proc/self` and `/proc/net` are about the process that reads, also below a host's root. Process 1 of the
        // host has the host's mounts and network.
        let of_self = path.strip_prefix("proc/self/").filter(|_| self.is_host);
        let of_net = path.strip_prefix("proc/net/").filter(|_| self.is_host);
        match (of_self, of_net) {
            (Some(rest), _) => self.folder.join("proc/1").join(rest),
            (_, Some(rest)) => self.folder.join("proc/1/net").join(rest),
            _ => self.folder.join(path),
        }
    }

    /// Where a file's contents are. A host's link that begins with a slash would lead into the container.
    pub(super) fn contents(&self, path: &str) -> PathBuf {
        let at = self.file(path);
        match fs::read_link(&at) {
            Ok(to) if to.is_absolute() => self.place(to.as_os_str().as_bytes()),
            _ => at,
        }
    }

    /// Where this process finds a path of the machine, such as a mount point.
    pub(super) fn place(&self, path: &[u8]) -> PathBuf {
        let path = Path::new(OsStr::from_bytes(path));
        match path.strip_prefix("/") {
            Ok(below) if self.is_host => self.folder.join(below),
            _ => path.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;

    #[test]
    fn a_containers_own_mounts_and_network_are_not_its_hosts() {
        let (own, host) = (Root::own(Path::new("/")), Root::of_host(Path::new("/host")));
        for (path, of_own, of_host) in [
            ("/proc/stat", "/proc/stat", "/host/proc/stat"),
            ("/proc/self/mounts", "/proc/self/mounts", "/host/proc/1/mounts"),
            ("/proc/net/sockstat", "/proc/net/sockstat", "/host/proc/1/net/sockstat"),
            ("/sys/class/net", "/sys/class/net", "/host/sys/class/net"),
        ] {
            assert_eq!((own.file(path), host.file(path)), (of_own.into(), of_host.into()));
        }
        assert_eq!((own.place(b"/home"), host.place(b"/home")), ("/home".into(), "/host/home".into()));
        assert_eq!((own.place(b"/"), host.place(b"/")), ("/".into(), "/host".into()));
    }

    #[test]
    fn a_hosts_link_stays_below_its_root() {
        let tree = Tree::of(&[("/etc/os-release", "->/usr/lib/os-release"), ("/etc/other", "->../usr/lib/other")]);
        let host = tree.host();
        assert_eq!(host.contents("/etc/os-release"), tree.root().join("usr/lib/os-release"));
        assert_eq!(host.contents("/etc/other"), tree.root().join("etc/other"));
        assert_eq!(tree.machine().contents("/etc/os-release"), Path::new("/usr/lib/os-release"));
    }

    #[test]
    fn a_root_that_is_not_mounted_is_named_with_the_remedy() {
        let tree = Tree::of(&[("/proc/self/mounts", "")]);
        let error = tree.host().check().expect_err("no process 1").to_string();
        let mounts = tree.root().join("proc/1/mounts").display().to_string();
        assert!(error.contains(&mounts) && error.contains("ro,rslave") && error.contains("--host-root"), "{error}");
        tree.put("/proc/1/mounts", "");
        assert!(tree.host().check().is_ok() && Root::own(Path::new("/nosuch")).check().is_ok());
    }
}
