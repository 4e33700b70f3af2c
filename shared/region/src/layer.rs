//! One layer: its regions, and which of them a place lies in.

use std::collections::BTreeMap;

use crate::config::LayerConfig;
use crate::coordinate::{Bounds, Coordinate};
use crate::error::RegionError;
use crate::grid::{Crowded, EdgeList, Grid};
use crate::reader::{Feature, FeatureTable, Origin};
use crate::rows::{Row, Rows};
use crate::values::{FieldValue, Values};

/// The regions that count for a place, as a number that is small: an index into dictionaries.
///
/// Numbers are given in the order of the regions' ids; they are the same for the same regions, in whatever order
/// their file has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId(u32);

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Debug)]
pub struct Layer {
    name: String,
    report: LayerReport,
    regions: Vec<Region>,
    grid: Grid,
    /// For each set of features the regions that count, by the rule for overlaps.
    set_of: Vec<SetId>,
    /// The regions of each [`SetId`], by the bytes of their ids.
    members: Vec<Vec<u32>>,
    values: Values,
}

#[derive(Clone, Debug)]
struct Region {
    id: String,
    bounds: Option<Bounds>,
    has_area: bool,
}

impl Layer {
    /// Indexes the features of a file.
    pub(crate) fn build(
        config: &LayerConfig,
        origin: Origin<'_>,
        table: FeatureTable,
    ) -> Result<Self, RegionError> {
        let mut report = LayerReport {
            features: table.features.len() as u64,
            dropped_rings: table.dropped_rings,
            skipped_geometries: table.skipped_geometries,
            ..LayerReport::default()
        };
        let rows = Rows::new(config, origin, &table)?;
        report.filtered = report.features - rows.kept.len() as u64;

        // Features of one id are parts of one region; regions are numbered by their ids.
        let mut parts: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in &rows.kept {
            parts.entry(&row.id).or_default().push(row);
        }
        report.regions = parts.len() as u64;
        report.repeated_ids = rows.kept.len() as u64 - report.regions;

        let mut edges = EdgeList::default();
        let mut regions = Vec::with_capacity(parts.len());
        let mut region_of = Vec::with_capacity(rows.kept.len());
        for (place, (id, parts)) in parts.iter().enumerate() {
            let mut bounds: Option<Bounds> = None;
            for row in parts {
                let feature: &Feature = &table.features[row.feature];
                for ring in &feature.rings {
                    edges.add_ring(region_of.len() as u32, ring);
                    report.rings += 1;
                    report.vertices += ring.len() as u64;
                    let of_ring = Bounds::of(ring.iter().copied());
                    bounds = [bounds, of_ring].into_iter().flatten().reduce(Bounds::union);
                }
                region_of.push(place as u32);
            }
            regions.push(Region { id: (*id).to_owned(), bounds, has_area: false });
        }
        if report.rings == 0 {
            return Err(origin.unreadable("expected polygons, found none that belong to the layer"));
        }
        let firsts: Vec<&Row> = parts.values().map(|parts| parts[0]).collect();
        let ranks = rows.ranks(config, &firsts);

        let (grid, feature_sets) = Grid::build(edges).map_err(|Crowded { place, limit, found }| {
            let [lon, lat] = place.map(|degrees| degrees.to_string());
            RegionError::Crowded { layer: config.name.clone(), limit, found, lon, lat }
        })?;
        // A feature with an edge that does not cancel out is in some set.
        for &feature in feature_sets.iter().flatten() {
            regions[region_of[feature as usize] as usize].has_area = true;
        }
        report.without_area = regions.iter().filter(|region| !region.has_area).count() as u64;
        let (set_of, members) = choose(config, &feature_sets, &region_of, &ranks);
        let values = Values::new(config, &firsts, &members);
        Ok(Layer { name: config.name.clone(), report, regions, grid, set_of, members, values })
    }

    /// The regions that count for a place.
    pub fn locate(&self, coordinate: Coordinate) -> SetId {
        self.set_of[self.grid.locate([coordinate.lon(), coordinate.lat()]) as usize]
    }

    /// The same in words, and whether the place lies exactly on a border.
    pub fn position(&self, coordinate: Coordinate) -> Position {
        let set = self.locate(coordinate);
        if self.grid.is_on_edge([coordinate.lon(), coordinate.lat()]) {
            Position::OnBoundary(set)
        } else if set == SetId::NONE {
            Position::Outside
        } else {
            Position::Inside(set)
        }
    }

    /// Every set that [`Layer::locate`] can answer, [`SetId::NONE`] first.
    pub fn set_ids(&self) -> impl ExactSizeIterator<Item = SetId> + use<> {
        (0..self.members.len()).map(|set| SetId(set as u32))
    }

    /// What the field at place `field` of layers.toml says for a set.
    pub fn value(&self, field: usize, set: SetId) -> FieldValue<'_> {
        self.values.of(field, set.index())
    }

    /// The ids of the regions of a set, in the order of their bytes.
    pub fn ids(&self, set: SetId) -> Vec<&str> {
        self.members[set.index()].iter().map(|&region| self.regions[region as usize].id.as_str()).collect()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it was made of.
    pub fn report(&self) -> &LayerReport {
        &self.report
    }

    /// The ids of all regions in the order of their bytes, those that never count included.
    pub fn region_ids(&self) -> impl ExactSizeIterator<Item = &str> {
        self.regions.iter().map(|region| region.id.as_str())
    }

    /// The ids of the regions that hold no place, since their rings have no area.
    pub fn ids_without_area(&self) -> Vec<&str> {
        self.regions.iter().filter(|region| !region.has_area).map(|region| region.id.as_str()).collect()
    }

    /// The box of all regions.
    pub fn bounds(&self) -> Option<Bounds> {
        self.regions.iter().filter_map(|region| region.bounds).reduce(Bounds::union)
    }

    /// The box of the region called `id`; none if there is no such region, or it has no rings.
    pub fn bounds_of(&self, id: &str) -> Option<Bounds> {
        let place = self.regions.binary_search_by(|region| region.id.as_str().cmp(id)).ok()?;
        self.regions[place].bounds
    }
}

/// For each set of features the regions that count, and these sets of regions in order.
fn choose(
    config: &LayerConfig,
    feature_sets: &[Vec<u32>],
    region_of: &[u32],
    ranks: &[u32],
) -> (Vec<SetId>, Vec<Vec<u32>>) {
    let chosen = |features: &Vec<u32>| -> Vec<u32> {
        let mut regions: Vec<u32> = features.iter().map(|&feature| region_of[feature as usize]).collect();
        regions.dedup();
        if !config.is_list() {
            let first = regions.iter().copied().min_by_key(|&region| ranks[region as usize]);
            regions = first.into_iter().collect();
        }
        regions
    };
    let chosen: Vec<Vec<u32>> = feature_sets.iter().map(chosen).collect();
    // The empty set is there and sorts first: it is SetId::NONE.
    let mut members = chosen.clone();
    members.sort_unstable();
    members.dedup();
    let set_of = |regions: &Vec<u32>| SetId(members.partition_point(|known| known < regions) as u32);
    (chosen.iter().map(set_of).collect(), members)
}
