//! A column chunk as it grows: compressed pages, the two page indexes, statistics.

use std::io::{self, Chain, Cursor};

use arrow::array::BooleanBufferBuilder;
use bytes::Bytes;
use parquet::arrow::arrow_writer::ArrowColumnChunk;
use parquet::basic::{BoundaryOrder, Compression, Encoding, EncodingMask, PageType, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{
    ColumnChunkMetaData, ColumnIndexBuilder, LevelHistogram, OffsetIndexBuilder, PageEncodingStats,
};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::hybrid;

/// Most rows in a page.
pub(super) const PAGE_ROWS: usize = 20_000;
/// A page of plain values, and a dictionary, end at the first value beyond this many bytes.
pub(super) const PAGE_BYTES: usize = 1 << 20;
/// A chunk goes on without a dictionary if more than this many quarters of its first page's values are distinct.
const MOST_DISTINCT_QUARTERS: usize = 3;

/// Whether a dictionary is worth its while, by the first page of a chunk.
pub(super) fn is_repetitive(distinct: usize, values: usize) -> bool {
    4 * distinct <= MOST_DISTINCT_QUARTERS * values
}

/// The data pages of a chunk, written one after the other, and what is known of them.
pub(super) struct Pages {
    descr: ColumnDescPtr,
    zstd: zstd::bulk::Compressor<'static>,
    /// Which rows of the page that is being filled have a value.
    valid: BooleanBufferBuilder,
    written: TrackedWrite<Vec<u8>>,
    pages: Vec<WrittenPage>,
    rows: u64,
    nulls: u64,
    uncompressed_bytes: usize,
    /// Bytes of the values themselves, for texts.
    text_bytes: Option<i64>,
    scratch: Vec<u8>,
}

/// A data page.
struct WrittenPage {
    offset: u64,
    bytes: usize,
    rows: usize,
    nulls: usize,
    encoding: Encoding,
    bounds: Option<Bounds>,
    nans: Option<i64>,
    text_bytes: Option<i64>,
}

/// The least and the greatest value of a page, in the bytes of the column index, and whether each is more, less or
/// the same as in the page before that has values.
pub(super) struct Bounds {
    pub(super) min: Vec<u8>,
    pub(super) max: Vec<u8>,
    /// Neither bound is below that of the page before.
    pub(super) ascends: bool,
    /// Neither bound is above that of the page before.
    pub(super) descends: bool,
}

/// What a page holds beside its levels.
pub(super) struct PageValues {
    pub(super) encoding: Encoding,
    pub(super) bounds: Option<Bounds>,
    /// For floating point columns.
    pub(super) nans: Option<i64>,
    /// For texts.
    pub(super) text_bytes: Option<i64>,
}

impl Pages {
    pub(super) fn new(descr: ColumnDescPtr) -> Result<Pages> {
        Ok(Pages {
            descr,
            zstd: zstd::bulk::Compressor::new(super::ZSTD_LEVEL)?,
            valid: BooleanBufferBuilder::new(PAGE_ROWS),
            written: TrackedWrite::new(Vec::new()),
            pages: Vec::new(),
            rows: 0,
            nulls: 0,
            uncompressed_bytes: 0,
            text_bytes: None,
            scratch: Vec::new(),
        })
    }

    /// The rows of the page that is being filled.
    pub(super) fn valid(&mut self) -> &mut BooleanBufferBuilder {
        &mut self.valid
    }

    /// How many more rows the page takes.
    pub(super) fn room(&self) -> usize {
        PAGE_ROWS - self.valid.len()
    }

    /// Whether no page is written yet.
    pub(super) fn is_first(&self) -> bool {
        self.pages.is_empty()
    }

    /// Bytes that are kept until the chunk is finished.
    pub(super) fn bytes(&self) -> usize {
        self.written.bytes_written()
    }

    /// Ends the page; `values` appends what its rows hold.
    pub(super) fn end_page(&mut self, values: PageValues, append: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let rows = self.valid.len();
        let bits = self.valid.finish();
        let nulls = rows - bits.count_set_bits();
        let mut page = std::mem::take(&mut self.scratch);
        page.clear();
        if self.descr.max_def_level() > 0 {
            page.extend_from_slice(&[0; 4]);
            match nulls {
                0 => hybrid::run(1, rows, 1, &mut page),
                _ if nulls == rows => hybrid::run(0, rows, 1, &mut page),
                _ => hybrid::bits(&bits.values()[..rows.div_ceil(8)], &mut page),
            }
            let levels_bytes = (page.len() - 4) as u32;
            page[..4].copy_from_slice(&levels_bytes.to_le_bytes());
        }
        append(&mut page);
        let compressed = CompressedPage::new(
            Page::DataPage {
                buf: self.zstd.compress(&page)?.into(),
                num_values: rows as u32,
                encoding: values.encoding,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            },
            page.len(),
        );
        self.scratch = page;
        let spec = SerializedPageWriter::new(&mut self.written).write_page(compressed)?;
        self.pages.push(WrittenPage {
            offset: spec.offset,
            bytes: spec.compressed_size,
            rows,
            nulls,
            encoding: values.encoding,
            bounds: values.bounds,
            nans: values.nans,
            text_bytes: values.text_bytes,
        });
        self.rows += rows as u64;
        self.nulls += nulls as u64;
        self.uncompressed_bytes += spec.uncompressed_size;
        if let Some(bytes) = values.text_bytes {
            *self.text_bytes.get_or_insert(0) += bytes;
        }
        Ok(())
    }

    /// The chunk: a dictionary with its number of values first, if there is one, then the pages. What is left is
    /// ready for the next chunk.
    pub(super) fn finish(
        &mut self,
        dictionary: Option<(Vec<u8>, usize)>,
        statistics: impl FnOnce(u64) -> Statistics,
    ) -> Result<EncodedColumn> {
        let mut first = TrackedWrite::new(Vec::new());
        let mut encodings = vec![Encoding::RLE];
        let mut stats: Vec<PageEncodingStats> = Vec::new();
        let mut uncompressed_bytes = self.uncompressed_bytes;
        if let Some((values, count)) = dictionary {
            let page = Page::DictionaryPage {
                buf: self.zstd.compress(&values)?.into(),
                num_values: count as u32,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            };
            let spec =
                SerializedPageWriter::new(&mut first).write_page(CompressedPage::new(page, values.len()))?;
            uncompressed_bytes += spec.uncompressed_size;
            encodings.push(Encoding::PLAIN);
            let (page_type, encoding) = (PageType::DICTIONARY_PAGE, Encoding::PLAIN);
            stats.push(PageEncodingStats { page_type, encoding, count: 1 });
        }
        let first = first.into_inner()?;
        let has_levels = self.descr.max_def_level() > 0;
        let mut column_index = ColumnIndexBuilder::new(self.descr.physical_type());
        let mut offset_index = OffsetIndexBuilder::new();
        let (mut ascending, mut descending) = (true, true);
        for page in &self.pages {
            encodings.push(page.encoding);
            match stats.last_mut() {
                Some(stat) if stat.page_type == PageType::DATA_PAGE && stat.encoding == page.encoding => {
                    stat.count += 1;
                }
                _ => stats.push(PageEncodingStats {
                    page_type: PageType::DATA_PAGE,
                    encoding: page.encoding,
                    count: 1,
                }),
            }
            offset_index.append_row_count(page.rows as i64);
            offset_index.append_offset_and_size(first.len() as i64 + page.offset as i64, page.bytes as i32);
            offset_index.append_unencoded_byte_array_data_bytes(page.text_bytes);
            let (min, max) = match &page.bounds {
                Some(bounds) => {
                    ascending &= bounds.ascends;
                    descending &= bounds.descends;
                    (bounds.min.clone(), bounds.max.clone())
                }
                None => {
                    // Values, but none that can be compared: the index cannot say so.
                    if page.nulls < page.rows {
                        column_index.to_invalid();
                    }
                    (Vec::new(), Vec::new())
                }
            };
            column_index.append(page.nulls == page.rows, min, max, page.nulls as i64, page.nans);
            if has_levels {
                column_index.append_histograms(&None, &histogram(page.rows as u64, page.nulls as u64));
            }
        }
        column_index.set_boundary_order(match (ascending, descending) {
            (true, _) => BoundaryOrder::ASCENDING,
            (_, true) => BoundaryOrder::DESCENDING,
            _ => BoundaryOrder::UNORDERED,
        });
        let written = std::mem::replace(&mut self.written, TrackedWrite::new(Vec::new())).into_inner()?;
        let bytes = first.len() + written.len();
        let level = ZstdLevel::try_new(super::ZSTD_LEVEL)?;
        let metadata = ColumnChunkMetaData::builder(self.descr.clone())
            .set_compression(Compression::ZSTD(level))
            .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
            .set_page_encoding_stats(stats)
            .set_total_compressed_size(bytes as i64)
            .set_total_uncompressed_size(uncompressed_bytes as i64)
            .set_num_values(self.rows as i64)
            .set_data_page_offset(first.len() as i64)
            .set_dictionary_page_offset((!first.is_empty()).then_some(0))
            .set_statistics(statistics(self.nulls))
            .set_unencoded_byte_array_data_bytes(self.text_bytes)
            .set_definition_level_histogram(if has_levels { histogram(self.rows, self.nulls) } else { None })
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes as u64,
            rows_written: self.rows,
            metadata,
            bloom_filter: None,
            column_index: column_index.valid().then(|| column_index.build()).transpose()?,
            offset_index: Some(offset_index.build()),
        };
        self.pages.clear();
        (self.rows, self.nulls, self.uncompressed_bytes, self.text_bytes) = (0, 0, 0, None);
        Ok(EncodedColumn::Own(Parts { dictionary: first.into(), pages: written.into() }, Box::new(close)))
    }
}

