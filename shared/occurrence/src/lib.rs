//! GBIF occurrence formats read into typed record batches; the filters; subsets.
//!
//! A download of any form ([`source::open`]: Darwin Core archive, simple CSV, simple Parquet, plain text or
//! Parquet) becomes record batches of one schema ([`schema::schema`]), whatever its columns, their order and
//! their types are. Nothing is dropped silently: a row that is no record is counted and kept aside, a value
//! that does not parse to its type becomes null, is counted and kept aside, and a file that is no download,
//! or a damaged one, ends in an [`OccurrenceError`] that says where and what to do.
//!
//! The crate is pure over [`std::io::Read`] and [`std::io::Seek`]: it knows of no service and opens no file
//! but temporary ones.

pub mod conform;
pub mod error;
pub mod filter;
pub mod issue;
pub mod parquet_file;
pub mod schema;
pub mod source;
pub mod subsets;
mod value;

pub use error::{OccurrenceError, Place};
pub use filter::{FilterOutcome, Filters};
pub use source::{Download, ReadOptions, ReadSummary, open};
