//! Connection ids that say which listener they belong to, and that a restarted hub recognises.
//!
//! ```text
//! lane 1 | nonce 3 | signature 4       lane mod (number of listeners) = the listener
//! ```

use std::io;

use quinn_proto::{ConnectionId, ConnectionIdGenerator, InvalidCid};
use ring::rand::{SecureRandom, SystemRandom};
use xxhash_rust::xxh3::xxh3_64_with_seed;

const NONCE_BYTES: usize = 4;
const SIGNATURE_BYTES: usize = 4;

/// Creates the connection ids of one listener.
pub(super) struct LaneIds {
    /// The same for all listeners of a data folder, also after a restart. A hub that forgot its connections only
    /// answers packets whose id it could have created. Without that answer, agents of a killed hub would wait for their
    /// timeout.
    pub(super) key: u64,
    pub(super) lane: u8,
    pub(super) lanes: u8,
    pub(super) random: SystemRandom,
}

impl LaneIds {
    fn signature(&self, nonce: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let [a, b, c, d, ..] = xxh3_64_with_seed(nonce, self.key).to_le_bytes();
        [a, b, c, d]
    }
}

impl ConnectionIdGenerator for LaneIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; NONCE_BYTES];
        self.random.fill(&mut id).expect("the operating system gives randomness");
        // The highest multiple of `lanes` that fits a byte, so that all lanes have as many bytes.
        let turns = 256 / u16::from(self.lanes);
        let turn = u16::from(id[0]) % turns;
        id[0] = u8::try_from(turn * u16::from(self.lanes) + u16::from(self.lane)).unwrap_or(self.lane);
        let mut bytes = [0; NONCE_BYTES + SIGNATURE_BYTES];
        bytes[..NONCE_BYTES].copy_from_slice(&id);
        bytes[NONCE_BYTES..].copy_from_slice(&self.signature(&id));
        ConnectionId::new(&bytes)
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        let (nonce, signature) = id.split_at(NONCE_BYTES.min(id.len()));
        if self.signature(nonce) == signature { Ok(()) } else { Err(InvalidCid) }
    }

    fn cid_len(&self) -> usize {
        NONCE_BYTES + SIGNATURE_BYTES
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}

/// The place of the lane in a packet: the first byte of its connection id, which is byte 6 of a long header and byte 1
/// of a short one. A client's own first id picks a lane just as well.
#[cfg(target_os = "linux")]
pub(super) fn steer(socket: &socket2::Socket, lanes: u8) -> io::Result<()> {
    use nix::libc::{
        BPF_A, BPF_ABS, BPF_ALU, BPF_B, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_MOD, BPF_RET, sock_filter, sock_fprog,
    };
    let step = |code: u32, jt: u8, jf: u8, k: u32| sock_filter { code: u16::try_from(code).unwrap_or(0), jt, jf, k };
    let mut program = [
        step(BPF_LD | BPF_B | BPF_ABS, 0, 0, 0),
        step(BPF_JMP | BPF_JSET | BPF_K, 0, 2, 0x80),
        step(BPF_LD | BPF_B | BPF_ABS, 0, 0, 6),
        step(BPF_JMP, 0, 0, 1),
        step(BPF_LD | BPF_B | BPF_ABS, 0, 0, 1),
        step(BPF_ALU | BPF_MOD | BPF_K, 0, 0, u32::from(lanes)),
        step(BPF_RET | BPF_A, 0, 0, 0),
    ];
    let length = u16::try_from(program.len()).unwrap_or(0);
    let program = sock_fprog { len: length, filter: program.as_mut_ptr() };
    nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::AttachReusePortCbpf, &program)
        .map_err(io::Error::from)
}

/// Only Linux lets a program choose the socket.
#[cfg(not(target_os = "linux"))]
pub(super) fn steer(_: &socket2::Socket, _: u8) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(key: u64, lane: u8, lanes: u8) -> LaneIds {
        LaneIds { key, lane, lanes, random: SystemRandom::new() }
    }

    #[test]
    fn an_id_names_its_lane_and_is_known_to_the_next_hub_only_with_the_same_key() {
        for lanes in [1u8, 2, 3, 7, 64] {
            for lane in 0..lanes {
                let mut lane_ids = ids(7, lane, lanes);
                for _ in 0..100 {
                    let id = lane_ids.generate_cid();
                    assert_eq!(id[0] % lanes, lane);
                    assert!(ids(7, 0, 1).validate(&id).is_ok());
                    assert!(ids(8, lane, lanes).validate(&id).is_err());
                }
            }
        }
    }
}
