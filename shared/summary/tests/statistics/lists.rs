//! Species lists for the tests.

use std::num::NonZeroU64;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use bisonflow_summary::SummarySpec;
use bisonflow_summary::statistics::{MatrixBuilder, SiteSpeciesMatrix};

/// A row of `<name>_x_species_list`: site, its label, specieskey, species, occurrences.
pub(crate) type Row = (Option<String>, Option<String>, Option<String>, Option<String>, i64);

pub(crate) fn spec() -> SummarySpec {
    SummarySpec { name: "county".into(), by: vec!["county_geoid".into(), "state_county".into()] }
}

pub(crate) fn batch(rows: &[Row]) -> RecordBatch {
    let text = |cell: fn(&Row) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(cell).collect::<StringArray>())
    };
    RecordBatch::try_from_iter_with_nullable([
        ("county_geoid", text(|row| row.0.as_deref()), true),
        ("state_county", text(|row| row.1.as_deref()), true),
        ("specieskey", text(|row| row.2.as_deref()), true),
        ("species", text(|row| row.3.as_deref()), true),
        ("occ_count", Arc::new(rows.iter().map(|row| row.4).collect::<Int64Array>()) as ArrayRef, false),
    ])
    .unwrap()
}

pub(crate) fn matrix(rows: &[Row], min_count: u64) -> SiteSpeciesMatrix {
    let mut builder = MatrixBuilder::new(spec(), NonZeroU64::new(min_count).unwrap());
    builder.add(&batch(rows)).unwrap();
    builder.finish()
}

pub(crate) fn row(site: usize, species: usize, occ: i64) -> Row {
    (
        Some(format!("{site:05}")),
        Some(format!("County {site}")),
        Some(format!("{species:04}")),
        Some(format!("Aus {species}")),
        occ,
    )
}

/// The rows of a matrix of presence, given as text: a site per line, `1` for present.
pub(crate) fn rows_of(sites: &[&str]) -> Vec<Row> {
    let cells = sites.iter().enumerate().flat_map(|(site, line)| {
        line.bytes().enumerate().filter(|(_, byte)| *byte == b'1').map(move |(species, _)| (site, species))
    });
    cells.map(|(site, species)| row(site, species, 1 + (site * 7 + species) as i64)).collect()
}
