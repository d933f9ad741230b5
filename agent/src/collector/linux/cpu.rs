//! Processors: their use, number and names.

use std::collections::{BTreeMap, BTreeSet};

/// The contents of `/proc/stat`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stat {
    /// User, nice, system, idle, iowait, irq, softirq and steal, in ticks of all processors together. Time of guests is
    /// already in the first two.
    ticks: [u64; 8],
    /// Numbers of the present processors. They may have gaps.
    pub(super) processors: BTreeSet<u32>,
    /// Unix seconds of the machine's start.
    pub(super) boot_s: Option<u64>,
}

const IDLE: usize = 3;
const IOWAIT: usize = 4;

impl Stat {
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut stat = Self::default();
        let mut has_all = false;
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let Some(name) = words.next() else { continue };
            match name.strip_prefix("cpu") {
                Some("") => {
                    has_all = true;
                    // Old kernels have fewer.
                    stat.ticks.iter_mut().zip(words).for_each(|(ticks, word)| *ticks = word.parse().unwrap_or(0));
                }
                Some(number) => stat.processors.extend(number.parse::<u32>().ok()),
                None if name == "btime" => stat.boot_s = words.next().and_then(|word| word.parse().ok()),
                None => {}
            }
        }
        has_all.then_some(stat)
    }
}

/// Use of all processors between two readings.
#[derive(Debug, Default)]
pub(super) struct Use {
    before: Option<Stat>,
    percent: f64,
}

impl Use {
    /// Percent since the previous reading, or the previous value if the two readings cannot be compared. `None` if the
    /// idle time became smaller: the kernel's own sum is then wrong, and this is not a sign of work.
    pub(super) fn percent(&mut self, stat: &Stat) -> Option<f64> {
        let Some(before) = self.before.replace(stat.clone()) else { return Some(self.percent) };
        let grown = |field: usize| stat.ticks[field].saturating_sub(before.ticks[field]);
        let all: u64 = (0..stat.ticks.len()).map(grown).sum();
        if stat.ticks[IDLE] < before.ticks[IDLE] {
            return None;
        }
        if all > 0 {
            self.percent = (all - grown(IDLE) - grown(IOWAIT)) as f64 * 100.0 / all as f64;
        }
        Some(self.percent)
    }

    pub(super) fn last(&self) -> f64 {
        self.percent
    }
}

/// The name of each processor, from `/proc/cpuinfo`, which every architecture writes in its own way. `online` are the
/// numbers in `/proc/stat`; `arch` is their name if there is no better one.
pub(super) fn names(cpuinfo: &str, online: &BTreeSet<u32>, arch: &str) -> Vec<String> {
    let mut of_number: BTreeMap<u32, Section> = BTreeMap::new();
    let mut of_all = Section::default();
    for text in cpuinfo.split("\n\n") {
        let section = Section::read(text);
        of_number.extend(section.numbers.iter().map(|number| (*number, section.clone())));
        // A line about one processor may be true for all: some kernels have it only with the first, or after the last.
        of_all.merge(section);
    }
    online.iter().for_each(|number| {
        of_number.entry(*number).or_default();
    });
    let name = |section: Section| {
        let said = section.name().or_else(|| of_all.name());
        said.or_else(|| section.kind()).or_else(|| of_all.kind()).unwrap_or_else(|| arch.to_owned())
    };
    of_number.into_values().map(name).collect()
}

/// Lines of `/proc/cpuinfo` up to an empty one.
#[derive(Debug, Clone, Default)]
struct Section {
    numbers: Vec<u32>,
    model: Option<String>,
    /// ARM's numbers of maker and part.
    implementer: Option<u32>,
    part: Option<u32>,
    /// Less exact than a model: the kernel's name of the kind, or the manufacturer.
    kind: Option<String>,
}

