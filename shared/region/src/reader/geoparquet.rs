//! GeoParquet (geoparquet.org, versions 1.0 and 1.1): geometries as WKB, or as lists of coordinates.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{can_cast_types, cast};
use arrow::datatypes::{DataType, Float64Type, Schema};
use bytes::Bytes;
use geo_traits::{
    CoordTrait, GeometryCollectionTrait, GeometryTrait, GeometryType, LineStringTrait, MultiPolygonTrait,
    PolygonTrait,
};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Deserialize;
use serde_json::Value;
use wkb::reader::{Wkb, read_wkb};

use super::crs::Crs;
use super::{Feature, FeatureTable, Origin, Vertex};
use crate::error::RegionError;

/// The first and the last bytes of the file.
pub(super) const MAGIC: &[u8; 4] = b"PAR1";
/// Few, since one polygon may have a million vertices.
const BATCH_ROWS: usize = 256;

/// The metadata `geo` of the file.
#[derive(Deserialize)]
struct Geo {
    primary_column: String,
    columns: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
struct GeometryColumn {
    encoding: String,
    edges: Option<String>,
}

/// How a geometry is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Wkb,
    /// Lists of lists of coordinates: of polygons, or of several of them.
    Lists,
    /// Points and lines.
    NoPolygons,
}

pub(super) fn read(
    origin: Origin<'_>,
    bytes: Vec<u8>,
    wanted: &[&str],
) -> Result<(FeatureTable, Crs), RegionError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes))
        .map_err(|error| origin.unreadable(error))?;
    let metadata = builder.metadata().file_metadata().key_value_metadata();
    let geo = metadata
        .into_iter()
        .flatten()
        .find(|entry| entry.key == "geo")
        .and_then(|entry| entry.value.as_ref());
    let geo =
        geo.ok_or_else(|| origin.unreadable("expected GeoParquet, found Parquet without the metadata geo"))?;
    let (primary, encoding, crs) = geometry_column(origin, geo)?;

    let schema = builder.schema().clone();
    let place_of = |name: &str| schema.fields().iter().position(|field| field.name() == name);
    let geometry_place = place_of(&primary).ok_or_else(|| {
        origin.unreadable(format!("expected the geometry column {primary}, found none of it"))
    })?;
    let names = schema.fields().iter().map(|field| field.name().clone());
    let known: Vec<String> = names.filter(|name| *name != primary).collect();
    let attributes: Vec<String> =
        known.iter().filter(|name| wanted.contains(&name.as_str())).cloned().collect();
    check_types(origin, &schema, &attributes)?;
    let mask = ProjectionMask::roots(
        builder.parquet_schema(),
        attributes.iter().filter_map(|name| place_of(name)).chain([geometry_place]),
    );
    let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();

    let mut table = FeatureTable { known, attributes, ..FeatureTable::default() };
    for batch in reader.map_err(|error| origin.unreadable(error))? {
        let batch = batch.map_err(|error| origin.unreadable(error))?;
        add_batch(origin, &batch, &primary, encoding, &mut table)?;
    }
    Ok((table, crs))
}

/// The name of the column with the geometry, its encoding, and what its coordinates are.
fn geometry_column(origin: Origin<'_>, geo: &str) -> Result<(String, Encoding, Crs), RegionError> {
    let damaged = |reason: &dyn std::fmt::Display| origin.unreadable(format!("the metadata geo: {reason}"));
    let geo: Geo = serde_json::from_str(geo).map_err(|error| damaged(&error))?;
    let primary = geo.primary_column;
    let column = geo.columns.get(&primary).ok_or_else(|| damaged(&format!("nothing about {primary}")))?;
    let crs = match column.get("crs") {
        // The default is longitude and latitude on WGS84; null is unknown.
        None | Some(Value::Null) => Crs::Degrees,
        Some(crs) => Crs::parse(origin, &crs.to_string())?,
    };
    let column = GeometryColumn::deserialize(column).map_err(|error| damaged(&error))?;
    if column.edges.is_some_and(|edges| edges != "planar") {
        let reason = "expected planar edges, found spherical ones; densify them and write the file as planar";
        return Err(origin.unreadable(reason));
    }
    let encoding = match column.encoding.as_str() {
        "WKB" => Encoding::Wkb,
        "polygon" | "multipolygon" => Encoding::Lists,
        "point" | "multipoint" | "linestring" | "multilinestring" => Encoding::NoPolygons,
        found => {
            return Err(damaged(&format!(
                "expected the encoding WKB, polygon or multipolygon, found {found}"
            )));
        }
    };
    Ok((primary, encoding, crs))
}

