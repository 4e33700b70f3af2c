//! On which side of an edge a place lies, decided exactly.

use robust::{Coord, orient2d};

use crate::reader::Vertex;

/// A piece of a border between two vertices, for questions that are asked when the index is built.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    /// The western end; the southern one if the edge is upright.
    pub(super) a: Vertex,
    /// The other end.
    pub(super) b: Vertex,
    /// The kind of edge: all of a kind belong to the same features.
    pub(super) kind: u32,
}

/// Twice the area of the triangle a, b, c: positive if c is left of the way from a to b, 0 if exactly on its line.
pub(super) fn side(a: Vertex, b: Vertex, c: Vertex) -> f64 {
    let coord = |[x, y]: Vertex| Coord { x, y };
    orient2d(coord(a), coord(b), coord(c))
}

impl Edge {
    /// The edge from `p` to `q`, whichever is west.
    pub(super) fn new(p: Vertex, q: Vertex, kind: u32) -> Self {
        let is_ordered = (p[0], p[1]) <= (q[0], q[1]);
        let (a, b) = if is_ordered { (p, q) } else { (q, p) };
        Edge { a, b, kind }
    }

    /// Whether the ray from P' to the east crosses the edge.
    ///
    /// The ray runs at height y + ε². A vertex at y is below it, so the edge crosses the ray's line if and only if
    /// exactly one end has a height ≤ y. It crosses where x is that of the edge at height y, but for a multiple of
    /// ε²; that is east of x + ε if and only if the edge at height y is strictly east of P: if P is on the edge,
    /// the step of ε outweighs that of ε².
    pub(super) fn is_east_of(&self, p: Vertex) -> bool {
        let (a, b) = (self.a, self.b);
        if (a[1] <= p[1]) == (b[1] <= p[1]) || b[0] <= p[0] {
            return false;
        }
        // a is the western end: if it is east of P, so is all of the edge.
        if a[0] > p[0] {
            return true;
        }
        let (low, high) = if a[1] < b[1] { (a, b) } else { (b, a) };
        side(low, high, p) > 0.0
    }

    /// Whether the ray from P' to the north crosses the edge.
    ///
    /// The ray runs at x + ε. A vertex at x is west of it, so the edge crosses the ray's line if and only if
    /// exactly one end has an x ≤ P.x. Its height there is that of the edge at x plus ε times its slope; that is
    /// above y + ε² if and only if the edge is strictly above P, or P is on it and it rises to the east.
    pub(super) fn is_north_of(&self, p: Vertex) -> bool {
        let (a, b) = (self.a, self.b);
        if (a[0] <= p[0]) == (b[0] <= p[0]) {
            return false;
        }
        let side = side(a, b, p);
        side < 0.0 || (side == 0.0 && b[1] > a[1])
    }

    /// Whether the path from A' north, then east to P' crosses the edge (once; twice is not at all). A must not be
    /// east or north of P.
    pub(super) fn is_between(&self, anchor: Vertex, p: Vertex) -> bool {
        let corner = [anchor[0], p[1]];
        (self.is_north_of(anchor) != self.is_north_of(corner))
            != (self.is_east_of(corner) != self.is_east_of(p))
    }

    /// Whether the ray to the east from the place just west of P, at height y + ε², crosses the edge. That place
    /// is (x − δ, y + ε²) where ε² is infinitesimal beside δ: a vertex at x is east of it, and so is an edge
    /// through P.
    pub(super) fn is_east_of_west_side(&self, p: Vertex) -> bool {
        let (a, b) = (self.a, self.b);
        if (a[1] <= p[1]) == (b[1] <= p[1]) || b[0] < p[0] {
            return false;
        }
        if a[0] >= p[0] {
            return true;
        }
        let (low, high) = if a[1] < b[1] { (a, b) } else { (b, a) };
        side(low, high, p) >= 0.0
    }

    /// Whether the ray to the north from the same place crosses the edge: at x − δ it is above y + ε² if it is
    /// strictly above P, or P is on it and it falls to the east.
    pub(super) fn is_north_of_west_side(&self, p: Vertex) -> bool {
        let (a, b) = (self.a, self.b);
        if (a[0] < p[0]) == (b[0] < p[0]) {
            return false;
        }
        if p[1] == f64::NEG_INFINITY {
            return true;
        }
        let side = side(a, b, p);
        side < 0.0 || (side == 0.0 && b[1] < a[1])
    }

    /// Whether P itself is a place of the edge.
    pub(super) fn passes_through(&self, p: Vertex) -> bool {
        self.is_around(p) && side(self.a, self.b, p) == 0.0
    }

    /// Whether P lies in the edge's box.
    fn is_around(&self, p: Vertex) -> bool {
        let within = |axis: usize| {
            let (low, high) = (self.a[axis].min(self.b[axis]), self.a[axis].max(self.b[axis]));
            (low..=high).contains(&p[axis])
        };
        within(0) && within(1)
    }

    /// Whether all of both edges lies on one line.
    pub(super) fn is_in_line_with(&self, other: &Edge) -> bool {
        side(self.a, self.b, other.a) == 0.0 && side(self.a, self.b, other.b) == 0.0
    }

    /// False only if no place of the edge lies in the closed box from `low` to `high`.
    pub(super) fn may_touch(&self, low: Vertex, high: Vertex) -> bool {
        let apart = |axis: usize| {
            self.a[axis].max(self.b[axis]) < low[axis] || self.a[axis].min(self.b[axis]) > high[axis]
        };
        if apart(0) || apart(1) {
            return false;
        }
        let corners = [low, high, [low[0], high[1]], [high[0], low[1]]];
        let sides = corners.map(|corner| side(self.a, self.b, corner));
        !(sides.iter().all(|&side| side > 0.0) || sides.iter().all(|&side| side < 0.0))
    }
}
