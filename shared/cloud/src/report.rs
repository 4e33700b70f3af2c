//! `report.html`: what a run made, read back from its tables and laid out for people.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, StringArray};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use bisonflow_contract::StepError;
use bisonflow_contract::document::{Ledger, Manifest, NewInRun, Pin, Plan, RiisCounts, Table};
use bisonflow_contract::drift::Drift;
use bisonflow_contract::layout::{ANNOTATED, OCCURRENCES, RunLayout};
use bisonflow_occurrence::Filters;
use bisonflow_region::{LayerConfig, LayersConfig, Overlap, SummaryConfig, outlines};
use bisonflow_report::{
    Backdrop, DatasetLicences, Diversity, FileLink, LayerNote, LicenceCount, Map, MapShape, NewSpeciesRow,
    RegionRow, Register, Report, SpeciesRow, Summary, TopSpecies,
};
use bisonflow_summary::datasets::DATASET_COUNTS;
use jiff::tz::TimeZone;

use crate::columns::{bigints, column, other_type, texts};
use crate::finished_run::{for_each_batch, read_rows};
use crate::{RunStore, Store, reference, summarize};

/// The longest file of a layer that is read to be drawn, in bytes.
const MOST_DRAWN_BYTES: u64 = 64 * 1024 * 1024;
/// How many species that are new in a region are on the page, for each summary.
const MOST_NEW_SPECIES: usize = 100;
/// How many species are named.
const TOP_SPECIES: usize = 25;

/// The tables of a run, by name.
type Tables = BTreeMap<String, Table>;

/// Writes `report.html` of a run whose tables are written; doing it again writes the same.
///
/// # Errors
/// [`StepError::BadReferenceData`] if reference data is not what it was; [`StepError::Internal`] if a table lacks a
/// column; else as [`Store::get`].
pub async fn write_report(
    store: &Store,
    plan: &Plan,
    made: &summarize::Summary,
    manifest: &Manifest,
    drift: &Drift,
) -> Result<(), StepError> {
    let run = RunStore::new(store, &plan.run_id);
    let page = report(store, plan, made, manifest, drift).await?.page();
    store.put(&run.layout().report(), page).await
}

async fn report(
    store: &Store,
    plan: &Plan,
    made: &summarize::Summary,
    manifest: &Manifest,
    drift: &Drift,
) -> Result<Report, StepError> {
    let (ledger, tables) = (&made.ledger, &manifest.tables);
    let config = reference::layers_config(store, plan).await?;
    let mut shapes = Shapes { store, plan, of_layers: BTreeMap::new() };
    let mut summaries = Vec::new();
    for summary in &config.summaries {
        summaries.push(summary_of(store, tables, made, &config, summary, &mut shapes).await?);
    }
    let states =
        config.summaries.iter().position(|summary| config.riis_region_from.as_ref() == summary.by.first());
    let backdrop = match &config.riis_region_from {
        None => None,
        Some(column) => {
            let layer = config.layers.iter().find(|layer| layer.fields.contains_key(column));
            let Some(layer) = layer else { return Err(no_layer(column)) };
            match shapes.map(layer, std::slice::from_ref(column)).await? {
                Map::Of { shapes, overlapping: false } => {
                    Some(Backdrop { layer: layer.name.clone(), shapes })
                }
                Map::Of { .. } | Map::NotDrawn(_) => None,
            }
        }
    };
    Ok(Report {
        ledger: ledger.clone(),
        planned_on: plan.planned_at.to_zoned(TimeZone::UTC).date().to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        filters: Filters::new(plan.options())
            .described()
            .into_iter()
            .map(|(name, passes)| (name.to_string(), passes))
            .collect(),
        layers: layers(plan, &config),
        register: register(store, plan).await?,
        notes: manifest.notes.clone(),
        drift: drift.clone(),
        top_species: top_species(store, tables, &summaries).await?,
        summaries,
        states,
        backdrop,
        licences: licences(store, tables).await?,
        files: files(plan, ledger, tables),
    })
}

