//! From the bytes of a file to features with attributes and rings.

mod antimeridian;
mod crs;
mod dbf;
mod flatgeobuf;
pub mod fuzzing;
mod geojson;
mod geoparquet;
mod shapefile;
mod topojson;

use std::collections::BTreeSet;
use std::panic;

use serde_json::{Map, Value};

use crate::coordinate::without_tiny;
use crate::error::RegionError;
use crs::Crs;

/// Vertices may lie this far beyond 180° or 90°: rounding by whoever made the file.
const ROUNDING_DEG: f64 = 1e-6;
const BEYOND_180: f64 = 180.0 + ROUNDING_DEG;

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
    /// The names of all attributes of the file.
    pub(crate) known: Vec<String>,
    /// The names of those that were read.
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

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Shapefile,
    GeoJson,
    TopoJson,
    FlatGeobuf,
    GeoParquet,
}

/// Reads a file by its kind, which its content tells whatever its name: a zipped shapefile, GeoJSON, TopoJSON,
/// FlatGeobuf or GeoParquet. Of the attributes it reads those that are `wanted`.
pub(crate) fn read(origin: Origin<'_>, bytes: Vec<u8>, wanted: &[&str]) -> Result<FeatureTable, RegionError> {
    let kind = kind(origin, &bytes)?;
    read_as(kind, origin, bytes, wanted)
}

fn read_as(
    kind: Kind,
    origin: Origin<'_>,
    bytes: Vec<u8>,
    wanted: &[&str],
) -> Result<FeatureTable, RegionError> {
    let (table, crs) = match kind {
        Kind::Shapefile => shapefile::read(origin, &bytes, wanted)?,
        Kind::GeoJson => geojson::read(origin, without_mark(&bytes), wanted)?,
        Kind::TopoJson => (topojson::read(origin, without_mark(&bytes), wanted)?, Crs::Degrees),
        Kind::FlatGeobuf => flatgeobuf::read(origin, &bytes, wanted)?,
        // The parquet crate asserts what a damaged file may not fulfil, such as offsets that are not negative. The
        // bytes are moved in and nothing else is shared, so nothing half-done is left behind.
        Kind::GeoParquet => panic::catch_unwind(|| geoparquet::read(origin, bytes, wanted))
            .unwrap_or_else(|_| Err(origin.unreadable("the Parquet file is damaged")))?,
    };
    finish(origin, table, &crs)
}

fn kind(origin: Origin<'_>, bytes: &[u8]) -> Result<Kind, RegionError> {
    if bytes.starts_with(b"PK\x03\x04") {
        Ok(Kind::Shapefile)
    } else if bytes.starts_with(flatgeobuf::MAGIC) {
        Ok(Kind::FlatGeobuf)
    } else if bytes.starts_with(geoparquet::MAGIC) {
        Ok(Kind::GeoParquet)
    } else if without_mark(bytes).trim_ascii_start().starts_with(b"{") {
        kind_of_json(origin, bytes)
    } else {
        let found = match bytes {
            [] => "an empty file".to_owned(),
            [0, 0, 0x27, 0x0a, ..] => "a .shp alone; zip it together with its .dbf and .prj".to_owned(),
            _ if bytes.starts_with(b"SQLite format 3") => "a GeoPackage or other database".to_owned(),
            _ => format!(
                "a file that begins with {:?}",
                String::from_utf8_lossy(&bytes[..bytes.len().min(20)])
            ),
        };
        Err(origin.unreadable(format!(
            "expected a zipped shapefile (.zip), GeoJSON, TopoJSON, FlatGeobuf or GeoParquet, found {found}; ogr2ogr \
             makes any of these of other kinds"
        )))
    }
}

fn kind_of_json(origin: Origin<'_>, bytes: &[u8]) -> Result<Kind, RegionError> {
    /// All that is needed to tell the two kinds apart.
    #[derive(serde::Deserialize)]
    struct Object {
        #[serde(rename = "type")]
        kind: Option<String>,
    }
    let object: Object =
        serde_json::from_slice(without_mark(bytes)).map_err(|error| origin.unreadable(error))?;
    match object.kind.as_deref() {
        Some("FeatureCollection") => Ok(Kind::GeoJson),
        Some("Topology") => Ok(Kind::TopoJson),
        found => {
            let found = found.unwrap_or("none");
            Err(origin.unreadable(format!("expected the type FeatureCollection or Topology, found {found}")))
        }
    }
}

