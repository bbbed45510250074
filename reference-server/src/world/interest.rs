//! Who is near whom: a uniform grid, rebuilt each tick by counting sort.
//!
//! A rebuild is two passes over the points without allocation; a query reads the cells that its
//! circle touches. Points outside the bounds count to the outermost cells, so nothing is missed.

use shardline_protocol::game::Point;

/// Most cells on a side: a zone of any size costs bounded memory.
const CELLS_MAX: usize = 256;

/// Points in cells of one size.
#[derive(Debug)]
pub(super) struct Grid {
    min: Point,
    cell: f32,
    side: [usize; 2],
    /// Cell `i` holds `order[starts[i]..starts[i + 1]]`.
    starts: Vec<u32>,
    order: Vec<u32>,
    points: Vec<Point>,
}

impl Grid {
    /// An empty grid over the bounds, with cells of about `cell` world units.
    pub(super) fn new(min: Point, max: Point, cell: f32) -> Self {
        let longest = (max[0] - min[0]).max(max[1] - min[1]);
        let cell = cell.max(longest / CELLS_MAX as f32);
        let side = [0, 1].map(|axis| ((max[axis] - min[axis]) / cell).ceil().max(1.0) as usize);
        let starts = vec![0; side[0] * side[1] + 1];
        Self { min, cell, side, starts, order: Vec::new(), points: Vec::new() }
    }

    /// Replaces all points; a point's index is its place in `points`.
    pub(super) fn rebuild(&mut self, points: impl Iterator<Item = Point>) {
        self.points.clear();
        self.points.extend(points);
        self.starts.fill(0);
        for index in 0..self.points.len() {
            let cell = self.cell_of(self.points[index]);
            self.starts[cell + 1] += 1;
        }
        for cell in 1..self.starts.len() {
            self.starts[cell] += self.starts[cell - 1];
        }
        self.order.clear();
        self.order.resize(self.points.len(), 0);
        // Filled from the back, so that the starts end up where they belong.
        for index in (0..self.points.len()).rev() {
            let cell = self.cell_of(self.points[index]);
            self.starts[cell + 1] -= 1;
            self.order[self.starts[cell + 1] as usize] = index as u32;
        }
        for cell in 0..self.starts.len() - 1 {
            self.starts[cell] = self.starts[cell + 1];
        }
        let last = self.starts.len() - 1;
        self.starts[last] = self.points.len() as u32;
    }

    /// Appends the indices of all points within `radius` of `at`, with their distances, in order of
    /// their index.
    pub(super) fn query(&self, at: Point, radius: f32, found: &mut Vec<(u32, f32)>) {
        let start = found.len();
        let [left, top] = self.column_row([at[0] - radius, at[1] - radius]);
        let [right, bottom] = self.column_row([at[0] + radius, at[1] + radius]);
        for row in top..=bottom {
            // Cells of a row lie side by side: one run.
            let (first, last) = (row * self.side[0] + left, row * self.side[0] + right);
            let run = self.starts[first] as usize..self.starts[last + 1] as usize;
            for &index in &self.order[run] {
                let point = self.points[index as usize];
                let distance = (point[0] - at[0]).hypot(point[1] - at[1]);
                if distance <= radius {
                    found.push((index, distance));
                }
            }
        }
        found[start..].sort_unstable_by_key(|&(index, _)| index);
    }

    fn column_row(&self, at: Point) -> [usize; 2] {
        [0, 1].map(|axis| {
            // A float to integer cast saturates: what is outside counts to the outermost cell.
            let cell = ((at[axis] - self.min[axis]) / self.cell) as usize;
            cell.min(self.side[axis] - 1)
        })
    }

    fn cell_of(&self, at: Point) -> usize {
        let [column, row] = self.column_row(at);
        row * self.side[0] + column
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Grid;

    proptest! {
        #[test]
        fn a_query_finds_what_a_search_of_everything_finds(
            points in prop::collection::vec([-20.0_f32..220.0, -20.0_f32..220.0], 0..200),
            at in [-30.0_f32..230.0, -30.0_f32..230.0],
            radius in 0.0_f32..120.0,
            cell in 1.0_f32..90.0,
        ) {
            let mut grid = Grid::new([0.0, 0.0], [200.0, 200.0], cell);
            grid.rebuild([[1.0, 1.0]; 7].into_iter());
            grid.rebuild(points.iter().copied());
            let mut found = Vec::new();
            grid.query(at, radius, &mut found);
            let near = |&(_, point): &(usize, &[f32; 2])| {
                (point[0] - at[0]).hypot(point[1] - at[1]) <= radius
            };
            let expected: Vec<u32> =
                points.iter().enumerate().filter(near).map(|(index, _)| index as u32).collect();
            prop_assert_eq!(found.iter().map(|&(index, _)| index).collect::<Vec<_>>(), expected);
        }
    }
}
