//! GeoJSON (RFC 7946): a FeatureCollection.

use std::fmt;

use geojson::GeometryValue;
use geojson::feature::Id;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::Value;

use super::crs::Crs;
use super::{FeatureTable, JsonRow, Origin, Vertex, tabulate};
use crate::error::RegionError;

#[derive(Deserialize)]
struct Collection {
    /// RFC 7946 knows degrees only; a `crs` of older files may name another system.
    crs: Option<Value>,
    features: Features,
}

/// The features as we keep them: each is taken apart as soon as it is read.
#[derive(Default)]
struct Features {
    rings: Vec<Vec<Vec<Vertex>>>,
    rows: Vec<JsonRow>,
    skipped: u64,
    /// The first feature with a position that is none, and that position.
    damaged: Option<(usize, String)>,
}

impl<'de> Deserialize<'de> for Features {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneByOne;
        impl<'de> Visitor<'de> for OneByOne {
            type Value = Features;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of features")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Features, A::Error> {
                let mut features = Features::default();
                while let Some(feature) = list.next_element()? {
                    features.add(feature);
                }
                Ok(features)
            }
        }
        deserializer.deserialize_seq(OneByOne)
    }
}

impl Features {
    fn add(&mut self, feature: geojson::Feature) {
        let mut rings = Vec::new();
        if let Some(geometry) = feature.geometry
            && let Err(found) = add_rings(geometry.value, &mut rings, &mut self.skipped)
        {
            self.damaged.get_or_insert((self.rows.len(), found));
        }
        self.rings.push(rings);
        let id = feature.id.map(|id| match id {
            Id::String(text) => Value::String(text),
            Id::Number(number) => Value::Number(number),
        });
        self.rows.push((id, feature.properties));
    }
}

pub(super) fn read(
    origin: Origin<'_>,
    bytes: &[u8],
    wanted: &[&str],
) -> Result<(FeatureTable, Crs), RegionError> {
    let collection: Collection = serde_json::from_slice(bytes).map_err(|error| origin.unreadable(error))?;
    let crs = match &collection.crs {
        None => Crs::Degrees,
        Some(crs) => match crs.pointer("/properties/name").and_then(Value::as_str) {
            Some(name) => Crs::parse(origin, name)?,
            None => return Err(origin.not_degrees(crs.to_string())),
        },
    };
    let Features { rings, rows, skipped, damaged } = collection.features;
    match damaged {
        Some((number, found)) => Err(origin.feature(number, "positions of two numbers", found)),
        None => Ok((tabulate(rows, rings, skipped, wanted), crs)),
    }
}

fn add_rings(geometry: GeometryValue, rings: &mut Vec<Vec<Vertex>>, skipped: &mut u64) -> Result<(), String> {
    let polygons = match geometry {
        GeometryValue::Polygon { coordinates } => vec![coordinates],
        GeometryValue::MultiPolygon { coordinates } => coordinates,
        GeometryValue::GeometryCollection { geometries } => {
            return geometries.into_iter().try_for_each(|part| add_rings(part.value, rings, skipped));
        }
        _ => {
            *skipped += 1;
            return Ok(());
        }
    };
    for ring in polygons.into_iter().flatten() {
        let vertex = |position: geojson::Position| match position.as_slice() {
            [lon, lat, ..] => Ok([*lon, *lat]),
            found => Err(format!("{found:?}")),
        };
        rings.push(ring.into_iter().map(vertex).collect::<Result<_, _>>()?);
    }
    Ok(())
}
