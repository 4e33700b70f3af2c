//! The input of an execution: what a person or an upload asks for.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Checklist, DownloadKey, S3Uri, SnapshotDate, StepError};

/// What to run, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Input {
    /// Where the records come from.
    #[serde(flatten)]
    pub origin: Origin,
    /// How the run is done.
    #[serde(default)]
    pub options: Options,
}

/// Where the records come from: exactly one of four.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A GBIF download, by its key.
    DownloadKey(DownloadKey),
    /// A GBIF download that is requested first, once for all executions that ask for the same.
    Request(DownloadRequest),
    /// A file or prefix: `s3://bucket/key` or `https://…`.
    Source(SourceUri),
    /// A monthly GBIF snapshot on AWS, by its date; used in place.
    Snapshot(SnapshotDate),
}

/// What a download that is requested from GBIF holds. Its checklist is that of the options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DownloadRequest {
    /// Which records, as GBIF's download API has it: `{"type": "equals", "key": "COUNTRY", "value": "US"}`.
    #[schemars(schema_with = "predicate_schema")]
    pub predicate: serde_json::Map<String, Value>,
    /// The form of its file.
    #[serde(default)]
    pub format: DownloadFormat,
}

/// A form of GBIF's downloads that we read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DownloadFormat {
    /// A Darwin Core archive.
    #[default]
    Dwca,
    /// One text of 50 columns.
    SimpleCsv,
    /// The same columns as Parquet.
    SimpleParquet,
}

impl DownloadRequest {
    /// Whether GBIF can have a look at it: what a predicate says is GBIF's to judge.
    fn check(&self) -> Result<(), StepError> {
        if self.predicate.contains_key("type") {
            return Ok(());
        }
        let why = "found no type, expected a predicate of GBIF's download API, such as \
                   {\"type\": \"equals\", \"key\": \"COUNTRY\", \"value\": \"US\"}";
        Err(StepError::invalid("request.predicate", why))
    }
}

fn predicate_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "required": ["type"]})
}

/// A file or prefix that holds a download.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SourceUri {
    /// An object or prefix in S3.
    S3(S3Uri),
    /// A URL, `https://` (or `http://`).
    Http(String),
    /// A file or folder of this machine, `file:///…`; only `bisonflow run` reads these.
    File(String),
}

impl TryFrom<String> for SourceUri {
    type Error = StepError;
    fn try_from(text: String) -> Result<Self, StepError> {
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '`' | '\\' | '<' | '>');
        if text.starts_with("s3://") {
            Ok(SourceUri::S3(text.parse()?))
        } else if (text.starts_with("https://") || text.starts_with("http://")) && text.chars().all(plain) {
            Ok(SourceUri::Http(text))
        } else if text.starts_with("file:///") {
            Ok(SourceUri::File(text))
        } else {
            Err(StepError::InvalidInput(format!(
                "source: found {text:?}: expected s3://BUCKET/KEY or https://HOST/PATH"
            )))
        }
    }
}

/// The forms that an execution may be started with; a file of this machine is none of them.
impl JsonSchema for SourceUri {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SourceUri".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^(s3://[a-z0-9.-]{3,63}/.*|https?://[!#-&(-;=?-\[\]-_a-~]*)$",
        })
    }
}

impl From<SourceUri> for String {
    fn from(uri: SourceUri) -> String {
        uri.to_string()
    }
}

impl std::fmt::Display for SourceUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SourceUri::S3(uri) => uri.fmt(f),
            SourceUri::Http(uri) | SourceUri::File(uri) => f.write_str(uri),
        }
    }
}

/// How a run is done; all of it enters the ledger. What is absent takes the default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Records per subset, ≥ 1. Default 2,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub subset_records: Option<u64>,
    /// Where the downloader runs. Default `spot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<Market>,
    /// The layers to use, by their names in layers.toml. Default: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<String>>,
    /// Filters that differ from their defaults, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "filters_schema")]
    pub filters: BTreeMap<FilterName, FilterSetting>,
    /// The register: an S3 URI, or "none". Default: the one under `reference/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub riis: Option<RiisChoice>,
    /// The checklist that the records' taxon keys belong to, where the download does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = crate::checklist::PATTERN))]
    pub checklist: Option<Checklist>,
    /// Further columns of the source to keep, by name, or ["all"].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Do a finished run again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

