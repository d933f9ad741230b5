//! Changes of a sample's sensors.

use windfire_wire::Temperature;
use windfire_wire::limits::TEMPERATURES_MAX;

pub use crate::metric::Sample;

/// Whether two lists of sensors have the same names in the same order.
pub(crate) fn has_same_names(old: &[Temperature], new: &[Temperature]) -> bool {
    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| old.name == new.name)
}

/// Which sensors have a different value than before: one bit each, the first in the lowest bit of the first byte.
/// The lists have the same names.
pub(crate) fn changed_sensors(old: &[Temperature], new: &[Temperature]) -> [u8; TEMPERATURES_MAX / 8] {
    let mut changed = [0; TEMPERATURES_MAX / 8];
    for (index, (old, new)) in old.iter().zip(new).enumerate() {
        let is_changed = old.celsius.to_bits() != new.celsius.to_bits();
        if let Some(byte) = changed.get_mut(index / 8) {
            *byte |= u8::from(is_changed) << (index % 8);
        }
    }
    changed
}

/// Whether the sensor of that number is among the changed ones.
pub(crate) fn is_changed(changed: &[u8], index: usize) -> bool {
    changed.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

/// Bytes of the bits of so many sensors.
pub(crate) const fn changed_bytes(sensors: usize) -> usize {
    sensors.div_ceil(8)
}
