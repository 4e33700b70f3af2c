//! Cells to columns: one column of many rows at a time, straight into Arrow's buffers.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int32Array, ListArray, StringArray, TimestampMillisecondArray, new_null_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use super::coded::Coded;
use crate::schema::{ColumnKind, list_element};
use crate::value;

/// Cells up to this long are copied as one piece of this length, which is quicker than asking how long they are.
const PIECE_BYTES: usize = 32;

/// A column of the batch that is being filled.
#[derive(Debug)]
pub(super) struct Filling {
    kind: ColumnKind,
    values: Values,
    rows: usize,
}

#[derive(Debug)]
enum Values {
    String(Texts),
    Coded(Coded),
    Int(Numbers<i32>),
    Double(Numbers<f64>),
    Timestamp(Numbers<i64>),
    /// The items, and where each row's begin; a row without items is null.
    StringList(Texts, Vec<i32>),
}

impl Filling {
    /// With `coded`, texts come with a dictionary unless too many are distinct.
    pub(super) fn new(kind: ColumnKind, coded: bool) -> Filling {
        let values = match kind {
            ColumnKind::String if coded => Values::Coded(Coded::new()),
            ColumnKind::String => Values::String(Texts::default()),
            ColumnKind::Int => Values::Int(Numbers::default()),
            ColumnKind::Double => Values::Double(Numbers::default()),
            ColumnKind::Timestamp => Values::Timestamp(Numbers::default()),
            ColumnKind::StringList => Values::StringList(Texts::default(), vec![0]),
        };
        Filling { kind, values, rows: 0 }
    }

    /// Appends cells, given as ranges of `text`; `failed` hears which of them, counted from 0, do not parse.
    pub(super) fn cells(
        &mut self,
        text: &str,
        ranges: impl Iterator<Item = (usize, usize)>,
        mut failed: impl FnMut(usize),
    ) {
        self.rows += match &mut self.values {
            Values::String(texts) => texts.cells(text, ranges),
            Values::Coded(coded) => coded.cells(text, ranges),
            Values::Int(numbers) => numbers.cells(text, ranges, value::int, &mut failed),
            Values::Double(numbers) => numbers.cells(text, ranges, value::double, &mut failed),
            Values::Timestamp(numbers) => numbers.cells(text, ranges, value::timestamp_ms, &mut failed),
            Values::StringList(items, starts) => lists(items, starts, text, ranges),
        };
        if let Values::Coded(coded) = &self.values
            && coded.is_diverse()
        {
            let (bytes, offsets) = coded.spelled_out();
            self.values = Values::String(Texts { bytes, offsets });
        }
    }

    /// Appends rows that have no such cell.
    pub(super) fn nulls(&mut self, rows: usize) {
        self.rows += rows;
        match &mut self.values {
            Values::String(texts) => texts.nulls(rows),
            Values::Coded(coded) => coded.nulls(rows),
            Values::Int(numbers) => numbers.nulls(rows),
            Values::Double(numbers) => numbers.nulls(rows),
            Values::Timestamp(numbers) => numbers.nulls(rows),
            Values::StringList(items, starts) => starts.resize(starts.len() + rows, items.count()),
        }
    }

    /// The array of all rows so far; the next batch begins.
    pub(super) fn finish(&mut self) -> ArrayRef {
        let rows = std::mem::take(&mut self.rows);
        match &mut self.values {
            Values::String(texts) => {
                let (offsets, bytes) = texts.take();
                let nulls = where_empty(&offsets);
                Arc::new(StringArray::try_new(offsets, bytes, nulls).expect(TEXTS))
            }
            Values::Coded(coded) => Arc::new(coded.finish()),
            Values::Int(numbers) => {
                let (values, nulls) = numbers.take();
                Arc::new(Int32Array::new(values, nulls))
            }
            Values::Double(numbers) => {
                let (values, nulls) = numbers.take();
                Arc::new(Float64Array::new(values, nulls))
            }
            Values::Timestamp(numbers) => {
                let (values, nulls) = numbers.take();
                let times = TimestampMillisecondArray::new(values, nulls);
                Arc::new(times.with_data_type(self.kind.arrow_type()))
            }
            Values::StringList(items, starts) => {
                if items.count() == 0 {
                    starts.truncate(1);
                    return new_null_array(&self.kind.arrow_type(), rows);
                }
                let starts = replace(starts, vec![0]);
                let starts = OffsetBuffer::new(ScalarBuffer::from(starts));
                let (offsets, bytes) = items.take();
                let items = StringArray::try_new(offsets, bytes, None).expect(TEXTS);
                let nulls = where_empty(&starts);
                Arc::new(ListArray::new(list_element(), starts, Arc::new(items), nulls))
            }
        }
    }
}

const TEXTS: &str = "texts are cut out of UTF-8 at ASCII characters, and a batch's fit into 2 GiB";

/// Takes a vector that grew over a batch, and leaves one with room for as much again.
fn replace<T>(values: &mut Vec<T>, mut with: Vec<T>) -> Vec<T> {
    with.reserve(values.len() + values.len() / 8);
    std::mem::replace(values, with)
}

