//! systemd knows every line of the units and of the examples of drop-ins, and the units shut off what the programs do not
//! need.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::hub::HUB;
use crate::hub::agent_process::program;
use windfire_bench::skipped;

/// Ten times the exposure that `systemd-analyze security` may see at most. 100 is a service without any limits.
const EXPOSURE_MAX: &str = "15";

const HUB_UNIT: &str = include_str!("../../package/windfire.service");
const AGENT_UNIT: &str = include_str!("../../../../agent/package/windfire-agent.service");
const UDP: &str = include_str!("../../package/udp.conf");
const LOW_PORTS: &str = include_str!("../../package/low-ports.conf");
const BACKUP_FOLDER: &str = include_str!("../../package/backup-folder.conf");
const ENROL: &str = include_str!("../../../../agent/package/enrol.conf");
const NETWORK: &str = include_str!("../../../../agent/package/hardened-network.conf");

fn analyze(arguments: &[&str], unit: &Path) -> Option<Output> {
    let output = Command::new("systemd-analyze").args(arguments).arg(unit).stdin(Stdio::null()).output().ok();
    if output.is_none() {
        skipped!("needs systemd-analyze");
    }
    output
}

/// The unit in a folder, with programs that are there, and with a drop-in.
fn installed(folder: &Path, name: &str, unit: &str, program: &Path, drop_in: &str) -> PathBuf {
    let unit: Vec<String> = unit
        .lines()
        // The man pages are installed by packages.
        .filter(|line| !line.starts_with("Documentation="))
        .map(|line| match line.strip_prefix("ExecStart=") {
            Some(command) => {
                let (_, rest) = command.split_once(' ').expect("arguments");
                format!("ExecStart={} {rest}", program.display())
            }
            None => line.to_owned(),
        })
        .collect();
    let path = folder.join(name);
    fs::write(&path, unit.join("\n") + "\n").expect("written");
    let drop_ins = folder.join(format!("{name}.d"));
    fs::create_dir(&drop_ins).expect("made");
    fs::write(drop_ins.join("example.conf"), drop_in).expect("written");
    path
}

#[test]
fn systemd_knows_every_line_of_the_units_and_of_the_examples() {
    let agent = program();
    for (name, unit, program, drop_in) in [
        ("windfire.service", HUB_UNIT, Path::new(HUB), UDP),
        ("windfire.service", HUB_UNIT, Path::new(HUB), LOW_PORTS),
        ("windfire.service", HUB_UNIT, Path::new(HUB), BACKUP_FOLDER),
        ("windfire-agent.service", AGENT_UNIT, agent.as_path(), NETWORK),
        ("windfire-agent.service", AGENT_UNIT, agent.as_path(), ENROL),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = installed(folder.path(), name, unit, program, drop_in);
        let Some(output) = analyze(&["verify"], &path) else { return };
        let words = String::from_utf8_lossy(&output.stderr);
        let ours: Vec<&str> = words.lines().filter(|line| line.contains("windfire")).collect();
        assert!(output.status.success() && ours.is_empty(), "{name}: {words}");
    }
    // It says so if a line is none that it knows.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let odd = format!("{HUB_UNIT}\n[Service]\nProtectHoem=yes\n");
    let odd = installed(folder.path(), "odd.service", &odd, Path::new(HUB), "");
    if let Some(output) = analyze(&["verify"], &odd) {
        assert!(String::from_utf8_lossy(&output.stderr).contains("ProtectHoem"), "systemd-analyze sees no fault");
    }
}

#[test]
fn the_units_shut_off_what_the_programs_do_not_need() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, unit) in [("windfire.service", HUB_UNIT), ("windfire-agent.service", AGENT_UNIT)] {
        let path = folder.path().join(name);
        fs::write(&path, unit).expect("written");
        let arguments = ["security", "--offline=true", "--no-pager", "--threshold", EXPOSURE_MAX];
        let Some(output) = analyze(&arguments, &path) else { return };
        let words = String::from_utf8_lossy(&output.stdout);
        let last = words.lines().last().unwrap_or_default();
        println!("{last}");
        assert!(output.status.success(), "more than {EXPOSURE_MAX} tenths: {last}");
    }
}

#[test]
fn each_unit_waits_for_what_its_program_tells() {
    for unit in [HUB_UNIT, AGENT_UNIT] {
        for line in ["Type=notify", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict"] {
            assert!(unit.lines().any(|found| found == line), "{line}");
        }
        assert!(unit.lines().any(|found| found.starts_with("WatchdogSec=")));
    }
    // statvfs of /home must work, and /proc must have the whole machine.
    assert!(AGENT_UNIT.contains("\nProtectHome=read-only\n") && AGENT_UNIT.contains("\nProcSubset=all\n"));
    // A token alone starts an agent only where enrol.conf hands it over. An empty assignment takes the others back.
    let conditions = |text: &'static str| text.lines().filter_map(|line| line.strip_prefix("ConditionFileNotEmpty="));
    assert!(conditions(AGENT_UNIT).eq(["/etc/windfire-agent/credential"]));
    assert!(conditions(ENROL).eq(["", "/etc/windfire-agent/enrolment-token"]));
    // systemd knows this name of the folder of credentials since 251, and Ubuntu 22.04 has 249.
    let settings = AGENT_UNIT.lines().chain(ENROL.lines()).filter(|line| !line.starts_with('#'));
    assert_eq!(settings.filter(|line| line.contains("%d")).count(), 0, "the agent looks into CREDENTIALS_DIRECTORY");
    // The thread for history calls setpriority.
    assert!(HUB_UNIT.contains("\nSystemCallFilter=~@privileged\n"));
    // The hub reads /proc/meminfo.
    assert!(!HUB_UNIT.lines().any(|line| line.starts_with("ProcSubset=")));
    // The hub writes the backups that the command line asks for.
    assert!(HUB_UNIT.contains("\nReadWritePaths=-/var/backups/windfire\n"));
    assert!(HUB_UNIT.contains("ExecReload=/bin/kill -HUP $MAINPID"));
}
