//! Every bound of the wire format, by name. A peer that exceeds one gets a typed error before memory is allocated.

/// Samples that an agent may gather in one frame: at one per second, the newest status shown is ten seconds old.
pub const SAMPLES_PER_FRAME_MAX: u32 = 10;

/// Seconds that a sample may wait at its agent for others to share its frame. Samples taken further apart are not
/// gathered.
pub const FRAME_AGE_S_MAX: u32 = 10;

/// Bytes of a frame's length prefix: a little-endian `u32`.
pub const LENGTH_PREFIX_BYTES: usize = 4;

/// Bytes of one frame's body. 64 KiB holds the largest `Host` (about 17 KiB) and a batch of some 2,000 typical reports.
pub const FRAME_BODY_BYTES_MAX: usize = 64 * 1024;

/// Reports in one frame. Keeps a decoded batch under 64 KiB of fixed-size parts.
pub const REPORTS_PER_FRAME_MAX: usize = 256;

/// Temperature sensors of one report.
pub const TEMPERATURES_MAX: usize = 128;

/// Bytes of a sensor's name.
pub const TEMPERATURE_NAME_BYTES_MAX: usize = 64;

/// Entries of a host's CPU list, and of its GPU list.
pub const DEVICES_MAX: usize = 64;

/// Bytes of one entry of the CPU or GPU list.
pub const DEVICE_NAME_BYTES_MAX: usize = 128;

/// Bytes of any other text of a host: platform, version, architecture, virtualization.
pub const HOST_TEXT_BYTES_MAX: usize = 128;

/// Bytes of the address text `v4/v6`: two full IPv6 texts with zone and a slash would still fit.
pub const IP_TEXT_BYTES_MAX: usize = 128;

/// Bytes of a credential or an enrolment token.
pub const SECRET_BYTES_MAX: usize = 128;

/// Bytes of a server's name as proposed at enrolment.
pub const NAME_BYTES_MAX: usize = 128;

/// Bytes of the text that explains a refusal.
pub const DETAIL_BYTES_MAX: usize = 256;

/// Highest sequence number. It leaves room for arithmetic. At one report per millisecond it lasts 146 million years.
pub const SEQUENCE_MAX: u64 = 1 << 62;

/// Bytes of the largest report, without the frame around it.
pub const REPORT_BYTES_MAX: usize = TEMPERATURES_MAX * (TEMPERATURE_NAME_BYTES_MAX + 1 + 9) + 20 * 9 + 32;
// The largest legal single report must fit a frame, or an agent could hold one that it can never send.
const _: () = assert!(REPORT_BYTES_MAX < FRAME_BODY_BYTES_MAX);
// So must the largest legal host.
const HOST_BYTES_MAX: usize =
    2 * DEVICES_MAX * (DEVICE_NAME_BYTES_MAX + 1) + 5 * (HOST_TEXT_BYTES_MAX + 1) + IP_TEXT_BYTES_MAX + 64;
const _: () = assert!(HOST_BYTES_MAX < FRAME_BODY_BYTES_MAX);
