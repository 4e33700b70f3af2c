//! Which species of which regions no earlier run has seen, and what has been seen so far.
//!
//! Each run writes down the pairs of region and species that it or any run before it has seen: those of the run that it
//! is compared with and its own. So a dataset that disappears and returns is new once, and old runs may be deleted.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::assessment::Group;
use crate::earliest::{EarliestRows, evidence_columns};
use crate::encode::CREATED_BY;
use crate::tables::Statuses;
use crate::{Evidence, SummaryError, SummaryTable};

/// Pairs that are written at a time.
const BATCH_ROWS: usize = 65_536;
/// A record is recent from so many years before the year of the run.
const RECENT_YEARS: i32 = 2;
/// The greatest uncertainty that is told of in the notification, in metres.
pub const NOTABLE_UNCERTAINTY_M: f64 = 10_000.0;

/// The name of the table of a summary.
pub fn table_name(summary: &str) -> String {
    format!("{summary}_x_new_in_run")
}

/// Compares the pairs of a run with those that were seen before, which come in their order: a merge of two sorted lists.
/// Memory: the new ones, and the file of what has been seen.
pub struct SeenPairs<'a> {
    rows: &'a EarliestRows<'a>,
    /// The first of our pairs that was not compared yet.
    next: usize,
    new: Vec<u32>,
    /// The pair that came last.
    last: Option<(String, String)>,
    schema: SchemaRef,
    columns: [StringBuilder; 2],
    writer: ArrowWriter<Vec<u8>>,
}

impl<'a> SeenPairs<'a> {
    /// Nothing was seen before, as far as is known.
    ///
    /// # Errors
    /// [`SummaryError::Parquet`] if the list of what has been seen cannot be written.
    pub fn new(rows: &'a EarliestRows<'a>) -> Result<SeenPairs<'a>, SummaryError> {
        let field = |name: &str| Field::new(name, DataType::Utf8, false);
        let schema = Arc::new(Schema::new(vec![field(rows.key()), field("specieskey")]));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_created_by(CREATED_BY.to_owned())
            .build();
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(&schema), options)?;
        Ok(SeenPairs {
            rows,
            next: 0,
            new: Vec::new(),
            last: None,
            schema,
            columns: std::array::from_fn(|_| StringBuilder::new()),
            writer,
        })
    }

    /// The next of the pairs that were seen before.
    ///
    /// # Errors
    /// [`SummaryError::Seen`] if these are no such pairs, or not in order; [`SummaryError::Parquet`].
    pub fn add(&mut self, seen: &RecordBatch) -> Result<(), SummaryError> {
        let [regions, species] = [self.rows.key(), "specieskey"].map(|name| texts(seen, name));
        let (regions, species) = (regions?, species?);
        for row in 0..seen.num_rows() {
            let pair = (regions.value(row), species.value(row));
            let last = self.last.as_ref().map(|(region, species)| (&**region, &**species));
            if last.is_some_and(|last| last >= pair) {
                return Err(SummaryError::Seen { why: format!("{pair:?} is not in order") });
            }
            self.last = Some((pair.0.to_owned(), pair.1.to_owned()));
            while self.next < self.rows.len() {
                let ours = self.rows.pair(self.next);
                match ours.cmp(&pair) {
                    Ordering::Less => {
                        self.new.push(self.next as u32);
                        self.write(ours)?;
                    }
                    Ordering::Equal => {}
                    Ordering::Greater => break,
                }
                self.next += 1;
            }
            self.write(pair)?;
        }
        Ok(())
    }

    /// The pairs of this run that were not seen before, and the list of all that have been seen now as a Parquet file:
    /// the same bytes for the same pairs.
    ///
    /// # Errors
    /// [`SummaryError::Parquet`] if it cannot be written.
    pub fn finish(mut self) -> Result<(NewPairs, Bytes), SummaryError> {
        for place in self.next..self.rows.len() {
            self.new.push(place as u32);
            self.write(self.rows.pair(place))?;
        }
        self.flush()?;
        Ok((NewPairs(self.new), self.writer.into_inner()?.into()))
    }

    fn write(&mut self, (region, species): (&str, &str)) -> Result<(), SummaryError> {
        self.columns[0].append_value(region);
        self.columns[1].append_value(species);
        if arrow::array::ArrayBuilder::len(&self.columns[0]) == BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), SummaryError> {
        let columns = self.columns.each_mut().map(|column| Arc::new(column.finish()) as Arc<dyn Array>);
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns.to_vec())?;
        Ok(self.writer.write(&batch)?)
    }
}

