//! A zipped shapefile: .shp and .dbf, with .prj and .cpg if they are there.
//!
//! Both files are read through the zip as streams: what is kept is the rings and the attributes that are wanted. The
//! layout is that of the ESRI Shapefile Technical Description (1998). Counts are believed only as far as the
//! record that they stand in reaches.

use std::io::{self, BufReader, Cursor, Read};

use zip::ZipArchive;

use super::crs::Crs;
use super::dbf::{self, Dbf};
use super::{Feature, FeatureTable, Origin, Vertex};
use crate::error::RegionError;

const HEADER_LEN: usize = 100;
const RECORD_HEADER_LEN: usize = 8;
/// Where the counts of parts and of points, and the starts of the parts, stand in a polygon's record.
const COUNTS_AT: usize = 36;
const PARTS_AT: usize = 44;
/// A .prj or .cpg is a line of text; what is longer is something else.
const LONGEST_TEXT_BYTES: u64 = 1 << 16;

const NULL_SHAPE: i32 = 0;
/// Polygon, PolygonZ, PolygonM: alike up to the end of their points.
const POLYGONS: [i32; 3] = [5, 15, 25];
/// Points, lines, sets of points, and patches, of all dimensions.
const OTHER_SHAPES: [i32; 10] = [1, 11, 21, 3, 13, 23, 8, 18, 28, 31];

pub(super) fn read(
    origin: Origin<'_>,
    bytes: &[u8],
    wanted: &[&str],
) -> Result<(FeatureTable, Crs), RegionError> {
    let mut members = Members::open(origin, bytes)?;
    let prj = members.text("prj")?;
    let cpg = members.text("cpg")?;
    let crs = prj.map_or(Ok(Crs::Degrees), |prj| Crs::parse(origin, &prj))?;
    let dbf = dbf::read(origin, BufReader::new(members.required("dbf")?), cpg.as_deref(), wanted)?;
    let shp = BufReader::with_capacity(1 << 16, members.required("shp")?);
    Ok((read_shapes(origin, shp, dbf)?, crs))
}

/// Puts shapes and rows together.
pub(super) fn read_shapes(
    origin: Origin<'_>,
    mut shp: impl Read,
    dbf: Dbf,
) -> Result<FeatureTable, RegionError> {
    let mut header = [0; HEADER_LEN];
    shp.read_exact(&mut header).map_err(|error| origin.unreadable(format!("the .shp: {error}")))?;
    if header[..4] != 9994u32.to_be_bytes() {
        return Err(origin.unreadable("the .shp does not begin as shapefiles do"));
    }
    // Lengths count words of two bytes.
    let len = u64::from(u32::from_be_bytes(array_at(&header, 24))) * 2;
    let mut records = shp.take(len.saturating_sub(HEADER_LEN as u64));

    let mut table = FeatureTable { known: dbf.known, attributes: dbf.attributes, ..FeatureTable::default() };
    let mut rows = dbf.rows.into_iter();
    let mut shapes = 0;
    let mut record = Vec::new();
    while next_record(origin, shapes, &mut records, &mut record)? {
        let refused = |expected, found| origin.feature(shapes, expected, found);
        let found = "a shape without a row in the .dbf".to_owned();
        let values = rows.next().ok_or_else(|| refused("attributes", found))?;
        let mut rings = Vec::new();
        match record.first_chunk().map(|kind| i32::from_le_bytes(*kind)) {
            Some(NULL_SHAPE) => {}
            Some(kind) if POLYGONS.contains(&kind) => {
                rings = rings_of(&record)
                    .ok_or_else(|| refused("a polygon", "counts that its record does not hold".into()))?;
            }
            Some(kind) if OTHER_SHAPES.contains(&kind) => table.skipped_geometries += 1,
            kind => return Err(refused("a type of shape", format!("{kind:?}"))),
        }
        // A deleted row keeps its place, so that shapes and rows stay side by side.
        if let Some(values) = values {
            table.features.push(Feature { values, rings });
        }
        shapes += 1;
    }
    match rows.next() {
        None => Ok(table),
        Some(_) => Err(origin.unreadable(format!("{shapes} shapes, but more rows in the .dbf"))),
    }
}

