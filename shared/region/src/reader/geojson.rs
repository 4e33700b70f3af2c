//! GeoJSON (RFC 7946): a FeatureCollection.

use geojson::feature::Id;
use geojson::{FeatureCollection, GeometryValue};
use serde_json::{Map, Value};

use super::{Feature, FeatureTable, Origin, tabulate};
use crate::error::RegionError;

/// Names of systems in degrees of longitude and latitude that the `crs` of older files gives. As GDAL writes it,
/// longitude comes first in all of them.
const DEGREES: [&str; 7] =
    ["CRS84", "CRS83", "EPSG::4326", "EPSG:4326", "EPSG::4269", "EPSG:4269", "OGC:CRS84"];

pub(super) fn read(origin: Origin<'_>, bytes: &[u8]) -> Result<FeatureTable, RegionError> {
    let collection: FeatureCollection =
        serde_json::from_slice(bytes).map_err(|error| origin.unreadable(error))?;
    check_crs(origin, collection.foreign_members.as_ref())?;
    let mut table = FeatureTable::default();
    let mut rows = Vec::with_capacity(collection.features.len());
    for feature in collection.features {
        let mut rings = Vec::new();
        if let Some(geometry) = feature.geometry {
            add_rings(
                origin,
                table.features.len(),
                geometry.value,
                &mut rings,
                &mut table.skipped_geometries,
            )?;
        }
        table.features.push(Feature { values: Vec::new(), rings });
        let id = feature.id.map(|id| match id {
            Id::String(text) => Value::String(text),
            Id::Number(number) => Value::Number(number),
        });
        rows.push((id, feature.properties));
    }
    let (attributes, values) = tabulate(rows);
    table.attributes = attributes;
    for (feature, values) in table.features.iter_mut().zip(values) {
        feature.values = values;
    }
    Ok(table)
}

/// RFC 7946 knows degrees only; a `crs` of older files may name another system.
fn check_crs(origin: Origin<'_>, members: Option<&Map<String, Value>>) -> Result<(), RegionError> {
    let Some(crs) = members.and_then(|members| members.get("crs")).filter(|crs| !crs.is_null()) else {
        return Ok(());
    };
    match crs.pointer("/properties/name").and_then(Value::as_str) {
        Some(name) if DEGREES.iter().any(|degrees| name.ends_with(degrees)) => Ok(()),
        Some(name) => Err(origin.not_degrees(name)),
        None => Err(origin.not_degrees(crs.to_string())),
    }
}

fn add_rings(
    origin: Origin<'_>,
    number: usize,
    geometry: GeometryValue,
    rings: &mut Vec<Vec<[f64; 2]>>,
    skipped: &mut u64,
) -> Result<(), RegionError> {
    let polygons = match geometry {
        GeometryValue::Polygon { coordinates } => vec![coordinates],
        GeometryValue::MultiPolygon { coordinates } => coordinates,
        GeometryValue::GeometryCollection { geometries } => {
            for geometry in geometries {
                add_rings(origin, number, geometry.value, rings, skipped)?;
            }
            Vec::new()
        }
        _ => {
            *skipped += 1;
            Vec::new()
        }
    };
    for ring in polygons.into_iter().flatten() {
        let vertex = |position: geojson::Position| match position.as_slice() {
            [lon, lat, ..] => Ok([*lon, *lat]),
            found => Err(origin.feature(number, "positions of two numbers", format!("{found:?}"))),
        };
        rings.push(ring.into_iter().map(vertex).collect::<Result<_, _>>()?);
    }
    Ok(())
}
