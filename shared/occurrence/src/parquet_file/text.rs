//! Columns of texts.

use arrow::array::{Array, DictionaryArray, StringArray};
use arrow::datatypes::Int32Type;
use parquet::basic::Encoding;
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::file::statistics::{Statistics, ValueStatistics};

use super::chunk::{Bounds, EncodedColumn, PAGE_BYTES, PageValues, Pages, is_repetitive};
use super::hybrid;
use super::texts::{Texts, is_same};

/// Bytes of a bound in statistics and column index; longer ones are cut.
const BOUND_BYTES: usize = 64;
/// What a source's code stands for: not looked up yet, or null; else a code of the dictionary.
const UNKNOWN: u32 = u32::MAX;
const NULL: u32 = u32::MAX - 1;

/// A chunk of texts.
pub(super) struct TextColumn {
    pages: Pages,
    /// The texts of the chunk, also after it went on without a dictionary.
    dictionary: Texts,
    /// How often each text of the dictionary was met while a page is looked over, in four parts; and those that were.
    met: Vec<[u32; 4]>,
    distinct: Vec<u32>,
    /// What is needed of each text of the dictionary to find the bounds of a page.
    heads: Vec<Head>,
    has_dictionary: bool,
    /// The values of the page that is being filled: codes of the dictionary, or else texts as the format has them.
    codes: Vec<u32>,
    plain: Vec<u8>,
    /// Which of the rows that are being appended have a text, a bit each.
    valid: Vec<u8>,
    /// By source, for each of its codes the code of the dictionary.
    known: Vec<Vec<u32>>,
    /// Of the dictionary that came last the entries, and for each the code of our dictionary.
    entries: Option<(StringArray, Vec<u32>)>,
    bounds: Option<(String, String)>,
    last_bounds: Option<(String, String)>,
}

impl TextColumn {
    pub(super) fn new(pages: Pages) -> Self {
        TextColumn {
            pages,
            dictionary: Texts::default(),
            met: Vec::new(),
            distinct: Vec::new(),
            heads: Vec::new(),
            has_dictionary: true,
            codes: Vec::new(),
            plain: Vec::new(),
            valid: Vec::new(),
            known: Vec::new(),
            entries: None,
            bounds: None,
            last_bounds: None,
        }
    }

    pub(super) fn append(&mut self, array: &StringArray) -> Result<()> {
        let mut last: Option<(u32, &str)> = None;
        for row in 0..array.len() {
            let text = array.is_valid(row).then(|| array.value(row));
            let is_full = match text {
                None => false,
                Some(text) if self.has_dictionary => {
                    let code = match last {
                        Some((code, same)) if same == text => code,
                        _ => self.dictionary.code(text),
                    };
                    last = Some((code, text));
                    self.codes.push(code);
                    self.is_dictionary_full()
                }
                Some(text) => self.push_plain(text),
            };
            self.pages.valid().append(text.is_some());
            if is_full || self.pages.room() == 0 {
                self.end_page()?;
            }
        }
        Ok(())
    }

    /// Appends texts by codes: `table` has for each code that of its text, or [`NO_TEXT`](super::NO_TEXT) for null. Codes of one
    /// `source` keep their meaning until the chunk is finished.
    pub(super) fn append_coded(
        &mut self,
        source: usize,
        codes: &[u32],
        table: &[u32],
        texts: &Texts,
    ) -> Result<()> {
        if self.known.len() <= source {
            self.known.resize_with(source + 1, Vec::new);
        }
        let mut known = std::mem::take(&mut self.known[source]);
        known.resize(table.len(), UNKNOWN);
        let appended = self.append_known(codes, &mut known, |code| texts.optional(table[code as usize]));
        self.known[source] = known;
        appended
    }

