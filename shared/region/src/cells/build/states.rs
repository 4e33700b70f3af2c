//! Sets of features, and the zones they come to.
//!
//! A set is known by a sum of 128 bits: each feature has a key, and a set is the exclusive or of the keys of its
//! features. To cross an edge adds the keys of the features it belongs to.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::Features;

/// A set of features.
pub(super) type State = u32;
/// The features that an edge belongs to: the number of the feature if it is one, else a number beyond all features.
pub(super) type Mask = u32;
/// No feature.
pub(super) const EMPTY: State = 0;

/// What one thread has found so far.
pub(super) struct States<'a> {
    features: &'a Features<'a>,
    /// Masks of several features, as places in `pool`.
    masks: Vec<(u32, u32)>,
    mask_of: FxHashMap<Box<[u32]>, Mask>,
    sets: Vec<(u64, u32)>,
    keys: Vec<u128>,
    set_of: FxHashMap<u128, State>,
    /// The zone of each set, once it was asked for.
    zone_of: Vec<Option<u32>>,
    pool: Vec<u32>,
    mask_pool: Vec<u32>,
    pub(super) zones: Zones,
}

/// Zones by what counts in each layer.
#[derive(Default)]
pub(super) struct Zones {
    /// For each zone a number for each layer: 0 for none, else of a region or of a list of regions.
    pub(super) tuples: Vec<Box<[u32]>>,
    zone_of: FxHashMap<Box<[u32]>, u32>,
    /// For each layer whose columns are lists: the lists, from number 1.
    pub(super) lists: Vec<Vec<Vec<u32>>>,
    list_of: Vec<FxHashMap<Vec<u32>, u32>>,
}

impl<'a> States<'a> {
    pub(super) fn new(features: &'a Features<'a>) -> Self {
        let layers = features.layers.len();
        let outside: Box<[u32]> = vec![0; layers].into();
        let zones = Zones {
            tuples: vec![outside.clone()],
            zone_of: [(outside, 0)].into_iter().collect(),
            lists: vec![Vec::new(); layers],
            list_of: vec![FxHashMap::default(); layers],
        };
        States {
            features,
            masks: Vec::new(),
            mask_of: FxHashMap::default(),
            sets: vec![(0, 0)],
            keys: vec![0],
            set_of: [(0, EMPTY)].into_iter().collect(),
            zone_of: vec![Some(0)],
            pool: Vec::new(),
            mask_pool: Vec::new(),
            zones,
        }
    }

    /// The mask of these features, which are several and in order.
    pub(super) fn mask(&mut self, features: &[u32]) -> Mask {
        if let Some(&mask) = self.mask_of.get(features) {
            return mask;
        }
        let mask = self.features.layer_of.len() as u32 + self.masks.len() as u32;
        self.masks.push((self.mask_pool.len() as u32, features.len() as u32));
        self.mask_pool.extend(features);
        self.mask_of.insert(features.into(), mask);
        mask
    }

    /// The features of a mask.
    pub(super) fn features_of<'b>(&'b self, mask: &'b Mask) -> &'b [u32] {
        match (*mask as usize).checked_sub(self.features.layer_of.len()) {
            None => std::slice::from_ref(mask),
            Some(place) => {
                let (start, len) = self.masks[place];
                &self.mask_pool[start as usize..][..len as usize]
            }
        }
    }

    /// A bit for each layer that has a feature of the mask.
    pub(super) fn layers_of(&self, mask: Mask) -> u32 {
        let bit = |&feature: &u32| 1 << self.features.layer_of[feature as usize];
        self.features_of(&mask).iter().fold(0, |layers, feature| layers | bit(feature))
    }

    /// The sum of the keys of its features.
    pub(super) fn key_of(&self, mask: Mask) -> u128 {
        self.features_of(&mask).iter().fold(0, |sum, &feature| sum ^ key(feature))
    }

    /// The set after crossing edges with these masks.
    pub(super) fn toggled(&mut self, state: State, masks: &[Mask]) -> State {
        let start = self.keys[state as usize];
        let mut sum = start;
        for mask in masks {
            sum ^= self.key_of(*mask);
        }
        if sum == start {
            return state;
        }
        if let Some(&known) = self.set_of.get(&sum) {
            return known;
        }
        let (place, len) = self.sets[state as usize];
        let mut features = self.pool[place as usize..][..len as usize].to_vec();
        for mask in masks {
            features.extend(self.features_of(mask));
        }
        features.sort_unstable();
        let odd = features.chunk_by(|left, right| left == right).filter(|same| same.len() % 2 == 1);
        let start = self.pool.len();
        self.pool.extend(odd.map(|same| same[0]));
        let set = self.sets.len() as State;
        self.sets.push((start as u64, (self.pool.len() - start) as u32));
        self.keys.push(sum);
        self.zone_of.push(None);
        self.set_of.insert(sum, set);
        set
    }

    /// The zone of a set.
    pub(super) fn zone(&mut self, state: State) -> u32 {
        if let Some(zone) = self.zone_of[state as usize] {
            return zone;
        }
        let (place, len) = self.sets[state as usize];
        let features = &self.pool[place as usize..][..len as usize];
        let mut tuple = vec![0; self.features.layers.len()];
        let layer_of = &self.features.layer_of;
        let same_layer = |left: &u32, right: &u32| layer_of[*left as usize] == layer_of[*right as usize];
        for of_layer in features.chunk_by(same_layer) {
            let layer = usize::from(layer_of[of_layer[0] as usize]);
            let choice = &self.features.layers[layer];
            let regions = of_layer.iter().map(|&feature| self.features.region_of[feature as usize]);
            tuple[layer] = if choice.is_list {
                // Features are in the order of regions.
                let mut regions: Vec<u32> = regions.collect();
                regions.dedup();
                self.zones.list(layer, regions)
            } else {
                let first = regions.min_by_key(|&region| choice.ranks[region as usize]);
                first.map_or(0, |region| region + 1)
            };
        }
        let zone = self.zones.zone(tuple.into());
        self.zone_of[state as usize] = Some(zone);
        zone
    }
}

impl Zones {
    fn zone(&mut self, tuple: Box<[u32]>) -> u32 {
        match self.zone_of.entry(tuple) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.tuples.push(new.key().clone());
                *new.insert(self.tuples.len() as u32 - 1)
            }
        }
    }

    fn list(&mut self, layer: usize, regions: Vec<u32>) -> u32 {
        let lists = &mut self.lists[layer];
        *self.list_of[layer].entry(regions).or_insert_with_key(|regions| {
            lists.push(regions.clone());
            lists.len() as u32
        })
    }
}

/// The key of a feature: 128 bits that are well mixed (two steps of SplitMix64, Steele et al. 2014) and the same in
/// every run. Two of a million sets have the same sum with a probability of 1e-27.
fn key(feature: u32) -> u128 {
    let seed = u64::from(feature) * 2 + 1;
    u128::from(mixed(seed)) << 64 | u128::from(mixed(seed + 1))
}

/// One step of SplitMix64.
fn mixed(seed: u64) -> u64 {
    let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
