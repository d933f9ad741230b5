//! Mounted file systems, as the kernel lists them.

use std::collections::HashMap;

use crate::collector::linux::root::Root;

/// A line of the kernel's list of mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) source: Vec<u8>,
    pub(super) path: Vec<u8>,
    pub(super) kind: String,
    pub(super) number: Option<u64>,
}

/// The mounts.
pub(super) fn list(root: &Root) -> Option<Vec<Mount>> {
    let read = |path: &str| std::fs::read(root.file(path)).ok();
    let mut mounts = mounts(&read("/proc/self/mounts")?);
    // It has more, but may differ: numbers are only used where both agree.
    let known = read("/proc/self/mountinfo").map(|text| numbers(&text)).unwrap_or_default();
    for mount in &mut mounts {
        mount.number = known.get(&(mount.path.clone(), mount.source.clone())).copied();
    }
    Some(mounts)
}

fn mounts(text: &[u8]) -> Vec<Mount> {
    let mount = |line: &[u8]| {
        let mut words = line.split(|byte| *byte == b' ');
        let (source, path, kind) = (words.next()?, words.next()?, words.next()?);
        let kind = String::from_utf8_lossy(kind).to_lowercase();
        Some(Mount { source: unescaped(source), path: unescaped(path), kind, number: None })
    };
    text.split(|byte| *byte == b'\n').filter_map(mount).collect()
}

/// Device numbers in `mountinfo`, by path and source.
fn numbers(text: &[u8]) -> HashMap<(Vec<u8>, Vec<u8>), u64> {
    let number = |line: &[u8]| {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let number = std::str::from_utf8(words.get(2)?).ok()?;
        let (major, minor) = number.split_once(':')?;
        let dash = words.iter().position(|word| *word == b"-")?;
        let (path, source) = (unescaped(words.get(4)?), unescaped(words.get(dash + 2)?));
        Some(((path, source), rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?)))
    };
    text.split(|byte| *byte == b'\n').filter_map(number).collect()
}

/// The kernel writes blanks, tabs, newlines and backslashes as three octal digits.
fn unescaped(word: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((byte, after)) = rest.split_first() {
        let octal =
            after.get(..3).filter(|digits| *byte == b'\\' && digits.iter().all(|digit| (b'0'..b'8').contains(digit)));
        let value = octal.map(|digits| digits.iter().fold(0u32, |value, digit| value * 8 + u32::from(digit - b'0')));
        match value.and_then(|value| u8::try_from(value).ok()) {
            Some(value) => {
                bytes.push(value);
                rest = &after[3..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    bytes
}
