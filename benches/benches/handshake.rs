//! From hello to keys on both sides: token, Noise KK, first packet.

use benches::pair::Pair;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

fn handshake(criterion: &mut Criterion) {
    criterion.bench_function("handshake, both sides", |bencher| {
        let mut seed = 0;
        let strangers = || {
            seed += 1;
            Pair::strangers(seed)
        };
        let connect = |mut pair: Pair| {
            pair.connect();
            pair
        };
        bencher.iter_batched(strangers, connect, BatchSize::SmallInput);
    });
}

criterion_group!(benches, handshake);
criterion_main!(benches);
