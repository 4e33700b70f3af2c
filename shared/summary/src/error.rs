//! What can go wrong.

use bisonflow_contract::StepError;
use thiserror::Error;

/// An error of the counts, the tables or the ledger.
#[derive(Debug, Error)]
pub enum SummaryError {
    /// Two figures that must agree do not: records would be lost or counted twice.
    #[error("{left} is {left_count}, but {right} is {right_count}: they must be equal")]
    CountMismatch {
        /// What the first figure counts.
        left: String,
        /// The first figure.
        left_count: u64,
        /// What the second figure counts.
        right: String,
        /// The second figure.
        right_count: u64,
    },
    /// An entry `[[summary]]` cannot be counted.
    #[error("summary {summary:?} of layers.toml: {why}")]
    Spec {
        /// Its name.
        summary: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The annotated records lack a column that every run has.
    #[error("the annotated records have no column {column}")]
    MissingColumn {
        /// Its name.
        column: &'static str,
    },
    /// A column has another type than expected.
    #[error("column {column}: found type {found}, expected {expected}")]
    ColumnType {
        /// Its name.
        column: String,
        /// The type that it should have.
        expected: &'static str,
        /// The type that it has.
        found: String,
    },
    /// A value of `riis_assessment` is none of the six.
    #[error(
        "riis_assessment, row {row} of the batch: found {found:?}, expected introduced, established, invasive, \
         widespread_invasive, not_listed or not_assessed"
    )]
    Assessment {
        /// The row in its batch, from 0.
        row: usize,
        /// What is there; none for null.
        found: Option<String>,
    },
    /// The lists of a layer do not run in parallel.
    #[error(
        "summary {summary:?}, row {row} of the batch: {key} has {key_count} elements, {label} has {label_count}"
    )]
    ListLengths {
        /// The summary.
        summary: String,
        /// The row in its batch, from 0.
        row: usize,
        /// The key column.
        key: String,
        /// Its elements.
        key_count: usize,
        /// The label column.
        label: String,
        /// Its elements.
        label_count: usize,
    },
    /// Partial counts are not what a worker writes for this summary.
    #[error("partial counts of summary {summary:?}: {why}; annotate the subset again")]
    Partial {
        /// The summary.
        summary: String,
        /// What is wrong.
        why: String,
    },
    /// Rows that are not those of a species list.
    #[error("matrix of summary {summary:?}: {why}")]
    Matrix {
        /// The summary.
        summary: String,
        /// What is wrong.
        why: String,
    },
    /// A covariance matrix would be too large.
    #[error(
        "summary {summary:?}: a covariance matrix (sigma) of {size} {axis} is refused, at most {allowed} are \
         allowed; raise min_count, or compute it for some of the {axis} from the matrix"
    )]
    SigmaSize {
        /// The summary.
        summary: String,
        /// Sites or species.
        axis: &'static str,
        /// How many there are.
        size: usize,
        /// How many are allowed.
        allowed: usize,
    },
    /// What earlier runs have seen is not as a run writes it.
    #[error("the list of species that were seen by earlier runs: {why}; delete it to begin a new one")]
    Seen {
        /// What is wrong.
        why: String,
    },
    /// A document belongs to another run.
    #[error("landing.json is of run {found}, expected {expected}")]
    OtherRun {
        /// The run of the document.
        found: String,
        /// The run that is being closed.
        expected: String,
    },
    /// Record batches that do not fit together.
    #[error("arrow: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// Parquet that cannot be written.
    #[error("parquet: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
}

impl From<SummaryError> for StepError {
    fn from(error: SummaryError) -> StepError {
        let sentence = error.to_string();
        match error {
            SummaryError::CountMismatch { .. } => StepError::CountMismatch(sentence),
            SummaryError::Spec { .. } | SummaryError::SigmaSize { .. } => {
                StepError::BadReferenceData(sentence)
            }
            SummaryError::OtherRun { .. } => StepError::InvalidInput(sentence),
            SummaryError::MissingColumn { .. }
            | SummaryError::ColumnType { .. }
            | SummaryError::Assessment { .. }
            | SummaryError::ListLengths { .. }
            | SummaryError::Partial { .. }
            | SummaryError::Matrix { .. }
            | SummaryError::Seen { .. }
            | SummaryError::Arrow(_)
            | SummaryError::Parquet(_) => StepError::Internal(sentence),
        }
    }
}