/// Records per subset unless the options say otherwise.
pub const DEFAULT_SUBSET_RECORDS: u64 = 2_000_000;
/// The most subsets a run may have: the size of an AWS Batch array.
pub const MAX_SUBSETS: usize = 10_000;
/// The most records in a row group.
pub const MAX_ROW_GROUP_RECORDS: u64 = 1_000_000;

impl Options {
    /// Records per subset, defaults applied.
    pub fn subset_records(&self) -> u64 {
        self.subset_records.unwrap_or(DEFAULT_SUBSET_RECORDS)
    }

    /// Most records in a row group of the landing, so that subsets can be cut between row groups.
    pub fn row_group_records(&self) -> u64 {
        self.subset_records().min(MAX_ROW_GROUP_RECORDS)
    }

    /// Whether the values are allowed.
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] naming the option, what was found and what is allowed.
    pub fn check(&self) -> Result<(), StepError> {
        if self.subset_records == Some(0) {
            return Err(StepError::invalid("options.subset_records", "found 0, expected 1 or more"));
        }
        if let Some(checklist) = &self.checklist {
            checklist.as_str().parse::<Checklist>()?;
        }
        for (name, setting) in &self.filters {
            let fits = match (name, setting) {
                (_, FilterSetting::Off(off)) => !off,
                (FilterName::MaxUncertaintyM, FilterSetting::Limit(limit)) => *limit > 0.0,
                (
                    FilterName::Country | FilterName::Status | FilterName::Rank | FilterName::BasisOfRecord,
                    FilterSetting::Values(values),
                ) => {
                    if let Some(value) = values.iter().find(|value| !is_code(*name, value)) {
                        return Err(StepError::invalid(
                            format_args!("options.filters.{name}"),
                            format_args!("found {value:?}, which no record can have; {}", code_like(*name)),
                        ));
                    }
                    !values.is_empty()
                }
                _ => false,
            };
            if !fits {
                return Err(StepError::invalid(
                    format_args!("options.filters.{name}"),
                    "expected false for off; a list of values for country, status, rank and basis_of_record; \
                     a number of metres for max_uncertainty_m",
                ));
            }
        }
        Ok(())
    }
}

/// Whether GBIF could write this in the column that a filter looks at.
fn is_code(name: FilterName, value: &str) -> bool {
    let is_of_letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    !value.is_empty() && is_of_letters(value) && (name != FilterName::Country || value.len() == 2)
}

fn code_like(name: FilterName) -> &'static str {
    match name {
        FilterName::Country => "expected codes of two capital letters (ISO 3166), such as US",
        _ => {
            "expected GBIF's own codes, of capital letters and _, such as PRESENT, SUBSPECIES or HUMAN_OBSERVATION"
        }
    }
}

/// Where the downloader runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Market {
    /// A Spot instance.
    #[default]
    Spot,
    /// An On-Demand instance.
    OnDemand,
}

/// A filter, in the order in which they are applied; a record counts under the first it fails.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FilterName {
    /// countrycode is one of (US).
    Country,
    /// occurrencestatus is one of (PRESENT), or blank.
    Status,
    /// Both coordinates are there and in range.
    Coordinates,
    /// The issues hold none of GBIF's geospatial ones.
    GeospatialIssue,
    /// taxonrank is one of (species and below).
    Rank,
    /// basisofrecord is one of.
    BasisOfRecord,
    /// coordinateuncertaintyinmeters is at most this; off by default; null passes.
    MaxUncertaintyM,
}

impl FilterName {
    /// All of them, in the order in which they are applied.
    pub const ALL: [FilterName; 7] = [
        FilterName::Country,
        FilterName::Status,
        FilterName::Coordinates,
        FilterName::GeospatialIssue,
        FilterName::Rank,
        FilterName::BasisOfRecord,
        FilterName::MaxUncertaintyM,
    ];

    /// The name in options and ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            FilterName::Country => "country",
            FilterName::Status => "status",
            FilterName::Coordinates => "coordinates",
            FilterName::GeospatialIssue => "geospatial_issue",
            FilterName::Rank => "rank",
            FilterName::BasisOfRecord => "basis_of_record",
            FilterName::MaxUncertaintyM => "max_uncertainty_m",
        }
    }
}

