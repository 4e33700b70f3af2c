//! A table: its columns with what Glue needs to know of them, its rows laid out some at a time.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::SummaryError;

/// How many rows are laid out at a time.
const BATCH_ROWS: usize = 65_536;

/// A table, ready to be written and catalogued: a view of what was counted, which lays out its rows as they are
/// asked for, so that a table of any length takes the memory of a batch.
pub struct SummaryTable<'a> {
    /// Its name, in Glue and of its files.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<SummaryColumn>,
    rows: usize,
    cells: Vec<Cells<'a>>,
}

/// A column of a table, as Glue needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub glue_type: GlueType,
    /// What it holds.
    pub comment: String,
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlueType {
    /// Text.
    String,
    /// A count.
    Bigint,
    /// A year.
    Int,
    /// A measure, a percentage, a quotient.
    Double,
    /// A day.
    Date,
    /// Whether something holds.
    Boolean,
}

impl GlueType {
    /// The type as Glue writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            GlueType::String => "string",
            GlueType::Bigint => "bigint",
            GlueType::Int => "int",
            GlueType::Double => "double",
            GlueType::Date => "date",
            GlueType::Boolean => "boolean",
        }
    }
}

/// A cell by its row.
type Cell<'a, T> = Box<dyn Fn(usize) -> T + Send + Sync + 'a>;

/// The cells of a column.
enum Cells<'a> {
    Text(Cell<'a, Option<&'a str>>),
    Bigint(Cell<'a, i64>),
    Int(Cell<'a, Option<i32>>),
    Double(Cell<'a, Option<f64>>),
    Date(Cell<'a, Option<i32>>),
    Boolean(Cell<'a, bool>),
}

impl Cells<'_> {
    fn array(&self, rows: Range<usize>) -> ArrayRef {
        match self {
            Cells::Text(cell) => Arc::new(rows.map(cell).collect::<StringArray>()),
            Cells::Bigint(cell) => Arc::new(rows.map(cell).collect::<Int64Array>()),
            Cells::Int(cell) => Arc::new(rows.map(cell).collect::<Int32Array>()),
            Cells::Double(cell) => Arc::new(rows.map(cell).collect::<Float64Array>()),
            Cells::Date(cell) => Arc::new(rows.map(cell).collect::<Date32Array>()),
            Cells::Boolean(cell) => Arc::new(BooleanArray::from(rows.map(cell).collect::<Vec<_>>())),
        }
    }
}

impl<'a> SummaryTable<'a> {
    /// A table without columns yet.
    pub(crate) fn new(name: String, rows: usize) -> Self {
        SummaryTable { name, columns: Vec::new(), rows, cells: Vec::new() }
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Its schema in Arrow.
    pub fn schema(&self) -> SchemaRef {
        let field = |column: &SummaryColumn| {
            let (data_type, nullable) = match column.glue_type {
                GlueType::String => (DataType::Utf8, true),
                GlueType::Bigint => (DataType::Int64, false),
                GlueType::Int => (DataType::Int32, true),
                GlueType::Double => (DataType::Float64, true),
                GlueType::Date => (DataType::Date32, true),
                GlueType::Boolean => (DataType::Boolean, false),
            };
            Field::new(&column.name, data_type, nullable)
        };
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }

    /// Its rows, in batches; at least one, which may be empty.
    ///
    /// # Errors
    /// [`SummaryError::Arrow`] if two columns have one name.
    pub fn batches(&self) -> impl Iterator<Item = Result<RecordBatch, SummaryError>> {
        let starts = (0..self.rows.max(1)).step_by(BATCH_ROWS);
        starts.map(|start| self.batch(start..self.rows.min(start + BATCH_ROWS)))
    }

    /// Some of its rows.
    ///
    /// # Errors
    /// [`SummaryError::Arrow`] if two columns have one name.
    pub fn batch(&self, rows: Range<usize>) -> Result<RecordBatch, SummaryError> {
        let arrays = self.cells.iter().map(|cells| cells.array(rows.clone())).collect();
        Ok(RecordBatch::try_new(self.schema(), arrays)?)
    }

    /// The sum of a column of counts; none if there is no such column.
    pub fn sum(&self, column: &str) -> Option<i64> {
        let place = self.columns.iter().position(|found| found.name == column)?;
        match &self.cells[place] {
            Cells::Bigint(cell) => Some((0..self.rows).map(cell).fold(0, i64::saturating_add)),
            _ => None,
        }
    }

    /// Appends a column of text.
    pub(crate) fn text(
        &mut self,
        name: &str,
        comment: &str,
        cell: impl Fn(usize) -> Option<&'a str> + Send + Sync + 'a,
    ) {
        self.push(name, comment, GlueType::String, Cells::Text(Box::new(cell)));
    }

    /// Appends a column of counts.
    pub(crate) fn bigint(
        &mut self,
        name: &str,
        comment: &str,
        cell: impl Fn(usize) -> i64 + Send + Sync + 'a,
    ) {
        self.push(name, comment, GlueType::Bigint, Cells::Bigint(Box::new(cell)));
    }

    /// Appends a column of years.
    pub(crate) fn int(
        &mut self,
        name: &str,
        comment: &str,
        cell: impl Fn(usize) -> Option<i32> + Send + Sync + 'a,
    ) {
        self.push(name, comment, GlueType::Int, Cells::Int(Box::new(cell)));
    }

    /// Appends a column of days since 1970-01-01.
    pub(crate) fn date(
        &mut self,
        name: &str,
        comment: &str,
        cell: impl Fn(usize) -> Option<i32> + Send + Sync + 'a,
    ) {
        self.push(name, comment, GlueType::Date, Cells::Date(Box::new(cell)));
    }

    /// Appends a column that says whether something holds.
    pub(crate) fn boolean(
        &mut self,
        name: &str,
        comment: &str,
        cell: impl Fn(usize) -> bool + Send + Sync + 'a,
    ) {
        self.push(name, comment, GlueType::Boolean, Cells::Boolean(Box::new(cell)));
    }

    /// Appends a column of measures or quotients.
    pub(crate) fn double(
        &mut self,
        name: &str,
        comment: &str,
        cell: impl Fn(usize) -> Option<f64> + Send + Sync + 'a,
    ) {
        self.push(name, comment, GlueType::Double, Cells::Double(Box::new(cell)));
    }

    fn push(&mut self, name: &str, comment: &str, glue_type: GlueType, cells: Cells<'a>) {
        self.columns.push(SummaryColumn { name: name.to_owned(), glue_type, comment: comment.to_owned() });
        self.cells.push(cells);
    }
}
