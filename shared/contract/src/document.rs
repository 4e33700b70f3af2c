//! The documents of a run, under `runs/run=<id>/`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::input::{DownloadRequest, FilterName, Input, Options};
use crate::publication::Comparability;
use crate::{Checklist, DownloadKey, ErrorName, RunId, RunRef};

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

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// A Darwin Core archive.
    Dwca,
    /// A GBIF SIMPLE_CSV zip.
    SimpleCsv,
    /// A plain text file with a header line.
    Text,
    /// A GBIF SIMPLE_PARQUET zip.
    SimpleParquet,
    /// Parquet files.
    Parquet,
    /// A GBIF snapshot, used in place.
    Snapshot,
}

/// Where the records came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What it is.
    pub kind: SourceKind,
    /// Where it is.
    pub uri: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256 of the inflated occurrence entry (of the text itself for a plain file).
    pub entry_sha256: Option<String>,
    /// CRC-32 of the same bytes, 8 hexadecimal digits.
    pub entry_crc32: Option<String>,
    /// The length of the same bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_bytes: Option<u64>,
    /// The same entry as it stands in its archive; absent where there is none, or several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_compressed: Option<HashedBytes>,
    /// SHA-256 of the whole source, where every byte was read.
    pub sha256: Option<String>,
    /// ETag of the object at `uri`, without quotes. It belongs to that copy, as the URI does: `landing.json` holds it,
    /// the ledger does not, so that the same bytes from another place give the same ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// DOI, where metadata name one.
    pub doi: Option<String>,
    /// How many records GBIF says there are.
    pub records_declared: Option<u64>,
}

/// Some bytes, known by their hashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashedBytes {
    /// How many.
    pub bytes: u64,
    /// SHA-256, lower-case hexadecimal; absent where it was not wanted.
    pub sha256: Option<String>,
    /// CRC-32, 8 hexadecimal digits.
    pub crc32: String,
}

/// `landing.json`: what landed; written last by the landing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Landing {
    /// The run.
    pub run_id: RunId,
    /// The generation that landed it.
    pub generation: u32,
    /// Where the records came from.
    pub source: Source,
    /// The plan's `source_identity` at the time, so that a later generation can tell whether it may be kept.
    pub source_identity: Option<String>,
    /// The checklist of the taxon keys.
    pub checklist: Checklist,
    /// Columns beyond the schema, in order.
    pub extra_columns: Vec<String>,
    /// Most records per row group.
    pub row_group_records: u64,
    /// Records, counted.
    pub records: LandingRecords,
    /// Values that did not parse to their type, by column; landed as null, text kept in `rejects/`.
    pub unparsed: BTreeMap<String, u64>,
    /// Records whose hasGeospatialIssues differs from what their issues say.
    pub geospatial_issue_differs: u64,
    /// Shapes of the landed taxon keys.
    pub taxon_keys: TaxonKeyShapes,
    /// What GBIF's service says of the download, where the run was asked for by its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gbif: Option<GbifDownload>,
    /// The parts, in order.
    pub parts: Vec<Part>,
    /// When the last part was there (RFC 3339, UTC).
    pub landed_at: jiff::Timestamp,
}

/// What GBIF's service says of a download.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GbifDownload {
    /// Its key.
    pub key: DownloadKey,
    /// The text to cite it with.
    pub citation: Option<String>,
    /// Its DOI, without `https://doi.org/`.
    pub doi: Option<String>,
    /// The licence of the whole, as a URL; records have licences of their own.
    pub license: Option<String>,
    /// Its format, such as `DWCA`.
    pub format: Option<String>,
    /// The checklist of its taxon keys, where it was requested with one.
    pub checklist: Option<Checklist>,
    /// What was asked for, as GBIF's predicate, where it was requested with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicate: Option<serde_json::Value>,
    /// When it was requested (RFC 3339).
    pub created: Option<String>,
    /// The length of its file in bytes.
    pub bytes: Option<u64>,
    /// Its records.
    pub records: Option<u64>,
    /// The datasets that its records are of.
    pub datasets: Option<u64>,
}

/// Records of a landing: `read = rejected + landed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LandingRecords {
    /// Rows read.
    pub read: u64,
    /// Rows with fewer fields than the header; landed.
    pub ragged: u64,
    /// Rows that are no record; kept in `rejects/`.
    pub rejected: u64,
    /// Records landed.
    pub landed: u64,
}

/// How many landed taxon keys look like what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxonKeyShapes {
    /// All digits, as the Backbone's are.
    pub numeric: u64,
    /// Anything else, as most of the Catalogue of Life's are.
    pub other: u64,
    /// None, empty or `0`.
    pub none: u64,
}

