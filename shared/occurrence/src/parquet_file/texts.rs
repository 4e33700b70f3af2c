//! Distinct texts, numbered in the order in which they were first met.

use std::hash::Hasher;

use arrow::array::{Array, StringArray};
use hashbrown::HashTable;
use rustc_hash::FxHasher;

/// The code of no text: null.
pub const NO_TEXT: u32 = u32::MAX;

/// Distinct texts by number. Memory grows with the distinct texts only.
///
/// ```
/// use bisonflow_occurrence::parquet_file::Texts;
/// let mut texts = Texts::default();
/// let (quercus, acer) = (texts.code("Quercus"), texts.code("Acer"));
/// assert_eq!((texts.code("Quercus"), texts.text(acer)), (quercus, "Acer"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// All texts, one after the other.
    all: String,
    /// Where each text ends.
    ends: Vec<usize>,
    table: HashTable<u32>,
}

impl Texts {
    /// The code of a text; a new text gets the next one.
    pub fn code(&mut self, text: &str) -> u32 {
        let Texts { all, ends, table } = self;
        let hash = hash(text.as_bytes());
        if let Some(&code) = table.find(hash, |&code| is_equal(bytes(all, ends, code), text.as_bytes())) {
            return code;
        }
        let code = u32::try_from(ends.len()).ok().filter(|&code| code != NO_TEXT);
        let code = code.expect("fewer distinct texts than u32 can number");
        all.push_str(text);
        ends.push(all.len());
        table.insert_unique(hash, code, |&code| self::hash(bytes(all, ends, code)));
        code
    }

    /// The code of a text that was met.
    pub fn find(&self, text: &str) -> Option<u32> {
        let Texts { all, ends, table } = self;
        table.find(hash(text.as_bytes()), |&code| bytes(all, ends, code) == text.as_bytes()).copied()
    }

    /// The text of a code that [`Texts::code`] gave.
    ///
    /// # Panics
    /// For any other number.
    pub fn text(&self, code: u32) -> &str {
        span(&self.all, &self.ends, code)
    }

    /// The text of a code, none of [`NO_TEXT`].
    pub fn optional(&self, code: u32) -> Option<&str> {
        (code != NO_TEXT).then(|| self.text(code))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of all texts together.
    pub fn bytes(&self) -> usize {
        self.all.len()
    }

    /// The texts in the order of their codes.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|code| span(&self.all, &self.ends, code as u32))
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.all.clear();
        self.ends.clear();
        self.table.clear();
    }
}

fn span<'a>(all: &'a str, ends: &[usize], code: u32) -> &'a str {
    let code = code as usize;
    let start = if code == 0 { 0 } else { ends[code - 1] };
    &all[start..ends[code]]
}

/// The bytes of a text: comparing them needs no look at where characters begin.
fn bytes<'a>(all: &'a str, ends: &[usize], code: u32) -> &'a [u8] {
    let code = code as usize;
    let start = if code == 0 { 0 } else { ends[code - 1] };
    &all.as_bytes()[start..ends[code]]
}

fn hash(text: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(text);
    hasher.finish()
}

/// Whether two texts are the same. Most are short and of a length that is not known beforehand: comparing them here
/// is quicker than a call that first finds out how it is best done.
#[inline(always)]
pub(crate) fn is_equal(one: &[u8], other: &[u8]) -> bool {
    fn ends<const N: usize>(one: &[u8], other: &[u8]) -> Option<bool> {
        let firsts = one.first_chunk::<N>()? == other.first_chunk::<N>()?;
        Some(firsts & (one.last_chunk::<N>()? == other.last_chunk::<N>()?))
    }
    if one.len() != other.len() {
        return false;
    }
    if one.len() > 16 {
        let ((pieces, _), (others, _)) = (one.as_chunks::<16>(), other.as_chunks::<16>());
        return one.last_chunk::<16>() == other.last_chunk::<16>()
            && pieces.iter().zip(others).all(|(piece, other)| piece == other);
    }
    let by_ends = ends::<8>(one, other).or_else(|| ends::<4>(one, other)).or_else(|| ends::<2>(one, other));
    by_ends.unwrap_or_else(|| one.first() == other.first())
}

/// Whether two arrays are the same memory: such as the dictionaries of batches of one column chunk.
pub fn is_same(one: &StringArray, other: &StringArray) -> bool {
    let nulls = |array: &StringArray| array.nulls().map(|nulls| nulls.buffer().as_ptr());
    one.len() == other.len()
        && one.value_data().as_ptr() == other.value_data().as_ptr()
        && one.value_offsets().as_ptr() == other.value_offsets().as_ptr()
        && nulls(one) == nulls(other)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn equal_is_what_slices_call_equal(
            text in proptest::collection::vec(0u8..3, 0..80),
            at in 0usize..80,
            with in 0u8..3,
            cut in 0usize..3,
        ) {
            let mut other = text.clone();
            if let Some(byte) = other.get_mut(at) {
                *byte = with;
            }
            other.truncate(other.len().saturating_sub(cut));
            prop_assert_eq!(is_equal(&text, &other), text == other);
        }
    }
}