/// Whether there was another record; its content is put into `record`.
fn next_record(
    origin: Origin<'_>,
    number: usize,
    records: &mut impl Read,
    record: &mut Vec<u8>,
) -> Result<bool, RegionError> {
    let damaged = |error: io::Error| origin.feature(number, "a shape", error.to_string());
    fill(record, records, RECORD_HEADER_LEN as u64).map_err(damaged)?;
    if record.is_empty() {
        return Ok(false);
    }
    let truncated = || origin.feature(number, "a shape", "the end of the .shp".into());
    let header: [u8; RECORD_HEADER_LEN] = record.as_slice().try_into().map_err(|_| truncated())?;
    let len = u64::from(u32::from_be_bytes(array_at(&header, 4))) * 2;
    fill(record, records, len).map_err(damaged)?;
    if record.len() as u64 == len { Ok(true) } else { Err(truncated()) }
}

/// Puts the next `len` bytes, or as many as there are, into `buffer`.
fn fill(buffer: &mut Vec<u8>, source: &mut impl Read, len: u64) -> io::Result<()> {
    buffer.clear();
    source.by_ref().take(len).read_to_end(buffer)?;
    Ok(())
}

/// The rings of a polygon's record; none if its counts do not fit into it.
fn rings_of(record: &[u8]) -> Option<Vec<Vec<Vertex>>> {
    let counts = record.get(COUNTS_AT..PARTS_AT)?;
    let parts = usize::try_from(i32::from_le_bytes(array_at(counts, 0))).ok()?;
    let points = usize::try_from(i32::from_le_bytes(array_at(counts, 4))).ok()?;
    let starts = record.get(PARTS_AT..)?.get(..parts.checked_mul(4)?)?;
    let points = record.get(PARTS_AT + starts.len()..)?.get(..points.checked_mul(16)?)?;
    let vertex = |point: &[u8]| [0, 8].map(|at| f64::from_le_bytes(array_at(point, at)));
    let start = |part: usize| match starts.get(part * 4..part * 4 + 4) {
        Some(start) => usize::try_from(i32::from_le_bytes(array_at(start, 0))).ok()?.checked_mul(16),
        None => Some(points.len()),
    };
    (0..parts)
        .map(|part| Some(points.get(start(part)?..start(part + 1)?)?.chunks_exact(16).map(vertex).collect()))
        .collect()
}

/// `N` bytes that are known to be there.
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a slice of N bytes")
}

/// The members of the zip that make up its one shapefile.
struct Members<'a> {
    origin: Origin<'a>,
    zip: ZipArchive<Cursor<&'a [u8]>>,
    names: Vec<String>,
    /// The path of the .shp without its extension.
    stem: String,
}

impl<'a> Members<'a> {
    fn open(origin: Origin<'a>, bytes: &'a [u8]) -> Result<Self, RegionError> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| origin.unreadable(error))?;
        let names: Vec<String> = zip.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
        let is_shapefile =
            |name: &&String| name.to_ascii_lowercase().ends_with(".shp") && !name.starts_with("__MACOSX/");
        let shapefiles: Vec<&String> = names.iter().filter(is_shapefile).collect();
        let [shp] = shapefiles[..] else {
            let found =
                if shapefiles.is_empty() { &names } else { &shapefiles.into_iter().cloned().collect() };
            return Err(
                origin.unreadable(format!("expected one .shp in the zip, found {}", found.join(", ")))
            );
        };
        let stem = shp[..shp.len() - ".shp".len()].to_owned();
        Ok(Members { origin, zip, names, stem })
    }

    fn required(&mut self, extension: &str) -> Result<impl Read + '_, RegionError> {
        let missing =
            format!("expected {}.{extension} in the zip, found {}", self.stem, self.names.join(", "));
        let missing = self.origin.unreadable(missing);
        self.optional(extension)?.ok_or(missing)
    }

    fn text(&mut self, extension: &str) -> Result<Option<String>, RegionError> {
        let origin = self.origin;
        let Some(member) = self.optional(extension)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = member.take(LONGEST_TEXT_BYTES).read_to_end(&mut bytes);
        read.map_err(|error| origin.unreadable(format!("the .{extension}: {error}")))?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn optional(&mut self, extension: &str) -> Result<Option<impl Read + '_>, RegionError> {
        let is_member = |name: &&String| {
            name.rsplit_once('.')
                .is_some_and(|(stem, end)| stem == self.stem && end.eq_ignore_ascii_case(extension))
        };
        let Some(name) = self.names.iter().find(is_member) else { return Ok(None) };
        match self.zip.by_name(name) {
            Ok(member) => Ok(Some(member)),
            Err(error) => Err(self.origin.unreadable(format!("{name}: {error}"))),
        }
    }
}
