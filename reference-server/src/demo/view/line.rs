//! One moment in one line.

use crate::demo::view::picture::{Picture, bytes, millis};

/// `12 s: 97 of 100 bots ...`
pub(super) fn line(picture: &Picture) -> String {
    let zones = &picture.world.zones;
    let totals = &picture.world.totals;
    let (bytes_in, bytes_out) = picture.bytes_per_s();
    format!(
        "{} s: {} of {} bots in {} zones; tick p99 {}, {} overruns; in {}/s, out {}/s; \
         handoffs {} of {} ({} aborted); matches {}; trades {}; chats {}; errors {}",
        picture.elapsed.as_secs(),
        picture.players(),
        picture.info.bots,
        zones.len(),
        millis(zones.iter().map(|zone| zone.tick_us.p99).max().unwrap_or(0)),
        zones.iter().map(|zone| zone.overruns).sum::<u64>(),
        bytes(bytes_in),
        bytes(bytes_out),
        totals.handoffs_committed,
        totals.handoffs_started,
        totals.handoffs_aborted,
        totals.matches,
        totals.trades,
        totals.chats,
        totals.errors,
    )
}

#[cfg(test)]
mod tests {
    use super::line;
    use crate::demo::view::picture::tests::picture;

    #[test]
    fn a_line_has_it_all() {
        assert_eq!(
            line(&picture()),
            "1 s: 97 of 100 bots in 2 zones; tick p99 1.31 ms, 1 overruns; in 204.0 kB/s, \
             out 2.04 MB/s; handoffs 11 of 12 (1 aborted); matches 20; trades 0; chats 0; errors 0"
        );
    }
}
