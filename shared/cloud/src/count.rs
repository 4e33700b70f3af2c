//! Counting the landed records by the footers of their files, and splitting them into subsets.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use bisonflow_contract::document::{
    Landing, LandingRecords, Part, Plan, SourceKind, Subsets, TaxonKeyShapes,
};
use bisonflow_contract::{Checklist, StepError};
use bisonflow_occurrence::subsets::split;
use futures::{StreamExt, TryStreamExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::file::metadata::ParquetMetaData;

use crate::ranged_file::{RangedFile, failed};
use crate::{RunStore, Store, reference};

/// How many footers are read at a time.
const FOOTERS_AT_A_TIME: usize = 32;
/// How many parts of a snapshot are looked into for the shape of their taxon keys, and at how many records.
const SAMPLED_PARTS: usize = 16;
const SAMPLED_RECORDS: usize = 4096;

/// Where the parts of a landing are: below the root, or in another store where they are used in place.
#[derive(Clone, Debug)]
pub struct PartStores {
    root: Store,
    others: Vec<Store>,
}

impl PartStores {
    /// The parts below `root` and in these other stores, such as the bucket with GBIF's snapshots.
    pub fn new(root: &Store, others: impl IntoIterator<Item = Store>) -> PartStores {
        PartStores { root: root.clone(), others: others.into_iter().collect() }
    }

    /// The root.
    pub fn root(&self) -> &Store {
        &self.root
    }

    /// The store that holds a part, and the part's key in it.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] for a URI in a store that is not among these.
    pub fn locate<'a>(&self, uri: &'a str) -> Result<(&Store, &'a str), StepError> {
        let below = |store: &Store| uri.strip_prefix(store.uri()).and_then(|rest| rest.strip_prefix('/'));
        if let Some(found) = self.others.iter().find_map(|store| Some((store, below(store)?))) {
            return Ok(found);
        }
        if let Some(key) = below(&self.root) {
            return Ok((&self.root, key));
        }
        if uri.starts_with('/') || uri.contains("://") {
            return Err(StepError::invalid(format_args!("part {uri}"), "it is in none of this run's stores"));
        }
        Ok((&self.root, uri))
    }
}

/// Counts the landed records of a run by the footers of their files, checks them against `landing.json`, splits
/// them, and writes `subsets.json`; one of this generation that is there already is answered as it is.
///
/// The records of a snapshot, which nobody has counted before, are filled into `landing.json`, and so are the
/// shapes of a sample of its taxon keys.
///
/// # Errors
/// [`StepError::CountMismatch`] if a part is missing, has another length or other records than `landing.json`
/// says, or if there are parts that it does not know; [`StepError::BadReferenceData`] if the records' keys are
/// not of the register's checklist; [`StepError::InvalidInput`] if there would be too many subsets;
/// [`StepError::CorruptArchive`] if a part is not Parquet; else as [`Store::get`].
pub async fn count_subsets(stores: &PartStores, plan: &Plan) -> Result<Subsets, StepError> {
    let run = RunStore::new(stores.root(), &plan.run_id);
    let key = run.layout().subsets();
    let mut landing = run.landing().await?;
    if landing.generation != plan.generation {
        return Err(StepError::Internal(format!(
            "{}: of generation {}, expected {}: the records have to land first",
            run.store().uri_of(&run.layout().landing()),
            landing.generation,
            plan.generation
        )));
    }
    check_lengths(stores, &run, &landing).await?;
    if let Some(subsets) = run.read::<Subsets>(&key).await?
        && subsets.generation == plan.generation
    {
        return Ok(subsets);
    }
    let row_groups = read_row_groups(stores, &landing.parts).await?;
    let counted: Vec<u64> = row_groups.iter().map(|groups| groups.iter().sum()).collect();
    let records: u64 = counted.iter().sum();
    if landing.source.kind == SourceKind::Snapshot {
        landing.records = LandingRecords { read: records, landed: records, ..LandingRecords::default() };
        landing.row_group_records = row_groups.iter().flatten().copied().max().unwrap_or(0);
        for (part, &records) in landing.parts.iter_mut().zip(&counted) {
            part.records = Some(records);
        }
        landing.taxon_keys = sample_taxon_keys(stores, &landing.parts).await?;
        run.write(&run.layout().landing(), &landing).await?;
    }
    check_records(&landing, &counted)?;
    let register = reference::register(stores.root(), plan).await?;
    if let Some(register) = &register {
        check_checklist(plan, &landing, register.checklist())?;
    }
    let uris = landing.parts.iter().map(|part| part.uri.clone());
    let parts: Vec<(String, Vec<u64>)> = uris.zip(row_groups).collect();
    let subsets = Subsets {
        run_id: plan.run_id.clone(),
        generation: plan.generation,
        records,
        subsets: split(&parts, plan.options().subset_records())?,
    };
    run.write(&key, &subsets).await?;
    Ok(subsets)
}

