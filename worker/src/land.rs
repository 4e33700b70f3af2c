//! `land`: a download becomes Parquet parts below the root, and `landing.json` says what landed.

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bisonflow_cloud::RunStore;
use bisonflow_contract::document::{Landing, LandingRecords, Part, Source, SourceKind, TaxonKeyShapes};
use bisonflow_contract::layout::OCCURRENCES;
use bisonflow_contract::{Checklist, RunId, StepError};
use bisonflow_occurrence::parquet_file::RecordWriter;
use bisonflow_occurrence::{ReadOptions, ReadSummary};
use tokio::runtime::Handle;

use crate::annotate::pool;
use crate::location::{Location, SourceFile};
use crate::object_file::ObjectWriter;
use crate::progress::Progress;

/// Records of a batch between reading and writing.
pub const BATCH_RECORDS: usize = 8192;
/// A part is closed at the first end of a row group beyond this length.
const PART_BYTES: usize = 128 << 20;

/// What to land, and how.
pub struct LandRequest<'a> {
    /// The run whose documents and parts are written.
    pub run: &'a RunStore,
    /// The run.
    pub run_id: RunId,
    /// Its generation.
    pub generation: u32,
    /// Where the download is.
    pub location: &'a Location,
    /// What tells its content from any other, as the plan has it.
    pub source_identity: Option<String>,
    /// Columns beyond the schema, or `["all"]`.
    pub columns: Vec<String>,
    /// Most records in a row group.
    pub row_group_records: u64,
    /// The checklist, where the options say it.
    pub checklist: Option<Checklist>,
    /// Worker threads; absent for one on each core.
    pub threads: Option<NonZeroUsize>,
}

/// Lands a download. What an earlier try of the same generation finished is kept; what it left half done is
/// done again. `landing.json` is written last; after a failure neither it nor any part is there.
///
/// # Errors
/// [`StepError::UnsupportedFormat`], [`StepError::CorruptArchive`], [`StepError::DownloadNotAvailable`],
/// [`StepError::InvalidInput`] for unknown columns, or a transient error of source or store.
pub fn land(request: &LandRequest<'_>, handle: &Handle) -> Result<Landing, StepError> {
    let (run, layout) = (request.run, request.run.layout());
    if let Some(landing) = handle.block_on(run.read::<Landing>(&layout.landing()))? {
        if landing.generation == request.generation
            && landing.source_identity == request.source_identity
            && is_whole(run, &landing, handle)?
        {
            tracing::info!(records = landing.records.landed, "land: already finished");
            return Ok(landing);
        }
        handle.block_on(run.store().delete([layout.landing()]))?;
    }
    let mut parts = Parts::new(run, request.row_group_records as usize, handle);
    let landed = pool(request.threads)?.install(|| land_files(request, &mut parts, handle));
    match landed {
        Ok(landing) => {
            // Should one of these fail, the next try finds no landing.json and lands anew.
            delete_other_parts(run, &landing, handle)?;
            handle.block_on(run.write(&layout.landing(), &landing))?;
            Ok(landing)
        }
        Err(error) => {
            // The cause is what matters; what cannot be deleted now is overwritten by the next try.
            if let Err(leftover) = parts.discard() {
                tracing::warn!(%leftover, "land: parts of the failed landing are left behind");
            }
            Err(error)
        }
    }
}

