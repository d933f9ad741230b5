//! A client of QUIC that keeps other limits than the hub told it: it opens streams that the hub does not allow.

use std::any::Any;
use std::sync::Arc;

use bytes::{Buf, BufMut};
use quinn::ClientConfig;
use quinn_proto::coding::Codec;
use quinn_proto::crypto::{self, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, Session};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectError, ConnectionId, Side, TransportError, VarInt};
use windfire_bench::hub_process::HubProcess;

use super::raw_agent::quic_config;

/// Streams of each kind that the client believes it may open.
const STREAMS_BELIEVED: u32 = 100_000;
/// The parameters that limit streams: both directions, one direction (RFC 9000, 18.2).
const STREAM_LIMITS: [u32; 2] = [0x08, 0x09];

/// QUIC as such a client speaks it to that hub.
pub(crate) fn lawless_config(hub: &HubProcess) -> ClientConfig {
    ClientConfig::new(Arc::new(Lawless(Arc::new(quic_config(hub)))))
}

struct Lawless(Arc<dyn crypto::ClientConfig>);

impl crypto::ClientConfig for Lawless {
    fn start_session(
        self: Arc<Self>,
        version: u32,
        server_name: &str,
        params: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        let session = Arc::clone(&self.0).start_session(version, server_name, params)?;
        Ok(Box::new(LawlessSession(session)))
    }
}

/// TLS as it is, but for the limits of streams.
struct LawlessSession(Box<dyn Session>);

impl Session for LawlessSession {
    fn initial_keys(&self, dst_cid: &ConnectionId, side: Side) -> Keys {
        self.0.initial_keys(dst_cid, side)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.0.handshake_data()
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.0.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.0.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.0.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    fn read_handshake(&mut self, buf: &[u8]) -> Result<bool, TransportError> {
        self.0.read_handshake(buf)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        Ok(self.0.transport_parameters()?.map(|told| believed(&told)))
    }

    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        self.0.write_handshake(buf)
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.0.next_1rtt_keys()
    }

    fn is_valid_retry(&self, orig_dst_cid: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.0.is_valid_retry(orig_dst_cid, header, payload)
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        self.0.export_keying_material(output, label, context)
    }
}

/// What the hub told, with more streams. Each parameter is an id, a length and a value.
fn believed(told: &TransportParameters) -> TransportParameters {
    let (mut bytes, mut changed): (Vec<u8>, Vec<u8>) = (Vec::new(), Vec::new());
    told.write(&mut bytes);
    let mut rest = &bytes[..];
    while rest.has_remaining() {
        let id = VarInt::decode(&mut rest).expect("an id");
        let length = VarInt::decode(&mut rest).expect("a length");
        let (value, after) = rest.split_at(usize::try_from(length.into_inner()).expect("small"));
        if !STREAM_LIMITS.map(VarInt::from_u32).contains(&id) {
            id.encode(&mut changed);
            length.encode(&mut changed);
            changed.put_slice(value);
        }
        rest = after;
    }
    for id in STREAM_LIMITS {
        let mut value: Vec<u8> = Vec::new();
        VarInt::from_u32(STREAMS_BELIEVED).encode(&mut value);
        VarInt::from_u32(id).encode(&mut changed);
        VarInt::from_u32(u32::try_from(value.len()).expect("small")).encode(&mut changed);
        changed.put_slice(&value);
    }
    TransportParameters::read(Side::Client, &mut &changed[..]).expect("as the hub told them")
}
