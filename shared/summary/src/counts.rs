//! What one worker counts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch, StringArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::assessment::Assessment;
use crate::intern::{Interner, NONE, next_id};
use crate::partial::{self, Count, RecordCount};
use crate::year::record_year;
use crate::{SummaryError, SummarySpec, to_parquet};

/// The counts of some of a run's annotated records, for every summary.
///
/// Memory grows with the distinct groups (place, status, taxon), not with the records.
pub struct PartialCounts {
    run_year: i16,
    texts: Interner,
    taxa: FxHashMap<[u32; 4], u32>, // taxonkey, scientificname, specieskey, species
    counters: Vec<Counter>,
}

/// The groups of one summary.
struct Counter {
    spec: SummarySpec,
    places: FxHashMap<Box<[u32]>, u32>, // the values of `by`
    groups: FxHashMap<GroupId, Count>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct GroupId {
    place: u32,
    assessment: Assessment,
    taxon: u32,
}

impl PartialCounts {
    /// Counts nothing yet. `run_year` is the last year that a record can have.
    pub fn new(specs: &[SummarySpec], run_year: i16) -> Self {
        let counter = |spec: &SummarySpec| Counter {
            spec: spec.clone(),
            places: FxHashMap::default(),
            groups: FxHashMap::default(),
        };
        PartialCounts {
            run_year,
            texts: Interner::default(),
            taxa: FxHashMap::default(),
            counters: specs.iter().map(counter).collect(),
        }
    }

    /// Counts a batch of annotated records.
    ///
    /// A record counts once; where the key column of a summary is a list, once per element, or once under
    /// the null key if there is none. No taxon (null, empty, `0`) and no place are null, and have no labels.
    ///
    /// # Errors
    /// [`SummaryError`] if a summary or a column is not as it should be; the counts are then of no use.
    pub fn add(&mut self, annotated: &RecordBatch) -> Result<(), SummaryError> {
        self.add_rows(annotated, None)
    }

    /// Counts records of which each row of `alike` stands for as many as `counts` says. It has the columns of
    /// annotated records without those of time.
    ///
    /// # Errors
    /// As [`PartialCounts::add`].
    ///
    /// # Panics
    /// If there are fewer counts than rows.
    pub fn add_counted(&mut self, alike: &RecordBatch, counts: &[RecordCount]) -> Result<(), SummaryError> {
        self.add_rows(alike, Some(counts))
    }

    fn add_rows(
        &mut self,
        annotated: &RecordBatch,
        counts: Option<&[RecordCount]>,
    ) -> Result<(), SummaryError> {
        let records = Records::new(self, annotated, counts)?;
        let mut cells: BTreeMap<String, Cells> = BTreeMap::new();
        for counter in &self.counters {
            counter.spec.check()?;
            for name in &counter.spec.by {
                if !cells.contains_key(name) {
                    let column = annotated.column_by_name(name).ok_or_else(|| {
                        counter.spec.wrong(format!("`by` has {name}, a column that no layer writes"))
                    })?;
                    cells.insert(name.clone(), Cells::new(name, column, &mut self.texts)?);
                }
            }
        }
        for counter in &mut self.counters {
            let by: Vec<&Cells> = counter.spec.by.iter().map(|name| &cells[name]).collect();
            counter.add(&by, &records)?;
        }
        Ok(())
    }

