//! What records say in a few columns, numbered: a record is compared with the last one of the same key, and only what
//! is new is looked up.

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Int32Type};
use bisonflow_contract::StepError;
use bisonflow_occurrence::parquet_file::{NO_TEXT, Texts, is_same};
use rustc_hash::FxHashMap;

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
        for (place, name) in self.names.into_iter().enumerate() {
            let last = self.dictionaries[place].take();
            columns.push(Column::new(name, batch.column_by_name(name), &mut self.texts[place], last)?);
        }
        let are_coded = columns.iter().all(|column| !matches!(column, Column::Plain(_)));
        for row in 0..batch.num_rows() {
            let number = if are_coded { self.by_codes(&columns, row) } else { self.by_texts(&columns, row) };
            numbers.push(number);
        }
        for (column, dictionary) in columns.into_iter().zip(&mut self.dictionaries) {
            if let Column::Coded { entries, codes, .. } = column {
                *dictionary = Some((entries.clone(), codes));
            }
        }
        Ok(())
    }

    fn by_codes(&mut self, columns: &[Column<'_>], row: usize) -> u32 {
        let mut codes = [NO_TEXT; N];
        for (code, column) in codes.iter_mut().zip(columns) {
            *code = column.code(row);
        }
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
    fn new(
        name: &str,
        array: Option<&'a ArrayRef>,
        texts: &mut Texts,
        last: Option<(StringArray, Vec<u32>)>,
    ) -> Result<Column<'a>, StepError> {
        let Some(array) = array else { return Ok(Column::Absent) };
        if let Some(array) = array.as_string_opt::<i32>() {
            return Ok(Column::Plain(array));
        }
        let dictionary = array.as_dictionary_opt::<Int32Type>();
        let with_texts = dictionary.and_then(|array| Some((array, array.values().as_string_opt::<i32>()?)));
        let Some((array, entries)) = with_texts else {
            return Err(crate::wrong_type(name, &DataType::Utf8, array.data_type()));
        };
        let codes = match last {
            Some((last, codes)) if is_same(&last, entries) => codes,
            _ => entries.iter().map(|entry| entry.map_or(NO_TEXT, |text| texts.code(text))).collect(),
        };
        Ok(Column::Coded { array, entries, codes })
    }

    /// The code of a record; not of a plain column.
    fn code(&self, row: usize) -> u32 {
        match self {
            Column::Coded { array, codes, .. } if array.is_valid(row) => {
                codes[array.keys().value(row) as usize]
            }
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
