//! `land`: a download becomes Parquet parts below the root, and `landing.json` says what landed.
//!
//! Neither the archive nor its text is ever stored: ranges of the source are fetched ahead, inflated and cut on one
//! thread, parsed on others, encoded, and uploaded while the next part is made.
//!
//! A landing that ends before its time is taken up by the next one. Every part that is finished is written down in a
//! checkpoint; the next try reads the source from its beginning, since only so every byte is hashed and every row is
//! counted, but makes no part again that is finished.

mod parts;
mod rejects;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use bisonflow_cloud::RunStore;
use bisonflow_contract::document::{
    GbifDownload, HashedBytes, Landing, LandingCheckpoint, LandingRecords, Source, SourceKind, TaxonKeyShapes,
};
use bisonflow_contract::id::hex;
use bisonflow_contract::input::Options;
use bisonflow_contract::layout::OCCURRENCES;
use bisonflow_contract::{Checklist, RunId, StepError};
use bisonflow_occurrence::{Filters, ReadOptions, ReadSummary};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use crate::annotate::pool;
use crate::location::{Location, SourceFile};
use crate::progress::{Progress, ReadBytes};
use crate::remote_file::Trouble;
use crate::stop::Stop;
use parts::Parts;
use rejects::Rejects;

/// Records of a batch between reading and writing.
pub const BATCH_RECORDS: usize = 1 << 16;
/// A part is closed at the first end of a row group beyond this length, unless somebody says otherwise.
pub const PART_BYTES: usize = 128 << 20;
/// How often a landing begins anew since its source has changed.
const BEGINNINGS: u32 = 3;

/// What to land, and how.
#[derive(Clone)]
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
    /// The only columns of the schema that land; absent for all of it, which a run needs.
    pub only: Option<Vec<String>>,
    /// Whether the SHA-256 of the text and of its entry is wanted; CRC-32 is had in any case.
    pub sha256: bool,
    /// Most records in a row group.
    pub row_group_records: u64,
    /// A part is closed at the first end of a row group beyond this length in bytes.
    pub part_bytes: usize,
    /// The checklist, where the options say it.
    pub checklist: Option<Checklist>,
    /// What GBIF says of the download, if it is known by its key.
    pub gbif: Option<GbifDownload>,
    /// Worker threads; absent for one on each core.
    pub threads: Option<NonZeroUsize>,
    /// Tells it to stop; what it has finished stays for the next try.
    pub stop: Stop,
}

/// Lands a download. What an earlier try of the same generation finished is kept, the whole or its parts.
/// `landing.json` is written last. After a permanent failure neither it nor any part is there; after a transient one,
/// or when it was told to stop, the parts that are finished wait for the next try. A source that changes while it is
/// read is landed from its beginning.
///
/// # Errors
/// [`StepError::UnsupportedFormat`], [`StepError::CorruptArchive`], [`StepError::DownloadNotAvailable`],
/// [`StepError::InvalidInput`] for unknown columns, a transient error of source or store, or what
/// [`Stop::stop`] was told.
pub fn land(request: &LandRequest<'_>, handle: &Handle) -> Result<Landing, StepError> {
    let (run, layout) = (request.run, request.run.layout());
    if let Some(landing) = handle.block_on(run.read::<Landing>(&layout.landing()))?
        && landing.generation == request.generation
        && landing.source_identity == planned_identity(request)
        && parts::are_there(run, &landing.parts, handle)?
    {
        tracing::info!(records = landing.records.landed, "land: already finished");
        return Ok(landing);
    }
    // From here on a bucket that does not answer is waited for as a source is.
    let run = &RunStore::new(&run.store().patient()?, &request.run_id);
    let request = &LandRequest { run, ..request.clone() };
    let written = [layout.landing_checkpoint(), layout.rejects()];
    let folders = written.iter().filter_map(|key| Some(key.rsplit_once('/')?.0));
    for folder in [layout.partition(OCCURRENCES).as_str(), &layout.folder()].into_iter().chain(folders) {
        run.store().delete_unfinished(folder)?;
    }
    abort_open_uploads(run, handle);
    let pool = pool(request.threads)?;
    for beginning in 0..BEGINNINGS {
        let files = request.location.files(handle)?;
        let mut parts = Parts::take_up(request, checkpoint(request, &files, beginning > 0)?, handle)?;
        let landed = pool.install(|| land_files(request, &files, &mut parts, handle));
        let trouble = files.iter().find_map(SourceFile::trouble);
        let landed = landed.map_err(|error| request.stop.check().err().unwrap_or(error));
        let error = match (landed, trouble) {
            (_, Some(Trouble::Changed(how))) if request.stop.check().is_ok() => {
                tracing::warn!(how, "land: the source has changed; it is landed from its beginning");
                parts.discard()?;
                continue;
            }
            (Ok(landing), _) => {
                let landing =
                    Landing { source_identity: identity(request, &files, beginning > 0), ..landing };
                // Should one of these fail, the next try finds no landing.json and takes the parts up.
                delete_other_parts(run, &landing, handle)?;
                abort_open_uploads(run, handle);
                handle.block_on(run.write(&layout.landing(), &landing))?;
                handle.block_on(run.store().delete([layout.landing_checkpoint()]))?;
                return Ok(landing);
            }
            (Err(_), Some(Trouble::Failed(error))) if request.stop.check().is_ok() => error,
            (Err(error), _) => error,
        };
        let is_taken_up = error.is_transient() || matches!(error, StepError::RunTakenOver(_));
        // The cause is what matters; what cannot be deleted now is overwritten by the next try.
        if let Err(leftover) = if is_taken_up { parts.leave() } else { parts.discard() } {
            tracing::warn!(%leftover, "land: something of the failed landing is left behind");
        }
        return Err(error);
    }
    Err(StepError::SourceUnavailable(format!(
        "{}: it was changed {BEGINNINGS} times while it was read; try again when it is complete",
        String::from(request.location.uri()?)
    )))
}

