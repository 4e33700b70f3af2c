//! The exact place → zone index: a tree of cells over all layers. Here its form and the lookup, in [`build`] how it is made.
//!
//! # Form
//! A root grid over the box of all layers, then nodes of 4 × 4 entries. An entry is a zone (no edge touches the cell),
//! a node, or a border cell: the few edges that touch it, and the zone for each combination of edges crossed.
//! Cells are squares of fixed-point numbers ([`fixed`]): they say where to look and nothing else. What is
//! decided is decided with the layers' own doubles.
//!
//! # Why it is exact
//! A place P stands for P' = (x + ε, y + ε²) with ε > 0 as small as need be: P moved an infinitesimal step east,
//! then north. P' lies on no vertex and on no edge. A feature holds P' if a path from P' to a place outside
//! crosses its edges an odd number of times (even-odd rule). So the features of P' and of another place C differ
//! by those whose edges a path between them crosses an odd number of times.
//!
//! C is the south-eastern corner of the cell, just inside: (e − δ, s + ε²), where e and s are the least longitude
//! and latitude of the next column and of this row, and ε² is infinitesimal beside δ. The path goes from P' east
//! to the cell's eastern side, then south to C. It stays in the cell, hence crosses only edges that touch the
//! cell. For an edge from p to q let `ray` say whether the whole ray from P' to the east crosses it, and let a
//! vertex be *beyond* if it lies east of the side and not above P. The ray and the path differ by the border of the quadrant
//! of the places beyond, so if the path went on south for ever, it would cross the edge an odd number of times exactly if
//! `ray ≠ (p is beyond) ≠ (q is beyond)`; that it goes on changes the answer of all places of the cell alike, by
//! what the formula says for C, and so the table of zones is made relative to C.
//! Along a chain of edges the vertices between cancel: only whether its ends are beyond counts. `ray` is two
//! comparisons and the sign of one determinant, in floating point where an error bound (Shewchuk 1997) allows it,
//! else exactly.

pub(crate) mod build;
mod cell;
mod fixed;
mod lookup;
mod predicate;

#[cfg(test)]
mod tests;

pub(crate) use lookup::{Cells, MOST_LAYERS, Root};
