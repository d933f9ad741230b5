//! How RocksDB is set up: folder, memory, families.

use std::path::Path;

use rocksdb::{BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, Env, Options};

use super::error::StoreError;
use super::key;
use crate::record::Corrupt;

/// RocksDB's own folder within the store's.
pub(super) const DB_FOLDER: &str = "rocksdb";
/// Memory of the cache for blocks read from disk.
pub(super) const BLOCK_CACHE_BYTES: usize = 32 * 1024 * 1024;
/// Memory of the log's newest part before it is flushed to a file.
const LOG_WRITE_BUFFER_BYTES: usize = 32 * 1024 * 1024;
/// Memory of the newest blocks of reports before they are flushed to a file.
const RAW_WRITE_BUFFER_BYTES: usize = 16 * 1024 * 1024;
/// Memory of any other family's newest part.
const WRITE_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// Memory of all families' newest parts together: what is more is flushed before it is due.
const WRITE_BUFFERS_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Bytes of write-ahead log before families that hold it back are flushed.
const WAL_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Open table files. Bounded, because each holds a descriptor and its index.
const OPEN_FILES_MAX: i32 = 512;
/// Threads that open table files at a start. RocksDB would start sixteen for each family, however few files it has.
const OPENING_THREADS: i32 = 4;
/// RocksDB's own log files that are kept.
const INFO_LOG_FILES: usize = 4;

/// Opens the database for writing, or creates one. Files of the families in `idle` are not merged automatically.
pub(super) fn open_db(folder: &Path, idle: &[&str]) -> Result<DB, StoreError> {
    let mut env = Env::new().map_err(|error| StoreError::from_rocksdb(folder, &error))?;
    // A flush or a compaction takes what ingest leaves. At the same priority it would halve a busy core, agents would take
    // their packets for lost, and what they send again would take the other half.
    env.lower_thread_pool_cpu_priority();
    env.lower_high_priority_thread_pool_cpu_priority();
    let mut options = options();
    options.set_env(&env);
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    DB::open_cf_descriptors(&options, folder.join(DB_FOLDER), families(idle))
        .map_err(|error| not_opened(folder, &error))
}

/// Opens the database as it is, with the families that it has: one of an older format has fewer. Its write-ahead log is
/// read into memory, whole.
pub(super) fn open_db_read_only(folder: &Path) -> Result<DB, StoreError> {
    let path = folder.join(DB_FOLDER);
    let open = || {
        let has = DB::list_cf(&options(), &path)?;
        let families = families(&[]).filter(|family| has.iter().any(|name| name == family.name()));
        DB::open_cf_descriptors_read_only(&options(), &path, families, false)
    };
    open().map_err(|error| not_opened(folder, &error))
}

/// Opens the database for writing with the families that it has, and merges none of its files: an older hub can open it
/// afterwards.
pub(super) fn open_db_as_it_is(folder: &Path) -> Result<DB, StoreError> {
    let has = family_names(folder)?;
    let idle: Vec<&str> = key::FAMILIES.into_iter().chain([key::DEFAULT]).collect();
    let families = families(&idle).filter(|family| has.iter().any(|name| name == family.name()));
    DB::open_cf_descriptors(&options(), folder.join(DB_FOLDER), families).map_err(|error| not_opened(folder, &error))
}

/// The families that the database has, in ascending order. Only its manifest is read.
pub(super) fn family_names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let listed = DB::list_cf(&options(), folder.join(DB_FOLDER));
    let mut names = listed.map_err(|error| not_opened(folder, &error))?;
    names.sort();
    Ok(names)
}

/// Why a database that is there cannot be opened.
fn not_opened(folder: &Path, error: &rocksdb::Error) -> StoreError {
    match StoreError::from_rocksdb(folder, error) {
        // One of its files is missing.
        StoreError::Unusable { reason, .. } if reason.contains("No such file") => Corrupt::at(reason).into(),
        // RocksDB names its other files in its words, and of the log only what is wrong with it.
        StoreError::Corrupt(Corrupt { what }) if !what.contains('/') && !what.contains("CURRENT") => {
            let log = folder.join(DB_FOLDER).join("*.log");
            Corrupt::at(format!("the write-ahead log, one of {}: {what}", log.display())).into()
        }
        // Whatever it finds in the files that the manifest lists, it says of the manifest.
        StoreError::Corrupt(Corrupt { what }) if what.contains("MANIFEST") && !what.contains(".sst") => {
            let tables = folder.join(DB_FOLDER).join("*.sst");
            Corrupt::at(format!("the manifest, or one of {}: {what}", tables.display())).into()
        }
        other => other,
    }
}

fn options() -> Options {
    let mut options = Options::default();
    // A torn tail is a commit that was never acknowledged; any other damage of the write-ahead log stops the start, because
    // reading on past it could lose an acknowledged report in silence.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    // Notices a log before the newest that is missing or shorter than it was; the newest has `durable`.
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES_MAX);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_file_opening_threads(OPENING_THREADS);
    options.set_keep_log_file_num(INFO_LOG_FILES);
    options.set_log_level(rocksdb::LogLevel::Warn);
    options
}

/// Every family with its options, and RocksDB's own where its options are not the usual ones.
///
/// RocksDB delays or stops no write for the level-0 files of an idle family, however many there are
/// (`ColumnFamilyData::GetWriteStallConditionAndCause`), so the triggers stay as they are.
fn families(idle: &[&str]) -> impl Iterator<Item = ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
    let own = idle.contains(&key::DEFAULT).then(|| {
        let mut options = Options::default();
        options.set_disable_auto_compactions(true);
        ColumnFamilyDescriptor::new(key::DEFAULT, options)
    });
    let of = move |family: &'static str| {
        let mut options = family_options(family, &cache);
        options.set_disable_auto_compactions(idle.contains(&family));
        ColumnFamilyDescriptor::new(family, options)
    };
    key::FAMILIES.into_iter().map(of).chain(own)
}

pub(super) fn family_options(family: &str, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    if family == key::RAW {
        options.set_write_buffer_size(RAW_WRITE_BUFFER_BYTES);
        // Blocks are as small as they get.
        options.set_compression_type(DBCompressionType::None);
    } else if family == key::LOG {
        options.set_write_buffer_size(LOG_WRITE_BUFFER_BYTES);
        options.set_compression_type(DBCompressionType::Lz4);
    } else {
        options.set_write_buffer_size(WRITE_BUFFER_BYTES);
        options.set_compression_type(DBCompressionType::None);
    }
    options
}
