//! A server's facts that rarely change, as v0's agent named them (contract 3.1).

use crate::body::{BodyReader, BodyWriter};
use crate::error::WireError;
use crate::limits::{DEVICE_NAME_BYTES_MAX, DEVICES_MAX, HOST_TEXT_BYTES_MAX, IP_TEXT_BYTES_MAX};

/// Facts of a server that rarely change. Sent after `Welcome` and whenever one of them changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// Operating system or distribution, such as `debian`.
    pub platform: String,
    /// Its version, such as `12.7`.
    pub platform_version: String,
    /// One text per processor model: `"<model> <n> Physical Core"`.
    pub cpu: Vec<String>,
    /// Bytes of memory.
    pub mem_total: u64,
    /// Bytes of all counted file systems.
    pub disk_total: u64,
    /// Bytes of swap.
    pub swap_total: u64,
    /// Architecture, such as `x86_64`.
    pub arch: String,
    /// Hypervisor or container kind, empty on bare metal.
    pub virtualization: String,
    /// Unix seconds of the machine's start.
    pub boot_time_s: u64,
    /// Public addresses as configured on the agent, `v4/v6`; empty lets the hub use the connection's address.
    pub ip: String,
    /// Version of the agent.
    pub version: String,
    /// One text per GPU.
    pub gpu: Vec<String>,
}

impl Host {
    pub(crate) fn encode(&self, out: &mut BodyWriter<'_>) -> Result<(), WireError> {
        out.text("host.platform", &self.platform, HOST_TEXT_BYTES_MAX)?;
        out.text("host.platform_version", &self.platform_version, HOST_TEXT_BYTES_MAX)?;
        out.texts("host.cpu", &self.cpu, DEVICES_MAX, DEVICE_NAME_BYTES_MAX)?;
        out.value(self.mem_total)?;
        out.value(self.disk_total)?;
        out.value(self.swap_total)?;
        out.text("host.arch", &self.arch, HOST_TEXT_BYTES_MAX)?;
        out.text("host.virtualization", &self.virtualization, HOST_TEXT_BYTES_MAX)?;
        out.value(self.boot_time_s)?;
        out.text("host.ip", &self.ip, IP_TEXT_BYTES_MAX)?;
        out.text("host.version", &self.version, HOST_TEXT_BYTES_MAX)?;
        out.texts("host.gpu", &self.gpu, DEVICES_MAX, DEVICE_NAME_BYTES_MAX)
    }

    pub(crate) fn decode(body: &mut BodyReader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            platform: body.text("host.platform", HOST_TEXT_BYTES_MAX)?,
            platform_version: body.text("host.platform_version", HOST_TEXT_BYTES_MAX)?,
            cpu: body.texts("host.cpu", DEVICES_MAX, DEVICE_NAME_BYTES_MAX)?,
            mem_total: body.u64("host.mem_total")?,
            disk_total: body.u64("host.disk_total")?,
            swap_total: body.u64("host.swap_total")?,
            arch: body.text("host.arch", HOST_TEXT_BYTES_MAX)?,
            virtualization: body.text("host.virtualization", HOST_TEXT_BYTES_MAX)?,
            boot_time_s: body.u64("host.boot_time_s")?,
            ip: body.text("host.ip", IP_TEXT_BYTES_MAX)?,
            version: body.text("host.version", HOST_TEXT_BYTES_MAX)?,
            gpu: body.texts("host.gpu", DEVICES_MAX, DEVICE_NAME_BYTES_MAX)?,
        })
    }
}
