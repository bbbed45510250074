//! Randomness, given by the caller.
//!
//! The core draws keys, identifiers and jitter from a stream that 32 bytes determine. A driver
//! takes these bytes from the operating system; a simulation takes them from its seed, and every
//! run with that seed produces the same datagrams.

use core::fmt;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// A deterministic, cryptographically strong stream (ChaCha20) from a 32-byte seed.
///
/// ```
/// use netcode::entropy::Entropy;
///
/// let mut one = Entropy::from_seed([7; 32]);
/// let mut two = Entropy::from_seed([7; 32]);
/// assert_eq!(one.bytes::<16>(), two.bytes::<16>());
/// ```
#[derive(Clone)]
pub struct Entropy(ChaCha20Rng);

impl Entropy {
    /// The stream of `seed`. Keys depend on it: a real seed comes from the operating system and is
    /// used for one stream only.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// A stream for simulations, from a small number. Anyone can guess it: never for real keys.
    pub fn from_simulation_seed(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    /// An independent stream, drawn from this one.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::from_seed(self.bytes())
    }

    /// Fills `out`.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }

    /// The next `N` bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..bound`, uniform to within 2^-32 of a share; zero for a bound of zero.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// A number in `0.0..1.0` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl fmt::Debug for Entropy {
    /// Never shows the state: keys come from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::Entropy;

    #[test]
    fn forks_differ_from_their_parent_and_from_each_other() {
        let mut parent = Entropy::from_simulation_seed(1);
        let (mut one, mut two) = (parent.fork(), parent.fork());
        assert_ne!(one.next_u64(), two.next_u64());
        assert_ne!(parent.next_u64(), Entropy::from_simulation_seed(1).next_u64());
    }

    #[test]
    fn below_stays_below() {
        let mut entropy = Entropy::from_simulation_seed(2);
        assert_eq!(entropy.below(0), 0);
        assert!((0..1000).all(|_| entropy.below(7) < 7));
        assert!((0..1000).all(|_| (0.0..1.0).contains(&entropy.unit())));
    }
}
