//! The edges of all features, each once.

use std::cmp::Ordering;

use rustc_hash::FxHashMap;

use super::predicate::Edge;
use crate::reader::Vertex;

/// Collects the edges of the rings of features.
#[derive(Debug, Default)]
pub(crate) struct EdgeList {
    /// Ends in order (west before east, then south before north), and the feature.
    pub(super) edges: Vec<(Vertex, Vertex, u32)>,
}

/// Edges with the masks that they name: the features, in order, whose parity an edge changes.
#[derive(Debug)]
pub(super) struct MaskedEdges {
    pub(super) edges: Vec<Edge>,
    pub(super) masks: Vec<Vec<u32>>,
}

impl EdgeList {
    /// Adds the edges of a ring of `feature`, and the one that closes it if it is open. A repeated vertex makes no
    /// edge.
    pub(crate) fn add_ring(&mut self, feature: u32, ring: &[Vertex]) {
        let nexts = ring.iter().cycle().skip(1);
        for (&a, &b) in ring.iter().zip(nexts) {
            match order(a, b) {
                Ordering::Less => self.edges.push((a, b, feature)),
                Ordering::Greater => self.edges.push((b, a, feature)),
                Ordering::Equal => {}
            }
        }
    }

    /// Makes one edge of those with the same ends. A feature that has an edge twice does not have it at all: to
    /// cross it changes its parity twice. So spikes and rings without area vanish, and a border between two
    /// features is one edge.
    pub(super) fn merge(mut self) -> MaskedEdges {
        let by_ends = |left: &(Vertex, Vertex, u32), right: &(Vertex, Vertex, u32)| {
            order(left.0, right.0).then_with(|| order(left.1, right.1))
        };
        self.edges.sort_unstable_by(|left, right| by_ends(left, right).then(left.2.cmp(&right.2)));
        let mut places: FxHashMap<Vec<u32>, u32> = FxHashMap::default();
        let mut merged = MaskedEdges { edges: Vec::new(), masks: Vec::new() };
        let mut mask = Vec::new();
        for same in self.edges.chunk_by(|left, right| by_ends(left, right).is_eq()) {
            mask.clear();
            for of_feature in same.chunk_by(|left, right| left.2 == right.2) {
                if of_feature.len() % 2 == 1 {
                    mask.push(of_feature[0].2);
                }
            }
            if mask.is_empty() {
                continue;
            }
            let place = match places.get(&mask) {
                Some(&place) => place,
                None => {
                    let place = merged.masks.len() as u32;
                    places.insert(mask.clone(), place);
                    merged.masks.push(mask.clone());
                    place
                }
            };
            merged.edges.push(Edge { a: same[0].0, b: same[0].1, mask: place });
        }
        merged
    }
}

fn order(a: Vertex, b: Vertex) -> Ordering {
    a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1]))
}
