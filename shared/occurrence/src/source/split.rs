//! Fields of rows found 64 bytes at a time.
//!
//! Two masks of 64 bits say where a chunk's tabs and line ends are. Tabs are counted, not visited: only those
//! beside a wanted field are looked up in the mask, so that a row of 257 columns of which 18 are wanted costs
//! little more than looking at its bytes once. All tabs are counted, hence the number of fields is exact.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256i, __m512i, _mm256_cmpeq_epi8, _mm256_movemask_epi8, _mm256_set_epi64x, _mm256_set1_epi8,
    _mm512_cmpeq_epi8_mask, _mm512_set_epi64, _mm512_set1_epi8, _pdep_u64,
};

use wide::u8x16;

const CHUNK_BYTES: usize = 64;

/// A row of the block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// Of its first byte in the block.
    pub(super) start: u32,
    /// Of the byte after its last, its end of line (LF, CRLF) left out.
    pub(super) end: u32,
    /// All tabs in it, wanted or not.
    pub(super) tabs: u32,
    /// Which row of the block it is, from 0.
    pub(super) index: u32,
}

impl Span {
    pub(super) fn of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start as usize..self.end as usize]
    }

    /// Its length with the CR that was taken off, bytes.
    pub(super) fn bytes_with_cr(&self, block: &[u8]) -> usize {
        let cr = block.get(self.end as usize) == Some(&b'\r');
        (self.end - self.start) as usize + usize::from(cr)
    }
}

/// Where a wanted field begins and ends: two of its row's marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    before: usize,
    after: usize,
}

/// Splits blocks of rows at the wanted fields.
#[derive(Clone, Debug)]
pub(super) struct Splitter {
    /// The tabs that are looked up, by their number in the row, in order; then one that no row has.
    ordinals: Vec<u32>,
    with: Instructions,
}

/// What the processor was found to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instructions {
    /// All that [`split_avx512`] needs.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// All that [`split_avx2`] needs.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What every processor of its kind has.
    Portable,
}

impl Instructions {
    fn of_this_processor() -> Instructions {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("popcnt")
        {
            let wider = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("bmi2");
            return if wider { Instructions::Avx512 } else { Instructions::Avx2 };
        }
        Instructions::Portable
    }
}

/// The rows of a block, split. Of every row it keeps marks: one before its first byte, then the places of the
/// tabs looked up, or the row's end where it has no such tab.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) spans: Vec<Span>,
    marks: Vec<u32>,
    stride: usize,
}

impl Splitter {
    /// For these fields, by their index in the row.
    pub(super) fn new(wanted: &[usize]) -> Splitter {
        let both = wanted.iter().flat_map(|&field| field.checked_sub(1).into_iter().chain([field]));
        let mut ordinals: Vec<u32> = both.filter_map(|ordinal| u32::try_from(ordinal).ok()).collect();
        ordinals.sort_unstable();
        ordinals.dedup();
        ordinals.push(u32::MAX);
        Splitter { ordinals, with: Instructions::of_this_processor() }
    }

    /// Where a field is, if it is among the wanted ones.
    pub(super) fn field(&self, index: usize) -> Option<Field> {
        let mark = |ordinal: usize| {
            let ordinal = u32::try_from(ordinal).ok()?;
            Some(self.ordinals.binary_search(&ordinal).ok()? + 1)
        };
        let before = index.checked_sub(1).map_or(Some(0), mark)?;
        Some(Field { before, after: mark(index)? })
    }

    /// Splits a block of whole rows, `lines` of them: each ends with LF, the last one perhaps with the block.
    pub(super) fn split(&self, block: &[u8], lines: usize, rows: &mut Rows) {
        rows.stride = self.ordinals.len();
        rows.spans.clear();
        rows.spans.resize(lines, Span::default());
        if rows.marks.len() < lines * rows.stride {
            rows.marks.resize(lines * rows.stride, 0);
        }
        match self.with {
            #[cfg(target_arch = "x86_64")]
            #[expect(
                unsafe_code,
                reason = "the only way to call code made for a processor found at run time"
            )]
            // SAFETY: found are only features that the processor has; they are those that `split_avx512` and
            // `split_avx2` are compiled for. Apart from them these are safe code.
            Instructions::Avx512 => unsafe { split_avx512(&self.ordinals, block, rows) },
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "as above")]
            // SAFETY: as above.
            Instructions::Avx2 => unsafe { split_avx2(&self.ordinals, block, rows) },
            Instructions::Portable => split_with(positions, without_lowest, &self.ordinals, block, rows),
        }
    }
}

