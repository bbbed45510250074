//! A picture as cells of a terminal.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::canvas::{Canvas, Line as Stroke, Points};
use ratatui::widgets::{Block, Paragraph, Row, Table};

use crate::demo::view::picture::{Picture, bytes, millis};
use crate::telemetry::DotKind;
use crate::telemetry::ZoneStatus;

const WIDTHS: [Constraint; 8] = [
    Constraint::Length(4),
    Constraint::Length(7),
    Constraint::Length(6),
    Constraint::Length(9),
    Constraint::Length(9),
    Constraint::Length(8),
    Constraint::Length(10),
    Constraint::Length(10),
];
/// What the columns need, with a border and the gaps.
const TABLE_WIDTH: u16 = 72;
const TOTALS_HEIGHT: u16 = 4;
const LOG_HEIGHT_MIN: u16 = 4;

/// Draws all of it, as far as there is room.
pub(super) fn draw(frame: &mut Frame<'_>, picture: &Picture) {
    let rows = [
        Constraint::Length(1),
        Constraint::Fill(3),
        Constraint::Length(TOTALS_HEIGHT),
        Constraint::Min(LOG_HEIGHT_MIN),
    ];
    let [header, middle, totals, log] = Layout::vertical(rows).areas(frame.area());
    let columns = [Constraint::Max(TABLE_WIDTH), Constraint::Fill(1)];
    let [zones, map] = Layout::horizontal(columns).areas(middle);
    frame.render_widget(header_line(picture), header);
    frame.render_widget(zone_table(picture), zones);
    draw_map(frame, picture, map);
    frame.render_widget(totals_text(picture), totals);
    draw_log(frame, picture, log);
}

fn header_line(picture: &Picture) -> Line<'static> {
    let elapsed = picture.elapsed.as_secs();
    let time = match picture.info.run_for {
        Some(whole) => format!("{elapsed} of {} s", whole.as_secs()),
        None => format!("{elapsed} s"),
    };
    let mut spans = vec![
        Span::from(" Shardline ").bold(),
        format!(" {time}   {} of {} bots", picture.players(), picture.info.bots).into(),
    ];
    if let Some(page) = picture.info.page {
        spans.push(format!("   map: http://{page}/").cyan());
    }
    let state = match (picture.world.is_draining, picture.world.is_ready) {
        (true, _) => "   draining".yellow(),
        (false, false) => "   starting".yellow(),
        (false, true) => "   q: leave".dim(),
    };
    spans.push(state);
    Line::from(spans)
}

fn zone_table(picture: &Picture) -> Table<'static> {
    let titles =
        ["zone", "players", "ghosts", "tick p50", "tick p99", "overruns", "in /s", "out /s"];
    let rows = picture.world.zones.iter().map(|zone| zone_row(picture, zone));
    let titles = titles.map(|title| Text::from(title).right_aligned());
    Table::new(rows, WIDTHS)
        .header(Row::new(titles).dim())
        .block(Block::bordered().title(" zones "))
}

fn zone_row(picture: &Picture, zone: &ZoneStatus) -> Row<'static> {
    let rates = picture.rates_of(zone.zone);
    let is_late = zone.tick_us.p99 > zone.tick_period_us;
    let cells = [
        zone.zone.to_string(),
        zone.players.to_string(),
        zone.ghosts.to_string(),
        millis(zone.tick_us.p50),
        millis(zone.tick_us.p99),
        zone.overruns.to_string(),
        bytes(rates.bytes_in_per_s),
        bytes(rates.bytes_out_per_s),
    ];
    let style = if is_late { Style::new().red() } else { Style::new() };
    Row::new(cells.map(|cell| Text::from(cell).right_aligned())).style(style)
}

fn totals_text(picture: &Picture) -> Paragraph<'static> {
    let totals = &picture.world.totals;
    let (bytes_in, bytes_out) = picture.bytes_per_s();
    let first = format!(
        "handoffs {} started, {} committed, {} aborted   in {}/s   out {}/s",
        totals.handoffs_started,
        totals.handoffs_committed,
        totals.handoffs_aborted,
        bytes(bytes_in),
        bytes(bytes_out),
    );
    let second = format!(
        "logins {}   tickets {}   matches {}   trades {}   chats {}   events {}   ",
        totals.logins, totals.tickets, totals.matches, totals.trades, totals.chats, totals.events,
    );
    let errors = format!("errors {}", totals.errors);
    let errors = if totals.errors > 0 { errors.red() } else { errors.into() };
    let lines = vec![Line::from(first), Line::from(vec![second.into(), errors])];
    Paragraph::new(lines).block(Block::bordered().title(" totals "))
}

