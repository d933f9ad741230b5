//! Property: what is encoded decodes to the same value, in any cut of the byte stream.

use proptest::collection::vec;
use proptest::prelude::*;
use windfire_wire::frame::CLOCK_SINCE;
use windfire_wire::limits::{DEVICES_MAX, TEMPERATURES_MAX};
use windfire_wire::{
    Down, Enrol, FrameReader, Hello, HelloClock, Host, RefuseReason, Report, ReportChain, Reports, Temperature, Up,
    Welcome, decode_down, decode_up, encode_down, encode_up,
};

fn finite() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-1_000_000i64..1_000_000).prop_map(|hundredths| hundredths as f64 / 100.0),
        any::<f64>().prop_filter("finite", |number| number.is_finite()),
        Just(-0.0),
        Just(f64::MIN_POSITIVE / 2.0),
        Just(f64::MAX),
    ]
}

fn integer() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..1000, any::<u64>(), Just(u64::MAX)]
}

prop_compose! {
    fn sensor()(name in "[a-zé ]{0,20}", celsius in finite()) -> Temperature { Temperature { name, celsius } }
}

prop_compose! {
    fn report()(
        time_ms in any::<i64>(), floats in [finite(), finite(), finite(), finite(), finite()],
        integers in vec(integer(), 11), temperatures in vec(sensor(), 0..4),
    ) -> Report {
        Report {
            time_ms, cpu: floats[0], load1: floats[1], load5: floats[2], load15: floats[3], gpu: floats[4],
            mem_used: integers[0], swap_used: integers[1], disk_used: integers[2],
            net_in_transfer: integers[3], net_out_transfer: integers[4],
            net_in_speed: integers[5], net_out_speed: integers[6], uptime_s: integers[7],
            tcp_conn_count: integers[8], udp_conn_count: integers[9], process_count: integers[10], temperatures,
        }
    }
}

prop_compose! {
    fn host()(
        texts in vec("[a-z0-9é./:]{0,40}", 6), cpu in vec(".{0,30}", 0..5), gpu in vec(".{0,30}", 0..5),
        numbers in vec(integer(), 4),
    ) -> Host {
        Host {
            platform: texts[0].clone(), platform_version: texts[1].clone(), cpu, mem_total: numbers[0],
            disk_total: numbers[1], swap_total: numbers[2], arch: texts[2].clone(), virtualization: texts[3].clone(),
            boot_time_s: numbers[3], ip: texts[4].clone(), version: texts[5].clone(), gpu,
        }
    }
}

fn clock() -> impl Strategy<Value = HelloClock> {
    (any::<i64>(), integer()).prop_map(|(now_ms, uptime_ms)| HelloClock { now_ms, uptime_ms })
}

fn hello() -> impl Strategy<Value = Hello> {
    let enrol = proptest::option::of(("[A-Za-z0-9]{0,40}", ".{0,30}").prop_map(|(token, name)| Enrol { token, name }));
    (1u16..=3, "[A-Za-z0-9]{0,128}", enrol, ".{0,20}", any::<u128>(), clock()).prop_map(
        |(protocol, credential, enrol, agent_version, outbox_id, clock)| Hello {
            protocol,
            credential,
            enrol,
            agent_version,
            outbox_id,
            clock: (protocol >= CLOCK_SINCE).then_some(clock),
        },
    )
}

fn down() -> impl Strategy<Value = Down> {
    prop_oneof![
        (any::<u64>(), 0u64..1 << 61, 1u64..1 << 61, any::<u32>()).prop_map(|(server_id, durable, gap, interval)| {
            Down::Welcome(Welcome { server_id, durable, next: durable + gap, report_interval_ms: interval })
        }),
        any::<u64>().prop_map(|up_to| Down::Ack { up_to }),
        (1u32..=256).prop_map(|samples_per_frame| Down::Pace { samples_per_frame }),
        (proptest::sample::select(RefuseReason::ALL.to_vec()), "[a-zé ]{0,100}")
            .prop_map(|(reason, detail)| Down::Refuse { reason, detail }),
    ]
}

/// Feeds `bytes` in pieces of `cut` bytes and gives back every body.
fn bodies(bytes: &[u8], cut: usize) -> Vec<Vec<u8>> {
    let mut reader = FrameReader::new();
    let mut bodies = Vec::new();
    for piece in bytes.chunks(cut) {
        reader.feed(piece);
        while let Some(body) = reader.next_body().expect("own frames are well-formed") {
            bodies.push(body.to_vec());
        }
    }
    assert!(reader.at_frame_boundary());
    bodies
}

