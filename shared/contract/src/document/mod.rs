//! The documents of a run, under `runs/run=<id>/`.

mod landing;
mod subsets;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::input::{DownloadRequest, FilterName, Input, Options};
use crate::publication::Comparability;
use crate::{Checklist, DownloadKey, RunId, RunRef};

pub use landing::{
    GbifDownload, HashedBytes, Landing, LandingCheckpoint, LandingRecords, Part, Source, SourceKind,
    TaxonKeyShapes,
};
pub use subsets::{LayerCount, RiisCounts, Slice, Subset, SubsetFailure, SubsetReport, Subsets, Tally};

/// `plan.json`: the lock, and what the run will do. Written by `plan-run` with `If-None-Match: *`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The run.
    pub run_id: RunId,
    /// The generation.
    pub generation: u32,
    /// The execution that holds the lock.
    pub execution_arn: String,
    /// When it was planned (RFC 3339, UTC); its year is the run year.
    pub planned_at: jiff::Timestamp,
    /// What was asked, as `PlanRun` understood it.
    pub input: Input,
    /// Tells the source's content from any other (ETag, length), where it is known before landing.
    pub source_identity: Option<String>,
    /// The checklist, where input or source say it before landing.
    pub checklist: Option<Checklist>,
    /// The pinned reference data.
    pub reference: Reference,
}

impl Plan {
    /// The run as requests carry it.
    pub fn run_ref(&self) -> RunRef {
        RunRef {
            run_id: self.run_id.clone(),
            generation: self.generation,
            execution_arn: self.execution_arn.clone(),
        }
    }

    /// The options.
    pub fn options(&self) -> &Options {
        &self.input.options
    }

    /// The year in which the run was planned: the last one that a record's year may have.
    pub fn run_year(&self) -> i16 {
        self.planned_at.to_zoned(jiff::tz::TimeZone::UTC).year()
    }
}

/// `requests/<16 hex>.json`: a download that was requested from GBIF, so that nobody requests it a second time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestedDownload {
    /// What was requested.
    pub request: DownloadRequest,
    /// The checklist that it was requested with.
    pub checklist: Option<Checklist>,
    /// The execution that requested it.
    pub execution_arn: String,
    /// When (RFC 3339, UTC).
    pub requested_at: jiff::Timestamp,
    /// The key that GBIF gave; absent while it is asked.
    pub download_key: Option<DownloadKey>,
}

/// The reference data of a run, pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// layers.toml.
    pub layers_toml: Pin,
    /// The sources that the layers of this run name, by the name in layers.toml.
    pub layer_sources: BTreeMap<String, Pin>,
    /// The index that was built of these layers; without one, workers build it of the sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Pin>,
    /// The register; none when the run does without.
    pub riis: Option<Pin>,
    /// The register that `riis` was made of by looking up its names; absent where it is used as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub riis_resolved_from: Option<Pin>,
}

impl Reference {
    /// The reference data as the run was planned with, before its register was resolved.
    pub fn as_planned(&self) -> Reference {
        let riis = self.riis_resolved_from.clone().or_else(|| self.riis.clone());
        Reference { riis, riis_resolved_from: None, ..self.clone() }
    }
}

/// One version of one file of reference data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Where: `s3://…`, a local path, or `default:<name>` for what the worker image and the functions carry.
    pub uri: String,
    /// The S3 version, where the bucket keeps versions.
    pub version_id: Option<String>,
    /// SHA-256 of the content, lower-case hexadecimal.
    pub sha256: String,
    /// Length in bytes.
    pub bytes: u64,
}

/// `ledger.json`: the promise that nothing is lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// The run.
    pub run_id: RunId,
    /// The generation.
    pub generation: u32,
    /// The checklist.
    pub checklist: Checklist,
    /// The options, as given.
    pub options: Options,
    /// The source.
    pub source: Source,
    /// Records.
    pub records: LedgerRecords,
    /// By layer.
    pub layers: BTreeMap<String, LayerCount>,
    /// By status.
    pub riis: RiisCounts,
    /// How many subsets.
    pub subsets: u64,
}

/// The ledger's records: `read = rejected + landed`, `landed = Σ filtered + annotated`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerRecords {
    /// Rows read.
    pub read: u64,
    /// Rows with fewer fields than the header.
    pub ragged: u64,
    /// Rows rejected.
    pub rejected: u64,
    /// Records landed.
    pub landed: u64,
    /// Records held back, by filter.
    pub filtered: BTreeMap<FilterName, u64>,
    /// Records annotated.
    pub annotated: u64,
}

