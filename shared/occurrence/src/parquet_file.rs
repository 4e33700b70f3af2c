//! How every Parquet file of a run is written.

use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

/// The properties of every file of records: ZSTD level 1, dictionaries, statistics per page and column
/// index, no more than `row_group_records` rows in a row group. Equal batches give equal bytes.
///
/// ```
/// let properties = bisonflow_occurrence::parquet_file::writer_properties(250);
/// assert_eq!(properties.max_row_group_row_count(), Some(250));
/// ```
pub fn writer_properties(row_group_records: usize) -> WriterProperties {
    let level = ZstdLevel::try_new(1).expect("1 is a level of ZSTD");
    WriterProperties::builder()
        .set_created_by(format!("bisonflow {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(level))
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(row_group_records.max(1)))
        .build()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    fn written() -> Vec<u8> {
        let names: ArrayRef =
            Arc::new(StringArray::from_iter_values((0..1000).map(|i| format!("n{}", i % 7))));
        let days: ArrayRef = Arc::new(Int32Array::from_iter_values(0..1000));
        let batch = RecordBatch::try_from_iter([("name", names), ("day", days)]).unwrap();
        let mut writer =
            ArrowWriter::try_new(Vec::new(), batch.schema(), Some(writer_properties(300))).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    }

    #[test]
    fn equal_batches_give_equal_bytes_and_row_groups_keep_their_limit() {
        let bytes = written();
        assert_eq!(bytes, written());
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        let metadata = reader.metadata();
        let rows: Vec<i64> = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
        assert_eq!(rows, [300, 300, 300, 100]);
        let created_by = metadata.file_metadata().created_by();
        assert_eq!(created_by, Some(concat!("bisonflow ", env!("CARGO_PKG_VERSION"))));
        let column = metadata.row_group(0).column(0);
        assert!(column.column_index_offset().is_some() && column.dictionary_page_offset().is_some());
    }
}