/// What has to be the same for parts of an earlier try to be of use; without parts.
fn checkpoint(
    request: &LandRequest<'_>,
    files: &[SourceFile],
    has_changed: bool,
) -> Result<LandingCheckpoint, StepError> {
    let marks: Option<Vec<String>> = files.iter().map(SourceFile::content_mark).collect();
    let content = marks.map(|marks| hex(&Sha256::digest(marks.join("\n"))));
    let content = content.map(|content| with_choice(request, content));
    Ok(LandingCheckpoint {
        run_id: request.run_id.clone(),
        generation: request.generation,
        version: env!("CARGO_PKG_VERSION").into(),
        uri: request.location.uri()?.to_string(),
        content: content.filter(|_| !has_changed),
        columns: request.columns.clone(),
        row_group_records: request.row_group_records,
        parts: Vec::new(),
    })
}

/// What the landing of a run may not be taken for: one of the same content, but of some columns only or without its
/// SHA-256.
fn with_choice(request: &LandRequest<'_>, mut content: String) -> String {
    if let Some(only) = &request.only {
        content += &format!(", only {}", only.join(","));
    }
    if !request.sha256 {
        content += ", without SHA-256";
    }
    content
}

/// What the run was planned with.
fn planned_identity(request: &LandRequest<'_>) -> Option<String> {
    request.source_identity.clone().map(|identity| with_choice(request, identity))
}

/// What the run was planned with, if that is still what was landed.
fn identity(request: &LandRequest<'_>, files: &[SourceFile], has_changed: bool) -> Option<String> {
    let planned = planned_identity(request).filter(|_| !has_changed)?;
    let [file] = files else { return Some(planned) };
    match &file.e_tag {
        Some(tag) if planned.starts_with("etag ") => {
            Some(planned).filter(|planned| *planned == format!("etag {tag}, {} bytes", file.bytes))
        }
        _ => Some(planned),
    }
}

