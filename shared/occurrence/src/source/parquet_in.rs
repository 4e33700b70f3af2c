//! Parquet files to record batches: one file, or the entries of a simple Parquet archive one after the other.

use std::fs::File;
use std::io::{self, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use bisonflow_contract::document::{LandingRecords, TaxonKeyShapes};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;

use super::archive::Archive;
use super::bytes_in::{Hashes, Source};
use super::layout::{REQUIRED, extra_columns, unsupported};
use super::rejects::{Aside, At, Rejects};
use super::{ReadOptions, ReadSummary, count_taxon_key};
use crate::conform::Conform;
use crate::issue::is_geospatial;
use crate::schema::{self, columns, position, schema_of};
use crate::{OccurrenceError, Place, value};

/// Reads Parquet files.
pub(super) struct ParquetReader {
    source: Source,
    /// The whole source.
    whole: Place,
    /// The file that is being read.
    place: Place,
    archive: Option<Archive>,
    /// Entries to come, the next one last.
    entries: Vec<String>,
    hashes: Option<Hashes>,
    current: Option<OpenFile>,
    batch_records: usize,
    /// Places of the columns that are read; gbifid is, whether it is wanted or not.
    read: Vec<usize>,
    /// Whether gbifid, the first column, is read only to tell what is a record.
    without_gbifid: bool,
    extra: Vec<String>,
    schema: SchemaRef,
    records: LandingRecords,
    geospatial_issue_differs: u64,
    taxon_keys: TaxonKeyShapes,
    rejects: Rejects,
}

struct OpenFile {
    batches: ParquetRecordBatchReader,
    conform: Conform,
    /// hasGeospatialIssues, as a column of the batches.
    geospatial: Option<usize>,
}

impl ParquetReader {
    /// A Parquet file.
    pub(super) fn file(source: Source, place: Place, options: &ReadOptions) -> Result<Self, OccurrenceError> {
        let mut reader = ParquetReader::empty(source.clone(), place, options)?;
        reader.open(source, Some(&options.extra_columns))?;
        Ok(reader)
    }

    /// The entries of an archive; there is at least one.
    pub(super) fn archive(
        archive: Archive,
        source: Source,
        mut entries: Vec<String>,
        place: Place,
        options: &ReadOptions,
    ) -> Result<Self, OccurrenceError> {
        entries.reverse();
        let mut reader = ParquetReader::empty(source, place, options)?;
        reader.archive = Some(archive);
        reader.entries = entries;
        reader.hashes = Some(Hashes::new(options.sha256, options.threads));
        reader.open_next(Some(&options.extra_columns))?;
        Ok(reader)
    }

    fn empty(source: Source, place: Place, options: &ReadOptions) -> Result<Self, OccurrenceError> {
        let chosen = schema::chosen(options.columns.as_deref())?;
        let gbifid = position("gbifid").expect("a column of the schema");
        let mut read = chosen.clone();
        if !read.contains(&gbifid) {
            read.insert(0, gbifid);
        }
        Ok(ParquetReader {
            source,
            whole: place.clone(),
            archive: None,
            entries: Vec::new(),
            hashes: None,
            current: None,
            batch_records: options.batch_records.max(1),
            without_gbifid: read.len() > chosen.len(),
            read,
            extra: Vec::new(),
            schema: schema_of(&chosen, &[]),
            records: LandingRecords::default(),
            geospatial_issue_differs: 0,
            taxon_keys: TaxonKeyShapes::default(),
            rejects: Rejects::new(place.clone()),
            place,
        })
    }

    pub(super) fn rejects(&mut self) -> &mut Rejects {
        &mut self.rejects
    }

    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Opens the next entry; false when there is none.
    fn open_next(&mut self, asked: Option<&[String]>) -> Result<bool, OccurrenceError> {
        let (Some(archive), Some(name)) = (&mut self.archive, self.entries.pop()) else { return Ok(false) };
        self.place = self.whole.entry(&name);
        let mut entry = archive.entry(&name, self.hashes.take().unwrap_or_default(), None)?;
        let temporary =
            |error| OccurrenceError::write(self.place.clone(), "inflating to a temporary file", error);
        let mut file = tempfile::tempfile().map_err(temporary)?;
        copy(&mut entry, &mut file).map_err(|failure| match failure {
            Failure::Reading(error) => self.source.explain(self.place.clone(), error),
            Failure::Writing(error) => temporary(error),
        })?;
        self.hashes = Some(entry.into_hashes());
        file.rewind().map_err(temporary)?;
        self.open(file, asked)?;
        Ok(true)
    }

    /// Of the file that is being read.
    pub(super) fn absent_columns(&self) -> Vec<&'static str> {
        let Some(file) = &self.current else { return Vec::new() };
        let absent = file.conform.absent_columns();
        absent.filter_map(|index| columns().get(*self.read.get(index)?)).map(|column| column.name).collect()
    }

    /// Opens a file; `asked` are the extra columns of the options when it is the first one.
    fn open(
        &mut self,
        file: impl ChunkReader + 'static,
        asked: Option<&[String]>,
    ) -> Result<(), OccurrenceError> {
        let explain = |error: &dyn std::fmt::Display| self.source.explain(self.place.clone(), error);
        let file = Shared(Arc::new(file));
        let builder = guard(|| builder(file)).map_err(|found| explain(&found))?;
        let builder = builder.map_err(|error| explain(&error))?;
        let names: Vec<String> =
            builder.schema().fields().iter().map(|field| field.name().to_lowercase()).collect();
        if let Some(missing) =
            REQUIRED.into_iter().find(|&required| !names.iter().any(|name| name == required))
        {
            let first: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
            let found =
                format!("a Parquet file without the column {missing}, but with {}, …", first.join(", "));
            return Err(unsupported(self.place.clone(), found));
        }
        if let Some(asked) = asked {
            self.extra = extra_columns(asked, &names.iter().map(String::as_str).collect::<Vec<_>>())?;
            let chosen = &self.read[usize::from(self.without_gbifid)..];
            self.schema = schema_of(chosen, &self.extra);
        }
        let conform = Conform::chosen(builder.schema(), &self.read, &self.extra);
        let issue = position("issue").is_some_and(|issue| self.read.contains(&issue));
        let geospatial = names.iter().position(|name| issue && name == "hasgeospatialissues");
        let wanted: Vec<usize> = conform.source_columns().chain(geospatial).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
        let builder = builder.with_projection(mask).with_batch_size(self.batch_records);
        let batches = guard(|| builder.build()).map_err(|found| explain(&found))?;
        let batches = batches.map_err(|error| explain(&error))?;
        let read = arrow::array::RecordBatchReader::schema(&batches);
        let is_said = |name: &str| issue && name.to_lowercase() == "hasgeospatialissues";
        let geospatial = read.fields().iter().position(|field| is_said(field.name()));
        let conform = Conform::chosen(&read, &self.read, &self.extra);
        self.current = Some(OpenFile { batches, conform, geospatial });
        Ok(())
    }

    pub(super) fn next_batch(&mut self) -> Result<Option<RecordBatch>, OccurrenceError> {
        loop {
            let Some(file) = &mut self.current else {
                if self.open_next(None)? {
                    continue;
                }
                self.rejects.finish()?;
                return Ok(None);
            };
            let next = guard(|| file.batches.next());
            let Some(batch) = next.map_err(|found| self.source.explain(self.place.clone(), found))? else {
                self.current = None;
                continue;
            };
            let line = self.records.read + 2;
            let batch = batch.map_err(|error| self.source.explain(self.place.line(line), error))?;
            if let Some(landed) = self.take(&batch)? {
                return Ok(Some(landed));
            }
        }
    }

    /// Conforms and counts a batch; none when nothing of it lands.
    fn take(&mut self, raw: &RecordBatch) -> Result<Option<RecordBatch>, OccurrenceError> {
        let Some(file) = &self.current else { return Ok(None) };
        let conformed = file.conform.batch(raw).map_err(|error| misfit(&self.place, &error))?;
        let batch = conformed.batch;
        let first_line = self.records.read + 2;
        let at = |row: usize, gbifid| At { line: first_line + row as u64, byte_offset: None, gbifid };
        let gbifids = texts(&batch, "gbifid");
        let is_record = |row| gbifids.is_valid(row) && !gbifids.value(row).trim().is_empty();
        let keep: BooleanArray = (0..batch.num_rows()).map(|row| Some(is_record(row))).collect();
        let mut aside = Aside::new(self.rejects.keeps_text());
        for row in (0..batch.num_rows()).filter(|&row| !keep.value(row)) {
            aside.row(at(row, ""), "no gbifID", b"");
        }
        for unparsed in conformed.unparsed.iter().filter(|unparsed| keep.value(unparsed.row)) {
            let schema = batch.schema_ref();
            let name = schema.field(unparsed.column).name();
            aside.value(at(unparsed.row, gbifids.value(unparsed.row)), name, &unparsed.text);
        }
        self.rejects.add(aside)?;
        if let Some(said) = file.geospatial.map(|column| booleans(raw.column(column))) {
            self.geospatial_issue_differs += differing(&batch, &said, &keep);
        }
        self.records.read += batch.num_rows() as u64;
        let landed = if keep.true_count() == batch.num_rows() {
            batch
        } else {
            filter_record_batch(&batch, &keep).map_err(|error| misfit(&self.place, &error))?
        };
        for key in landed.column_by_name("taxonkey").into_iter().flat_map(|keys| keys.as_string::<i32>()) {
            count_taxon_key(&mut self.taxon_keys, key.unwrap_or_default());
        }
        self.records.landed += landed.num_rows() as u64;
        let columns: Vec<usize> = (usize::from(self.without_gbifid)..landed.num_columns()).collect();
        let landed = landed.project(&columns).map_err(|error| misfit(&self.place, &error))?;
        Ok((landed.num_rows() > 0).then_some(landed))
    }

    pub(super) fn summary(self) -> ReadSummary {
        let (rejected, unparsed) = self.rejects.counts();
        let entries = self.hashes.map(Hashes::finish);
        ReadSummary {
            records: LandingRecords { rejected, ..self.records },
            unparsed,
            geospatial_issue_differs: self.geospatial_issue_differs,
            taxon_keys: self.taxon_keys,
            entry_sha256: entries.as_ref().and_then(|entries| entries.sha256.clone()),
            entry_bytes: entries.as_ref().map(|entries| entries.bytes),
            entry_crc32: entries.map(|entries| entries.crc32),
            entry_compressed: None,
            extra_columns: self.extra,
        }
    }
}