fn no_layer(column: &str) -> StepError {
    StepError::Internal(format!("no layer has the field {column}, which layers.toml names"))
}

fn layers(plan: &Plan, config: &LayersConfig) -> Vec<LayerNote> {
    let note = |layer: &LayerConfig| LayerNote {
        name: layer.name.clone(),
        source: layer.source.clone(),
        vintage: layer.vintage.clone(),
        scale: layer.scale.clone(),
        is_coarse: layer.is_coarse(),
        sha256: plan
            .reference
            .layer_sources
            .get(&layer.source)
            .map_or_else(String::new, |pin| pin.sha256.clone()),
    };
    config.layers.iter().map(note).collect()
}

async fn register(store: &Store, plan: &Plan) -> Result<Option<Register>, StepError> {
    let Some(register) = reference::register(store, plan).await? else { return Ok(None) };
    let Some(Pin { uri, sha256, .. }) = plan.reference.riis.clone() else { return Ok(None) };
    let rows_without_key = register.rows_without_key() as u64;
    Ok(Some(Register { uri, sha256, rows: register.rows() as u64, rows_without_key }))
}

/// The files to link to, relative to the run's folder.
fn files(plan: &Plan, ledger: &Ledger, tables: &Tables) -> Vec<FileLink> {
    let layout = RunLayout::new(&plan.run_id);
    let folder = layout.folder();
    let document = |key: String| {
        let name = key.strip_prefix(&folder).unwrap_or(&key).to_owned();
        FileLink { href: name.clone(), name, rows: None }
    };
    let mut files: Vec<FileLink> =
        [layout.ledger(), layout.drift(), layout.landing(), layout.plan(), layout.manifest()]
            .map(document)
            .into();
    if ledger.records.rejected > 0 {
        files.push(document(layout.rejects()));
    }
    if tables.contains_key(DATASET_COUNTS) {
        let href = format!("../../{}", layout.derived_dataset());
        files.push(FileLink { name: "derived_dataset.csv".to_owned(), href, rows: None });
    }
    let is_summary = |name: &&String| ![ANNOTATED, OCCURRENCES].contains(&name.as_str());
    files.extend(tables.iter().filter(|(name, _)| is_summary(name)).map(|(name, table)| FileLink {
        name: name.clone(),
        href: format!("../../{}", layout.csv(name)),
        rows: Some(table.rows),
    }));
    files
}

/// The shapes of layers, each read once.
struct Shapes<'a> {
    store: &'a Store,
    plan: &'a Plan,
    of_layers: BTreeMap<String, Result<Vec<Shape>, String>>,
}

/// A region: what it says in the fields of its layer, and its rings.
struct Shape {
    fields: Vec<Option<String>>,
    rings: Arc<Vec<Vec<[f64; 2]>>>,
}

impl Shapes<'_> {
    /// The map by `by`: its key and, where the layer has them, its labels.
    async fn map(&mut self, layer: &LayerConfig, by: &[String]) -> Result<Map, StepError> {
        if !self.of_layers.contains_key(&layer.name) {
            let read = self.read(layer).await?;
            self.of_layers.insert(layer.name.clone(), read);
        }
        let shapes = match &self.of_layers[&layer.name] {
            Ok(shapes) => shapes,
            Err(why) => return Ok(Map::NotDrawn(why.clone())),
        };
        let place = |column: &String| layer.fields.get_index_of(column);
        let key = by.first().and_then(place);
        let label = by.get(1).and_then(place).or(key);
        let text = |shape: &Shape, place: Option<usize>| shape.fields.get(place?)?.clone();
        let shape = |shape: &Shape| MapShape {
            key: text(shape, key),
            label: text(shape, label).unwrap_or_default(),
            rings: shape.rings.clone(),
        };
        let overlapping = layer.overlap != Overlap::One(Vec::new());
        Ok(Map::Of { shapes: shapes.iter().map(shape).collect(), overlapping })
    }

    async fn read(&self, layer: &LayerConfig) -> Result<Result<Vec<Shape>, String>, StepError> {
        let lacks = || StepError::Internal(format!("plan.json does not pin {}", layer.source));
        let pin = self.plan.reference.layer_sources.get(&layer.source).ok_or_else(lacks)?;
        if pin.bytes > MOST_DRAWN_BYTES {
            return Ok(Err(format!(
                "the file of the layer {} has {} MB, maps are drawn of up to {} MB",
                layer.name,
                pin.bytes / 1_048_576,
                MOST_DRAWN_BYTES / 1_048_576
            )));
        }
        let file = reference::read(self.store, pin).await?.to_vec();
        let shape = |outline: bisonflow_region::Outline| Shape {
            fields: outline.fields,
            rings: Arc::new(outline.rings),
        };
        Ok(Ok(outlines(layer, file)?.into_iter().map(shape).collect()))
    }
}