impl Section {
    fn read(text: &str) -> Self {
        let mut section = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else { continue };
            let (key, value) = (key.trim(), value.trim());
            if let Some(number) = key.strip_prefix("processor ").and_then(|number| number.trim().parse().ok()) {
                // s390x has a line for each processor.
                section.numbers.push(number);
                continue;
            }
            let said = Some(value.to_owned()).filter(|value| !value.is_empty());
            match key {
                "processor" => match value.parse() {
                    Ok(number) => section.numbers.push(number),
                    Err(_) => section.kind = section.kind.take().or(said),
                },
                // x86 and newer ARM; LoongArch; MIPS and Alpha; POWER and SPARC; RISC-V.
                "model name" | "Model Name" | "cpu model" | "cpu" | "uarch" => {
                    section.model = section.model.take().or(said);
                }
                "CPU implementer" => section.implementer = hexadecimal(value),
                "CPU part" => section.part = hexadecimal(value),
                // Old ARM; s390x; Itanium.
                "Processor" | "vendor_id" | "family" => section.kind = section.kind.take().or(said),
                _ => {}
            }
        }
        section
    }

    fn merge(&mut self, other: Self) {
        self.model = other.model.or(self.model.take());
        self.implementer = other.implementer.or(self.implementer);
        self.part = other.part.or(self.part);
        self.kind = other.kind.or(self.kind.take());
    }

    /// The name of the processor. The kernel's model of an ARM only names its instruction set. Its part number is
    /// exact.
    fn name(&self) -> Option<String> {
        let arm = self.implementer.zip(self.part).and_then(|(implementer, part)| arm_name(implementer, part));
        arm.map(str::to_owned).or_else(|| self.model.clone())
    }

    /// A fallback if there is no name.
    fn kind(&self) -> Option<String> {
        let numbers = || {
            let (implementer, part) = self.implementer.zip(self.part)?;
            Some(format!("ARM implementer 0x{implementer:02x} part 0x{part:03x}"))
        };
        self.kind.clone().or_else(numbers)
    }
}

