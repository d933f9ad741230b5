//! Hands a backup over to a hub that joins the cluster. One at a time: its files take room on the disk for as long as
//! they are sent, because the store cannot remove those that it needs no longer.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;
use windfire_engine::Engine;

use super::backup::{SENDING, copy_hub};
use super::invitation::Invitations;
use super::parcel;
use crate::folder;

/// What a hub can hand over.
#[derive(Debug)]
pub(crate) struct HandOver {
    data: PathBuf,
    is_busy: AtomicBool,
    /// Who may have it.
    pub(crate) invitations: Invitations,
}

/// Why nothing is handed over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotHandedOver {
    /// Another one is being sent.
    Busy,
    /// The backup was not made.
    Failed(String),
}

/// A backup that is to be sent. It is removed when this is dropped, and within a runtime nobody waits for that.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Until it is sent or given up.
    files: Option<Files>,
}

/// The files of a backup. When this is dropped they are removed, which waits for the disk, and then another hub may
/// have a backup.
#[derive(Debug)]
struct Files {
    of: Arc<HandOver>,
    folder: PathBuf,
}

impl HandOver {
    /// Of the hub with this data folder.
    pub(crate) fn new(data: PathBuf) -> Arc<Self> {
        Arc::new(Self { data, is_busy: AtomicBool::new(false), invitations: Invitations::default() })
    }

    /// Makes a backup. This waits for the disk.
    ///
    /// # Errors
    /// Another one is being sent, or the disk refuses.
    pub(crate) fn prepare(self: &Arc<Self>, engine: &Engine) -> Result<Prepared, NotHandedOver> {
        if self.is_busy.swap(true, Ordering::AcqRel) {
            return Err(NotHandedOver::Busy);
        }
        let files = Files { of: Arc::clone(self), folder: self.data.join(SENDING) };
        folder::remove(&files.folder);
        copy_hub(engine, &self.data, &files.folder).map_err(NotHandedOver::Failed)?;
        Ok(Prepared { files: Some(files) })
    }
}

impl Prepared {
    /// Sends and removes it. This waits for the disk and for the other side.
    ///
    /// # Errors
    /// It cannot be read, or the other side has gone.
    pub(crate) fn send(mut self, out: &mut dyn Write) -> io::Result<()> {
        self.files.take().map_or(Ok(()), |files| parcel::send(&files.folder, out))
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        let Some(files) = self.files.take() else { return };
        // A request that was given up is dropped on the thread that answers all others, and a disk may hang. A runtime
        // that ends drops the files itself.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(files))),
            Err(_) => drop(files),
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        folder::remove(&self.folder);
        self.of.is_busy.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::channel;

    use tokio::runtime::Builder;
    use tokio::task::spawn_blocking;
    use windfire_engine::Options;

    use super::*;
    use crate::admin::parcel::receive;
    use crate::cluster::MEMBERSHIP_FILE;
    use crate::tls::Certificate;

    #[test]
    fn one_backup_at_a_time_is_sent_and_nothing_stays() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (data, into) = (folder.path().join("data"), folder.path().join("into"));
        for folder in [&data, &into] {
            fs::create_dir(folder).expect("made");
        }
        let engine = Engine::open(&data, Options::default()).expect("a new store");
        let hand_over = HandOver::new(data.clone());
        let failed = hand_over.prepare(&engine).expect_err("it has no certificate");
        assert!(matches!(&failed, NotHandedOver::Failed(why) if why.contains("tls/cert.pem")), "{failed:?}");
        Certificate::make(&data).expect("room");
        fs::write(data.join(MEMBERSHIP_FILE), "0123\n").expect("room");

        let prepared = hand_over.prepare(&engine).expect("a backup");
        assert_eq!(hand_over.prepare(&engine).expect_err("one is under way"), NotHandedOver::Busy);
        let mut bytes = Vec::new();
        prepared.send(&mut bytes).expect("sent");
        assert!(!data.join(SENDING).exists());
        receive(&mut &bytes[..], &into, u64::MAX, &mut |_| Ok(())).expect("whole");
        assert!(windfire_engine::is_store(&into) && into.join("rocksdb/CURRENT").exists());

        // One that is not sent, because its receiver has gone, does not stay either.
        drop(hand_over.prepare(&engine).expect("the first one is over"));
        assert!(!data.join(SENDING).exists());
    }

    #[test]
    fn a_disk_that_hangs_does_not_hold_up_whoever_gives_a_backup_up() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("made");
        let engine = Engine::open(&data, Options::default()).expect("a new store");
        Certificate::make(&data).expect("room");
        fs::write(data.join(MEMBERSHIP_FILE), "0123\n").expect("room");
        let hand_over = HandOver::new(data.clone());
        let runtime = Builder::new_current_thread().max_blocking_threads(1).build().expect("a runtime");
        runtime.block_on(async {
            // The only thread that may wait does so until it is told.
            let (go_on, told) = channel::<()>();
            let waits = spawn_blocking(move || told.recv());
            drop(hand_over.prepare(&engine).expect("a backup"));
            assert!(data.join(SENDING).exists(), "this thread removed nothing");
            assert_eq!(hand_over.prepare(&engine).expect_err("its files are there"), NotHandedOver::Busy);
            go_on.send(()).expect("it waits");
            waits.await.expect("no panic").expect("told");
            spawn_blocking(|| ()).await.expect("what came before it is done");
            assert!(!data.join(SENDING).exists());
        });

        // A runtime that has ended runs nothing any more.
        let prepared = hand_over.prepare(&engine).expect("the first one is over");
        let ended = runtime.handle().clone();
        drop(runtime);
        let _within = ended.enter();
        drop(prepared);
        assert!(!data.join(SENDING).exists());
        hand_over.prepare(&engine).expect("the second one is over");
    }
}
