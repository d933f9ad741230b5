//! A verb finds what it works on, or says that it is not there. It makes nothing.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::hub::{HUB, new_hub};

const VERBS: [&[&str]; 17] = [
    &["server", "list"],
    &["server", "add", "--name", "web"],
    &["server", "edit", "1", "--name", "web"],
    &["server", "rotate", "1"],
    &["server", "remove", "1"],
    &["token", "add", "--note", "n"],
    &["token", "list"],
    &["token", "remove", "1"],
    &["enrol-token", "add"],
    &["enrol-token", "list"],
    &["enrol-token", "remove", "1"],
    &["admin", "password"],
    &["admin", "users"],
    &["storage"],
    &["verify"],
    &["export"],
    &["fingerprint"],
];

fn run(data: &Path, arguments: &[&str]) -> Output {
    Command::new(HUB).arg("--data").arg(data).args(arguments).output().expect("the hub's binary")
}

/// Runs a verb that must fail; gives what it says.
fn fails(data: &Path, arguments: &[&str]) -> String {
    let output = run(data, arguments);
    let words = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {words}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    words
}

#[test]
fn a_verb_on_a_folder_that_is_no_hubs_makes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (missing, other) = (folder.path().join("typo"), folder.path().join("other"));
    fs::create_dir(&other).expect("made");
    fs::write(other.join("letter.txt"), "dear").expect("written");
    let copy = folder.path().join("copy");
    let backup = ["backup", copy.to_str().expect("UTF-8")];
    for data in [&missing, &other] {
        for verb in VERBS.iter().chain([&&backup[..]]) {
            let words = fails(data, verb);
            let name = data.file_name().expect("a name").to_str().expect("UTF-8");
            assert!(words.contains(name) && words.contains("no file FORMAT") && words.contains("--data"), "{words}");
        }
        assert!(fails(data, &["salvage", backup[1]]).contains("rocksdb"));
    }
    assert!(!missing.exists() && !copy.exists());
    assert_eq!(fs::read_dir(&other).expect("there").count(), 1);
    assert!(fails(&other, &["serve"]).contains("letter.txt"), "a hub makes no store there either");
    assert_eq!(fs::read_dir(&other).expect("there").count(), 1);
}

#[test]
fn a_user_is_made_only_when_that_is_asked_for() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    for is_running in [true, false] {
        let words = fails(hub.data(), &["admin", "password", "amdin"]);
        assert!(
            words.contains("\"amdin\"") && words.contains("there are: admin") && words.contains("--new"),
            "{words}"
        );
        let name = if is_running { "ann" } else { "bob" };
        assert!(run(hub.data(), &["admin", "password", name, "--new"]).status.success());
        assert!(fails(hub.data(), &["admin", "password", name, "--new"]).contains("exists already"));
        assert!(run(hub.data(), &["admin", "password", name]).status.success());
        if is_running {
            hub.terminate();
        }
    }
    let users = String::from_utf8(run(hub.data(), &["admin", "users"]).stdout).expect("text");
    assert_eq!(users.lines().count(), 1 + 3, "{users}");
}

#[test]
fn a_change_that_is_none_is_refused() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.make_servers(1, "");
    hub.start();
    assert!(fails(hub.data(), &["server", "edit", "1"]).contains("nothing to change"));
    for name in ["", " ", "\t\n"] {
        assert!(fails(hub.data(), &["server", "edit", "1", "--name", name]).contains("--name"));
        assert!(fails(hub.data(), &["server", "add", "--name", name]).contains("--name"));
    }
    assert!(run(hub.data(), &["server", "edit", "1", "--tag", ""]).status.success(), "no tag is a tag to have");
}

#[test]
fn an_export_that_fails_leaves_the_file_as_it_was() {
    let (folder, mut hub) = new_hub(&[]);
    hub.make_servers(1, "shop");
    hub.start();
    let out = folder.path().join("day.csv");
    let out_text = out.to_str().expect("UTF-8");
    let wrong: [&[&str]; 4] = [&["--from", "yesterday"], &["--to", "soon"], &["--id", "7"], &["--tag", "office"]];
    for is_running in [true, false] {
        for text in ["", "kept"] {
            let names = fs::read_dir(folder.path()).expect("there").count();
            if !text.is_empty() {
                fs::write(&out, text).expect("written");
            }
            for arguments in wrong {
                fails(hub.data(), &[&["export", "--out", out_text], arguments].concat());
                assert_eq!(fs::read_to_string(&out).unwrap_or_default(), text, "{arguments:?}");
            }
            assert!(fs::read_dir(folder.path()).expect("there").count() <= names + 1);
        }
        assert!(run(hub.data(), &["export", "--out", out_text, "--from", "0"]).status.success());
        assert_eq!(fs::read_to_string(&out).expect("there").lines().count(), 1, "the head of a table");
        fs::remove_file(&out).expect("there");
        if is_running {
            hub.terminate();
        }
    }
}

#[test]
fn a_folder_with_a_long_path_is_a_folder() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["d".repeat(150), format!("{}/{}", "e".repeat(250), "f".repeat(250))] {
        let data = folder.path().join(name);
        let mut hub = windfire_bench::hub_process::HubProcess::new(HUB.as_ref(), &data, &[]);
        hub.start();
        assert!(data.join("admin.sock").exists());
        assert!(run(&data, &["server", "add", "--name", "web"]).status.success());
        assert!(hub.terminate().success());
        assert!(!data.join("admin.sock").exists());
        let list = String::from_utf8(run(&data, &["server", "list"]).stdout).expect("text");
        assert!(list.contains("web"), "{list}");
    }
}
