//! How the plane is cut into zones.

use shardline_protocol::game::Point;
use thiserror::Error;

use crate::ids::ZoneId;

/// A grid of square zones: `rows` times `cols`, row-major, from the origin.
///
/// ```
/// use reference_server::ids::ZoneId;
/// use reference_server::world::Layout;
///
/// let layout = Layout::new(2, 3, 100.0)?;
/// assert_eq!(layout.zone_at([250.0, 150.0]), ZoneId(5));
/// assert_eq!(layout.neighbours(ZoneId(0)), [ZoneId(1), ZoneId(3), ZoneId(4)]);
/// assert_eq!(layout.distance(ZoneId(1), [90.0, 50.0]), 10.0);
/// # Ok::<(), reference_server::world::LayoutError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    rows: u32,
    cols: u32,
    edge: f32,
}

/// A layout that cannot work.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
#[error(
    "{rows}x{cols} zones of {edge}: there are 1 to {} zones with an edge of 32 to 8192",
    Layout::ZONES_MAX
)]
pub struct LayoutError {
    /// As given.
    pub rows: u32,
    /// As given.
    pub cols: u32,
    /// As given.
    pub edge: f32,
}

impl Layout {
    /// Most zones of one world.
    pub const ZONES_MAX: u32 = 64;

    /// A world of `rows` by `cols` zones, each `edge` world units on a side.
    ///
    /// # Errors
    ///
    /// [`LayoutError`] with no zone, too many, or zones of an unusable size.
    pub fn new(rows: u32, cols: u32, edge: f32) -> Result<Self, LayoutError> {
        let zones = rows.saturating_mul(cols);
        if zones == 0 || zones > Self::ZONES_MAX || !(32.0..=8192.0).contains(&edge) {
            return Err(LayoutError { rows, cols, edge });
        }
        Ok(Self { rows, cols, edge })
    }

    /// Rows of zones.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Zones in a row.
    pub fn cols(&self) -> u32 {
        self.cols
    }

    /// The side of a zone, in world units.
    pub fn edge(&self) -> f32 {
        self.edge
    }

    /// Width and height of the world.
    pub fn size(&self) -> Point {
        [self.cols as f32 * self.edge, self.rows as f32 * self.edge]
    }

    /// All zones.
    pub fn zones(&self) -> impl Iterator<Item = ZoneId> + use<> {
        (0..self.rows * self.cols).map(ZoneId)
    }

    /// The zone that `at` is in; a point outside the world belongs to the nearest one.
    pub fn zone_at(&self, at: Point) -> ZoneId {
        let cell = |value: f32, count: u32| ((value / self.edge) as u32).min(count - 1);
        ZoneId(cell(at[1], self.rows) * self.cols + cell(at[0], self.cols))
    }

    /// The least and the greatest corner of a zone.
    pub fn bounds(&self, zone: ZoneId) -> (Point, Point) {
        let (row, col) = (zone.0 / self.cols, zone.0 % self.cols);
        let min = [col as f32 * self.edge, row as f32 * self.edge];
        (min, [min[0] + self.edge, min[1] + self.edge])
    }

    /// The middle of a zone.
    pub fn centre(&self, zone: ZoneId) -> Point {
        let (min, max) = self.bounds(zone);
        [(min[0] + max[0]) / 2.0, (min[1] + max[1]) / 2.0]
    }

    /// The zones that touch this one, corners included, in order.
    pub fn neighbours(&self, zone: ZoneId) -> Vec<ZoneId> {
        let (row, col) = (i64::from(zone.0 / self.cols), i64::from(zone.0 % self.cols));
        let (rows, cols) = (i64::from(self.rows), i64::from(self.cols));
        let around = (-1..=1).flat_map(|down| (-1..=1).map(move |right| (down, right)));
        around
            .filter(|&offset| offset != (0, 0))
            .map(|(down, right)| (row + down, col + right))
            .filter(|&(row, col)| (0..rows).contains(&row) && (0..cols).contains(&col))
            .map(|(row, col)| ZoneId((row * cols + col) as u32))
            .collect()
    }

    /// How far `at` is from the zone; 0 inside it.
    pub fn distance(&self, zone: ZoneId, at: Point) -> f32 {
        let (min, max) = self.bounds(zone);
        let axis = |value: f32, min: f32, max: f32| (min - value).max(value - max).max(0.0);
        axis(at[0], min[0], max[0]).hypot(axis(at[1], min[1], max[1]))
    }
}

/// How far two points are apart.
pub(super) fn distance(one: Point, other: Point) -> f32 {
    (one[0] - other[0]).hypot(one[1] - other[1])
}

#[cfg(test)]
mod tests {
    use super::Layout;

    #[test]
    fn every_point_of_a_zone_is_in_that_zone() {
        let layout = Layout::new(3, 4, 64.0).unwrap();
        for zone in layout.zones() {
            let (min, max) = layout.bounds(zone);
            assert_eq!(layout.zone_at(min), zone);
            assert_eq!(layout.zone_at([max[0] - 0.01, max[1] - 0.01]), zone);
            assert_eq!(layout.distance(zone, layout.centre(zone)), 0.0);
        }
        assert_eq!(layout.zone_at([-5.0, f32::NAN]).0, 0);
        assert_eq!(layout.zone_at([1e9, 1e9]).0, 11);
    }

    #[test]
    fn unusable_layouts_are_refused() {
        for (rows, cols, edge) in [(0, 1, 64.0), (9, 9, 64.0), (1, 1, 1.0), (1, 1, f32::NAN)] {
            assert!(Layout::new(rows, cols, edge).is_err());
        }
    }
}
