//! The species of one region in a finished run: with their counts, status, first and last year.

use std::collections::BTreeMap;
use std::str::FromStr;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{
    SortColumn, SortOptions, concat_batches, filter_record_batch, lexsort_to_indices, take_record_batch,
};
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::error::ArrowError;
use bisonflow_contract::{RunId, StepError};
use serde::Serialize;

use crate::columns::column;
use crate::finished_run::{FinishedRun, Where};
use crate::names::{folded, named, nearest};

/// What the names of the tables end with that list the species of regions.
const SPECIES_LIST: &str = "_x_species_list";
/// The first column of such a table that does not describe the region.
const SPECIES_KEY: &str = "specieskey";
/// How many regions of one name are told.
const TOLD_REGIONS: usize = 8;

/// What is asked of a run.
#[derive(Clone, Debug)]
pub struct RegionQuery {
    /// The region: its key, or one of its labels, in upper or lower case.
    pub region: String,
    /// The summary that the region belongs to; absent to look in all of them.
    pub summary: Option<String>,
    /// Only species of this status; absent for all.
    pub status: Option<Status>,
}

/// A status that a list can be limited to: one of `riis_assessment`, or several that the summaries count together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Introduced or established.
    Introduced,
    /// Established only.
    Established,
    /// Invasive or widespread invasive.
    Invasive,
    /// Widespread invasive only.
    WidespreadInvasive,
    /// Introduced, established, invasive or widespread invasive.
    Nonnative,
    /// Not in the register for this region; that does not mean native.
    NotListed,
    /// Nothing is said about it.
    NotAssessed,
}

impl Status {
    /// Their names, as a person writes them.
    pub const NAMES: [(&'static str, Status); 7] = [
        ("introduced", Status::Introduced),
        ("established", Status::Established),
        ("invasive", Status::Invasive),
        ("widespread_invasive", Status::WidespreadInvasive),
        ("nonnative", Status::Nonnative),
        ("not_listed", Status::NotListed),
        ("not_assessed", Status::NotAssessed),
    ];

    /// The values of `riis_assessment` that it stands for.
    pub fn assessments(self) -> &'static [&'static str] {
        match self {
            Status::Introduced => &["introduced", "established"],
            Status::Established => &["established"],
            Status::Invasive => &["invasive", "widespread_invasive"],
            Status::WidespreadInvasive => &["widespread_invasive"],
            Status::Nonnative => &["introduced", "established", "invasive", "widespread_invasive"],
            Status::NotListed => &["not_listed"],
            Status::NotAssessed => &["not_assessed"],
        }
    }
}

impl FromStr for Status {
    type Err = StepError;
    fn from_str(text: &str) -> Result<Status, StepError> {
        let name = text.to_lowercase().replace([' ', '-'], "_");
        Status::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, status)| status).ok_or_else(
            || {
                let known = Status::NAMES.map(|(name, _)| name).join(", ");
                StepError::invalid("status", format_args!("found {text:?}, expected one of {known}"))
            },
        )
    }
}

/// The species of a region.
#[derive(Clone, Debug)]
pub struct RegionList {
    /// The run.
    pub run_id: RunId,
    /// The summary that the region belongs to.
    pub summary: String,
    /// What describes the region, in the order of the table: its key, then its labels.
    pub region: Vec<(String, Option<String>)>,
    /// The rows of `<summary>_x_species_list`, a row per species and status: sorted by the bytes of their names,
    /// those without a name last.
    pub rows: RecordBatch,
}

/// A row of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedSpecies {
    /// Its key in the run's checklist; none for records that are of no species.
    pub specieskey: Option<String>,
    /// Its name.
    pub species: Option<String>,
    /// Its status in the register.
    pub riis_assessment: Option<String>,
    /// Occurrences.
    pub occ_count: i64,
    /// The first year of an occurrence.
    pub first_year: Option<i32>,
    /// The last year of an occurrence.
    pub last_year: Option<i32>,
    /// Occurrences without a year that can be believed.
    pub occ_undated: i64,
}

