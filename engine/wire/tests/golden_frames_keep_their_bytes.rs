//! The wire format is its bytes. A change of any file in `golden/` is a new protocol version, not a new golden file.

use windfire_wire::{
    Down, Enrol, Hello, HelloClock, Host, RefuseReason, Report, ReportChain, Reports, Temperature, Up, Welcome,
    decode_down, decode_up, encode_down, encode_up,
};

fn clock() -> HelloClock {
    HelloClock { now_ms: 1_790_000_000_123, uptime_ms: 331_080_456 }
}

fn hello(protocol: u16) -> Up {
    Up::Hello(Hello {
        protocol,
        credential: "c".repeat(43),
        enrol: None,
        agent_version: "0.1.0".into(),
        outbox_id: 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef,
        clock: (protocol >= 3).then(clock),
    })
}

fn hello_enrol(protocol: u16, clock: Option<HelloClock>) -> Up {
    let enrol = Some(Enrol { token: "e".repeat(32), name: "web-é".into() });
    Up::Hello(Hello { protocol, credential: "k".into(), enrol, agent_version: String::new(), outbox_id: 1, clock })
}

fn host() -> Up {
    Up::Host(Box::new(Host {
        platform: "debian".into(),
        platform_version: "12.7".into(),
        cpu: vec!["<A&B> CPU 2 Virtual Core".into(), "Z".into()],
        mem_total: 17_179_869_184,
        disk_total: 2_473_496_842_240,
        swap_total: 0,
        arch: "x86_64".into(),
        virtualization: "kvm".into(),
        boot_time_s: 1_652_683_962,
        ip: "203.0.113.7/2001:db8::7".into(),
        version: "0.1.0".into(),
        gpu: vec!["NVIDIA T4".into()],
    }))
}

fn readings() -> [Report; 4] {
    let first = Report {
        time_ms: 1_790_000_000_123,
        cpu: 17.330210772540017,
        mem_used: 14_013_841_408,
        swap_used: 0,
        disk_used: 2_335_048_912_896,
        net_in_transfer: 2_710_273_234,
        net_out_transfer: 695_454_765,
        net_in_speed: 10_806,
        net_out_speed: 5_303,
        uptime_s: 331_080,
        load1: 5.23486328125,
        load5: 4.873046875,
        load15: 3.99267578125,
        tcp_conn_count: 195,
        udp_conn_count: 70,
        process_count: 437,
        temperatures: Vec::new(),
        gpu: 0.0,
    };
    let second = Report {
        time_ms: first.time_ms + 1000,
        cpu: 17.33,
        net_in_transfer: first.net_in_transfer + 10_000,
        net_in_speed: 10_000,
        net_out_speed: 0,
        uptime_s: first.uptime_s + 1,
        ..first.clone()
    };
    let third = Report {
        time_ms: second.time_ms + 1001,
        cpu: 0.5,
        net_in_speed: 0,
        uptime_s: second.uptime_s + 1,
        temperatures: vec![
            Temperature { name: "cpu".into(), celsius: 55.0 },
            Temperature { name: "nvme".into(), celsius: 41.85 },
        ],
        gpu: 33.5,
        ..second
    };
    let fourth = Report {
        time_ms: third.time_ms + 1001,
        mem_used: u64::MAX,
        load5: 1e-7,
        load15: 1e21,
        uptime_s: 0,
        temperatures: vec![
            Temperature { name: "cpu".into(), celsius: 55.01 },
            Temperature { name: "nvme".into(), celsius: 1.0 / 3.0 },
        ],
        ..third
    };
    [first, second, third, fourth]
}

fn reports() -> Up {
    let mut chain = ReportChain::new();
    let reports = readings().iter().map(|report| chain.shrink(report).expect("finite")).collect();
    Up::Reports(Reports { first_sequence: 70_000, ack_now: true, reports })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check(name: &str, encoded: &[u8]) {
    let path = format!("{}/tests/golden/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}\n{}", hex(encoded)));
    assert_eq!(hex(encoded), golden.split_whitespace().collect::<String>(), "{name}");
}

fn check_up(name: &str, up: &Up) {
    let mut bytes = Vec::new();
    encode_up(up, &mut bytes).expect("within limits");
    check(name, &bytes);
    assert_eq!(&decode_up(&bytes[4..]).expect("golden"), up, "{name}");
}

fn check_down(name: &str, down: &Down) {
    let mut bytes = Vec::new();
    encode_down(down, &mut bytes).expect("within limits");
    check(name, &bytes);
    assert_eq!(&decode_down(&bytes[4..]).expect("golden"), down, "{name}");
}

#[test]
fn what_the_agent_says() {
    check_up("v1-hello", &hello(1));
    check_up("v2-hello", &hello(2));
    check_up("v3-hello", &hello(3));
    check_up("v1-hello-enrol", &hello_enrol(1, None));
    // A clock at its worst: before 1970, on a machine that has just started.
    check_up("v3-hello-enrol", &hello_enrol(3, Some(HelloClock { now_ms: -1, uptime_ms: 0 })));
    check_up("v3-clock", &Up::Clock(clock()));
    check_up("v1-host", &host());
    check_up("v1-reports", &reports());
}

#[test]
fn what_the_hub_says() {
    let welcome = Welcome { server_id: 7, durable: 300, next: 301, report_interval_ms: 1000 };
    check_down("v1-welcome", &Down::Welcome(welcome));
    check_down("v2-pace", &Down::Pace { samples_per_frame: 10 });
    check_down("v1-ack", &Down::Ack { up_to: 70_003 });
    let detail = "another agent came with this credential".to_owned();
    check_down("v1-refuse", &Down::Refuse { reason: RefuseReason::Superseded, detail });
}

#[test]
fn golden_reports_mean_what_they_meant() {
    let Up::Reports(batch) = reports() else { unreachable!() };
    let mut chain = ReportChain::new();
    for (delta, reading) in batch.reports.iter().zip(readings()) {
        assert_eq!(chain.grow(delta).expect("golden"), reading);
    }
}
