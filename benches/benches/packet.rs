//! A packet from one application to the other: queue, frame, seal, mask; unmask, open, deliver.

use benches::pair::Pair;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Messages between acknowledgements, as a server sends them at 30 Hz.
const MESSAGES_A_ROUND: u32 = 8;

fn packet(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("packet");
    for (name, bytes) in [("64 B", 64), ("full datagram", 1150)] {
        let payload = Bytes::from(vec![7; bytes]);
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(name, |bencher| {
            let mut pair = Pair::connected();
            let mut count = 0_u32;
            bencher.iter(|| {
                count = count.wrapping_add(1);
                if count.is_multiple_of(MESSAGES_A_ROUND) {
                    pair.settle();
                }
                pair.deliver(&payload)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, packet);
criterion_main!(benches);
