//! Between the caller's instants and those of the standard library, which `quinn-proto` wants.

use netcode::time::Instant;

/// One pair of instants that mean the same; everything else is a distance from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    ours: Instant,
    theirs: std::time::Instant,
}

impl Anchor {
    /// `now` of the caller is now.
    pub(super) fn new(now: Instant) -> Self {
        // Opaque instants can be had from their clock only. It is read once and only distances to
        // it matter, so virtual time works as well as real time.
        #[allow(clippy::disallowed_methods)]
        let theirs = std::time::Instant::now();
        Self { ours: now, theirs }
    }

    pub(super) fn to_std(self, at: Instant) -> std::time::Instant {
        let distance = at.saturating_since(self.ours);
        self.theirs.checked_add(distance).unwrap_or(self.theirs)
    }

    pub(super) fn to_ours(self, at: std::time::Instant) -> Instant {
        self.ours + at.saturating_duration_since(self.theirs)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{Anchor, Instant};

    #[test]
    fn an_instant_comes_back() {
        let now = Instant::from_millis(5_000);
        let anchor = Anchor::new(now);
        for later in [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(100_000)] {
            assert_eq!(anchor.to_ours(anchor.to_std(now + later)), now + later);
        }
    }
}
