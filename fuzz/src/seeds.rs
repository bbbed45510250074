//! Where corpora start: valid inputs, and seeded mutations of them.

use netcode::entropy::Entropy;

/// Named inputs.
pub type Seeds = Vec<(String, Vec<u8>)>;

/// Mutations of each valid input that a corpus holds.
const MUTATIONS: usize = 2;

/// The valid inputs and mutations of them; the same for the same inputs.
pub fn with_mutations(valid: Seeds, seed: u64) -> Seeds {
    let mut entropy = Entropy::from_simulation_seed(seed);
    let mut all = Vec::new();
    for (name, bytes) in valid {
        for index in 0..MUTATIONS {
            all.push((format!("{name}-mutant-{index}"), mutate(&bytes, &mut entropy)));
        }
        all.push((name, bytes));
    }
    all
}

fn mutate(bytes: &[u8], entropy: &mut Entropy) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    // The front of an input decides most.
    let place = |entropy: &mut Entropy, len: usize| {
        let within = if entropy.below(2) == 0 { len.min(16) } else { len };
        entropy.below(within as u32) as usize
    };
    for _ in 0..1 + entropy.below(3) {
        if bytes.is_empty() {
            bytes.push(entropy.next_u32() as u8);
            continue;
        }
        let at = place(entropy, bytes.len());
        match entropy.below(6) {
            0 => bytes[at] ^= 1 << entropy.below(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][entropy.below(5) as usize],
            2 => bytes.truncate(at),
            3 => drop(bytes.remove(at)),
            4 => bytes.insert(at, entropy.next_u32() as u8),
            _ => {
                let end = (at + 8).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
    bytes
}

/// Reads `count` bytes that look random and are the same every time: for scripts of operations.
pub(crate) fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    Entropy::from_simulation_seed(seed).fill(&mut bytes);
    bytes
}
