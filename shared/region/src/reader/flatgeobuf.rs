//! FlatGeobuf (flatgeobuf.org, version 3).
//!
//! The file is walked feature by feature where it lies in memory. Every table is verified before it is looked into,
//! and a count is believed only as far as the file reaches.

use flatgeobuf::{
    Column, ColumnType, Geometry, GeometryType, Header, packed_r_tree::NodeItem,
    size_prefixed_root_as_feature, size_prefixed_root_as_header,
};

use super::crs::Crs;
use super::{Feature, FeatureTable, Origin, Vertex};
use crate::error::RegionError;

/// The first bytes of the file but for the version, which is the fourth.
pub(super) const MAGIC: &[u8; 3] = b"fgb";
const MAGIC_LEN: usize = 8;

pub(super) fn read(
    origin: Origin<'_>,
    bytes: &[u8],
    wanted: &[&str],
) -> Result<(FeatureTable, Crs), RegionError> {
    let truncated = || origin.unreadable("the file is truncated");
    let rest = bytes.get(MAGIC_LEN..).ok_or_else(truncated)?;
    let (header, rest) = sized(rest).ok_or_else(truncated)?;
    let header = size_prefixed_root_as_header(header).map_err(|error| origin.unreadable(one_line(error)))?;
    let crs = crs(origin, header)?;
    let columns: Vec<Column<'_>> = header.columns().into_iter().flatten().collect();
    let places: Vec<usize> =
        (0..columns.len()).filter(|&place| wanted.contains(&columns[place].name())).collect();
    let mut table = FeatureTable {
        known: columns.iter().map(|column| column.name().to_owned()).collect(),
        attributes: places.iter().map(|&place| columns[place].name().to_owned()).collect(),
        ..FeatureTable::default()
    };

    let mut rest = index_len(header).and_then(|len| rest.get(len..)).ok_or_else(truncated)?;
    while !rest.is_empty() {
        let number = table.features.len();
        let refused = |expected: &str, found: String| origin.feature(number, expected, found);
        let end = || refused("a feature", "the end of the file".into());
        let (bytes, after) = sized(rest).ok_or_else(end)?;
        rest = after;
        let feature =
            size_prefixed_root_as_feature(bytes).map_err(|error| refused("a feature", one_line(error)))?;
        let mut rings = Vec::new();
        if let Some(geometry) = feature.geometry() {
            add_rings(geometry, header.geometry_type(), &mut rings, &mut table.skipped_geometries)
                .map_err(|found| refused("a polygon", found))?;
        }
        let properties = feature.properties().map_or(&[][..], |properties| properties.bytes());
        let values = values(properties, &columns, &places)
            .ok_or_else(|| refused("attributes", "bytes that are not of the columns of the file".into()))?;
        table.features.push(Feature { values, rings });
    }
    if header.features_count() > 0 && header.features_count() != table.features.len() as u64 {
        let (expected, found) = (header.features_count(), table.features.len());
        return Err(origin.unreadable(format!("expected {expected} features, found {found}")));
    }
    Ok((table, crs))
}

/// A message of the verifier; it traces its way over several lines.
fn one_line(error: impl std::fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A table with the length before it, and what follows.
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = usize::try_from(u32::from_le_bytes(*bytes.first_chunk()?)).ok()?;
    bytes.split_at_checked(len.checked_add(4)?)
}

/// The bytes of the spatial index, which is not needed: the nodes of all its levels, the features being the lowest.
fn index_len(header: Header<'_>) -> Option<usize> {
    let node_size = usize::from(header.index_node_size());
    let mut level = usize::try_from(header.features_count()).ok()?;
    if node_size == 0 || level == 0 {
        return Some(0);
    }
    let (node_size, mut nodes) = (node_size.max(2), level);
    loop {
        level = level.div_ceil(node_size);
        nodes = nodes.checked_add(level)?;
        if level == 1 {
            return nodes.checked_mul(size_of::<NodeItem>());
        }
    }
}

fn crs(origin: Origin<'_>, header: Header<'_>) -> Result<Crs, RegionError> {
    let Some(crs) = header.crs() else { return Ok(Crs::Degrees) };
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    if let Some(wkt) = text(crs.wkt()) {
        return Crs::parse(origin, &wkt);
    }
    let number = (crs.code() != 0).then(|| crs.code().to_string());
    match text(crs.code_string()).or(number) {
        Some(code) => Crs::parse(origin, &format!("{}:{code}", crs.org().unwrap_or("EPSG"))),
        None => Ok(Crs::Degrees),
    }
}