impl TaxonKeyShapes {
    /// Whether these keys can belong to `checklist`. The Backbone's are all digits: at most 1 % are otherwise.
    /// Of the Catalogue of Life's few are all digits: at most 10 %. Of other checklists nothing is known.
    pub fn fit(&self, checklist: &Checklist) -> bool {
        let keys = self.numeric + self.other;
        if checklist.is_backbone() {
            self.other * 100 <= keys
        } else if checklist.is_col() {
            self.numeric * 10 <= keys
        } else {
            true
        }
    }
}

/// A Parquet file of a landing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its key below the root, or `s3://…` where it is used in place.
    pub uri: String,
    /// Its records; absent until its footer is read.
    pub records: Option<u64>,
    /// Its length in bytes.
    pub bytes: u64,
}

/// `checkpoints/landing.json`: what an unfinished landing has finished, so that the next try makes no part again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LandingCheckpoint {
    /// The run.
    pub run_id: RunId,
    /// The generation.
    pub generation: u32,
    /// The version of bisonflow that made the parts.
    pub version: String,
    /// Where the source is.
    pub uri: String,
    /// What tells its content from any other; without it, the parts are of no use.
    pub content: Option<String>,
    /// The further columns that were asked for.
    pub columns: Vec<String>,
    /// Most records per row group.
    pub row_group_records: u64,
    /// The parts that are finished, in order.
    pub parts: Vec<Part>,
}

/// `subsets.json`: how the landed records are split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subsets {
    /// The run.
    pub run_id: RunId,
    /// The generation.
    pub generation: u32,
    /// All records.
    pub records: u64,
    /// The subsets; their place is their index.
    pub subsets: Vec<Subset>,
}

/// Some row groups of some parts; what one worker annotates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subset {
    /// Its records.
    pub records: u64,
    /// Its row groups.
    pub slices: Vec<Slice>,
}

/// Successive row groups of one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// The part's key or URI, as in `landing.json`.
    pub uri: String,
    /// The first row group, from 0.
    pub first_row_group: usize,
    /// How many.
    pub row_groups: usize,
    /// Their records.
    pub records: u64,
}

/// Records inside and outside the regions of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerCount {
    /// In at least one region.
    pub inside: u64,
    /// In none.
    pub outside: u64,
}

/// Records by status in the register; their sum is the annotated records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RiisCounts {
    /// Introduced.
    pub introduced: u64,
    /// Established.
    pub established: u64,
    /// Invasive.
    pub invasive: u64,
    /// Widespread invasive.
    pub widespread_invasive: u64,
    /// No row for this taxon and region; that does not mean native.
    pub not_listed: u64,
    /// No region or no key.
    pub not_assessed: u64,
}

impl RiisCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        let RiisCounts { introduced, established, invasive, widespread_invasive, not_listed, not_assessed } =
            self;
        introduced + established + invasive + widespread_invasive + not_listed + not_assessed
    }

    /// Adds another count to this one.
    pub fn add(&mut self, other: &RiisCounts) {
        self.introduced += other.introduced;
        self.established += other.established;
        self.invasive += other.invasive;
        self.widespread_invasive += other.widespread_invasive;
        self.not_listed += other.not_listed;
        self.not_assessed += other.not_assessed;
    }
}

/// What became of a set of landed records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Records put in.
    pub records: u64,
    /// Records held back, by the first filter that they failed; every active filter is named.
    pub filtered: BTreeMap<FilterName, u64>,
    /// Records annotated.
    pub annotated: u64,
    /// By layer.
    pub layers: BTreeMap<String, LayerCount>,
    /// By status.
    pub riis: RiisCounts,
}

impl Tally {
    /// Adds another tally to this one.
    pub fn add(&mut self, other: &Tally) {
        self.records += other.records;
        self.annotated += other.annotated;
        for (&name, count) in &other.filtered {
            *self.filtered.entry(name).or_default() += count;
        }
        for (name, count) in &other.layers {
            let layer = self.layers.entry(name.clone()).or_default();
            layer.inside += count.inside;
            layer.outside += count.outside;
        }
        self.riis.add(&other.riis);
    }
}

/// The report of a finished subset, `partials/part-NNNNN.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubsetReport {
    /// The run.
    pub run_id: RunId,
    /// The generation.
    pub generation: u32,
    /// Which subset.
    pub subset: usize,
    /// What became of its records.
    pub tally: Tally,
    /// The annotated part.
    pub annotated_part: Part,
}

/// Why a subset failed, `partials/part-NNNNN.failed.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubsetFailure {
    /// The generation.
    pub generation: u32,
    /// Which subset.
    pub subset: usize,
    /// The stable name.
    pub error: ErrorName,
    /// The sentence.
    pub cause: String,
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
    /// With which runs it can be compared.
    pub comparability: Comparability,
    /// The tables made, by name.
    pub tables: BTreeMap<String, Table>,
    /// By summary, what no published run that this one can be compared with has seen before.
    pub new_in_run: BTreeMap<String, NewInRun>,
    /// What a reader should know, such as a snapshot that is not registered.
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
    /// Its files, as keys below the root.
    pub files: Vec<String>,
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
