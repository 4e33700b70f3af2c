//! Time and memory at the size of a large run: partial counts merged, their tables laid out, the matrix made and
//! its statistics computed; then the earliest records merged and compared with what was seen before, with a peak of
//! their own.
//!
//!     cargo run --release -p bisonflow-summary --example scale [-- SITES SPECIES SUBSETS REPEATS]
//!
//! Without arguments: 3,200 sites and 150,000 species with 10 million presences, each a row of one of 100 subsets, or
//! of REPEATS of them, as in a run of many records.
//! Few species are nearly everywhere, most are rare: the r-th has about SITES / (1 + r/(SPECIES/268)) sites.
#![allow(clippy::print_stdout, reason = "a program that prints what it measured")]

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use bisonflow_summary::new_in_run::SeenPairs;
use bisonflow_summary::statistics::{MatrixBuilder, matrix_market, tables};
use bisonflow_summary::{
    EarliestDated, Evidence, Merger, Names, Statuses, SummaryError, SummarySpec, SummaryTable,
    check_earliest, check_tables, to_parquet,
};
use bytes::Bytes;

fn main() -> Result<(), SummaryError> {
    let mut sizes = std::env::args().skip(1).filter_map(|size| size.parse::<u64>().ok());
    let mut size = |default| sizes.next().unwrap_or(default);
    let (sites, species, subsets, repeats) = (size(3_200), size(150_000), size(100), size(1));
    let spec = SummarySpec {
        name: "county".into(),
        by: ["county_geoid", "state_county", "census_state", "census_county"].map(String::from).into(),
    };
    let mut clock = Clock(Instant::now(), on_core());
    let rows = presences(sites, species, subsets, repeats);
    let partials = rows.iter().map(|rows| partial(&spec, rows)).collect::<Result<Vec<Bytes>, _>>()?;
    let bytes: usize = partials.iter().map(Bytes::len).sum();
    clock.tick(&format!("made {subsets} partial counts of {} MB", bytes / 1_000_000));

    let mut merger = Merger::new(spec.clone());
    for partial in partials {
        merger.add_partial(partial)?;
    }
    clock.tick("merged");
    let merged = merger.merged()?;
    check_tables(merged.records(), &merged)?;
    clock.tick("sorted and checked");
    for table in merged.tables() {
        write(&table, &mut clock)?;
    }
    let mut builder = MatrixBuilder::new(spec.clone(), NonZeroU64::MIN);
    for rows in merged.species_list().batches() {
        builder.add(&rows?)?;
    }
    let (names, statuses) = (merged.names(), merged.statuses());
    drop(merged);
    drop(merger);
    let matrix = builder.finish();
    clock.tick(&format!(
        "matrix of {} sites, {} species, {} presences",
        matrix.site_count(),
        matrix.species_count(),
        matrix.presence_count()
    ));
    let statistics = matrix.statistics();
    clock.tick("statistics");
    println!("{:?}", statistics.diversity);
    for table in tables::tables(&matrix, &statistics) {
        write(&table, &mut clock)?;
    }
    for entries in [matrix_market::Entries::Counts, matrix_market::Entries::Presence] {
        let bytes: usize = matrix_market::pieces(&matrix, entries).map(|piece| piece.len()).sum();
        clock.tick(&format!("{}.mtx, {bytes} bytes", entries.as_str()));
    }
    drop(matrix);
    earliest(&spec, &rows, &names, &statuses, &mut clock)
}

/// The earliest records: their partial tables merged, their table laid out, and all of them compared with what was seen
/// before, which is every other one of them.
fn earliest(
    spec: &SummarySpec,
    presences: &[Vec<(u64, u64)>],
    names: &Names,
    statuses: &Statuses,
    clock: &mut Clock,
) -> Result<(), SummaryError> {
    forget_peak();
    let (mut all, mut adding) = (EarliestDated::new(spec), 0.0);
    for rows in presences {
        let mut worker = EarliestDated::new(spec);
        for &(site, species) in rows {
            let (gbifid, date) = (
                (1_000_000_000 + site * 150_000 + species).to_string(),
                format!("19{:02}-05-{:02}T10:00:00", (site + species) % 100, 1 + species % 28),
            );
            let evidence = Evidence {
                gbifid: Some(&gbifid),
                eventdate: Some(&date),
                decimallatitude: Some(38.9),
                decimallongitude: Some(-95.2),
                uncertainty_m: Some(30.0),
                datasetkey: Some("50c9509d-22c7-4a22-a47d-8c48425ef4a7"),
                basisofrecord: Some("HUMAN_OBSERVATION"),
                issue: Some("COORDINATE_ROUNDED"),
                ..Evidence::default()
            };
            let codes = (worker.code(&site_key(site)), worker.code(&species_key(species)));
            worker.add(codes.0, codes.1, evidence.order(2026), &evidence);
        }
        let partial = worker.to_parquet()?;
        let before = on_core();
        all.add_partial(partial)?;
        adding += on_core() - before;
    }
    clock.tick(&format!("{} earliest records found and merged; merging took {adding:.2} s", all.len()));
    check_earliest(&spec.name, statuses, &all)?;
    let rows = all.rows(names);
    write(&rows.table(), clock)?;
    let mut pairs = SeenPairs::new(&rows)?;
    let mut before: Vec<(u64, u64)> = presences.iter().flatten().copied().collect();
    before.sort_unstable(); // as their keys sort
    before.dedup();
    let every_other = || before.iter().step_by(2);
    let sites: StringArray = every_other().map(|&(site, _)| Some(site_key(site))).collect();
    let species: StringArray = every_other().map(|&(_, species)| Some(species_key(species))).collect();
    let seen = RecordBatch::try_from_iter([
        (spec.by[0].as_str(), Arc::new(sites) as ArrayRef),
        ("specieskey", Arc::new(species)),
    ])?;
    for start in (0..seen.num_rows()).step_by(65_536) {
        pairs.add(&seen.slice(start, 65_536.min(seen.num_rows() - start)))?;
    }
    let (new, bytes) = pairs.finish()?;
    clock.tick(&format!("compared with what was seen; all that is seen: Parquet {} bytes", bytes.len()));
    write(&new.rows(&rows, statuses, 2026).table(), clock)
}