/// Rows without anything are null.
fn where_empty(offsets: &OffsetBuffer<i32>) -> Option<NullBuffer> {
    let present = |row: usize| offsets[row] != offsets[row + 1];
    let nulls = NullBuffer::new(BooleanBuffer::collect_bool(offsets.len() - 1, present));
    (nulls.null_count() > 0).then_some(nulls)
}

/// Texts, one after the other.
#[derive(Debug)]
struct Texts {
    bytes: Vec<u8>,
    offsets: Vec<i32>,
}

impl Default for Texts {
    fn default() -> Self {
        Texts { bytes: Vec::new(), offsets: vec![0] }
    }
}

impl Texts {
    fn count(&self) -> i32 {
        i32::try_from(self.offsets.len() - 1).expect("a batch has less than 2³¹ items")
    }

    fn end(&mut self) {
        self.offsets.push(i32::try_from(self.bytes.len()).expect("the texts of a batch are below 2 GiB"));
    }

    fn cells(&mut self, text: &str, ranges: impl Iterator<Item = (usize, usize)>) -> usize {
        let before = self.offsets.len();
        let bytes = text.as_bytes();
        self.offsets.reserve(ranges.size_hint().0);
        for (start, end) in ranges {
            if bytes.get(start) == Some(&b'"') {
                let cell = value::unquote(&text[start..end]);
                self.bytes.extend_from_slice(cell.as_bytes());
            } else {
                self.copy(bytes, start, end);
            }
            self.end();
        }
        self.offsets.len() - before
    }

    #[inline(always)]
    fn copy(&mut self, from: &[u8], start: usize, end: usize) {
        let length = end - start;
        match from[start..].first_chunk::<PIECE_BYTES>() {
            Some(piece) if length <= PIECE_BYTES => {
                let before = self.bytes.len();
                self.bytes.extend_from_slice(piece);
                self.bytes.truncate(before + length);
            }
            _ => self.bytes.extend_from_slice(&from[start..end]),
        }
    }

    fn nulls(&mut self, rows: usize) {
        let end = *self.offsets.last().expect("offsets begin with 0");
        self.offsets.resize(self.offsets.len() + rows, end);
    }

    fn take(&mut self) -> (OffsetBuffer<i32>, Buffer) {
        let offsets = replace(&mut self.offsets, vec![0]);
        let bytes = replace(&mut self.bytes, Vec::new());
        (OffsetBuffer::new(ScalarBuffer::from(offsets)), Buffer::from_vec(bytes))
    }
}

/// Numbers, and which of them are there.
#[derive(Debug, Default)]
struct Numbers<T> {
    values: Vec<T>,
    present: Vec<bool>,
}

impl<T: arrow::datatypes::ArrowNativeType> Numbers<T> {
    fn cells(
        &mut self,
        text: &str,
        ranges: impl Iterator<Item = (usize, usize)>,
        parse: impl Fn(&str) -> Option<T>,
        failed: &mut impl FnMut(usize),
    ) -> usize {
        let before = self.values.len();
        for (place, (start, end)) in ranges.enumerate() {
            let mut cell = &text[start..end];
            let unquoted;
            if cell.starts_with('"') {
                unquoted = value::unquote(cell);
                cell = &unquoted;
            }
            let value = if cell.is_empty() { None } else { parse(cell) };
            if value.is_none() && !cell.is_empty() {
                failed(place);
            }
            self.values.push(value.unwrap_or_default());
            self.present.push(value.is_some());
        }
        self.values.len() - before
    }

    fn nulls(&mut self, rows: usize) {
        self.values.resize(self.values.len() + rows, T::default());
        self.present.resize(self.present.len() + rows, false);
    }

    fn take(&mut self) -> (ScalarBuffer<T>, Option<NullBuffer>) {
        let nulls = NullBuffer::from(BooleanBuffer::from(self.present.as_slice()));
        self.present.clear();
        let values = ScalarBuffer::from(replace(&mut self.values, Vec::new()));
        (values, (nulls.null_count() > 0).then_some(nulls))
    }
}

fn lists(
    items: &mut Texts,
    starts: &mut Vec<i32>,
    text: &str,
    ranges: impl Iterator<Item = (usize, usize)>,
) -> usize {
    let before = starts.len();
    let bytes = text.as_bytes();
    for (start, end) in ranges {
        let cell = &bytes[start..end];
        match cell {
            [] => {}
            // One item with nothing to trim: most cells are.
            [b'!' | b'#'..=b'~', .., b'!'..=b'~'] if memchr::memchr(b';', cell).is_none() => {
                items.copy(bytes, start, end);
                items.end();
            }
            _ => {
                for item in value::items(&value::unquote(&text[start..end])) {
                    items.bytes.extend_from_slice(item.as_bytes());
                    items.end();
                }
            }
        }
        starts.push(items.count());
    }
    starts.len() - before
}