impl Rows {
    /// The fields of the first `count` rows, as ranges of the block; a field that a row lacks is an empty one.
    pub(super) fn ranges(&self, field: Field, count: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let rows = self.marks.chunks_exact(self.stride.max(1)).take(count);
        rows.map(move |marks| range(marks, field))
    }

    /// A field of the row at `place`, as [`Rows::ranges`] gives it.
    pub(super) fn range(&self, field: Field, place: usize) -> (usize, usize) {
        range(&self.marks[place * self.stride..(place + 1) * self.stride], field)
    }

    /// Puts the row at `from` to the place `to`.
    pub(super) fn keep(&mut self, from: usize, to: usize) {
        if from != to {
            self.spans[to] = self.spans[from];
            self.marks.copy_within(from * self.stride..(from + 1) * self.stride, to * self.stride);
        }
    }
}

#[inline(always)]
fn range(marks: &[u32], field: Field) -> (usize, usize) {
    let start = marks[field.before].wrapping_add(1) as usize;
    let end = marks[field.after] as usize;
    // Beyond the row's last field both marks are the row's end.
    (start.min(end), end)
}

/// [`split_with`], compiled for processors that compare 64 bytes at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx2,bmi1,bmi2,popcnt")]
fn split_avx512(ordinals: &[u32], block: &[u8], rows: &mut Rows) {
    let positions = |chunk: &[u8; CHUNK_BYTES], byte: u8| {
        let [a, b, c, d, e, f, g, h] = words(chunk);
        let chunk: __m512i = _mm512_set_epi64(h, g, f, e, d, c, b, a);
        _mm512_cmpeq_epi8_mask(chunk, _mm512_set1_epi8(byte.cast_signed()))
    };
    // The bits of `mask` from that of this number on; processors with AVX-512 are quick at it.
    let without_lowest = |mask: u64, count: u32| _pdep_u64(u64::MAX << count, mask);
    split_with(positions, without_lowest, ordinals, block, rows);
}

/// [`split_with`], compiled for processors that compare 32 bytes at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,popcnt")]
fn split_avx2(ordinals: &[u32], block: &[u8], rows: &mut Rows) {
    let positions = |chunk: &[u8; CHUNK_BYTES], byte: u8| {
        let [a, b, c, d, e, f, g, h] = words(chunk);
        let halves: [__m256i; 2] = [_mm256_set_epi64x(d, c, b, a), _mm256_set_epi64x(h, g, f, e)];
        let masks = halves.map(|half| {
            let same = _mm256_cmpeq_epi8(half, _mm256_set1_epi8(byte.cast_signed()));
            u64::from(_mm256_movemask_epi8(same).cast_unsigned())
        });
        masks[0] | masks[1] << 32
    };
    split_with(positions, without_lowest, ordinals, block, rows);
}

/// The bytes as they lie, for instructions that take them eight at a time.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn words(chunk: &[u8; CHUNK_BYTES]) -> [i64; 8] {
    let (words, _) = chunk.as_chunks::<8>();
    std::array::from_fn(|place| i64::from_le_bytes(words[place]))
}

#[inline(always)]
fn split_with(
    positions: impl Fn(&[u8; CHUNK_BYTES], u8) -> u64,
    without_lowest: impl Fn(u64, u32) -> u64,
    ordinals: &[u32],
    block: &[u8],
    rows: &mut Rows,
) {
    let stride = rows.stride;
    let (chunks, rest) = block.as_chunks::<CHUNK_BYTES>();
    let mut last = [0; CHUNK_BYTES];
    last[..rest.len()].copy_from_slice(rest);
    let mut spans = rows.spans.iter_mut();
    let mut marks = rows.marks.chunks_exact_mut(stride);
    let (mut index, mut start) = (0, 0);
    let Some(mut row) = marks.next() else { return };
    row[0] = u32::MAX;
    // Of the row so far: its tabs, and how many of the ordinals are marked.
    let (mut tabs_before, mut marked) = (0, 0);
    for (place, chunk) in chunks.iter().chain((!rest.is_empty()).then_some(&last)).enumerate() {
        let base = (place * CHUNK_BYTES) as u32;
        let (mut tabs, mut ends) = (positions(chunk, b'\t'), positions(chunk, b'\n'));
        loop {
            let end = ends & ends.wrapping_neg();
            // Those of this row: all below its end, or all where it has none here.
            let of_row = tabs & end.wrapping_sub(1);
            let tabs_now = tabs_before + of_row.count_ones();
            let mut left = of_row;
            while ordinals[marked] < tabs_now {
                left = without_lowest(left, ordinals[marked] - tabs_before);
                tabs_before = ordinals[marked];
                row[marked + 1] = base + left.trailing_zeros();
                marked += 1;
            }
            tabs_before = tabs_now;
            if end == 0 {
                break;
            }
            let at = base + end.trailing_zeros();
            let span = finish(block, row, marked, Span { start, end: at, tabs: tabs_before, index });
            if let Some(slot) = spans.next() {
                *slot = span;
            }
            (index, start) = (index + 1, at + 1);
            (tabs_before, marked) = (0, 0);
            tabs ^= of_row;
            ends ^= end;
            match marks.next() {
                Some(next) => row = next,
                None => return,
            }
            row[0] = at;
        }
    }
    if let Some(slot) = spans.next() {
        let end = block.len() as u32;
        *slot = finish(block, row, marked, Span { start, end, tabs: tabs_before, index });
    }
}

