//! What was landed: source, records, parts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Checklist, DownloadKey, RunId};

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
