//! A file of records being written.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::concat;
use arrow::datatypes::{
    DataType, FieldRef, Float64Type, Int32Type, Int64Type, SchemaRef, TimeUnit, TimestampMillisecondType,
};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::ChunkReader;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::ColumnDescPtr;
use rayon::prelude::*;

use super::chunk::{EncodedColumn, Pages};
use super::number::NumberColumn;
use super::text::TextColumn;
use super::texts::Texts;
use super::writer_properties;

/// Rows that parquet's own encoder is given at a time, so that its pages do not depend on the batches.
const LIBRARY_ROWS: usize = 8192;

/// Values to append to a column.
pub enum ColumnValues<'a> {
    /// An array of the column's type; texts may come with a dictionary.
    Array(ArrayRef),
    /// Codes, each of which stands for a text or for null.
    Coded {
        /// Whose codes they are, from 0: a code of one source keeps its meaning while a row group is written.
        source: usize,
        /// A code for each record, below the length of `table`.
        codes: &'a [u32],
        /// For each code the text, as a code of `texts`, or [`NO_TEXT`](super::NO_TEXT) for null.
        table: &'a [u32],
        /// The texts.
        texts: &'a Texts,
    },
}

impl ColumnValues<'_> {
    fn len(&self) -> usize {
        match self {
            ColumnValues::Array(array) => array.len(),
            ColumnValues::Coded { codes, .. } => codes.len(),
        }
    }

    fn slice(&self, from: usize, length: usize) -> ColumnValues<'_> {
        match self {
            ColumnValues::Array(array) => ColumnValues::Array(array.slice(from, length)),
            ColumnValues::Coded { source, codes, table, texts } => {
                ColumnValues::Coded { source: *source, codes: &codes[from..from + length], table, texts }
            }
        }
    }
}

/// One column of the row group that is being written. Columns may be filled by different threads.
pub struct ColumnEncoder {
    field: FieldRef,
    values: Values,
    rows: usize,
}

enum Values {
    Text(Box<TextColumn>),
    Int(NumberColumn<i32>),
    Long(NumberColumn<i64>),
    Double(NumberColumn<f64>),
    Library { writer: Box<ArrowColumnWriter>, waiting: Vec<ArrayRef>, waiting_rows: usize },
}

impl ColumnEncoder {
    fn new(field: &FieldRef, descr: &ColumnDescPtr, library: ArrowColumnWriter) -> Result<Self> {
        let pages = || Pages::new(Arc::clone(descr));
        let values = match field.data_type() {
            DataType::Utf8 => Values::Text(Box::new(TextColumn::new(pages()?))),
            DataType::Int32 => Values::Int(NumberColumn::new(pages()?)),
            DataType::Int64 | DataType::Timestamp(TimeUnit::Millisecond, _) => {
                Values::Long(NumberColumn::new(pages()?))
            }
            DataType::Float64 => Values::Double(NumberColumn::new(pages()?)),
            _ => Values::Library { writer: Box::new(library), waiting: Vec::new(), waiting_rows: 0 },
        };
        Ok(ColumnEncoder { field: Arc::clone(field), values, rows: 0 })
    }

