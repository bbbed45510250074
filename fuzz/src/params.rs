//! Transport parameters, which the other side of a handshake chooses.

use netcode::wire::TransportParams;

use crate::seeds::{Seeds, with_mutations};

/// Decodes; what decodes survives being encoded.
pub fn run(bytes: &[u8]) {
    let Ok(params) = TransportParams::decode(bytes) else { return };
    let mut again = Vec::new();
    params.encode(bytes.first().copied().unwrap_or_default(), &mut again);
    assert_eq!(TransportParams::decode(&again), Ok(params));
}

/// A client's, a server's, and none.
pub fn seeds() -> Seeds {
    let client = TransportParams {
        suites: vec![0, 1],
        channel_table_hash: 0x0123_4567_89ab_cdef,
        schema_hash: u64::MAX,
        idle_timeout_ms: 10_000,
    };
    let server = TransportParams { suites: vec![1], idle_timeout_ms: u32::MAX, ..client.clone() };
    let most = TransportParams { suites: (0..8).collect(), ..client.clone() };
    let mut seeds = Seeds::new();
    for (name, params) in [("client", client), ("server", server), ("most-suites", most)] {
        for random in [0, 1, 200] {
            let mut bytes = Vec::new();
            params.encode(random, &mut bytes);
            seeds.push((format!("{name}-{random}"), bytes));
        }
    }
    seeds.push(("none".to_owned(), Vec::new()));
    with_mutations(seeds, 30)
}
