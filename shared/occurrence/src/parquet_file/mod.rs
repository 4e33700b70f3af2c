//! Files of records: how every Parquet file of a run is written.
//!
//! Most columns of occurrences have few distinct values, and those that annotating adds are numbered before they
//! are texts. So texts and numbers have an encoder of their own here, which takes codes as they are; lists are
//! left to parquet's. What is written depends on the records only: not on the batches they come in, nor on the
//! number of threads.

mod chunk;
mod hybrid;
mod number;
mod text;
pub(crate) mod texts;
mod writer;

use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

pub use texts::{NO_TEXT, Texts, is_same};
pub use writer::{ColumnEncoder, ColumnValues, RecordWriter, SourceChunk};

/// How hard ZSTD tries.
const ZSTD_LEVEL: i32 = 1;

/// The properties of every file of records: ZSTD level 1, dictionaries, statistics per page and column
/// index, no more than `row_group_records` rows in a row group. Equal batches give equal bytes.
///
/// ```
/// let properties = bisonflow_occurrence::parquet_file::writer_properties(250);
/// assert_eq!(properties.max_row_group_row_count(), Some(250));
/// ```
pub fn writer_properties(row_group_records: usize) -> WriterProperties {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).expect("1 is a level of ZSTD");
    WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(level))
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(row_group_records.max(1)))
        .build()
}

/// Who our files say wrote them.
pub const CREATED_BY: &str = concat!("bisonflow ", env!("CARGO_PKG_VERSION"));
