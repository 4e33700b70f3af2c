//! What one worker counts.

use std::collections::BTreeMap;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch, StringArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use bytes::Bytes;
use rayon::iter::{
    IndexedParallelIterator, IntoParallelIterator, IntoParallelRefMutIterator, ParallelIterator,
};
use rustc_hash::FxHashMap;

use crate::assessment::Assessment;
use crate::intern::{Interner, NONE, next_id};
use crate::partial::{Count, RecordCount, Rows};
use crate::year::record_year;
use crate::{SummaryError, SummarySpec};

/// Tallies are added up when they are at least this many, and twice as many as they were afterwards the last time.
const ADD_UP_TALLIES: usize = 1 << 18;

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
    tallies: Vec<Tally>,
    add_up_at: usize,
}

/// Records of a group; there may be several tallies of one group.
#[derive(Clone, Copy)]
struct Tally {
    group: GroupId,
    count: Count,
}

/// Place, status and taxon, in the order of their numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct GroupId(u64);

impl GroupId {
    fn new(place: u32, assessment: Assessment, taxon: u32) -> Self {
        assert!(place < 1 << 29, "fewer places than 29 bits can number");
        GroupId(u64::from(place) << 35 | (assessment as u64) << 32 | u64::from(taxon))
    }

    fn place(self) -> u32 {
        (self.0 >> 35) as u32
    }

    fn assessment(self) -> Assessment {
        Assessment::ALL[(self.0 >> 32 & 7) as usize]
    }

    fn taxon(self) -> u32 {
        self.0 as u32
    }
}

/// Records that are alike, by the rows of what was [numbered](PartialCounts::number).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alike {
    /// The row of the places.
    pub place: u32,
    /// The row of the taxa.
    pub taxon: u32,
    /// The row of the statuses.
    pub status: u32,
    /// How many records there are.
    pub count: RecordCount,
}

/// What rows of places, taxa and statuses are for one [`PartialCounts`].
pub struct Numbered {
    /// By summary.
    places: Vec<Places>,
    taxa: Vec<u32>,
    statuses: Vec<Assessment>,
}

/// The numbers of the places of each row: several where the key is a list.
struct Places {
    numbers: Vec<u32>,
    ends: Vec<usize>,
}

impl Places {
    fn of(&self, row: usize) -> &[u32] {
        let begin = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.numbers[begin..self.ends[row]]
    }
}

impl PartialCounts {
    /// Counts nothing yet. `run_year` is the last year that a record can have.
    pub fn new(specs: &[SummarySpec], run_year: i16) -> Self {
        let counter = |spec: &SummarySpec| Counter {
            spec: spec.clone(),
            places: FxHashMap::default(),
            tallies: Vec::new(),
            add_up_at: ADD_UP_TALLIES,
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
        let taxa = self.number_taxa(annotated)?;
        let statuses = text_column(annotated, "riis_assessment")?;
        let statuses = (0..statuses.len()).map(|row| parse_status(row, cell(&statuses, row)));
        let statuses = statuses.collect::<Result<_, _>>()?;
        let numbered = Numbered { places: self.number_places(annotated)?, taxa, statuses };
        let counts = single_records(annotated, self.run_year)?;
        let row = |(row, count)| Alike { place: row, taxon: row, status: row, count };
        self.add_alike(&numbered, &(0..).zip(counts).map(row).collect::<Vec<_>>());
        Ok(())
    }

    /// Numbers what records have in common, to count them by [`PartialCounts::add_alike`]: `places` are rows of the
    /// columns that the summaries are by, `taxa` of taxonkey, scientificname, specieskey and species, `statuses` are
    /// values of riis_assessment.
    ///
    /// # Errors
    /// As [`PartialCounts::add`].
    pub fn number(
        &mut self,
        places: &RecordBatch,
        taxa: &RecordBatch,
        statuses: &[&str],
    ) -> Result<Numbered, SummaryError> {
        let statuses = statuses.iter().enumerate().map(|(row, status)| parse_status(row, Some(status)));
        let statuses = statuses.collect::<Result<_, _>>()?;
        Ok(Numbered { places: self.number_places(places)?, taxa: self.number_taxa(taxa)?, statuses })
    }

    /// Counts records by rows of what was numbered.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn add_alike(&mut self, numbered: &Numbered, records: &[Alike]) {
        self.counters.par_iter_mut().zip(&numbered.places).for_each(|(counter, places)| {
            for Alike { place, taxon, status, count } in records {
                let (taxon, status) = (numbered.taxa[*taxon as usize], numbered.statuses[*status as usize]);
                counter.add(places.of(*place as usize), status, taxon, count);
            }
        });
    }

