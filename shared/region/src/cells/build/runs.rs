//! The root grid, and which edges touch which of its cells.

use std::num::NonZeroUsize;

use super::{Features, Run};
use crate::cells::fixed::{column, row, units_of_lat, units_of_lon};
use crate::cells::lookup::Root;

/// The side of a root cell is 2^22, 2^21 or 2^20 units: the more edges, the smaller.
const SHIFTS: [(u32, usize); 3] = [(22, 20_000), (21, 2_000_000), (20, usize::MAX)];
/// Cells are taken to be larger than they are by this part of their side on each side: more than the rounding error
/// of [`units_of_lon`], 2⁻²⁰ units, and that of what is worked out from it, as long as a cell has a side of
/// [`super::split::LEAST_SHIFT`] or more.
const PAD: f64 = 1.0 / 65_536.0;

/// A piece of a grid: cells of a side of 2^`shift` units from `west`, `south`, in units.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    pub(super) west: u64,
    pub(super) south: u64,
    pub(super) shift: u32,
    pub(super) columns: i64,
    pub(super) rows: i64,
}

/// The root grid for the box of all rings.
pub(super) fn root(features: &Features<'_>) -> Root {
    let vertices: usize = features.rings.iter().map(|ring| ring.vertices.len()).sum();
    let shift = SHIFTS.iter().find(|(_, most)| vertices <= *most).map_or(20, |(shift, _)| *shift);
    let mut columns = [u32::MAX, 0];
    let mut rows = [u32::MAX, 0];
    for &[lon, lat] in features.rings.iter().flat_map(|ring| ring.vertices) {
        let (column, row) = (column(lon) >> shift, row(lat) >> shift);
        columns = [columns[0].min(column), columns[1].max(column)];
        rows = [rows[0].min(row), rows[1].max(row)];
    }
    if vertices == 0 {
        return Root { shift, column: 0, row: 0, columns: 1, rows: 1 };
    }
    Root {
        shift,
        column: columns[0],
        row: rows[0],
        columns: columns[1] - columns[0] + 1,
        rows: rows[1] - rows[0] + 1,
    }
}

/// The runs of all root cells in order.
pub(super) fn all(features: &Features<'_>, root: &Root, threads: NonZeroUsize) -> Vec<Run> {
    let tiles = Tiles {
        west: u64::from(root.column) << root.shift,
        south: u64::from(root.row) << root.shift,
        shift: root.shift,
        columns: i64::from(root.columns),
        rows: i64::from(root.rows),
    };
    let share = features.rings.len().div_ceil(threads.get()).max(1);
    let of_share = |share: std::ops::Range<usize>| {
        let mut runs = Vec::new();
        for ring in share {
            add_ring(features, &tiles, ring as u32, &mut runs);
        }
        runs.sort_unstable();
        runs
    };
    let mut all: Vec<Run> = std::thread::scope(|scope| {
        let starts = (0..features.rings.len()).step_by(share);
        let shares = starts.map(|start| start..(start + share).min(features.rings.len()));
        let handles: Vec<_> = shares.map(|share| scope.spawn(|| of_share(share))).collect();
        let parts = handles.into_iter().map(|handle| handle.join().expect("sorting does not panic"));
        parts.reduce(|mut all, part| {
            all.extend(part);
            all
        })
    })
    .unwrap_or_default();
    // Shares are sorted runs one after the other, which a stable sort finds and merges.
    all.sort();
    // An edge over a border is a run of its own: put together what belongs together.
    all.dedup_by(|next, run| {
        let is_next = (run.cell, run.ring, run.start + run.count) == (next.cell, next.ring, next.start);
        if is_next {
            run.count += next.count;
        }
        is_next
    });
    all
}

fn add_ring(features: &Features<'_>, tiles: &Tiles, ring: u32, runs: &mut Vec<Run>) {
    let vertices = features.rings[ring as usize].vertices;
    for edge in 0..vertices.len() as u32 {
        let ends = features.edge(ring, edge);
        if ends[0] == ends[1] {
            continue;
        }
        let cell = |column: i64, row: i64| (row * tiles.columns + column) as u32;
        match tiles.same(ends) {
            Some((column, row)) => match runs.last_mut() {
                Some(run)
                    if (run.cell, run.ring, run.start + run.count) == (cell(column, row), ring, edge) =>
                {
                    run.count += 1;
                }
                _ => runs.push(Run { cell: cell(column, row), ring, start: edge, count: 1 }),
            },
            None => tiles.each(ends, |column, row| {
                runs.push(Run { cell: cell(column, row), ring, start: edge, count: 1 });
            }),
        }
    }
}

impl Tiles {
    /// The tile of a vertex, which may lie beyond the grid.
    #[inline(always)]
    fn of(&self, [lon, lat]: [f64; 2]) -> (i64, i64) {
        let (x, y) = (i64::from(column(lon)), i64::from(row(lat)));
        ((x - self.west as i64) >> self.shift, (y - self.south as i64) >> self.shift)
    }

    /// The tile that holds both ends, hence the whole edge; none if the edge reaches over a side.
    #[inline(always)]
    pub(super) fn same(&self, ends: [[f64; 2]; 2]) -> Option<(i64, i64)> {
        let (p, q) = (self.of(ends[0]), self.of(ends[1]));
        let is_inside = (0..self.columns).contains(&p.0) && (0..self.rows).contains(&p.1);
        (p == q && is_inside).then_some(p)
    }

    /// Every tile that an edge touches, and some that it passes nearby.
    ///
    /// What is worked out for an edge is true of one whose ends are moved by a rounding error, and the tiles are
    /// padded by more than that.
    pub(super) fn each(&self, ends: [[f64; 2]; 2], mut visit: impl FnMut(i64, i64)) {
        let side = (1u64 << self.shift) as f64;
        let [p, q] = ends.map(|[lon, lat]| {
            let (x, y) = (units_of_lon(lon) - self.west as f64, units_of_lat(lat) - self.south as f64);
            [x / side, y / side]
        });
        let (low, high) = if p[1] <= q[1] { (p, q) } else { (q, p) };
        let within = |from: f64, to: f64, count: i64| {
            ((from - PAD).floor() as i64).max(0)..=((to + PAD).floor() as i64).min(count - 1)
        };
        for row in within(low[1], high[1], self.rows) {
            let (floor, ceiling) = (row as f64 - PAD, row as f64 + 1.0 + PAD);
            let at = |height: f64| low[0] + (height - low[1]) / (high[1] - low[1]) * (high[0] - low[0]);
            let from = if low[1] < floor { at(floor) } else { low[0] };
            let to = if high[1] > ceiling { at(ceiling) } else { high[0] };
            for column in within(from.min(to), from.max(to), self.columns) {
                visit(column, row);
            }
        }
    }
}