fn hexadecimal(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// Names of ARM's parts by their number, as the makers' manuals have them.
fn arm_name(implementer: u32, part: u32) -> Option<&'static str> {
    const ARM: u32 = 0x41;
    let name = match (implementer, part) {
        (ARM, 0x920) => "ARM920T",
        (ARM, 0x926) => "ARM926EJ-S",
        (ARM, 0xb02) => "ARM11-MPCore",
        (ARM, 0xb36) => "ARM1136",
        (ARM, 0xb56) => "ARM1156",
        (ARM, 0xb76) => "ARM1176",
        (ARM, 0xc05) => "Cortex-A5",
        (ARM, 0xc07) => "Cortex-A7",
        (ARM, 0xc08) => "Cortex-A8",
        (ARM, 0xc09) => "Cortex-A9",
        (ARM, 0xc0d) => "Cortex-A17",
        (ARM, 0xc0e) => "Cortex-A17",
        (ARM, 0xc0f) => "Cortex-A15",
        (ARM, 0xd01) => "Cortex-A32",
        (ARM, 0xd02) => "Cortex-A34",
        (ARM, 0xd03) => "Cortex-A53",
        (ARM, 0xd04) => "Cortex-A35",
        (ARM, 0xd05) => "Cortex-A55",
        (ARM, 0xd06) => "Cortex-A65",
        (ARM, 0xd07) => "Cortex-A57",
        (ARM, 0xd08) => "Cortex-A72",
        (ARM, 0xd09) => "Cortex-A73",
        (ARM, 0xd0a) => "Cortex-A75",
        (ARM, 0xd0b) => "Cortex-A76",
        (ARM, 0xd0c) => "Neoverse-N1",
        (ARM, 0xd0d) => "Cortex-A77",
        (ARM, 0xd0e) => "Cortex-A76AE",
        (ARM, 0xd40) => "Neoverse-V1",
        (ARM, 0xd41) => "Cortex-A78",
        (ARM, 0xd44) => "Cortex-X1",
        (ARM, 0xd46) => "Cortex-A510",
        (ARM, 0xd47) => "Cortex-A710",
        (ARM, 0xd48) => "Cortex-X2",
        (ARM, 0xd49) => "Neoverse-N2",
        (ARM, 0xd4a) => "Neoverse-E1",
        (ARM, 0xd4d) => "Cortex-A715",
        (ARM, 0xd4e) => "Cortex-X3",
        (ARM, 0xd4f) => "Neoverse-V2",
        (ARM, 0xd80) => "Cortex-A520",
        (ARM, 0xd81) => "Cortex-A720",
        (ARM, 0xd82) => "Cortex-X4",
        (0x43, 0x0a1) => "ThunderX",
        (0x43, 0x0af) => "ThunderX2",
        (0x48, 0xd01) => "Kunpeng-920",
        (0x50, 0x000) => "X-Gene",
        (0x51, 0x06f) => "Krait",
        (0xc0, 0xac3) => "Ampere-1",
        (0xc0, 0xac4) => "Ampere-1a",
        _ => return None,
    };
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::processors::processors;

    fn stat(text: &str) -> Stat {
        Stat::read(text).expect("a line cpu")
    }

    /// Percent of each reading, and whether it could be computed.
    fn percents(readings: &[&str]) -> Vec<(f64, bool)> {
        let mut of = Use::default();
        let percent = |text: &&str| match of.percent(&stat(text)) {
            Some(percent) => (percent, true),
            None => (of.last(), false),
        };
        readings.iter().map(percent).collect()
    }

    #[test]
    fn use_is_what_is_neither_idle_nor_waiting() {
        let readings = [
            "cpu 100 0 50 800 50 0 0 0 0 0\n",
            "cpu 110 5 60 860 60 2 2 1 9 9\n",
            "cpu 110 5 60 860 60 2 2 1 9 9\n",
            "cpu 110 5 60 960 60 2 2 1\n",
            "cpu 210 5 60\n",
        ];
        let found = percents(&readings);
        assert_eq!(found[..4], [(0.0, true), (30.0, true), (30.0, true), (0.0, true)]);
        assert_eq!(found[4], (0.0, false), "idle is gone: the line was cut off");
    }

    #[test]
    fn idle_time_that_falls_behind_is_no_work() {
        let (before, after) =
            ("cpu 100000 0 50000 8000000 2000 0 500 0 0 0", "cpu 100003 0 50001 7999900 2000 0 500 0");
        let next = "cpu 100004 0 50001 7999999 2000 0 500 0";
        assert_eq!(percents(&[before, after, next]), [(0.0, true), (0.0, false), (1.0, true)]);
        // iowait falls now and then. Only in this case the other values are right.
        let (first, second) = ("cpu 10 0 0 100 50 0 0 0", "cpu 20 0 0 190 40 0 0 0");
        assert_eq!(percents(&[first, second]), [(0.0, true), (10.0, true)]);
        // Other values also fall, when a processor is removed.
        let (first, second) = ("cpu 1000 0 0 100 0 0 0 0", "cpu 500 0 0 200 0 0 0 0");
        assert_eq!(percents(&[first, second]), [(0.0, true), (0.0, true)]);
    }

    #[test]
    fn a_start_and_processors_are_in_the_same_file() {
        let found = stat("cpu 1 2\ncpu0 1\ncpu2 1\ncpufreq 9\nbtime 1700000000\n");
        assert_eq!((found.processors, found.boot_s), (BTreeSet::from([0, 2]), Some(1_700_000_000)));
        assert!([Stat::read(""), Stat::read("btime 1\ncpu0 1\n")].iter().all(Option::is_none));
    }

    fn models(cpuinfo: &str, online: &[u32]) -> Vec<String> {
        processors(names(cpuinfo, &online.iter().copied().collect(), "arch"), false)
    }

    #[test]
    fn processors_are_known_by_their_number() {
        let x86 =
            |number: u32| format!("processor\t: {number}\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon @ 2.00GHz\n");
        let smt_off = [0, 2, 4, 6].map(x86).join("\n");
        assert_eq!(models(&smt_off, &[0, 2, 4, 6]), ["Xeon @ 2.00GHz 4 Physical Core"]);
        assert_eq!(models(&smt_off, &[]), ["Xeon @ 2.00GHz 4 Physical Core"], "also where /proc/stat says nothing");
        let mixed = format!("{}\n{}", x86(0), x86(1).replace("Xeon", "Atom"));
        assert_eq!(models(&mixed, &[0, 1]), ["Xeon @ 2.00GHz 1 Physical Core", "Atom @ 2.00GHz 1 Physical Core"]);
        assert_eq!(models(&x86(0), &[0, 1, 2]), ["Xeon @ 2.00GHz 3 Physical Core"], "the file was cut short");
        assert_eq!(models("", &[0, 1]), ["arch 2 Physical Core"]);
        assert!(models("", &[]).is_empty());
    }

    #[test]
    fn every_architecture_has_its_own_words() {
        let arm_kernel_3 = "Processor\t: ARMv7 Processor rev 4 (v7l)\nprocessor\t: 0\nBogoMIPS\t: 1436.53\n\n\
            processor\t: 1\nBogoMIPS\t: 1436.53\n\nFeatures\t: swp half\nCPU implementer\t: 0x41\n\
            CPU part\t: 0xc07\nCPU revision\t: 4\n\nHardware\t: example board\n";
        let expected = |name: &str, count| [format!("{name} {count} Physical Core")];
        assert_eq!(models(arm_kernel_3, &[0, 1, 2, 3]), expected("Cortex-A7", 4));
        let unknown = arm_kernel_3.replace("0xc07", "0xfff");
        assert_eq!(models(&unknown, &[0, 1, 2, 3]), expected("ARMv7 Processor rev 4 (v7l)", 4));
        let big_little = "processor : 0\nmodel name : ARMv8 Processor rev 1 (v8l)\nCPU implementer : 0x41\nCPU part : 0xd03\n\n\
            processor : 1\nCPU implementer : 0x41\nCPU part : 0xd08\n\nHardware : board\n";
        let both = [expected("Cortex-A53", 1), expected("Cortex-A72", 1)].concat();
        assert_eq!(models(big_little, &[0, 1]), both);
        let riscv =
            |number: u32| format!("processor : {number}\nhart : {number}\nisa : rv64imafdc\nuarch : sifive,u74-mc\n");
        assert_eq!(models(&[0, 1, 2, 3].map(riscv).join("\n"), &[0, 1, 2, 3]), expected("sifive,u74-mc", 4));
        let s390x = "vendor_id       : IBM/S390\n# processors    : 2\n\
            processor 0: version = FF,  identification = 1234567,  machine = 3906\n\
            processor 1: version = FF,  identification = 1234567,  machine = 3906\n";
        assert_eq!(models(s390x, &[0, 1]), expected("IBM/S390", 2));
        let power = "processor\t: 0\ncpu\t\t: POWER9 (architected), altivec supported\nclock\t\t: 2200MHz\n\n\
            processor\t: 8\ncpu\t\t: POWER9 (architected), altivec supported\n\ntimebase\t: 5\nmodel : IBM\n";
        assert_eq!(models(power, &[0, 8]), expected("POWER9 (architected), altivec supported", 2));
        let mips = "system type : board\nprocessor : 0\ncpu model : MIPS 24KEc V5.0\n";
        assert_eq!(models(mips, &[0]), expected("MIPS 24KEc V5.0", 1));
        let loongarch = "system type : generic\n\nprocessor : 0\nModel Name : Loongson-3A5000\n\nprocessor : 1\nModel Name : Loongson-3A5000\n";
        assert_eq!(models(loongarch, &[0, 1]), expected("Loongson-3A5000", 2));
        let sparc = "cpu : UltraSparc T2 (Niagara2)\nncpus probed : 2\nState:\nCPU0: online\n";
        assert_eq!(models(sparc, &[0, 1]), expected("UltraSparc T2 (Niagara2)", 2));
    }
}
