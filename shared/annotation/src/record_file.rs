//! A Parquet file of records, looked at column by column.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use bisonflow_contract::StepError;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{Encoding, PageType};
use parquet::column::page::{Page, PageReader};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy};
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescPtr;

use crate::windows::Windows;

/// Records that are annotated at a time.
const BATCH_RECORDS: usize = 1 << 16;

/// A file of records.
pub struct RecordFile<R> {
    file: Arc<R>,
    footer: ArrowReaderMetadata,
    name: String,
    /// What it means if it cannot be read.
    error: fn(String) -> StepError,
}

/// How a footer is read: with all that is needed to copy column chunks. Columns are read as Parquet describes them:
/// whether the writer had its texts in Arrow as views or with long offsets does not matter.
pub fn footer_options() -> ArrowReaderOptions {
    ArrowReaderOptions::new()
        .with_skip_arrow_metadata(true)
        .with_page_index_policy(PageIndexPolicy::Optional)
        .with_encoding_stats_as_mask(false)
}

impl<R: ChunkReader + 'static> RecordFile<R> {
    /// A file behind a service, whose footer is known, read with [`footer_options`]; `name` is what messages call it.
    /// That it cannot be read is [`StepError::SourceUnavailable`].
    pub fn new(file: R, footer: ArrowReaderMetadata, name: &str) -> Self {
        RecordFile {
            file: Arc::new(file),
            footer,
            name: name.to_owned(),
            error: StepError::SourceUnavailable,
        }
    }

    /// A file of this machine, whose footer is read. That it cannot be read is [`StepError::CorruptArchive`].
    ///
    /// # Errors
    /// [`StepError::CorruptArchive`].
    pub fn open(file: R, name: &str) -> std::result::Result<Self, StepError> {
        let footer = ArrowReaderMetadata::load(&file, footer_options());
        let error = StepError::CorruptArchive;
        let footer = footer.map_err(|cause| error(format!("{name}: {cause}; get the file again")))?;
        Ok(RecordFile { error, ..RecordFile::new(file, footer, name) })
    }

    /// The columns of the file.
    pub fn schema(&self) -> &SchemaRef {
        self.footer.schema()
    }

    /// How many row groups it has.
    pub fn row_groups(&self) -> usize {
        self.footer.metadata().num_row_groups()
    }

    /// The error of this file.
    pub(crate) fn failed(&self, error: &dyn std::fmt::Display) -> StepError {
        (self.error)(format!("{}: {error}", self.name))
    }

    /// A row group, its columns found by the names of `wanted` whatever their case.
    pub(crate) fn row_group(&self, group: usize, wanted: &Schema) -> RowGroup<'_, R> {
        let find = |name: &str| {
            let fields = self.footer.schema().fields();
            let root = fields.iter().position(|field| field.name().to_lowercase() == name)?;
            let descr = self.footer.parquet_schema();
            let mut leaves = (0..descr.num_columns()).filter(|&leaf| descr.get_column_root_idx(leaf) == root);
            let leaf = leaves.next()?;
            leaves.next().is_none().then_some(Source { root, leaf })
        };
        let sources = wanted.fields().iter().map(|field| find(&field.name().to_lowercase())).collect();
        RowGroup { file: self, group, sources }
    }
}

/// Where a column lies in a file.
#[derive(Clone, Copy)]
pub(crate) struct Source {
    root: usize,
    leaf: usize,
}

/// A row group of a file.
pub(crate) struct RowGroup<'f, R> {
    file: &'f RecordFile<R>,
    group: usize,
    /// By column of the table.
    sources: Vec<Option<Source>>,
}

