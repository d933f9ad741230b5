//! Each kind of bad frame has its own error, decided before memory is taken.

use windfire_wire::{
    Down, FrameReader, Hello, HelloClock, Host, Report, ReportChain, Temperature, Up, Welcome, WireError, decode_down,
    decode_up, encode_down, encode_up,
};

fn body_of(up: &Up) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_up(up, &mut bytes).expect("a good frame");
    bytes.split_off(4)
}

#[test]
fn a_frame_over_the_limit_is_refused_by_its_length_alone() {
    let mut reader = FrameReader::new();
    reader.feed(&65_537u32.to_le_bytes());
    assert_eq!(reader.next_body(), Err(WireError::FrameTooLarge { found: 65_537 }));
    let mut reader = FrameReader::new();
    reader.feed(&65_536u32.to_le_bytes());
    assert_eq!(reader.next_body(), Ok(None));
}

#[test]
fn an_empty_frame_is_refused() {
    let mut reader = FrameReader::new();
    reader.feed(&[0; 4]);
    assert_eq!(reader.next_body(), Err(WireError::FrameEmpty));
}

#[test]
fn every_truncation_of_a_host_is_refused() {
    let body = body_of(&Up::Host(Box::new(Host { cpu: vec!["cpu".into()], ..Host::default() })));
    for length in 1..body.len() {
        let error = decode_up(&body[..length]).expect_err("truncated");
        assert!(matches!(error, WireError::Truncated { .. }), "{length}: {error}");
    }
}

#[test]
fn bytes_after_the_last_value_are_refused() {
    let mut body = body_of(&Up::Host(Box::default()));
    body.push(0);
    assert_eq!(decode_up(&body), Err(WireError::TrailingBytes));
}

#[test]
fn an_overlong_text_is_refused_before_it_is_read() {
    // kind Host, then a platform that claims 2^63 bytes and has none.
    let mut body = vec![1, 253];
    body.extend_from_slice(&(1u64 << 63).to_le_bytes());
    let expected = WireError::TooLong { what: "host.platform", found: 1 << 63, max: 128 };
    assert_eq!(decode_up(&body), Err(expected));
}

#[test]
fn an_overlong_list_is_refused_before_it_is_read() {
    // kind Host, two empty texts, then 65 processors.
    let expected = WireError::TooLong { what: "host.cpu", found: 65, max: 64 };
    assert_eq!(decode_up(&[1, 0, 0, 65]), Err(expected));
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    assert_eq!(decode_up(&[1, 1, 0xff]), Err(WireError::NotUtf8 { what: "host.platform" }));
}

#[test]
fn an_unknown_kind_is_refused() {
    assert_eq!(decode_up(&[4]), Err(WireError::Unknown { what: "frame kind", found: 4 }));
}

#[test]
fn an_unknown_version_is_named_whatever_follows_it() {
    assert_eq!(decode_up(&[0, 4, 0xff, 0xff]), Err(WireError::UnknownVersion { found: 4, supported: 3 }));
}

fn hello(protocol: u16, clock: Option<HelloClock>) -> Up {
    let (credential, agent_version) = ("k".to_owned(), String::new());
    Up::Hello(Hello { protocol, credential, enrol: None, agent_version, outbox_id: 1, clock })
}

#[test]
fn a_hello_of_version_3_without_its_clock_is_refused() {
    let clock = HelloClock { now_ms: 1_790_000_000_123, uptime_ms: u64::MAX };
    let body = body_of(&hello(3, Some(clock)));
    for length in 1..body.len() {
        let error = decode_up(&body[..length]).expect_err("truncated");
        assert!(matches!(error, WireError::Truncated { .. }), "{length}: {error}");
    }
    // And an agent cannot say what its version has no word for, or leave out what it must say.
    let refused = Err(WireError::OutOfRange { what: "hello's clock" });
    let mut out = vec![7];
    assert_eq!(encode_up(&hello(3, None), &mut out), refused);
    assert_eq!(encode_up(&hello(2, Some(clock)), &mut out), refused);
    assert_eq!(out, [7]);
}

