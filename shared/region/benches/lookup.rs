//! How long it takes to build an index and to look places up: a made-up layer, and the real ones if `shared/data` lies
//! beside the checkout.

use std::fmt::Write;
use std::hint::black_box;
use std::path::PathBuf;

use bisonflow_region::{Bounds, Index, LayersConfig, RegionError, ZoneId};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Places that are looked up in one go.
const PLACES: usize = 1 << 20;
const REAL: [(&str, &str); 3] = [
    ("county", "us_county_2017_10m.zip"),
    ("state", "cb_2020_us_state_500k.zip"),
    ("aiannh", "cb_2021_us_aiannh_500k.zip"),
];

/// SplitMix64: numbers from 0 to 1 that are the same in every run.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// All over a box.
    fn in_box(&mut self, bounds: Bounds) -> (Vec<f64>, Vec<f64>) {
        let Bounds { west, south, east, north } = bounds;
        let place = |_| (west + self.unit() * (east - west), south + self.unit() * (north - south));
        (0..PLACES).map(place).unzip()
    }

    /// Around two thousand places, a few of which have most, as occurrences are.
    fn clustered(&mut self, bounds: Bounds) -> (Vec<f64>, Vec<f64>) {
        let (centers, norths) = self.in_box(bounds);
        let place = |_| {
            let rank = (self.unit().powi(3) * 2000.0) as usize;
            let (distance, angle) = (self.unit() * self.unit() * 0.5, self.unit() * std::f64::consts::TAU);
            (centers[rank] + distance * angle.cos(), norths[rank] + distance * angle.sin())
        };
        (0..PLACES).map(place).unzip()
    }
}

/// The conterminous United States.
const LOWER_48: Bounds = Bounds { west: -124.8, south: 24.5, east: -66.9, north: 49.4 };

fn settings(layers: &[(&str, &str)]) -> LayersConfig {
    let mut toml = String::new();
    for (name, source) in layers {
        write!(
            toml,
            "[[layer]]\nname = \"{name}\"\nsource = \"{source}\"\nvintage = \"2020\"\nscale = \"1:500k\"\n\
             id = \"GEOID\"\nfields = {{ {name}_name = \"GEOID\" }}\n"
        )
        .expect("a text takes what is written");
    }
    LayersConfig::parse(&toml, &[]).expect("the settings are sound")
}

/// Squares of a degree with wiggly sides, which neighbours share.
fn wiggly() -> Vec<u8> {
    const STEPS: i32 = 60;
    let wiggle = |x: i32, y: i32| f64::from((x * 7919 + y * 104_729).rem_euclid(101)) / 50_000.0;
    let vertex = |x: i32, y: i32| {
        let (lon, lat) = (f64::from(x) / f64::from(STEPS), f64::from(y) / f64::from(STEPS));
        format!("[{},{}]", lon - 124.0 + wiggle(x, y), lat + 25.0 + wiggle(y, x))
    };
    let feature = |(column, row): (i32, i32)| {
        let (x, y) = (column * STEPS, row * STEPS);
        let east = (0..STEPS).map(|step| vertex(x + step, y));
        let north = (0..STEPS).map(|step| vertex(x + STEPS, y + step));
        let west = (0..STEPS).map(|step| vertex(x + STEPS - step, y + STEPS));
        let south = (0..=STEPS).map(|step| vertex(x, y + STEPS - step));
        let ring: Vec<String> = east.chain(north).chain(west).chain(south).collect();
        format!(
            r#"{{"type":"Feature","properties":{{"GEOID":"{column} {row}"}},"geometry":{{"type":"Polygon","coordinates":[[{}]]}}}}"#,
            ring.join(",")
        )
    };
    let squares = (0..56).flat_map(|column| (0..24).map(move |row| (column, row)));
    let features: Vec<String> = squares.map(feature).collect();
    format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(",")).into_bytes()
}

fn bench(
    criterion: &mut Criterion,
    name: &str,
    config: &LayersConfig,
    load: &dyn Fn(&str) -> Result<Vec<u8>, RegionError>,
) {
    let build = || Index::build(config, load).expect("the layers are sound");
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).bench_function("build", |bencher| bencher.iter(build));
    let index = build();
    let whole = index.layers().iter().filter_map(|layer| layer.bounds());
    let whole = whole.reduce(|one, other| Bounds {
        west: one.west.min(other.west),
        south: one.south.min(other.south),
        east: one.east.max(other.east),
        north: one.north.max(other.north),
    });
    let mut random = Random(42);
    let places = [
        ("all over the layers' box", random.in_box(whole.expect("the layers have regions"))),
        ("all over the lower 48", random.in_box(LOWER_48)),
        ("clustered", random.clustered(LOWER_48)),
    ];
    group.throughput(Throughput::Elements(PLACES as u64));
    let mut zones = vec![ZoneId::NONE; PLACES];
    for (name, (lon, lat)) in &places {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| index.locate(black_box(lon), black_box(lat), &mut zones));
        });
    }
    group.finish();
}

fn lookup(criterion: &mut Criterion) {
    let file = wiggly();
    bench(criterion, "made-up layer", &settings(&[("square", "squares.geojson")]), &|_| Ok(file.clone()));

    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/regions"));
    if folder.is_dir() {
        let load =
            |file: &str| std::fs::read(folder.join(file)).map_err(|error| RegionError::load(file, error));
        bench(criterion, "three real layers", &settings(&REAL), &load);
    } else {
        eprintln!("skipped: {} is not there", folder.display());
    }
}

criterion_group!(benches, lookup);
criterion_main!(benches);
