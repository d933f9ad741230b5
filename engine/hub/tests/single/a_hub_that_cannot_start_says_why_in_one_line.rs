//! Whatever keeps a hub from starting is one clear line and an exit code, and nothing is changed.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::hub::{HUB, new_hub};
use windfire_bench::hub_process::HubProcess;

/// Runs `serve` with these arguments, which must fail; gives the one line it says.
fn fails(data: &Path, arguments: &[&str]) -> String {
    let mut all = vec!["serve", "--http", "127.0.0.1:0"];
    if !arguments.contains(&"--quic") {
        all.extend(["--quic", "127.0.0.1:0"]);
    }
    if arguments.contains(&"--http") {
        all.drain(1..3);
    }
    all.extend(arguments);
    let output = Command::new(HUB).arg("--data").arg(data).args(&all).output().expect("the hub's binary");
    assert!(!output.status.success(), "{arguments:?} started");
    let words = String::from_utf8(output.stderr).expect("text");
    let said: Vec<&str> = words.lines().filter(|line| line.starts_with("windfire: ")).collect();
    assert_eq!(said.len(), 1, "{words}");
    said[0].to_owned()
}

#[test]
fn a_taken_port_is_named() {
    let (_folder, hub) = new_hub(&[]);
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = tcp.local_addr().expect("bound").to_string();
    let words = fails(hub.data(), &["--http", &address]);
    assert!(words.contains(&address) && words.contains("--http"), "{words}");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = udp.local_addr().expect("bound").to_string();
    let words = fails(hub.data(), &["--quic", &address]);
    assert!(words.contains(&address) && words.contains("--quic"), "{words}");
}

#[test]
fn a_level_of_the_log_that_is_none_is_named() {
    let (_folder, hub) = new_hub(&[]);
    for (log, odd) in [("inof", "inof"), ("info,debgu", "debgu"), ("info;debug", "info;debug")] {
        let words = fails(hub.data(), &["--log", log]);
        assert!(words.contains("log = ") && words.contains(odd), "{words}");
    }
    let words = fails(hub.data(), &["--log", "quinn=loud"]);
    assert!(words.contains("no filter"), "{words}");
    assert!(!hub.data().exists(), "nothing was made");
}

#[test]
fn a_folder_in_use_is_named() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    let words = fails(hub.data(), &[]);
    assert!(words.contains("in use by another hub"), "{words}");
    assert_eq!(hub.get("/readyz", "").status, 200, "the first hub goes on");
}

#[test]
fn a_folder_that_cannot_be_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    let words = fails(&file.join("data"), &[]);
    assert!(words.contains("cannot be"), "{words}");
}

#[test]
fn a_newer_or_damaged_store_is_left_alone() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    hub.kill();
    let format = hub.data().join("FORMAT");
    for (text, expected) in [("windfire store 999\n", "newer"), ("something else\n", "corrupt")] {
        fs::write(&format, text).expect("written");
        let before = listing(&hub.data().join("rocksdb"));
        let words = fails(hub.data(), &[]);
        assert!(words.contains(expected), "{words}");
        assert_eq!(listing(&hub.data().join("rocksdb")), before, "nothing was changed");
        assert_eq!(fs::read_to_string(&format).expect("there"), text);
    }
    fs::write(&format, "windfire store 1\n").expect("written");
    let current = hub.data().join("rocksdb").join("CURRENT");
    fs::write(&current, "damaged").expect("written");
    let words = fails(hub.data(), &[]);
    assert!(words.contains("corrupt") || words.contains("store"), "{words}");
}

#[test]
fn a_missing_file_of_the_database_is_named_with_what_can_be_done() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    hub.kill();
    let files = || {
        let entries = fs::read_dir(hub.data().join("rocksdb")).expect("a folder").flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let is_manifest = |path: &PathBuf| path.to_string_lossy().contains("/MANIFEST-");
    let manifest = files().into_iter().find(is_manifest).expect("a manifest");
    let sound = fs::read(&manifest).expect("readable");
    fs::remove_file(&manifest).expect("there");
    let words = fails(hub.data(), &[]);
    let name = manifest.file_name().expect("a name").to_string_lossy();
    assert!(words.contains(&*name) && words.contains("windfire salvage"), "{words}");
    assert!(!words.contains("name another with --data"), "an empty store is no remedy: {words}");
    fs::write(&manifest, sound).expect("put back");

    let is_log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "log");
    let logs = files().into_iter().filter(is_log);
    let log = logs.max_by_key(|path| path.metadata().map_or(0, |meta| meta.len())).expect("a write-ahead log");
    let mut bytes = fs::read(&log).expect("readable");
    bytes[20] ^= 1;
    fs::write(&log, bytes).expect("written");
    let words = fails(hub.data(), &[]);
    assert!(words.contains("write-ahead log") && words.contains("windfire salvage"), "{words}");
}

/// What becomes of a file's text.
type Damage = fn(&str) -> String;

#[test]
fn a_damaged_certificate_is_named_and_the_hub_is_never_ready() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    hub.kill();
    let cut = |text: &str| text[..text.len() / 2].to_owned();
    let emptied = |_: &str| "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_owned();
    let damages: [(&str, Damage); 3] = [("tls/cert.pem", cut), ("tls/key.pem", cut), ("tls/key.pem", emptied)];
    for (name, damage) in damages {
        let path = hub.data().join(name);
        let sound = fs::read_to_string(&path).expect("PEM");
        fs::write(&path, damage(&sound)).expect("written");
        let words = fails(hub.data(), &[]);
        assert!(words.contains(name) && words.contains("--new-certificate"), "{words}");
        assert!(hub.try_start().is_err(), "{name}: it said that it was ready");
        fs::write(&path, sound).expect("put back");
    }
    hub.start();
}

