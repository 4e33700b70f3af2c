//! Counts, lists and the ledger's arithmetic.
//!
//! A worker counts its annotated batches ([`PartialCounts`]) and leaves one small Parquet file per summary; the
//! [`Merger`] adds the files of all workers up and lays out the tables, whose bytes depend on the records only,
//! never on how they were split. [`ledger`] holds the sums that must agree before a run may call itself
//! finished. [`statistics`] makes the site × species matrix of a summary and computes what ecologists ask of it.
//! Nothing here reads or writes anything but record batches and bytes.

pub mod counts;
pub mod datasets;
pub mod earliest;
pub mod encode;
pub mod error;
pub mod evidence;
pub mod ledger;
pub mod merge;
pub mod riis_matches;
pub mod spec;
pub mod statistics;

mod assessment;
mod files;
mod groups;
mod intern;
mod names;
pub mod new_in_run;
mod partial;
mod read;
mod table;
mod tables;
mod year;

pub use counts::{Alike, Numbered, PartialCounts};
pub use earliest::EarliestDated;
pub use encode::{to_csv, to_parquet};
pub use error::SummaryError;
pub use evidence::{Evidence, EvidenceList, EvidenceOrder};
pub use ledger::{Closing, check_datasets, check_earliest, check_matches, check_tables, close, ledger_line};
pub use merge::Merger;
pub use names::Names;
pub use partial::RecordCount;
pub use spec::SummarySpec;
pub use table::{GlueType, SummaryColumn, SummaryTable};
pub use tables::{Merged, Statuses};
pub use year::{EventStart, record_year};
