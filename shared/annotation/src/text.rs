//! A column of texts, with a dictionary or without.

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Int32Type};
use bisonflow_contract::StepError;

use crate::wrong_type;

/// A column of texts of a batch.
pub(crate) enum Text<'a> {
    Absent,
    Plain(&'a StringArray),
    Coded(&'a DictionaryArray<Int32Type>, &'a StringArray),
}

impl<'a> Text<'a> {
    /// The column of this name; one that is absent counts as null.
    pub(crate) fn of(batch: &'a RecordBatch, name: &str) -> Result<Text<'a>, StepError> {
        batch.column_by_name(name).map_or(Ok(Text::Absent), |array| Text::new(name, array))
    }

    pub(crate) fn new(name: &str, array: &'a ArrayRef) -> Result<Text<'a>, StepError> {
        if let Some(array) = array.as_string_opt::<i32>() {
            return Ok(Text::Plain(array));
        }
        let coded = array.as_dictionary_opt::<Int32Type>();
        match coded.and_then(|coded| Some((coded, coded.values().as_string_opt::<i32>()?))) {
            Some((coded, entries)) => Ok(Text::Coded(coded, entries)),
            None => Err(wrong_type(name, &DataType::Utf8, array.data_type())),
        }
    }

    /// The text of a row, if it has one.
    pub(crate) fn at(&self, row: usize) -> Option<&'a str> {
        match self {
            Text::Absent => None,
            Text::Plain(array) => array.is_valid(row).then(|| array.value(row)),
            Text::Coded(array, entries) => {
                let entry = array.is_valid(row).then(|| array.keys().value(row) as usize);
                entry.filter(|&entry| entries.is_valid(entry)).map(|entry| entries.value(entry))
            }
        }
    }
}
