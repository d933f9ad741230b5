//! Stores that hubs of each earlier format left are kept in `data/stores`. This hub reads from each what the older hub
//! read from it, and `windfire rollback` gives the store back with every record of before.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::tally;
use windfire_engine::contents;

use crate::hub::{HUB, copy_folder, records, said};

/// The formats before this hub's.
const FORMATS: std::ops::RangeInclusive<u32> = 1..=5;
/// The token that each store has.
const TOKEN: &str = "a-token-that-is-kept-with-the-store";

/// A store as an older hub left it, and what that hub said of it.
struct Kept {
    format: u32,
    /// `data`, and the older hub's answers.
    folder: tempfile::TempDir,
}

impl Kept {
    fn unpack(format: u32) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/stores/format-{format}.tar.gz"));
        let unpacked = Command::new("tar").arg("-xzf").arg(&kept).arg("-C").arg(folder.path()).status();
        assert!(unpacked.expect("tar").success(), "{}", kept.display());
        Self { format, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("kept")
    }

    fn said_format(&self) -> String {
        self.text("data/FORMAT").trim_end().to_owned()
    }
}

/// The lines of a CSV text, each with the columns of these names. No value of these stores has a comma.
fn columns(csv: &str, names: &[&str]) -> Vec<Vec<String>> {
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let places: Vec<usize> = names
        .iter()
        .map(|name| header.iter().position(|column| column == name).unwrap_or_else(|| panic!("no {name}: {header:?}")))
        .collect();
    let line = |line: &str| {
        let values: Vec<&str> = line.split(',').collect();
        places.iter().map(|place| values[*place].to_owned()).collect()
    };
    lines.map(line).collect()
}

/// Compares what this hub says of a store with what the older one said. Returns the number of reports.
fn compare(kept: &Kept, hub: &mut HubProcess) -> usize {
    let expected = kept.text("export.csv");
    let names: Vec<&str> = expected.lines().next().expect("a header").split(',').collect();
    let expected = columns(&expected, &names);
    let exported = columns(&said(hub, &["export", "--from", "2026-11-01T00:00:00Z"]), &names);
    assert!(!expected.is_empty());
    assert_eq!(exported, expected, "format {}", kept.format);

    hub.start();
    for (path, name) in [("/api/v1/server/list", "list.json"), ("/api/v1/server/details", "details.json")] {
        let expected: Value = serde_json::from_str(&kept.text(name)).expect("JSON");
        let answered: Value = serde_json::from_str(&hub.get(path, TOKEN).text()).expect("JSON");
        assert_eq!(answered, expected, "format {}", kept.format);
    }
    assert!(hub.terminate().success());
    expected.len()
}

#[test]
fn stores_of_every_earlier_format_are_read_and_rolled_back() {
    for format in FORMATS {
        let kept = Kept::unpack(format);
        let (data, before) = (kept.path("data"), kept.path("before"));
        let of_before = format!("windfire store {format}");
        assert_eq!(kept.said_format(), of_before);
        copy_folder(&data, &before);
        let mut hub = HubProcess::new(Path::new(HUB), &data, &[]);

        let reports = compare(&kept, &mut hub);
        assert_ne!(kept.said_format(), of_before);
        assert!(data.join(format!("pre-{format}")).is_dir());
        said(&hub, &["verify"]);

        said(&hub, &["rollback"]);
        assert_eq!(kept.said_format(), of_before);
        assert_eq!(contents(&data), contents(&before));
        let (after, before) = (records(&data, &kept.path("after")), records(&before, &kept.path("as-before")));
        assert_eq!(after, before, "format {format}");
        let pairs: u64 = after.iter().map(|family| family.pairs).sum();
        tally!("format {format}: {reports} reports; after the rollback {pairs} records in {} families", after.len());
    }
}
