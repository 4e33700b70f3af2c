//! A column of texts as codes of a dictionary, made while the cells are cut out: each text is kept once a batch.

use arrow::array::{DictionaryArray, Int32Array, StringArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::Int32Type;

use crate::parquet_file::texts::is_equal;
use crate::value;

/// A column is looked at once it has so many rows: it goes on without a dictionary if more than three of four are
/// distinct.
const TRIAL_ROWS: usize = 8192;
/// The code of an empty cell: null.
const NULL: i32 = -1;
/// Of a free place.
const FREE: u32 = u32::MAX;

/// The texts of a batch.
#[derive(Debug)]
pub(super) struct Coded {
    codes: Vec<i32>,
    nulls: usize,
    /// The distinct texts, one after the other.
    bytes: Vec<u8>,
    ends: Vec<i32>,
    /// A power of two places, at most half of them taken: what is left of a text's hash, and its code.
    slots: Vec<(u32, u32)>,
    last: i32,
}

impl Coded {
    pub(super) fn new() -> Self {
        Coded {
            codes: Vec::new(),
            nulls: 0,
            bytes: Vec::new(),
            ends: vec![0],
            slots: vec![(0, FREE); 64],
            last: NULL,
        }
    }

    /// Appends cells; answers how many.
    pub(super) fn cells(&mut self, text: &str, ranges: impl Iterator<Item = (usize, usize)>) -> usize {
        let before = self.codes.len();
        for (start, end) in ranges {
            let cell = &text.as_bytes()[start..end];
            let code = match cell {
                [] => NULL,
                [b'"', ..] => self.code(value::unquote(&text[start..end]).as_bytes()),
                _ if self.last != NULL && is_equal(self.text(self.last), cell) => self.last,
                _ => self.code(cell),
            };
            self.nulls += usize::from(code == NULL);
            self.codes.push(code);
        }
        self.codes.len() - before
    }

    pub(super) fn nulls(&mut self, rows: usize) {
        self.nulls += rows;
        self.codes.resize(self.codes.len() + rows, NULL);
    }

    /// Whether there are so many distinct texts that a dictionary does not pay.
    pub(super) fn is_diverse(&self) -> bool {
        self.codes.len() >= TRIAL_ROWS && 4 * (self.ends.len() - 1) > 3 * (self.codes.len() - self.nulls)
    }

    fn text(&self, code: i32) -> &[u8] {
        let code = code as usize;
        &self.bytes[self.ends[code] as usize..self.ends[code + 1] as usize]
    }

    fn code(&mut self, cell: &[u8]) -> i32 {
        if cell.is_empty() {
            return NULL;
        }
        if self.slots.len() < 2 * self.ends.len() {
            self.grow();
        }
        let hash = hash(cell);
        let (mut place, tag) = (hash as usize & (self.slots.len() - 1), (hash >> 32) as u32);
        loop {
            let (other, code) = self.slots[place];
            if code == FREE {
                break;
            }
            if other == tag && is_equal(self.text(code as i32), cell) {
                self.last = code as i32;
                return self.last;
            }
            place = (place + 1) & (self.slots.len() - 1);
        }
        let code = (self.ends.len() - 1) as u32;
        self.slots[place] = (tag, code);
        self.bytes.extend_from_slice(cell);
        self.ends.push(i32::try_from(self.bytes.len()).expect("the texts of a batch are below 2 GiB"));
        self.last = code as i32;
        self.last
    }

    fn grow(&mut self) {
        let mut slots = vec![(0, FREE); 2 * self.slots.len()];
        for code in 0..self.ends.len() - 1 {
            let hash = hash(self.text(code as i32));
            let mut place = hash as usize & (slots.len() - 1);
            while slots[place].1 != FREE {
                place = (place + 1) & (slots.len() - 1);
            }
            slots[place] = ((hash >> 32) as u32, code as u32);
        }
        self.slots = slots;
    }

    /// The texts of all rows, one after the other, and where each ends; an empty one is null.
    pub(super) fn spelled_out(&self) -> (Vec<u8>, Vec<i32>) {
        let (mut bytes, mut ends) = (Vec::new(), vec![0]);
        for &code in &self.codes {
            if code != NULL {
                bytes.extend_from_slice(self.text(code));
            }
            ends.push(i32::try_from(bytes.len()).expect("the texts of a batch are below 2 GiB"));
        }
        (bytes, ends)
    }

    /// The array; the next batch begins.
    pub(super) fn finish(&mut self) -> DictionaryArray<Int32Type> {
        let done = std::mem::replace(self, Coded::new());
        self.codes.reserve(done.codes.len());
        self.slots = done.slots;
        self.slots.fill((0, FREE));
        let entries = OffsetBuffer::new(ScalarBuffer::from(done.ends));
        let entries = StringArray::try_new(entries, Buffer::from_vec(done.bytes), None);
        let entries = entries.expect("texts are cut out of UTF-8 at ASCII characters");
        let keys: Int32Array = if done.nulls == 0 {
            done.codes.into()
        } else {
            done.codes.iter().map(|&code| (code != NULL).then_some(code)).collect()
        };
        DictionaryArray::try_new(keys, std::sync::Arc::new(entries)).expect("codes are of the dictionary")
    }
}

/// A hash whose upper and lower half can both be used. Cells are short: eight bytes at a time, the last ones perhaps
/// twice, so that none is looked at alone.
#[inline]
fn hash(cell: &[u8]) -> u64 {
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut hash = (cell.len() as u64).wrapping_mul(MIX);
    let mut mix = |word: u64| {
        let product = u128::from(hash ^ word) * u128::from(MIX);
        hash = (product as u64) ^ (product >> 64) as u64;
    };
    match (cell.first_chunk::<8>(), cell.last_chunk::<8>()) {
        (Some(_), Some(last)) => {
            let (words, _) = cell.as_chunks::<8>();
            words.iter().for_each(|word| mix(u64::from_le_bytes(*word)));
            mix(u64::from_le_bytes(*last).rotate_left(32));
        }
        _ => match (cell.first_chunk::<4>(), cell.last_chunk::<4>()) {
            (Some(first), Some(last)) => {
                mix(u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)));
            }
            _ => mix(cell.iter().fold(0, |word, &byte| word << 8 | u64::from(byte))),
        },
    }
    hash
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn every_row_gets_its_text_back(cells in vec("[ab\"é]{0,3}|[a-z]{4,40}", 0..200), cut in 0usize..200) {
            let text = cells.concat();
            let mut end = 0;
            let ranges = cells.iter().map(|cell| {
                end += cell.len();
                (end - cell.len(), end)
            });
            let ranges: Vec<_> = ranges.collect();
            let (one, other) = ranges.split_at(cut.min(ranges.len()));
            let mut coded = Coded::new();
            // The second batch is what the first one was.
            for _ in 0..2 {
                coded.cells(&text, one.iter().copied());
                coded.nulls(1);
                coded.cells(&text, other.iter().copied());
                let mut expected: Vec<String> =
                    cells.iter().map(|cell| value::unquote(cell).into_owned()).collect();
                expected.insert(one.len(), String::new());
                let (bytes, ends) = coded.spelled_out();
                let spelled = ends.windows(2).map(|ends| &bytes[ends[0] as usize..ends[1] as usize]);
                prop_assert!(spelled.eq(expected.iter().map(String::as_bytes)));
                let array = coded.finish();
                let entries = array.values().as_string::<i32>();
                prop_assert_eq!(array.len(), expected.len());
                for (row, expected) in expected.iter().enumerate() {
                    let found = array.is_valid(row).then(|| entries.value(array.keys().value(row) as usize));
                    prop_assert_eq!(found.unwrap_or(""), expected);
                }
                let mut distinct: Vec<&str> = entries.iter().flatten().collect();
                distinct.sort_unstable();
                distinct.dedup();
                prop_assert_eq!(distinct.len(), entries.len());
            }
        }
    }
}
