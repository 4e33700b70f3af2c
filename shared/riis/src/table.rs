//! The register as a file: versions 1 and 2 of the master list and the resolved form of either.

use bisonflow_contract::Checklist;
use csv::StringRecord;

use crate::assessment::Assessment;
use crate::error::RiisError;
use crate::region::RiisRegion;

/// One row, as far as it matters here.
pub(crate) struct Row<'a> {
    /// Where it begins; the header is line 1.
    pub(crate) line: u64,
    pub(crate) region: RiisRegion,
    pub(crate) assessment: Assessment,
    pub(crate) occurrence_id: &'a str,
    /// `None` when the cell is blank or there is no such column.
    pub(crate) scientific_name: Option<&'a str>,
    /// `None` when the cell is blank or `0`.
    pub(crate) key: Option<&'a str>,
    /// What column `checklist` says about the key.
    pub(crate) checklist: Option<Checklist>,
}

/// The columns that we read, by position.
struct Columns {
    key: usize,
    locality: usize,
    assessment: usize,
    occurrence_id: usize,
    scientific_name: Option<usize>,
    checklist: Option<usize>,
    is_resolved: bool,
}

/// A register whose header is understood.
pub(crate) struct Table<'a> {
    name: &'a str,
    text: &'a [u8],
    reader: csv::Reader<&'a [u8]>,
    columns: Columns,
    assessment_column: String,
}

impl<'a> Table<'a> {
    /// Reads the header. A byte order mark is skipped.
    pub(crate) fn open(name: &'a str, bytes: &'a [u8]) -> Result<Table<'a>, RiisError> {
        let text = text_of(name, bytes)?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let header =
            reader.headers().map_err(|source| RiisError::Csv { register: name.into(), source })?.clone();
        let columns = Columns::find(name, &header)?;
        let assessment_column = header[columns.assessment].to_string();
        Ok(Table { name, text: text.as_bytes(), reader, columns, assessment_column })
    }

    /// Whether the keys are those of a resolved register.
    pub(crate) fn is_resolved(&self) -> bool {
        self.columns.is_resolved
    }

    /// Calls `each` with every row.
    pub(crate) fn for_each(
        mut self,
        mut each: impl FnMut(Row<'_>) -> Result<(), RiisError>,
    ) -> Result<(), RiisError> {
        let mut record = StringRecord::new();
        while self
            .reader
            .read_record(&mut record)
            .map_err(|source| RiisError::Csv { register: self.name.into(), source })?
        {
            each(self.row(&record)?)?;
        }
        Ok(())
    }

    /// The line that a row begins on. The reader counts the line break before it as part of it, where that is of
    /// two bytes.
    fn line(&self, record: &StringRecord) -> u64 {
        let Some(position) = record.position() else { return 0 };
        let begin = usize::try_from(position.byte()).ok();
        let breaks = begin.and_then(|begin| self.text.get(begin..)).unwrap_or_default();
        let breaks =
            breaks.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|&&byte| byte == b'\n');
        position.line() + breaks.count() as u64
    }

    fn row<'r>(&self, record: &'r StringRecord) -> Result<Row<'r>, RiisError> {
        let register = || self.name.to_string();
        let line = self.line(record);
        let locality = &record[self.columns.locality];
        let region = RiisRegion::from_locality(locality).ok_or_else(|| RiisError::UnknownLocality {
            register: register(),
            line,
            found: locality.into(),
        })?;
        let status = &record[self.columns.assessment];
        let assessment = Assessment::from_register(status).ok_or_else(|| RiisError::UnknownStatus {
            register: register(),
            line,
            column: self.assessment_column.clone(),
            found: status.into(),
        })?;
        let occurrence_id = &record[self.columns.occurrence_id];
        if occurrence_id.is_empty() {
            return Err(RiisError::BlankOccurrenceId { register: register(), line });
        }
        let key = crate::register::key(Some(&record[self.columns.key]));
        let checklist = self.columns.checklist.map(|column| &record[column]).filter(|cell| !cell.is_empty());
        let checklist = checklist.map(|cell| Checklist::from(cell.to_string()));
        let is_backbone = checklist.as_ref().is_none_or(Checklist::is_backbone);
        if let Some(key) = key.filter(|key| is_backbone && !key.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(RiisError::NoBackboneKey { register: register(), line, found: key.into() });
        }
        let name = self.columns.scientific_name.map(|column| &record[column]);
        let scientific_name = name.filter(|name| !name.is_empty());
        Ok(Row { line, region, assessment, occurrence_id, scientific_name, key, checklist })
    }
}

impl Columns {
    fn find(register: &str, header: &StringRecord) -> Result<Columns, RiisError> {
        let position = |name: &str| find_column(header, name);
        let first_of = |purpose, names: &[&str]| {
            names.iter().find_map(|name| position(name)).ok_or_else(|| RiisError::NoColumn {
                register: register.into(),
                purpose,
                expected: names.join(" or "),
                found: header.iter().collect::<Vec<_>>().join(", "),
            })
        };
        let resolved = position("gbif_res_taxonkey");
        Ok(Columns {
            key: first_of("key", &["gbif_res_taxonkey", "GBIF_taxonKey"])?,
            locality: first_of("locality", &["locality"])?,
            assessment: first_of("assessment", &["degreeOfEstablishment", "Introduced or Invasive"])?,
            occurrence_id: first_of("id", &["occurrenceID"])?,
            scientific_name: position("scientificName"),
            checklist: resolved.and_then(|_| position("checklist")),
            is_resolved: resolved.is_some(),
        })
    }
}

/// The register's text without its byte order mark; it is not empty.
pub(crate) fn text_of<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, RiisError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line_breaks = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        RiisError::NotUtf8 { register: name.into(), line: line_breaks as u64 + 1 }
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(RiisError::Empty { register: name.into() });
    }
    Ok(text)
}

/// The position of the column of this name.
pub(crate) fn find_column(header: &StringRecord, name: &str) -> Option<usize> {
    header.iter().position(|column| is_called(column.trim(), name))
}

/// Whether a column has this name; version 1 writes spaces where version 2 writes underscores.
pub(crate) fn is_called(column: &str, name: &str) -> bool {
    let fold = |byte: u8| if byte == b' ' { b'_' } else { byte.to_ascii_lowercase() };
    column.bytes().map(fold).eq(name.bytes().map(fold))
}