/// JSON without the byte order mark that some writers put before it.
fn without_mark(json: &[u8]) -> &[u8] {
    json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json)
}

/// Drops rings that are not finite, leads projected coordinates back to degrees, and refuses what cannot be degrees.
fn finish(origin: Origin<'_>, mut table: FeatureTable, crs: &Crs) -> Result<FeatureTable, RegionError> {
    for (number, feature) in table.features.iter_mut().enumerate() {
        let rings = feature.rings.len();
        feature.rings.retain(|ring| ring.iter().flatten().all(|value| value.is_finite()));
        table.dropped_rings += (rings - feature.rings.len()) as u64;
        if let Crs::Projected(inverse) = crs {
            reproject(feature, inverse).map_err(|found| {
                origin.feature(number, "vertices that the projection of the file can have", found)
            })?;
        }
        if feature.rings.iter().any(|ring| runs_on(ring)) {
            let rings = std::mem::take(&mut feature.rings);
            let back = |ring: Vec<Vertex>| {
                if runs_on(&ring) { antimeridian::turned_back(&ring) } else { vec![ring] }
            };
            feature.rings = rings.into_iter().flat_map(back).collect();
        }
        for vertex in feature.rings.iter_mut().flatten() {
            let [lon, lat] = *vertex;
            if lon.abs() > BEYOND_180 || lat.abs() > 90.0 + ROUNDING_DEG {
                return Err(origin.not_degrees(format!("a vertex at ({lon}, {lat})")));
            }
            *vertex = vertex.map(without_tiny);
        }
    }
    if table.skipped_geometries > 0 && table.features.iter().all(|feature| feature.rings.is_empty()) {
        let skipped = table.skipped_geometries;
        return Err(origin.unreadable(format!("expected polygons, found only points or lines ({skipped})")));
    }
    Ok(table)
}

/// Whether a ring's longitudes run on beyond 180°, by one turn at most.
fn runs_on(ring: &[Vertex]) -> bool {
    let most = ring.iter().fold(0.0, |most: f64, vertex| most.max(vertex[0].abs()));
    (BEYOND_180..=BEYOND_180 + 360.0).contains(&most)
}

fn reproject(feature: &mut Feature, inverse: &proj_core::Transform) -> Result<(), String> {
    let mut rings = Vec::with_capacity(feature.rings.len());
    for mut ring in std::mem::take(&mut feature.rings) {
        for vertex in &mut ring {
            *vertex = crs::degrees(inverse, *vertex)?;
        }
        rings.extend(antimeridian::cut(ring).map_err(|_| "a ring round a pole".to_owned())?);
    }
    feature.rings = rings;
    Ok(())
}

/// The own `id` of a JSON feature, and its properties.
type JsonRow = (Option<Value>, Option<Map<String, Value>>);

/// The properties of JSON features as columns; a feature's own `id` is the attribute `id` unless a property is
/// called so.
fn tabulate(
    rows: Vec<JsonRow>,
    rings: Vec<Vec<Vec<Vertex>>>,
    skipped_geometries: u64,
    wanted: &[&str],
) -> FeatureTable {
    let mut names = BTreeSet::new();
    let mut has_id = false;
    for (id, properties) in &rows {
        for name in properties.iter().flat_map(Map::keys) {
            if !names.contains(name) {
                names.insert(name.clone());
            }
        }
        has_id |= id.is_some();
    }
    let own_id = has_id && !names.contains("id");
    let mut known: Vec<String> = names.into_iter().collect();
    if own_id {
        known.push("id".into());
    }
    let attributes: Vec<String> =
        known.iter().filter(|name| wanted.contains(&name.as_str())).cloned().collect();
    let feature = |((id, properties), rings): (JsonRow, Vec<Vec<Vertex>>)| {
        let (mut id, mut properties) = (id, properties.unwrap_or_default());
        let value = |name: &String| {
            let value = if own_id && name == "id" { id.take() } else { properties.remove(name) };
            value.and_then(text_of)
        };
        Feature { values: attributes.iter().map(value).collect(), rings }
    };
    let features = rows.into_iter().zip(rings).map(feature).collect();
    FeatureTable { known, attributes, features, skipped_geometries, dropped_rings: 0 }
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then_some(text),
        value => Some(value.to_string()),
    }
}