fn land_files(
    request: &LandRequest<'_>,
    parts: &mut Parts<'_>,
    handle: &Handle,
) -> Result<Landing, StepError> {
    let files = request.location.files(handle)?;
    let several = files.len() > 1;
    let rejects = Rejects::new()?;
    let mut progress = Progress::records("landing", None);
    let mut total = Totals::default();
    let mut kind = None;
    let mut checklist = None;
    let (mut doi, mut records_declared) = (None, None);
    for file in &files {
        let options = ReadOptions {
            extra_columns: request.columns.clone(),
            batch_records: BATCH_RECORDS,
            threads: rayon::current_num_threads(),
            ..ReadOptions::default()
        };
        let download = bisonflow_occurrence::open(file.open()?, &file.name, file.bytes, options)?;
        let mut download = download.with_rejects(Box::new(rejects.clone()));
        if several && download.kind() != SourceKind::Parquet {
            return Err(StepError::UnsupportedFormat(format!(
                "{}: found {:?} among {} files; a folder or prefix may hold Parquet files only",
                file.uri,
                download.kind(),
                files.len()
            )));
        }
        kind = Some(download.kind());
        let metadata = download.metadata();
        checklist.get_or_insert_with(|| metadata.checklist.clone());
        doi = doi.or_else(|| metadata.doi.clone());
        records_declared = records_declared.or(metadata.records_declared);
        while let Some(batch) = download.next_batch()? {
            progress.add(batch.num_rows() as u64);
            parts.write(&batch)?;
        }
        total.add(download.finish()?, &file.uri)?;
    }
    progress.finish();
    let schema = bisonflow_occurrence::schema::schema(&total.extra_columns);
    let written = parts.finish(&schema)?;
    rejects.store(request.run, handle)?;

    let (Some(kind), [first, ..]) = (kind, files.as_slice()) else {
        return Err(StepError::Internal("a location without files".into()));
    };
    Ok(Landing {
        run_id: request.run_id.clone(),
        generation: request.generation,
        source: source(request, kind, first, &files, &total, doi, records_declared)?,
        source_identity: request.source_identity.clone(),
        checklist: request.checklist.clone().or(checklist).unwrap_or_else(Checklist::unknown),
        extra_columns: total.extra_columns,
        row_group_records: request.row_group_records,
        records: total.records,
        unparsed: total.unparsed,
        geospatial_issue_differs: total.geospatial_issue_differs,
        taxon_keys: total.taxon_keys,
        parts: written,
        landed_at: jiff::Timestamp::now(),
    })
}

fn source(
    request: &LandRequest<'_>,
    kind: SourceKind,
    first: &SourceFile,
    files: &[SourceFile],
    total: &Totals,
    doi: Option<String>,
    records_declared: Option<u64>,
) -> Result<Source, StepError> {
    let single = files.len() == 1;
    Ok(Source {
        kind,
        uri: request.location.uri()?.to_string(),
        bytes: files.iter().map(|file| file.bytes).sum(),
        entry_sha256: total.entry_sha256.clone().filter(|_| single),
        entry_crc32: total.entry_crc32.clone().filter(|_| single),
        // A plain text is read from its first byte to its last: its entry is the whole source.
        sha256: total.entry_sha256.clone().filter(|_| single && kind == SourceKind::Text),
        etag: first.e_tag.clone().filter(|_| single),
        doi,
        records_declared,
    })
}

/// What all files of a download come to.
#[derive(Default)]
struct Totals {
    records: LandingRecords,
    unparsed: BTreeMap<String, u64>,
    geospatial_issue_differs: u64,
    taxon_keys: TaxonKeyShapes,
    entry_sha256: Option<String>,
    entry_crc32: Option<String>,
    extra_columns: Vec<String>,
    files: usize,
}

impl Totals {
    fn add(&mut self, summary: ReadSummary, uri: &str) -> Result<(), StepError> {
        if self.files > 0 && self.extra_columns != summary.extra_columns {
            return Err(StepError::UnsupportedFormat(format!(
                "{uri}: found the further columns {:?}, but {:?} in the files before it",
                summary.extra_columns, self.extra_columns
            )));
        }
        self.files += 1;
        self.extra_columns = summary.extra_columns;
        self.records.read += summary.records.read;
        self.records.ragged += summary.records.ragged;
        self.records.rejected += summary.records.rejected;
        self.records.landed += summary.records.landed;
        for (column, count) in summary.unparsed {
            *self.unparsed.entry(column).or_default() += count;
        }
        self.geospatial_issue_differs += summary.geospatial_issue_differs;
        self.taxon_keys.numeric += summary.taxon_keys.numeric;
        self.taxon_keys.other += summary.taxon_keys.other;
        self.taxon_keys.none += summary.taxon_keys.none;
        self.entry_sha256 = summary.entry_sha256;
        self.entry_crc32 = summary.entry_crc32;
        Ok(())
    }
}

/// Whether every part is there with its length.
fn is_whole(run: &RunStore, landing: &Landing, handle: &Handle) -> Result<bool, StepError> {
    let found = handle.block_on(run.store().list(&run.layout().partition(OCCURRENCES)))?;
    let found: BTreeMap<String, u64> =
        found.into_iter().map(|meta| (meta.location.to_string(), meta.size)).collect();
    Ok(landing.parts.iter().all(|part| found.get(&part.uri) == Some(&part.bytes)))
}

/// Parts of an older landing that the new one has not overwritten.
fn delete_other_parts(run: &RunStore, landing: &Landing, handle: &Handle) -> Result<(), StepError> {
    let found = handle.block_on(run.store().list(&run.layout().partition(OCCURRENCES)))?;
    let keys = found.into_iter().map(|meta| meta.location.to_string());
    let stale: Vec<String> = keys.filter(|key| landing.parts.iter().all(|part| part.uri != *key)).collect();
    handle.block_on(run.store().delete(stale))
}