    /// Appends texts that come with a dictionary.
    pub(super) fn append_dictionary(
        &mut self,
        array: &DictionaryArray<Int32Type>,
        entries: &StringArray,
    ) -> Result<()> {
        let null = entries.len();
        let mut known = match self.entries.take() {
            Some((last, known)) if is_same(&last, entries) => known,
            _ => vec![UNKNOWN; null + 1],
        };
        let codes: Vec<u32> = match array.nulls() {
            None => array.keys().values().iter().map(|&key| key as u32).collect(),
            Some(_) => array.keys().iter().map(|key| key.map_or(null, |key| key as usize) as u32).collect(),
        };
        let text = |code: u32| {
            let entry = code as usize;
            (entry < null && entries.is_valid(entry)).then(|| entries.value(entry))
        };
        let appended = self.append_known(&codes, &mut known, text);
        self.entries = Some((entries.clone(), known));
        appended
    }

    /// Appends the texts of codes; `known` has for each code that of the dictionary, once it is looked up.
    fn append_known<'t>(
        &mut self,
        codes: &[u32],
        known: &mut [u32],
        text: impl Fn(u32) -> Option<&'t str>,
    ) -> Result<()> {
        let mut from = 0;
        while from < codes.len() {
            let to = codes.len().min(from + self.pages.room());
            let is_full = if self.has_dictionary {
                self.push_codes(&codes[from..to], known, &text)
            } else {
                self.push_texts(&codes[from..to], &text)
            };
            from += is_full.unwrap_or(to - from);
            if is_full.is_some() || self.pages.room() == 0 {
                self.end_page()?;
            }
        }
        Ok(())
    }

    /// Appends to a page with codes; answers after how many of them the dictionary was full.
    fn push_codes<'t>(
        &mut self,
        codes: &[u32],
        known: &mut [u32],
        text: impl Fn(u32) -> Option<&'t str>,
    ) -> Option<usize> {
        if self.push_known(codes, known) {
            return None;
        }
        let mut full_after = None;
        for (row, &code) in codes.iter().enumerate() {
            if known[code as usize] == UNKNOWN {
                let own = text(code).map_or(NULL, |text| self.dictionary.code(text));
                known[code as usize] = own;
                if own != NULL && self.is_dictionary_full() {
                    full_after = Some(row + 1);
                    break;
                }
            }
        }
        self.push_known(&codes[..full_after.unwrap_or(codes.len())], known);
        full_after
    }

    /// Appends to a page with codes, if all of them are known.
    fn push_known(&mut self, codes: &[u32], known: &[u32]) -> bool {
        let before = self.codes.len();
        self.codes.extend(codes.iter().map(|&code| known[code as usize]));
        let own = &mut self.codes[before..];
        // What is no code is greater than all codes.
        let greatest = own.iter().fold(0, |greatest, &code| greatest.max(code));
        if greatest < NULL {
            self.pages.valid().append_n(codes.len(), true);
            return true;
        }
        if own.contains(&UNKNOWN) {
            self.codes.truncate(before);
            return false;
        }
        self.valid.clear();
        let mut count = 0;
        for from in (0..own.len()).step_by(64) {
            let mut valid = 0u64;
            for row in 0..64.min(own.len() - from) {
                // Written always, and kept unless it is null: no branch to guess wrong.
                let code = own[from + row];
                own[count] = code;
                count += usize::from(code != NULL);
                valid |= u64::from(code != NULL) << row;
            }
            self.valid.extend_from_slice(&valid.to_le_bytes());
        }
        self.codes.truncate(before + count);
        self.pages.valid().append_packed_range(0..codes.len(), &self.valid);
        true
    }

    /// Appends to a page of plain texts; answers after how many of them it was full.
    fn push_texts<'t>(&mut self, codes: &[u32], text: impl Fn(u32) -> Option<&'t str>) -> Option<usize> {
        for (row, &code) in codes.iter().enumerate() {
            let text = text(code);
            self.pages.valid().append(text.is_some());
            if text.is_some_and(|text| self.push_plain(text)) {
                return Some(row + 1);
            }
        }
        None
    }

    fn push_plain(&mut self, text: &str) -> bool {
        push(&mut self.plain, text);
        self.plain.len() >= PAGE_BYTES
    }

    fn is_dictionary_full(&self) -> bool {
        self.dictionary.bytes() + 4 * self.dictionary.len() >= PAGE_BYTES
    }

    fn end_page(&mut self) -> Result<()> {
        if self.has_dictionary
            && self.pages.is_first()
            && !is_repetitive(self.dictionary.len(), self.codes.len())
        {
            for &code in &self.codes {
                push(&mut self.plain, self.dictionary.text(code));
            }
            self.forget_dictionary();
        }
        if self.has_dictionary {
            self.end_coded_page()?
        } else {
            self.end_plain_page()?
        }
        if self.has_dictionary && self.is_dictionary_full() {
            self.has_dictionary = false;
        }
        self.codes.clear();
        self.plain.clear();
        Ok(())
    }

    fn forget_dictionary(&mut self) {
        self.has_dictionary = false;
        self.dictionary.clear();
        self.codes.clear();
    }

    /// Counts how often each text of the dictionary is in the page, and which are.
    fn look_over(&mut self) {
        self.met.resize(self.dictionary.len(), [0; 4]);
        self.distinct.clear();
        if self.dictionary.len() > self.codes.len() / 4 {
            for &code in &self.codes {
                let [met, ..] = &mut self.met[code as usize];
                if *met == 0 {
                    self.distinct.push(code);
                }
                *met += 1;
            }
            return;
        }
        // Few texts, which often follow themselves: a count need not wait for the one before.
        let (fours, rest) = self.codes.as_chunks::<4>();
        for codes in fours {
            for (lane, &code) in codes.iter().enumerate() {
                self.met[code as usize][lane] += 1;
            }
        }
        rest.iter().for_each(|&code| self.met[code as usize][0] += 1);
        let met = (0..).zip(&self.met).filter(|(_, met)| **met != [0; 4]);
        self.distinct.extend(met.map(|(code, _)| code));
    }

    fn end_coded_page(&mut self) -> Result<()> {
        self.look_over();
        for code in self.heads.len()..self.dictionary.len() {
            self.heads.push(Head::of(self.dictionary.text(code as u32)));
        }
        let (mut text_bytes, mut least, mut greatest) = (0, u64::MAX, 0);
        for &code in &self.distinct {
            let head = self.heads[code as usize];
            let met: u32 = std::mem::take(&mut self.met[code as usize]).iter().sum();
            text_bytes += head.length as usize * met as usize;
            (least, greatest) = (least.min(head.bytes), greatest.max(head.bytes));
        }
        let (heads, distinct, dictionary) = (&self.heads, &self.distinct, &self.dictionary);
        let with_head = |bytes: u64| {
            let codes = distinct.iter().filter(move |&&code| heads[code as usize].bytes == bytes);
            codes.map(|&code| dictionary.text(code))
        };
        let bounds = with_head(least).min().zip(with_head(greatest).max());
        let page_bounds = bounds.map(|bounds| page_bounds(bounds, &mut self.bounds, &mut self.last_bounds));
        let width = hybrid::bit_width(self.dictionary.len());
        let values = PageValues {
            encoding: Encoding::RLE_DICTIONARY,
            bounds: page_bounds,
            nans: None,
            text_bytes: Some(text_bytes as i64),
        };
        self.pages.end_page(values, |out| {
            out.push(width);
            hybrid::encode(&self.codes, width, out);
        })
    }

    fn end_plain_page(&mut self) -> Result<()> {
        let mut count = 0;
        let mut bounds: Option<(&[u8], &[u8])> = None;
        let mut rest = &self.plain[..];
        while let Some((length, after)) = rest.split_first_chunk() {
            let (text, after) = after.split_at(u32::from_le_bytes(*length) as usize);
            let (min, max) = bounds.unwrap_or((text, text));
            bounds = Some((min.min(text), max.max(text)));
            count += 1;
            rest = after;
        }
        let bounds = bounds.map(|(min, max)| {
            let text = |bytes| str::from_utf8(bytes).expect("only texts were put in");
            page_bounds((text(min), text(max)), &mut self.bounds, &mut self.last_bounds)
        });
        let text_bytes = Some((self.plain.len() - 4 * count) as i64);
        let values = PageValues { encoding: Encoding::PLAIN, bounds, nans: None, text_bytes };
        self.pages.end_page(values, |out| out.extend_from_slice(&self.plain))
    }

    pub(super) fn bytes(&self) -> usize {
        self.pages.bytes() + self.dictionary.bytes()
    }

    pub(super) fn finish(&mut self) -> Result<EncodedColumn> {
        if !self.pages.valid().is_empty() {
            self.end_page()?;
        }
        let mut dictionary = Vec::new();
        self.dictionary.iter().for_each(|text| push(&mut dictionary, text));
        let has_dictionary = self.has_dictionary || !self.dictionary.is_empty();
        let dictionary = has_dictionary.then_some((dictionary, self.dictionary.len()));
        let bounds = self.bounds.take();
        let encoded = self.pages.finish(dictionary, |nulls| statistics(bounds, nulls));
        self.dictionary.clear();
        self.met.clear();
        self.heads.clear();
        (self.has_dictionary, self.last_bounds) = (true, None);
        self.known.iter_mut().for_each(Vec::clear);
        self.entries = None;
        encoded
    }
}

