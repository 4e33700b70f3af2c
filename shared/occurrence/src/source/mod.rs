//! Opening and reading a download, whatever its form.
//!
//! # Text
//! One record is one line: LF ends it (CRLF is tolerated), TAB separates its fields. Quoting is off: a quote
//! never makes a tab or the end of a line part of a cell, so a quote that is never closed cannot swallow the
//! rows after it. A cell that starts and ends with `"` and has every `"` between doubled is unquoted. GBIF's
//! small downloads quote cells that hold a tab or the end of a line, too: such a row has more fields than the
//! header and is rejected, or falls apart into a ragged row and a remainder; both are counted.
//!
//! Rows are never dropped silently. Rejected, and kept aside, are rows with more fields than the header, bad
//! UTF-8, no gbifID, more than 64 MiB, and blank lines (but for one at the very end; several in a row are counted one by
//! one, and kept as one line that says how many). Rows with fewer fields
//! are padded, counted as ragged, and land. A value that does not parse to its type lands as null, is counted
//! per column, and is kept aside. An empty cell is null; `NA` never is.

mod archive;
mod blocks;
mod bytes_in;
mod coded;
#[cfg(test)]
mod differential;
mod fill;
mod layout;
mod meta_xml;
mod metadata;
mod parquet_in;
mod pool;
mod rejects;
mod rows;
mod split;
mod text;

use std::collections::BTreeMap;
use std::io::{Read, Seek, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bisonflow_contract::Checklist;
use bisonflow_contract::document::{HashedBytes, LandingRecords, SourceKind, TaxonKeyShapes};

use crate::{OccurrenceError, Place};
use archive::Archive;
use bytes_in::{EntryBytes, Hashes, Source};
use layout::unsupported;
use meta_xml::Description;
use parquet_in::ParquetReader;
use text::{Limits, TextReader};

/// How a source is read.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// Columns of the source to keep beyond the schema, by name, or `["all"]`.
    pub extra_columns: Vec<String>,
    /// Most rows of a batch. It has fewer records when some of these rows are rejected, and fewer rows when
    /// they are very long.
    pub batch_records: usize,
    /// The columns of the schema to read, by name, in the schema's order; all when there is no such list. What
    /// is not read is not counted either: `unparsed`, `taxon_keys` (taxonkey) and `geospatial_issue_differs`
    /// (issue) are of the columns read.
    pub columns: Option<Vec<String>>,
    /// Whether the columns of texts of a batch may come with a dictionary (`Dictionary(Int32, Utf8)`), where few of
    /// the texts are distinct; others are Utf8, and which are which may differ from batch to batch.
    pub coded: bool,
    /// Threads that parse a text. With more than one, reading and inflating has another of its own, and so has
    /// SHA-256. Batches and counts are the same, whatever their number.
    pub threads: usize,
    /// Whether the SHA-256 of the entry is wanted. On a single thread it takes longer than all else that is
    /// done to a text.
    pub sha256: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions {
            extra_columns: Vec::new(),
            batch_records: 8192,
            columns: None,
            coded: false,
            threads: 1,
            sha256: true,
        }
    }
}

/// What the download says of itself as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The DOI, without `https://doi.org/`.
    pub doi: Option<String>,
    /// The checklist that the taxon keys belong to: the one that is named; the Backbone when a Darwin Core
    /// archive, simple CSV or text names none; unknown for Parquet.
    pub checklist: Checklist,
    /// How many records GBIF says there are.
    pub records_declared: Option<u64>,
}

impl Default for Metadata {
    fn default() -> Self {
        Metadata { doi: None, checklist: Checklist::unknown(), records_declared: None }
    }
}

/// What was read, once all of it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadSummary {
    /// Records, counted: `read = rejected + landed`.
    pub records: LandingRecords,
    /// Values that did not parse to their type, by column.
    pub unparsed: BTreeMap<String, u64>,
    /// Records whose hasGeospatialIssues differs from what their issues say.
    pub geospatial_issue_differs: u64,
    /// Shapes of the landed taxon keys.
    pub taxon_keys: TaxonKeyShapes,
    /// SHA-256 of the inflated occurrence entry, or of the text; of the entries of a simple Parquet archive one
    /// after the other, by name. None for a Parquet file, of which only the needed columns are read, and when
    /// it is not wanted.
    pub entry_sha256: Option<String>,
    /// CRC-32 of the same bytes, 8 hexadecimal digits.
    pub entry_crc32: Option<String>,
    /// The length of the same bytes.
    pub entry_bytes: Option<u64>,
    /// The same entry as it stands in its archive; none without an archive, or where it is of several entries.
    pub entry_compressed: Option<HashedBytes>,
    /// Names of the columns beyond the schema, in order.
    pub extra_columns: Vec<String>,
}