/// Takes the CR off, and marks what the row lacks.
#[inline(always)]
fn finish(block: &[u8], row: &mut [u32], marked: usize, mut span: Span) -> Span {
    if span.end > span.start && block[span.end as usize - 1] == b'\r' {
        span.end -= 1;
    }
    row[marked + 1..].fill(span.end);
    span
}

/// The mask without so many of its lowest bits, fewer than it has.
#[inline(always)]
fn without_lowest(mut mask: u64, count: u32) -> u64 {
    for _ in 0..count {
        mask &= mask.wrapping_sub(1);
    }
    mask
}

/// A bit for every byte of the chunk that is `byte`, the first one lowest.
#[inline(always)]
fn positions(chunk: &[u8; CHUNK_BYTES], byte: u8) -> u64 {
    let (parts, _) = chunk.as_chunks::<16>();
    let byte = u8x16::splat(byte);
    let mut mask = 0;
    for (place, part) in parts.iter().enumerate() {
        let part = u8x16::new(*part).simd_eq(byte).to_bitmask();
        mask |= u64::from(part) << (16 * place);
    }
    mask
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};

    use super::*;

    fn cells(splitter: &Splitter, block: &[u8], wanted: &[usize]) -> Vec<(usize, Vec<Vec<u8>>)> {
        let mut rows = Rows::default();
        let lines = block.split_inclusive(|&byte| byte == b'\n').count();
        splitter.split(block, lines, &mut rows);
        let cell = |row, field: &usize| {
            let (start, end) = rows.range(splitter.field(*field).unwrap(), row);
            block[start..end].to_vec()
        };
        let one = |(row, span): (usize, &Span)| {
            assert_eq!(span.index as usize, row);
            (span.tabs as usize, wanted.iter().map(|field| cell(row, field)).collect())
        };
        rows.spans.iter().enumerate().map(one).collect()
    }

    fn expected(block: &[u8], wanted: &[usize]) -> Vec<(usize, Vec<Vec<u8>>)> {
        let one = |line: &[u8]| {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let fields: Vec<&[u8]> = line.split(|&byte| byte == b'\t').collect();
            let cells = wanted.iter().map(|&field| fields.get(field).copied().unwrap_or_default().to_vec());
            (fields.len() - 1, cells.collect())
        };
        block.split_inclusive(|&byte| byte == b'\n').map(one).collect()
    }

    /// All that this processor can do.
    fn instructions() -> Vec<Instructions> {
        let best = Instructions::of_this_processor();
        #[cfg(target_arch = "x86_64")]
        if best == Instructions::Avx512 {
            return vec![best, Instructions::Avx2, Instructions::Portable];
        }
        vec![best, Instructions::Portable]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn wanted_fields_are_those_of_a_plain_split(
            letters in proptest::collection::vec(proptest::sample::select(&b"\t\t\t\n\rab\0\xff"[..]), 0..400),
            wanted in proptest::collection::btree_set(0usize..30, 0..6),
        ) {
            let wanted: Vec<usize> = wanted.into_iter().collect();
            let mut splitter = Splitter::new(&wanted);
            for with in instructions() {
                splitter.with = with;
                prop_assert_eq!(cells(&splitter, &letters, &wanted), expected(&letters, &wanted), "{:?}", with);
            }
        }
    }
}
