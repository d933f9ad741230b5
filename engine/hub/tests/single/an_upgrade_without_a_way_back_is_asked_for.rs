//! Where a store cannot be kept as it was, it is not upgraded, but if that is asked for. What was kept and is damaged is
//! named, and removed when told. A rollback that was interrupted is finished before any start.

use std::fs;
use std::path::{Path, PathBuf};

use crate::hub::{HUB, new_hub};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::numbered::{FORMAT_1, leave_format_1};

const SERVERS: usize = 2;
const LAST: u64 = 50;

fn format(data: &Path) -> String {
    fs::read_to_string(data.join("FORMAT")).expect("there")
}

/// A hub that does not run, on a store of format 1.
fn old_hub() -> (tempfile::TempDir, HubProcess) {
    let (folder, hub) = new_hub(&[]);
    leave_format_1(hub.data(), SERVERS, LAST);
    (folder, hub)
}

/// What a verb says that fails.
fn refusal(hub: &HubProcess, arguments: &[&str]) -> String {
    let output = hub.cli(arguments);
    assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn done(hub: &HubProcess, arguments: &[&str]) {
    let output = hub.cli(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_store_that_cannot_be_kept_is_upgraded_only_when_asked() {
    let (_folder, mut hub) = old_hub();
    let data = hub.data().to_owned();
    // No folder can be made in its place.
    fs::write(data.join("pre-1.new"), "").expect("room");
    for error in [hub.try_start().expect_err("refused"), refusal(&hub, &["server", "list"])] {
        for words in ["format 1", "Nothing was upgraded", "--without-rollback"] {
            assert!(error.contains(words), "{error}");
        }
    }
    assert_eq!(format(&data), FORMAT_1);
    let mut hub = HubProcess::new(HUB.as_ref(), &data, &["--without-rollback"]);
    hub.start();
    assert_ne!(format(&data), FORMAT_1);
    assert!(hub.log().iter().any(|line| line.contains("only a backup leads back")), "{:#?}", hub.log());
    assert!(hub.terminate().success());
    assert!(refusal(&hub, &["rollback"]).contains("nothing to roll back to"));
}

#[test]
fn what_is_kept_and_damaged_is_named_and_removed_when_told() {
    let (_folder, mut hub) = old_hub();
    hub.start();
    done(&hub, &["verify"]);
    let kept = hub.data().join("pre-1");
    let database = fs::read_dir(kept.join("rocksdb")).expect("there").flatten();
    let mut files = database.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|of| of == "sst"));
    let lost: PathBuf = files.next().expect("a table file");
    let name = lost.file_name().expect("a name").to_string_lossy().into_owned();
    fs::remove_file(&lost).expect("own");
    assert!(refusal(&hub, &["verify"]).contains(&name));
    assert!(hub.terminate().success());
    let error = refusal(&hub, &["rollback"]);
    assert!(error.contains(&name) && error.contains("Nothing was changed"), "{error}");
    assert_ne!(format(hub.data()), FORMAT_1);
    hub.start();
    done(&hub, &["storage", "--drop-rollback"]);
    assert!(!kept.exists());
    assert!(refusal(&hub, &["storage", "--drop-rollback"]).contains("keeps nothing for a rollback"));
    done(&hub, &["verify"]);
}

#[test]
fn an_interrupted_rollback_is_finished_before_any_start() {
    let (_folder, mut hub) = old_hub();
    hub.start();
    assert!(hub.terminate().success());
    let data = hub.data().to_owned();
    // As the process leaves it that is killed after its first step.
    fs::rename(data.join("pre-1"), data.join("rolling-back")).expect("own");
    for error in [hub.try_start().expect_err("refused"), refusal(&hub, &["verify"])] {
        assert!(error.contains("was interrupted") && error.contains("rollback"), "{error}");
    }
    let doctor = hub.cli(&["doctor"]);
    let findings = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(findings.contains("a rollback was interrupted"), "{findings}");
    done(&hub, &["rollback"]);
    assert_eq!(format(&data), FORMAT_1);
    assert!(!data.join("rolling-back").exists());
    hub.start();
}