    /// The counts as one Parquet file per summary, by its name: sorted, and the same bytes for the same
    /// records in whatever batches they came.
    ///
    /// # Errors
    /// [`SummaryError`] if a summary is not as it should be.
    pub fn finish(self) -> Result<BTreeMap<String, Bytes>, SummaryError> {
        let sorted = self.texts.sorted();
        let mut taxa: Vec<([u32; 4], u32)> = self.taxa.into_iter().collect();
        for (taxon, _) in &mut taxa {
            *taxon = taxon.map(|id| sorted.rank(id));
        }
        let (taxa, taxon_ranks) = ranked(taxa);
        let mut partials = BTreeMap::new();
        for Counter { spec, places, groups } in self.counters {
            spec.check()?;
            let places = places.into_iter().map(|(place, id)| {
                let ranks: Vec<u32> = place.iter().map(|&text| sorted.rank(text)).collect();
                (ranks, id)
            });
            let (places, place_ranks) = ranked(places.collect());
            let mut rows: Vec<(u32, Assessment, u32, Count)> = groups
                .into_iter()
                .map(|(id, count)| {
                    (place_ranks[id.place as usize], id.assessment, taxon_ranks[id.taxon as usize], count)
                })
                .collect();
            rows.sort_unstable_by_key(|&(place, assessment, taxon, _)| (place, assessment, taxon));

            let place = |column: usize| -> StringArray {
                rows.iter().map(|row| sorted.text(places[row.0 as usize][column])).collect()
            };
            let taxon = |column: usize| -> StringArray {
                rows.iter().map(|row| sorted.text(taxa[row.2 as usize][column])).collect()
            };
            let mut texts: Vec<StringArray> = (0..spec.by.len()).map(place).collect();
            texts.push(rows.iter().map(|row| Some(row.1.as_str())).collect());
            texts.extend((0..4).map(taxon));
            let counts: Vec<Count> = rows.iter().map(|row| row.3).collect();
            let batch = partial::to_batch(&spec, texts, &counts)?;
            partials.insert(spec.name, to_parquet(&batch)?);
        }
        Ok(partials)
    }
}

/// Sorts values; gives them and, by their old number, their new one.
fn ranked<T: Ord>(mut values: Vec<(T, u32)>) -> (Vec<T>, Vec<u32>) {
    values.sort_unstable();
    let mut ranks = vec![NONE; values.len()];
    for (rank, (_, id)) in values.iter().enumerate() {
        ranks[*id as usize] = next_id(rank);
    }
    (values.into_iter().map(|(value, _)| value).collect(), ranks)
}

impl Counter {
    fn add(&mut self, by: &[&Cells], records: &Records) -> Result<(), SummaryError> {
        let mut place = Vec::with_capacity(by.len());
        for (row, record) in records.rows.iter().enumerate() {
            let elements = by[0].range(row);
            for (label, cells) in self.spec.by.iter().zip(by).skip(1) {
                if matches!(cells, Cells::Lists { .. }) && cells.range(row).len() != elements.len() {
                    return Err(SummaryError::ListLengths {
                        summary: self.spec.name.clone(),
                        row,
                        key: self.spec.by[0].clone(),
                        key_count: elements.len(),
                        label: label.clone(),
                        label_count: cells.range(row).len(),
                    });
                }
            }
            for element in 0..elements.len().max(1) {
                place.clear();
                place.push(by[0].id(row, element));
                let is_outside = place[0] == NONE;
                place.extend(by[1..].iter().map(|c| if is_outside { NONE } else { c.id(row, element) }));
                let group =
                    GroupId { place: self.place(&place), assessment: record.assessment, taxon: record.taxon };
                let count = Count::of(&record.count, element == 0);
                self.groups.entry(group).or_insert(Count::ZERO).add(&count);
            }
        }
        Ok(())
    }