impl RegionList {
    /// The rows, one by one.
    ///
    /// # Errors
    /// [`StepError::Internal`] if the table has other columns than a species list.
    pub fn species(&self) -> Result<Vec<ListedSpecies>, StepError> {
        let text = |name| column(&self.rows, name).map(|column| column.as_string_opt::<i32>());
        let lacks =
            || StepError::Internal(format!("{}{SPECIES_LIST}: a column has another type", self.summary));
        let count = |name| {
            let found = column(&self.rows, name)?.as_primitive_opt::<Int64Type>();
            found.ok_or_else(lacks)
        };
        let year = |name| {
            let found = column(&self.rows, name)?.as_primitive_opt::<Int32Type>();
            found.ok_or_else(lacks)
        };
        let key = text(SPECIES_KEY)?.ok_or_else(lacks)?;
        let species = text("species")?.ok_or_else(lacks)?;
        let status = text("riis_assessment")?.ok_or_else(lacks)?;
        let (occ, undated) = (count("occ_count")?, count("occ_undated")?);
        let (first, last) = (year("first_year")?, year("last_year")?);
        let text_at = |column: &StringArray, row| column.is_valid(row).then(|| column.value(row).to_owned());
        let rows = 0..self.rows.num_rows();
        Ok(rows
            .map(|row| ListedSpecies {
                specieskey: text_at(key, row),
                species: text_at(species, row),
                riis_assessment: text_at(status, row),
                occ_count: occ.value(row),
                first_year: first.is_valid(row).then(|| first.value(row)),
                last_year: last.is_valid(row).then(|| last.value(row)),
                occ_undated: undated.value(row),
            })
            .collect())
    }
}

/// A region of a summary that bears the name that was asked for.
struct Found {
    summary: String,
    by: Vec<(String, Option<String>)>,
}

/// Lists the species of a region.
///
/// A region is asked for by its key or, if no key of any summary is called so, by one of its labels.
///
/// # Errors
/// [`StepError::InvalidInput`] if no region with records is called so, with the names that are most like it; if
/// several are; or if the run has no such summary. Else as [`FinishedRun::rows`].
pub async fn list_region(run: &FinishedRun, query: &RegionQuery) -> Result<RegionList, StepError> {
    let summaries = summaries(run, query.summary.as_deref())?;
    let asked = folded(&query.region);
    let (mut by_key, mut by_label): (Vec<Found>, Vec<Found>) = Default::default();
    let mut names: Vec<String> = Vec::new();
    for summary in &summaries {
        for rows in run.rows(&format!("{summary}_counts"), None).await? {
            let columns = region_columns(&rows, "occ_count")?;
            for row in 0..rows.num_rows() {
                let value = |column: &StringArray| column.is_valid(row).then(|| column.value(row).to_owned());
                let by: Vec<(String, Option<String>)> =
                    columns.iter().map(|(name, column)| (name.clone(), value(column))).collect();
                let Some(key) = &by[0].1 else { continue }; // outside the layer
                let is_asked = |text: &String| folded(text) == asked;
                let labels = by[1..].iter().filter_map(|(_, label)| label.as_ref());
                if is_asked(key) {
                    by_key.push(Found { summary: summary.clone(), by });
                } else if labels.clone().any(is_asked) {
                    by_label.push(Found { summary: summary.clone(), by });
                } else {
                    names.extend(labels.chain([key]).cloned());
                }
            }
        }
    }
    let mut found = if by_key.is_empty() { by_label } else { by_key };
    if found.len() > 1 {
        return Err(several(&query.region, &found));
    }
    let Some(Found { summary, by }) = found.pop() else {
        return Err(StepError::invalid(
            "region",
            format_args!(
                "run {} has no records in a region called {:?} ({}): none lie there, or no region is called so; {}",
                run.manifest().run_id,
                query.region,
                summaries.join(", "),
                named("regions", &nearest(&query.region, names.iter().map(String::as_str)))
            ),
        ));
    };
    let key = by[0].1.as_deref().unwrap_or_default();
    let condition = Where { column: &by[0].0, is: key };
    let batches = run.rows(&format!("{summary}{SPECIES_LIST}"), Some(condition)).await?;
    let rows = rows_of(&batches, query.status)
        .map_err(|error| StepError::Internal(format!("{summary}{SPECIES_LIST}: {error}")))?;
    Ok(RegionList { run_id: run.manifest().run_id.clone(), summary, region: by, rows })
}

