//! The register as a sheet of rows: what is asked about each, with every cell as it was.

use std::collections::HashMap;

use csv::StringRecord;

use super::decision::Finding;
use super::query::NameQuery;
use crate::error::RiisError;
use crate::table::{Table, find_column, is_called, text_of};

/// The columns that resolving adds, in their order; those of an earlier resolving are replaced.
pub(super) const ADDED: [&str; 6] = [
    "gbif_res_taxonkey",
    "gbif_res_scientificName",
    "gbif_res_matchType",
    "gbif_res_confidence",
    "gbif_res_finding",
    "checklist",
];

/// A register, version 1 or 2, as published or resolved before, to be resolved.
pub struct Sheet {
    pub(super) has_byte_order_mark: bool,
    /// The header and rows without the columns that resolving adds.
    pub(super) header: StringRecord,
    pub(super) rows: Vec<StringRecord>,
    pub(super) columns: Columns,
    /// Of each row: the position of its question in `queries`, or why there is none.
    pub(super) asked: Vec<Result<usize, Finding>>,
    pub(super) queries: Vec<NameQuery>,
}

/// Positions in the header.
pub(super) struct Columns {
    pub(super) occurrence_id: usize,
    pub(super) locality: usize,
    pub(super) name: usize,
    pub(super) authorship: Option<usize>,
    pub(super) rank: usize,
    pub(super) kingdom: usize,
}

impl Sheet {
    /// Reads a register. `name` is what error messages call it.
    ///
    /// # Errors
    /// A [`RiisError`] as of [`crate::Register::read`]: an unknown status or locality, a row without id; besides
    /// for a missing column of name, rank or kingdom.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Sheet, RiisError> {
        Table::open(name, bytes)?.for_each(|_| Ok(()))?;
        let text = text_of(name, bytes)?;
        let csv_error = |source| RiisError::Csv { register: name.into(), source };
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let whole = reader.headers().map_err(csv_error)?.clone();
        let keep: Vec<bool> =
            whole.iter().map(|column| !ADDED.iter().any(|added| is_called(column.trim(), added))).collect();
        let kept = |record: &StringRecord| -> StringRecord {
            record.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(cell, _)| cell).collect()
        };
        let header = kept(&whole);
        let columns = Columns::find(name, &header)?;
        let mut rows = Vec::new();
        for record in reader.records() {
            rows.push(kept(&record.map_err(csv_error)?));
        }
        if rows.is_empty() {
            return Err(RiisError::Empty { register: name.into() });
        }
        let has_byte_order_mark = text.len() < bytes.len();
        let mut sheet =
            Sheet { has_byte_order_mark, header, rows, columns, asked: Vec::new(), queries: Vec::new() };
        sheet.ask();
        Ok(sheet)
    }

    /// The distinct questions, in the order of the rows.
    pub fn queries(&self) -> &[NameQuery] {
        &self.queries
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    fn ask(&mut self) {
        let mut positions: HashMap<NameQuery, usize> = HashMap::new();
        let columns = &self.columns;
        for row in &self.rows {
            let authorship = columns.authorship.map_or("", |column| &row[column]);
            let query =
                NameQuery::new(&row[columns.name], authorship, &row[columns.rank], &row[columns.kingdom]);
            let queries = &mut self.queries;
            self.asked.push(query.map(|query| {
                *positions.entry(query).or_insert_with_key(|query| {
                    queries.push(query.clone());
                    queries.len() - 1
                })
            }));
        }
    }
}

impl Columns {
    fn find(register: &str, header: &StringRecord) -> Result<Columns, RiisError> {
        let position = |purpose, name: &str| {
            find_column(header, name).ok_or_else(|| RiisError::NoColumn {
                register: register.into(),
                purpose,
                expected: name.into(),
                found: header.iter().collect::<Vec<_>>().join(", "),
            })
        };
        Ok(Columns {
            occurrence_id: position("id", "occurrenceID")?,
            locality: position("locality", "locality")?,
            name: position("name", "scientificName")?,
            authorship: find_column(header, "scientificNameAuthorship"),
            rank: position("rank", "taxonRank")?,
            kingdom: position("kingdom", "kingdom")?,
        })
    }
}