impl std::fmt::Display for FilterName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What [`Options::check`] allows: every filter may be off, some take values, one takes a limit.
fn filters_schema(_: &mut SchemaGenerator) -> Schema {
    let properties: serde_json::Map<String, Value> = FilterName::ALL
        .into_iter()
        .map(|name| {
            let off = serde_json::json!({"const": false});
            let setting = match name {
                FilterName::Coordinates | FilterName::GeospatialIssue => off,
                FilterName::MaxUncertaintyM => {
                    serde_json::json!({"anyOf": [off, {"type": "number", "exclusiveMinimum": 0}]})
                }
                FilterName::Country | FilterName::Status | FilterName::Rank | FilterName::BasisOfRecord => {
                    let pattern = if name == FilterName::Country { "^[A-Z]{2}$" } else { "^[A-Z_]+$" };
                    let value = serde_json::json!({"type": "string", "pattern": pattern});
                    let values = serde_json::json!({"type": "array", "items": value, "minItems": 1});
                    serde_json::json!({"anyOf": [off, values]})
                }
            };
            (name.as_str().to_owned(), setting)
        })
        .collect();
    json_schema!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// What a filter lets through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected false for off, a list of values, or a number of metres")]
pub enum FilterSetting {
    /// `false`: the filter is off.
    Off(bool),
    /// The largest value allowed.
    Limit(f64),
    /// The values allowed.
    Values(Vec<String>),
}

/// Which register to use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RiisChoice {
    /// No register: every record is `not_assessed`.
    None,
    /// This one.
    At(S3Uri),
}

impl TryFrom<String> for RiisChoice {
    type Error = StepError;
    fn try_from(text: String) -> Result<Self, StepError> {
        if text == "none" { Ok(RiisChoice::None) } else { text.parse().map(RiisChoice::At) }
    }
}

impl JsonSchema for RiisChoice {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RiisChoice".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^(none|s3://[a-z0-9.-]{3,63}/.*)$"})
    }
}

impl From<RiisChoice> for String {
    fn from(choice: RiisChoice) -> String {
        match choice {
            RiisChoice::None => "none".into(),
            RiisChoice::At(uri) => uri.to_string(),
        }
    }
}

/// An object that S3 reported through EventBridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadedObject {
    /// Where it is; the key as the event gave it.
    pub uri: S3Uri,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Its size in bytes.
    pub size_bytes: u64,
}

/// An execution's input, recognised.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Asked for by a person or a program.
    Asked(Input),
    /// A raw EventBridge event: an object was created.
    Uploaded(UploadedObject),
}

#[derive(Deserialize)]
struct Event {
    detail: EventDetail,
}
#[derive(Deserialize)]
struct EventDetail {
    bucket: EventBucket,
    object: EventObject,
}
#[derive(Deserialize)]
struct EventBucket {
    name: String,
}
#[derive(Deserialize)]
struct EventObject {
    key: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    etag: String,
}

/// The schema against which an execution's own input is read: all fields optional, so that the error can say
/// that there are none or two sources.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInput {
    download_key: Option<Value>,
    request: Option<Value>,
    source: Option<Value>,
    snapshot: Option<Value>,
    #[serde(default)]
    options: Option<Value>,
}

