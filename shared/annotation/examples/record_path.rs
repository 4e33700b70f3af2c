//! Times the record path on synthetic records in the real layers of ../shared/data:
//! `cargo run --release -p bisonflow-annotation --example record_path -- [RECORDS] [THREADS] [squares]`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement, run by hand")]

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use bisonflow_annotation::{Annotator, LocalFile, Order, Pass, RecordFile};
use bisonflow_contract::input::Options;
use bisonflow_occurrence::Filters;
use bisonflow_occurrence::parquet_file::{RecordWriter, writer_properties};
use bisonflow_region::{Index, LayersConfig};
use bisonflow_riis::Register;
use bisonflow_summary::SummarySpec;
use parquet::arrow::ArrowWriter;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared/data");
const LAYERS: &str = r#"
riis_region_from = "census_state"
[[layer]]
name = "county"
source = "us_county_2017_10m.zip"
vintage = "2017"
scale = "1:10M"
id = "GEOID"
fields = { census_state = "STUSPS", census_county = "NAMELSAD", state_county = "{STUSPS} {NAMELSAD}", county_geoid = "GEOID" }
[[layer]]
name = "aiannh"
source = "cb_2021_us_aiannh_500k.zip"
vintage = "2021"
scale = "1:500k"
id = "GEOID"
fields = { aiannh_name = "NAMELSAD", aiannh_geoid = "GEOID", aiannh_lsad = "LSAD" }
"#;

/// xorshift64*, so that every run has the same records.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A batch of the core columns: clustered places, 8,000 taxa of which few are frequent; `foreign` in a thousand
/// records are not in the US.
fn batch(random: &mut Random, first: usize, rows: usize, foreign: u64) -> RecordBatch {
    let mut texts: Vec<Vec<String>> = vec![Vec::new(); 14];
    let (mut lats, mut lons) = (Vec::new(), Vec::new());
    let (mut uncertainties, mut years) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let rank = random.unit();
        let taxon = (rank * rank * rank * 8000.0) as u64;
        let cluster = random.below(5000);
        let mut place = Random(cluster.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        place.next();
        let (lon, lat) = (-123.0 + 50.0 * place.unit(), 30.0 + 18.0 * place.unit());
        let near = |random: &mut Random| (random.unit() - 0.5) * 0.4;
        lons.push(((lon + near(random)) * 1e5).round() / 1e5);
        lats.push(((lat + near(random)) * 1e5).round() / 1e5);
        uncertainties
            .push((random.below(3) > 0).then(|| [10.0, 100.0, 5.0, 30.0, 1000.0][random.below(5) as usize]));
        let year = 2000 + random.below(24);
        years.push((random.below(50) > 0).then_some(year as i32));
        let genus = taxon / 10;
        let values = [
            (1_000_000_000 + first + row).to_string(),
            format!("{:08x}-f762-11e1-a439-00145eb45e9a", cluster % 300),
            if taxon.is_multiple_of(3) { "Plantae" } else { "Animalia" }.to_owned(),
            format!("Family{}", genus % 400),
            format!("Genus{genus} species{taxon}"),
            if taxon.is_multiple_of(20) { "SUBSPECIES" } else { "SPECIES" }.to_owned(),
            format!("Genus{genus} species{taxon} (Author, 18{:02})", taxon % 100),
            if random.below(1000) < foreign { "CA" } else { "US" }.to_owned(),
            ["Kansas", "Texas", "Ohio", "Maine", "Utah", "Iowa"][(cluster % 6) as usize].to_owned(),
            "PRESENT".to_owned(),
            format!("{year}-{:02}-{:02}", 1 + random.below(12), 1 + random.below(28)),
            (2_000_000 + taxon).to_string(),
            (2_000_000 + taxon - u64::from(taxon.is_multiple_of(20))).to_string(),
            if random.below(10) == 0 { "PRESERVED_SPECIMEN" } else { "HUMAN_OBSERVATION" }.to_owned(),
        ];
        for (column, value) in texts.iter_mut().zip(values) {
            column.push(value);
        }
    }
    let mut texts = texts.into_iter().map(|column| Arc::new(StringArray::from(column)) as ArrayRef);
    let mut text = || texts.next().unwrap();
    let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
    for name in [
        "gbifid",
        "datasetkey",
        "kingdom",
        "family",
        "species",
        "taxonrank",
        "scientificname",
        "countrycode",
        "stateprovince",
        "occurrencestatus",
    ] {
        columns.push((name, text()));
    }
    columns.push(("decimallatitude", Arc::new(Float64Array::from(lats))));
    columns.push(("decimallongitude", Arc::new(Float64Array::from(lons))));
    columns.push(("coordinateuncertaintyinmeters", Arc::new(Float64Array::from(uncertainties))));
    columns.push(("eventdate", text()));
    columns.push(("year", Arc::new(Int32Array::from(years))));
    for name in ["taxonkey", "specieskey", "basisofrecord"] {
        columns.push((name, text()));
    }
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .unwrap()
}

