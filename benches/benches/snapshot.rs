//! Snapshots of small and large crowds: nothing changed, a tenth changed, all new.

use benches::world::{BUDGET_BYTES, World};
use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use netcode::snapshot::{SnapshotDecoder, SnapshotEncoder};

const CROWDS: [u32; 2] = [100, 1000];
/// Every how many-th entity moves.
const CHANGES: [(&str, Option<usize>); 2] = [("nothing changed", None), ("10 % changed", Some(10))];

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("snapshot encode");
    for count in CROWDS {
        group.throughput(Throughput::Elements(count.into()));
        for (name, every) in CHANGES {
            encode_changes(&mut group, name, count, every);
        }
        group.bench_function(BenchmarkId::new("all new", count), |bencher| {
            let mut world = World::new(count);
            let tick = world.step(None);
            let candidates = world.candidates();
            let fresh = || (SnapshotEncoder::new(world.schema()), Vec::new());
            let encode = |(mut encoder, mut message): (SnapshotEncoder, Vec<u8>)| {
                encoder.encode(tick, &candidates, BUDGET_BYTES, &mut message);
                (encoder, message)
            };
            bencher.iter_batched(fresh, encode, BatchSize::SmallInput);
        });
    }
    group.finish();
}

/// A client that acknowledges every snapshot.
fn encode_changes(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    count: u32,
    every: Option<usize>,
) {
    group.bench_function(BenchmarkId::new(name, count), |bencher| {
        let mut world = World::new(count);
        let (mut encoder, _) = world.in_step();
        let mut message = Vec::new();
        bencher.iter(|| {
            let tick = world.step(every);
            message.clear();
            let encoded = encoder.encode(tick, &world.candidates(), BUDGET_BYTES, &mut message);
            encoder.on_acked(tick);
            encoded
        });
    });
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("snapshot decode");
    for count in CROWDS {
        group.throughput(Throughput::Elements(count.into()));
        for (name, every) in CHANGES {
            let mut world = World::new(count);
            let mut next = || {
                let (mut encoder, decoder) = world.in_step();
                let tick = world.step(every);
                let mut message = Vec::new();
                encoder.encode(tick, &world.candidates(), BUDGET_BYTES, &mut message);
                (decoder, tick, message)
            };
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter_batched(
                    &mut next,
                    |(mut decoder, tick, message)| (decoder.decode(tick, &message), decoder),
                    BatchSize::SmallInput,
                );
            });
        }
        group.bench_function(BenchmarkId::new("all new", count), |bencher| {
            let mut world = World::new(count);
            let tick = world.step(None);
            let mut message = Vec::new();
            SnapshotEncoder::new(world.schema()).encode(
                tick,
                &world.candidates(),
                BUDGET_BYTES,
                &mut message,
            );
            bencher.iter_batched(
                || SnapshotDecoder::new(world.schema()),
                |mut decoder| (decoder.decode(tick, &message), decoder),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, encode, decode);
criterion_main!(benches);
