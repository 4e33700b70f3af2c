//! Which columns of a download go on.

use std::str::FromStr;

use arrow::datatypes::SchemaRef;
use bisonflow_occurrence::OccurrenceError;
use bisonflow_occurrence::schema::{self, CORE_COLUMNS};

/// Some columns of `occurrences`. What filters and matching need beside them is read all the same.
///
/// ```
/// let columns: bisonflow_annotation::Columns = "core,issue".parse()?;
/// assert_eq!(columns.names().count(), 19);
/// # Ok::<(), bisonflow_occurrence::OccurrenceError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns(SchemaRef);

impl Columns {
    /// The columns as a schema, in the order of `occurrences`.
    pub fn table(&self) -> &SchemaRef {
        &self.0
    }

    /// Whether none goes on.
    pub fn is_empty(&self) -> bool {
        self.0.fields().is_empty()
    }

    /// The names of the columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.fields().iter().map(|field| field.name().as_str())
    }
}

impl FromStr for Columns {
    type Err = OccurrenceError;

    /// `none`, `full`, or names with commas between, of which `core` stands for [`CORE_COLUMNS`].
    fn from_str(text: &str) -> Result<Columns, OccurrenceError> {
        let mut names: Vec<String> = Vec::new();
        match text {
            "none" => {}
            "full" => return Ok(Columns(schema::schema(&[]))),
            _ => {
                for name in text.split(',') {
                    match name.trim() {
                        "core" => names.extend(CORE_COLUMNS.map(str::to_owned)),
                        name => names.push(name.to_owned()),
                    }
                }
            }
        }
        Ok(Columns(schema::named(&names)?))
    }
}