/// Lets the peak begin anew (Linux).
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn site_key(site: u64) -> String {
    format!("{site:05}")
}

fn species_key(species: u64) -> String {
    (1_000_000 + species * 7).to_string()
}

fn write(table: &SummaryTable<'_>, clock: &mut Clock) -> Result<(), SummaryError> {
    let parquet = table.to_parquet()?.len();
    let csv = table.csv().try_fold(0, |bytes, piece| Ok::<_, SummaryError>(bytes + piece?.len()))?;
    clock.tick(&format!("{}: {} rows, Parquet {parquet} bytes, CSV {csv}", table.name, table.rows()));
    Ok(())
}

/// When the last thing was done, and the time on a core until then.
struct Clock(Instant, f64);

impl Clock {
    /// Prints what was done, how long it took, how much of that on a core (one thread), and the most memory that
    /// the process has had.
    fn tick(&mut self, what: &str) {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or(" unknown");
        let on_core = on_core();
        let (wall, core) = (self.0.elapsed().as_secs_f64(), on_core - self.1);
        println!("{wall:8.2} s, on a core {core:6.2} s, peak {}: {what}", peak.trim());
        *self = Clock(Instant::now(), on_core);
    }
}

/// Seconds that this thread has been on a core, as Linux counts them.
fn on_core() -> f64 {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    schedule.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

/// Of each subset its presences: site and species, sorted.
fn presences(sites: u64, species: u64, subsets: u64, repeats: u64) -> Vec<Vec<(u64, u64)>> {
    let mut random = 1_u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut rows: Vec<Vec<(u64, u64)>> = vec![Vec::new(); subsets as usize];
    for one in 0..species {
        let range = sites as f64 / (1.0 + one as f64 / (species as f64 / 268.0));
        let chance = (range / sites as f64 * 1_000_000.0) as u64;
        let first = next(sites);
        for site in 0..sites {
            if next(1_000_000) < chance || site == first {
                let first = next(subsets);
                for repeat in 0..repeats {
                    rows[((first + repeat) % subsets) as usize].push((site, one));
                }
            }
        }
    }
    rows.iter_mut().for_each(|rows| rows.sort_unstable());
    rows
}

fn partial(spec: &SummarySpec, rows: &[(u64, u64)]) -> Result<Bytes, SummaryError> {
    let text = |cell: &dyn Fn(u64, u64) -> String| -> ArrayRef {
        Arc::new(rows.iter().map(|&(site, species)| Some(cell(site, species))).collect::<StringArray>())
    };
    let counts = |cell: &dyn Fn(u64, u64) -> i64| -> ArrayRef {
        Arc::new(rows.iter().map(|&(site, species)| cell(site, species)).collect::<Int64Array>())
    };
    let years = |year: i16| -> ArrayRef {
        Arc::new(rows.iter().map(|_| Some(i32::from(year))).collect::<Int32Array>())
    };
    let name = |species: u64| format!("Genus{} epithet{species}", species / 40);
    let batch = RecordBatch::try_from_iter_with_nullable([
        (spec.by[0].as_str(), text(&|site, _| site_key(site)), true),
        (spec.by[1].as_str(), text(&|site, _| format!("KS Number {site} County")), true),
        (spec.by[2].as_str(), text(&|_, _| "KS".into()), true),
        (spec.by[3].as_str(), text(&|site, _| format!("Number {site} County")), true),
        ("riis_assessment", text(&|_, _| "not_listed".into()), true),
        ("taxonkey", text(&|_, species| species_key(species)), true),
        ("scientificname", text(&|_, species| format!("{} (L.) Author", name(species))), true),
        ("specieskey", text(&|_, species| species_key(species)), true),
        ("species", text(&|_, species| name(species)), true),
        ("occ_count", counts(&|site, species| 1 + ((site * species) % 97) as i64), false),
        ("record_count", counts(&|site, species| 1 + ((site * species) % 97) as i64), false),
        ("occ_undated", counts(&|_, _| 0), false),
        ("first_year", years(1900), true),
        ("last_year", years(2026), true),
    ])?;
    to_parquet(&batch)
}