impl Request {
    /// Recognises an execution's input: our own form, or a raw EventBridge event (by `detail-type`).
    ///
    /// # Errors
    /// [`StepError::InvalidInput`] naming the field, what was found and what is allowed.
    pub fn parse(input: Value) -> Result<Request, StepError> {
        if let Some(kind) = input.get("detail-type") {
            if kind != "Object Created" {
                return Err(StepError::invalid(
                    "detail-type",
                    format_args!("found {kind}, expected \"Object Created\""),
                ));
            }
            let event: Event = crate::parse("EventBridge event", input)?;
            let EventObject { key, size, etag } = event.detail.object;
            let uri = S3Uri::new(&event.detail.bucket.name, &key)?;
            return Ok(Request::Uploaded(UploadedObject {
                uri,
                etag: etag.trim_matches('"').to_owned(),
                size_bytes: size,
            }));
        }
        if !input.is_object() {
            return Err(StepError::invalid("input", format_args!("found {input}, expected a JSON object")));
        }
        let raw: RawInput = crate::parse("input", input)?;
        let origin = match (raw.download_key, raw.request, raw.source, raw.snapshot) {
            (Some(key), None, None, None) => Origin::DownloadKey(crate::parse("download_key", key)?),
            (None, Some(request), None, None) => {
                let request: DownloadRequest = crate::parse("request", request)?;
                request.check()?;
                Origin::Request(request)
            }
            (None, None, Some(source), None) => match crate::parse("source", source)? {
                SourceUri::File(uri) => {
                    let why =
                        format!("found {uri}: a workflow reads s3:// and https:// only; upload the file");
                    return Err(StepError::invalid("source", why));
                }
                source => Origin::Source(source),
            },
            (None, None, None, Some(date)) => Origin::Snapshot(crate::parse("snapshot", date)?),
            (None, None, None, None) => {
                return Err(StepError::invalid(
                    "input",
                    "found no source: expected one of download_key, request, source, snapshot",
                ));
            }
            _ => {
                return Err(StepError::invalid(
                    "input",
                    "found more than one of download_key, request, source and snapshot: expected exactly one",
                ));
            }
        };
        let options: Options = match raw.options {
            Some(options) => crate::parse("options", options)?,
            None => Options::default(),
        };
        options.check()?;
        Ok(Request::Asked(Input { origin, options }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn error(input: Value) -> String {
        match Request::parse(input) {
            Err(StepError::InvalidInput(sentence)) => sentence,
            other => panic!("expected InvalidInput, found {other:?}"),
        }
    }

    #[test]
    fn the_four_forms() {
        for input in [
            json!({"download_key": "0006607-230918134249559"}),
            json!({"source": "s3://bison-data/uploads/file.zip", "options": {"subset_records": 250, "riis": "none"}}),
            json!({"source": "https://example.org/a.zip"}),
            json!({"request": {"predicate": {"type": "equals", "key": "COUNTRY", "value": "US"}}}),
            json!({"snapshot": "2026-07-01", "options": {"filters": {"country": ["US", "PR"], "rank": false, "max_uncertainty_m": 1000}}}),
        ] {
            assert!(matches!(Request::parse(input.clone()), Ok(Request::Asked(_))), "{input}");
        }
    }

    #[test]
    fn errors_name_the_field() {
        assert!(error(json!({})).contains("download_key, request, source, snapshot"));
        assert!(error(json!({"request": {"predicate": {"key": "COUNTRY"}}})).contains("request.predicate"));
        assert!(
            error(json!({"request": {"predicate": {"type": "and"}, "creator": "me"}})).contains("creator")
        );
        assert!(
            error(json!({"request": {"predicate": {"type": "and"}, "format": "SQL"}})).contains("SIMPLE_CSV")
        );
        assert!(
            error(json!({"snapshot": "2026-07-01", "source": "s3://bucket/k"})).contains("more than one")
        );
        assert!(error(json!({"download_key": "0006607-23"})).contains("download_key"));
        assert!(error(json!({"download_key": "x; rm -rf /"})).contains("x; rm -rf /"));
        assert!(error(json!({"sauce": "s3://bucket/k"})).contains("sauce"));
        assert!(error(json!({"snapshot": "2026-07-01", "options": {"subsets": 3}})).contains("subsets"));
        assert!(
            error(json!({"snapshot": "2026-07-01", "options": {"subset_records": 0}}))
                .contains("subset_records")
        );
        assert!(
            error(json!({"snapshot": "2026-07-01", "options": {"filters": {"rank": 3}}}))
                .contains("filters.rank")
        );
        assert!(
            error(json!({"snapshot": "2026-07-01", "options": {"filters": {"colour": false}}}))
                .contains("colour")
        );
        assert!(
            error(json!({"snapshot": "2026-07-01", "options": {"checklist": "GBIF"}}))
                .contains("backbone, col")
        );
        assert!(error(json!({"source": "file:///etc/passwd"})).contains("upload the file"));
        assert!(error(json!({"source": "ftp://example.org/x"})).contains("source"));
        assert!(error(json!({"source": "https://example.org/$(x) y"})).contains("source"));
        assert!(error(json!("text")).contains("JSON object"));
        assert!(error(json!({"detail-type": "Object Deleted"})).contains("Object Deleted"));
    }

    #[test]
    fn the_raw_event_keeps_its_key() {
        let event = json!({"version": "0", "detail-type": "Object Created", "source": "aws.s3", "unknown": 1, "detail": {
            "bucket": {"name": "bison-data"}, "reason": "PutObject",
            "object": {"key": "uploads/a b+c%20d.zip", "size": 48211, "etag": "4af9-12", "sequencer": "00"}}});
        let Ok(Request::Uploaded(object)) = Request::parse(event) else { panic!("expected an upload") };
        assert_eq!(object.uri.key(), "uploads/a b+c%20d.zip");
        assert_eq!((object.etag.as_str(), object.size_bytes), ("4af9-12", 48211));
    }
}
