//! Temperature sensors: those of `/sys/class/hwmon`, or the thermal zones if it has none.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use windfire_wire::Temperature;
use windfire_wire::limits::{TEMPERATURE_NAME_BYTES_MAX, TEMPERATURES_MAX};

use super::files;

/// Degrees Celsius between which a sensor of a computer can be. Inputs without a sensor show values outside: -273,
/// -128, -62, 127, 127.5, 255, 65262.
const COLDEST: f64 = -55.0;
const HOTTEST: f64 = 127.0;

/// Readings between two searches for new sensors.
const LIST_EVERY: u32 = 60;

/// The result of a reading.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Readings {
    pub(super) temperatures: Vec<Temperature>,
    /// Values that no sensor can have.
    pub(super) impossible: u64,
}

/// The sensors of this machine. Reading one may wait for a bus, or for a disk that does not answer.
pub(super) struct Sensors {
    root: PathBuf,
    /// Each with its name.
    known: Vec<(PathBuf, String)>,
    until_listed: u32,
}

impl Sensors {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), known: Vec::new(), until_listed: 0 }
    }

    pub(super) fn read(&mut self) -> Readings {
        if self.until_listed == 0 {
            (self.known, self.until_listed) = (list(&self.root), LIST_EVERY);
        }
        self.until_listed -= 1;
        let mut readings = Readings::default();
        for (input, name) in &self.known {
            // A sensor without a value is asleep, or broken.
            let Some(millidegrees) = files::number::<i64>(input) else { continue };
            let celsius = millidegrees as f64 / 1000.0;
            if celsius > COLDEST && celsius < HOTTEST {
                readings.temperatures.push(Temperature { name: name.clone(), celsius });
            } else {
                readings.impossible += 1;
            }
        }
        readings
    }
}

fn list(root: &Path) -> Vec<(PathBuf, String)> {
    let mut found = hwmon(&root.join("sys/class/hwmon"));
    if found.is_empty() {
        found = zones(&root.join("sys/class/thermal"));
    }
    found.truncate(TEMPERATURES_MAX);
    distinct(found)
}

/// A sensor before all names are known.
struct Found {
    input: PathBuf,
    name: String,
    /// A lasting name that distinguishes it from another sensor of the same name.
    device: Option<String>,
}

fn hwmon(class: &Path) -> Vec<Found> {
    let mut found = Vec::new();
    for chip in numbered(class, "hwmon", "") {
        let text = |file: &str| files::text(&chip.join(file)).map(|text| text.trim().to_owned());
        let named = |file: &str| text(file).filter(|text| !text.is_empty());
        let Some(name) = named("name") else { continue };
        let model = named("device/model");
        let device = fs::read_link(chip.join("device")).ok();
        let device = device.and_then(|device| Some(device.file_name()?.to_string_lossy().into_owned()));
        for input in numbered(&chip, "temp", "_input") {
            let Some(sensor) = input.file_name().and_then(|name| name.to_str()?.strip_suffix("_input")) else {
                continue;
            };
            if text(&format!("{sensor}_fault")).as_deref() == Some("1") {
                continue;
            }
            let label = named(&format!("{sensor}_label"));
            let said = label.or_else(|| model.is_none().then(|| sensor.to_owned()));
            let name = [Some(name.clone()), said, model.clone()].into_iter().flatten().collect::<Vec<_>>().join(" ");
            found.push(Found { input, name, device: device.clone() });
        }
    }
    found
}

fn zones(class: &Path) -> Vec<Found> {
    let zone = |at: PathBuf| {
        let name = files::text(&at.join("type"))?.trim().to_owned();
        let device = Some(at.file_name()?.to_string_lossy().into_owned());
        Some(Found { input: at.join("temp"), name, device })
    };
    numbered(class, "thermal_zone", "").into_iter().filter_map(zone).filter(|zone| zone.input.exists()).collect()
}

/// Files or folders with such a name and a number in it, in the order of the numbers.
fn numbered(folder: &Path, before: &str, after: &str) -> Vec<PathBuf> {
    let names = files::names(folder).unwrap_or_default();
    let number = |name: String| {
        let number: u32 = name.strip_prefix(before)?.strip_suffix(after)?.parse().ok()?;
        Some((number, name))
    };
    let mut found: Vec<(u32, String)> = names.into_iter().filter_map(number).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, name)| folder.join(name)).collect()
}

