//! The regions of a layer, from the features of its file.

use std::collections::BTreeMap;

use crate::config::LayerConfig;
use crate::coordinate::Bounds;
use crate::error::RegionError;
use crate::layer::LayerReport;
use crate::reader::{Feature, FeatureTable, Origin};
use crate::rows::{Row, Rows};

/// What a layer's file gave, before it is indexed.
pub(crate) struct Regions {
    pub(crate) report: LayerReport,
    /// In the order of their ids.
    pub(crate) regions: Vec<Region>,
    /// Features that belong to the layer, in the order of their regions: rings, and the place of the region.
    pub(crate) features: Vec<(Vec<Vec<[f64; 2]>>, u32)>,
    /// The place of each region by the rule for overlaps.
    pub(crate) ranks: Vec<u32>,
}

/// A region.
pub(crate) struct Region {
    pub(crate) id: String,
    /// What it says in each field.
    pub(crate) fields: Vec<Option<String>>,
    pub(crate) bounds: Option<Bounds>,
}

impl Regions {
    /// Sorts features into regions.
    pub(crate) fn new(
        config: &LayerConfig,
        origin: Origin<'_>,
        mut table: FeatureTable,
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

        let mut regions = Vec::with_capacity(parts.len());
        let mut features = Vec::with_capacity(rows.kept.len());
        for (place, (id, parts)) in parts.iter().enumerate() {
            let mut bounds: Option<Bounds> = None;
            for row in parts {
                let feature: &mut Feature = &mut table.features[row.feature];
                let rings = std::mem::take(&mut feature.rings);
                for ring in &rings {
                    report.rings += 1;
                    report.vertices += ring.len() as u64;
                    let of_ring = Bounds::of(ring.iter().copied());
                    bounds = [bounds, of_ring].into_iter().flatten().reduce(Bounds::union);
                }
                features.push((rings, place as u32));
            }
            regions.push(Region { id: (*id).to_owned(), fields: parts[0].fields.clone(), bounds });
        }
        if report.rings == 0 {
            return Err(origin.unreadable("expected polygons, found none that belong to the layer"));
        }
        let firsts: Vec<&Row> = parts.values().map(|parts| parts[0]).collect();
        let ranks = rows.ranks(config, &firsts);
        Ok(Regions { report, regions, features, ranks })
    }
}