/// Reads with parquet's own reader, which asserts that the numbers in footer and pages make sense: in a damaged
/// file they need not, and that is no reason to end the process. The reader is not used again.
fn guard<T>(read: impl FnOnce() -> T) -> Result<T, &'static str> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|_| "footer or pages contradict themselves")
}

fn builder<T: ChunkReader + 'static>(
    file: Shared<T>,
) -> Result<ParquetRecordBatchReaderBuilder<Shared<T>>, ParquetError> {
    let plain = ParquetRecordBatchReaderBuilder::try_new_with_options(file.clone(), plain_options())?;
    match with_milliseconds(plain.schema(), &plain) {
        None => Ok(plain),
        Some(schema) => {
            ParquetRecordBatchReaderBuilder::try_new_with_options(file, plain_options().with_schema(schema))
        }
    }
}

/// Types come from the columns themselves, not from another writer's notes on them.
fn plain_options() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_skip_arrow_metadata(true)
}

/// A schema that reads INT96 as milliseconds: as nanoseconds, years before 1678 would overflow. None when
/// there is no INT96.
fn with_milliseconds<T: ChunkReader + 'static>(
    schema: &SchemaRef,
    builder: &ParquetRecordBatchReaderBuilder<T>,
) -> Option<SchemaRef> {
    let roots = builder.parquet_schema().root_schema().get_fields();
    let mut any = false;
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .zip(roots)
        .map(|(field, root)| {
            if root.is_primitive() && root.get_physical_type() == PhysicalType::INT96 {
                any = true;
                field.as_ref().clone().with_data_type(DataType::Timestamp(TimeUnit::Millisecond, None))
            } else {
                field.as_ref().clone()
            }
        })
        .collect();
    any.then(|| Arc::new(Schema::new(fields)))
}

