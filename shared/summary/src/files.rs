//! Tables as files, laid out some rows at a time.

use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::{SummaryError, SummaryTable, to_csv};

/// Who the files say wrote them, in the form that readers parse.
const CREATED_BY: &str = concat!("bisonflow version ", env!("CARGO_PKG_VERSION"));

impl SummaryTable<'_> {
    /// The table as a Parquet file, compressed with zstd: the same bytes for the same rows. Memory: the file and
    /// one row group.
    ///
    /// # Errors
    /// [`SummaryError::Parquet`] or [`SummaryError::Arrow`] if it cannot be written.
    pub fn to_parquet(&self) -> Result<Bytes, SummaryError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_created_by(CREATED_BY.to_owned())
            .build();
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new_with_options(&mut bytes, self.schema(), options)?;
        for batch in self.batches() {
            writer.write(&batch?)?;
        }
        writer.close()?;
        Ok(bytes.into())
    }

    /// The table as CSV, as [`to_csv`] writes it, in pieces that make up the file.
    pub fn csv(&self) -> impl Iterator<Item = Result<Vec<u8>, SummaryError>> {
        self.batches().enumerate().map(|(place, batch)| {
            let batch = batch?;
            let mut csv = to_csv(&batch)?;
            if place > 0 {
                let header = to_csv(&batch.slice(0, 0))?;
                csv.drain(..header.len());
            }
            Ok(csv)
        })
    }
}
