//! What can be wrong with a register.

use bisonflow_contract::StepError;
use thiserror::Error;

use crate::assessment::Assessment;

/// A register that cannot be used. Lines count from 1, the header being the first.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RiisError {
    /// There is no row below the header.
    #[error("{register}: no row; expected the master list of US-RIIS as CSV, header and rows")]
    Empty {
        /// The name of the register.
        register: String,
    },
    /// The text is in another encoding.
    #[error("{register}, line {line}: not UTF-8; save the register as UTF-8 CSV")]
    NotUtf8 {
        /// The name of the register.
        register: String,
        /// The first line that is not.
        line: u64,
    },
    /// A row is not like the header.
    #[error("{register}: {source}")]
    Csv {
        /// The name of the register.
        register: String,
        /// What the CSV reader found, and where.
        source: csv::Error,
    },
    /// The header lacks a column.
    #[error("{register}: no {purpose} column; expected {expected}, found {found}")]
    NoColumn {
        /// The name of the register.
        register: String,
        /// What the column is for.
        purpose: &'static str,
        /// The names that it may have.
        expected: String,
        /// The header.
        found: String,
    },
    /// A locality that is none of the register's three.
    #[error("{register}, line {line}: locality {found:?}; expected AK, HI or L48")]
    UnknownLocality {
        /// The name of the register.
        register: String,
        /// Where the row begins.
        line: u64,
        /// The cell.
        found: String,
    },
    /// A status that we do not know.
    #[error("{register}, line {line}: status {found:?} in column {column:?}; expected {}", Assessment::WORDS)]
    UnknownStatus {
        /// The name of the register.
        register: String,
        /// Where the row begins.
        line: u64,
        /// The column's name.
        column: String,
        /// The cell.
        found: String,
    },
    /// A row without its id: a match could not be cited.
    #[error(
        "{register}, line {line}: occurrenceID is blank; expected the row's id, such as USRIIS-L48-Plantae1"
    )]
    BlankOccurrenceId {
        /// The name of the register.
        register: String,
        /// Where the row begins.
        line: u64,
    },
    /// The checklist has none of the names.
    #[error(
        "{register}: none of its {rows} rows has a name that the checklist {checklist} has ({found}): check the \
         register and the checklist"
    )]
    NothingFound {
        /// The name of the register.
        register: String,
        /// Its rows.
        rows: usize,
        /// The checklist.
        checklist: String,
        /// What was found, and for how many rows.
        found: String,
    },
    /// A key that the Backbone cannot have.
    #[error(
        "{register}, line {line}: key {found:?}; expected the digits of a key of GBIF's Backbone, or nothing; did a \
         program turn keys into other numbers?"
    )]
    NoBackboneKey {
        /// The name of the register.
        register: String,
        /// Where the row begins.
        line: u64,
        /// The cell.
        found: String,
    },
    /// Keys of several checklists in one register.
    #[error(
        "{register}, line {line}: checklist {found}, but {first} before; resolve the register against one"
    )]
    MixedChecklists {
        /// The name of the register.
        register: String,
        /// Where the row begins.
        line: u64,
        /// The checklist of the rows before.
        first: String,
        /// The checklist of this row.
        found: String,
    },
}

impl From<RiisError> for StepError {
    fn from(error: RiisError) -> Self {
        StepError::BadReferenceData(error.to_string())
    }
}
