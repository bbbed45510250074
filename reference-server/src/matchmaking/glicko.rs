//! New ratings from the result of a match: Glicko-2, each player against the average of a team.
//!
//! The arithmetic is the library's. Ours are the teams and the bounds: without bounds one legal
//! sequence of results takes a rating to minus sixteen million.

use skillratings::Outcomes;
use skillratings::glicko2::{Glicko2Config, Glicko2Rating, glicko2_rating_period};

use crate::rating::Rating;

/// Constrains the change of volatility over time; the middle of the recommended 0.3 to 1.2.
const TAU: f64 = 0.5;
/// Far below the precision that anybody sees, so that results do not depend on where the
/// iteration happens to stop.
const CONVERGENCE: f64 = 1e-12;
const VALUE_BOUNDS: (f64, f64) = (100.0, 4000.0);
const DEVIATION_BOUNDS: (f64, f64) = (30.0, 350.0);
/// The upper bound is what makes throwing games on purpose not pay.
const VOLATILITY_BOUNDS: (f64, f64) = (0.01, 0.1);

/// How a match ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Nobody is ahead.
    Draw,
    /// The team of this number won.
    Won(u32),
}

impl Outcome {
    /// How it ended for `team` against `opponent`.
    fn between(self, team: u32, opponent: u32) -> Outcomes {
        match self {
            Self::Won(winner) if winner == team => Outcomes::WIN,
            Self::Won(winner) if winner == opponent => Outcomes::LOSS,
            // Two teams that both did not win have played each other to no result.
            Self::Draw | Self::Won(_) => Outcomes::DRAW,
        }
    }
}

/// The new ratings of all players, in the order given: one list a team.
pub fn rate(teams: &[Vec<Rating>], outcome: Outcome) -> Vec<Vec<Rating>> {
    let averages: Vec<Glicko2Rating> = teams.iter().map(|team| average(team)).collect();
    let numbered = || (0_u32..).zip(&averages);
    (0_u32..)
        .zip(teams)
        .map(|(team, members)| {
            let results: Vec<(Glicko2Rating, Outcomes)> = numbered()
                .filter(|(opponent, _)| *opponent != team)
                .map(|(opponent, rating)| (*rating, outcome.between(team, opponent)))
                .collect();
            members.iter().map(|member| rate_one(*member, &results, TAU)).collect()
        })
        .collect()
}

/// A rating that is safe to compute with, whatever the store says.
pub fn bounded(rating: Rating) -> Rating {
    let within = |number: f64, bounds: (f64, f64), otherwise: f64| {
        if number.is_finite() { number.clamp(bounds.0, bounds.1) } else { otherwise }
    };
    let unknown = Rating::default();
    Rating {
        value: within(rating.value, VALUE_BOUNDS, unknown.value),
        deviation: within(rating.deviation, DEVIATION_BOUNDS, unknown.deviation),
        volatility: within(rating.volatility, VOLATILITY_BOUNDS, unknown.volatility),
    }
}

fn rate_one(player: Rating, results: &[(Glicko2Rating, Outcomes)], tau: f64) -> Rating {
    let config = Glicko2Config { tau, convergence_tolerance: CONVERGENCE };
    let rated = glicko2_rating_period(&to_library(bounded(player)), results, &config);
    bounded(Rating {
        value: rated.rating,
        deviation: rated.deviation,
        volatility: rated.volatility,
    })
}

/// The composite opponent: mean rating, and root mean square deviation because variances add.
fn average(team: &[Rating]) -> Glicko2Rating {
    let count = team.len().max(1) as f64;
    let mean = |of: fn(&Rating) -> f64| team.iter().map(of).sum::<f64>() / count;
    Glicko2Rating {
        rating: mean(|member| member.value),
        deviation: mean(|member| member.deviation.powi(2)).sqrt(),
        volatility: mean(|member| member.volatility),
    }
}

