//! The port to the Glue database: tables, their partitions, the crawler.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use bisonflow_contract::{RunId, StepError};

/// A column of a table; names are lower case, as the catalogue folds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogColumn {
    /// The name.
    pub name: String,
    /// The type as Glue and Athena write it: `string`, `bigint`, `array<string>` …
    pub glue_type: String,
    /// What the column means.
    pub comment: String,
}

impl CatalogColumn {
    /// A column; the name is folded to lower case.
    pub fn new(name: impl AsRef<str>, glue_type: impl Into<String>, comment: impl Into<String>) -> Self {
        CatalogColumn {
            name: name.as_ref().to_lowercase(),
            glue_type: glue_type.into(),
            comment: comment.into(),
        }
    }
}

/// What a table should be: Parquet, external, partitioned by `run`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// The name.
    pub name: String,
    /// What the table holds.
    pub description: String,
    /// Where its partitions lie by default: `s3://…/`.
    pub location: String,
    /// The columns, without the partition key.
    pub columns: Vec<CatalogColumn>,
}

/// The parameter of a table `<table>_latest` that names the run it shows.
pub const SHOWS_RUN: &str = "bisonflow_run";

/// What a table without partitions should be, that shows one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatestSpec {
    /// The name.
    pub name: String,
    /// What the table holds.
    pub description: String,
    /// Where the run's files lie: `s3://…/run=<id>/`.
    pub location: String,
    /// The columns.
    pub columns: Vec<CatalogColumn>,
    /// The run, as [`SHOWS_RUN`] names it.
    pub run_id: RunId,
}

/// A table as the catalogue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogTable {
    /// The name.
    pub name: String,
    /// The columns, without the partition key, in order.
    pub columns: Vec<CatalogColumn>,
    /// Where it lies.
    pub location: String,
    /// The version read; an update of another one is refused.
    pub version_id: Option<String>,
    /// The table's parameters, such as `classification`.
    pub parameters: BTreeMap<String, String>,
}

/// Whether this call made the thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It did.
    Created,
    /// It was there already.
    AlreadyExists,
}

/// What the crawler is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrawlerState {
    /// Nothing.
    Ready,
    /// Crawling.
    Running,
    /// Ending a crawl.
    Stopping,
}

/// How a crawl ended, or that it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrawlOutcome {
    /// It ran to its end; what it added is another question.
    Succeeded,
    /// It was stopped.
    Cancelled,
    /// It failed.
    Failed,
}

/// The crawl before the one that may be under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastCrawl {
    /// How it ended.
    pub outcome: CrawlOutcome,
    /// When it started.
    pub started_at: jiff::Timestamp,
    /// What it says about its end.
    pub message: Option<String>,
}

/// The crawler, now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrawlerStatus {
    /// What it is doing.
    pub state: CrawlerState,
    /// When the crawl under way started, where the service says.
    pub running_since: Option<jiff::Timestamp>,
    /// The last crawl; none if it never ran.
    pub last_crawl: Option<LastCrawl>,
}

/// What became of the request to crawl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrawlStart {
    /// The crawl has started.
    Started,
    /// A crawl was under way already; this request did nothing.
    AlreadyRunning,
}