    fn place(&mut self, place: &[u32]) -> u32 {
        if let Some(&id) = self.places.get(place) {
            return id;
        }
        let id = next_id(self.places.len());
        self.places.insert(place.into(), id);
        id
    }
}

/// What every summary needs of a batch.
struct Records {
    rows: Vec<Record>,
}

struct Record {
    taxon: u32,
    assessment: Assessment,
    count: RecordCount,
}

impl Records {
    fn new(
        partial: &mut PartialCounts,
        batch: &RecordBatch,
        counts: Option<&[RecordCount]>,
    ) -> Result<Records, SummaryError> {
        let PartialCounts { texts, taxa, run_year, .. } = partial;
        let is_key = |text: &str| !text.is_empty() && text != "0";
        let is_name = |text: &str| !text.is_empty();
        let taxon_key = interned(batch, "taxonkey", texts, is_key)?;
        let scientific_name = interned(batch, "scientificname", texts, is_name)?;
        let species_key = interned(batch, "specieskey", texts, is_key)?;
        let species = interned(batch, "species", texts, is_name)?;
        let assessment = text_column(batch, "riis_assessment")?;
        let counts = match counts {
            Some(counts) => Cow::Borrowed(counts),
            None => Cow::Owned(single_records(batch, *run_year)?),
        };
        // Without a key, no name.
        let name = |key: u32, name: u32| if key == NONE { NONE } else { name };
        let rows = (0..batch.num_rows()).map(|row| {
            let (taxon_key, species_key) = (taxon_key[row], species_key[row]);
            let scientific_name = name(taxon_key, scientific_name[row]);
            let species = name(species_key, species[row]);
            let next = next_id(taxa.len());
            let taxon = *taxa.entry([taxon_key, scientific_name, species_key, species]).or_insert(next);
            let status = cell(&assessment, row);
            let assessment = status
                .and_then(Assessment::parse)
                .ok_or_else(|| SummaryError::Assessment { row, found: status.map(str::to_owned) })?;
            Ok(Record { taxon, assessment, count: counts[row] })
        });
        Ok(Records { rows: rows.collect::<Result<_, SummaryError>>()? })
    }
}

/// The numbers of the texts of a column that count, of a dictionary's texts once for each of its entries.
fn interned(
    batch: &RecordBatch,
    name: &'static str,
    texts: &mut Interner,
    counts: impl Fn(&str) -> bool,
) -> Result<Vec<u32>, SummaryError> {
    let column = batch.column_by_name(name).ok_or(SummaryError::MissingColumn { column: name })?;
    ids(name, column, texts, counts)
}

fn ids(
    name: &str,
    column: &ArrayRef,
    texts: &mut Interner,
    counts: impl Fn(&str) -> bool,
) -> Result<Vec<u32>, SummaryError> {
    let mut intern = |array: &StringArray| -> Vec<u32> {
        array.iter().map(|text| texts.optional(text.filter(|text| counts(text)))).collect()
    };
    if let Some(array) = column.as_dictionary_opt::<Int32Type>()
        && let Some(entries) = array.values().as_string_opt::<i32>()
    {
        let entries = intern(entries);
        let id = |key: Option<i32>| key.map_or(NONE, |key| entries[key as usize]); // never negative
        return Ok(array.keys().iter().map(id).collect());
    }
    Ok(intern(&text_array(name, column)?))
}

/// Each record for itself.
fn single_records(batch: &RecordBatch, run_year: i16) -> Result<Vec<RecordCount>, SummaryError> {
    let event_date = text_column(batch, "eventdate")?;
    let year = year_column(batch)?;
    let count = |row: usize| {
        let year = (!year.is_null(row)).then(|| year.value(row));
        let year = record_year(year, cell(&event_date, row), run_year);
        RecordCount { records: 1, undated: u64::from(year.is_none()), years: year.map(|year| (year, year)) }
    };
    Ok((0..batch.num_rows()).map(count).collect())
}

/// A column of `by`, interned.
enum Cells {
    Values(Vec<u32>),
    Lists { ids: Vec<u32>, offsets: OffsetBuffer<i32>, nulls: Option<NullBuffer> },
}

impl Cells {
    fn new(name: &str, column: &ArrayRef, texts: &mut Interner) -> Result<Cells, SummaryError> {
        match column.data_type() {
            DataType::List(_) => {
                let list = column.as_list::<i32>();
                let ids = ids(name, list.values(), texts, |_| true)?;
                Ok(Cells::Lists { ids, offsets: list.offsets().clone(), nulls: list.nulls().cloned() })
            }
            _ => Ok(Cells::Values(ids(name, column, texts, |_| true)?)),
        }
    }

    /// Where the elements of a row lie; a value is one element.
    fn range(&self, row: usize) -> Range<usize> {
        match self {
            Cells::Values(_) => row..row + 1,
            Cells::Lists { nulls: Some(nulls), .. } if nulls.is_null(row) => 0..0,
            Cells::Lists { offsets, .. } => offsets[row] as usize..offsets[row + 1] as usize, // never negative
        }
    }

    /// The element of a row; none of an empty list. A value is the same for every element.
    fn id(&self, row: usize, element: usize) -> u32 {
        match self {
            Cells::Values(ids) => ids[row],
            Cells::Lists { ids, .. } => self.range(row).nth(element).map_or(NONE, |at| ids[at]),
        }
    }
}

fn cell(column: &StringArray, row: usize) -> Option<&str> {
    (!column.is_null(row)).then(|| column.value(row))
}

fn text_column(batch: &RecordBatch, name: &'static str) -> Result<StringArray, SummaryError> {
    let column = batch.column_by_name(name).ok_or(SummaryError::MissingColumn { column: name })?;
    text_array(name, column)
}

/// A column of text in whichever of Arrow's layouts.
fn text_array(name: &str, array: &ArrayRef) -> Result<StringArray, SummaryError> {
    match array.data_type() {
        DataType::Utf8 => Ok(array.as_string::<i32>().clone()),
        DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
            Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
        }
        found => Err(SummaryError::ColumnType {
            column: name.to_owned(),
            expected: "text, or a list of text for a column of `by`",
            found: found.to_string(),
        }),
    }
}

fn year_column(batch: &RecordBatch) -> Result<Int32Array, SummaryError> {
    let column = batch.column_by_name("year").ok_or(SummaryError::MissingColumn { column: "year" })?;
    column.as_primitive_opt::<Int32Type>().cloned().ok_or_else(|| SummaryError::ColumnType {
        column: "year".to_owned(),
        expected: "Int32",
        found: column.data_type().to_string(),
    })
}
