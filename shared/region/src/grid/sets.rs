//! Every set of features that a place can have, found when the index is built.
//!
//! In a box whose corner has set S, every place has S plus a combination of the masks of the edges that touch the
//! box. Where few masks touch a box all combinations are listed; else the box is split, and each half has its
//! own corner and fewer edges. So some sets are listed that no place has, but none is missing.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::predicate::Edge;
use super::{FeatureSet, Grid};
use crate::reader::Vertex;

/// A box with at most this many masks is not split: 16 combinations.
const FEW_MASKS: usize = 4;
/// A cell is split into no more than this many boxes at a time.
const MOST_BOXES: usize = 4096;
/// A box is split no more often than this: borders that are apart by a 16-millionth of a cell.
const DEEPEST: usize = 48;
/// A box with more masks, that cannot be split any more, is refused: 4096 combinations are listed.
const MOST_MASKS: usize = 12;

/// A place where more than [`MOST_MASKS`] kinds of edges meet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowded {
    pub(crate) place: Vertex,
    pub(crate) limit: usize,
    pub(crate) found: usize,
}

/// The sets found so far.
#[derive(Debug)]
pub(super) struct SetTable {
    masks: Vec<Vec<u32>>,
    mask_keys: Vec<u128>,
    sets: Vec<Vec<u32>>,
    set_keys: Vec<u128>,
    set_of_key: FxHashMap<u128, FeatureSet>,
}

/// A part of a cell.
struct Part<'a> {
    /// The set of the place just north-east of `low`.
    base: FeatureSet,
    low: Vertex,
    high: Vertex,
    edges: Vec<&'a Edge>,
}

impl SetTable {
    pub(super) fn new(masks: Vec<Vec<u32>>) -> Self {
        let sum = |mask: &Vec<u32>| mask.iter().fold(0, |sum, &feature| sum ^ key(feature));
        let mask_keys = masks.iter().map(sum).collect();
        let set_of_key = [(0, 0)].into_iter().collect();
        SetTable { masks, mask_keys, sets: vec![Vec::new()], set_keys: vec![0], set_of_key }
    }

    /// The set `base` after crossing edges with these masks.
    pub(super) fn toggled(
        &mut self,
        base: FeatureSet,
        masks: impl Iterator<Item = u32> + Clone,
    ) -> FeatureSet {
        let start = self.set_keys[base as usize];
        let key = masks.clone().fold(start, |key, mask| key ^ self.mask_keys[mask as usize]);
        match self.set_of_key.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let mut features = self.sets[base as usize].clone();
                for mask in masks {
                    features.extend(&self.masks[mask as usize]);
                }
                features.sort_unstable();
                let once = features.chunk_by(|left, right| left == right).filter(|same| same.len() % 2 == 1);
                let features = once.map(|same| same[0]).collect();
                let set = self.sets.len() as FeatureSet;
                self.sets.push(features);
                self.set_keys.push(key);
                *new.insert(set)
            }
        }
    }

    /// Lists the sets of the places from `low` to `high`, where `base` is that of `low`.
    pub(super) fn list(
        &mut self,
        base: FeatureSet,
        low: Vertex,
        high: Vertex,
        edges: Vec<&Edge>,
    ) -> Result<(), Crowded> {
        let mut parts = vec![Part { base, low, high, edges }];
        for depth in 0.. {
            let may_split = depth < DEEPEST && parts.len() * 2 <= MOST_BOXES;
            let mut smaller = Vec::new();
            for part in parts {
                let masks = part.masks();
                if masks.len() <= FEW_MASKS {
                    self.list_combinations(part.base, &masks);
                } else if may_split && let Some(halves) = part.split(self) {
                    smaller.extend(halves);
                } else if masks.len() <= MOST_MASKS {
                    self.list_combinations(part.base, &masks);
                } else {
                    return Err(Crowded { place: part.low, limit: MOST_MASKS, found: masks.len() });
                }
            }
            if smaller.is_empty() {
                break;
            }
            parts = smaller;
        }
        Ok(())
    }

    fn list_combinations(&mut self, base: FeatureSet, masks: &[u32]) {
        for combination in 1u32..1 << masks.len() {
            let chosen = masks.iter().enumerate().filter(|(place, _)| combination >> place & 1 == 1);
            self.toggled(base, chosen.map(|(_, &mask)| mask));
        }
    }

    /// Gives the grid what it needs for lookups; returns the features of each set.
    pub(super) fn finish(self, grid: &mut Grid) -> Vec<Vec<u32>> {
        grid.mask_keys = self.mask_keys;
        grid.set_keys = self.set_keys;
        grid.set_of_key = self.set_of_key;
        self.sets
    }
}

impl<'a> Part<'a> {
    /// The masks of its edges, each once.
    fn masks(&self) -> Vec<u32> {
        let mut masks: Vec<u32> = self.edges.iter().map(|edge| edge.mask).collect();
        masks.sort_unstable();
        masks.dedup();
        masks
    }

    /// Its halves, east and west or south and north, whichever leaves fewer edges; none if there is no double between
    /// its sides.
    fn split(&self, sets: &mut SetTable) -> Option<[Part<'a>; 2]> {
        let halves = [0, 1].into_iter().filter_map(|axis| {
            let middle = self.low[axis] + (self.high[axis] - self.low[axis]) / 2.0;
            let (mut low, mut high) = (self.low, self.high);
            low[axis] = middle;
            high[axis] = middle;
            let is_between = self.low[axis] < middle && middle < self.high[axis];
            is_between.then(|| (low, self.edges_in(self.low, high), self.edges_in(low, self.high), high))
        });
        let (low, first, second, high) =
            halves.min_by_key(|(_, first, second, _)| first.len() + second.len())?;
        let crossed = self.edges.iter().filter(|edge| edge.is_between(self.low, low));
        let base = sets.toggled(self.base, crossed.map(|edge| edge.mask));
        Some([
            Part { base: self.base, low: self.low, high, edges: first },
            Part { base, low, high: self.high, edges: second },
        ])
    }

    fn edges_in(&self, low: Vertex, high: Vertex) -> Vec<&'a Edge> {
        self.edges.iter().filter(|edge| edge.may_touch(low, high)).copied().collect()
    }
}

/// The key of a feature: 128 bits that are well mixed (two steps of SplitMix64, Steele et al. 2014) and the same in
/// every run. Two of a million sets have the same sum with a probability of 1e-27.
fn key(feature: u32) -> u128 {
    let mix = |seed: u64| {
        let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let seed = u64::from(feature) * 2 + 1;
    u128::from(mix(seed)) << 64 | u128::from(mix(seed + 1))
}