/// A summary: its regions as the tables have them.
async fn summary_of(
    store: &Store,
    tables: &Tables,
    made: &summarize::Summary,
    config: &LayersConfig,
    summary: &SummaryConfig,
    shapes: &mut Shapes<'_>,
) -> Result<Summary, StepError> {
    let name = &summary.name;
    let table = |suffix: &str| table(tables, &format!("{name}_{suffix}"));
    let key =
        summary.by.first().ok_or_else(|| StepError::Internal(format!("summary {name}: `by` is empty")))?;
    let layer =
        config.layers.iter().find(|layer| layer.fields.contains_key(key)).ok_or_else(|| no_layer(key))?;

    let mut regions: Vec<RegionRow> = Vec::new();
    for rows in read_rows(store, table("counts")?, None).await? {
        let by = summary.by.iter().map(|column| texts(&rows, column)).collect::<Result<Vec<_>, _>>()?;
        let (occ, species) = (bigints(&rows, "occ_count")?, bigints(&rows, "species_count")?);
        regions.extend((0..rows.num_rows()).map(|row| RegionRow {
            by: by.iter().map(|column| text(column, row).map(str::to_owned)).collect(),
            occ_count: occ.value(row),
            species_count: species.value(row),
            ..RegionRow::default()
        }));
    }
    let places: BTreeMap<Option<String>, usize> =
        regions.iter().enumerate().map(|(place, row)| (row.by[0].clone(), place)).collect();
    let place_of = |key: Option<&str>| places.get(&key.map(str::to_owned)).copied();
    for rows in read_rows(store, table("riis_summary")?, None).await? {
        let keys = texts(&rows, key)?;
        let [assessed, introduced, invasive, nonnative] =
            ["species_assessed", "species_introduced", "species_invasive", "occ_nonnative"]
                .map(|column| bigints(&rows, column));
        let (assessed, introduced, invasive, nonnative) = (assessed?, introduced?, invasive?, nonnative?);
        let share = column(&rows, "pct_species_nonnative")?.as_primitive_opt::<Float64Type>();
        let share = share.ok_or_else(|| other_type("pct_species_nonnative"))?;
        for row in 0..rows.num_rows() {
            let Some(region) = place_of(text(keys, row)).map(|place| &mut regions[place]) else { continue };
            region.species_assessed = assessed.value(row);
            region.species_introduced = introduced.value(row);
            region.species_invasive = invasive.value(row);
            region.occ_nonnative = nonnative.value(row);
            region.pct_species_nonnative = share.is_valid(row).then(|| share.value(row));
        }
    }
    for rows in read_rows(store, table("x_riis_counts")?, None).await? {
        let (keys, statuses) = (texts(&rows, key)?, texts(&rows, "riis_assessment")?);
        let occ = bigints(&rows, "occ_count")?;
        for row in 0..rows.num_rows() {
            let Some(region) = place_of(text(keys, row)).map(|place| &mut regions[place]) else { continue };
            add_status(
                &mut region.occ_by_status,
                text(statuses, row),
                u64::try_from(occ.value(row)).unwrap_or(0),
            );
        }
    }
    let mut diversity = Vec::new();
    let comment = |column: &str| {
        let table = made.tables.iter().find(|table| table.name == format!("{name}_diversity"))?;
        table.columns.iter().find(|known| known.name == column).map(|known| known.comment.clone())
    };
    for rows in read_rows(store, table("diversity")?, None).await? {
        for (field, column) in
            rows.schema().fields().iter().zip(rows.columns()).filter(|_| rows.num_rows() > 0)
        {
            diversity.push(Diversity {
                column: field.name().clone(),
                comment: comment(field.name()).unwrap_or_default(),
                value: number(column.as_ref(), 0),
            });
        }
    }
    Ok(Summary {
        name: name.clone(),
        by: summary.by.clone(),
        layer: layer.name.clone(),
        is_list: layer.is_list(),
        regions,
        diversity,
        new_in_run: new_in_run(made, name)?,
        new_species: new_species(store, table("x_new_in_run")?, &summary.by).await?,
        map: shapes.map(layer, &summary.by).await?,
    })
}

