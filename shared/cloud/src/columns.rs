//! The columns of the tables that a run made, typed.

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use bisonflow_contract::StepError;

pub(crate) fn column<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a dyn Array, StepError> {
    let found = rows.column_by_name(name).map(AsRef::as_ref);
    found.ok_or_else(|| StepError::Internal(format!("a table of the run has no column {name}")))
}

pub(crate) fn other_type(name: &str) -> StepError {
    StepError::Internal(format!("column {name} of a table of the run has another type"))
}

pub(crate) fn texts<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a StringArray, StepError> {
    column(rows, name)?.as_string_opt::<i32>().ok_or_else(|| other_type(name))
}

pub(crate) fn bigints<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a Int64Array, StepError> {
    column(rows, name)?.as_primitive_opt::<Int64Type>().ok_or_else(|| other_type(name))
}