/// Seconds that this process was on a core, all its threads together.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |place: usize| fields[place].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

/// Prints the best of three, by the clock and by core: on a busy machine only the latter says much.
fn rate(what: &str, records: usize, mut work: impl FnMut()) {
    let (mut clock, mut core) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..3 {
        let (start, before) = (Instant::now(), cpu_seconds());
        work();
        clock = clock.min(start.elapsed().as_secs_f64());
        core = core.min(cpu_seconds() - before);
    }
    let rate = |seconds: f64| records as f64 / seconds / 1e6;
    println!("{what:36} {:6.2} M records/s, {:6.2} M a core", rate(clock), rate(core));
    io::stdout().flush().unwrap();
}

/// Squares of a degree instead of the real regions: lookup costs next to nothing.
fn squares() -> Vec<u8> {
    let mut features = Vec::new();
    for (x, y) in (-124..-72).flat_map(|x| (29..49).map(move |y| (x, y))) {
        let ring = [[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1], [x, y]];
        let id = format!("{:05}", (x + 124) * 100 + y);
        features.push(format!(
            r#"{{"type": "Feature", "properties": {{"GEOID": "{id}", "STUSPS": "KS", "NAMELSAD": "Square {id}", "LSAD": "06"}},
            "geometry": {{"type": "Polygon", "coordinates": [{ring:?}]}}}}"#
        ));
    }
    format!(r#"{{"type": "FeatureCollection", "features": [{}]}}"#, features.join(",")).into_bytes()
}

