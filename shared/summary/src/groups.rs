//! Groups of records by a few texts: what one worker counts, its Parquet file, and the sum over all workers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int16Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int16Type, Int64Type, Schema};
use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::intern::{Interner, next_id};
use crate::read::{self, column, texts};
use crate::{SummaryError, to_parquet};

const FIGURES: [&str; 2] = ["read", "annotated"];
const YEARS: [&str; 2] = ["first_year", "last_year"];

/// The figures of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) read: i64,
    pub(crate) annotated: i64,
    first: i16, // above `last` while there is no year
    last: i16,
}

impl Figures {
    pub(crate) const ZERO: Figures = Figures { read: 0, annotated: 0, first: i16::MAX, last: i16::MIN };

    /// The figures of these records; a count beyond what a column holds is the most that it holds.
    pub(crate) fn new(read: u64, annotated: u64, years: Option<(i16, i16)>) -> Figures {
        let count = |records: u64| i64::try_from(records).unwrap_or(i64::MAX);
        let (first, last) = years.unwrap_or((i16::MAX, i16::MIN));
        Figures { read: count(read), annotated: count(annotated), first, last }
    }

    pub(crate) fn years(&self) -> Option<(i16, i16)> {
        (self.first <= self.last).then_some((self.first, self.last))
    }

    fn add_year(&mut self, year: Option<i16>) {
        if let Some(year) = year {
            self.first = self.first.min(year);
            self.last = self.last.max(year);
        }
    }

    pub(crate) fn add(&mut self, other: &Figures) {
        self.read = self.read.saturating_add(other.read);
        self.annotated = self.annotated.saturating_add(other.annotated);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// Groups of records by `T` texts, which may be null. Memory grows with the groups.
pub(crate) struct Groups<const T: usize> {
    table: &'static str,
    columns: [&'static str; T],
    texts: Interner,
    ids: FxHashMap<[u32; T], u32>,
    figures: Vec<Figures>,
}

/// A group, its texts spelled out.
pub(crate) type Group<const T: usize> = ([Option<Box<str>>; T], Figures);

impl<const T: usize> Groups<T> {
    /// No group yet. `table` is what errors say.
    pub(crate) fn new(table: &'static str, columns: [&'static str; T]) -> Self {
        Groups { table, columns, texts: Interner::default(), ids: FxHashMap::default(), figures: Vec::new() }
    }

    /// The number of a group.
    pub(crate) fn id(&mut self, texts: [Option<&str>; T]) -> u32 {
        let texts = texts.map(|text| self.texts.optional(text));
        let next = next_id(self.ids.len());
        let id = *self.ids.entry(texts).or_insert(next);
        if id == next {
            self.figures.push(Figures::ZERO);
        }
        id
    }

    pub(crate) fn figures(&mut self, id: u32) -> &mut Figures {
        &mut self.figures[id as usize]
    }

    /// The groups in the order of the bytes of their texts, nulls last.
    pub(crate) fn sorted(&self) -> Vec<Group<T>> {
        let sorted = self.texts.sorted();
        let mut groups: Vec<([u32; T], u32)> =
            self.ids.iter().map(|(texts, &id)| (texts.map(|text| sorted.rank(text)), id)).collect();
        groups.sort_unstable();
        let spelled = |(texts, id): ([u32; T], u32)| {
            (texts.map(|text| sorted.text(text).map(Box::from)), self.figures[id as usize])
        };
        groups.into_iter().map(spelled).collect()
    }

    /// The groups as a Parquet file: the same bytes for the same records in any order.
    pub(crate) fn to_parquet(&self) -> Result<Bytes, SummaryError> {
        let groups = self.sorted();
        let mut fields = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for (place, name) in self.columns.iter().enumerate() {
            fields.push(Field::new(*name, DataType::Utf8, true));
            arrays.push(Arc::new(
                groups.iter().map(|group| group.0[place].as_deref()).collect::<StringArray>(),
            ));
        }
        let figures: [fn(&Figures) -> i64; 2] = [|figures| figures.read, |figures| figures.annotated];
        for (name, figure) in FIGURES.into_iter().zip(figures) {
            fields.push(Field::new(name, DataType::Int64, false));
            arrays.push(Arc::new(groups.iter().map(|group| figure(&group.1)).collect::<Int64Array>()));
        }
        let years: [fn((i16, i16)) -> i16; 2] = [|(first, _)| first, |(_, last)| last];
        for (name, year) in YEARS.into_iter().zip(years) {
            fields.push(Field::new(name, DataType::Int16, true));
            let cells = groups.iter().map(|group| group.1.years().map(year));
            arrays.push(Arc::new(cells.collect::<Int16Array>()));
        }
        to_parquet(&RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
    }

    /// Adds what [`Groups::to_parquet`] wrote.
    pub(crate) fn add_partial(&mut self, bytes: Bytes) -> Result<(), SummaryError> {
        read::partial(self.table, bytes, |batch| self.add_batch(batch))
    }

    fn add_batch(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let mut of_texts: Vec<&StringArray> = Vec::new();
        for name in self.columns {
            of_texts.push(texts(batch, name)?);
        }
        let figure =
            |name| Ok::<_, String>(column(batch, name, &DataType::Int64)?.as_primitive::<Int64Type>());
        let year = |name| Ok::<_, String>(column(batch, name, &DataType::Int16)?.as_primitive::<Int16Type>());
        let (read, annotated) = (figure(FIGURES[0])?, figure(FIGURES[1])?);
        let (first, last) = (year(YEARS[0])?, year(YEARS[1])?);
        for row in 0..batch.num_rows() {
            let (read, annotated) = (read.value(row), annotated.value(row));
            if read < 0 || !(0..=read).contains(&annotated) {
                return Err(format!("row {row}: read {read} and annotated {annotated} cannot be"));
            }
            let cell = |years: &Int16Array| (!years.is_null(row)).then(|| years.value(row));
            let mut figures = Figures { read, annotated, ..Figures::ZERO };
            figures.add_year(cell(first));
            figures.add_year(cell(last));
            let texts = std::array::from_fn(|place| {
                let text = of_texts[place];
                (!text.is_null(row)).then(|| text.value(row))
            });
            let id = self.id(texts);
            self.figures(id).add(&figures);
        }
        Ok(())
    }
}
