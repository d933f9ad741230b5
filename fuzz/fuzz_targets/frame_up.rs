//! A stream of frames from an agent: cut anywhere, each frame decodes or is refused, and what decodes says the same after
//! encoding and decoding again. Reports are grown along their chain and shrunk again, against the plain values.
#![no_main]

use libfuzzer_sys::fuzz_target;
use windfire_wire::{FrameReader, ReportChain, Up, decode_up, encode_up};

fuzz_target!(|input: &[u8]| {
    let Some((cut, stream)) = input.split_first() else { return };
    let mut reader = FrameReader::new();
    let (mut incoming, mut model) = (ReportChain::new(), ReportChain::new());
    for piece in stream.chunks(usize::from(*cut).max(1)) {
        reader.feed(piece);
        loop {
            let body = match reader.next_body() {
                Ok(Some(body)) => body,
                Ok(None) => break,
                Err(_) => return,
            };
            let Ok(up) = decode_up(body) else { return };
            let mut again = Vec::new();
            encode_up(&up, &mut again).expect("a decoded frame is within limits");
            assert_eq!(decode_up(&again[4..]).expect("own frame"), up);
            let Up::Reports(batch) = up else { continue };
            for delta in &batch.reports {
                let Ok(report) = incoming.grow(delta) else { return };
                // A chain of our own must carry the very same report.
                let mut sender = model.clone();
                let shrunk = sender.shrink(&report).expect("a grown report is within limits");
                assert_eq!(model.grow(&shrunk).expect("own delta"), report);
            }
        }
    }
});