fn histogram(rows: u64, nulls: u64) -> Option<LevelHistogram> {
    let mut histogram = LevelHistogram::try_new(1)?;
    histogram.increment_by(0, nulls as i64);
    histogram.increment_by(1, (rows - nulls) as i64);
    Some(histogram)
}

/// A finished column chunk.
pub(super) enum EncodedColumn {
    /// Written here.
    Own(Parts, Box<ColumnCloseResult>),
    /// Written by parquet's own writer.
    Library(Box<ArrowColumnChunk>),
}

/// The bytes of a chunk: its dictionary page, then its data pages.
pub(super) struct Parts {
    dictionary: Bytes,
    pages: Bytes,
}

impl Length for Parts {
    fn len(&self) -> u64 {
        (self.dictionary.len() + self.pages.len()) as u64
    }
}

impl ChunkReader for Parts {
    type T = Chain<Cursor<Bytes>, Cursor<Bytes>>;

    /// A chunk is read from its start on.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        if start != 0 {
            return Err(ParquetError::General(format!("a chunk is read from its start, not from {start}")));
        }
        Ok(io::Read::chain(Cursor::new(self.dictionary.clone()), Cursor::new(self.pages.clone())))
    }

    fn get_bytes(&self, start: u64, _length: usize) -> Result<Bytes> {
        Err(ParquetError::General(format!("a chunk is read from its start, not from {start}")))
    }
}
