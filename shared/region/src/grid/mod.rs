//! The exact point → set of features index: a uniform grid of cells, each with an anchor whose features are known.
//!
//! # Why it is exact
//! A place P stands for P' = (x + ε, y + ε²) with ε > 0 as small as need be: P moved an infinitesimal step east,
//! then north. P' lies on no vertex and on no edge. A feature holds P' if a path from P' to a place outside
//! crosses its edges an odd number of times (even-odd rule), so the features of P' and of another place A' differ
//! by those whose edges a path between them crosses an odd number of times.
//!
//! Cells are half open and made by a monotone function of x and one of y ([`Axis`]), so that rounding can move a
//! border but never leaves a gap. The anchor A of a cell is its least x and y; the path goes from A' north to
//! Q' = (A.x + ε, P.y + ε²), then east to P'. It stays in the closed cell, hence crosses only edges that touch the
//! closed cell, which are the cell's list (with some more, which are not crossed and do no harm). Each crossing
//! is decided by comparisons and the sign of one determinant, computed exactly ([`predicate`]).
//!
//! Sets of features are 128-bit sums: each feature has a random key, a set is the exclusive or of the keys of its
//! features, and crossing an edge adds the keys of the features on it. Every set that can occur is listed when
//! the index is built ([`sets`]).

mod axis;
mod build;
mod edges;
mod predicate;
mod sets;

use axis::Axis;
pub(crate) use edges::EdgeList;
use predicate::Edge;
use rustc_hash::FxHashMap;
pub(crate) use sets::Crowded;

use crate::coordinate::Bounds;

/// The number of a set of features; 0 is the empty set.
pub(crate) type FeatureSet = u32;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    bounds: Bounds,
    columns: Axis,
    rows: Axis,
    /// The set of each cell's anchor; cells are numbered row by row from the south-west.
    bases: Vec<FeatureSet>,
    /// Where the edges of each cell begin in `cell_edges`, and the end of the last one.
    starts: Vec<usize>,
    /// Edges that touch each cell, as places in `edges`.
    cell_edges: Vec<u32>,
    edges: Vec<Edge>,
    /// For each mask of the edges, the sum of the keys of its features.
    mask_keys: Vec<u128>,
    /// The sum of the keys of each set of features.
    set_keys: Vec<u128>,
    /// From the sum of the keys to the set.
    set_of_key: FxHashMap<u128, FeatureSet>,
}

impl Grid {
    /// The features that hold (x, y)'.
    pub(crate) fn locate(&self, p: [f64; 2]) -> FeatureSet {
        let [x, y] = p;
        let Bounds { west, south, east, north } = self.bounds;
        // On the eastern or northern border P' is already beyond it.
        if x < west || x >= east || y < south || y >= north {
            return 0;
        }
        let (column, row) = (self.columns.place(x), self.rows.place(y));
        let cell = row * self.columns.len() + column;
        let base = self.bases[cell];
        let edges = self.edges_of(cell);
        if edges.is_empty() {
            return base;
        }
        let anchor = [self.columns.border(column), self.rows.border(row)];
        let start = self.set_keys[base as usize];
        let crossed =
            edges.iter().map(|&edge| &self.edges[edge as usize]).filter(|edge| edge.is_between(anchor, p));
        let key = crossed.fold(start, |key, edge| key ^ self.mask_keys[edge.mask as usize]);
        if key == start { base } else { self.set_of_key[&key] }
    }

    /// Whether (x, y) itself lies on an edge.
    pub(crate) fn is_on_edge(&self, [x, y]: [f64; 2]) -> bool {
        let Bounds { west, south, east, north } = self.bounds;
        if !(west..=east).contains(&x) || !(south..=north).contains(&y) {
            return false;
        }
        let cell = self.rows.place(y) * self.columns.len() + self.columns.place(x);
        self.edges_of(cell).iter().any(|&edge| self.edges[edge as usize].passes_through([x, y]))
    }

    fn edges_of(&self, cell: usize) -> &[u32] {
        &self.cell_edges[self.starts[cell]..self.starts[cell + 1]]
    }
}

#[cfg(test)]
mod tests;
