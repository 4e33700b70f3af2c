//! The ledger: the sums that must agree, so that nothing is lost and nothing counted twice.

use bisonflow_contract::document::{Landing, Ledger, LedgerRecords, RiisCounts, Source, Tally};
use bisonflow_contract::input::Options;
use bisonflow_contract::{Checklist, RunId};

use crate::datasets::DatasetRows;
use crate::earliest::{self, EarliestDated};
use crate::riis_matches::MatchRows;
use crate::{Merged, Statuses, SummaryError};

/// What a ledger is made of.
#[derive(Clone, Debug)]
pub struct Closing<'a> {
    /// The run.
    pub run_id: &'a RunId,
    /// The generation.
    pub generation: u32,
    /// The checklist that the run went by.
    pub checklist: &'a Checklist,
    /// The options, as given.
    pub options: &'a Options,
    /// What landed.
    pub landing: &'a Landing,
    /// The sum of what became of all subsets.
    pub tally: &'a Tally,
    /// How many subsets.
    pub subsets: u64,
    /// The rows of all annotated parts, by their footers.
    pub annotated_rows: u64,
}

/// Closes the ledger of a run.
///
/// # Errors
/// [`SummaryError::CountMismatch`], which names both figures, unless read = rejected + landed, landed = what the
/// parts hold = what was put in = Σ filtered + annotated, Σ riis = annotated = inside + outside of every layer =
/// rows of the annotated parts, and the source has as many records as it declares.
/// [`SummaryError::OtherRun`] for the landing of another run.
pub fn close(closing: &Closing<'_>) -> Result<Ledger, SummaryError> {
    let Closing { landing, tally, .. } = closing;
    if landing.run_id != *closing.run_id {
        return Err(SummaryError::OtherRun {
            found: landing.run_id.to_string(),
            expected: closing.run_id.to_string(),
        });
    }
    let landed = landing.records;
    let filtered: u64 = tally.filtered.values().sum();
    equal("read", landed.read, "rejected + landed", landed.rejected + landed.landed)?;
    if let Some(declared) = landing.source.records_declared {
        equal("records_declared", declared, "read", landed.read)?;
    }
    if let Some(rows) = landing.parts.iter().map(|part| part.records).sum::<Option<u64>>() {
        equal("landed", landed.landed, "the rows of the landed parts", rows)?;
    }
    equal("landed", landed.landed, "the records of the subsets", tally.records)?;
    equal("landed", landed.landed, "filtered + annotated", filtered + tally.annotated)?;
    equal("annotated", tally.annotated, "the sum of riis", tally.riis.total())?;
    for (name, layer) in &tally.layers {
        let right = format!("inside + outside of layer {name}");
        equal("annotated", tally.annotated, &right, layer.inside + layer.outside)?;
    }
    equal("annotated", tally.annotated, "the rows of the annotated parts", closing.annotated_rows)?;
    Ok(Ledger {
        run_id: closing.run_id.clone(),
        generation: closing.generation,
        checklist: closing.checklist.clone(),
        options: closing.options.clone(),
        source: Source { etag: None, ..landing.source.clone() },
        records: LedgerRecords {
            read: landed.read,
            ragged: landed.ragged,
            rejected: landed.rejected,
            landed: landed.landed,
            filtered: tally.filtered.clone(),
            annotated: tally.annotated,
        },
        layers: tally.layers.clone(),
        riis: tally.riis,
        subsets: closing.subsets,
    })
}

/// Checks the tables of a summary against the ledger: they were counted from exactly the annotated records, and
/// every `occ_count` column sums up to the same (to the annotated records, or more where the key is a list).
///
/// # Errors
/// [`SummaryError::CountMismatch`], which names the table.
pub fn check_tables(annotated: u64, merged: &Merged<'_>) -> Result<(), SummaryError> {
    for table in merged.tables() {
        let name = &table.name;
        equal("annotated", annotated, &format!("the records counted in {name}"), merged.records())?;
        if let Some(total) = table.sum("occ_count") {
            let total = u64::try_from(total).unwrap_or(0);
            let right = format!("the sum of occ_count in {name}");
            equal("occurrences in regions and outside", merged.occurrences(), &right, total)?;
        }
    }
    Ok(())
}

/// Checks the records of the datasets against what became of all records.
///
/// # Errors
/// [`SummaryError::CountMismatch`].
pub fn check_datasets(tally: &Tally, rows: &DatasetRows) -> Result<(), SummaryError> {
    let (read, annotated) = rows.records();
    equal("the records of the subsets", tally.records, "the sum of read in dataset_counts", read)?;
    equal("annotated", tally.annotated, "the sum of annotated in dataset_counts", annotated)
}

/// Checks that each species of each region has its evidence, and no other.
///
/// # Errors
/// [`SummaryError::CountMismatch`], which names the summary.
pub fn check_earliest(
    summary: &str,
    statuses: &Statuses,
    earliest: &EarliestDated,
) -> Result<(), SummaryError> {
    let right = format!("the rows of {}", earliest::table_name(summary));
    let left = format!("the regions and species of {summary}_x_species_list");
    equal(&left, statuses.len() as u64, &right, earliest.len() as u64)
}

/// Checks the matches in the register against what became of all records.
///
/// # Errors
/// [`SummaryError::CountMismatch`].
pub fn check_matches(tally: &Tally, rows: &MatchRows) -> Result<(), SummaryError> {
    let RiisCounts { introduced, established, invasive, widespread_invasive, .. } = tally.riis;
    let listed = introduced + established + invasive + widespread_invasive;
    equal("records that the register lists", listed, "the sum of records in riis_matches", rows.records())
}

/// The ledger in a line: `read 600 = rejected 0 + filtered 0 + annotated 600`.
pub fn ledger_line(ledger: &Ledger) -> String {
    let LedgerRecords { read, rejected, filtered, annotated, .. } = &ledger.records;
    let filtered: u64 = filtered.values().sum();
    format!("read {read} = rejected {rejected} + filtered {filtered} + annotated {annotated}")
}

fn equal(left: &str, left_count: u64, right: &str, right_count: u64) -> Result<(), SummaryError> {
    if left_count == right_count {
        return Ok(());
    }
    Err(SummaryError::CountMismatch {
        left: left.to_owned(),
        left_count,
        right: right.to_owned(),
        right_count,
    })
}