/// `kind` is that of the file; unknown in a file of mixed kinds.
fn add_rings(
    geometry: Geometry<'_>,
    kind: GeometryType,
    rings: &mut Vec<Vec<Vertex>>,
    skipped: &mut u64,
) -> Result<(), String> {
    let kind = if kind == GeometryType::Unknown { geometry.type_() } else { kind };
    match kind {
        GeometryType::Polygon => add_polygon(geometry, rings),
        GeometryType::MultiPolygon => match geometry.parts() {
            Some(parts) => parts.iter().try_for_each(|part| add_polygon(part, rings)),
            None => Ok(()),
        },
        GeometryType::GeometryCollection => {
            let mut parts = geometry.parts().into_iter().flatten();
            parts.try_for_each(|part| add_rings(part, part.type_(), rings, skipped))
        }
        GeometryType::CurvePolygon | GeometryType::MultiSurface | GeometryType::Surface => {
            Err("curves, which are not supported".into())
        }
        _ => {
            *skipped += 1;
            Ok(())
        }
    }
}

fn add_polygon(geometry: Geometry<'_>, rings: &mut Vec<Vec<Vertex>>) -> Result<(), String> {
    let Some(xy) = geometry.xy() else { return Ok(()) };
    let vertices = xy.len() / 2;
    let mut add = |start: usize, end: usize| {
        if start > end || end > vertices {
            return Err(format!("a ring of the vertices {start} to {end} of {vertices}"));
        }
        rings.push((start..end).map(|place| [xy.get(place * 2), xy.get(place * 2 + 1)]).collect());
        Ok(())
    };
    // A single ring may go without its end.
    let Some(ends) = geometry.ends().filter(|ends| !ends.is_empty()) else { return add(0, vertices) };
    let mut start = 0;
    for end in ends {
        add(start, end as usize)?;
        start = end as usize;
    }
    Ok(())
}

/// The texts of the columns at `places`; none if the bytes are not what the columns say.
fn values(mut bytes: &[u8], columns: &[Column<'_>], places: &[usize]) -> Option<Vec<Option<String>>> {
    let mut values = vec![None; places.len()];
    // Some writers leave a byte behind a last binary value.
    while bytes.len() > 1 {
        let (place, rest) = bytes.split_first_chunk()?;
        let place = usize::from(u16::from_le_bytes(*place));
        let (value, rest) = raw_value(columns.get(place)?.type_(), rest)?;
        bytes = rest;
        if let Some(wanted) = places.iter().position(|&wanted| wanted == place) {
            values[wanted] = text(columns[place].type_(), value)?;
        }
    }
    Some(values)
}

/// The bytes of a value, and what follows it.
fn raw_value(kind: ColumnType, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = match kind {
        ColumnType::Byte | ColumnType::UByte | ColumnType::Bool => 1,
        ColumnType::Short | ColumnType::UShort => 2,
        ColumnType::Int | ColumnType::UInt | ColumnType::Float => 4,
        ColumnType::Long | ColumnType::ULong | ColumnType::Double => 8,
        ColumnType::String | ColumnType::Json | ColumnType::DateTime | ColumnType::Binary => {
            let (len, rest) = bytes.split_first_chunk()?;
            return rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?);
        }
        _ => return None,
    };
    bytes.split_at_checked(len)
}

/// A value as text, null if that is empty; none if the bytes are not of the kind.
fn text(kind: ColumnType, value: &[u8]) -> Option<Option<String>> {
    let text = match kind {
        ColumnType::Byte => i8::from_le_bytes(value.try_into().ok()?).to_string(),
        ColumnType::UByte => u8::from_le_bytes(value.try_into().ok()?).to_string(),
        ColumnType::Bool => (*value.first()? != 0).to_string(),
        ColumnType::Short => i16::from_le_bytes(value.try_into().ok()?).to_string(),
        ColumnType::UShort => u16::from_le_bytes(value.try_into().ok()?).to_string(),
        ColumnType::Int => i32::from_le_bytes(value.try_into().ok()?).to_string(),
        ColumnType::UInt => u32::from_le_bytes(value.try_into().ok()?).to_string(),
        ColumnType::Long => i64::from_le_bytes(value.try_into().ok()?).to_string(),
        ColumnType::ULong => u64::from_le_bytes(value.try_into().ok()?).to_string(),
        ColumnType::Float => f32::from_le_bytes(value.try_into().ok()?).to_string(),
        ColumnType::Double => f64::from_le_bytes(value.try_into().ok()?).to_string(),
        ColumnType::Binary => return Some(None),
        _ => std::str::from_utf8(value).ok()?.to_owned(),
    };
    Some((!text.is_empty()).then_some(text))
}
