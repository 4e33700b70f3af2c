//! Row groups of Parquet files: what is kept whole is copied, not encoded again.
//!
//! Only the columns that annotating needs are read, texts as codes of their dictionaries. If every record of the row
//! group is kept, the others are copied byte by byte; else they are read, filtered and written anew, each column on
//! its own.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::{concat, filter};
use arrow::datatypes::{DataType, SchemaRef};
use bisonflow_contract::StepError;
use bisonflow_contract::input::FilterName;
use bisonflow_occurrence::Filters;
use bisonflow_occurrence::conform::Conform;
use bisonflow_occurrence::parquet_file::{ColumnEncoder, ColumnValues, SourceChunk};
use bisonflow_summary::record_year;
use parquet::file::reader::ChunkReader;
use parquet::file::statistics::Statistics;
use rayon::prelude::*;

use crate::internal;
use crate::pass::Pass;
use crate::record_file::{RecordFile, RowGroup, Source, side_by_side};
use crate::session::{self, Extras};

impl<W: Write + Send> Pass<'_, W> {
    /// Annotates a row group of a file; answers how many records it has. Those that are kept become a row group of
    /// their own.
    ///
    /// # Errors
    /// [`StepError::SourceUnavailable`] if the file cannot be read or the output not be written to.
    pub fn row_group<R>(&mut self, file: &RecordFile<R>, group: usize) -> Result<u64, StepError>
    where
        R: ChunkReader + 'static,
    {
        let table = Arc::clone(&self.table);
        let group = file.row_group(group, &table);
        if let Some(writer) = &mut self.writer {
            writer.end_row_group().map_err(|error| crate::pass::unwritten(self.name, &error))?;
        }
        let is_filtered = self.annotator.filters.active().contains(&FilterName::Coordinates);
        let filtered: &[&str] = if is_filtered { &["decimallatitude", "decimallongitude"] } else { &[] };
        let is_like = group.is_like(&self.descriptions, filtered);
        if !is_like.map_err(|error| file.failed(&error))? {
            return self.cast_row_group(file, &group, &table);
        }
        let failed = |error: &dyn std::fmt::Display| file.failed(error);
        let filters = settle(&self.annotator.filters, &group, &table).map_err(|error| failed(&error))?;
        let needed = needed_columns(&filters, &group, &table, self.run_year, self.extras);
        let mut readers = needed
            .iter()
            .map(|columns| group.read(columns))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| failed(&error))?;
        let mut kept: Vec<BooleanArray> = Vec::new();
        let mut left = group.records();
        while left > 0 {
            let batches: Vec<RecordBatch> = readers
                .par_iter_mut()
                .map(|reader| match reader.next() {
                    Some(batch) => batch.map_err(|error| failed(&error)),
                    None => Err(failed(&"a column has fewer records than its row group")),
                })
                .collect::<Result<_, _>>()?;
            let batch = side_by_side(batches).map_err(internal)?;
            left = left.saturating_sub(batch.num_rows());
            self.added_columns(&filters, &batch, &mut kept)?;
        }
        drop(readers);
        if self.writer.is_some() {
            self.copy_or_filter(&group, &kept)?;
        }
        Ok(group.records() as u64)
    }

    /// Annotates a batch of the needed columns and writes the columns that this adds.
    fn added_columns(
        &mut self,
        filters: &Filters,
        batch: &RecordBatch,
        kept: &mut Vec<BooleanArray>,
    ) -> Result<(), StepError> {
        let shares = self.annotate(filters, batch)?;
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let columns = self.sessions.iter().zip(&shares).map(|(session, share)| session.added_columns(share));
        let columns: Vec<Vec<ColumnValues<'_>>> = columns.collect::<Result<_, _>>()?;
        writer.columns_mut()[self.written..]
            .par_iter_mut()
            .enumerate()
            .try_for_each(|(place, column)| columns.iter().try_for_each(|share| column.append(&share[place])))
            .map_err(|error| crate::pass::unwritten(self.name, &error))?;
        kept.extend(shares.into_iter().map(|share| share.keep));
        Ok(())
    }

    /// Writes the columns that go on: their chunks, if all records are kept, else what is left of them.
    fn copy_or_filter<R: ChunkReader + 'static>(
        &mut self,
        group: &RowGroup<'_, R>,
        kept: &[BooleanArray],
    ) -> Result<(), StepError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let records: usize = kept.iter().map(BooleanArray::true_count).sum();
        if records == 0 {
            return Ok(());
        }
        let unwritten = |error| crate::pass::unwritten(self.name, &error);
        let columns = &mut writer.columns_mut()[..self.written];
        if records < group.records() {
            let kept: Vec<&dyn Array> = kept.iter().map(|kept| kept as &dyn Array).collect();
            let kept = concat(&kept).map_err(internal)?;
            let kept = kept.as_any().downcast_ref::<BooleanArray>().expect("booleans joined are booleans");
            columns.par_iter_mut().enumerate().try_for_each(|(place, column)| {
                filter_column(group, group.source(place), kept, records, column)
            })?;
            return writer.end_row_group().map_err(unwritten);
        }
        let mut copied = Vec::with_capacity(columns.len());
        for (place, column) in columns.iter_mut().enumerate() {
            copied.push(match group.source(place) {
                Some(source) => {
                    let (reader, close) = group.copy(source);
                    Some(SourceChunk { reader, close })
                }
                None => {
                    column.append(&nulls(column.data_type(), records)).map_err(unwritten)?;
                    None
                }
            });
        }
        writer.copy_row_group(copied).map_err(unwritten)
    }

    /// A row group of other types: it is cast, batch by batch.
    fn cast_row_group<R: ChunkReader + 'static>(
        &mut self,
        file: &RecordFile<R>,
        group: &RowGroup<'_, R>,
        table: &SchemaRef,
    ) -> Result<u64, StepError> {
        let failed = |error: &dyn std::fmt::Display| file.failed(error);
        let batches = group.read_all().map_err(|error| failed(&error))?;
        let schema = arrow::array::RecordBatchReader::schema(&batches);
        let extra: Vec<String> = table.fields().iter().map(|field| field.name().clone()).collect();
        let extra = bisonflow_occurrence::schema::beyond(&extra);
        let conform = Conform::new(&schema, &extra);
        let mut records = 0;
        for batch in batches {
            let batch = batch.map_err(|error| failed(&error))?;
            let batch = conform.batch(&batch).map_err(|error| failed(&error))?.batch;
            let places = table.fields().iter().map(|field| batch.schema().index_of(field.name()));
            let places: Vec<usize> = places.collect::<Result<_, _>>().map_err(internal)?;
            records += batch.num_rows() as u64;
            self.batch(&batch.project(&places).map_err(internal)?)?;
        }
        if let Some(writer) = &mut self.writer {
            writer.end_row_group().map_err(|error| crate::pass::unwritten(self.name, &error))?;
        }
        Ok(records)
    }
}