fn check_types(origin: Origin<'_>, schema: &Schema, attributes: &[String]) -> Result<(), RegionError> {
    let of_attribute = schema.fields().iter().filter(|field| attributes.contains(field.name()));
    match of_attribute
        .into_iter()
        .find(|field| field.data_type().is_nested() || !can_cast_types(field.data_type(), &DataType::Utf8))
    {
        Some(field) => {
            let (name, kind) = (field.name(), field.data_type());
            Err(origin.unreadable(format!("expected texts or numbers in the column {name}, found {kind}")))
        }
        None => Ok(()),
    }
}

fn add_batch(
    origin: Origin<'_>,
    batch: &RecordBatch,
    primary: &str,
    encoding: Encoding,
    table: &mut FeatureTable,
) -> Result<(), RegionError> {
    let column = |name: &str| {
        let column = batch.column_by_name(name);
        column.ok_or_else(|| origin.unreadable(format!("expected a column {name}, found none of it")))
    };
    let mut texts = Vec::with_capacity(table.attributes.len());
    for name in &table.attributes {
        texts.push(cast(column(name)?, &DataType::Utf8).map_err(|error| origin.unreadable(error))?);
    }
    let geometries = column(primary)?;
    let geometries = match encoding {
        Encoding::Wkb => {
            cast(geometries, &DataType::LargeBinary).map_err(|error| origin.unreadable(error))?
        }
        Encoding::Lists | Encoding::NoPolygons => geometries.clone(),
    };
    for row in 0..batch.num_rows() {
        let mut rings = Vec::new();
        let number = table.features.len();
        let refused = |found: String| origin.feature(number, "a polygon", found);
        if geometries.is_valid(row) {
            match encoding {
                Encoding::Wkb => {
                    let geometry = read_wkb(geometries.as_binary::<i64>().value(row));
                    let geometry = geometry.map_err(|error| refused(error.to_string()))?;
                    add_rings(&geometry, &mut rings, &mut table.skipped_geometries);
                }
                Encoding::Lists => {
                    let place = geometries.slice(row, 1);
                    add_lists(&place, &mut rings)
                        .ok_or_else(|| refused(format!("a column of {}", geometries.data_type())))?;
                }
                Encoding::NoPolygons => table.skipped_geometries += 1,
            }
        }
        let value = |texts: &ArrayRef| {
            let texts = texts.as_string::<i32>();
            (texts.is_valid(row) && !texts.value(row).is_empty()).then(|| texts.value(row).to_owned())
        };
        table.features.push(Feature { values: texts.iter().map(value).collect(), rings });
    }
    Ok(())
}

fn add_rings(geometry: &Wkb<'_>, rings: &mut Vec<Vec<Vertex>>, skipped: &mut u64) {
    match geometry.as_type() {
        GeometryType::Polygon(polygon) => add_polygon(polygon, rings),
        GeometryType::MultiPolygon(polygons) => {
            for polygon in polygons.polygons() {
                add_polygon(&polygon, rings);
            }
        }
        GeometryType::GeometryCollection(parts) => {
            for part in parts.geometries() {
                add_rings(part, rings, skipped);
            }
        }
        _ => *skipped += 1,
    }
}

fn add_polygon(polygon: &impl PolygonTrait<T = f64>, rings: &mut Vec<Vec<Vertex>>) {
    for ring in polygon.exterior().into_iter().chain(polygon.interiors()) {
        rings.push(ring.coords().map(|coord| [coord.x(), coord.y()]).collect());
    }
}

/// Adds the innermost lists, which are rings; none if these are not of coordinates.
fn add_lists(lists: &ArrayRef, rings: &mut Vec<Vec<Vertex>>) -> Option<()> {
    let children: Vec<ArrayRef> = match lists.data_type() {
        DataType::List(_) => lists.as_list::<i32>().iter().flatten().collect(),
        DataType::LargeList(_) => lists.as_list::<i64>().iter().flatten().collect(),
        _ => return None,
    };
    for child in children {
        match child.data_type() {
            DataType::Struct(_) => {
                let coordinates = child.as_struct();
                let axis = |name| coordinates.column_by_name(name)?.as_primitive_opt::<Float64Type>();
                let (x, y) = (axis("x")?, axis("y")?);
                rings.push((0..child.len()).map(|place| [x.value(place), y.value(place)]).collect());
            }
            _ => add_lists(&child, rings)?,
        }
    }
    Some(())
}
