//! One layer of an index: its regions, and which of them a place lies in.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::coordinate::{Bounds, Coordinate};
use crate::file::{IndexFile, LayerDescription, LayerTables, NULL_TEXT};
use crate::values::{FieldValue, Texts};

/// The regions that count for a place, as a number that is small: an index into dictionaries.
///
/// Numbers are given in the order of the regions' ids; they are the same for the same regions, in whatever order
/// their file has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId(pub(crate) u32);

impl SetId {
    /// No region: outside.
    pub const NONE: SetId = SetId(0);

    /// Its place among [`Layer::set_ids`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where a place lies in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Inside these regions.
    Inside(SetId),
    /// In no region.
    Outside,
    /// Exactly on a border: the rule (east, then north) gives it to these regions, or to none.
    OnBoundary(SetId),
}

/// What a layer was made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerReport {
    /// Features of the file.
    pub features: u64,
    /// Features that `where` left out.
    pub filtered: u64,
    /// Regions, that is different ids.
    pub regions: u64,
    /// Features beyond the first of their id: parts of one region.
    pub repeated_ids: u64,
    /// Regions that hold no place, since their rings have no area: nothing will ever be counted in them.
    pub without_area: u64,
    /// Rings that were used.
    pub rings: u64,
    /// Vertices of these rings.
    pub vertices: u64,
    /// Rings that were left out: a vertex is not a finite number.
    pub dropped_rings: u64,
    /// Points and lines, which hold no place and were left out.
    pub skipped_geometries: u64,
}

/// A layer that answers which regions a place lies in.
#[derive(Clone)]
pub struct Layer {
    file: Arc<IndexFile>,
    /// Which layer of the file it is.
    place: usize,
}

impl fmt::Debug for Layer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Layer").field(self.description()).finish()
    }
}

impl Layer {
    pub(crate) fn new(file: Arc<IndexFile>, place: usize) -> Self {
        Layer { file, place }
    }

    pub(crate) fn description(&self) -> &LayerDescription {
        &self.file.description.layers[self.place]
    }

    fn tables(&self) -> LayerTables<'_> {
        self.file.layer(self.place)
    }

    /// The set of each zone.
    pub(crate) fn set_of(&self) -> &[u32] {
        self.tables().set_of
    }

    /// The regions that count for one place; for many there is [`Index::locate`](crate::Index::locate).
    pub fn locate(&self, coordinate: Coordinate) -> SetId {
        let zone = self.file.cells().locate_one(coordinate.lon(), coordinate.lat());
        SetId(self.set_of().get(zone as usize).copied().unwrap_or(0))
    }

    /// The same in words, and whether the place lies exactly on a border.
    pub fn position(&self, coordinate: Coordinate) -> Position {
        let set = self.locate(coordinate);
        let on = self.file.cells().layers_on(coordinate.lon(), coordinate.lat());
        if on >> self.place & 1 == 1 {
            Position::OnBoundary(set)
        } else if set == SetId::NONE {
            Position::Outside
        } else {
            Position::Inside(set)
        }
    }

    /// Every set that [`Layer::locate`] can answer, [`SetId::NONE`] first.
    pub fn set_ids(&self) -> impl ExactSizeIterator<Item = SetId> + use<> {
        (0..self.description().sets as usize).map(|set| SetId(set as u32))
    }

    /// What the field at place `field` of layers.toml says for a set.
    pub fn value(&self, field: usize, set: SetId) -> FieldValue<'_> {
        match self.regions_of(set) {
            [] => FieldValue::Null,
            regions if self.description().is_list => FieldValue::Many(Texts::new(self, field, regions)),
            [region, ..] => self.text(*region, field + 1).map_or(FieldValue::Null, FieldValue::One),
        }
    }

    /// The ids of the regions of a set, in the order of their bytes.
    pub fn ids(&self, set: SetId) -> Vec<&str> {
        self.regions_of(set).iter().map(|&region| self.id(region)).collect()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.description().name
    }

    /// Its file, as layers.toml names it.
    pub fn source(&self) -> &str {
        &self.description().source
    }

    /// The SHA-256 of its file, in hexadecimal digits.
    pub fn source_sha256(&self) -> &str {
        &self.description().source_sha256
    }

    /// Which edition of the regions it is.
    pub fn vintage(&self) -> &str {
        &self.description().vintage
    }

    /// The scale for which its lines were drawn, such as `1:500k`.
    pub fn scale(&self) -> &str {
        &self.description().scale
    }

    /// What it was made of.
    pub fn report(&self) -> &LayerReport {
        &self.description().report
    }

    /// The ids of all regions in the order of their bytes, those that never count included.
    pub fn region_ids(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.description().regions).map(|region| self.id(region))
    }

    /// The ids of the regions that hold no place, since their rings have no area.
    pub fn ids_without_area(&self) -> Vec<&str> {
        let has_area = self.tables().has_area;
        self.region_ids().zip(has_area).filter(|(_, has_area)| **has_area == 0).map(|(id, _)| id).collect()
    }

    /// The box of all regions.
    pub fn bounds(&self) -> Option<Bounds> {
        (0..self.description().regions)
            .filter_map(|region| self.bounds_of_region(region))
            .reduce(Bounds::union)
    }

    /// The box of the region called `id`; none if there is no such region, or it has no rings.
    pub fn bounds_of(&self, id: &str) -> Option<Bounds> {
        let (mut low, mut high) = (0, self.description().regions);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.id(middle).cmp(id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return self.bounds_of_region(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn bounds_of_region(&self, region: u32) -> Option<Bounds> {
        let [west, south, east, north] = *self.tables().boxes.get(region as usize)?;
        (west <= east).then_some(Bounds { west, south, east, north })
    }

    fn regions_of(&self, set: SetId) -> &[u32] {
        let tables = self.tables();
        let of = |place: usize| tables.set_starts.get(place).map(|&start| start as usize);
        let range = of(set.index()).zip(of(set.index() + 1)).map(|(start, end)| start..end);
        range.and_then(|range| tables.set_regions.get(range)).unwrap_or_default()
    }

    fn id(&self, region: u32) -> &str {
        self.text(region, 0).unwrap_or_default()
    }

    /// A text of a region: 0 is its id, then come its fields.
    pub(crate) fn text(&self, region: u32, place: usize) -> Option<&str> {
        let tables = self.tables();
        let columns = self.description().fields as usize + 1;
        if place >= columns {
            return None;
        }
        let [start, len] = *tables.texts.get(region as usize * columns + place)?;
        if start == NULL_TEXT {
            return None;
        }
        let bytes = tables.pool.get(start as usize..start as usize + len as usize)?;
        std::str::from_utf8(bytes).ok()
    }
}