/// Whether every part is there with its length, and in the run's own folder nothing else.
async fn check_lengths(stores: &PartStores, run: &RunStore, landing: &Landing) -> Result<(), StepError> {
    let own = run.layout().partition("occurrences");
    // Folders of the parts, each listed once.
    let mut folders: BTreeMap<(String, String), &Store> = BTreeMap::new();
    folders.insert((run.store().uri().to_owned(), own.clone()), run.store());
    for part in &landing.parts {
        let (store, key) = stores.locate(&part.uri)?;
        let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
        folders.entry((store.uri().to_owned(), format!("{folder}/"))).or_insert(store);
    }
    let mut lengths: BTreeMap<String, u64> = BTreeMap::new();
    for ((_, folder), store) in &folders {
        for meta in store.list(folder).await? {
            lengths.insert(store.uri_of(meta.location.as_ref()), meta.size);
        }
    }
    for part in &landing.parts {
        let (store, key) = stores.locate(&part.uri)?;
        let uri = store.uri_of(key);
        match lengths.remove(&uri) {
            Some(found) if found == part.bytes => {}
            Some(found) => {
                return Err(StepError::CountMismatch(format!(
                    "{uri} has {found} bytes, but landing.json says {}: land the records again (options.force)",
                    part.bytes
                )));
            }
            None => {
                return Err(StepError::CountMismatch(format!(
                    "{uri} is not there, but landing.json names it: land the records again (options.force)"
                )));
            }
        }
    }
    let own = run.store().uri_of(&own);
    match lengths.into_keys().find(|uri| uri.starts_with(&own)) {
        Some(uri) => Err(StepError::CountMismatch(format!(
            "{uri} is there, but landing.json does not name it, so queries would count its records too: delete it"
        ))),
        None => Ok(()),
    }
}

/// Whether the footers agree with `landing.json`.
fn check_records(landing: &Landing, counted: &[u64]) -> Result<(), StepError> {
    for (part, &found) in landing.parts.iter().zip(counted) {
        if let Some(expected) = part.records.filter(|&expected| expected != found) {
            return Err(StepError::CountMismatch(format!(
                "{} has {found} records by its footer, but landing.json says {expected}: land them again \
                 (options.force)",
                part.uri
            )));
        }
    }
    let (found, expected) = (counted.iter().sum::<u64>(), landing.records.landed);
    if found != expected {
        return Err(StepError::CountMismatch(format!(
            "run {}: {found} records in {} files by their footers ({}), but landing.json says that {expected} \
             landed",
            landing.run_id,
            landing.parts.len(),
            named(&landing.parts)
        )));
    }
    Ok(())
}

/// The first and the last of several parts.
fn named(parts: &[Part]) -> String {
    match parts {
        [] => "none".into(),
        [part] => part.uri.clone(),
        [first, .., last] => format!("{} to {}", first.uri, last.uri),
    }
}