    /// The type of its values.
    pub fn data_type(&self) -> &DataType {
        self.field.data_type()
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Appends values.
    ///
    /// # Errors
    /// [`ParquetError`] if they are not of the column's type.
    pub fn append(&mut self, values: &ColumnValues<'_>) -> Result<()> {
        self.rows += values.len();
        match values {
            ColumnValues::Coded { source, codes, table, texts } => match &mut self.values {
                Values::Text(column) => column.append_coded(*source, codes, table, texts),
                _ => Err(self.misfit("texts by their codes")),
            },
            ColumnValues::Array(array) => self.append_array(array),
        }
    }

    fn append_array(&mut self, array: &ArrayRef) -> Result<()> {
        if let (Values::Text(column), Some(array)) =
            (&mut self.values, array.as_dictionary_opt::<Int32Type>())
            && let Some(entries) = array.values().as_string_opt()
        {
            return column.append_dictionary(array, entries);
        }
        if array.data_type() != self.field.data_type() {
            return Err(self.misfit(&array.data_type().to_string()));
        }
        if !self.field.is_nullable() && array.null_count() > 0 {
            return Err(self.misfit("nulls"));
        }
        match &mut self.values {
            Values::Text(column) => column.append(array.as_string()),
            Values::Int(column) => column.append(array.as_primitive::<Int32Type>()),
            Values::Long(column) => match array.as_primitive_opt::<Int64Type>() {
                Some(array) => column.append(array),
                None => column.append(array.as_primitive::<TimestampMillisecondType>()),
            },
            Values::Double(column) => column.append(array.as_primitive::<Float64Type>()),
            Values::Library { writer, waiting, waiting_rows } => {
                waiting.push(Arc::clone(array));
                *waiting_rows += array.len();
                if *waiting_rows >= LIBRARY_ROWS {
                    let all = joined(waiting)?;
                    let whole = all.len() - all.len() % LIBRARY_ROWS;
                    for from in (0..whole).step_by(LIBRARY_ROWS) {
                        write(writer, &self.field, &all.slice(from, LIBRARY_ROWS))?;
                    }
                    *waiting_rows = all.len() - whole;
                    *waiting = vec![all.slice(whole, *waiting_rows)];
                }
                Ok(())
            }
        }
    }

    fn misfit(&self, found: &str) -> ParquetError {
        let (name, expected) = (self.field.name(), self.field.data_type());
        ParquetError::General(format!("column {name} is {expected}, but was given {found}"))
    }

    /// About how many bytes the column keeps.
    fn bytes(&self) -> usize {
        match &self.values {
            Values::Text(column) => column.bytes(),
            Values::Int(column) => column.bytes(),
            Values::Long(column) => column.bytes(),
            Values::Double(column) => column.bytes(),
            Values::Library { writer, .. } => writer.get_estimated_total_bytes(),
        }
    }

    /// The column chunk; the encoder begins the next one. `fresh` is a new writer for it.
    fn finish(&mut self, fresh: ArrowColumnWriter) -> Result<EncodedColumn> {
        self.rows = 0;
        match &mut self.values {
            Values::Text(column) => column.finish(),
            Values::Int(column) => column.finish(),
            Values::Long(column) => column.finish(),
            Values::Double(column) => column.finish(),
            Values::Library { writer, waiting, waiting_rows } => {
                let mut writer = std::mem::replace(&mut **writer, fresh);
                if *waiting_rows > 0 {
                    write(&mut writer, &self.field, &joined(waiting)?)?;
                    *waiting_rows = 0;
                }
                waiting.clear();
                Ok(EncodedColumn::Library(Box::new(writer.close()?)))
            }
        }
    }
}

fn joined(waiting: &[ArrayRef]) -> Result<ArrayRef> {
    let arrays: Vec<&dyn Array> = waiting.iter().map(AsRef::as_ref).collect();
    concat(&arrays).map_err(|error| ParquetError::General(error.to_string()))
}

fn write(writer: &mut ArrowColumnWriter, field: &FieldRef, array: &ArrayRef) -> Result<()> {
    compute_leaves(field, array)?.iter().try_for_each(|leaf| writer.write(leaf))
}

/// A column chunk of another file, to be copied as it is. Its column must be described as ours is.
pub struct SourceChunk<'a, R> {
    /// The file.
    pub reader: &'a R,
    /// Where the chunk lies in it, and what is known of it.
    pub close: ColumnCloseResult,
}

/// Writes a file of records: every column is encoded on its own, on the threads of the current rayon pool.
///
/// The file is the same, byte for byte, for the same records, whatever the batches and the threads were.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, RecordBatch, StringArray};
/// use bisonflow_occurrence::parquet_file::RecordWriter;
/// let names: ArrayRef = Arc::new(StringArray::from(vec![Some("Acer"), None]));
/// let batch = RecordBatch::try_from_iter_with_nullable([("genus", names, true)])?;
/// let mut writer = RecordWriter::new(Vec::new(), batch.schema(), 1_000_000)?;
/// writer.write(&batch)?;
/// let file = writer.finish()?;
/// assert!(file.starts_with(b"PAR1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RecordWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    library: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    row_group_records: usize,
    columns: Vec<ColumnEncoder>,
}

