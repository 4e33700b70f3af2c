//! A peer in Rust: an R*-tree over the boxes of regions (rstar), then geo's polygons with an interval tree of
//! their edges, the fastest form that geo has. It takes the plan of a bench and prints what it measured, as JSON.

#![expect(clippy::print_stdout, reason = "its result goes to standard output")]

use std::error::Error;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use geo::indexed::IntervalTreeMultiPolygon;
use geo::{Contains, Coord, LineString, MultiPolygon, Polygon};
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

/// What is measured.
#[derive(serde::Deserialize)]
struct Plan {
    runs: usize,
    amount: usize,
    layers: Vec<PlanLayer>,
    points: PathBuf,
}

#[derive(serde::Deserialize)]
struct PlanLayer {
    path: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let plan = std::env::args_os().nth(1).ok_or("expected the file of a plan")?;
    let plan: Plan = serde_json::from_reader(File::open(plan)?)?;
    let peers: Vec<RustPeer> =
        plan.layers.iter().map(|layer| RustPeer::build(&layer.path)).collect::<Result<_, _>>()?;
    let [lon, lat] = ["lon", "lat"].map(|axis| read_f64(&plan.points.with_extension(axis), plan.amount));
    let (lon, lat) = (lon?, lat?);
    let mut seconds = Vec::new();
    let mut found = 0;
    for _ in 0..plan.runs {
        let begun = Instant::now();
        found = peers.iter().map(|peer| peer.pairs(&lon, &lat)).sum::<u64>();
        seconds.push(begun.elapsed().as_secs_f64());
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let peak: u64 = peak.trim().trim_end_matches("kB").trim().parse().unwrap_or(0);
    let measured = serde_json::json!({
        "seconds": seconds, "amount": plan.amount, "found": found, "peak_bytes": peak * 1024,
    });
    println!("{measured}");
    Ok(())
}

/// The first numbers of a file of little-endian doubles.
fn read_f64(path: &Path, amount: usize) -> Result<Vec<f64>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let (numbers, _) = bytes.as_chunks();
    Ok(numbers.iter().take(amount).map(|number| f64::from_le_bytes(*number)).collect())
}

/// One layer.
struct RustPeer {
    tree: RTree<GeomWithData<Rectangle<[f64; 2]>, usize>>,
    regions: Vec<IntervalTreeMultiPolygon<f64>>,
}

impl RustPeer {
    /// Reads a layer of a zipped shapefile.
    fn build(path: &Path) -> Result<RustPeer, Box<dyn Error>> {
        let mut boxes = Vec::new();
        let mut regions = Vec::new();
        for shape in shapes(path)? {
            let rings: Vec<LineString> = shape
                .rings()
                .iter()
                .map(|ring| ring.points().iter().map(|point| Coord { x: point.x, y: point.y }).collect())
                .collect();
            // Each ring as a polygon of its own would count holes as land; as the rings of one polygon they are
            // told by their edges alone, and the interval tree looks at nothing else.
            let mut rings = rings.into_iter();
            let Some(first) = rings.next() else { continue };
            let all = MultiPolygon::new(vec![Polygon::new(first, rings.collect())]);
            let bounds = shape.bbox();
            let rectangle =
                Rectangle::from_corners([bounds.min.x, bounds.min.y], [bounds.max.x, bounds.max.y]);
            boxes.push(GeomWithData::new(rectangle, regions.len()));
            regions.push(IntervalTreeMultiPolygon::new(&all));
        }
        Ok(RustPeer { tree: RTree::bulk_load(boxes), regions })
    }

    /// How many pairs of point and region there are.
    fn pairs(&self, lon: &[f64], lat: &[f64]) -> u64 {
        let places = lon.iter().zip(lat);
        let found = places.map(|(&x, &y)| {
            let candidates = self.tree.locate_in_envelope_intersecting(AABB::from_point([x, y]));
            candidates.filter(|candidate| self.regions[candidate.data].contains(&Coord { x, y })).count()
                as u64
        });
        found.sum()
    }
}

/// The polygons of a zipped shapefile.
fn shapes(path: &Path) -> Result<Vec<shapefile::Polygon>, Box<dyn Error>> {
    let mut zip = zip::ZipArchive::new(File::open(path)?)?;
    let name =
        zip.file_names().filter_map(|name| Some(name.ok()?.into_owned())).find(|name| name.ends_with(".shp"));
    let mut bytes = Vec::new();
    zip.by_name(&name.ok_or("no .shp in the zip")?)?.read_to_end(&mut bytes)?;
    let shapes = shapefile::ShapeReader::new(Cursor::new(bytes))?.read_as::<shapefile::Polygon>()?;
    Ok(shapes)
}
