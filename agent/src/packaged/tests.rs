use clap::FromArgMatches;
use tempfile::TempDir;
use windfire_doctor::Verdict;

use super::*;
use crate::options::{DoctorArguments, Verb};

/// A machine with these variables, credential and token of the service.
fn machine(variables: &str, credential: &str, token: &str) -> (TempDir, Files) {
    let root = tempfile::tempdir().expect("a temporary folder");
    let files = Files::below(root.path());
    fs::create_dir_all(files.variables.parent().expect("a folder")).expect("made");
    for (path, text) in
        [(&files.variables, variables), (&files.credential, credential), (&files.enrolment_token, token)]
    {
        fs::write(path, text).expect("written");
    }
    (root, files)
}

fn words(more: &[&str]) -> Vec<OsString> {
    ["windfire-agent"].iter().chain(more).map(OsString::from).collect()
}

fn doctor_of(files: &Files, more: &[&str]) -> Option<Packaged> {
    Packaged::of_doctor(&words(more), files, false)
}

fn read(packaged: &Packaged) -> Result<DoctorArguments, clap::Error> {
    let matches = Cli::command().try_get_matches_from(&packaged.words)?;
    match Cli::from_arg_matches(&matches)?.verb {
        Some(Verb::Doctor(doctor)) => Ok(*doctor),
        _ => panic!("{:?}: another verb", packaged.words),
    }
}

/// The options of a doctor that is given only the service's.
fn options_of(files: &Files, more: &[&str]) -> DoctorArguments {
    let packaged = doctor_of(files, more).expect("a package");
    assert!(packaged.is_usable && packaged.findings.iter().all(|found| found.verdict == Verdict::Info), "{packaged:?}");
    read(&packaged).unwrap_or_else(|error| panic!("{packaged:?}: {error}"))
}

fn has(findings: &[Finding], verdict: Verdict, words: &str) {
    let is_it = |found: &&Finding| found.check == CHECK && found.verdict == verdict;
    let said = |found: &Finding| format!("{}: {}", found.seen, found.remedy).contains(words);
    assert!(findings.iter().filter(is_it).any(said), "{words:?}: {findings:#?}");
}

/// The service's way to its hub.
fn way() -> String {
    format!("# The hub\nWINDFIRE_HUB=\"hub.example\"\nWINDFIRE_FINGERPRINT={}\n", "ab".repeat(32))
}

#[test]
fn a_doctor_without_a_hub_has_the_options_of_the_service() {
    let (_root, files) = machine(
        &(way()
            + "WINDFIRE_TEMPERATURE=yes\nWINDFIRE_GPU=no\nWINDFIRE_SPOOL=/elsewhere\nWINDFIRE_NAME='web 1'\nPATH=/\n"),
        "secret\n",
        "",
    );
    let DoctorArguments { agent, session, json } = options_of(&files, &["doctor", "--json"]);
    assert!(json && !session);
    assert_eq!(agent.hubs.iter().map(|list| list.0.len()).sum::<usize>(), 1);
    assert!(agent.fingerprint.is_some() && agent.temperature && !agent.gpu);
    assert_eq!(agent.name.as_deref(), Some("web 1"));
    assert_eq!(agent.spool.as_ref(), Some(&files.spool), "the unit has it on its command line");
    assert_eq!((agent.credential_file.as_ref(), agent.enrol_file), (Some(&files.credential), None));
    let packaged = doctor_of(&files, &["doctor", "--json"]).expect("a package");
    assert!(packaged.is_json && packaged.source.is_none());
    has(&packaged.findings, Verdict::Info, "etc/windfire-agent/agent.env, as the service has them");
}

#[test]
fn a_token_is_taken_where_the_credential_is_empty() {
    for (credential, token, is_token) in [("", "token", true), ("secret", "token", false), ("", "", false)] {
        let (_root, files) = machine(&way(), credential, token);
        let agent = options_of(&files, &["doctor"]).agent;
        let expected = if is_token { (None, Some(&files.enrolment_token)) } else { (Some(&files.credential), None) };
        assert_eq!((agent.credential_file.as_ref(), agent.enrol_file.as_ref()), expected, "{credential:?} {token:?}");
    }
    let (_root, files) = machine(&way(), "secret", "token");
    let handed = Packaged::of_doctor(&words(&["doctor"]), &files, true).expect("a package");
    let agent = read(&handed).expect("sound").agent;
    assert!(agent.credential_file.is_none() && agent.enrol_file.is_none(), "the environment has one");
}

