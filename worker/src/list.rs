//! `list`: the species of one region in a finished run, as a table for people, CSV or JSON.

use bisonflow_cloud::region_list::{
    ListedSpecies, RegionList, RegionQuery, Status, list_region, region_object,
};
use bisonflow_cloud::{FinishedRun, Store};
use bisonflow_contract::text::brief;
use bisonflow_contract::{RunId, StepError};
use bisonflow_summary::to_csv;
use serde_json::json;
use tokio::runtime::Handle;

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns for people.
    Table,
    /// RFC 4180; no cell is a formula.
    Csv,
    /// One object: run, summary, region, status (the statuses it is limited to, or null), species.
    Json,
}

/// Lists the species of a region.
///
/// # Errors
/// As [`FinishedRun::open`] and [`list_region`].
pub fn list(
    store: &Store,
    run_id: &RunId,
    query: &RegionQuery,
    format: Format,
    handle: &Handle,
) -> Result<String, StepError> {
    let found = handle.block_on(async {
        let run = FinishedRun::open(store, run_id).await?;
        list_region(&run, query).await
    })?;
    match format {
        Format::Table => Ok(table(&found, &found.species()?, query.status)),
        Format::Csv => csv(&found),
        Format::Json => {
            let document = json!({
                "run": found.run_id,
                "summary": found.summary,
                "region": region_object(&found.region),
                "status": query.status.map(Status::assessments),
                "species": found.species()?,
            });
            serde_json::to_string_pretty(&document).map_err(|error| StepError::Internal(error.to_string()))
        }
    }
}

fn csv(list: &RegionList) -> Result<String, StepError> {
    let csv = String::from_utf8(to_csv(&list.rows)?);
    let csv = csv.map_err(|error| StepError::Internal(format!("CSV: {error}")))?;
    Ok(csv.trim_end_matches('\n').to_owned())
}

fn table(list: &RegionList, species: &[ListedSpecies], status: Option<Status>) -> String {
    let values = list.region.iter().filter_map(|(_, value)| value.as_deref());
    let region: Vec<String> = values.map(brief).collect();
    let of_species = species.iter().filter_map(|row| row.specieskey.as_ref());
    let distinct: std::collections::BTreeSet<&String> = of_species.collect();
    let occurrences: i64 = species.iter().map(|row| row.occ_count).sum();
    let only = status.map_or(String::new(), |status| format!(" (only {})", status.assessments().join(", ")));
    let mut lines = vec![
        format!("{} {}: run {}", list.summary, region.join(", "), list.run_id),
        format!("{} species, {occurrences} occurrences{only}", distinct.len()),
        String::new(),
    ];
    if species.is_empty() {
        lines[2] = match status {
            None => "No annotated record of this run lies there.".to_owned(),
            Some(_) => "No annotated record of this run lies there and has such a status.".to_owned(),
        };
        return lines.join("\n");
    }
    let text = |text: &Option<String>| text.as_deref().map_or("–".to_owned(), brief);
    let year = |year: Option<i32>| year.map_or("–".to_owned(), |year| year.to_string());
    let header =
        ["species", "specieskey", "riis_assessment", "occ_count", "first_year", "last_year", "occ_undated"];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(species.iter().map(|row| {
        [
            text(&row.species),
            text(&row.specieskey),
            text(&row.riis_assessment),
            row.occ_count.to_string(),
            year(row.first_year),
            year(row.last_year),
            row.occ_undated.to_string(),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    for row in &rows {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            if column < 3 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        lines.push(cells.collect::<Vec<_>>().join("  ").trim_end().to_owned());
    }
    lines.join("\n")
}