/// Unique names: two drives of one model are two sensors.
fn distinct(found: Vec<Found>) -> Vec<(PathBuf, String)> {
    let mut count: HashMap<String, usize> = HashMap::new();
    found.iter().for_each(|sensor| *count.entry(sensor.name.clone()).or_default() += 1);
    let mut taken: HashMap<String, usize> = HashMap::new();
    let name = |sensor: Found| {
        let mut name = sensor.name;
        if count.get(&name).is_some_and(|count| *count > 1)
            && let Some(device) = &sensor.device
        {
            name = ended(&name, &format!(" {device}"));
        }
        let before = taken.entry(name.clone()).or_default();
        *before += 1;
        if *before > 1 {
            name = ended(&name, &format!(" {before}"));
        }
        (sensor.input, name)
    };
    found.into_iter().map(name).collect()
}

/// A name with an end that no limit cuts off.
fn ended(name: &str, end: &str) -> String {
    let room = TEMPERATURE_NAME_BYTES_MAX.saturating_sub(end.len());
    format!("{}{end}", &name[..name.floor_char_boundary(room)])
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;

    fn read(tree: &Tree) -> (Vec<(String, f64)>, u64) {
        let readings = Sensors::new(tree.root()).read();
        let plain = readings.temperatures.into_iter().map(|sensor| (sensor.name, sensor.celsius)).collect();
        (plain, readings.impossible)
    }

    fn put(tree: &Tree, chip: &str, files: &[(&str, &str)]) {
        files.iter().for_each(|(file, text)| tree.put(&format!("/sys/class/hwmon/{chip}/{file}"), text));
    }

    #[test]
    fn two_drives_of_one_model_are_two_sensors_and_not_every_number_is_a_measurement() {
        let tree = Tree::of(&[]);
        put(&tree, "hwmon0", &[("name", "coretemp\n"), ("temp1_input", "51000\n"), ("temp1_label", "Package id 0\n")]);
        put(&tree, "hwmon1", &[("name", "nct6775\n"), ("temp1_input", "-62000"), ("temp1_label", "AUXTIN0")]);
        put(&tree, "hwmon1", &[("temp2_input", "127500"), ("temp2_label", "AUXTIN1"), ("temp10_input", "30000")]);
        let drive = [("name", "nvme"), ("device/model", "Example SSD 1TB"), ("temp1_label", "Composite")];
        put(&tree, "hwmon2", &drive);
        put(&tree, "hwmon2", &[("temp1_input", "41850"), ("temp2_input", "65261850"), ("temp2_label", "Sensor 8")]);
        put(&tree, "hwmon3", &drive);
        put(&tree, "hwmon3", &[("temp1_input", "77850")]);
        put(&tree, "hwmon4", &[("name", "acpitz"), ("temp1_input", "-273150")]);
        put(
            &tree,
            "hwmon5",
            &[("name", "broken"), ("temp1_input", "40000"), ("temp1_fault", "1\n"), ("temp2_input", "")],
        );
        put(&tree, "hwmon6", &[("temp1_input", "1")]);
        let (found, impossible) = read(&tree);
        let expected = [
            ("coretemp Package id 0", 51.0),
            ("nct6775 temp10", 30.0),
            ("nvme Composite Example SSD 1TB", 41.85),
            ("nvme Composite Example SSD 1TB 2", 77.85),
        ];
        assert_eq!(found, expected.map(|(name, celsius)| (name.to_owned(), celsius)));
        assert_eq!(impossible, 4);
    }

    #[test]
    fn the_device_tells_equals_apart_where_there_is_one() {
        let tree = Tree::of(&[]);
        for (chip, device) in [("hwmon0", "->../../nvme1"), ("hwmon1", "->../../nvme0")] {
            put(&tree, chip, &[("name", "nvme"), ("device", device), ("temp1_input", "40000")]);
            put(&tree, chip, &[("temp1_label", &"long".repeat(30))]);
        }
        let names: Vec<String> = read(&tree).0.into_iter().map(|(name, _)| name).collect();
        assert!(names[0].ends_with("long nvme1") || names[0].ends_with(" nvme1"), "{names:?}");
        assert!(names[1].ends_with(" nvme0") && names.iter().all(|name| name.len() == TEMPERATURE_NAME_BYTES_MAX));
    }

    #[test]
    fn zones_are_read_where_there_is_nothing_else_and_few_sensors_fit() {
        let zone = |file: &str| format!("/sys/class/thermal/thermal_zone0/{file}");
        let tree = Tree::of(&[(&zone("type"), "cpu-thermal\n"), (&zone("temp"), "48312\n")]);
        assert_eq!(read(&tree).0, [("cpu-thermal".to_owned(), 48.312)]);
        for chip in 0..TEMPERATURES_MAX + 5 {
            put(&tree, &format!("hwmon{chip}"), &[("name", "c"), ("temp1_input", "1000")]);
        }
        let names: std::collections::HashSet<String> = read(&tree).0.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), TEMPERATURES_MAX);
    }
}