fn to_library(rating: Rating) -> Glicko2Rating {
    Glicko2Rating {
        rating: rating.value,
        deviation: rating.deviation,
        volatility: rating.volatility,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use skillratings::Outcomes::{DRAW, LOSS, WIN};

    use super::{
        DEVIATION_BOUNDS, Outcome, Outcomes, Rating, TAU, VALUE_BOUNDS, VOLATILITY_BOUNDS, bounded,
        rate, rate_one, to_library,
    };

    fn rating(value: f64, deviation: f64, volatility: f64) -> Rating {
        Rating { value, deviation, volatility }
    }

    #[track_caller]
    fn check(player: Rating, games: &[(f64, f64, Outcomes)], tau: f64, expected: Rating) {
        let results: Vec<_> = games
            .iter()
            .map(|(value, deviation, outcome)| {
                (to_library(rating(*value, *deviation, 0.06)), *outcome)
            })
            .collect();
        let rated = rate_one(player, &results, tau);
        assert!((rated.value - expected.value).abs() < 1e-9, "{rated:?}");
        assert!((rated.deviation - expected.deviation).abs() < 1e-9, "{rated:?}");
        assert!((rated.volatility - expected.volatility).abs() < 1e-12, "{rated:?}");
    }

    /// Expected values were computed with 50 digits by an independent program.
    #[test]
    fn published_vectors_agree() {
        let example = rating(1500.0, 200.0, 0.06);
        let games = [(1400.0, 30.0, WIN), (1550.0, 100.0, LOSS), (1700.0, 300.0, LOSS)];
        let after = rating(1464.0506705390892, 151.5165241243043, 0.05999598440067783);
        check(example, &games, 0.5, after);
        let after = rating(1464.0506657650112, 151.5165341850161, 0.05999855422956963);
        check(example, &games, 0.3, after);
        let after = rating(1464.0507060079024, 151.51644937864592, 0.059976888532482);
        check(example, &games, 1.2, after);

        let new = Rating::default();
        let after = rating(1662.3108939063002, 290.3189637179826, 0.05999967537308716);
        check(new, &[(1500.0, 350.0, WIN)], TAU, after);
        let after = rating(1337.6891060936998, 290.3189637179826, 0.05999967537308716);
        check(new, &[(1500.0, 350.0, LOSS)], TAU, after);
        let after = rating(1500.0, 290.3189616138652, 0.05999896145079793);
        check(new, &[(1500.0, 350.0, DRAW)], TAU, after);

        let after = rating(1250.0, 95.57008081262997, 0.06);
        check(rating(1250.0, 95.0, 0.06), &[], TAU, after);
    }

    #[test]
    fn a_team_of_equals_counts_as_one_of_them() {
        let duel = rate(&[vec![Rating::default()], vec![Rating::default()]], Outcome::Won(1));
        let team = rate(&[vec![Rating::default(); 3], vec![Rating::default(); 3]], Outcome::Won(1));
        assert_eq!(team, [vec![duel[0][0]; 3], vec![duel[1][0]; 3]]);
        assert!(duel[0][0].value < 1500.0 && duel[1][0].value > 1500.0);
    }

    #[test]
    fn no_sequence_of_results_leaves_the_bounds() {
        let mut victim = bounded(rating(f64::NEG_INFINITY, f64::NAN, 9.0));
        for round in 0..2_000 {
            let opponent = rating(4000.0, 350.0, 0.1);
            let outcome = if round % 7 == 0 { Outcome::Won(0) } else { Outcome::Won(1) };
            let after = rate(&[vec![victim], vec![opponent]], outcome);
            victim = after[0][0];
            assert!((VALUE_BOUNDS.0..=VALUE_BOUNDS.1).contains(&victim.value));
            assert!((DEVIATION_BOUNDS.0..=DEVIATION_BOUNDS.1).contains(&victim.deviation));
            assert!((VOLATILITY_BOUNDS.0..=VOLATILITY_BOUNDS.1).contains(&victim.volatility));
        }
    }

    proptest! {
        #[test]
        fn winning_never_costs_rating(
            mine in 100.0..4000.0_f64, theirs in 100.0..4000.0_f64, deviation in 30.0..350.0_f64,
        ) {
            let (mine, theirs) = (rating(mine, deviation, 0.06), rating(theirs, 350.0, 0.06));
            let after = rate(&[vec![mine], vec![theirs]], Outcome::Won(0));
            prop_assert!(after[0][0].value >= mine.value && after[1][0].value <= theirs.value);
        }
    }
}
