//! Columns of numbers.

use arrow::array::{Array, ArrowPrimitiveType, PrimitiveArray};
use arrow::datatypes::ArrowNativeType;
use parquet::basic::Encoding;
use parquet::errors::Result;
use parquet::file::statistics::{Statistics, ValueStatistics};
use rustc_hash::FxHashMap;

use super::chunk::{Bounds, EncodedColumn, PAGE_BYTES, PageValues, Pages, is_repetitive};
use super::hybrid;

/// A number as Parquet stores it.
pub(super) trait Number: ArrowNativeType {
    /// Its bits: equal ones are one entry of a dictionary.
    fn bits(self) -> u64;
    fn append(self, out: &mut Vec<u8>);
    /// The least and the greatest, and how many are no number at all.
    fn bounds(values: &[Self]) -> (Option<(Self, Self)>, usize);
    fn is_above(self, other: Self) -> bool;
    fn statistics(bounds: Option<(Self, Self)>, nulls: u64, nans: Option<u64>) -> Statistics;
    /// Whether there are values that are no numbers.
    const HAS_NAN: bool;
}

macro_rules! whole_number {
    ($number:ty, $statistics:ident) => {
        impl Number for $number {
            const HAS_NAN: bool = false;

            fn bits(self) -> u64 {
                self as u64
            }

            fn append(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn bounds(values: &[Self]) -> (Option<(Self, Self)>, usize) {
                let bounds =
                    values.iter().fold((Self::MAX, Self::MIN), |(min, max), &v| (min.min(v), max.max(v)));
                ((!values.is_empty()).then_some(bounds), 0)
            }

            fn is_above(self, other: Self) -> bool {
                self > other
            }

            fn statistics(bounds: Option<(Self, Self)>, nulls: u64, _nans: Option<u64>) -> Statistics {
                let (min, max) = bounds.unzip();
                Statistics::$statistics(
                    ValueStatistics::new(min, max, None, Some(nulls), false)
                        .with_backwards_compatible_min_max(true),
                )
            }
        }
    };
}

whole_number!(i32, Int32);
whole_number!(i64, Int64);

impl Number for f64 {
    const HAS_NAN: bool = true;

    fn bits(self) -> u64 {
        self.to_bits()
    }

    fn append(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn bounds(values: &[f64]) -> (Option<(f64, f64)>, usize) {
        let start = (f64::INFINITY, f64::NEG_INFINITY, 0);
        let (min, max, nans) = values.iter().fold(start, |(min, max, nans), &v| {
            // Comparisons with what is no number are false.
            (if v < min { v } else { min }, if v > max { v } else { max }, nans + usize::from(v.is_nan()))
        });
        // Readers differ in whether −0 is less than 0: the bounds hold for both.
        let zero = |bound: f64, zero: f64| if bound == 0.0 { zero } else { bound };
        ((nans < values.len()).then(|| (zero(min, -0.0), zero(max, 0.0))), nans)
    }

    fn is_above(self, other: f64) -> bool {
        self > other
    }

    fn statistics(bounds: Option<(f64, f64)>, nulls: u64, nans: Option<u64>) -> Statistics {
        let (min, max) = bounds.unzip();
        Statistics::Double(
            ValueStatistics::new(min, max, None, Some(nulls), false)
                .with_nan_count(nans)
                .with_backwards_compatible_min_max(true),
        )
    }
}

/// Codes of the bits of numbers.
#[derive(Default)]
struct Codes {
    /// Of small whole numbers, such as years and counts are: by the number, the code and 1, or 0 for none.
    small: Vec<u32>,
    others: FxHashMap<u64, u32>,
}

/// So many numbers are small.
const SMALL: u64 = 4096;

impl Codes {
    /// The code of these bits, `next` if they are new.
    #[inline]
    fn code(&mut self, bits: u64, next: u32) -> u32 {
        if bits >= SMALL {
            return *self.others.entry(bits).or_insert(next);
        }
        if self.small.is_empty() {
            self.small.resize(SMALL as usize, 0);
        }
        let code = &mut self.small[bits as usize];
        if *code == 0 {
            *code = next + 1;
        }
        *code - 1
    }

    fn clear(&mut self) {
        self.small.clear();
        self.others.clear();
    }
}

/// A chunk of numbers.
pub(super) struct NumberColumn<N> {
    pages: Pages,
    /// The values of the page that is being filled.
    page: Vec<N>,
    /// While the chunk has a dictionary.
    codes: Option<Codes>,
    dictionary: Vec<N>,
    bounds: Option<(N, N)>,
    last_bounds: Option<(N, N)>,
    /// Once there are values.
    nans: Option<u64>,
    page_codes: Vec<u32>,
}

impl<N: Number> NumberColumn<N> {
    pub(super) fn new(pages: Pages) -> Self {
        NumberColumn {
            pages,
            page: Vec::new(),
            codes: Some(Codes::default()),
            dictionary: Vec::new(),
            bounds: None,
            last_bounds: None,
            nans: None,
            page_codes: Vec::new(),
        }
    }

    pub(super) fn append<T: ArrowPrimitiveType<Native = N>>(
        &mut self,
        array: &PrimitiveArray<T>,
    ) -> Result<()> {
        let mut from = 0;
        while from < array.len() {
            let to = array.len().min(from + self.pages.room());
            let values = &array.values()[from..to];
            match array.nulls().filter(|nulls| nulls.null_count() > 0) {
                None => {
                    self.pages.valid().append_n(to - from, true);
                    self.page.extend_from_slice(values);
                }
                Some(nulls) => {
                    let nulls = nulls.slice(from, to - from);
                    self.pages.valid().append_buffer(nulls.inner());
                    self.page.extend(nulls.valid_indices().map(|row| values[row]));
                }
            }
            if self.pages.room() == 0 {
                self.end_page()?;
            }
            from = to;
        }
        Ok(())
    }

    fn end_page(&mut self) -> Result<()> {
        let (bounds, nans) = N::bounds(&self.page);
        let values = |encoding| PageValues {
            encoding,
            bounds: bounds.map(|bounds| column_bounds(bounds, self.last_bounds)),
            nans: N::HAS_NAN.then_some(nans as i64),
            text_bytes: None,
        };
        if let Some(codes) = &mut self.codes {
            self.page_codes.clear();
            for &value in &self.page {
                let next = self.dictionary.len() as u32;
                let code = codes.code(value.bits(), next);
                if code == next {
                    self.dictionary.push(value);
                }
                self.page_codes.push(code);
            }
            if self.pages.is_first()
                && !is_repetitive(self.dictionary.len(), self.page.len())
                && !self.page.is_empty()
            {
                self.dictionary.clear();
                self.codes = None;
            }
        }
        match &self.codes {
            Some(_) => {
                let width = hybrid::bit_width(self.dictionary.len());
                self.pages.end_page(values(Encoding::RLE_DICTIONARY), |out| {
                    out.push(width);
                    hybrid::encode(&self.page_codes, width, out);
                })?;
                if self.dictionary.len() * size_of::<N>() >= PAGE_BYTES {
                    self.codes = None;
                }
            }
            None => self.pages.end_page(values(Encoding::PLAIN), |out| {
                self.page.iter().for_each(|value| value.append(out));
            })?,
        }
        if !self.page.is_empty() {
            *self.nans.get_or_insert(0) += nans as u64;
        }
        self.page.clear();
        if let Some((min, max)) = bounds {
            self.last_bounds = Some((min, max));
            let (low, high) = self.bounds.unwrap_or((min, max));
            self.bounds = Some((
                if low.is_above(min) { min } else { low },
                if max.is_above(high) { max } else { high },
            ));
        }
        Ok(())
    }

    pub(super) fn bytes(&self) -> usize {
        self.pages.bytes()
    }

    pub(super) fn finish(&mut self) -> Result<EncodedColumn> {
        if !self.pages.valid().is_empty() {
            self.end_page()?;
        }
        let mut dictionary = Vec::new();
        self.dictionary.iter().for_each(|value| value.append(&mut dictionary));
        let has_dictionary = self.codes.is_some() || !self.dictionary.is_empty();
        let dictionary = has_dictionary.then_some((dictionary, self.dictionary.len()));
        let (bounds, nans) = (self.bounds, self.nans);
        let encoded = self.pages.finish(dictionary, |nulls| N::statistics(bounds, nulls, nans));
        self.dictionary.clear();
        self.codes.get_or_insert_default().clear();
        (self.bounds, self.last_bounds, self.nans) = (None, None, None);
        encoded
    }
}

fn column_bounds<N: Number>((min, max): (N, N), last: Option<(N, N)>) -> Bounds {
    let bytes = |value: N| {
        let mut bytes = Vec::new();
        value.append(&mut bytes);
        bytes
    };
    let (low, high) = last.unwrap_or((min, max));
    Bounds {
        min: bytes(min),
        max: bytes(max),
        ascends: !low.is_above(min) && !high.is_above(max),
        descends: !min.is_above(low) && !max.is_above(high),
    }
}
