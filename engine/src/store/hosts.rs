//! Facts of a server, stored whenever they change.
//!
//! ```text
//! value = platform platform_version cpu[] mem_total disk_total swap_total arch virtualization boot_time ip version gpu[]
//!         address country
//! ```

use windfire_wire::Host;

use crate::latest::HostFacts;
use crate::record::{Corrupt, RecordReader, RecordWriter};

pub(crate) fn write(facts: &HostFacts) -> Vec<u8> {
    let mut value = Vec::with_capacity(192);
    let mut record = RecordWriter(&mut value);
    let host = &facts.host;
    record.text(&host.platform);
    record.text(&host.platform_version);
    record.texts(&host.cpu);
    record.u64(host.mem_total);
    record.u64(host.disk_total);
    record.u64(host.swap_total);
    record.text(&host.arch);
    record.text(&host.virtualization);
    record.u64(host.boot_time_s);
    record.text(&host.ip);
    record.text(&host.version);
    record.texts(&host.gpu);
    record.text(&facts.address);
    record.text(&facts.country);
    value
}

pub(crate) fn read(value: &[u8]) -> Result<HostFacts, Corrupt> {
    let mut record = RecordReader::new("host facts", value);
    let host = Host {
        platform: record.text()?,
        platform_version: record.text()?,
        cpu: record.texts()?,
        mem_total: record.u64()?,
        disk_total: record.u64()?,
        swap_total: record.u64()?,
        arch: record.text()?,
        virtualization: record.text()?,
        boot_time_s: record.u64()?,
        ip: record.text()?,
        version: record.text()?,
        gpu: record.texts()?,
    };
    let facts = HostFacts { host, address: record.text()?, country: record.text()? };
    record.finish()?;
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_round_trip_and_every_truncation_is_corrupt() {
        let host = Host { cpu: vec!["a".into(), "é".into()], boot_time_s: 1_652_683_962, ..Host::default() };
        let facts = HostFacts { host, address: "1.1.1.1".into(), country: "hk".into() };
        let value = write(&facts);
        assert_eq!(read(&value).expect("written"), facts);
        assert!((0..value.len()).all(|length| read(&value[..length]).is_err()));
    }
}
