//! A zipped shapefile: .shp and .dbf, with .prj and .cpg if they are there.

use std::io::{Cursor, Read};

use shapefile::{Shape, ShapeReader};
use zip::ZipArchive;

use super::{Feature, FeatureTable, Origin, Vertex, dbf};
use crate::error::RegionError;

pub(super) fn read(origin: Origin<'_>, bytes: &[u8]) -> Result<FeatureTable, RegionError> {
    let mut members = Members::open(origin, bytes)?;
    let prj = members.optional("prj")?;
    check_crs(origin, prj.as_deref())?;
    let cpg = members.optional("cpg")?;
    let dbf = dbf::read(origin, &members.required("dbf")?, cpg.as_deref())?;
    let shp = members.required("shp")?;
    let mut shapes = ShapeReader::new(Cursor::new(shp)).map_err(|error| origin.unreadable(error))?;

    let mut table = FeatureTable { attributes: dbf.attributes, ..FeatureTable::default() };
    let mut rows = dbf.rows.into_iter();
    for shape in shapes.iter_shapes() {
        let number = table.features.len();
        let shape = shape.map_err(|error| origin.feature(number, "a shape", error.to_string()))?;
        let found = "a shape without a row in the .dbf".to_owned();
        let values = rows.next().ok_or_else(|| origin.feature(number, "attributes", found))?;
        let rings = match shape {
            Shape::Polygon(polygon) => rings_of(polygon.rings().iter().map(|ring| ring.points())),
            Shape::PolygonM(polygon) => rings_of(polygon.rings().iter().map(|ring| ring.points())),
            Shape::PolygonZ(polygon) => rings_of(polygon.rings().iter().map(|ring| ring.points())),
            Shape::NullShape => Vec::new(),
            _ => {
                table.skipped_geometries += 1;
                Vec::new()
            }
        };
        // A deleted row keeps its place, so that shapes and rows stay side by side.
        if let Some(values) = values {
            table.features.push(Feature { values, rings });
        }
    }
    match rows.next() {
        None => Ok(table),
        Some(_) => {
            Err(origin.unreadable(format!("{} shapes, but more rows in the .dbf", table.features.len())))
        }
    }
}

fn rings_of<'a, P: XY + 'a>(rings: impl Iterator<Item = &'a [P]>) -> Vec<Vec<Vertex>> {
    rings.map(|ring| ring.iter().map(P::vertex).collect()).collect()
}

trait XY {
    fn vertex(&self) -> Vertex;
}

impl XY for shapefile::Point {
    fn vertex(&self) -> Vertex {
        [self.x, self.y]
    }
}

impl XY for shapefile::PointM {
    fn vertex(&self) -> Vertex {
        [self.x, self.y]
    }
}

impl XY for shapefile::PointZ {
    fn vertex(&self) -> Vertex {
        [self.x, self.y]
    }
}

/// Geographic coordinates are used as they are: their datums differ by metres. Without a .prj the vertices
/// themselves must tell.
fn check_crs(origin: Origin<'_>, prj: Option<&[u8]>) -> Result<(), RegionError> {
    let Some(prj) = prj else { return Ok(()) };
    let text = String::from_utf8_lossy(prj);
    let keywords = text.to_ascii_uppercase();
    let has = |names: &[&str]| names.iter().any(|name| keywords.contains(name));
    if has(&["GEOGCS", "GEOGCRS", "GEODCRS"]) && !has(&["PROJCS", "PROJCRS", "PROJECTEDCRS", "GEOCCS"]) {
        return Ok(());
    }
    let name = text.split('"').nth(1).unwrap_or(text.trim());
    Err(origin.not_degrees(format!("the coordinate reference system {name}")))
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

    fn required(&mut self, extension: &str) -> Result<Vec<u8>, RegionError> {
        let missing =
            format!("expected {}.{extension} in the zip, found {}", self.stem, self.names.join(", "));
        self.optional(extension)?.ok_or_else(|| self.origin.unreadable(missing))
    }

    fn optional(&mut self, extension: &str) -> Result<Option<Vec<u8>>, RegionError> {
        let is_member = |name: &&String| {
            name.rsplit_once('.')
                .is_some_and(|(stem, end)| stem == self.stem && end.eq_ignore_ascii_case(extension))
        };
        let Some(name) = self.names.iter().find(is_member) else { return Ok(None) };
        let unreadable = |error: &dyn std::fmt::Display| self.origin.unreadable(format!("{name}: {error}"));
        let mut member = self.zip.by_name(name).map_err(|error| unreadable(&error))?;
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
        Ok(Some(bytes))
    }
}