/// An open download: an iterator over record batches of [`crate::schema::schema`].
///
/// ```
/// use bisonflow_occurrence::{ReadOptions, open};
/// let text = "gbifID\tdecimalLatitude\tdecimalLongitude\n1\t40.5\t-100\n2\tabc\t-100\n";
/// let mut download = open(std::io::Cursor::new(text), "occurrence.txt", text.len() as u64, ReadOptions::default())?;
/// let batch = download.next_batch()?.expect("two records");
/// assert_eq!(batch.num_rows(), 2);
/// assert!(download.next_batch()?.is_none());
/// let summary = download.finish()?;
/// assert_eq!(summary.records.landed, 2);
/// assert_eq!(summary.unparsed["decimallatitude"], 1);
/// # Ok::<(), bisonflow_occurrence::OccurrenceError>(())
/// ```
pub struct Download {
    kind: SourceKind,
    metadata: Metadata,
    reader: Reader,
    place: Place,
    state: State,
}

enum Reader {
    Text(Box<TextReader>),
    Parquet(Box<ParquetReader>),
}

#[derive(PartialEq)]
enum State {
    Reading,
    Ended,
    Failed,
}

/// Opens a download, recognising its form by its content: a zip archive by GBIF (Darwin Core archive, simple
/// CSV, simple Parquet), a Parquet file, or a tab-separated text with a header line.
///
/// `name` is what errors call the source; `bytes` is its length. Memory does not grow with the source; a
/// simple Parquet archive is inflated to a temporary file, one entry at a time.
///
/// # Errors
/// [`OccurrenceError::Unsupported`] when it is no occurrence download, [`OccurrenceError::Corrupt`] when it is
/// a damaged one, [`OccurrenceError::Option`] when an extra column is unknown, [`OccurrenceError::Io`] when
/// reading fails.
pub fn open(
    reader: impl Read + Seek + Send + 'static,
    name: &str,
    bytes: u64,
    options: ReadOptions,
) -> Result<Download, OccurrenceError> {
    let place = Place::file(name);
    let source = Source::new(reader, bytes);
    let mut magic = Vec::new();
    let read = source.at(0).take(8).read_to_end(&mut magic);
    read.map_err(|error| source.explain(place.clone(), error))?;
    if bytes == 0 || magic.is_empty() {
        return Err(unsupported(place, "an empty file"));
    }
    if magic.starts_with(b"PK\x03\x04") || magic.starts_with(b"PK\x05\x06") {
        return open_archive(source, place, options);
    }
    if magic.starts_with(b"PAR1") {
        let reader = ParquetReader::file(source, place.clone(), &options)?;
        return Ok(Download::new(
            SourceKind::Parquet,
            Metadata::default(),
            Reader::Parquet(reader.into()),
            place,
        ));
    }
    if let Some(found) = other_form(&magic) {
        return Err(unsupported(place, found));
    }
    let metadata = Metadata { checklist: Checklist::backbone(), ..Metadata::default() };
    let hashes = Hashes::new(options.sha256, options.threads);
    let input = EntryBytes::file(source.clone(), hashes);
    let reader = TextReader::new(input, source, None, place.clone(), &options, Limits::default())?;
    Ok(Download::new(SourceKind::Text, metadata, Reader::Text(reader.into()), place))
}

/// What a file is that begins with these bytes, when it is surely no text of ours.
fn other_form(magic: &[u8]) -> Option<&'static str> {
    let forms: [(&[u8], &str); 10] = [
        (b"\x89PNG", "a PNG image"),
        (b"\xff\xd8\xff", "a JPEG image"),
        (b"%PDF", "a PDF document"),
        (b"\x1f\x8b", "a gzip file"),
        (b"7z\xbc\xaf", "a 7-Zip archive"),
        (b"Rar!", "a RAR archive"),
        (b"\xff\xfe", "a text in UTF-16"),
        (b"\xfe\xff", "a text in UTF-16"),
        (b"<", "an XML or HTML document"),
        (b"{", "a JSON document"),
    ];
    forms.into_iter().find(|(start, _)| magic.starts_with(start)).map(|(_, what)| what)
}

fn open_archive(source: Source, place: Place, options: ReadOptions) -> Result<Download, OccurrenceError> {
    let mut archive = Archive::open(source.clone(), place.clone())?;
    if let Some(name) = occurrence_entry(&archive) {
        let folder = &name[..name.len() - "occurrence.txt".len()];
        let eml = archive.text(&format!("{folder}metadata.xml"))?.unwrap_or_default();
        let metadata = Metadata::from_eml(&eml, Checklist::backbone());
        let meta = archive.text(&format!("{folder}meta.xml"))?.unwrap_or_default();
        let description = Description::parse(&meta, &name);
        let reader = text_entry(&mut archive, &name, description, source, &place, &options)?;
        return Ok(Download::new(SourceKind::Dwca, metadata, reader, place));
    }
    let mut parts: Vec<String> =
        archive.names().filter(|name| is_parquet_part(name)).map(str::to_owned).collect();
    if !parts.is_empty() {
        parts.sort_unstable();
        let reader = ParquetReader::archive(archive, source, parts, place.clone(), &options)?;
        let metadata = Metadata::default();
        return Ok(Download::new(SourceKind::SimpleParquet, metadata, Reader::Parquet(reader.into()), place));
    }
    let texts: Vec<String> = archive.names().filter(|name| is_text(name)).map(str::to_owned).collect();
    let [name] = texts.as_slice() else {
        let names: Vec<&str> = archive.names().take(5).collect();
        return Err(OccurrenceError::unsupported(
            place,
            match names.len() {
                0 => "a zip archive without files".to_owned(),
                _ => format!("a zip archive with {} files: {}", archive.names().count(), names.join(", ")),
            },
            "occurrence.txt, a single text file, or files under occurrence.parquet/",
            "give a GBIF download in the form Darwin Core archive, simple CSV or simple Parquet",
        ));
    };
    let metadata = Metadata { checklist: Checklist::backbone(), ..Metadata::default() };
    let reader = text_entry(&mut archive, name, None, source, &place, &options)?;
    Ok(Download::new(SourceKind::SimpleCsv, metadata, reader, place))
}

