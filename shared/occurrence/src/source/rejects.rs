//! What is kept aside: rows that are no record, and values that do not parse to their type.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use crate::{OccurrenceError, Place};

/// Longest text that is kept of one row or value.
const KEPT_BYTES: usize = 1 << 20;
const BUFFER_BYTES: usize = 1 << 16;
const HEADER: &str = "kind\tline\tbyte_offset\tgbifid\tcolumn\treason\ttext\n";

/// A row or value of the source.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    /// From 1, the header; in a Parquet source the row, counted likewise.
    pub(super) line: u64,
    /// Of the line's start in the inflated text.
    pub(super) byte_offset: Option<u64>,
    pub(super) gbifid: &'a str,
}

/// Writes what is kept aside as tab-separated lines, and counts it.
pub(super) struct Rejects {
    out: Option<Box<dyn Write + Send>>,
    place: Place,
    headed: bool,
    buffer: String,
    pub(super) unparsed: BTreeMap<String, u64>,
    pub(super) rejected: u64,
}

impl Rejects {
    pub(super) fn new(place: Place) -> Self {
        let buffer = String::new();
        Rejects { out: None, place, headed: false, buffer, unparsed: BTreeMap::new(), rejected: 0 }
    }

    pub(super) fn write_to(&mut self, out: Box<dyn Write + Send>) {
        self.out = Some(out);
        self.headed = false;
    }

    /// A row that is no record.
    pub(super) fn row(&mut self, at: At<'_>, reason: &str, text: &[u8]) -> Result<(), OccurrenceError> {
        self.rejected += 1;
        self.line("rejected", at, "", reason, text)
    }

    /// A value that does not parse to its column's type.
    pub(super) fn value(&mut self, at: At<'_>, column: &str, text: &str) -> Result<(), OccurrenceError> {
        match self.unparsed.get_mut(column) {
            Some(count) => *count += 1,
            None => drop(self.unparsed.insert(column.to_owned(), 1)),
        }
        self.line("unparsed", at, column, "does not parse to the column's type", text.as_bytes())
    }

    /// Writes out what is left.
    pub(super) fn finish(&mut self) -> Result<(), OccurrenceError> {
        self.write(true)
    }

    fn line(
        &mut self,
        kind: &str,
        at: At<'_>,
        column: &str,
        reason: &str,
        text: &[u8],
    ) -> Result<(), OccurrenceError> {
        if self.out.is_none() {
            return Ok(());
        }
        self.buffer.push_str(kind);
        // Writing to a string does not fail.
        let _ = write!(self.buffer, "\t{}\t", at.line);
        if let Some(offset) = at.byte_offset {
            let _ = write!(self.buffer, "{offset}");
        }
        self.buffer.push('\t');
        escape(at.gbifid.as_bytes(), &mut self.buffer);
        self.buffer.push('\t');
        escape(column.as_bytes(), &mut self.buffer);
        self.buffer.push('\t');
        self.buffer.push_str(reason);
        self.buffer.push('\t');
        escape(&text[..text.len().min(KEPT_BYTES)], &mut self.buffer);
        self.buffer.push('\n');
        if self.buffer.len() < BUFFER_BYTES { Ok(()) } else { self.write(false) }
    }

    fn write(&mut self, flush: bool) -> Result<(), OccurrenceError> {
        let Some(out) = &mut self.out else { return Ok(()) };
        let header = if self.headed { "" } else { HEADER };
        self.headed = true;
        out.write_all(header.as_bytes())
            .and_then(|()| out.write_all(self.buffer.as_bytes()))
            .and_then(|()| if flush { out.flush() } else { Ok(()) })
            .map_err(|error| OccurrenceError::io(self.place.clone(), "writing the rejects", error))?;
        self.buffer.clear();
        Ok(())
    }
}

/// Text that keeps a table whole: tab, newline, carriage return and backslash as `\t`, `\n`, `\r`, `\\`,
/// bytes that are no UTF-8 as `\xNN`.
fn escape(text: &[u8], out: &mut String) {
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\t' => out.push_str("\\t"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\\' => out.push_str("\\\\"),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_stay_within_their_cell() {
        let mut text = String::new();
        escape(b"a\tb\nc\rd\\e\xff\xc3\xa9", &mut text);
        assert_eq!(text, "a\\tb\\nc\\rd\\\\e\\xff\u{e9}");
    }
}