#[test]
fn what_is_given_wins_over_the_service() {
    let (_root, files) = machine(&(way() + "WINDFIRE_CREDENTIAL=c\nWINDFIRE_INTERVAL_S=5\n"), "secret", "");
    let given = ["doctor", "--ca", "/own.pem", "--enrol-file", "/own", "--spool", "/spool", "--interval-s", "7"];
    let agent = options_of(&files, &given).agent;
    assert!(agent.fingerprint.is_none() && agent.credential.is_none() && agent.credential_file.is_none());
    let own = [agent.ca, agent.enrol_file, agent.spool].map(|path| path.expect("kept").display().to_string());
    assert_eq!((own, agent.interval_s), (["/own.pem", "/own", "/spool"].map(str::to_owned), 7));
    // A secret among the variables is judged by the rights of that file.
    let packaged = doctor_of(&files, &["doctor"]).expect("a package");
    assert_eq!(packaged.source, Some(SecretSource::File(files.variables)));
    let agent = read(&packaged).expect("sound").agent;
    assert_eq!((agent.credential.as_deref(), agent.credential_file), (Some("c"), None));
}

#[test]
fn a_doctor_of_another_agent_and_a_machine_without_a_package_are_as_ever() {
    let (_root, files) = machine(&way(), "secret", "");
    for words in [
        &["doctor", "--hub", "other.example"][..],
        &["doctor", "--hub=other.example"],
        &["doctor", "--jsno"],
        &["doctor", "--interval-s", "0"],
        &["doctor", "--help"],
        &["man"],
        &[],
    ] {
        assert!(doctor_of(&files, words).is_none(), "{words:?}");
    }
    let empty = tempfile::tempdir().expect("a temporary folder");
    assert!(doctor_of(&Files::below(empty.path()), &["doctor"]).is_none(), "no package");
}

#[test]
fn what_is_wrong_in_the_services_variables_is_told_with_its_place() {
    for (variables, verdict, words) in [
        ("WINDFIRE_LOG=info\nexport WINDFIRE_HUB=a\n", Verdict::Warn, "agent.env: line 5 has no effect"),
        (
            "WINDFIRE_SPOL=/spool\n",
            Verdict::Warn,
            "agent.env: WINDFIRE_SPOL has no effect: did you mean WINDFIRE_SPOOL?",
        ),
        ("WINDFIRE_GPU=perhaps\n", Verdict::Bad, "agent.env: WINDFIRE_GPU: \"perhaps\" is neither yes nor no"),
    ] {
        let (_root, files) = machine(&(way() + variables), "secret", "");
        let packaged = doctor_of(&files, &["doctor"]).expect("a package");
        has(&packaged.findings, verdict, words);
        assert!(read(&packaged).is_ok(), "the rest is looked at: {packaged:?}");
    }
    for (variables, words) in [
        ("# As it is installed.\n", "not provided: --hub"),
        ("#\n", "set WINDFIRE_HUB and WINDFIRE_FINGERPRINT there"),
        (&(way() + "WINDFIRE_INTERVAL_S=300\n"), "agent.env: invalid value '300' for '--interval-s"),
        (&(way() + "WINDFIRE_CA=/ca.pem\n"), "cannot be used with"),
    ] {
        let (_root, files) = machine(variables, "secret", "");
        let packaged = doctor_of(&files, &["doctor"]).expect("a package");
        assert!(packaged.is_usable);
        let Err(error) = read(&packaged) else { panic!("{packaged:?}: it is refused") };
        let findings = packaged.refused(&error);
        has(&findings, Verdict::Bad, words);
        assert!(findings.iter().all(|found| !found.seen.contains("Usage")), "{findings:?}");
    }
}

#[test]
fn files_that_cannot_be_read_are_all_that_is_told() {
    let (_root, files) = machine(&way(), "secret", "");
    let unusable = |words: &str| {
        let packaged = doctor_of(&files, &["doctor"]).expect("a package");
        assert!(!packaged.is_usable && packaged.findings.len() == 1, "{packaged:?}");
        has(&packaged.findings, Verdict::Bad, words);
    };
    fs::write(&files.variables, b"WINDFIRE_NAME=caf\xe9\n").expect("written");
    unusable("save it as UTF-8");
    let long = "#".repeat(usize::try_from(VARIABLES_FILE_BYTES_MAX).expect("small") + 1);
    fs::write(&files.variables, long).expect("written");
    unusable("has more than 65536 bytes");
    fs::remove_file(&files.variables).expect("there");
    fs::create_dir(&files.variables).expect("made");
    unusable("cannot be read");
    // The tests may run as root, who may read everything.
    let found = unreadable(&files.credential, &io::ErrorKind::PermissionDenied.into());
    has(&[found], Verdict::Bad, "run it as root: sudo windfire-agent doctor");
    assert!(denied(&files.credential).is_none() && denied(Path::new("/nowhere/credential")).is_none());
}
