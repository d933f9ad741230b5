//! What a backup lacks is missed before anything is made of it, and a hub that lost its certificate does not take another.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::hub::{HUB, copy_folder, new_hub};

fn run(data: &Path, arguments: &[&str]) -> Output {
    Command::new(HUB).arg("--data").arg(data).args(arguments).output().expect("the hub's binary")
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Takes something from a backup.
type Damage<'a> = &'a dyn Fn(&Path);

/// A backup with some servers.
fn backup() -> (tempfile::TempDir, PathBuf) {
    let (folder, mut hub) = new_hub(&[]);
    hub.make_servers(5, "");
    hub.start();
    let made = folder.path().join("backup");
    let output = hub.cli(&["backup", made.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{}", words(&output));
    (folder, made)
}

fn first(folder: &Path, extension: &str) -> PathBuf {
    let mut entries = fs::read_dir(folder.join("rocksdb")).expect("there").flatten().map(|entry| entry.path());
    entries.find(|path| path.extension().is_some_and(|found| found == extension)).expect("such a file")
}

#[test]
fn a_backup_that_is_not_whole_is_refused_and_leaves_nothing() {
    let (folder, whole) = backup();
    let link = |path: PathBuf| {
        let beside = path.with_extension("elsewhere");
        fs::rename(&path, &beside).expect("there");
        symlink(beside, path).expect("made");
    };
    let damages: [(&str, Damage<'_>); 11] = [
        ("FORMAT", &|backup| fs::remove_file(backup.join("FORMAT")).expect("there")),
        ("rocksdb", &|backup| fs::remove_dir_all(backup.join("rocksdb")).expect("there")),
        ("tls", &|backup| fs::remove_dir_all(backup.join("tls")).expect("there")),
        ("key.pem", &|backup| fs::remove_file(backup.join("tls/key.pem")).expect("there")),
        (".sst", &|backup| fs::remove_file(first(backup, "sst")).expect("there")),
        (".sst", &|backup| fs::write(first(backup, "sst"), "").expect("there")),
        ("BACKUP", &|backup| fs::write(backup.join("BACKUP"), "windfire backup 1\nserv").expect("there")),
        // As a hub leaves it that is killed before the list is complete.
        ("stopped", &|backup| fs::rename(backup.join("BACKUP"), backup.join("BACKUP.new")).expect("there")),
        ("symbolic link", &|backup| link(first(backup, "sst"))),
        ("symbolic link", &|backup| link(backup.join("tls/cert.pem"))),
        ("servers", &|backup| {
            let text = fs::read_to_string(backup.join("BACKUP")).expect("there");
            assert!(text.contains("\nservers 5\n"), "{text}");
            fs::write(backup.join("BACKUP"), text.replace("servers 5", "servers 6")).expect("there");
        }),
    ];
    for (number, (expected, damage)) in damages.iter().enumerate() {
        let damaged = folder.path().join(format!("damaged {number}"));
        copy_folder(&whole, &damaged);
        damage(&damaged);
        let place = folder.path().join("new");
        for data in [place.join("data"), place.clone()] {
            let output = run(&data, &["restore", damaged.to_str().expect("UTF-8")]);
            assert!(!output.status.success(), "{expected}");
            assert!(words(&output).contains(expected), "{expected}: {}", words(&output));
            assert!(!place.exists(), "{expected}: nothing is left behind");
        }
        fs::create_dir(&place).expect("made");
        assert!(!run(&place, &["restore", damaged.to_str().expect("UTF-8")]).status.success());
        assert_eq!(fs::read_dir(&place).expect("still there").count(), 0, "{expected}");
        fs::remove_dir(&place).expect("empty");
        if *expected != "FORMAT" {
            assert!(
                !run(&damaged, &["verify"]).status.success() || *expected == "tls",
                "{expected}: verify finds it too"
            );
        }
    }
}

#[test]
fn a_backup_is_looked_at_and_stays_what_it_is() {
    let (folder, made) = backup();
    let text = fs::read_to_string(made.join("BACKUP")).expect("there");
    let (data, mount) = (folder.path().join("a/b/data"), folder.path().join("mount"));
    fs::create_dir_all(mount.join("lost+found")).expect("made");
    // What an interrupted restore left.
    fs::create_dir_all(mount.join("restoring/rocksdb")).expect("made");
    // What a hub left whose store is gone.
    fs::write(mount.join("first-password"), "").expect("written");
    for data in [&data, &mount] {
        let output = run(&made, &["verify"]);
        assert!(output.status.success(), "{}", words(&output));
        let output = run(data, &["restore", made.to_str().expect("UTF-8")]);
        assert!(output.status.success(), "{}", words(&output));
        assert_eq!(fs::metadata(data).expect("there").permissions().mode() & 0o777, 0o700);
        assert!(!data.join("restoring").exists());
        let list = run(data, &["server", "list", "--json"]).stdout;
        assert_eq!(String::from_utf8_lossy(&list).matches("\"id\"").count(), 5);
        assert_eq!(run(data, &["fingerprint"]).stdout, run(&made, &["fingerprint"]).stdout);
    }
    assert_eq!(fs::read_to_string(made.join("BACKUP")).expect("there"), text);
    // A hub may run on the backup itself; then it is one no more.
    let mut hub = windfire_bench::hub_process::HubProcess::new(HUB.as_ref(), &made, &[]);
    hub.start();
    assert!(!made.join("BACKUP").exists());
    assert!(hub.terminate().success());
    assert!(run(&made, &["verify"]).status.success());
}

#[test]
fn a_hub_that_lost_its_certificate_says_so() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    let fingerprint = run(hub.data(), &["fingerprint"]).stdout;
    hub.terminate();
    for lost in ["tls/cert.pem", "tls/key.pem"] {
        let kept = hub.data().join("kept");
        fs::rename(hub.data().join(lost), &kept).expect("there");
        let error = hub.try_start().expect_err("refused");
        assert!(error.contains(lost) && error.contains("--new-certificate"), "{error}");
        let output = run(hub.data(), &["fingerprint"]);
        assert!(words(&output).contains(lost) && output.stdout.is_empty());
        let copy = hub.data().with_file_name("copy");
        let output = run(hub.data(), &["backup", copy.to_str().expect("UTF-8")]);
        assert!(words(&output).contains(lost) && !copy.exists(), "{}", words(&output));
        assert!(!hub.data().join(lost).exists(), "nothing was made");
        fs::rename(kept, hub.data().join(lost)).expect("put back");
        hub.start();
        assert_eq!(run(hub.data(), &["fingerprint"]).stdout, fingerprint);
        hub.terminate();
    }
    fs::remove_dir_all(hub.data().join("tls")).expect("there");
    // The harness's first start says --new-certificate.
    let mut again = windfire_bench::hub_process::HubProcess::new(HUB.as_ref(), hub.data(), &[]);
    again.start();
    assert_ne!(run(hub.data(), &["fingerprint"]).stdout, fingerprint);
}

#[test]
fn a_hub_makes_nothing_new_in_a_part_of_a_backup() {
    let (folder, mut hub) = new_hub(&[]);
    hub.make_servers(5, "");
    // The second start makes table files of the write-ahead log.
    for _ in 0..2 {
        hub.start();
        assert!(hub.terminate().success());
    }
    let fingerprint = run(hub.data(), &["fingerprint"]).stdout;
    let data = hub.data().to_owned();
    let path = |name: &str| data.join(name);
    let files = || fs::read_dir(path("rocksdb")).expect("there").count();
    let kept = folder.path().join("kept");
    // As a copy is that has not come to FORMAT yet.
    let (whole, part) = (path("FORMAT"), path("FORMAT.new"));
    for (lost, remedy) in [("tls", "--new-certificate"), ("rocksdb/CURRENT", "restore a backup")] {
        let (lost_path, files_before) = (path(lost), files());
        fs::rename(&whole, &part).expect("there");
        fs::rename(&lost_path, &kept).expect("there");
        let error = hub.try_start().expect_err("refused");
        assert!(error.contains(lost) && error.contains(remedy), "{error}");
        assert!(!lost_path.exists() && !whole.exists(), "{lost}: nothing was made");
        assert_eq!(files(), if lost == "tls" { files_before } else { files_before - 1 }, "{lost}: nothing is gone");
        fs::rename(&kept, &lost_path).expect("put back");
        fs::rename(&part, &whole).expect("put back");
    }
    hub.start();
    assert_eq!(run(hub.data(), &["fingerprint"]).stdout, fingerprint);
    let list = run(hub.data(), &["server", "list", "--json"]).stdout;
    assert_eq!(String::from_utf8_lossy(&list).matches("\"id\"").count(), 5);
}

#[test]
fn what_is_left_of_a_damaged_hub_is_saved() {
    let (folder, mut hub) = new_hub(&[]);
    hub.make_servers(5, "");
    hub.start();
    let new = folder.path().join("new");
    let new_text = new.to_str().expect("UTF-8");
    let output = run(hub.data(), &["salvage", new_text]);
    assert!(words(&output).contains("stop it first") && !new.exists(), "{}", words(&output));
    hub.kill();
    // The largest: another one may be new, or done with.
    let logs = fs::read_dir(hub.data().join("rocksdb")).expect("there").flatten().map(|entry| entry.path());
    let logs = logs.filter(|path| path.extension().is_some_and(|found| found == "log"));
    let bytes = |log: &PathBuf| fs::metadata(log).map_or(0, |meta| meta.len());
    let log = logs.max_by_key(bytes).expect("a write-ahead log");
    assert!(bytes(&log) > 0);
    fs::write(&log, "").expect("emptied");
    let error = hub.try_start().expect_err("refused");
    assert!(error.contains("lost acknowledged data") && error.contains("windfire salvage"), "{error}");
    assert!(!run(hub.data(), &["verify"]).status.success());
    let output = run(hub.data(), &["salvage", new_text]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("lost: ") && said.contains("servers"), "{said}{}", words(&output));
    assert!(run(&new, &["verify"]).status.success());
    let mut saved = windfire_bench::hub_process::HubProcess::new(HUB.as_ref(), &new, &[]);
    saved.start();
    assert_eq!(run(&new, &["fingerprint"]).stdout, run(hub.data(), &["fingerprint"]).stdout);
}
