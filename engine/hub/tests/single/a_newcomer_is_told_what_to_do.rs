//! What a newcomer meets first: a password that no line of the log hides, a server with the command for its agent, and
//! errors that name the thing, the value and the remedy.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::hub::panel::sign_in;
use crate::hub::{HUB, new_hub, said, wait_until};
use serde_json::Value;
use windfire_bench::hub_process::HubProcess;

fn refused(hub: &HubProcess, arguments: &[&str]) -> String {
    let output = hub.cli(arguments);
    assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
    String::from_utf8(output.stderr).expect("text")
}

/// Everything that a hub says from its start to its first moment of work, in one place as on a terminal. `state` is the
/// folder that a service manager gave it.
fn told_by_a_start(folder: &Path, state: Option<&Path>) -> String {
    let out = folder.join("out");
    let file = fs::OpenOptions::new().create(true).append(true).open(&out).expect("a file");
    let stderr = file.try_clone().expect("the same file");
    let mut command = Command::new(HUB);
    command.arg("--data").arg(folder.join("data")).args(["serve", "--http", "127.0.0.1:0", "--quic", "127.0.0.1:0"]);
    command.env_remove("STATE_DIRECTORY").envs(state.map(|state| ("STATE_DIRECTORY", state)));
    let mut child = command.stdin(Stdio::null()).stdout(file).stderr(stderr).spawn().expect("the hub's binary");
    wait_until("it is ready", || fs::read_to_string(&out).expect("text").contains(" ready "));
    child.kill().expect("own child");
    child.wait().expect("own child");
    let text = fs::read_to_string(&out).expect("text");
    fs::remove_file(&out).expect("removed");
    text
}

#[test]
fn the_first_password_stands_apart_once_and_in_no_log() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let both = || told_by_a_start(folder.path(), None);
    let text = both();
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.contains("user admin, password ")).expect("a password");
    assert!(lines[at - 1].starts_with("---") && lines[at - 2].is_empty(), "{text}");
    assert!(lines[at + 2].starts_with("---") && lines[at + 3].is_empty(), "{text}");
    assert!(lines[at + 4].contains(" ready "), "nothing but where it is follows: {text}");
    assert_eq!(text.matches("password ").count(), 1, "{text}");
    assert!(!both().contains("password "), "only once");
}

#[test]
fn under_a_service_manager_the_first_password_is_in_its_state_folder_and_in_no_journal() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (text, file) = (told_by_a_start(folder.path(), Some(folder.path())), folder.path().join("first-password"));
    let password = fs::read_to_string(&file).expect("written");
    assert!(password.trim().len() >= 20 && !text.contains(password.trim()), "{text}");
    assert!(text.contains(file.to_str().expect("UTF-8")), "the log says where it is: {text}");
    told_by_a_start(folder.path(), Some(folder.path()));
    assert_eq!(fs::read_to_string(&file).expect("there"), password, "only once");
}

#[test]
fn the_first_password_opens_the_panel_from_the_file_that_is_named_for_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("first");
    let named = ["--first-password-file", file.to_str().expect("UTF-8")];
    let mut hub = HubProcess::new(Path::new(HUB), &folder.path().join("data"), &named);
    let start = ["serve", "--http", "127.0.0.1:0", "--quic", "127.0.0.1:0", "--first-password-file"];
    let refusal = refused(&hub, &[&start[..], &["/no/such/folder/file"]].concat());
    assert!(refusal.contains("first_password_file = \"/no/such/folder/file\""), "{refusal}");
    hub.start();
    assert_eq!(fs::metadata(&file).expect("written").permissions().mode() & 0o777, 0o600);
    let password = fs::read_to_string(&file).expect("written");
    assert_eq!(sign_in(&hub, "admin", password.trim(), &[]).status, 200);
    assert_eq!(sign_in(&hub, "admin", "another one", &[]).status, 401);
    said(&hub, &["admin", "password", "somebody", "--new"]);
    assert!(file.exists(), "the password in it is still that of admin");
    said(&hub, &["admin", "password"]);
    assert!(!file.exists(), "the password in it is nobody's");
    assert_eq!(sign_in(&hub, "admin", password.trim(), &[]).status, 401);
}