/// `manifest.json`: what a finished run made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The run.
    pub run_id: RunId,
    /// The generation.
    pub generation: u32,
    /// The execution, or `local` for one process.
    pub execution_arn: String,
    /// The version of bisonflow.
    pub version: String,
    /// When it was finished (RFC 3339, UTC).
    pub finished_at: jiff::Timestamp,
    /// The reference data used.
    pub reference: Reference,
    /// With which runs it can be compared; absent in manifests that were written before it was noted.
    #[serde(default)]
    pub comparability: Option<Comparability>,
    /// The tables made, by name.
    pub tables: BTreeMap<String, Table>,
    /// By summary, what no published run that this one can be compared with has seen before.
    #[serde(default)]
    pub new_in_run: BTreeMap<String, NewInRun>,
    /// What a reader should know, such as a snapshot that is not registered.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// What no published run that a run can be compared with has seen before in a summary: pairs of region and species, as
/// rows of the table `<summary>_x_new_in_run`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NewInRun {
    /// Nothing can be said; the table is empty.
    NotCompared {
        /// Why, in one sentence without a full stop.
        because: String,
    },
    /// What is new.
    Compared {
        /// The run that it was compared with.
        with: RunId,
        /// New pairs.
        pairs: u64,
        /// Those of them whose species is introduced, established, invasive or widespread invasive there.
        nonnative: u64,
        /// Those of all of them whose earliest record is recent and known to within 10 km.
        notable: u64,
        /// The first of the notable ones, a line each.
        first: Vec<String>,
    },
}

impl NewInRun {
    /// What the notification says of a summary: of what is new, the recent records that are known to within 10 km.
    ///
    /// ```
    /// use bisonflow_contract::document::NewInRun;
    /// let because = "no other run is published".to_owned();
    /// let told = NewInRun::NotCompared { because }.told("county");
    /// assert_eq!(told, "county: not compared, because no other run is published");
    /// ```
    pub fn told(&self, summary: &str) -> String {
        match self {
            NewInRun::NotCompared { because } => format!("{summary}: not compared, because {because}"),
            NewInRun::Compared { with, notable, first, .. } => {
                let dots = if first.len() as u64 == *notable { "" } else { "\n  …" };
                let lines: String = first.iter().map(|line| format!("\n  {line}")).collect();
                format!(
                    "{summary}: {notable} species new in a region since run {with}, recent and known to within 10 km\
                     {lines}{dots}"
                )
            }
        }
    }
}

/// A table that a run made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its partition's prefix below the root, with a trailing `/`.
    pub prefix: String,
    /// Its rows.
    pub rows: u64,
    /// Its files.
    pub files: Vec<TableFile>,
}

impl Table {
    /// The keys of its files below the root.
    pub fn keys(&self) -> impl Iterator<Item = &str> + Clone {
        self.files.iter().map(|file| file.key.as_str())
    }
}

/// A file of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "TableFileForm")]
pub struct TableFile {
    /// Its key below the root.
    pub key: String,
    /// Its length in bytes; absent in manifests that were written before it was noted.
    pub bytes: Option<u64>,
}

/// How manifests have a file of a table: older ones its key only.
#[derive(Deserialize)]
#[serde(untagged)]
enum TableFileForm {
    Key(String),
    File { key: String, bytes: u64 },
}

impl From<TableFileForm> for TableFile {
    fn from(form: TableFileForm) -> TableFile {
        match form {
            TableFileForm::Key(key) => TableFile { key, bytes: None },
            TableFileForm::File { key, bytes } => TableFile { key, bytes: Some(bytes) },
        }
    }
}

impl From<&Part> for TableFile {
    fn from(part: &Part) -> TableFile {
        TableFile { key: part.uri.clone(), bytes: Some(part.bytes) }
    }
}

/// `control/approval.json`: a run that waits for a person's approval; readable by the approver's role only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwaitedApproval {
    /// The run that waits.
    pub run: RunRef,
    /// The token to answer with; a secret.
    pub task_token: String,
}

/// `control/<hash>.json`: what the downloader's instance has to do; readable by its role only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// The run to land.
    pub run: RunRef,
    /// The token to report back with; a secret.
    pub task_token: String,
    /// The server of GBIF's services, such as `https://api.gbif.org`.
    pub gbif_api: String,
}