/// One Glue database and its crawler.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// A table; absent is `None`.
    ///
    /// # Errors
    /// Of every method: [`StepError::Throttled`], [`StepError::SourceUnavailable`], or
    /// [`StepError::Internal`] for a missing permission.
    async fn table(&self, name: &str) -> Result<Option<CatalogTable>, StepError>;

    /// Creates a table; one that exists is left as it is.
    ///
    /// # Errors
    /// As [`Catalog::table`].
    async fn create_table(&self, spec: &TableSpec) -> Result<Created, StepError>;

    /// Gives a table these columns, everything else about it kept, if it is still the version that was read.
    ///
    /// # Errors
    /// [`StepError::TableConflict`] if it was changed since; else as [`Catalog::table`].
    async fn update_columns(&self, read: &CatalogTable, columns: &[CatalogColumn]) -> Result<(), StepError>;

    /// The location of the partition `run=<id>`; absent (partition or table) is `None`.
    ///
    /// # Errors
    /// As [`Catalog::table`].
    async fn partition(&self, table: &str, run: &RunId) -> Result<Option<String>, StepError>;

    /// Creates the partition `run=<id>` with the table's columns, or points the one that exists here.
    ///
    /// # Errors
    /// [`StepError::Internal`] if there is no such table; else as [`Catalog::table`].
    async fn create_partition(&self, table: &str, run: &RunId, location: &str) -> Result<(), StepError>;

    /// All tables of the database, in the order of their names.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] if there is no such database; else as [`Catalog::table`].
    async fn tables(&self) -> Result<Vec<CatalogTable>, StepError>;

    /// Makes a table show a run: creates it, or moves its location and columns there. One that shows it already is
    /// left as it is.
    ///
    /// # Errors
    /// [`StepError::TableConflict`] if somebody else changed it at the same moment; else as [`Catalog::table`].
    async fn show_run(&self, spec: &LatestSpec) -> Result<(), StepError>;

    /// Deletes a table, not its files; an absent one is no error.
    ///
    /// # Errors
    /// As [`Catalog::table`].
    async fn delete_table(&self, name: &str) -> Result<(), StepError>;

    /// Deletes the partition `run=<id>`, not its files; an absent one is no error.
    ///
    /// # Errors
    /// As [`Catalog::table`].
    async fn delete_partition(&self, table: &str, run: &RunId) -> Result<(), StepError>;

    /// What the crawler is doing.
    ///
    /// # Errors
    /// As [`Catalog::table`].
    async fn crawler(&self, name: &str) -> Result<CrawlerStatus, StepError>;

    /// Starts the crawler.
    ///
    /// # Errors
    /// As [`Catalog::table`].
    async fn start_crawler(&self, name: &str) -> Result<CrawlStart, StepError>;
}

/// How often a table that others change at the same time is read again.
const MERGE_TRIES: usize = 5;

/// Creates the table, or appends the columns that it lacks and gives the others the comments that they lack;
/// columns are never removed, reordered or retyped. Answers how many columns were added. Doing it twice changes
/// nothing.
///
/// # Errors
/// [`StepError::TableConflict`] if others kept changing it; [`StepError::BadReferenceData`] if a column is
/// there with another type; else as [`Catalog::table`].
pub async fn merge_table(catalog: &dyn Catalog, spec: &TableSpec) -> Result<u32, StepError> {
    for _ in 0..MERGE_TRIES {
        let Some(read) = catalog.table(&spec.name).await? else {
            match catalog.create_table(spec).await? {
                Created::Created => return Ok(count(spec.columns.len())),
                Created::AlreadyExists => continue,
            }
        };
        let merged = merge(&read, &spec.columns)?;
        let added = count(merged.len() - read.columns.len());
        if merged == read.columns {
            return Ok(0);
        }
        match catalog.update_columns(&read, &merged).await {
            Err(StepError::TableConflict(_)) => {}
            updated => return updated.map(|()| added),
        }
    }
    Err(StepError::TableConflict(format!(
        "table {}: changed by somebody else {MERGE_TRIES} times while columns were being added; try again",
        spec.name
    )))
}

/// The columns of a table with the wanted ones.
fn merge(read: &CatalogTable, wanted: &[CatalogColumn]) -> Result<Vec<CatalogColumn>, StepError> {
    let mut merged = read.columns.clone();
    for column in wanted {
        match merged.iter_mut().find(|have| have.name.eq_ignore_ascii_case(&column.name)) {
            Some(have) if !have.glue_type.eq_ignore_ascii_case(&column.glue_type) => {
                return Err(StepError::BadReferenceData(format!(
                    "table {}, column {}: found type {}, expected {}; give the field another name, or correct \
                     the table",
                    read.name, column.name, have.glue_type, column.glue_type
                )));
            }
            Some(have) if have.comment.is_empty() => have.comment.clone_from(&column.comment),
            Some(_) => {}
            None => merged.push(column.clone()),
        }
    }
    Ok(merged)
}

