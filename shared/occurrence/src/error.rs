//! What can be wrong with a source, and where.

use bisonflow_contract::StepError;
use thiserror::Error;

/// Where in a source something was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The source, as it was named to [`crate::open`].
    pub file: Box<str>,
    /// The entry of the archive.
    pub entry: Option<Box<str>>,
    /// The line, from 1 (the header), or the row of a Parquet source plus 1.
    pub line: Option<u64>,
    /// The column, lower case.
    pub column: Option<Box<str>>,
}

impl Place {
    /// The source as a whole.
    pub fn file(name: &str) -> Self {
        Place { file: name.into(), ..Place::default() }
    }

    /// This place's source, at an entry of it.
    #[must_use]
    pub fn entry(&self, name: &str) -> Self {
        Place { file: self.file.clone(), entry: Some(name.into()), line: None, column: None }
    }

    /// This place, at a line.
    #[must_use]
    pub fn line(&self, line: u64) -> Self {
        Place { line: Some(line), ..self.clone() }
    }

    /// This place, at a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Self {
        Place { column: Some(name.into()), ..self.clone() }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        if let Some(entry) = &self.entry {
            write!(f, ", entry {entry}")?;
        }
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column {column}")?;
        }
        Ok(())
    }
}

/// Why a source cannot be read. A bad row is none of these: it is counted and kept aside.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OccurrenceError {
    /// The source is not an occurrence download that we can read.
    #[error("{place}: found {found}; expected {expected}; {advice}")]
    Unsupported {
        /// Where.
        place: Place,
        /// What it is instead.
        found: String,
        /// What it should be.
        expected: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The source is an occurrence download, but damaged.
    #[error("{place}: the file is damaged: {found}; download or upload it again")]
    Corrupt {
        /// Where.
        place: Place,
        /// What does not fit.
        found: String,
    },
    /// An option does not fit the source.
    #[error("{field}: found {found}; expected {expected}")]
    Option {
        /// The field of the execution's input.
        field: &'static str,
        /// What it says.
        found: String,
        /// What it may say.
        expected: String,
    },
    /// Reading the source failed.
    #[error("{place}: {doing} failed: {error}; try again")]
    Io {
        /// Where.
        place: Place,
        /// What was being done.
        doing: &'static str,
        /// What the system says.
        error: std::io::Error,
    },
    /// Writing beside the source failed: what was kept aside, or a temporary file.
    #[error(
        "{place}: {doing} failed: {error}; make room on this machine's disk (TMPDIR), then do the same again"
    )]
    Write {
        /// Of which source.
        place: Place,
        /// What was being done.
        doing: &'static str,
        /// What the system says.
        error: std::io::Error,
    },
    /// The summary was asked for before the last batch was read: a mistake of the caller.
    #[error("{place}: the summary was asked for before the end of the source was reached")]
    Unfinished {
        /// Where.
        place: Place,
    },
}

impl OccurrenceError {
    pub(crate) fn unsupported(
        place: Place,
        found: impl Into<String>,
        expected: &'static str,
        advice: &'static str,
    ) -> Self {
        OccurrenceError::Unsupported { place, found: found.into(), expected, advice }
    }

    pub(crate) fn corrupt(place: Place, found: impl std::fmt::Display) -> Self {
        OccurrenceError::Corrupt { place, found: found.to_string() }
    }

    pub(crate) fn io(place: Place, doing: &'static str, error: std::io::Error) -> Self {
        OccurrenceError::Io { place, doing, error }
    }

    pub(crate) fn write(place: Place, doing: &'static str, error: std::io::Error) -> Self {
        OccurrenceError::Write { place, doing, error }
    }
}

impl From<OccurrenceError> for StepError {
    fn from(error: OccurrenceError) -> StepError {
        let sentence = error.to_string();
        match error {
            OccurrenceError::Unsupported { .. } => StepError::UnsupportedFormat(sentence),
            OccurrenceError::Corrupt { .. } => StepError::CorruptArchive(sentence),
            OccurrenceError::Option { .. } => StepError::InvalidInput(sentence),
            OccurrenceError::Io { .. } => StepError::SourceUnavailable(sentence),
            OccurrenceError::Write { .. } | OccurrenceError::Unfinished { .. } => {
                StepError::Internal(sentence)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_all_it_knows() {
        let place = Place::file("a.zip").entry("occurrence.txt").line(3).column("day");
        assert_eq!(place.to_string(), "a.zip, entry occurrence.txt, line 3, column day");
    }

    #[test]
    fn every_error_has_its_stable_name() {
        let place = Place::file("a.zip");
        let io = std::io::Error::other("gone");
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        for (error, name) in [
            (OccurrenceError::unsupported(place.clone(), "a", "b", "c"), "UnsupportedFormat"),
            (OccurrenceError::corrupt(place.clone(), "a"), "CorruptArchive"),
            (OccurrenceError::io(place.clone(), "reading", io), "SourceUnavailable"),
            (OccurrenceError::write(place.clone(), "writing", full), "Internal"),
            (OccurrenceError::Unfinished { place }, "Internal"),
        ] {
            let step = StepError::from(error);
            assert_eq!(step.name().as_str(), name);
            assert!(step.to_string().contains("a.zip"), "{step}");
        }
    }
}