/// The beginning of a text, which most texts differ in, and its length in bytes.
#[derive(Clone, Copy)]
struct Head {
    /// The first eight bytes, the first one highest: heads are in the order of their texts.
    bytes: u64,
    length: u32,
}

impl Head {
    fn of(text: &str) -> Head {
        let mut bytes = [0; 8];
        let length = text.len().min(8);
        bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        Head { bytes: u64::from_be_bytes(bytes), length: text.len() as u32 }
    }
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// The bounds of a page, and with them those of the chunk and of the last page.
fn page_bounds(
    (min, max): (&str, &str),
    chunk: &mut Option<(String, String)>,
    last: &mut Option<(String, String)>,
) -> Bounds {
    let (ascends, descends) = match last {
        None => (true, true),
        Some((low, high)) => (&**low <= min && &**high <= max, min <= &**low && max <= &**high),
    };
    match chunk {
        None => *chunk = Some((min.to_owned(), max.to_owned())),
        Some((low, high)) => {
            if min < &**low {
                *low = min.to_owned();
            }
            if max > &**high {
                *high = max.to_owned();
            }
        }
    }
    *last = Some((min.to_owned(), max.to_owned()));
    Bounds { min: lower_bound(min).0.into(), max: upper_bound(max).0.into(), ascends, descends }
}

fn statistics(bounds: Option<(String, String)>, nulls: u64) -> Statistics {
    let Some((min, max)) = bounds else {
        return Statistics::ByteArray(ValueStatistics::new(None, None, None, Some(nulls), false));
    };
    let ((min, min_is_exact), (max, max_is_exact)) = (lower_bound(&min), upper_bound(&max));
    let bytes = |text: String| Some(ByteArray::from(text.into_bytes()));
    Statistics::ByteArray(
        ValueStatistics::new(bytes(min), bytes(max), None, Some(nulls), false)
            .with_min_is_exact(min_is_exact)
            .with_max_is_exact(max_is_exact),
    )
}

/// The text, or a short one that is not above it; whether it is the text itself.
fn lower_bound(text: &str) -> (String, bool) {
    let short = &text[..text.floor_char_boundary(BOUND_BYTES)];
    (short.to_owned(), short.len() == text.len())
}

/// The text, or a short one that is not below it; whether it is the text itself.
fn upper_bound(text: &str) -> (String, bool) {
    let short = &text[..text.floor_char_boundary(BOUND_BYTES)];
    if short.len() == text.len() {
        return (text.to_owned(), true);
    }
    // The last character that has a next one of the same length is raised, what follows it is left out.
    for (place, character) in short.char_indices().rev() {
        let next = char::from_u32(character as u32 + 1);
        if let Some(next) = next.filter(|next| next.len_utf8() == character.len_utf8()) {
            return (format!("{}{next}", &short[..place]), false);
        }
    }
    (text.to_owned(), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_cut_between_characters() {
        let long = "é".repeat(40);
        assert_eq!(lower_bound(&long), ("é".repeat(32), false));
        assert_eq!(upper_bound(&long), (format!("{}ê", "é".repeat(31)), false));
        let highest = char::MAX.to_string().repeat(20);
        assert_eq!(upper_bound(&highest), (highest.clone(), true));
        assert_eq!((lower_bound("ab"), upper_bound("ab")), (("ab".into(), true), ("ab".into(), true)));
    }
}
