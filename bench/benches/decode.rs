//! A report on the wire: shrink and encode, decode and grow.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use windfire_bench::workload::{Machine, Trace};
use windfire_wire::{ReportChain, Reports, Up, decode_up, encode_up};

fn decode(criterion: &mut Criterion) {
    let (trace, mut machine) = (Trace::new(), Machine::new(1));
    let reports: Vec<_> = (1..=1000).map(|second| machine.next(&trace, second * 1000)).collect();
    let encode = |out: &mut Vec<Vec<u8>>| {
        let mut chain = ReportChain::new();
        for (report, sequence) in reports.iter().zip(1..) {
            let delta = chain.shrink(report).expect("finite");
            let mut bytes = Vec::with_capacity(64);
            let batch = Reports { first_sequence: sequence, ack_now: false, reports: vec![delta] };
            encode_up(&Up::Reports(batch), &mut bytes).expect("within limits");
            out.push(bytes);
        }
    };
    let mut frames = Vec::new();
    encode(&mut frames);
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("encode 1000 reports", |bencher| {
        bencher.iter(|| {
            let mut out = Vec::with_capacity(1000);
            encode(&mut out);
            out
        });
    });
    group.bench_function("decode 1000 reports", |bencher| {
        bencher.iter(|| {
            let mut chain = ReportChain::new();
            for frame in &frames {
                let Ok(Up::Reports(batch)) = decode_up(&frame[4..]) else { panic!("own frame") };
                std::hint::black_box(chain.grow(&batch.reports[0]).expect("own delta"));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
