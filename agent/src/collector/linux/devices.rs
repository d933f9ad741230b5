//! Parts of the machine besides processors: hypervisor, GPUs.

use std::fs;
use std::path::{Path, PathBuf};

use super::files;

/// The hypervisor or container that this machine runs in; empty on bare metal.
pub(super) fn virtualization(root: &Path) -> String {
    let read = |path: &str| files::text(&root.join(path)).unwrap_or_default();
    let is_guest = read("proc/cpuinfo").lines().any(|line| line.starts_with("flags") && line.contains(" hypervisor"));
    let product = format!("{} {}", read("sys/class/dmi/id/sys_vendor"), read("sys/class/dmi/id/product_name"));
    hypervisor(&product, is_guest, root.join(".dockerenv").exists())
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
        // Some makers of real machines are also in this list, so the processor decides.
        Some(name) if is_guest => name,
        None if is_guest => "kvm",
        _ => "",
    };
    name.to_owned()
}

/// GPUs as their drivers know them, which may take long.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Gpus {
    pub(super) names: Vec<String>,
    /// Mean use of the GPUs whose driver has it in a file, percent.
    pub(super) percent: f64,
}

impl Gpus {
    pub(super) fn read(root: &Path) -> Self {
        let folder = |path: &str| fs::read_dir(root.join(path)).into_iter().flatten().flatten();
        let nvidia = folder("proc/driver/nvidia/gpus").filter_map(|gpu| files::text(&gpu.path().join("information")));
        let nvidia = nvidia.filter_map(|text| {
            let model = text.lines().find_map(|line| line.strip_prefix("Model:"))?;
            Some(model.trim().to_owned())
        });
        let busy: Vec<PathBuf> = folder("sys/class/drm")
            .filter(|card| {
                let name = card.file_name();
                let number = name.to_str().and_then(|name| name.strip_prefix("card"));
                number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
            })
            .map(|card| card.path().join("device/gpu_busy_percent"))
            .filter(|busy| busy.exists())
            .collect();
        let amd = busy.iter().filter_map(|busy| {
            let name = files::text(&busy.with_file_name("product_name"))?;
            Some(name.trim().to_owned()).filter(|name| !name.is_empty())
        });
        let names = nvidia.chain(amd).collect();
        let percents: Vec<f64> = busy.iter().filter_map(|busy| files::number(busy)).collect();
        let percent = if percents.is_empty() { 0.0 } else { percents.iter().sum::<f64>() / percents.len() as f64 };
        Self { names, percent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hypervisors_are_known_by_their_product() {
        assert_eq!(hypervisor("QEMU Standard PC", true, false), "kvm");
        assert_eq!(hypervisor("Microsoft Corporation Virtual Machine", true, false), "hyperv");
        assert_eq!(hypervisor("Microsoft Corporation Surface Pro", false, false), "");
        assert_eq!(hypervisor("", true, false), "kvm");
        assert_eq!(hypervisor("Dell Inc. PowerEdge", false, true), "docker");
    }
}
