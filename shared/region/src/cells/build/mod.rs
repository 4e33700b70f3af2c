//! How the index is made: edges into root cells, cells into quarters of quarters until they have few edges.
//!
//! Root rows are independent of each other, so threads share them; what they find is put together in the order of
//! rows, and zones are numbered by what they are. So the index is the same whatever the number of threads is.

mod combinations;
mod join;
mod merge;
mod runs;
mod split;
mod states;
mod zones;

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::lookup::Root;
use crate::reader::Vertex;
pub(crate) use join::{check_size, join};
pub(crate) use zones::LayerZones;

/// What the index is made of: rings of features, and what layers make of several features at a place.
pub(crate) struct Features<'a> {
    pub(crate) rings: Vec<Ring<'a>>,
    /// The layer of each feature; features of a layer follow each other.
    pub(crate) layer_of: Vec<u8>,
    /// The region of each feature in its layer; not less than that of the feature before.
    pub(crate) region_of: Vec<u32>,
    pub(crate) layers: Vec<Choice>,
}

/// A ring of a feature; the last vertex need not repeat the first.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    pub(crate) vertices: &'a [Vertex],
    pub(crate) feature: u32,
}

/// Which regions of a layer count at a place in several.
pub(crate) struct Choice {
    /// All of them, else the one of least rank.
    pub(crate) is_list: bool,
    pub(crate) ranks: Vec<u32>,
}

/// Edges of a ring, one after the other, that touch a root cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    cell: u32,
    ring: u32,
    start: u32,
    count: u32,
}

/// The index in pieces: one for each root row, whose numbers count from 0.
pub(crate) struct Built {
    pub(crate) root: Root,
    pub(crate) rows: Vec<Row>,
    pub(crate) zones: Vec<LayerZones>,
    pub(crate) zone_count: usize,
    /// Whether a feature has an edge that does not cancel out.
    pub(crate) has_edges: Vec<bool>,
}

/// A root row.
#[derive(Default)]
pub(crate) struct Row {
    thread: usize,
    pub(crate) roots: Vec<u32>,
    pub(crate) nodes: Vec<u32>,
    pub(crate) cells: Vec<u64>,
}

/// Why there is no index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Crowded {
    pub(crate) place: Vertex,
    pub(crate) limit: usize,
    pub(crate) found: usize,
}

impl Features<'_> {
    /// The ends of an edge of a ring: it is numbered by its first vertex, the last one leads back to the first.
    #[inline(always)]
    fn edge(&self, ring: u32, edge: u32) -> [Vertex; 2] {
        let vertices = self.rings[ring as usize].vertices;
        [vertices[edge as usize], *vertices.get(edge as usize + 1).unwrap_or(&vertices[0])]
    }
}

/// Builds the index with so many threads.
pub(crate) fn build(features: &Features<'_>, threads: NonZeroUsize) -> Result<Built, Crowded> {
    let root = runs::root(features);
    let runs = runs::all(features, &root, threads);
    let rows: Vec<&[Run]> = by_row(&runs, &root);
    let rows = rows.as_slice();
    let next = AtomicUsize::new(0);
    let failed: Mutex<Option<(usize, Crowded)>> = Mutex::new(None);
    let work = &|thread: usize| {
        let mut builder = split::Builder::new(features, root);
        let mut done: Vec<(usize, Row)> = Vec::new();
        loop {
            let row = next.fetch_add(1, Ordering::Relaxed);
            let Some(runs) = rows.get(row) else { break };
            match builder.row(row as u32, runs) {
                Ok(built) => done.push((row, Row { thread, ..built })),
                Err(crowded) => {
                    let mut failed = failed.lock().expect("no thread panics while it holds the lock");
                    // The southernmost one is told of, whoever found it first.
                    if failed.is_none_or(|(known, _)| row < known) {
                        *failed = Some((row, crowded));
                    }
                    break;
                }
            }
        }
        (done, builder.finish())
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads.get()).map(|thread| scope.spawn(move || work(thread))).collect();
        handles.into_iter().map(|handle| handle.join().expect("a builder does not panic")).collect()
    });
    if let Some((_, crowded)) = failed.into_inner().expect("all threads have ended") {
        return Err(crowded);
    }
    let mut built: Vec<Row> = Vec::new();
    built.resize_with(rows.len(), Row::default);
    let mut found = Vec::new();
    let mut has_edges = vec![false; features.layer_of.len()];
    for (done, (zones, seen)) in results {
        for (row, piece) in done {
            built[row] = piece;
        }
        has_edges.iter_mut().zip(seen).for_each(|(all, seen)| *all |= seen);
        found.push(zones);
    }
    drop(runs);
    let (zones, zone_count) = zones::number(features, &found, &mut built, threads);
    Ok(Built { root, rows: built, zones, zone_count, has_edges })
}

fn by_row<'a>(runs: &'a [Run], root: &Root) -> Vec<&'a [Run]> {
    let mut rest = runs;
    let own = |row: u32| {
        let end = rest.partition_point(|run| run.cell / root.columns <= row);
        let (own, others) = rest.split_at(end);
        rest = others;
        own
    };
    (0..root.rows).map(own).collect()
}