/// A file that can be opened twice.
struct Shared<T>(Arc<T>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(Arc::clone(&self.0))
    }
}

impl<T: ChunkReader> parquet::file::reader::Length for Shared<T> {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl<T: ChunkReader> ChunkReader for Shared<T> {
    type T = T::T;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        self.0.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<bytes::Bytes> {
        self.0.get_bytes(start, length)
    }
}

fn misfit(place: &Place, error: &ArrowError) -> OccurrenceError {
    OccurrenceError::unsupported(
        place.clone(),
        error.to_string(),
        "the types of GBIF's Parquet files, or ones that cast to them",
        "give a GBIF download or snapshot as GBIF wrote it",
    )
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> &'a StringArray {
    batch.column_by_name(name).expect("a column of the schema").as_string()
}

fn booleans(array: &dyn Array) -> Vec<Option<bool>> {
    if let Some(values) = array.as_boolean_opt() {
        return values.iter().collect();
    }
    match array.as_string_opt::<i32>() {
        Some(texts) => texts.iter().map(|text| text.and_then(value::boolean)).collect(),
        None => vec![None; array.len()],
    }
}

fn differing(batch: &RecordBatch, said: &[Option<bool>], keep: &BooleanArray) -> u64 {
    let issues = batch.column_by_name("issue").expect("a column of the schema").as_list::<i32>();
    let holds = |row: usize| {
        issues.is_valid(row) && issues.value(row).as_string::<i32>().iter().flatten().any(is_geospatial)
    };
    let rows = said.iter().enumerate().filter(|&(row, _)| keep.value(row));
    rows.filter(|&(row, said)| said.is_some_and(|said| said != holds(row))).count() as u64
}

enum Failure {
    Reading(io::Error),
    Writing(io::Error),
}

fn copy(from: &mut impl io::Read, to: &mut File) -> Result<(), Failure> {
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = match from.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result.map_err(Failure::Reading)?,
        };
        if read == 0 {
            return Ok(());
        }
        io::Write::write_all(to, &buffer[..read]).map_err(Failure::Writing)?;
    }
}
