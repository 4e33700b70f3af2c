//! Reading Parquet files of our own again: those of partial counts, and batches of their columns.

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::SummaryError;

/// Gives a file of partial counts to `each`, a batch at a time; `summary` is what errors call it.
///
/// # Errors
/// [`SummaryError::Partial`] if it is no Parquet, or with what `each` says.
pub(crate) fn partial(
    summary: &str,
    bytes: Bytes,
    mut each: impl FnMut(&RecordBatch) -> Result<(), String>,
) -> Result<(), SummaryError> {
    let broken = |why: String| SummaryError::Partial { summary: summary.to_owned(), why };
    let unreadable = |error: &dyn std::fmt::Display| broken(format!("not Parquet that can be read: {error}"));
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).and_then(|builder| builder.build());
    for batch in reader.map_err(|error| unreadable(&error))? {
        each(&batch.map_err(|error| unreadable(&error))?).map_err(broken)?;
    }
    Ok(())
}

/// A column of this type; else what is wrong.
pub(crate) fn column<'a>(
    batch: &'a RecordBatch,
    name: &str,
    expected: &DataType,
) -> Result<&'a dyn Array, String> {
    let column = batch.column_by_name(name).ok_or_else(|| format!("no column {name}"))?;
    match column.data_type() {
        found if found == expected => Ok(column.as_ref()),
        found => Err(format!("column {name} has type {found}, expected {expected}")),
    }
}

/// A column of texts.
pub(crate) fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, String> {
    Ok(column(batch, name, &DataType::Utf8)?.as_string::<i32>())
}
