//! A queue as data: how many play, how long, and how far apart they may be.

use core::time::Duration;

use thiserror::Error;

/// Most players in one match. The search for the best teams enumerates, so this is small.
pub const MATCH_PLAYERS_MAX: u32 = 32;

/// What an operator may decide about a queue.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueConfig {
    /// What a client names to enter it. Default "arena".
    pub name: String,
    /// Teams in a match, at least 2. Default 2.
    pub teams: u32,
    /// Players in a team, at least 1. Default 2.
    pub team_size: u32,
    /// Rating points between two tickets that are matched at once. Default 100.
    pub window_initial: f64,
    /// Rating points by which a ticket's window widens for each second that it waits. Default 25.
    pub window_growth_per_s: f64,
    /// Where widening stops. Default 4000: everybody finds somebody in the end.
    pub window_max: f64,
    /// How long a match runs, in seconds. Default 20.
    pub duration_s: u32,
    /// Most members of a party, at most [`team_size`](Self::team_size): a party is never split.
    /// Default 2.
    pub party_max: u32,
    /// Time between two searches. Default 100 ms.
    pub search_every: Duration,
    /// How long a whole team may be away before the others win. Default 10 s.
    pub forfeit_after: Duration,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            name: "arena".into(),
            teams: 2,
            team_size: 2,
            window_initial: 100.0,
            window_growth_per_s: 25.0,
            window_max: 4000.0,
            duration_s: 20,
            party_max: 2,
            search_every: Duration::from_millis(100),
            forfeit_after: Duration::from_secs(10),
        }
    }
}

/// Why a queue cannot be run.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum QueueConfigError {
    /// A match has no duration.
    #[error("a match must last a second or more")]
    NoDuration,
    /// Parties would have to be split, or could not exist.
    #[error("party_max must be from 1 to the size of a team")]
    PartySize,
    /// The teams cannot play.
    #[error("a match has 2 or more teams of 1 or more, {MATCH_PLAYERS_MAX} players at most")]
    Teams,
    /// The window is not a number, or shrinks.
    #[error("windows must be finite, not negative, and the initial one not above the last")]
    Window,
}

impl QueueConfig {
    /// Players in one match.
    pub fn players(&self) -> u32 {
        self.teams.saturating_mul(self.team_size)
    }

    /// The window of a ticket that has waited for `waited`, in thousandths of a rating point.
    /// Never shrinks as `waited` grows.
    pub fn window_milli(&self, waited: Duration) -> i64 {
        let grown = self.window_growth_per_s.mul_add(waited.as_secs_f64(), self.window_initial);
        to_milli(grown.min(self.window_max))
    }

    /// The queue, or why it cannot be run.
    ///
    /// # Errors
    ///
    /// [`QueueConfigError`], by the bounds that the fields document.
    pub fn checked(self) -> Result<Self, QueueConfigError> {
        let are_teams_possible = self.teams >= 2 && self.team_size >= 1;
        if !are_teams_possible || self.players() > MATCH_PLAYERS_MAX {
            return Err(QueueConfigError::Teams);
        }
        if self.party_max < 1 || self.party_max > self.team_size {
            return Err(QueueConfigError::PartySize);
        }
        let windows = [self.window_initial, self.window_growth_per_s, self.window_max];
        let are_numbers = windows.iter().all(|window| window.is_finite() && *window >= 0.0);
        if !are_numbers || self.window_initial > self.window_max {
            return Err(QueueConfigError::Window);
        }
        if self.duration_s == 0 {
            return Err(QueueConfigError::NoDuration);
        }
        Ok(self)
    }
}

/// Rating points as thousandths: whole numbers have one order on every machine.
pub(super) fn to_milli(points: f64) -> i64 {
    (points * 1000.0).round() as i64
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{QueueConfig, QueueConfigError};

    #[test]
    fn the_window_grows_from_its_start_to_its_end() {
        let queue = QueueConfig { window_max: 400.0, ..QueueConfig::default() };
        let after = |seconds| queue.window_milli(Duration::from_secs(seconds));
        assert_eq!(after(0), 100_000);
        assert_eq!(after(4), 200_000);
        assert_eq!(after(1_000_000_000), 400_000);
    }

    #[test]
    fn impossible_queues_are_refused() {
        type Change = fn(&mut QueueConfig);
        let table: [(Change, QueueConfigError); 8] = [
            (|q| q.teams = 1, QueueConfigError::Teams),
            (|q| q.team_size = 0, QueueConfigError::Teams),
            (|q| q.team_size = u32::MAX, QueueConfigError::Teams),
            (|q| q.party_max = 0, QueueConfigError::PartySize),
            (|q| q.party_max = 3, QueueConfigError::PartySize),
            (|q| q.window_growth_per_s = -1.0, QueueConfigError::Window),
            (|q| q.window_max = f64::NAN, QueueConfigError::Window),
            (|q| q.duration_s = 0, QueueConfigError::NoDuration),
        ];
        for (change, expected) in table {
            let mut queue = QueueConfig::default();
            change(&mut queue);
            assert_eq!(queue.checked(), Err(expected));
        }
        assert!(QueueConfig::default().checked().is_ok());
    }
}