fn count(columns: usize) -> u32 {
    u32::try_from(columns).unwrap_or(u32::MAX)
}

/// A catalogue in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryCatalog {
    state: Mutex<MemoryState>,
}

/// What a [`MemoryCatalog`] holds; tests set it up and look at it.
#[derive(Debug, Default)]
pub struct MemoryState {
    /// Tables by name.
    pub tables: BTreeMap<String, CatalogTable>,
    /// Partition locations by table and run.
    pub partitions: BTreeMap<(String, String), String>,
    /// The crawler; none counts as ready and never run.
    pub crawler: Option<CrawlerStatus>,
    /// After how many further changes of a table that shows a run, each of them fails; none never does.
    pub changes_left: Option<usize>,
    /// How often the crawler was started.
    pub crawls_started: usize,
    /// Somebody else's columns, each appended to a table just before one of our updates reaches it.
    pub concurrent_columns: Vec<CatalogColumn>,
}

impl MemoryState {
    fn change(&mut self) -> Result<(), StepError> {
        match &mut self.changes_left {
            Some(0) => Err(StepError::TableConflict("changed at the same moment".into())),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl MemoryCatalog {
    /// An empty catalogue.
    pub fn new() -> Self {
        Self::default()
    }

    /// What it holds.
    pub fn state(&self) -> MutexGuard<'_, MemoryState> {
        self.state.lock().expect("no test panics while it holds the catalogue")
    }
}

fn next_version(table: &CatalogTable) -> Option<String> {
    let version: u64 = table.version_id.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0);
    Some((version + 1).to_string())
}

#[async_trait]
impl Catalog for MemoryCatalog {
    async fn table(&self, name: &str) -> Result<Option<CatalogTable>, StepError> {
        Ok(self.state().tables.get(name).cloned())
    }

    async fn create_table(&self, spec: &TableSpec) -> Result<Created, StepError> {
        let mut state = self.state();
        if state.tables.contains_key(&spec.name) {
            return Ok(Created::AlreadyExists);
        }
        let table = CatalogTable {
            name: spec.name.clone(),
            columns: spec.columns.clone(),
            location: spec.location.clone(),
            version_id: Some("0".into()),
            parameters: BTreeMap::from([("classification".into(), "parquet".into())]),
        };
        state.tables.insert(spec.name.clone(), table);
        Ok(Created::Created)
    }

    async fn update_columns(&self, read: &CatalogTable, columns: &[CatalogColumn]) -> Result<(), StepError> {
        let mut state = self.state();
        let concurrent = state.concurrent_columns.pop();
        let Some(table) = state.tables.get_mut(&read.name) else {
            return Err(StepError::TableConflict(format!("table {}: no longer there", read.name)));
        };
        if let Some(column) = concurrent {
            table.columns.push(column);
            table.version_id = next_version(table);
        }
        if table.version_id != read.version_id {
            return Err(StepError::TableConflict(format!("table {}: changed since it was read", read.name)));
        }
        table.columns = columns.to_vec();
        table.version_id = next_version(table);
        Ok(())
    }

    async fn partition(&self, table: &str, run: &RunId) -> Result<Option<String>, StepError> {
        Ok(self.state().partitions.get(&(table.to_owned(), run.to_string())).cloned())
    }

    async fn create_partition(&self, table: &str, run: &RunId, location: &str) -> Result<(), StepError> {
        let mut state = self.state();
        if !state.tables.contains_key(table) {
            return Err(StepError::Internal(format!(
                "table {table}: not there, so it can have no partition"
            )));
        }
        state.partitions.insert((table.to_owned(), run.to_string()), location.to_owned());
        Ok(())
    }

    async fn tables(&self) -> Result<Vec<CatalogTable>, StepError> {
        Ok(self.state().tables.values().cloned().collect())
    }

