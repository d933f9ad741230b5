//! What the machine is made of: processors, hypervisor, GPUs. Linux tells it in files; elsewhere only processors are known.

use std::fs;
use std::path::Path;

/// v0's text for each processor model: clients take the number out of it.
pub(super) fn processors(models: impl Iterator<Item = String>, is_virtual: bool) -> Vec<String> {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for model in models {
        match counted.iter_mut().find(|(known, _)| *known == model) {
            Some((_, count)) => *count += 1,
            None => counted.push((model, 1)),
        }
    }
    let kind = if is_virtual { "Virtual" } else { "Physical" };
    counted.into_iter().map(|(model, count)| format!("{model} {count} {kind} Core")).collect()
}

/// The hypervisor or container that this machine runs in; empty on bare metal.
pub(super) fn virtualization() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let is_guest = read("/proc/cpuinfo").lines().any(|line| line.starts_with("flags") && line.contains(" hypervisor"));
    let product = format!("{} {}", read("/sys/class/dmi/id/sys_vendor"), read("/sys/class/dmi/id/product_name"));
    hypervisor(&product, is_guest, Path::new("/.dockerenv").exists())
}

fn hypervisor(product: &str, is_guest: bool, is_docker: bool) -> String {
    const KNOWN: [(&str, &str); 9] = [
        ("vmware", "vmware"),
        ("virtualbox", "vbox"),
        ("xen", "xen"),
        ("microsoft", "hyperv"),
        ("parallels", "parallels"),
        ("bhyve", "bhyve"),
        ("kvm", "kvm"),
        ("qemu", "kvm"),
        ("amazon", "kvm"),
    ];
    let product = product.to_lowercase();
    let known = KNOWN.iter().find(|(word, _)| product.contains(word)).map(|(_, name)| *name);
    let name = match known {
        _ if is_docker => "docker",
        // Some makers of real machines are known words too: the processor knows better.
        Some(name) if is_guest => name,
        None if is_guest => "kvm",
        _ => "",
    };
    name.to_owned()
}

/// GPUs as their drivers name them.
pub(super) fn gpus() -> Vec<String> {
    let nvidia = fs::read_dir("/proc/driver/nvidia/gpus").into_iter().flatten().flatten();
    let nvidia = nvidia.filter_map(|gpu| fs::read_to_string(gpu.path().join("information")).ok()).filter_map(|text| {
        let model = text.lines().find_map(|line| line.strip_prefix("Model:"))?;
        Some(model.trim().to_owned())
    });
    let amd = busy_files().filter_map(|busy| {
        let name = fs::read_to_string(busy.with_file_name("product_name")).ok()?;
        Some(name.trim().to_owned()).filter(|name| !name.is_empty())
    });
    nvidia.chain(amd).collect()
}

/// Mean use of the GPUs whose driver tells it in a file, percent.
pub(super) fn gpu_percent() -> f64 {
    let percents: Vec<f64> =
        busy_files().filter_map(|busy| fs::read_to_string(busy).ok()?.trim().parse().ok()).collect();
    if percents.is_empty() { 0.0 } else { percents.iter().sum::<f64>() / percents.len() as f64 }
}

fn busy_files() -> impl Iterator<Item = std::path::PathBuf> {
    let cards = fs::read_dir("/sys/class/drm").into_iter().flatten().flatten();
    let cards = cards.filter(|card| {
        let name = card.file_name();
        name.to_string_lossy().strip_prefix("card").is_some_and(|n| n.bytes().all(|byte| byte.is_ascii_digit()))
    });
    cards.map(|card| card.path().join("device/gpu_busy_percent")).filter(|busy| busy.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_told_as_v0_told_them() {
        let models = || ["A".to_owned(), "B".to_owned(), "A".to_owned()].into_iter();
        assert_eq!(processors(models(), false), ["A 2 Physical Core", "B 1 Physical Core"]);
        assert_eq!(processors(models(), true), ["A 2 Virtual Core", "B 1 Virtual Core"]);
    }

    #[test]
    fn hypervisors_are_known_by_their_product() {
        assert_eq!(hypervisor("QEMU Standard PC", true, false), "kvm");
        assert_eq!(hypervisor("Microsoft Corporation Virtual Machine", true, false), "hyperv");
        assert_eq!(hypervisor("Microsoft Corporation Surface Pro", false, false), "");
        assert_eq!(hypervisor("", true, false), "kvm");
        assert_eq!(hypervisor("Dell Inc. PowerEdge", false, true), "docker");
    }
}
