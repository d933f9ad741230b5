//! Places at which tests end the process, from the first file of a new store to the last of a backup. What is on disk
//! differs from one to the next, or what is in memory and not on disk does.
//!
//! A point costs a look at an option. None is inside a loop over reports.

/// Makes the points, their names and the list of all of them of one table.
macro_rules! fail_points {
    ($($(#[$doc:meta])* $point:ident $name:literal;)*) => {
        /// A place at which tests end the process.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum FailPoint {
            $($(#[$doc])* $point,)*
        }

        impl FailPoint {
            /// Every point, about in the order in which a hub reaches them.
            pub const ALL: &[Self] = &[$(Self::$point),*];

            /// Its name in arguments and counts.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)*
                }
            }
        }
    };
}

fail_points! {
    /// A new store is begun: there is `FORMAT.new`, and no database.
    StoreBegun "store-begun";
    /// The folder for a rollback of an upgrade is made under its name for drafts, and empty.
    RollbackBegun "rollback-begun";
    /// The files of the database are linked there.
    RollbackLinked "rollback-linked";
    /// All is there, with the note of what it is, still under the name for drafts.
    RollbackNoted "rollback-noted";
    /// The folder has its name, and the store is as the older hub left it.
    RollbackKept "rollback-kept";
    /// The database of a new store, or of one of an older format, has every family. `FORMAT` is missing, or has the
    /// older version.
    DatabaseOpened "database-opened";
    /// `FORMAT.new` has this version, and `FORMAT` is as before.
    FormatDrafted "format-drafted";
    /// `FORMAT` has this version, and all else is as before.
    FormatWritten "format-written";
    /// A start has every latest status, and history has nothing of the log yet.
    StatusRecovered "status-recovered";
    /// Heads that were read from the log after a start are encoded, nothing is written.
    CatchUpEncoded "catch-up-encoded";
    /// Blocks of these heads are on disk, the heads are still in memory.
    CatchUpWritten "catch-up-written";
    /// All of the log is read, and the servers have the heads that were made of it.
    HeadsHandedOver "heads-handed-over";
    /// A change of the registry is encoded, nothing is written.
    ChangeEncoded "change-encoded";
    /// A change of the registry is on disk, and not visible.
    ChangeWritten "change-written";
    /// Pending reports of one shard are taken for a commit, those of the shards after it are not.
    ShardTaken "shard-taken";
    /// Latest status of one shard or of all is taken for a checkpoint, nothing is written.
    CheckpointTaken "checkpoint-taken";
    /// A commit is encoded, nothing is written.
    CommitEncoded "commit-encoded";
    /// A commit is on disk, and the watermark is below it.
    CommitWritten "commit-written";
    /// A checkpoint is on disk with its commit, and the watermark is below them.
    CheckpointWritten "checkpoint-written";
    /// The watermark has risen, and no session has looked at it.
    WatermarkRaised "watermark-raised";
    /// A write has failed, and the store is closed so that it can be opened again.
    StoreClosed "store-closed";
    /// The store is open again, and the commit that failed is not written again.
    RetryEncoded "retry-encoded";
    /// The commit that failed is on disk, and the watermark is below it.
    RetryWritten "retry-written";
    /// Heads are encoded, nothing is written.
    SealEncoded "seal-encoded";
    /// Blocks of heads are on disk, the heads are still in memory.
    SealWritten "seal-written";
    /// The log's range behind the blocks is about to be deleted.
    LogCut "log-cut";
    /// The range is deleted, its files are not.
    LogCutWritten "log-cut-written";
    /// An hour is packed, nothing is written.
    HourPacked "hour-packed";
    /// An hour is written.
    HourWritten "hour-written";
    /// A day is packed, nothing is written.
    DayPacked "day-packed";
    /// A day is written.
    DayWritten "day-written";
    /// Readers ignore what expires, nothing is deleted.
    FloorRaised "floor-raised";
    /// Expired ranges are deleted, their files are not.
    Expired "expired";
    /// The folder of a backup is made, and empty.
    BackupBegun "backup-begun";
    /// The files of a backup are linked, and it has no version.
    BackupLinked "backup-linked";
    /// `FORMAT.new` of a backup is written, `FORMAT` is not.
    BackupDrafted "backup-drafted";
    /// `FORMAT` of a backup is written.
    BackupWritten "backup-written";
}

impl FailPoint {
    /// The point of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|point| point.name() == name)
    }
}

/// What a test does at each point. `None` outside of tests.
pub(crate) type AtFailPoint = Option<fn(FailPoint)>;

/// Lets a test do it.
pub(crate) fn reach(at_fail_point: AtFailPoint, point: FailPoint) {
    if let Some(at_fail_point) = at_fail_point {
        at_fail_point(point);
    }
}