/// North is up; a dot is an eighth of a cell.
fn draw_map(frame: &mut Frame<'_>, picture: &Picture, area: Rect) {
    let world = &picture.world;
    let edge = f64::from(world.edge);
    let (width, height) = (edge * f64::from(world.cols), edge * f64::from(world.rows));
    let points = |kind| {
        let dots = world.zones.iter().flat_map(|zone| &zone.dots);
        let dots = dots.filter(move |dot| dot.kind == kind);
        dots.map(|dot| (f64::from(dot.x), height - f64::from(dot.y))).collect::<Vec<_>>()
    };
    let (items, players) = (points(DotKind::Item), points(DotKind::Player));
    let borders = (1..world.cols).map(|col| {
        let x = edge * f64::from(col);
        Stroke::new(x, 0.0, x, height, Color::DarkGray)
    });
    let borders = borders.chain((1..world.rows).map(|row| {
        let y = edge * f64::from(row);
        Stroke::new(0.0, y, width, y, Color::DarkGray)
    }));
    let borders: Vec<_> = borders.collect();
    let canvas = Canvas::default()
        .block(Block::bordered().title(" world "))
        .marker(Marker::Braille)
        .x_bounds([0.0, width])
        .y_bounds([0.0, height])
        .paint(|map| {
            borders.iter().for_each(|border| map.draw(border));
            map.layer();
            map.draw(&Points { coords: &items, color: Color::Yellow });
            map.draw(&Points { coords: &players, color: Color::Cyan });
        });
    frame.render_widget(canvas, area);
}

fn draw_log(frame: &mut Frame<'_>, picture: &Picture, area: Rect) {
    let block = Block::bordered().title(" log ");
    let room = usize::from(block.inner(area).height);
    let newest = &picture.log[picture.log.len().saturating_sub(room)..];
    let lines: Vec<_> = newest.iter().map(|line| Line::from(line.as_str())).collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::draw;
    use crate::demo::view::picture::Picture;
    use crate::demo::view::picture::tests::picture;

    fn drawn(picture: &Picture, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, picture)).unwrap();
        let cells = terminal.backend().buffer().content();
        let rows = cells.chunks(usize::from(width));
        let rows = rows.map(|row| row.iter().map(|cell| plain(cell.symbol())).collect::<String>());
        rows.map(|row| row.trim_end().to_owned()).collect()
    }

    /// Lines and dots as ASCII, so that the expected picture can stand here.
    fn plain(symbol: &str) -> char {
        match symbol.chars().next().unwrap_or(' ') {
            '\u{2500}' => '-',
            '\u{2502}' => '|',
            '\u{250c}' | '\u{2510}' | '\u{2514}' | '\u{2518}' => '+',
            '\u{2800}' => ' ',
            '\u{2801}'..='\u{28ff}' => ':',
            c => c,
        }
    }

    #[test]
    fn a_screen_shows_zones_map_totals_and_log() {
        let expected = r#"
 Shardline  1 of 60 s   97 of 100 bots   map: http://127.0.0.1:7480/   starting
+ zones ---------------------------------------------------------------++ world -------------------+
|zone players ghosts  tick p50  tick p99 overruns      in /s     out /s||             :            |
|   0      48      6   0.42 ms   1.31 ms        0     4.0 kB    40.0 kB||             :            |
|   1      49      6   0.42 ms   1.31 ms        1   200.0 kB    2.00 MB||      :      :            |
|                                                                      ||             :            |
|                                                                      ||::::::::::::::::::::::::::|
|                                                                      ||             :            |
|                                                                      ||             :            |
|                                                                      ||             :            |
|                                                                      ||             :            |
+----------------------------------------------------------------------++--------------------------+
+ totals ------------------------------------------------------------------------------------------+
|handoffs 12 started, 11 committed, 1 aborted   in 204.0 kB/s   out 2.04 MB/s                      |
|logins 0   tickets 0   matches 20   trades 0   chats 0   events 0   errors 0                      |
+--------------------------------------------------------------------------------------------------+
+ log ---------------------------------------------------------------------------------------------+
|INFO gateway: up                                                                                  |
|INFO zone 1: up                                                                                   |
+--------------------------------------------------------------------------------------------------+
"#;
        let drawn = drawn(&picture(), 100, 20).join("\n");
        assert_eq!(drawn, expected.trim_matches('\n'), "\n{drawn}\n");
    }

    #[test]
    fn no_size_is_too_small() {
        for (width, height) in [(1, 1), (3, 2), (20, 5), (80, 1), (5, 60), (300, 120)] {
            drawn(&picture(), width, height);
        }
    }

    #[test]
    fn the_newest_log_lines_are_the_ones_shown() {
        let mut picture = picture();
        picture.log = (0..40).map(|n| format!("line {n}")).collect();
        let drawn = drawn(&picture, 100, 20).join("\n");
        assert!(drawn.contains("line 39") && !drawn.contains("line 1 "), "{drawn}");
    }
}
