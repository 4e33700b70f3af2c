//! From the bytes of a file to features with attributes and rings.

mod dbf;
mod geojson;
mod shapefile;
mod topojson;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::coordinate::without_tiny;
use crate::error::RegionError;

/// Vertices may lie this far beyond 180° or 90°: rounding by whoever made the file.
const ROUNDING_DEG: f64 = 1e-6;

/// `[lon, lat]` in degrees.
pub(crate) type Vertex = [f64; 2];

/// The layer and the file that are being read: what an error must name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) layer: &'a str,
    pub(crate) file: &'a str,
}

impl Origin<'_> {
    pub(crate) fn unreadable(self, reason: impl std::fmt::Display) -> RegionError {
        RegionError::Unreadable {
            layer: self.layer.into(),
            file: self.file.into(),
            reason: reason.to_string(),
        }
    }

    fn not_degrees(self, found: impl Into<String>) -> RegionError {
        RegionError::NotDegrees { layer: self.layer.into(), file: self.file.into(), found: found.into() }
    }

    /// `number` counts from 0.
    pub(crate) fn feature(self, number: usize, expected: &str, found: String) -> RegionError {
        RegionError::Feature {
            layer: self.layer.into(),
            file: self.file.into(),
            feature: number + 1,
            expected: expected.into(),
            found,
        }
    }
}

/// The features of a file.
#[derive(Debug, Default)]
pub(crate) struct FeatureTable {
    /// The names of the attributes.
    pub(crate) attributes: Vec<String>,
    pub(crate) features: Vec<Feature>,
    /// Points and lines: they hold no place and are left out.
    pub(crate) skipped_geometries: u64,
    /// Rings with a vertex that is not a finite number.
    pub(crate) dropped_rings: u64,
}

/// A region as its file has it.
#[derive(Debug, Default)]
pub(crate) struct Feature {
    /// Its attributes in the order of [`FeatureTable::attributes`]; an empty text is null.
    pub(crate) values: Vec<Option<String>>,
    /// All rings of all its polygons, outer and inner alike; the last vertex need not repeat the first.
    pub(crate) rings: Vec<Vec<Vertex>>,
}

/// Reads a file by its kind: a zipped shapefile, GeoJSON or TopoJSON.
pub(crate) fn read(origin: Origin<'_>, bytes: &[u8]) -> Result<FeatureTable, RegionError> {
    let extension = origin.file.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    let mut table = match extension.as_str() {
        "zip" => shapefile::read(origin, bytes)?,
        "json" | "geojson" | "topojson" => read_json(origin, bytes)?,
        _ => {
            let reason = "expected a zipped shapefile (.zip), GeoJSON (.geojson, .json) or TopoJSON (.topojson, \
                          .json); other kinds are not supported by this version";
            return Err(origin.unreadable(reason));
        }
    };
    clean(origin, &mut table)?;
    Ok(table)
}

fn read_json(origin: Origin<'_>, bytes: &[u8]) -> Result<FeatureTable, RegionError> {
    /// All that is needed to tell the two kinds apart.
    #[derive(serde::Deserialize)]
    struct Kind {
        #[serde(rename = "type")]
        kind: Option<String>,
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let kind: Kind = serde_json::from_slice(bytes).map_err(|error| origin.unreadable(error))?;
    match kind.kind.as_deref() {
        Some("FeatureCollection") => geojson::read(origin, bytes),
        Some("Topology") => topojson::read(origin, bytes),
        found => {
            let found = found.unwrap_or("none");
            Err(origin.unreadable(format!("expected the type FeatureCollection or Topology, found {found}")))
        }
    }
}

/// Drops rings that are not finite and refuses coordinates that cannot be degrees.
fn clean(origin: Origin<'_>, table: &mut FeatureTable) -> Result<(), RegionError> {
    for feature in &mut table.features {
        let rings = feature.rings.len();
        feature.rings.retain(|ring| ring.iter().flatten().all(|degrees| degrees.is_finite()));
        table.dropped_rings += (rings - feature.rings.len()) as u64;
        for vertex in feature.rings.iter_mut().flatten() {
            let [lon, lat] = *vertex;
            if lon.abs() > 180.0 + ROUNDING_DEG || lat.abs() > 90.0 + ROUNDING_DEG {
                return Err(origin.not_degrees(format!("a vertex at ({lon}, {lat})")));
            }
            *vertex = vertex.map(without_tiny);
        }
    }
    Ok(())
}

/// The own `id` of a JSON feature, and its properties.
type JsonRow = (Option<Value>, Option<Map<String, Value>>);

/// The properties of JSON features as columns; a feature's own `id` is the attribute `id` unless a property is
/// called so.
fn tabulate(rows: Vec<JsonRow>) -> (Vec<String>, Vec<Vec<Option<String>>>) {
    let mut names = BTreeSet::new();
    let mut has_id = false;
    for (id, properties) in &rows {
        names.extend(properties.iter().flat_map(|properties| properties.keys().cloned()));
        has_id |= id.is_some();
    }
    let own_id = has_id && !names.contains("id");
    let values = rows.into_iter().map(|(id, properties)| {
        let mut properties = properties.unwrap_or_default();
        let of_properties = names.iter().map(|name| properties.remove(name).and_then(text_of));
        let mut row: Vec<Option<String>> = of_properties.collect();
        if own_id {
            row.push(id.and_then(text_of));
        }
        row
    });
    let values = values.collect();
    let mut names: Vec<String> = names.into_iter().collect();
    if own_id {
        names.push("id".into());
    }
    (names, values)
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then_some(text),
        value => Some(value.to_string()),
    }
}
