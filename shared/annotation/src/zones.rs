//! Zones over layers that are asked one after the other.
//!
//! Stands in for an index that answers for all layers at once, and has that index's interface; to be dropped
//! with it.

use std::sync::{PoisonError, RwLock};

use bisonflow_region::{Coordinate, Index, SetId};
use rustc_hash::FxHashMap;

/// A combination of region sets, one of each layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ZoneId(u32);

impl ZoneId {
    /// Outside every layer.
    pub(crate) const NONE: ZoneId = ZoneId(0);

    /// The zone at a place.
    pub(crate) fn from_index(index: usize) -> Self {
        ZoneId(index as u32)
    }

    /// Its place among the zones.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The layers, and the zones that were met so far.
pub(crate) struct Zones {
    index: Index,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    by_sets: FxHashMap<Box<[SetId]>, ZoneId>,
    sets: Vec<Box<[SetId]>>,
}

impl Zones {
    pub(crate) fn new(index: Index) -> Self {
        let none: Box<[SetId]> = index.layers().iter().map(|_| SetId::NONE).collect();
        let mut known = Known::default();
        known.by_sets.insert(none.clone(), ZoneId::NONE);
        known.sets.push(none);
        Zones { index, known: RwLock::new(known) }
    }

    /// The zones of places; one whose coordinates are no number or out of range is outside.
    pub(crate) fn locate(&self, lon: &[f64], lat: &[f64], zones: &mut [ZoneId]) {
        let mut sets = vec![SetId::NONE; self.index.layers().len()];
        for (zone, (&lon, &lat)) in zones.iter_mut().zip(lon.iter().zip(lat)) {
            let Ok(coordinate) = Coordinate::new(lon, lat) else {
                *zone = ZoneId::NONE;
                continue;
            };
            for (set, layer) in sets.iter_mut().zip(self.index.layers()) {
                *set = layer.locate(coordinate);
            }
            *zone = self.zone(&sets);
        }
    }

    fn zone(&self, sets: &[SetId]) -> ZoneId {
        if let Some(&zone) = self.known.read().unwrap_or_else(PoisonError::into_inner).by_sets.get(sets) {
            return zone;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let next = ZoneId(u32::try_from(known.sets.len()).expect("fewer zones than u32 can number"));
        let zone = *known.by_sets.entry(sets.into()).or_insert(next);
        if zone == next {
            known.sets.push(sets.into());
        }
        zone
    }

    /// How many zones there are.
    pub(crate) fn zone_count(&self) -> usize {
        self.known.read().unwrap_or_else(PoisonError::into_inner).sets.len()
    }

    /// The set of a layer that a zone lies in.
    pub(crate) fn set_of(&self, layer: usize, zone: ZoneId) -> SetId {
        self.known.read().unwrap_or_else(PoisonError::into_inner).sets[zone.index()][layer]
    }
}