/// Changes a byte of the signature: any program takes the certificate as before, and its fingerprint is another.
fn change_signature(certificate: &str) -> String {
    let end = certificate.find("\n-----END").expect("PEM");
    let mut bytes = certificate.as_bytes().to_vec();
    let at = (0..end - 8).rev().find(|at| bytes[*at] != b'\n').expect("base64");
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).expect("ASCII")
}

#[test]
fn a_certificate_that_agents_do_not_know_is_refused_unless_it_was_replaced_on_purpose() {
    let (_folder, mut hub) = new_hub(&[]);
    let data = hub.data().to_owned();
    let path = |name: &str| data.join(name);
    hub.start();
    assert!(hub.terminate().success());
    let fingerprint = |hub: &HubProcess| String::from_utf8(hub.cli(&["fingerprint"]).stdout).expect("text");
    let (known, sound) = (fingerprint(&hub), fs::read_to_string(path("tls/cert.pem")).expect("PEM"));
    let note = fs::read_to_string(path("tls/fingerprint")).expect("written by the start");
    assert!(note.contains(known.trim()), "{note}");

    fs::write(path("tls/cert.pem"), change_signature(&sound)).expect("written");
    let words = fails(hub.data(), &[]);
    for said in ["tls/cert.pem", "tls/fingerprint", "put it back", known.trim()] {
        assert!(words.contains(said), "{said}: {words}");
    }
    assert!(!hub.cli(&["fingerprint"]).status.success(), "nobody is told to pin it");
    fs::write(path("tls/cert.pem"), &sound).expect("put back");

    // A note that is damaged or gone says nothing.
    for damaged in [Some(note.replacen(known.trim(), "0f", 1)), Some(String::new()), None] {
        match damaged {
            Some(text) => fs::write(path("tls/fingerprint"), text).expect("written"),
            None => fs::remove_file(path("tls/fingerprint")).expect("there"),
        }
        hub.start();
        assert!(hub.terminate().success());
        assert_eq!(fs::read_to_string(path("tls/fingerprint")).expect("written again"), note);
    }

    // Another one, on purpose.
    let (_other_folder, mut other) = new_hub(&[]);
    other.start();
    for name in ["tls/cert.pem", "tls/key.pem"] {
        fs::copy(other.data().join(name), path(name)).expect("copied");
    }
    assert!(fails(hub.data(), &[]).contains("delete tls/fingerprint"));
    fs::remove_file(path("tls/fingerprint")).expect("there");
    hub.start();
    assert!(hub.terminate().success());
    assert_eq!(fingerprint(&hub), fingerprint(&other));

    // And a new one.
    for name in ["tls/cert.pem", "tls/key.pem"] {
        fs::remove_file(path(name)).expect("there");
    }
    // The harness's first start says --new-certificate.
    let mut again = HubProcess::new(HUB.as_ref(), hub.data(), &[]);
    again.start();
    assert!(again.terminate().success());
    again.start();
    assert!(fingerprint(&again) != known && fingerprint(&again) != fingerprint(&other));
}

#[test]
fn an_unknown_key_or_variable_is_named() {
    let (folder, hub) = new_hub(&[]);
    let file = folder.path().join("windfire.toml");
    fs::write(&file, "htpp = \"127.0.0.1:1\"\n").expect("written");
    let words = fails(hub.data(), &["--config", file.to_str().expect("UTF-8")]);
    assert!(words.contains("htpp"), "{words}");
    let output = Command::new(HUB).env("WINDFIRE_HTPP", "1").arg("check-config").output().expect("the hub's binary");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("WINDFIRE_HTPP"));
    assert!(!hub.data().exists(), "nothing was made");
}

#[test]
fn a_file_of_the_configuration_that_cannot_be_used_is_named_before_a_start_needs_it() {
    let (folder, hub) = new_hub(&[]);
    let at = |name: &str| folder.path().join(name).display().to_string();
    let made = rcgen::generate_simple_self_signed(["hub.example".to_owned()]).expect("a certificate");
    fs::write(at("cert.pem"), made.cert.pem()).expect("written");
    fs::write(at("key.pem"), made.signing_key.serialize_pem()).expect("written");
    fs::write(at("odd.pem"), "no key").expect("written");
    let https = |cert: &str, key: &str| {
        let files = [("https_cert", cert), ("https_key", key)].map(|(name, file)| format!("{name} = {:?}\n", at(file)));
        format!("https = true\n{}", files.concat())
    };
    let file = folder.path().join("windfire.toml");
    let config = file.to_str().expect("UTF-8").to_owned();
    for (text, words) in [
        (https("gone.pem", "key.pem"), ["https_cert", "gone.pem", "put the PEM file there"]),
        (https("cert.pem", "gone.pem"), ["https_key", "gone.pem", "put the PEM file there"]),
        (https("cert.pem", "odd.pem"), ["https_key", "odd.pem", "no private key"]),
        (format!("country_db = {:?}\n", at("gone.mmdb")), ["country_db", "gone.mmdb", "leave the key out"]),
    ] {
        fs::write(&file, &text).expect("written");
        let checked = Command::new(HUB).args(["--config", &config, "check-config"]).output().expect("the hub's binary");
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(!checked.status.success() && said.lines().count() == 1, "{text}: {said}");
        for said in [said, fails(hub.data(), &["--config", &config])] {
            assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
        }
    }
    fs::write(&file, https("cert.pem", "key.pem")).expect("written");
    let checked = Command::new(HUB).args(["--config", &config, "check-config"]).output().expect("the hub's binary");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

fn listing(folder: &Path) -> Vec<(String, u64)> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    let mut listing: Vec<(String, u64)> = entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.metadata().map_or(0, |meta| meta.len())))
        .collect();
    listing.sort();
    listing
}
