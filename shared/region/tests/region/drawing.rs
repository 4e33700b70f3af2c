//! Layers drawn in letters.

use bisonflow_region::{Coordinate, Index, Layer, LayersConfig, RegionError};
use serde_json::{Value, json};

/// A square of one degree for each letter, the south-western one from (0, 0) to (1, 1). A letter is a region, made of
/// all its squares; other characters are nobody's land.
pub(crate) fn drawn(rows: &[&str]) -> Value {
    let mut squares = std::collections::BTreeMap::<char, Vec<Value>>::new();
    for (y, row) in rows.iter().rev().enumerate() {
        for (x, letter) in row.chars().enumerate().filter(|(_, letter)| letter.is_alphabetic()) {
            squares.entry(letter).or_default().push(json!([rectangle(x as f64, y as f64, 1.0, 1.0)]));
        }
    }
    let feature = |(letter, squares): (char, Vec<Value>)| {
        json!({"type": "Feature", "properties": {"id": letter.to_string()},
               "geometry": {"type": "MultiPolygon", "coordinates": squares}})
    };
    collection(squares.into_iter().map(feature).collect())
}

/// A closed ring.
pub(crate) fn rectangle(west: f64, south: f64, width: f64, height: f64) -> Value {
    let (east, north) = (west + width, south + height);
    json!([[west, south], [east, south], [east, north], [west, north], [west, south]])
}

pub(crate) fn polygon(id: &str, rings: Value) -> Value {
    json!({"type": "Feature", "properties": {"id": id}, "geometry": {"type": "Polygon", "coordinates": rings}})
}

pub(crate) fn collection(features: Vec<Value>) -> Value {
    json!({"type": "FeatureCollection", "features": features})
}

/// A layer of this GeoJSON with the column `region` = id, and more lines of layers.toml.
pub(crate) fn try_layer(geojson: &Value, settings: &str) -> Result<Index, RegionError> {
    try_file("land.geojson", geojson.to_string().into_bytes(), "id", settings)
}

/// A layer of this file with the column `region` = id, which is the attribute `id`.
pub(crate) fn try_file(name: &str, bytes: Vec<u8>, id: &str, settings: &str) -> Result<Index, RegionError> {
    let toml = format!(
        "[[layer]]\nname = \"land\"\nsource = \"{name}\"\nvintage = \"2024\"\nscale = \"1:24000\"\nid = \"{id}\"\n\
         {settings}\nfields = {{ region = \"{id}\" }}\n"
    );
    let config = LayersConfig::parse(&toml, &[]).unwrap();
    Index::build(&config, |_| Ok(bytes.clone()))
}

pub(crate) fn layer(geojson: &Value) -> Layer {
    try_layer(geojson, "").unwrap().layers()[0].clone()
}

/// The ids at a place, joined by `+`.
pub(crate) fn at(layer: &Layer, lon: f64, lat: f64) -> String {
    layer.ids(layer.locate(Coordinate::new(lon, lat).unwrap())).join("+")
}