impl<'f, R: ChunkReader + 'static> RowGroup<'f, R> {
    pub(crate) fn records(&self) -> usize {
        usize::try_from(self.file.footer.metadata().row_group(self.group).num_rows()).unwrap_or(0)
    }

    pub(crate) fn source(&self, column: usize) -> Option<Source> {
        self.sources[column]
    }

    pub(crate) fn chunk(&self, source: Source) -> &'f ColumnChunkMetaData {
        self.file.footer.metadata().row_group(self.group).column(source.leaf)
    }

    /// Whether every column that is there is described as the table's, and holds nothing that landing would change:
    /// then its chunks and its codes can be taken as they are. Whether the numbers of `filtered` columns are finite
    /// does not matter: a filter sees to it.
    ///
    /// # Errors
    /// [`ParquetError`] if the file cannot be read.
    pub(crate) fn is_like(&self, columns: &[ColumnDescPtr], filtered: &[&str]) -> Result<bool> {
        let present =
            || self.sources.iter().zip(columns).filter_map(|(source, column)| Some(((*source)?, column)));
        if present().any(|(source, column)| self.chunk(source).column_descr() != column.as_ref()) {
            return Ok(false);
        }
        let created_by = self.file.footer.metadata().file_metadata().created_by();
        if created_by == Some(bisonflow_occurrence::parquet_file::CREATED_BY) {
            return Ok(true);
        }
        for (source, column) in present() {
            if !filtered.contains(&column.name()) && !self.is_clean(source)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a column of another writer holds no empty texts and no numbers that are none.
    fn is_clean(&self, source: Source) -> Result<bool> {
        let chunk = self.chunk(source);
        let statistics = chunk.statistics();
        if chunk.column_descr().max_rep_level() > 0
            || statistics.is_some_and(|s| s.null_count_opt() == Some(chunk.num_values() as u64))
        {
            return Ok(true);
        }
        match statistics {
            Some(Statistics::ByteArray(bounds)) => {
                Ok(bounds.min_opt().is_some_and(|min| !min.data().is_empty()))
            }
            Some(Statistics::Double(bounds)) if bounds.nan_count_opt() == Some(0) => {
                let is_finite = |bound: Option<&f64>| bound.is_some_and(|bound| bound.is_finite());
                Ok(is_finite(bounds.min_opt()) && is_finite(bounds.max_opt()))
            }
            _ if chunk.column_type() == parquet::basic::Type::DOUBLE && self.is_coded(source) => {
                let Some((values, _)) = self.dictionary(source)? else { return Ok(false) };
                let (values, _) = values.as_chunks();
                Ok(values.iter().all(|value| f64::from_le_bytes(*value).is_finite()))
            }
            _ if chunk.column_type() == parquet::basic::Type::DOUBLE => {
                for batch in self.read(&[(source, false)])? {
                    let batch = batch?;
                    let values = batch.column(0).as_primitive::<Float64Type>();
                    if values.iter().flatten().any(|value| !value.is_finite()) {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(chunk.column_type() != parquet::basic::Type::BYTE_ARRAY),
        }
    }

    /// Whether all pages of a column are in codes of its dictionary.
    pub(crate) fn is_coded(&self, source: Source) -> bool {
        let chunk = self.chunk(source);
        let is_coded = |encoding| matches!(encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
        chunk.dictionary_page_offset().is_some()
            && chunk.page_encoding_stats().is_some_and(|stats| {
                stats
                    .iter()
                    .all(|stat| stat.page_type == PageType::DICTIONARY_PAGE || is_coded(stat.encoding))
            })
    }

    /// Whether every value of a column of texts (null too, where `null` says so) is one that `passes`, by its
    /// dictionary alone.
    ///
    /// # Errors
    /// [`ParquetError`] if the file cannot be read.
    pub(crate) fn all_pass(&self, source: Source, passes: &dyn Fn(Option<&str>) -> bool) -> Result<bool> {
        let chunk = self.chunk(source);
        let has_nulls = chunk.statistics().and_then(Statistics::null_count_opt) != Some(0);
        if !self.is_coded(source) || (has_nulls && !passes(None)) {
            return Ok(false);
        }
        let Some((values, count)) = self.dictionary(source)? else { return Ok(false) };
        let mut rest = &values[..];
        for _ in 0..count {
            let text = rest.split_first_chunk().and_then(|(length, after)| {
                let (text, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
                rest = after;
                str::from_utf8(text).ok()
            });
            let text =
                text.ok_or_else(|| ParquetError::General("a dictionary page is damaged".to_owned()))?;
            if !passes(Some(text)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The values of a column's dictionary as they lie in its page, and how many there are.
    fn dictionary(&self, source: Source) -> Result<Option<(Bytes, u32)>> {
        let file = Arc::new(self.windows(&[source]));
        let mut pages = SerializedPageReader::new(file, self.chunk(source), self.records(), None)?;
        Ok(match pages.get_next_page()? {
            Some(Page::DictionaryPage { buf, num_values, .. }) => Some((buf, num_values)),
            _ => None,
        })
    }

    /// Reads columns, each with its dictionary if its flag says so, in batches of the file's names.
    ///
    /// # Errors
    /// [`ParquetError`] if the file cannot be read.
    pub(crate) fn read(&self, columns: &[(Source, bool)]) -> Result<ParquetRecordBatchReader> {
        let footer = &self.file.footer;
        let metadata = if columns.iter().any(|&(_, coded)| coded) {
            let is_coded = |root| columns.iter().any(|&(source, coded)| coded && source.root == root);
            let fields = footer.schema().fields().iter().enumerate().map(|(root, field)| {
                if is_coded(root) && field.data_type() == &DataType::Utf8 {
                    let coded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
                    Arc::new(Field::new(field.name(), coded, field.is_nullable()))
                } else {
                    Arc::clone(field)
                }
            });
            let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
            ArrowReaderMetadata::try_new(Arc::clone(footer.metadata()), footer_options().with_schema(schema))?
        } else {
            footer.clone()
        };
        let sources: Vec<Source> = columns.iter().map(|&(source, _)| source).collect();
        let mask = ProjectionMask::leaves(footer.parquet_schema(), sources.iter().map(|source| source.leaf));
        ParquetRecordBatchReaderBuilder::new_with_metadata(self.windows(&sources), metadata)
            .with_projection(mask)
            .with_row_groups(vec![self.group])
            .with_batch_size(BATCH_RECORDS)
            .build()
    }

    /// Reads all columns of the file.
    ///
    /// # Errors
    /// [`ParquetError`] if the file cannot be read.
    pub(crate) fn read_all(&self) -> Result<ParquetRecordBatchReader> {
        let chunks = self.file.footer.metadata().row_group(self.group).columns();
        let windows = Windows::new(&self.file.file, chunks.iter().map(ColumnChunkMetaData::byte_range));
        ParquetRecordBatchReaderBuilder::new_with_metadata(windows, self.file.footer.clone())
            .with_row_groups(vec![self.group])
            .with_batch_size(BATCH_RECORDS)
            .build()
    }

    fn windows(&self, sources: &[Source]) -> Windows<R> {
        Windows::new(&self.file.file, sources.iter().map(|&source| self.chunk(source).byte_range()))
    }

    /// A column chunk to be copied, and the file to copy it from.
    pub(crate) fn copy(&self, source: Source) -> (&'f R, ColumnCloseResult) {
        let metadata = self.chunk(source).clone();
        let index = self.file.footer.metadata().page_index_for_row_group(self.group);
        let close = ColumnCloseResult {
            bytes_written: metadata.compressed_size() as u64,
            rows_written: self.records() as u64,
            metadata,
            bloom_filter: None,
            column_index: index.column_index(source.leaf).cloned(),
            offset_index: index.offset_index(source.leaf).cloned(),
        };
        (&self.file.file, close)
    }

    pub(crate) fn failed(&self, error: &dyn std::fmt::Display) -> StepError {
        self.file.failed(error)
    }
}

/// Batches of the same records, put side by side; columns get the names of the table.
pub(crate) fn side_by_side(
    batches: Vec<RecordBatch>,
) -> std::result::Result<RecordBatch, arrow::error::ArrowError> {
    let mut columns: Vec<(String, ArrayRef, bool)> = Vec::new();
    for batch in &batches {
        for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
            columns.push((field.name().to_lowercase(), Arc::clone(array), true));
        }
    }
    RecordBatch::try_from_iter_with_nullable(columns)
}
