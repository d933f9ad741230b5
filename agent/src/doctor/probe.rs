//! A question that every QUIC server answers before it knows who asks: a packet of a version that does not exist (RFC
//! 9000, section 6). The answer lists the server's versions. Neither has a secret in it.

/// A version that is reserved for this (RFC 9000, section 15).
const VERSION: u32 = 0x1a2a_3a4a;
/// Bytes of the packet: servers ignore shorter ones.
const BYTES: usize = 1200;
/// Bytes of a connection id.
const ID_BYTES: usize = 8;
/// First byte of a packet with a long header.
const LONG_HEADER: u8 = 0xc0;
/// The bit of a long header.
const IS_LONG: u8 = 0x80;

/// The packet. The answer repeats `id`.
pub(super) fn question(id: [u8; ID_BYTES]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(BYTES);
    packet.push(LONG_HEADER);
    packet.extend(VERSION.to_be_bytes());
    // The server's id, which the client chooses at first, and the client's.
    for _ in 0..2 {
        packet.push(8);
        packet.extend(id);
    }
    packet.resize(BYTES, 0);
    packet
}

/// Whether a packet is the answer: a list of versions, for which the version's field is 0.
pub(super) fn is_answer(packet: &[u8], id: [u8; ID_BYTES]) -> bool {
    let is_long = packet.first().is_some_and(|first| first & IS_LONG != 0);
    let is_list = packet.get(1..5).is_some_and(|version| version == [0; 4]);
    let is_to_us = packet.get(5) == Some(&8) && packet.get(6..6 + ID_BYTES).is_some_and(|found| found == id);
    is_long && is_list && is_to_us
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_told_from_other_packets() {
        let id = [1, 2, 3, 4, 5, 6, 7, 8];
        let question = question(id);
        assert_eq!((question.len(), &question[1..6]), (1200, &[0x1a, 0x2a, 0x3a, 0x4a, 8][..]));
        assert!(!is_answer(&question, id), "what was sent comes back");
        let answer = [&[0x9f, 0, 0, 0, 0, 8][..], &id, &[8], &id, &[0, 0, 0, 1]].concat();
        assert!(is_answer(&answer, id));
        assert!(!is_answer(&answer, [0; 8]), "the answer to another question");
        for length in 0..14 {
            assert!(!is_answer(&answer[..length], id), "cut after {length} bytes");
        }
        assert!(!is_answer(&[&[0x1f][..], &answer[1..]].concat(), id), "a short header");
    }
}