fn land_files(
    request: &LandRequest<'_>,
    files: &[SourceFile],
    parts: &mut Parts<'_>,
    handle: &Handle,
) -> Result<Landing, StepError> {
    let several = files.len() > 1;
    let rejects = Rejects::new()?;
    let read_bytes = ReadBytes::of(files.iter().map(|file| file.bytes).sum());
    let mut progress = Progress::reading("landing", &read_bytes);
    let mut total = Totals::default();
    let mut kind = None;
    let mut schema = None;
    let mut checklist = None;
    let gbif = request.gbif.as_ref();
    let mut doi = gbif.and_then(|gbif| gbif.doi.clone());
    let mut records_declared = gbif.and_then(|gbif| gbif.records);
    for file in files {
        let options = ReadOptions {
            extra_columns: request.columns.clone(),
            columns: request.only.clone(),
            batch_records: BATCH_RECORDS,
            coded: true,
            threads: rayon::current_num_threads(),
            sha256: request.sha256,
        };
        let reader = read_bytes.count(file.open(&request.stop)?);
        let download = bisonflow_occurrence::open(reader, &file.name, file.bytes, options)
            .map_err(|error| if several { of_several(error.into()) } else { error.into() })?;
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
        let absent = download.absent_columns();
        for column in Filters::new(&Options::default()).columns().filter(|column| absent.contains(column)) {
            tracing::warn!(
                file = file.uri,
                column,
                "landing: the file has no such column; to a filter on it every record is blank there"
            );
        }
        let metadata = download.metadata();
        let named = gbif.and_then(|gbif| gbif.checklist.clone());
        checklist.get_or_insert_with(|| named.unwrap_or_else(|| metadata.checklist.clone()));
        doi = doi.or_else(|| metadata.doi.clone());
        records_declared = records_declared.or(metadata.records_declared);
        let of_file = download.schema();
        while let Some(batch) = download.next_batch()? {
            request.stop.check()?;
            progress.add(batch.num_rows() as u64);
            parts.write(&of_file, &batch)?;
        }
        schema = Some(of_file);
        total.add(download.finish()?, &file.uri)?;
    }
    progress.finish();
    let LandingRecords { read, rejected, landed, .. } = total.records;
    if landed == 0 {
        tracing::warn!(
            read,
            rejected,
            "landing: no record landed; look at the rejects and at the first lines of the source"
        );
    }
    if let Some(declared) = records_declared.filter(|&declared| declared != read) {
        tracing::warn!(
            declared,
            read,
            "landing: the download says that it has another number of records; a run would end as CountMismatch: get it from GBIF again"
        );
    }
    let (Some(kind), Some(schema), [first, ..]) = (kind, schema, files) else {
        return Err(StepError::Internal("a location without files".into()));
    };
    let written = parts.finish(&schema)?;
    rejects.store(request.run, handle)?;
    Ok(Landing {
        run_id: request.run_id.clone(),
        generation: request.generation,
        source: source(request, kind, first, files, &total, doi, records_declared)?,
        source_identity: request.source_identity.clone(),
        checklist: request.checklist.clone().or(checklist).unwrap_or_else(Checklist::unknown),
        extra_columns: total.extra_columns,
        row_group_records: request.row_group_records,
        records: total.records,
        unparsed: total.unparsed,
        geospatial_issue_differs: total.geospatial_issue_differs,
        taxon_keys: total.taxon_keys,
        gbif: request.gbif.clone(),
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
        entry_bytes: total.entry_bytes.filter(|_| single),
        entry_compressed: total.entry_compressed.clone().filter(|_| single),
        // A plain text is read from its first byte to its last: its entry is the whole source.
        sha256: total.entry_sha256.clone().filter(|_| single && kind == SourceKind::Text),
        etag: first.e_tag.clone().filter(|_| single),
        doi,
        records_declared,
    })
}

/// Of what cannot be read among several files, what is meant to be there.
fn of_several(error: StepError) -> StepError {
    match error {
        StepError::UnsupportedFormat(text) => StepError::UnsupportedFormat(format!(
            "{text}; of several files, as here in a folder or prefix, each has to be Parquet"
        )),
        error => error,
    }
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
    entry_bytes: Option<u64>,
    entry_compressed: Option<HashedBytes>,
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
        self.entry_bytes = summary.entry_bytes;
        self.entry_compressed = summary.entry_compressed;
        Ok(())
    }
}

/// Aborts what killed tries of this landing were uploading: at its beginning, and, since what they sent last may arrive
/// later, at its end.
fn abort_open_uploads(run: &RunStore, handle: &Handle) {
    for prefix in [run.layout().partition(OCCURRENCES), run.layout().rejects()] {
        // What stays open harms no run; the bucket's rule for unfinished uploads aborts it some days later.
        if let Err(error) = handle.block_on(run.store().abort_uploads(&prefix)) {
            tracing::warn!(%error, "land: uploads of an earlier try may be left open");
        }
    }
}

/// Parts of an older landing that the new one has not overwritten.
fn delete_other_parts(run: &RunStore, landing: &Landing, handle: &Handle) -> Result<(), StepError> {
    let found = handle.block_on(run.store().list(&run.layout().partition(OCCURRENCES)))?;
    let keys = found.into_iter().map(|meta| meta.location.to_string());
    let stale: Vec<String> = keys.filter(|key| landing.parts.iter().all(|part| part.uri != *key)).collect();
    handle.block_on(run.store().delete(stale))
}