fn main() {
    let mut arguments = std::env::args().skip(1).take(2).map(|argument| argument.parse::<usize>().unwrap());
    let records = arguments.next().unwrap_or(2_000_000);
    let threads = arguments.next().unwrap_or(1);
    let folder = Path::new("/tmp/writer");
    let has_squares = std::env::args().nth(3).is_some_and(|layers| layers == "squares");
    let layers = if has_squares { LAYERS.replace(".zip", ".geojson") } else { LAYERS.to_owned() };
    let config = LayersConfig::parse(&layers, &[]).unwrap();
    let read = |name: &str| std::fs::read(format!("{DATA}/{name}")).unwrap();
    let index = Index::build(&config, |name| {
        Ok(if has_squares { squares() } else { read(&format!("regions/{name}")) })
    })
    .unwrap();
    let register = Register::read("riis", &read("riis/US-RIIS_MasterList.csv")).unwrap();
    let annotator =
        Annotator::new(Filters::new(&Options::default()), &config, index, Some(register)).unwrap();
    let by = |columns: &[&str]| columns.iter().map(|&name| name.to_owned()).collect();
    let summaries = [
        SummarySpec {
            name: "county".into(),
            by: by(&["county_geoid", "state_county", "census_state", "census_county"]),
        },
        SummarySpec { name: "state".into(), by: by(&["census_state"]) },
        SummarySpec { name: "aiannh".into(), by: by(&["aiannh_geoid", "aiannh_name"]) },
    ];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let files = [("kept", 0), ("third", 333)].map(|(name, foreign)| {
        let path = folder.join(format!("{name}-{records}.parquet"));
        if !path.exists() {
            let mut random = Random(7);
            let first = batch(&mut random, 0, 1, foreign);
            let mut writer =
                RecordWriter::new(File::create(&path).unwrap(), first.schema(), 1_000_000).unwrap();
            for from in (0..records).step_by(50_000) {
                writer.write(&batch(&mut random, from, 50_000.min(records - from), foreign)).unwrap();
            }
            writer.finish().unwrap();
        }
        path
    });
    let mut random = Random(7);
    let ready: Vec<RecordBatch> = (0..16).map(|place| batch(&mut random, place << 15, 1 << 15, 0)).collect();
    let schema: SchemaRef = ready[0].schema();
    let rows: usize = ready.iter().map(RecordBatch::num_rows).sum();
    fn order<'a, W>(summaries: &'a [SummarySpec], out: Option<W>) -> Order<'a, W> {
        Order {
            out: out.map(|out| (out, "out")),
            row_group_records: 1_000_000,
            summaries,
            counts_datasets: false,
            finds_earliest: false, // but where it says so
            run_year: 2026,
        }
    }
    pool.install(|| {
        rate("ArrowWriter, 18 columns", rows, || {
            let mut writer =
                ArrowWriter::try_new(io::sink(), Arc::clone(&schema), Some(writer_properties(1_000_000)))
                    .unwrap();
            ready.iter().for_each(|batch| writer.write(batch).unwrap());
            writer.close().unwrap();
        });
        rate("RecordWriter, 18 columns", rows, || {
            let mut writer = RecordWriter::new(io::sink(), Arc::clone(&schema), 1_000_000).unwrap();
            ready.iter().for_each(|batch| writer.write(batch).unwrap());
            writer.finish().unwrap();
        });
        rate("batches, counts only", rows, || {
            let mut pass = Pass::new(&annotator, &schema, order::<io::Sink>(&summaries, None)).unwrap();
            ready.iter().for_each(|batch| pass.batch(batch).unwrap());
            pass.finish().unwrap();
        });
        rate("batches, annotated", rows, || {
            let mut pass = Pass::new(&annotator, &schema, order(&summaries, Some(io::sink()))).unwrap();
            ready.iter().for_each(|batch| pass.batch(batch).unwrap());
            pass.finish().unwrap();
        });
        for path in &files {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let file = || RecordFile::open(LocalFile::new(File::open(path).unwrap()).unwrap(), "in").unwrap();
            for finds_earliest in [false, true] {
                let what = if finds_earliest { ", earliest" } else { "" };
                rate(&format!("{name}, counts only{what}"), records, || {
                    let file = file();
                    let order = Order { finds_earliest, ..order::<io::Sink>(&summaries, None) };
                    let mut pass = Pass::new(&annotator, &schema, order).unwrap();
                    (0..file.row_groups())
                        .for_each(|group| assert!(pass.row_group(&file, group).unwrap() > 0));
                    pass.finish().unwrap();
                });
            }
            for finds_earliest in [false, true] {
                let what = if finds_earliest { ", earliest" } else { "" };
                rate(&format!("{name}, annotated{what}"), records, || {
                    let file = file();
                    let out = BufWriter::new(File::create(folder.join("out.parquet")).unwrap());
                    let order = Order { finds_earliest, ..order(&summaries, Some(out)) };
                    let mut pass = Pass::new(&annotator, &schema, order).unwrap();
                    (0..file.row_groups())
                        .for_each(|group| assert!(pass.row_group(&file, group).unwrap() > 0));
                    let done = pass.finish().unwrap();
                    assert_eq!(done.tally.records, records as u64);
                });
            }
        }
    });
}