#[test]
fn a_hello_of_version_2_with_a_clock_behind_it_is_refused() {
    let mut body = body_of(&hello(2, None));
    body.extend_from_slice(&[0, 0]);
    assert_eq!(decode_up(&body), Err(WireError::TrailingBytes));
}

#[test]
fn a_clock_is_two_numbers_and_nothing_else() {
    assert_eq!(decode_up(&[3, 1, 2]), Ok(Up::Clock(HelloClock { now_ms: -1, uptime_ms: 2 })));
    assert_eq!(decode_up(&[3]), Err(WireError::Truncated { what: "clock.now_ms" }));
    assert_eq!(decode_up(&[3, 1]), Err(WireError::Truncated { what: "clock.uptime_ms" }));
    assert_eq!(decode_up(&[3, 1, 2, 3]), Err(WireError::TrailingBytes));
    // A u128 where a u64 belongs.
    assert_eq!(decode_up(&[3, 1, 254]), Err(WireError::Malformed { what: "clock.uptime_ms" }));
}

#[test]
fn an_unknown_presence_bit_is_refused() {
    // kind Reports, sequence 1, no ack, one report, mask with bit 31.
    let mut body = vec![2, 1, 0, 1, 252];
    body.extend_from_slice(&(1u32 << 31).to_le_bytes());
    assert_eq!(decode_up(&body), Err(WireError::Unknown { what: "report mask", found: 1 << 31 }));
}

#[test]
fn a_number_that_is_not_finite_is_refused_on_both_sides() {
    let report = Report { cpu: f64::NAN, ..Report::default() };
    assert_eq!(ReportChain::new().shrink(&report), Err(WireError::NonFinite { what: "cpu" }));
    let sensor = Temperature { name: "cpu".into(), celsius: f64::INFINITY };
    let report = Report { temperatures: vec![sensor], ..Report::default() };
    assert_eq!(ReportChain::new().shrink(&report), Err(WireError::NonFinite { what: "temperature" }));
    // kind Reports, sequence 1, no ack, one report; mask = cpu and raw floats; raw = cpu; NaN.
    let mut body = vec![2, 1, 0, 1, 252];
    body.extend_from_slice(&((1u32 << 1) | (1 << 17)).to_le_bytes());
    body.push(1);
    body.extend_from_slice(&f64::NAN.to_le_bytes());
    assert_eq!(decode_up(&body), Err(WireError::NonFinite { what: "cpu" }));
}

#[test]
fn sequence_zero_and_sequences_past_the_end_are_refused() {
    assert_eq!(decode_up(&[2, 0, 0, 0]), Err(WireError::OutOfRange { what: "first sequence" }));
    let mut body = vec![2, 253];
    body.extend_from_slice(&u64::MAX.to_le_bytes());
    body.extend_from_slice(&[0, 0]);
    assert_eq!(decode_up(&body), Err(WireError::OutOfRange { what: "first sequence" }));
}

#[test]
fn a_welcome_with_numbers_that_cannot_be_is_refused() {
    let most = (1 << 62, (1 << 62) + 1);
    for (durable, next) in [(0, 0), (7, 7), (8, 7), most, (0, u64::MAX), (u64::MAX, 1)] {
        let mut bytes = Vec::new();
        let welcome = Welcome { server_id: 1, durable, next, report_interval_ms: 0 };
        encode_down(&Down::Welcome(welcome), &mut bytes).expect("a hub may say anything");
        assert_eq!(decode_down(&bytes[4..]), Err(WireError::Numbers { durable, next }));
    }
}

#[test]
fn sensor_values_for_sensors_that_are_not_there_are_refused() {
    // kind Reports, sequence 1, no ack, one report; mask = sensor values; two values for no names.
    let mut body = vec![2, 1, 0, 1, 252];
    body.extend_from_slice(&(1u32 << 18).to_le_bytes());
    body.extend_from_slice(&[2, 4, 4]);
    let Ok(Up::Reports(batch)) = decode_up(&body) else { panic!("well-formed bytes") };
    let grown = ReportChain::new().grow(&batch.reports[0]);
    assert_eq!(grown, Err(WireError::OutOfRange { what: "number of temperatures" }));
}
