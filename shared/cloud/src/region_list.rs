//! The species of one region in a finished run: with their counts, status, first and last year.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{
    SortColumn, SortOptions, concat_batches, filter_record_batch, lexsort_to_indices, take_record_batch,
};
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::error::ArrowError;
use bisonflow_contract::{RunId, StepError};
use bisonflow_region::outlines;
use serde::Serialize;

use crate::columns::column;
use crate::finished_run::{FinishedRun, Where};
use crate::names::{folded, named, nearest};
use crate::reference;

/// What the names of the tables end with that list the species of regions.
const SPECIES_LIST: &str = "_x_species_list";
/// The first column of such a table that does not describe the region.
const SPECIES_KEY: &str = "specieskey";
/// How many regions of one name are told.
const TOLD_REGIONS: usize = 8;
/// The longest file of a layer that is read for the names of its regions, in bytes.
const MOST_READ_BYTES: u64 = 64 * 1024 * 1024;

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

/// A region of a summary: what describes it, its key first.
#[derive(Clone, Debug)]
struct Region {
    summary: String,
    by: Vec<(String, Option<String>)>,
}

/// Regions by the name that is asked for.
struct Search {
    asked: String,
    by_key: Vec<Region>,
    by_label: Vec<Region>,
    /// What those that are not called so are called.
    names: BTreeSet<String>,
    /// Of each summary the first of them.
    examples: BTreeMap<String, String>,
}

impl Search {
    fn new(asked: &str) -> Search {
        Search {
            asked: folded(asked),
            by_key: Vec::new(),
            by_label: Vec::new(),
            names: BTreeSet::new(),
            examples: BTreeMap::new(),
        }
    }

    /// Looks at a region; one without a key is outside the layer.
    fn look(&mut self, region: Region) {
        let Some(key) = &region.by[0].1 else { return };
        let is_asked = |text: &String| folded(text) == self.asked;
        let labels = region.by[1..].iter().filter_map(|(_, label)| label.as_ref());
        if is_asked(key) {
            self.by_key.push(region);
        } else if labels.clone().any(is_asked) {
            self.by_label.push(region);
        } else {
            self.examples.entry(region.summary.clone()).or_insert_with(|| described(&region));
            self.names.extend(labels.chain([key]).cloned());
        }
    }

    /// The regions that are called so: a key goes before a label.
    fn found(&mut self) -> Vec<Region> {
        let by_label = std::mem::take(&mut self.by_label);
        if self.by_key.is_empty() { by_label } else { std::mem::take(&mut self.by_key) }
    }

    /// What is like it, or what regions are called.
    fn advice(&self, asked: &str) -> String {
        let examples: Vec<&str> = self.examples.values().map(String::as_str).collect();
        if examples.is_empty() {
            return "it has no regions".to_owned();
        }
        let alike = nearest(asked, self.names.iter().map(String::as_str));
        format!("{}. Regions are called such as {}", named("regions", &alike), examples.join("; "))
    }
}

/// Lists the species of a region.
///
/// A region is asked for by its key or, if no key of any summary is called so, by one of its labels. One of the layers in
/// which no record of the run lies has an empty list.
///
/// # Errors
/// [`StepError::InvalidInput`] if no region is called so, with the names that are most like it; if several are; or if
/// the run has no such summary. Else as [`FinishedRun::rows`].
pub async fn list_region(run: &FinishedRun, query: &RegionQuery) -> Result<RegionList, StepError> {
    let summaries = summaries(run, query.summary.as_deref())?;
    let mut search = Search::new(&query.region);
    for summary in &summaries {
        for rows in run.rows(&format!("{summary}_counts"), None).await? {
            let columns = region_columns(&rows, "occ_count")?;
            for row in 0..rows.num_rows() {
                let value = |column: &StringArray| column.is_valid(row).then(|| column.value(row).to_owned());
                let by = columns.iter().map(|(name, column)| (name.clone(), value(column))).collect();
                search.look(Region { summary: summary.clone(), by });
            }
        }
    }
    let mut found = search.found();
    let mut unread = None;
    if found.is_empty() {
        // No record lies there, or there is no such region: the layers tell.
        match regions_of_layers(run, &summaries).await {
            Ok(regions) => regions.into_iter().for_each(|region| search.look(region)),
            Err(error) => unread = Some(error.to_string()),
        }
        found = search.found();
    }
    if found.len() > 1 {
        return Err(several(&query.region, &found));
    }
    let Some(Region { summary, by }) = found.pop() else {
        let what = match unread {
            None => "no region of its layers is called so".to_owned(),
            Some(why) => {
                format!("no record lies in one called so, and whether there is one was not seen: {why}")
            }
        };
        return Err(StepError::invalid(
            "region",
            format_args!(
                "found {:?} for run {} ({}): {what}; {}",
                query.region,
                run.manifest().run_id,
                summaries.join(", "),
                search.advice(&query.region)
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

/// The regions of the layers that summaries go by, with or without records, as the reference data of the run has them.
///
/// # Errors
/// [`StepError::InvalidInput`] if a layer's file is too long to be read for this; else as [`reference::read`].
async fn regions_of_layers(run: &FinishedRun, summaries: &[String]) -> Result<Vec<Region>, StepError> {
    let store = run.run().store();
    let plan = run.run().plan().await?;
    let config = reference::layers_config(store, &plan).await?;
    let mut found = Vec::new();
    for summary in config.summaries.iter().filter(|summary| summaries.contains(&summary.name)) {
        let layer = summary
            .by
            .first()
            .and_then(|key| config.layers.iter().find(|layer| layer.fields.contains_key(key)));
        let pin = layer.and_then(|layer| Some((layer, plan.reference.layer_sources.get(&layer.source)?)));
        let Some((layer, pin)) = pin else { continue };
        if pin.bytes > MOST_READ_BYTES {
            return Err(StepError::invalid(
                format_args!("layer {}", layer.name),
                format_args!("{} has {} bytes, read are up to {MOST_READ_BYTES}", pin.uri, pin.bytes),
            ));
        }
        let file = reference::read(store, pin).await?.to_vec();
        let mut keys = BTreeSet::new();
        for outline in outlines(layer, file)? {
            let text = |column: &String| outline.fields.get(layer.fields.get_index_of(column)?)?.clone();
            let by: Vec<_> = summary.by.iter().map(|column| (column.clone(), text(column))).collect();
            if keys.insert(by[0].1.clone()) {
                found.push(Region { summary: summary.name.clone(), by });
            }
        }
    }
    Ok(found)
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

/// `county 20045 (KS Douglas County, KS, Douglas County)`
fn described(region: &Region) -> String {
    let labels: Vec<&str> = region.by[1..].iter().filter_map(|(_, label)| label.as_deref()).collect();
    let labels = if labels.is_empty() { String::new() } else { format!(" ({})", labels.join(", ")) };
    format!("{} {}{labels}", region.summary, region.by[0].1.as_deref().unwrap_or_default())
}

fn several(asked: &str, found: &[Region]) -> StepError {
    let more = found.len().saturating_sub(TOLD_REGIONS);
    let told: Vec<String> = found.iter().take(TOLD_REGIONS).map(described).collect();
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
        return Err(ArrowError::InvalidArgumentError("it has no file".into()));
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