impl<W: Write + Send> RecordWriter<W> {
    /// Begins a file whose row groups have at most `row_group_records` records.
    ///
    /// # Errors
    /// [`ParquetError`] if `out` cannot be written to or a column has a type that is no flat one and no list.
    pub fn new(out: W, schema: SchemaRef, row_group_records: usize) -> Result<Self> {
        let properties = writer_properties(row_group_records);
        let writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties))?;
        let (file, library) = writer.into_serialized_writer()?;
        let leaves = file.schema_descr().columns();
        if leaves.len() != schema.fields().len() {
            return Err(ParquetError::General("expected columns of one leaf each".to_owned()));
        }
        let writers = library.create_column_writers(0)?;
        let columns = schema.fields().iter().zip(leaves).zip(writers);
        let columns = columns
            .map(|((field, descr), writer)| ColumnEncoder::new(field, descr, writer))
            .collect::<Result<_>>()?;
        Ok(RecordWriter { file, library, schema, row_group_records: row_group_records.max(1), columns })
    }

    /// The columns of the file.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How the file describes its columns.
    pub fn column_descriptions(&self) -> &[ColumnDescPtr] {
        self.file.schema_descr().columns()
    }

    /// Bytes that are written to the output; the row group that is being filled is not among them.
    pub fn bytes_written(&self) -> usize {
        self.file.bytes_written()
    }

    /// About how many bytes the row group that is being filled has so far.
    pub fn open_bytes(&self) -> usize {
        self.columns.iter().map(ColumnEncoder::bytes).sum()
    }

    /// Records in the row group that is being filled.
    pub fn open_rows(&self) -> usize {
        self.columns.first().map_or(0, ColumnEncoder::rows)
    }

    /// Records that a row group has at most.
    pub fn row_group_records(&self) -> usize {
        self.row_group_records
    }

    /// Writes a batch; row groups are cut at the same records whatever the batches are.
    ///
    /// # Errors
    /// [`ParquetError`] if its columns are not those of the file or the output cannot be written to.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = batch.columns().iter().map(|array| vec![ColumnValues::Array(Arc::clone(array))]);
        self.write_columns(batch.num_rows(), &columns.collect::<Vec<_>>())
    }

    /// Writes the values of every column, each in one or several pieces that together have `records` rows.
    ///
    /// # Errors
    /// As [`RecordWriter::write`].
    pub fn write_columns(&mut self, records: usize, columns: &[Vec<ColumnValues<'_>>]) -> Result<()> {
        let lengths = |pieces: &Vec<ColumnValues<'_>>| pieces.iter().map(ColumnValues::len).sum::<usize>();
        if columns.len() != self.columns.len() || columns.iter().any(|pieces| lengths(pieces) != records) {
            let (expected, found) = (self.columns.len(), columns.len());
            return Err(ParquetError::General(format!(
                "expected {expected} columns of {records} records, found {found} or of other lengths"
            )));
        }
        let mut from = 0;
        while from < records {
            let count = (records - from).min(self.row_group_records.saturating_sub(self.open_rows()));
            self.columns
                .par_iter_mut()
                .zip(columns)
                .try_for_each(|(column, pieces)| append_range(column, pieces, from, count))?;
            from += count;
            if self.open_rows() >= self.row_group_records {
                self.end_row_group()?;
            }
        }
        Ok(())
    }

    /// The columns of the row group that is being filled. All of them have to be given as many rows before anything
    /// else is done.
    pub fn columns_mut(&mut self) -> &mut [ColumnEncoder] {
        &mut self.columns
    }

    /// Ends the row group that is being filled, if it has records.
    ///
    /// # Errors
    /// [`ParquetError`] if the output cannot be written to, or columns differ in their rows.
    pub fn end_row_group(&mut self) -> Result<()> {
        self.copy_row_group::<bytes::Bytes>(Vec::new())
    }

    /// Ends the row group with columns of another file before those that were filled: `copied` are the first
    /// columns, to which nothing was appended.
    ///
    /// # Errors
    /// As [`RecordWriter::end_row_group`], and if a chunk is not described as its column is.
    pub fn copy_row_group<R: ChunkReader>(&mut self, copied: Vec<Option<SourceChunk<'_, R>>>) -> Result<()> {
        let is_copied = |place: usize| copied.get(place).is_some_and(Option::is_some);
        if self.columns.iter().all(|column| column.rows == 0) && copied.is_empty() {
            return Ok(());
        }
        let fresh = self.library.create_column_writers(0)?;
        let encoded: Vec<Option<EncodedColumn>> = self
            .columns
            .par_iter_mut()
            .zip(fresh)
            .enumerate()
            .map(|(place, (column, fresh))| (!is_copied(place)).then(|| column.finish(fresh)).transpose())
            .collect::<Result<_>>()?;
        let mut group = self.file.next_row_group()?;
        let copied = copied.into_iter().chain(std::iter::repeat_with(|| None));
        for (source, encoded) in copied.zip(encoded) {
            match (source, encoded) {
                (Some(SourceChunk { reader, close }), _) => group.append_column(reader, close)?,
                (None, Some(encoded)) => append_encoded(&mut group, encoded)?,
                (None, None) => {}
            }
        }
        group.close()?;
        Ok(())
    }

    /// Ends the file; gives the output back.
    ///
    /// # Errors
    /// [`ParquetError`] if the output cannot be written to.
    pub fn finish(mut self) -> Result<W> {
        self.end_row_group()?;
        self.file.into_inner()
    }
}

/// Appends `count` rows of `pieces` from row `from` on.
fn append_range(
    column: &mut ColumnEncoder,
    pieces: &[ColumnValues<'_>],
    mut from: usize,
    mut count: usize,
) -> Result<()> {
    for piece in pieces {
        let taken = piece.len().saturating_sub(from).min(count);
        if taken == piece.len() {
            column.append(piece)?;
        } else if taken > 0 {
            column.append(&piece.slice(from, taken))?;
        }
        from = from.saturating_sub(piece.len());
        count -= taken;
    }
    Ok(())
}

fn append_encoded<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    encoded: EncodedColumn,
) -> Result<()> {
    match encoded {
        EncodedColumn::Own(parts, close) => group.append_column(&parts, *close),
        EncodedColumn::Library(chunk) => chunk.append_to_row_group(group),
    }
}

#[cfg(test)]
mod tests;
