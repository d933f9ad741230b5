//! The user that a hub runs as. Root may read, write and listen everywhere, so what root sees says nothing of the hub, and
//! what root writes the hub cannot read.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;

use nix::unistd::{User, getgrouplist};
use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// A user and its groups, of which the first is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HubsUser {
    uid: u32,
    groups: Vec<u32>,
}

impl HubsUser {
    /// The hub's user, if root runs this and the hub's files are another user's.
    pub(crate) fn behind_root(data: &Path) -> Option<Self> {
        // Root may run a hub on a folder that is another user's, as in a container. Then its files are root's.
        let found = fs::metadata(data.join("FORMAT")).or_else(|_| fs::metadata(data)).ok()?;
        let (uid, gid) = (found.uid(), found.gid());
        (geteuid().is_root() && uid != 0).then(|| Self { uid, groups: groups_of(uid).unwrap_or_else(|| vec![gid]) })
    }

    /// The user's number.
    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    /// Does something with the rights of this user, in a thread of its own.
    ///
    /// # Errors
    /// The system refuses to change the user, as it does for root in some containers. Nothing was done.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        thread::scope(|scope| {
            let done = scope.spawn(|| -> io::Result<T> {
                self.become_it()?;
                Ok(work())
            });
            done.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// The rights of the calling thread are the user's from now on.
    fn become_it(&self) -> io::Result<()> {
        let groups: Vec<Gid> = self.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
        let own = groups.first().copied().ok_or(io::ErrorKind::InvalidInput)?;
        let uid = Uid::from_raw(self.uid);
        set_thread_groups(&groups)?;
        set_thread_res_gid(own, own, own)?;
        set_thread_res_uid(uid, uid, uid)?;
        Ok(())
    }
}

/// Refuses to write as root into the folder of another user's hub.
pub(crate) fn check_may_write(data: &Path) -> Result<(), String> {
    match HubsUser::behind_root(data) {
        Some(HubsUser { uid, .. }) if !is_written_as(uid, data) => Err(format!(
            "data folder {} is of user {uid}, whose hub could not read what root writes there: run this as that user, for \
             example with \"sudo -u '#{uid}' windfire …\"",
            data.display()
        )),
        _ => Ok(()),
    }
}

/// Whether what root writes there is that user's: some file systems of a network have one owner for all.
fn is_written_as(uid: u32, data: &Path) -> bool {
    let probe = data.join(format!("owner-{}.tmp", std::process::id()));
    let owner = File::create_new(&probe).and_then(|file| file.metadata());
    let _own = owner.is_ok() && fs::remove_file(&probe).is_ok();
    owner.is_ok_and(|found| found.uid() == uid)
}

/// The groups of a user, its own first, as the system knows them: users may be in other places than files of this machine.
/// `None` if it knows no such user.
fn groups_of(uid: u32) -> Option<Vec<u32>> {
    let user = User::from_uid(nix::unistd::Uid::from_raw(uid)).ok()??;
    let name = CString::new(user.name).ok()?;
    let mut groups = vec![user.gid.as_raw()];
    let all = getgrouplist(&name, user.gid).ok()?;
    groups.extend(all.iter().map(|gid| gid.as_raw()).filter(|gid| *gid != user.gid.as_raw()));
    Some(groups)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::*;

    #[test]
    fn root_sees_what_the_hubs_user_sees() {
        if !geteuid().is_root() {
            return windfire_bench::skipped!("needs root");
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(HubsUser::behind_root(folder.path()), None, "root's own");
        assert_eq!(check_may_write(folder.path()), Ok(()));
        chown(folder.path(), Some(54_321), Some(54_322)).expect("root may");
        let user = HubsUser::behind_root(folder.path()).expect("another user's");
        assert_eq!((user.uid(), &user.groups[..]), (54_321, &[54_322][..]));
        assert!(check_may_write(folder.path()).expect_err("another user's").contains("sudo -u '#54321'"));
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0, "nothing is left");
        assert!(is_written_as(0, folder.path()));
        let secret = folder.path().join("secret");
        fs::write(&secret, "s").expect("written");
        fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("own");
        let seen = user.run(|| (geteuid().as_raw(), fs::read(&secret).map_err(|error| error.kind())));
        assert_eq!(seen.expect("root may"), (54_321, Err(io::ErrorKind::PermissionDenied)));
        assert!(geteuid().is_root() && fs::read(&secret).is_ok(), "only that thread changed");
        // A hub that root runs on a folder of another user: a volume of a container.
        fs::write(folder.path().join("FORMAT"), "").expect("written");
        assert_eq!(HubsUser::behind_root(folder.path()), None);
    }

    #[test]
    fn a_users_own_group_comes_first() {
        if let Some(groups) = groups_of(0) {
            assert_eq!(groups.first(), Some(&0));
        }
        assert_eq!(groups_of(4_000_000_000), None);
    }
}
