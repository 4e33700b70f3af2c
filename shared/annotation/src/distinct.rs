//! What records say in a few columns, numbered: a record is compared with the last one of the same key, and only what
//! is new is looked up.

use std::borrow::Cow;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Int32Type};
use bisonflow_contract::StepError;
use bisonflow_occurrence::parquet_file::{NO_TEXT, Texts, is_same};
use rustc_hash::FxHashMap;

/// The entry of null, in no dictionary.
const NULL: i32 = -1;

/// The distinct combinations of texts in `N` columns, the first of which is the key: taxa, datasets.
pub(crate) struct Distinct<const N: usize> {
    names: [&'static str; N],
    /// The texts of each column.
    pub(crate) texts: [Texts; N],
    /// By column, the code of each combination.
    pub(crate) codes: [Vec<u32>; N],
    known: FxHashMap<[u32; N], u32>,
    /// By the code of the key, the combination that was met last; that without a key apart.
    last: Vec<u32>,
    last_without_key: Option<u32>,
    /// Of each column that came with a dictionary the one that came last, and the codes of its entries.
    dictionaries: [Option<(StringArray, Vec<u32>)>; N],
    /// While all columns keep their dictionaries: by the entry of the key, the record that came last; null comes last.
    records: Vec<Met<N>>,
}

/// A record: the entries of its columns in their dictionaries, and its number.
#[derive(Clone, Copy)]
struct Met<const N: usize> {
    entries: [i32; N],
    number: u32,
}

impl<const N: usize> Distinct<N> {
    /// Nothing met yet in the columns of these names.
    pub(crate) fn new(names: [&'static str; N]) -> Self {
        Distinct {
            names,
            texts: std::array::from_fn(|_| Texts::default()),
            codes: std::array::from_fn(|_| Vec::new()),
            known: FxHashMap::default(),
            last: Vec::new(),
            last_without_key: None,
            dictionaries: std::array::from_fn(|_| None),
            records: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.codes[0].len()
    }

    /// A combination's text in one of the columns.
    pub(crate) fn text(&self, number: u32, column: usize) -> Option<&str> {
        self.texts[column].optional(self.codes[column][number as usize])
    }

    /// Appends the number of each record's combination.
    pub(crate) fn number(&mut self, batch: &RecordBatch, numbers: &mut Vec<u32>) -> Result<(), StepError> {
        let mut columns = Vec::with_capacity(N);
        let mut is_new = false;
        for (place, name) in self.names.into_iter().enumerate() {
            let last = self.dictionaries[place].take();
            let (column, has_changed) =
                Column::new(name, batch.column_by_name(name), &mut self.texts[place], last)?;
            is_new |= has_changed;
            columns.push(column);
        }
        if columns.iter().all(|column| !matches!(column, Column::Plain(_))) {
            self.number_coded(batch.num_rows(), &columns, is_new, numbers);
        } else {
            numbers.extend((0..batch.num_rows()).map(|row| self.by_texts(&columns, row)));
        }
        for (column, dictionary) in columns.into_iter().zip(&mut self.dictionaries) {
            if let Column::Coded { entries, codes, .. } = column {
                *dictionary = Some((entries.clone(), codes));
            }
        }
        Ok(())
    }

    fn number_coded(&mut self, rows: usize, columns: &[Column<'_>], is_new: bool, numbers: &mut Vec<u32>) {
        if is_new || self.records.is_empty() {
            let none = Met { entries: [i32::MIN; N], number: NO_TEXT };
            self.records.clear();
            self.records.resize(columns[0].entry_count() + 1, none);
        }
        let entries: Vec<Cow<'_, [i32]>> = columns.iter().map(|column| column.entries(rows)).collect();
        let null = self.records.len() - 1;
        for row in 0..rows {
            let entries: [i32; N] = std::array::from_fn(|column| entries[column][row]);
            let place = if entries[0] == NULL { null } else { entries[0] as usize };
            let met = self.records[place];
            if met.entries == entries {
                numbers.push(met.number);
                continue;
            }
            let number = self.by_codes(std::array::from_fn(|column| columns[column].code(entries[column])));
            self.records[place] = Met { entries, number };
            numbers.push(number);
        }
    }

    fn by_codes(&mut self, codes: [u32; N]) -> u32 {
        if let Some(last) = self.last(codes[0])
            && (1..N).all(|column| self.codes[column][last as usize] == codes[column])
        {
            return last;
        }
        self.look_up(codes)
    }

    fn by_texts(&mut self, columns: &[Column<'_>], row: usize) -> u32 {
        let key = columns[0].text(row).map_or(NO_TEXT, |text| self.texts[0].code(text));
        if let Some(last) = self.last(key)
            && (1..N).all(|column| self.text(last, column) == columns[column].text(row))
        {
            return last;
        }
        let mut codes = [key; N];
        for (place, column) in columns.iter().enumerate().skip(1) {
            codes[place] = column.text(row).map_or(NO_TEXT, |text| self.texts[place].code(text));
        }
        self.look_up(codes)
    }

    fn last(&self, key: u32) -> Option<u32> {
        if key == NO_TEXT {
            return self.last_without_key;
        }
        self.last.get(key as usize).copied().filter(|&number| number != NO_TEXT)
    }

    #[cold]
    fn look_up(&mut self, codes: [u32; N]) -> u32 {
        let next = u32::try_from(self.len()).expect("fewer combinations than u32 can number");
        let number = *self.known.entry(codes).or_insert(next);
        if number == next {
            for (column, code) in self.codes.iter_mut().zip(codes) {
                column.push(code);
            }
        }
        if codes[0] == NO_TEXT {
            self.last_without_key = Some(number);
        } else {
            self.last.resize(self.texts[0].len(), NO_TEXT);
            self.last[codes[0] as usize] = number;
        }
        number
    }
}

/// A column of texts.
enum Column<'a> {
    /// It is not there: null.
    Absent,
    Plain(&'a StringArray),
    /// With a dictionary, and the code of each of its entries.
    Coded {
        array: &'a DictionaryArray<Int32Type>,
        entries: &'a StringArray,
        codes: Vec<u32>,
    },
}

impl<'a> Column<'a> {
    /// The column, and whether its dictionary is another than the last one.
    fn new(
        name: &str,
        array: Option<&'a ArrayRef>,
        texts: &mut Texts,
        last: Option<(StringArray, Vec<u32>)>,
    ) -> Result<(Column<'a>, bool), StepError> {
        let Some(array) = array else { return Ok((Column::Absent, last.is_some())) };
        if let Some(array) = array.as_string_opt::<i32>() {
            return Ok((Column::Plain(array), true));
        }
        let dictionary = array.as_dictionary_opt::<Int32Type>();
        let with_texts = dictionary.and_then(|array| Some((array, array.values().as_string_opt::<i32>()?)));
        let Some((array, entries)) = with_texts else {
            return Err(crate::wrong_type(name, &DataType::Utf8, array.data_type()));
        };
        let (codes, is_new) = match last {
            Some((last, codes)) if is_same(&last, entries) => (codes, false),
            _ => {
                let code = |entry: Option<&str>| entry.map_or(NO_TEXT, |text| texts.code(text));
                (entries.iter().map(code).collect(), true)
            }
        };
        Ok((Column::Coded { array, entries, codes }, is_new))
    }

    /// How many entries its dictionary has.
    fn entry_count(&self) -> usize {
        match self {
            Column::Coded { entries, .. } => entries.len(),
            Column::Absent | Column::Plain(_) => 0,
        }
    }

    /// The entry of each record in the dictionary, or [`NULL`].
    fn entries(&self, rows: usize) -> Cow<'a, [i32]> {
        match self {
            Column::Coded { array, .. } if array.null_count() == 0 => Cow::Borrowed(array.keys().values()),
            Column::Coded { array, .. } => {
                Cow::Owned(array.keys().iter().map(|key| key.unwrap_or(NULL)).collect())
            }
            Column::Absent | Column::Plain(_) => Cow::Owned(vec![NULL; rows]),
        }
    }

    /// The code of an entry; not of a plain column.
    fn code(&self, entry: i32) -> u32 {
        match self {
            Column::Coded { codes, .. } if entry != NULL => codes[entry as usize],
            _ => NO_TEXT,
        }
    }

    fn text(&self, row: usize) -> Option<&'a str> {
        match self {
            Column::Plain(array) => array.is_valid(row).then(|| array.value(row)),
            Column::Coded { array, entries, .. } if array.is_valid(row) => {
                let entry = array.keys().value(row) as usize;
                entries.is_valid(entry).then(|| entries.value(entry))
            }
            _ => None,
        }
    }
}
