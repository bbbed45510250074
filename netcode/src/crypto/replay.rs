//! Which packets have been opened before.

use crate::wire::PacketNumber;

/// Packets behind the newest that are told apart; older ones count as seen.
const WINDOW: u64 = 1024;
const WORDS: usize = WINDOW as usize / 64;

/// Remembers the last 1,024 packet numbers. Moves only by [`insert`](Self::insert), which is for
/// packets that have been authenticated.
///
/// ```
/// use netcode::crypto::ReplayWindow;
/// use netcode::wire::PacketNumber;
///
/// let mut window = ReplayWindow::default();
/// assert!(!window.contains(PacketNumber::new(5)));
/// window.insert(PacketNumber::new(5));
/// assert!(window.contains(PacketNumber::new(5)));
/// assert!(!window.contains(PacketNumber::new(4)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReplayWindow {
    /// One past the newest.
    end: u64,
    /// Bit n % 1024 stands for packet n.
    seen: [u64; WORDS],
}

impl ReplayWindow {
    /// Whether the packet was seen, or is too old to tell.
    pub fn contains(&self, number: PacketNumber) -> bool {
        let number = number.get();
        if number >= self.end {
            return false;
        }
        number + WINDOW < self.end || self.seen[word(number)] & bit(number) != 0
    }

    /// Remembers an authenticated packet.
    pub fn insert(&mut self, number: PacketNumber) {
        let number = number.get();
        if number >= self.end {
            if number - self.end >= WINDOW {
                self.seen = [0; WORDS];
            } else {
                (self.end..number).for_each(|skipped| self.seen[word(skipped)] &= !bit(skipped));
            }
            self.end = number + 1;
        }
        self.seen[word(number)] |= bit(number);
    }
}

const fn word(number: u64) -> usize {
    (number % WINDOW / 64) as usize
}

const fn bit(number: u64) -> u64 {
    1 << (number % 64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{ReplayWindow, WINDOW};
    use crate::wire::PacketNumber;

    proptest! {
        //= book/src/spec/wire.md#replay
        //= type=test
        //# A receiver MUST drop a packet whose number it has seen before.
        #[test]
        fn it_agrees_with_a_set(steps in prop::collection::vec(-1500_i64..1500, 1..300)) {
            let mut window = ReplayWindow::default();
            let mut model = BTreeSet::new();
            let mut at = 2000_i64;
            for step in steps {
                at = (at + step).max(0);
                let number = at as u64;
                let newest: u64 = model.last().copied().unwrap_or(0);
                let too_old = !model.is_empty() && number + WINDOW < newest + 1;
                let expected = model.contains(&number) || too_old;
                prop_assert_eq!(window.contains(PacketNumber::new(number)), expected);
                if !expected {
                    window.insert(PacketNumber::new(number));
                    model.insert(number);
                }
            }
        }
    }
}