/// Whether the records' taxon keys can be looked up in a register of this checklist.
fn check_checklist(plan: &Plan, landing: &Landing, register: &Checklist) -> Result<(), StepError> {
    const ADVICE: &str = "upload a register that is resolved against the records' checklist (`bisonflow riis \
                          resolve --checklist …`), or set options.riis to \"none\"";
    let asked = plan.options().checklist.as_ref().filter(|checklist| !checklist.is_unknown());
    let records = asked.unwrap_or(&landing.checklist);
    if !records.is_unknown() && !register.is_unknown() && records != register {
        return Err(StepError::BadReferenceData(format!(
            "the records' taxon keys are of the checklist {records}, the register's of {register}: {ADVICE}"
        )));
    }
    let shapes = landing.taxon_keys;
    // Where the download itself names the Catalogue of Life, a few taxa with keys of digits prove nothing.
    let is_to_be_seen = asked.is_none() && (records.is_unknown() || register.is_backbone());
    if is_to_be_seen && !shapes.fit(register) {
        let (odd, what) =
            if register.is_backbone() { (shapes.other, "not numeric") } else { (shapes.numeric, "numeric") };
        return Err(StepError::BadReferenceData(format!(
            "the records' taxon keys are not of the register's checklist {register}: {odd} of {} are {what}; \
             {ADVICE}, or set options.checklist to say which checklist they are of",
            shapes.numeric + shapes.other
        )));
    }
    Ok(())
}

/// The records of each row group of each part, in order.
pub(crate) async fn read_row_groups(stores: &PartStores, parts: &[Part]) -> Result<Vec<Vec<u64>>, StepError> {
    futures::stream::iter(parts)
        .map(async |part| {
            let (store, key) = stores.locate(&part.uri)?;
            let footer = read_footer(store, key, part.bytes).await?;
            let records = |group: &parquet::file::metadata::RowGroupMetaData| {
                u64::try_from(group.num_rows()).unwrap_or(0) // never negative in a file that parses
            };
            Ok(footer.row_groups().iter().map(records).collect())
        })
        .buffered(FOOTERS_AT_A_TIME)
        .try_collect()
        .await
}

/// Reads the footer of a Parquet file of this length, and nothing else of it.
async fn read_footer(store: &Store, key: &str, bytes: u64) -> Result<Arc<ParquetMetaData>, StepError> {
    let mut file = RangedFile::new(store, key, bytes)?;
    file.get_metadata(None).await.map_err(|error| failed(store, key, error))
}

/// The shapes of some taxon keys: the first records of parts that lie evenly over all.
async fn sample_taxon_keys(stores: &PartStores, parts: &[Part]) -> Result<TaxonKeyShapes, StepError> {
    let distance = parts.len().div_ceil(SAMPLED_PARTS).max(1);
    let mut shapes = TaxonKeyShapes::default();
    for part in parts.iter().step_by(distance) {
        let (store, key) = stores.locate(&part.uri)?;
        let keys = first_taxon_keys(RangedFile::new(store, key, part.bytes)?);
        for batch in keys.await.map_err(|error| failed(store, key, error))? {
            for key in batch.iter() {
                match key.map(str::trim) {
                    None | Some("" | "0") => shapes.none += 1,
                    Some(key) if key.bytes().all(|byte| byte.is_ascii_digit()) => shapes.numeric += 1,
                    Some(_) => shapes.other += 1,
                }
            }
        }
    }
    Ok(shapes)
}

/// The taxon keys of the first records of a file, whatever their type.
async fn first_taxon_keys(file: RangedFile) -> parquet::errors::Result<Vec<StringArray>> {
    let builder = ParquetRecordBatchStreamBuilder::new(file).await?;
    if builder.metadata().num_row_groups() == 0 {
        return Ok(Vec::new());
    }
    let column = ProjectionMask::columns(builder.parquet_schema(), ["taxonkey"]);
    let mut batches =
        builder.with_projection(column).with_row_groups(vec![0]).with_limit(SAMPLED_RECORDS).build()?;
    let mut keys = Vec::new();
    while let Some(batch) = batches.try_next().await? {
        if let Some(column) = batch.columns().first() {
            keys.push(cast(column, &DataType::Utf8)?.as_string::<i32>().clone());
        }
    }
    Ok(keys)
}