#[test]
fn a_server_and_an_enrolment_token_come_with_the_command_for_an_agent() {
    let (_folder, mut hub) = new_hub(&["--agents-address", "hub.example:7777"]);
    let check = |hub: &HubProcess, address: &str| {
        let fingerprint = said(hub, &["fingerprint"]).trim().to_owned();
        for (verb, kind, field) in [
            (&["server", "add", "--name", "web"][..], "CREDENTIAL", "credential"),
            (&["server", "rotate", "1"], "CREDENTIAL", "credential"),
            (&["enrol-token", "add"], "ENROL", "token"),
        ] {
            let end = format!(" windfire-agent --hub {address} --fingerprint {fingerprint}");
            let text = said(hub, verb);
            let command = text.lines().find(|line| line.contains("windfire-agent")).expect("a command").to_owned();
            assert!(command.starts_with(&format!("  WINDFIRE_{kind}=")) && command.ends_with(&end), "{text}");
            assert_eq!(text.contains("agents_address"), address.starts_with("HUB"), "{text}");
            let json = said(hub, &[verb, &["--json"]].concat());
            let json: Value = serde_json::from_str(&json).expect("JSON");
            let secret = json[field].as_str().expect("a secret");
            assert_eq!(json["command"], format!("WINDFIRE_{kind}={secret}{end}"));
        }
    };
    hub.start();
    check(&hub, "hub.example:7777");
    assert!(hub.terminate().success());
    // A stopped hub's flags are not known; its configuration's usual port is.
    check(&hub, "HUB:5555");
}

#[test]
fn what_is_refused_is_named_with_its_remedy() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    said(&hub, &["server", "add", "--name", "web"]);
    for (arguments, words) in [
        (&["server", "remove", "abc"][..], &["abc", "ID", "list"][..]),
        (&["server", "remove", "9"], &["id 9", "windfire server list"]),
        (&["server", "rotate", "9"], &["id 9", "windfire server list"]),
        (&["server", "edit", "9", "--tag", "x"], &["id 9", "windfire server list"]),
        (&["server", "edit", "1"], &["nothing to change", "--name"]),
        (&["server", "edit", "1", "--name", " "], &["empty", "--name"]),
        (&["server", "edit", "1", "--country", "Germany"], &["Germany", "\"hk\""]),
        (&["server", "add", "--name", ""], &["empty", "--name"]),
        (&["token", "remove", "9"], &["id 9", "windfire token list"]),
        (&["enrol-token", "remove", "9"], &["id 9", "windfire enrol-token list"]),
        (&["enrol-token", "add", "--uses", "0"], &["--uses", "from 1"]),
        (&["token", "add", "--note", "n", "--token", "abc"], &["3 characters", "16 to 1024"]),
        (&["token", "add", "--note", ""], &["empty", "--note"]),
        (&["token", "add", "--note", "n", "--scope", "write"], &["write", "read"]),
        (&["admin", "password", "root"], &["\"root\"", "admin", "--new"]),
        (&["export", "--id", "9"], &["id 9", "windfire server list"]),
        (&["export", "--tag", "shop"], &["\"shop\"", "windfire server list"]),
        (&["export", "--from", "yesterday"], &["yesterday", "-24h"]),
        (&["backup", ""], &["FOLDER"]),
        (&["storage", "--raw-days", "0"], &["--raw-days", "1 to 3650"]),
        (&["list"], &["list"]),
    ] {
        let said = refused(&hub, arguments);
        assert!(words.iter().all(|word| said.contains(word)), "{arguments:?}: {said}");
    }
}

#[test]
fn a_file_that_is_wrong_is_shown_line_by_line() {
    let (folder, hub) = new_hub(&[]);
    let file = folder.path().join("windfire.toml");
    fs::write(&file, "# mine\nhttp = \"127.0.0.1:0\"\ncommit-interval-ms = 20\n").expect("written");
    let path = file.to_str().expect("UTF-8");
    let said = refused(&hub, &["serve", "--config", path]);
    let shown: Vec<&str> = said.lines().collect();
    assert!(shown[0].starts_with("windfire: ") && shown[0].contains(path) && shown[0].contains("line 3"), "{said}");
    assert!(shown[0].contains("did you mean \"commit_interval_ms\"?"), "{said}");
    assert_eq!(&shown[1..], ["  |", "3 | commit-interval-ms = 20", "  | ^^^^^^^^^^^^^^^^^^"], "{said}");
    for (path, words) in [("/no/such/file.toml", "--config"), ("/tmp", "--config")] {
        let said = refused(&hub, &["serve", "--config", path]);
        assert!(said.contains(path) && said.contains(words), "{said}");
    }
    fs::write(&file, [0xff, 0xfe, b'a', 0]).expect("written");
    assert!(refused(&hub, &["serve", "--config", path]).contains("UTF-8"));
    assert!(!hub.data().exists(), "nothing was made");
}

#[test]
fn an_address_that_cannot_be_had_says_why() {
    let (_folder, hub) = new_hub(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = listener.local_addr().expect("bound").to_string();
    for (flag, address, words) in [
        // Not ours, and nobody's: RFC 5737.
        ("--http", "192.0.2.1:8008", "this machine has no such address"),
        ("--quic", "192.0.2.1:5555", "this machine has no such address"),
        ("--http", taken.as_str(), "another port"),
    ] {
        let (other, usual) = if flag == "--http" { ("--quic", "127.0.0.1:0") } else { ("--http", "127.0.0.1:0") };
        let said = refused(&hub, &["serve", flag, address, other, usual]);
        assert!(said.contains(address) && said.contains(flag) && said.contains(words), "{said}");
    }
}