    fn number_places(&mut self, batch: &RecordBatch) -> Result<Vec<Places>, SummaryError> {
        let mut cells: BTreeMap<String, Cells> = BTreeMap::new();
        for counter in &self.counters {
            counter.spec.check()?;
            for name in &counter.spec.by {
                if !cells.contains_key(name) {
                    let column = batch.column_by_name(name).ok_or_else(|| {
                        counter.spec.wrong(format!("`by` has {name}, a column that no layer writes"))
                    })?;
                    cells.insert(name.clone(), Cells::new(name, column, &mut self.texts)?);
                }
            }
        }
        let of_counter = |counter: &mut Counter| {
            let by: Vec<&Cells> = counter.spec.by.iter().map(|name| &cells[name]).collect();
            counter.number(&by, batch.num_rows())
        };
        self.counters.iter_mut().map(of_counter).collect()
    }

    fn number_taxa(&mut self, batch: &RecordBatch) -> Result<Vec<u32>, SummaryError> {
        let PartialCounts { texts, taxa, .. } = self;
        let is_key = |text: &str| !text.is_empty() && text != "0";
        let is_name = |text: &str| !text.is_empty();
        let taxon_key = interned(batch, "taxonkey", texts, is_key)?;
        let scientific_name = interned(batch, "scientificname", texts, is_name)?;
        let species_key = interned(batch, "specieskey", texts, is_key)?;
        let species = interned(batch, "species", texts, is_name)?;
        // Without a key, no name.
        let name = |key: u32, name: u32| if key == NONE { NONE } else { name };
        let rows = (0..batch.num_rows()).map(|row| {
            let (taxon_key, species_key) = (taxon_key[row], species_key[row]);
            let scientific_name = name(taxon_key, scientific_name[row]);
            let species = name(species_key, species[row]);
            let next = next_id(taxa.len());
            *taxa.entry([taxon_key, scientific_name, species_key, species]).or_insert(next)
        });
        Ok(rows.collect())
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
        let texts = sorted.texts();
        let file = |Counter { spec, places, tallies, .. }: Counter| {
            spec.check()?;
            let places = places.into_iter().map(|(place, id)| {
                let ranks: Vec<u32> = place.iter().map(|&text| sorted.rank(text)).collect();
                (ranks, id)
            });
            let (places, place_ranks) = ranked(places.collect());
            let rank = |group: GroupId| {
                let (place, taxon) =
                    (place_ranks[group.place() as usize], taxon_ranks[group.taxon() as usize]);
                GroupId::new(place, group.assessment(), taxon)
            };
            let tallies = added_up(&tallies, rank);
            let numbers = |number: fn(GroupId) -> u32| -> Vec<u32> {
                tallies.iter().map(|tally| number(tally.group)).collect()
            };
            let rows = Rows {
                texts: &texts,
                places: &places,
                place_of: numbers(GroupId::place),
                assessment_of: numbers(|group| group.assessment() as u32),
                taxa: &taxa,
                taxon_of: numbers(GroupId::taxon),
                counts: tallies.iter().map(|tally| tally.count).collect(),
            };
            let file = rows.to_parquet(&spec)?;
            Ok((spec.name, file))
        };
        self.counters.into_par_iter().map(file).collect()
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

/// One tally for each group, in order of what `rank` makes of the groups.
fn added_up(tallies: &[Tally], rank: impl Fn(GroupId) -> GroupId) -> Vec<Tally> {
    let ranked = tallies.iter().enumerate().map(|(place, tally)| (rank(tally.group), place));
    let mut order: Vec<(GroupId, usize)> = ranked.collect();
    order.sort_unstable();
    let mut sums: Vec<Tally> = Vec::with_capacity(order.len());
    for (group, place) in order {
        let count = tallies[place].count;
        match sums.last_mut() {
            Some(last) if last.group == group => last.count.add(&count),
            _ => sums.push(Tally { group, count }),
        }
    }
    sums
}

impl Counter {
    /// Numbers the places of rows.
    fn number(&mut self, by: &[&Cells], rows: usize) -> Result<Places, SummaryError> {
        let mut places = Places { numbers: Vec::with_capacity(rows), ends: Vec::with_capacity(rows) };
        let mut place = Vec::with_capacity(by.len());
        for row in 0..rows {
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
                places.numbers.push(self.place(&place));
            }
            places.ends.push(places.numbers.len());
        }
        Ok(places)
    }

    fn place(&mut self, place: &[u32]) -> u32 {
        if let Some(&id) = self.places.get(place) {
            return id;
        }
        let id = next_id(self.places.len());
        self.places.insert(place.into(), id);
        id
    }

    fn add(&mut self, places: &[u32], assessment: Assessment, taxon: u32, records: &RecordCount) {
        for (element, &place) in places.iter().enumerate() {
            let group = GroupId::new(place, assessment, taxon);
            self.tallies.push(Tally { group, count: Count::of(records, element == 0) });
        }
        if self.tallies.len() >= self.add_up_at {
            self.tallies = added_up(&self.tallies, |group| group);
            self.add_up_at = ADD_UP_TALLIES.max(2 * self.tallies.len());
        }
    }
}

fn parse_status(row: usize, status: Option<&str>) -> Result<Assessment, SummaryError> {
    let parsed = status.and_then(Assessment::parse);
    parsed.ok_or_else(|| SummaryError::Assessment { row, found: status.map(str::to_owned) })
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
