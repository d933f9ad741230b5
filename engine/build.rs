//! Checks that RocksDB's archive exists before the engine is compiled, or says in one line how to build it.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::var_os("ROCKSDB_LIB_DIR") else {
        // A build without this workspace's configuration: RocksDB's crate then compiles its own.
        return ExitCode::SUCCESS;
    };
    let folder = Path::new(&folder);
    let archive = folder.join("librocksdb.a");
    println!("cargo:rerun-if-env-changed=ROCKSDB_LIB_DIR");
    println!("cargo:rerun-if-changed={}", archive.display());
    if !archive.is_file()
        && let Ok(lock) = File::open(folder.join("lock"))
        && matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
    {
        // Another process is building it.
        let _until_made = lock.lock_shared();
    }
    if archive.is_file() {
        return ExitCode::SUCCESS;
    }
    println!("cargo:error=RocksDB's archive {} is missing: run `make tools` first, once", archive.display());
    ExitCode::FAILURE
}