fn new_in_run(made: &summarize::Summary, summary: &str) -> Result<NewInRun, StepError> {
    let found = made.new_in_run.get(summary).cloned();
    found.ok_or_else(|| StepError::Internal(format!("what is new in summary {summary} was not looked for")))
}

/// The first rows of a table of what is new.
async fn new_species(store: &Store, table: &Table, by: &[String]) -> Result<Vec<NewSpeciesRow>, StepError> {
    let key = by.first().map_or("", String::as_str);
    let name = by.get(1).map_or(key, String::as_str);
    let names = [
        key,
        name,
        "specieskey",
        "species",
        "riis_assessment",
        "eventdate",
        "gbifid",
        "basisofrecord",
        "datasetkey",
        "issue",
    ];
    let numbers = ["decimallatitude", "decimallongitude", "coordinateuncertaintyinmeters"];
    let columns: Vec<&str> = names.into_iter().chain(numbers).chain(["recent"]).collect();
    let mut found: Vec<NewSpeciesRow> = Vec::new();
    for_each_batch(store, table.keys(), &columns, |rows| {
        let of_texts = names.map(|name| texts(rows, name)).into_iter().collect::<Result<Vec<_>, _>>()?;
        let double =
            |name| column(rows, name)?.as_primitive_opt::<Float64Type>().ok_or_else(|| other_type(name));
        let of_numbers = numbers.map(double).into_iter().collect::<Result<Vec<_>, _>>()?;
        let recent = column(rows, "recent")?.as_boolean_opt().ok_or_else(|| other_type("recent"))?;
        for row in 0..rows.num_rows().min(MOST_NEW_SPECIES - found.len()) {
            let cell = |place: usize| text(of_texts[place], row).map(str::to_owned);
            let number = |place: usize| of_numbers[place].is_valid(row).then(|| of_numbers[place].value(row));
            let region = cell(0).unwrap_or_default();
            found.push(NewSpeciesRow {
                region_name: cell(1).unwrap_or_else(|| region.clone()),
                region,
                specieskey: cell(2).unwrap_or_default(),
                species: cell(3),
                riis_assessment: cell(4).unwrap_or_default(),
                eventdate: cell(5),
                gbifid: cell(6),
                basisofrecord: cell(7),
                datasetkey: cell(8),
                issue: cell(9),
                coordinates: [number(0), number(1)],
                uncertainty_m: number(2),
                recent: recent.value(row),
            });
        }
        Ok(())
    })
    .await?;
    Ok(found)
}