proptest! {
    #[test]
    fn reports_survive_the_chain_bit_for_bit(reports in vec(report(), 1..20), first in 1u64..1 << 40, cut in 1usize..400) {
        let (mut sender, mut receiver) = (ReportChain::new(), ReportChain::new());
        let deltas = reports.iter().map(|report| sender.shrink(report).expect("finite")).collect();
        let sent = Up::Reports(Reports { first_sequence: first, ack_now: false, reports: deltas });
        let mut bytes = Vec::new();
        encode_up(&sent, &mut bytes).expect("within limits");
        let received = bodies(&bytes, cut);
        prop_assert_eq!(received.len(), 1);
        let Up::Reports(batch) = decode_up(&received[0]).expect("own frame") else { panic!("not reports") };
        prop_assert_eq!(batch.first_sequence, first);
        for (delta, original) in batch.reports.iter().zip(&reports) {
            prop_assert!(delta.encoded_bytes_max() <= 6 + 17 * 9 + 9 * 10 + 400);
            let grown = receiver.grow(delta).expect("own delta");
            prop_assert_eq!(&grown, original);
            prop_assert_eq!(grown.cpu.to_bits(), original.cpu.to_bits());
            prop_assert_eq!(grown.load1.to_bits(), original.load1.to_bits());
            for (a, b) in grown.temperatures.iter().zip(&original.temperatures) {
                prop_assert_eq!(a.celsius.to_bits(), b.celsius.to_bits());
            }
        }
        prop_assert_eq!(batch.reports.len(), reports.len());
    }

    #[test]
    fn a_delta_is_never_longer_than_it_says(reports in vec(report(), 1..8)) {
        let mut chain = ReportChain::new();
        for report in &reports {
            let delta = chain.shrink(report).expect("finite");
            let promised = delta.encoded_bytes_max();
            let mut bytes = Vec::new();
            let frame = Reports { first_sequence: 1, ack_now: false, reports: vec![delta] };
            encode_up(&Up::Reports(frame), &mut bytes).expect("within limits");
            // 4 length, 1 kind, 1 sequence, 1 flag, 1 count
            prop_assert!(bytes.len() - 8 <= promised, "{} > {promised}", bytes.len() - 8);
        }
    }

    #[test]
    fn hello_host_and_clock_round_trip(hello in hello(), host in host(), clock in clock(), cut in 1usize..64) {
        let sent = [Up::Hello(hello), Up::Host(Box::new(host)), Up::Clock(clock)];
        let mut bytes = Vec::new();
        for up in &sent {
            encode_up(up, &mut bytes).expect("within limits");
        }
        let received: Vec<Up> =
            bodies(&bytes, cut).iter().map(|body| decode_up(body).expect("own frame")).collect();
        prop_assert_eq!(received.as_slice(), sent.as_slice());
    }

    #[test]
    fn what_the_hub_says_round_trips(sent in vec(down(), 1..6), cut in 1usize..64) {
        let mut bytes = Vec::new();
        for down in &sent {
            encode_down(down, &mut bytes).expect("within limits");
        }
        let received: Vec<Down> =
            bodies(&bytes, cut).iter().map(|body| decode_down(body).expect("own frame")).collect();
        prop_assert_eq!(received, sent);
    }

    #[test]
    fn hostile_bytes_give_an_error_or_a_value_that_encodes_again(body in vec(any::<u8>(), 0..300)) {
        if let Ok(up) = decode_up(&body) {
            encode_up(&up, &mut Vec::new()).expect("a decoded frame is within limits");
        }
        if let Ok(down) = decode_down(&body) {
            encode_down(&down, &mut Vec::new()).expect("a decoded frame is within limits");
        }
    }
}

#[test]
fn the_largest_legal_host_and_report_fit_a_frame() {
    let device = "x".repeat(windfire_wire::limits::DEVICE_NAME_BYTES_MAX);
    let text = "y".repeat(windfire_wire::limits::HOST_TEXT_BYTES_MAX);
    let host = Host {
        platform: text.clone(),
        platform_version: text.clone(),
        cpu: vec![device.clone(); DEVICES_MAX],
        arch: text.clone(),
        virtualization: text.clone(),
        ip: "z".repeat(windfire_wire::limits::IP_TEXT_BYTES_MAX),
        version: text,
        gpu: vec![device; DEVICES_MAX],
        ..Host::default()
    };
    encode_up(&Up::Host(Box::new(host)), &mut Vec::new()).expect("the largest host fits");
    let sensor = Temperature { name: "s".repeat(64), celsius: 1.0 / 3.0 };
    let report = Report { temperatures: vec![sensor; TEMPERATURES_MAX], ..Report::default() };
    let delta = ReportChain::new().shrink(&report).expect("within limits");
    let frame = Reports { first_sequence: 1, ack_now: true, reports: vec![delta] };
    encode_up(&Up::Reports(frame), &mut Vec::new()).expect("the largest report fits");
}