fn texts<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b StringArray, SummaryError> {
    let column = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    let column = column.filter(|column| column.null_count() == 0);
    column.ok_or_else(|| SummaryError::Seen { why: format!("no column {name} of texts without nulls") })
}

/// Pairs that no earlier run has seen, by their rows in the table of the earliest records.
#[derive(Debug, Default)]
pub struct NewPairs(Vec<u32>);

impl NewPairs {
    /// The rows of the table.
    ///
    /// # Panics
    /// If they are not of these rows and statuses.
    pub fn rows<'a>(self, rows: &'a EarliestRows<'a>, statuses: &'a Statuses, run_year: i16) -> NewRows<'a> {
        let NewPairs(mut new) = self;
        let severity = |&place: &u32| std::cmp::Reverse(statuses.of(place as usize).severity());
        new.sort_by_key(severity); // stable: then as they were
        NewRows { rows, statuses, run_year, new }
    }
}

/// The rows of the table `<summary>_x_new_in_run`: the most severe status of the species in the region first, then by
/// the bytes of the region's key and of specieskey.
pub struct NewRows<'a> {
    rows: &'a EarliestRows<'a>,
    statuses: &'a Statuses,
    run_year: i16,
    new: Vec<u32>,
}

/// A species that is new in a region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NewSpecies<'a> {
    /// The key of the region.
    pub region: &'a str,
    /// The key of the species.
    pub specieskey: &'a str,
    /// Its most severe status there.
    pub riis_assessment: &'static str,
    /// Whether that is introduced, established, invasive or widespread invasive.
    pub is_nonnative: bool,
    /// Whether the evidence is of the run's year or the two before.
    pub is_recent: bool,
    /// The earliest record.
    pub evidence: Evidence<'a>,
}

impl NewSpecies<'_> {
    /// Whether it is worth a line in the notification: recent, and known to within 10 km.
    pub fn is_notable(&self) -> bool {
        let metres = self.evidence.uncertainty_m;
        self.is_recent && metres.is_some_and(|metres| metres > 0.0 && metres <= NOTABLE_UNCERTAINTY_M)
    }
}

impl NewRows<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.new.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.new.is_empty()
    }

    /// The rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = NewSpecies<'_>> {
        self.new.iter().map(|&place| {
            let place = place as usize;
            let (region, specieskey) = self.rows.pair(place);
            let status = self.statuses.of(place);
            NewSpecies {
                region,
                specieskey,
                riis_assessment: status.as_str(),
                is_nonnative: matches!(status.group(), Group::Introduced | Group::Invasive),
                is_recent: self.is_recent(place),
                evidence: self.rows.evidence().get(self.rows.place(place)),
            }
        })
    }

    /// What the region and the species of a pair are called.
    pub fn names(&self, new: &NewSpecies<'_>) -> (Option<&str>, Option<&str>) {
        self.rows.names().of(new.region, new.specieskey)
    }

    fn is_recent(&self, place: usize) -> bool {
        let year = self.rows.evidence().order(self.rows.place(place)).start.year();
        year.is_some_and(|year| year >= i32::from(self.run_year) - RECENT_YEARS)
    }

    /// The table.
    pub fn table(&self) -> SummaryTable<'_> {
        let NewRows { rows, statuses, new, run_year } = self;
        let place = |row: usize| new[row] as usize;
        let mut table = SummaryTable::new(table_name(rows.summary()), new.len());
        rows.key_columns(&mut table, place);
        let comment =
            "Most severe status of the species in the region (RIIS); not_listed does not mean native";
        table.text("riis_assessment", comment, move |row| Some(statuses.of(place(row)).as_str()));
        let comment = format!("Whether event_start lies in {} or later", i32::from(*run_year) - RECENT_YEARS);
        table.boolean("recent", &comment, move |row| self.is_recent(place(row)));
        evidence_columns(&mut table, rows.evidence(), move |row| rows.place(place(row)));
        table
    }
}