/// The filters of which the row group's dictionaries alone do not say that every record passes.
fn settle<R: ChunkReader + 'static>(
    filters: &Filters,
    group: &RowGroup<'_, R>,
    table: &SchemaRef,
) -> Result<Filters, parquet::errors::ParquetError> {
    filters.unsettled(|name, passes| {
        let source = table.index_of(name).ok().and_then(|place| group.source(place));
        source.map_or(Ok(false), |source| group.all_pass(source, passes))
    })
}

/// The columns that annotating reads, shared out for the threads by their length in the file; each is flagged if it
/// is read with its dictionary.
fn needed_columns<R: ChunkReader + 'static>(
    filters: &Filters,
    group: &RowGroup<'_, R>,
    table: &SchemaRef,
    run_year: i16,
    extras: Extras,
) -> Vec<Vec<(Source, bool)>> {
    let source = |name: &str| group.source(table.index_of(name).ok()?);
    let has_years = source("year").is_some_and(|source| match group.chunk(source).statistics() {
        Some(Statistics::Int32(years)) if years.null_count_opt() == Some(0) => {
            let is_year = |year: Option<&i32>| record_year(year.copied(), None, run_year).is_some();
            is_year(years.min_opt()) && is_year(years.max_opt())
        }
        _ => false,
    });
    let mut names = session::needed_columns(filters, extras);
    names.retain(|&name| extras.finds_earliest || !(has_years && name == "eventdate"));
    let columns = names.into_iter().filter_map(source);
    let mut columns: Vec<(i64, Source)> =
        columns.map(|source| (group.chunk(source).compressed_size(), source)).collect();
    columns.sort_by_key(|&(bytes, _)| -bytes);
    let mut shares = vec![(0, Vec::new()); rayon::current_num_threads().min(columns.len())];
    for (bytes, source) in columns {
        let least = shares.iter_mut().min_by_key(|(bytes, _)| *bytes);
        let (sum, share) = least.expect("at least one share, as there is a column");
        *sum += bytes + 1;
        share.push((source, group.is_coded(source)));
    }
    shares.into_iter().map(|(_, share)| share).collect()
}

/// Reads a column, and writes the values of the records that are kept.
fn filter_column<R: ChunkReader + 'static>(
    group: &RowGroup<'_, R>,
    source: Option<Source>,
    kept: &BooleanArray,
    records: usize,
    column: &mut ColumnEncoder,
) -> Result<(), StepError> {
    let Some(source) = source else {
        let nulls = nulls(column.data_type(), records);
        return column.append(&nulls).map_err(|error| StepError::Internal(error.to_string()));
    };
    let is_coded = group.is_coded(source) && column.data_type() == &DataType::Utf8;
    let mut from = 0;
    for batch in group.read(&[(source, is_coded)]).map_err(|error| group.failed(&error))? {
        let batch = batch.map_err(|error| group.failed(&error))?;
        let values = filter(batch.column(0), &kept.slice(from, batch.num_rows())).map_err(internal)?;
        from += batch.num_rows();
        column
            .append(&ColumnValues::Array(values))
            .map_err(|error| StepError::Internal(error.to_string()))?;
    }
    Ok(())
}

fn nulls(data_type: &DataType, records: usize) -> ColumnValues<'static> {
    ColumnValues::Array(new_null_array(data_type, records))
}
