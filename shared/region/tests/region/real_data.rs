//! The real layers, when `shared/data` lies beside the checkout.

use std::path::PathBuf;

use bisonflow_region::{Coordinate, FieldValue, Index, Layer, LayersConfig, Position};
use robust::{Coord, orient2d};
use shapefile::ShapeReader;

fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/regions"));
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {} is not there", folder.display());
    None
}

fn layer(folder: &std::path::Path, source: &str) -> Layer {
    let toml = format!(
        "[[layer]]\nname = \"land\"\nsource = \"{source}\"\nvintage = \"2020\"\nscale = \"1:500k\"\nid = \"GEOID\"\n\
         fields = {{ name = \"NAMELSAD\" }}"
    );
    let config = LayersConfig::parse(&toml, &[]).unwrap();
    let load = |file: &str| Ok(std::fs::read(folder.join(file)).unwrap());
    Index::build(&config, load).unwrap().layers()[0].clone()
}

/// The rings of each shape of a zip.
fn rings(path: PathBuf) -> Vec<Vec<Vec<[f64; 2]>>> {
    let mut zip = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let name =
        zip.file_names().map(|name| name.unwrap().into_owned()).find(|name| name.ends_with(".shp")).unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut zip.by_name(&name).unwrap(), &mut bytes).unwrap();
    let shapes =
        ShapeReader::new(std::io::Cursor::new(bytes)).unwrap().read_as::<shapefile::Polygon>().unwrap();
    let of_shape = |shape: &shapefile::Polygon| {
        shape
            .rings()
            .iter()
            .map(|ring| ring.points().iter().map(|point| [point.x, point.y]).collect())
            .collect()
    };
    shapes.iter().map(of_shape).collect()
}

/// The rule, for one feature, by a look at all its edges: how many cross the ray from P' to the east.
fn holds(rings: &[Vec<[f64; 2]>], [x, y]: [f64; 2]) -> bool {
    let coord = |[x, y]: [f64; 2]| Coord { x, y };
    let crosses = |edge: &[[f64; 2]]| {
        let (low, high) = if edge[0][1] < edge[1][1] { (edge[0], edge[1]) } else { (edge[1], edge[0]) };
        low[1] <= y && high[1] > y && orient2d(coord(low), coord(high), Coord { x, y }) > 0.0
    };
    rings.iter().flat_map(|ring| ring.windows(2)).filter(|edge| crosses(edge)).count() % 2 == 1
}

#[test]
fn places_and_names_of_counties() {
    let Some(folder) = folder() else { return };
    let counties = layer(&folder, "us_county_2017_10m.zip");
    let report = counties.report();
    assert_eq!((report.features, report.regions, report.dropped_rings), (3231, 3231, 0));
    // Falls Church, Virginia, is a line at this scale.
    assert_eq!((report.without_area, counties.ids_without_area()), (1, vec!["51610"]));
    let cases = [
        (-98.5, 39.7, "20089", "Jewell County"),
        (-95.24, 38.97, "20045", "Douglas County"),
        // The file itself has this name encoded twice (C3 83 C2 BC for ü); it is read as it is.
        (-67.14, 18.2, "72097", "MayagÃ¼ez Municipio"),
        (-149.9, 61.2, "02020", "Anchorage Municipality"),
        (-157.86, 21.31, "15003", "Honolulu County"),
    ];
    for (lon, lat, geoid, name) in cases {
        let set = counties.locate(Coordinate::new(lon, lat).unwrap());
        assert_eq!((counties.ids(set), counties.value(0, set)), (vec![geoid], FieldValue::One(name)));
    }
    for (lon, lat) in [(-140.0, 40.0), (2.0, 48.0), (-79.4, 43.7), (180.0, 0.0)] {
        assert_eq!(counties.position(Coordinate::new(lon, lat).unwrap()), Position::Outside, "{lon}, {lat}");
    }
}

/// Vertices, and places on and beside them: where the index could be wrong, it would be here.
#[test]
fn the_index_agrees_with_every_edge() {
    let Some(folder) = folder() else { return };
    for (source, every) in [("us_county_2017_10m.zip", 211), ("cb_2021_us_aiannh_500k.zip", 613)] {
        let layer = layer(&folder, source);
        let shapes = rings(folder.join(source));
        let vertices: Vec<[f64; 2]> = shapes.iter().flatten().flatten().copied().collect();
        let mut counted = 0;
        for pair in vertices.windows(2).step_by(every) {
            let ([x, y], [next_x, next_y]) = (pair[0], pair[1]);
            let middle = [x / 2.0 + next_x / 2.0, y / 2.0 + next_y / 2.0];
            for p in [[x, y], middle, [x, next_y], [x.next_down(), y], [x, y.next_up()], [x + 0.01, y - 0.01]]
            {
                let found = layer.ids(layer.locate(Coordinate::new(p[0], p[1]).unwrap())).len();
                let held = shapes.iter().filter(|rings| holds(rings, p)).count();
                assert_eq!(found, held.min(1), "{source} {p:?}");
                counted += held;
            }
        }
        assert!(counted > 100, "{source}: {counted} places inside");
    }
}