/// Species with their records, from the species list of the summary in which it is shortest, and counts each record
/// once.
async fn top_species(
    store: &Store,
    tables: &Tables,
    summaries: &[Summary],
) -> Result<Option<TopSpecies>, StepError> {
    let lists = summaries.iter().filter(|summary| !summary.is_list);
    let lists = lists.filter_map(|summary| tables.get_key_value(&format!("{}_x_species_list", summary.name)));
    let Some((name, list)) = lists.min_by_key(|(_, table)| table.rows) else { return Ok(None) };
    let mut species: BTreeMap<String, SpeciesRow> = BTreeMap::new();
    let columns = ["specieskey", "species", "riis_assessment", "occ_count", "first_year", "last_year"];
    for_each_batch(store, list.keys(), &columns, |rows| {
        let (keys, names) = (texts(rows, "specieskey")?, texts(rows, "species")?);
        let (statuses, occ) = (texts(rows, "riis_assessment")?, bigints(rows, "occ_count")?);
        let [first, last] = ["first_year", "last_year"].map(|name| {
            let found = column(rows, name)?.as_primitive_opt::<Int32Type>();
            found.ok_or_else(|| other_type(name))
        });
        let (first, last) = (first?, last?);
        for row in 0..rows.num_rows() {
            let Some(key) = text(keys, row) else { continue };
            if !species.contains_key(key) {
                species.insert(
                    key.to_owned(),
                    SpeciesRow { specieskey: key.to_owned(), ..SpeciesRow::default() },
                );
            }
            let Some(found) = species.get_mut(key) else { continue };
            found.species = found.species.take().or_else(|| text(names, row).map(str::to_owned));
            found.occ_count += occ.value(row);
            if !matches!(text(statuses, row), None | Some("not_listed" | "not_assessed")) {
                found.occ_nonnative += occ.value(row);
            }
            if first.is_valid(row) {
                found.first_year = found.first_year.into_iter().chain([first.value(row)]).min();
            }
            if last.is_valid(row) {
                found.last_year = found.last_year.into_iter().chain([last.value(row)]).max();
            }
        }
        Ok(())
    })
    .await?;
    let all = species.len() as u64;
    let mut rows: Vec<SpeciesRow> = species.into_values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.occ_count)); // stable: then by key
    rows.truncate(TOP_SPECIES);
    Ok(Some(TopSpecies { table: name.clone(), species: all, rows }))
}

/// The licences of the annotated records; none where datasets were not counted.
async fn licences(store: &Store, tables: &Tables) -> Result<Option<DatasetLicences>, StepError> {
    let Some(counts) = tables.get(DATASET_COUNTS) else { return Ok(None) };
    let mut datasets: BTreeSet<String> = BTreeSet::new();
    let mut licences: BTreeMap<Option<String>, i64> = BTreeMap::new();
    for_each_batch(store, counts.keys(), &["datasetkey", "license", "annotated"], |rows| {
        let (keys, names) = (texts(rows, "datasetkey")?, texts(rows, "license")?);
        let annotated = bigints(rows, "annotated")?;
        for row in (0..rows.num_rows()).filter(|&row| annotated.value(row) > 0) {
            datasets.extend(text(keys, row).map(str::to_owned));
            *licences.entry(text(names, row).map(str::to_owned)).or_default() += annotated.value(row);
        }
        Ok(())
    })
    .await?;
    let one = |(license, annotated)| LicenceCount { license, annotated };
    let mut licences: Vec<LicenceCount> = licences.into_iter().map(one).collect();
    licences.sort_by_key(|licence| std::cmp::Reverse(licence.annotated));
    Ok(Some(DatasetLicences { datasets: datasets.len() as u64, licences }))
}

fn add_status(counts: &mut RiisCounts, status: Option<&str>, records: u64) {
    let count = match status {
        Some("introduced") => &mut counts.introduced,
        Some("established") => &mut counts.established,
        Some("invasive") => &mut counts.invasive,
        Some("widespread_invasive") => &mut counts.widespread_invasive,
        Some("not_listed") => &mut counts.not_listed,
        _ => &mut counts.not_assessed,
    };
    *count += records;
}

fn table<'a>(tables: &'a Tables, name: &str) -> Result<&'a Table, StepError> {
    tables.get(name).ok_or_else(|| StepError::Internal(format!("the run made no table {name}")))
}

fn text(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

/// A number of any type; none if there is none.
fn number(column: &dyn Array, row: usize) -> Option<f64> {
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Int64 => Some(column.as_primitive::<Int64Type>().value(row) as f64),
        DataType::Float64 => Some(column.as_primitive::<Float64Type>().value(row)),
        _ => None,
    }
}