/// The summaries to look in.
fn summaries(run: &FinishedRun, asked: Option<&str>) -> Result<Vec<String>, StepError> {
    let of_table = |name: &String| name.strip_suffix(SPECIES_LIST).map(str::to_owned);
    let all: Vec<String> = run.manifest().tables.keys().filter_map(of_table).collect();
    match asked {
        None => Ok(all),
        Some(name) if all.iter().any(|known| known == name) => Ok(vec![name.to_owned()]),
        Some(name) => Err(StepError::invalid(
            "summary",
            format_args!(
                "found {name}, which run {} does not have; it has {}",
                run.manifest().run_id,
                if all.is_empty() { "none".to_owned() } else { all.join(", ") }
            ),
        )),
    }
}

fn several(asked: &str, found: &[Found]) -> StepError {
    let one = |found: &Found| {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let labels: Vec<String> = found.by[1..].iter().map(|(_, label)| text(label)).collect();
        let labels = if labels.is_empty() { String::new() } else { format!(" ({})", labels.join(", ")) };
        format!("{} {}{labels}", found.summary, text(&found.by[0].1))
    };
    let more = found.len().saturating_sub(TOLD_REGIONS);
    let told: Vec<String> = found.iter().take(TOLD_REGIONS).map(one).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    StepError::invalid(
        "region",
        format_args!(
            "{} regions are called {asked:?}: {}{more}; name one by its key or by another label, and say which summary \
             with --summary",
            found.len(),
            told.join("; ")
        ),
    )
}

/// The columns of a table before this one, which describe the region; all of text.
fn region_columns<'a>(
    rows: &'a RecordBatch,
    before: &str,
) -> Result<Vec<(String, &'a StringArray)>, StepError> {
    let schema = rows.schema();
    let columns = schema.fields().iter().zip(rows.columns()).take_while(|(field, _)| field.name() != before);
    let texts: Option<Vec<_>> =
        columns.map(|(field, column)| Some((field.name().clone(), column.as_string_opt::<i32>()?))).collect();
    texts.filter(|texts| !texts.is_empty()).ok_or_else(|| {
        StepError::Internal(format!("a table has no columns of text before {before}: {schema}"))
    })
}

/// The rows of this status, sorted by name, key and status.
fn rows_of(batches: &[RecordBatch], status: Option<Status>) -> Result<RecordBatch, ArrowError> {
    let Some(first) = batches.first() else {
        return Err(ArrowError::InvalidArgumentError("it has no rows of the region".into()));
    };
    let mut rows = concat_batches(&first.schema(), batches)?;
    let lacks = |name: &str| ArrowError::SchemaError(format!("it has no column {name}"));
    if let Some(status) = status {
        let column = rows.column_by_name("riis_assessment").and_then(|column| column.as_string_opt::<i32>());
        let column = column.ok_or_else(|| lacks("riis_assessment"))?;
        let keep = |text: Option<&str>| text.is_some_and(|text| status.assessments().contains(&text));
        let keep: BooleanArray = column.iter().map(|text| Some(keep(text))).collect();
        rows = filter_record_batch(&rows, &keep)?;
    }
    let by = ["species", SPECIES_KEY, "riis_assessment"].map(|name| {
        let values = rows.column_by_name(name).ok_or_else(|| lacks(name))?.clone();
        let options = Some(SortOptions { descending: false, nulls_first: false });
        Ok::<_, ArrowError>(SortColumn { values, options })
    });
    let by = by.into_iter().collect::<Result<Vec<_>, _>>()?;
    take_record_batch(&rows, &lexsort_to_indices(&by, None)?)
}

/// What describes a region, as an object of names and values.
pub fn region_object(region: &[(String, Option<String>)]) -> BTreeMap<&str, Option<&str>> {
    region.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect()
}