    async fn show_run(&self, spec: &LatestSpec) -> Result<(), StepError> {
        let mut state = self.state();
        state.change()?;
        let parameters = [("classification", "parquet"), (SHOWS_RUN, spec.run_id.as_str())];
        let table = CatalogTable {
            name: spec.name.clone(),
            columns: spec.columns.clone(),
            location: spec.location.clone(),
            version_id: state.tables.get(&spec.name).map_or(Some("0".into()), next_version),
            parameters: parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        };
        state.tables.insert(spec.name.clone(), table);
        Ok(())
    }

    async fn delete_table(&self, name: &str) -> Result<(), StepError> {
        let mut state = self.state();
        state.change()?;
        state.tables.remove(name);
        Ok(())
    }

    async fn delete_partition(&self, table: &str, run: &RunId) -> Result<(), StepError> {
        self.state().partitions.remove(&(table.to_owned(), run.to_string()));
        Ok(())
    }

    async fn crawler(&self, _name: &str) -> Result<CrawlerStatus, StepError> {
        let never_run = CrawlerStatus { state: CrawlerState::Ready, running_since: None, last_crawl: None };
        Ok(self.state().crawler.clone().unwrap_or(never_run))
    }

    async fn start_crawler(&self, name: &str) -> Result<CrawlStart, StepError> {
        let status = self.crawler(name).await?;
        if status.state != CrawlerState::Ready {
            return Ok(CrawlStart::AlreadyRunning);
        }
        let mut state = self.state();
        state.crawls_started += 1;
        state.crawler = Some(CrawlerStatus { state: CrawlerState::Running, ..status });
        Ok(CrawlStart::Started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(columns: &[(&str, &str)]) -> TableSpec {
        TableSpec {
            name: "annotated".into(),
            description: "annotated records".into(),
            location: "s3://data/annotated/".into(),
            columns: columns.iter().map(|(name, kind)| CatalogColumn::new(name, *kind, "")).collect(),
        }
    }

    fn names(catalog: &MemoryCatalog) -> Vec<String> {
        catalog.state().tables["annotated"].columns.iter().map(|column| column.name.clone()).collect()
    }

    #[tokio::test]
    async fn columns_are_appended_and_never_removed_or_reordered() {
        let catalog = MemoryCatalog::new();
        let first = spec(&[("b", "string"), ("a", "int")]);
        assert_eq!(merge_table(&catalog, &first).await.unwrap(), 2);
        assert_eq!(merge_table(&catalog, &first).await.unwrap(), 0);
        assert_eq!(merge_table(&catalog, &spec(&[("A", "int"), ("c", "string")])).await.unwrap(), 1);
        assert_eq!(names(&catalog), ["b", "a", "c"]);
    }

    #[tokio::test]
    async fn a_concurrent_change_is_read_again_and_merged() {
        let catalog = MemoryCatalog::new();
        merge_table(&catalog, &spec(&[("a", "string")])).await.unwrap();
        catalog.state().concurrent_columns = vec![CatalogColumn::new("theirs", "string", "")];
        assert_eq!(merge_table(&catalog, &spec(&[("ours", "string")])).await.unwrap(), 1);
        assert_eq!(names(&catalog), ["a", "theirs", "ours"]);
    }

    #[tokio::test]
    async fn a_table_that_never_rests_is_a_conflict() {
        let catalog = MemoryCatalog::new();
        merge_table(&catalog, &spec(&[("a", "string")])).await.unwrap();
        let theirs = |n| CatalogColumn::new(format!("theirs_{n}"), "string", "");
        catalog.state().concurrent_columns = (0..MERGE_TRIES).map(theirs).collect();
        let error = merge_table(&catalog, &spec(&[("ours", "string")])).await.unwrap_err();
        assert!(matches!(error, StepError::TableConflict(_)), "{error}");
    }

    #[tokio::test]
    async fn another_type_is_refused_and_named() {
        let catalog = MemoryCatalog::new();
        merge_table(&catalog, &spec(&[("unit", "string")])).await.unwrap();
        let error = merge_table(&catalog, &spec(&[("unit", "array<string>")])).await.unwrap_err();
        assert!(matches!(&error, StepError::BadReferenceData(text) if text.contains("unit")), "{error}");
    }
}