/// Writes batches into parts; row groups are cut at the same records whatever the batches are.
struct Parts<'a> {
    run: &'a RunStore,
    handle: &'a Handle,
    row_group_records: usize,
    open: Option<OpenPart>,
    written: Vec<Part>,
}

struct OpenPart {
    key: String,
    writer: RecordWriter<ObjectWriter>,
    records: u64,
}

impl<'a> Parts<'a> {
    fn new(run: &'a RunStore, row_group_records: usize, handle: &'a Handle) -> Self {
        Parts { run, handle, row_group_records, open: None, written: Vec::new() }
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), StepError> {
        let mut rest = batch.clone();
        while rest.num_rows() > 0 {
            if self.open.is_none() {
                self.open = Some(self.create(&rest.schema())?);
            }
            let Some(part) = &mut self.open else { continue };
            let count = rest.num_rows().min(self.row_group_records - part.writer.open_rows());
            let failed = |error| StepError::SourceUnavailable(format!("writing {}: {error}", part.key));
            part.writer.write(&rest.slice(0, count)).map_err(failed)?;
            part.records += count as u64;
            rest = rest.slice(count, rest.num_rows() - count);
            if part.writer.open_rows() == 0 && part.writer.bytes_written() >= PART_BYTES {
                self.close()?;
            }
        }
        Ok(())
    }

    fn create(&self, schema: &SchemaRef) -> Result<OpenPart, StepError> {
        let key = self.run.layout().occurrences_part(self.written.len());
        let (objects, path) = self.run.store().object(&key)?;
        let object = ObjectWriter::create(&objects, &path, self.handle.clone())
            .map_err(|error| self.run.store().failed(&key, error))?;
        let writer = RecordWriter::new(object, schema.clone(), self.row_group_records)
            .map_err(|error| StepError::Internal(format!("writing {key}: {error}")))?;
        Ok(OpenPart { key, writer, records: 0 })
    }

    fn close(&mut self) -> Result<(), StepError> {
        let Some(OpenPart { key, writer, records, .. }) = self.open.take() else { return Ok(()) };
        let object = writer
            .finish()
            .map_err(|error| StepError::SourceUnavailable(format!("writing {key}: {error}")))?;
        let bytes = object.finish().map_err(|error| self.run.store().failed(&key, error))?;
        self.written.push(Part { uri: key, records: Some(records), bytes });
        Ok(())
    }

    /// Closes the last part; a download without records gets an empty one, so that its partition exists.
    fn finish(&mut self, schema: &SchemaRef) -> Result<Vec<Part>, StepError> {
        if self.open.is_none() && self.written.is_empty() {
            self.open = Some(self.create(schema)?);
        }
        self.close()?;
        Ok(self.written.clone())
    }

    fn discard(mut self) -> Result<(), StepError> {
        self.open = None;
        let keys: Vec<String> = self.written.into_iter().map(|part| part.uri).collect();
        self.handle.block_on(self.run.store().delete(keys))
    }
}

/// Rejected rows and unparsed values, kept in a temporary file until the landing is complete.
#[derive(Clone)]
struct Rejects {
    file: Arc<Mutex<std::fs::File>>,
}

impl Rejects {
    fn new() -> Result<Rejects, StepError> {
        let file = tempfile::tempfile()
            .map_err(|error| StepError::Internal(format!("no temporary file for rejected rows: {error}")))?;
        Ok(Rejects { file: Arc::new(Mutex::new(file)) })
    }

    /// Puts what was rejected under `rejects/`, if anything was.
    fn store(&self, run: &RunStore, handle: &Handle) -> Result<(), StepError> {
        let key = run.layout().rejects();
        let failed = |error: std::io::Error| StepError::SourceUnavailable(format!("writing {key}: {error}"));
        let mut file =
            self.file.lock().map_err(|_| StepError::Internal("a writer of rejects panicked".into()))?;
        if file.seek(SeekFrom::End(0)).map_err(failed)? == 0 {
            return handle.block_on(run.store().delete([key.clone()]));
        }
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let (objects, path) = run.store().object(&key)?;
        let mut object = ObjectWriter::create(&objects, &path, handle.clone())
            .map_err(|error| run.store().failed(&key, error))?;
        std::io::copy(&mut *file, &mut object).map_err(failed)?;
        object.finish().map_err(|error| run.store().failed(&key, error))?;
        Ok(())
    }
}

impl Write for Rejects {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.file.lock().map_err(|_| std::io::Error::other("a writer of rejects panicked"))?.write(buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
