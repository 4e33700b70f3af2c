//! Entrances for fuzzing: every reader, on bytes that may be anything, without an index built of what it read.

use super::shapefile::read_shapes;
use super::{Crs, Kind, Origin, dbf, finish, read_as};

const ORIGIN: Origin<'static> = Origin { layer: "fuzz", file: "fuzz" };
const WANTED: [&str; 5] = ["id", "NAME", "Unit_Nm", "GAP_Sts", "GIS_Acres"];

/// A zip; or, as a mutated zip fails its checksums, the .shp and the .dbf with the length of the .shp before them, as
/// four bytes, the lowest first.
pub fn shapefile(bytes: &[u8]) {
    if bytes.starts_with(b"PK") {
        read(Kind::Shapefile, bytes);
    } else if let Some((len, rest)) = bytes.split_first_chunk() {
        let (shp, dbf) = rest.split_at((u32::from_le_bytes(*len) as usize).min(rest.len()));
        let table = dbf::read(ORIGIN, dbf, None, &WANTED).and_then(|dbf| read_shapes(ORIGIN, shp, dbf));
        // Whether it can be read does not matter, only that nothing worse happens.
        let _ = table.and_then(|table| finish(ORIGIN, table, &Crs::Degrees));
    }
}

/// A FeatureCollection.
pub fn geojson(bytes: &[u8]) {
    read(Kind::GeoJson, bytes);
}

/// A Topology.
pub fn topojson(bytes: &[u8]) {
    read(Kind::TopoJson, bytes);
}

/// A FlatGeobuf file.
pub fn flatgeobuf(bytes: &[u8]) {
    read(Kind::FlatGeobuf, bytes);
}

/// A GeoParquet file.
pub fn geoparquet(bytes: &[u8]) {
    read(Kind::GeoParquet, bytes);
}

fn read(kind: Kind, bytes: &[u8]) {
    let _ = read_as(kind, ORIGIN, bytes.to_vec(), &WANTED);
}
