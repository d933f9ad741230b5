//! Hands a backup over to a hub that joins the cluster. One at a time: its files take room on the disk for as long as
//! they are sent, because the store cannot remove those that it needs no longer.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// A backup that is to be sent. It is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Prepared {
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
        let prepared = Prepared { of: Arc::clone(self), folder: self.data.join(SENDING) };
        folder::remove(&prepared.folder);
        copy_hub(engine, &self.data, &prepared.folder).map_err(NotHandedOver::Failed)?;
        Ok(prepared)
    }
}

impl Prepared {
    /// Sends it. This waits for the disk and for the other side.
    ///
    /// # Errors
    /// It cannot be read, or the other side has gone.
    pub(crate) fn send(self, out: &mut dyn Write) -> io::Result<()> {
        parcel::send(&self.folder, out)
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        folder::remove(&self.folder);
        self.of.is_busy.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

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
}
