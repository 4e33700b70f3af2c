//! Building the grid: which edges touch which cell, and the set of each cell's anchor.

use super::axis::Axis;
use super::edges::{EdgeList, MaskedEdges};
use super::predicate::Edge;
use super::sets::{Crowded, SetTable};
use super::{FeatureSet, Grid};
use crate::coordinate::Bounds;

/// Cells per edge: most cells without an edge, most others with few.
const CELLS_PER_EDGE: usize = 4;
/// A grid of this many cells takes 50 MB.
const MOST_CELLS: usize = 4 << 20;
/// More than the rounding error of [`columns_in_row`], which is below 1e-12.
const PAD_DEG: f64 = 1e-9;

impl Grid {
    /// The index of these edges, and the features of each of its sets in order.
    ///
    /// # Errors
    /// [`Crowded`] if too many edges with different features meet in one place.
    pub(crate) fn build(edges: EdgeList) -> Result<(Grid, Vec<Vec<u32>>), Crowded> {
        let MaskedEdges { edges, masks } = edges.merge();
        let mut sets = SetTable::new(masks);
        let bounds = Bounds::of(edges.iter().flat_map(|edge| [edge.a, edge.b]));
        // Without edges all is outside, whatever the bounds are.
        let bounds = bounds.unwrap_or(Bounds { west: 0.0, south: 0.0, east: 0.0, north: 0.0 });
        let (columns, rows) = axes(&bounds, edges.len());
        let cells = columns.len() * rows.len();

        let mut starts = vec![0usize; cells + 1];
        for edge in &edges {
            each_cell(edge, &columns, &rows, |cell| starts[cell + 1] += 1);
        }
        for cell in 0..cells {
            starts[cell + 1] += starts[cell];
        }
        let mut ends = starts[..cells].to_vec();
        let mut cell_edges = vec![0; starts[cells]];
        for (place, edge) in edges.iter().enumerate() {
            each_cell(edge, &columns, &rows, |cell| {
                cell_edges[ends[cell]] = place as u32;
                ends[cell] += 1;
            });
        }

        let mut grid = Grid {
            bounds,
            columns,
            rows,
            bases: Vec::with_capacity(cells),
            starts,
            cell_edges,
            edges,
            mask_keys: Vec::new(),
            set_keys: Vec::new(),
            set_of_key: Default::default(),
        };
        for row in 0..grid.rows.len() {
            grid.add_anchors(row, &mut sets);
        }
        for cell in 0..cells {
            grid.list_sets(cell, &mut sets)?;
        }
        let features = sets.finish(&mut grid);
        Ok((grid, features))
    }

    /// The sets of the anchors of a row. The first column begins west of everything, so that its anchor is outside;
    /// from one anchor to the next the path east crosses only edges that touch the closed cell between them.
    fn add_anchors(&mut self, row: usize, sets: &mut SetTable) {
        let y = self.rows.border(row);
        let mut base: FeatureSet = 0;
        for column in 0..self.columns.len() {
            let cell = row * self.columns.len() + column;
            self.bases.push(base);
            let (here, next) = ([self.columns.border(column), y], [self.columns.border(column + 1), y]);
            let edges = self.edges_of(cell).iter().map(|&edge| &self.edges[edge as usize]);
            let crossed = edges.filter(|edge| edge.is_east_of(here) != edge.is_east_of(next));
            base = sets.toggled(base, crossed.map(|edge| edge.mask));
        }
    }

    /// Lists the sets that can occur in a cell.
    fn list_sets(&self, cell: usize, sets: &mut SetTable) -> Result<(), Crowded> {
        let edges: Vec<&Edge> = self.edges_of(cell).iter().map(|&edge| &self.edges[edge as usize]).collect();
        if edges.is_empty() {
            return Ok(());
        }
        let (row, column) = (cell / self.columns.len(), cell % self.columns.len());
        let low = [self.columns.border(column), self.rows.border(row)];
        let high = [self.columns.border(column + 1), self.rows.border(row + 1)];
        sets.list(self.bases[cell], low, high, edges)
    }
}

/// Columns and rows such that cells are about square.
fn axes(bounds: &Bounds, edges: usize) -> (Axis, Axis) {
    let cells = (edges * CELLS_PER_EDGE).clamp(1, MOST_CELLS);
    let (width, height) = (bounds.east - bounds.west, bounds.north - bounds.south);
    let ratio = if width > 0.0 && height > 0.0 { width / height } else { 1.0 };
    let columns = ((cells as f64 * ratio).sqrt() as usize).clamp(1, cells);
    let rows = (cells / columns).max(1);
    (Axis::new(bounds.west, bounds.east, columns), Axis::new(bounds.south, bounds.north, rows))
}

/// Calls `visit` with every cell that the edge may touch, once each.
fn each_cell(edge: &Edge, columns: &Axis, rows: &Axis, mut visit: impl FnMut(usize)) {
    let (south, north) = (edge.a[1].min(edge.b[1]), edge.a[1].max(edge.b[1]));
    let (first, last) = (rows.place(south), rows.place(north));
    for row in first..=last {
        let (west, east) = if first == last {
            (edge.a[0], edge.b[0])
        } else {
            columns_in_row(edge, rows.border(row).max(south), rows.border(row + 1).min(north))
        };
        for column in columns.place(west - PAD_DEG)..=columns.place(east + PAD_DEG) {
            visit(row * columns.len() + column);
        }
    }
}

/// The least and the greatest x of the part of an edge between two heights. The differences are exact but for a
/// relative error of 2⁻⁵³ each, the quotient is at most 1, so the error is a few ulps of 360.
fn columns_in_row(edge: &Edge, low: f64, high: f64) -> (f64, f64) {
    let (a, b) = (edge.a, edge.b);
    let at = |height: f64| a[0] + (height - a[1]) / (b[1] - a[1]) * (b[0] - a[0]);
    let (x, y) = (at(low), at(high));
    (x.min(y).max(a[0]), x.max(y).min(b[0]))
}