fn text_entry(
    archive: &mut Archive,
    name: &str,
    description: Option<Description>,
    source: Source,
    place: &Place,
    options: &ReadOptions,
) -> Result<Reader, OccurrenceError> {
    let hashes = || Hashes::new(options.sha256, options.threads);
    let input = archive.entry(name, hashes(), Some(hashes()))?;
    let (place, limits) = (place.entry(name), Limits::default());
    let reader = TextReader::new(input, source, description.as_ref(), place, options, limits)?;
    Ok(Reader::Text(reader.into()))
}

/// `occurrence.txt`, or the only one in a folder, as an archive packed again by hand has.
fn occurrence_entry(archive: &Archive) -> Option<String> {
    if archive.has("occurrence.txt") {
        return Some("occurrence.txt".to_owned());
    }
    let mut found = archive.names().filter(|name| name.ends_with("/occurrence.txt"));
    found.next().filter(|_| found.next().is_none()).map(str::to_owned)
}

fn is_parquet_part(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    name.split('/').rev().skip(1).any(|folder| folder == "occurrence.parquet")
        && !file.starts_with(['_', '.'])
}

fn is_text(name: &str) -> bool {
    let end = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    matches!(end.as_str(), "csv" | "tsv" | "txt")
}

impl Download {
    fn new(kind: SourceKind, metadata: Metadata, reader: Reader, place: Place) -> Download {
        Download { kind, metadata, reader, place, state: State::Reading }
    }

    /// Keeps rejected rows and unparsed values: tab-separated lines with a header (kind, line, byte offset,
    /// gbifid, column, reason, text) go to `out`, with one line for blank lines that follow each other. To be called before the first batch.
    #[must_use]
    pub fn with_rejects(mut self, out: Box<dyn Write + Send>) -> Download {
        match &mut self.reader {
            Reader::Text(reader) => reader.rejects().write_to(out),
            Reader::Parquet(reader) => reader.rejects().write_to(out),
        }
        self
    }

    /// What the source is.
    pub fn kind(&self) -> SourceKind {
        self.kind
    }

    /// The columns that were asked for and that the source lacks (of several files, the first): null in every record.
    pub fn absent_columns(&self) -> Vec<&'static str> {
        match &self.reader {
            Reader::Text(reader) => reader.absent_columns(),
            Reader::Parquet(reader) => reader.absent_columns(),
        }
    }

    /// What the download says of itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The schema of every batch.
    pub fn schema(&self) -> SchemaRef {
        match &self.reader {
            Reader::Text(reader) => reader.schema(),
            Reader::Parquet(reader) => reader.schema(),
        }
    }

    /// The next records; none at the end. A batch is never empty.
    ///
    /// # Errors
    /// [`OccurrenceError::Corrupt`] when the source turns out to be damaged, [`OccurrenceError::Io`] when
    /// reading it or writing the rejects fails. After an error there are no more batches.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>, OccurrenceError> {
        if self.state != State::Reading {
            return Ok(None);
        }
        let batch = match &mut self.reader {
            Reader::Text(reader) => reader.next_batch(),
            Reader::Parquet(reader) => reader.next_batch(),
        };
        match &batch {
            Ok(Some(_)) => {}
            Ok(None) => self.state = State::Ended,
            Err(_) => self.state = State::Failed,
        }
        batch
    }

    /// What was read; to be called after the last batch.
    ///
    /// # Errors
    /// [`OccurrenceError::Unfinished`] before the end, or after an error.
    pub fn finish(self) -> Result<ReadSummary, OccurrenceError> {
        if self.state != State::Ended {
            return Err(OccurrenceError::Unfinished { place: self.place });
        }
        Ok(match self.reader {
            Reader::Text(reader) => reader.summary(),
            Reader::Parquet(reader) => reader.summary(),
        })
    }
}

impl Iterator for Download {
    type Item = Result<RecordBatch, OccurrenceError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}

/// The shape of a taxon key is counted under what it may belong to.
fn count_taxon_key(shapes: &mut TaxonKeyShapes, key: &str) {
    match key.trim_ascii() {
        "" | "0" => shapes.none += 1,
        key if key.bytes().all(|byte| byte.is_ascii_digit()) => shapes.numeric += 1,
        _ => shapes.other += 1,
    }
}
