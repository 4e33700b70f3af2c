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

/// What was kept aside of a part of the source, and counted.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// Whether somebody wants the text, too.
    keep: bool,
    lines: String,
    pub(super) unparsed: BTreeMap<String, u64>,
    pub(super) rejected: u64,
}

impl Aside {
    /// Nothing yet; the texts are kept if somebody wants them.
    pub(super) fn new(keep: bool) -> Self {
        Aside { keep, ..Aside::default() }
    }

    /// A row that is no record.
    pub(super) fn row(&mut self, at: At<'_>, reason: &str, text: &[u8]) {
        self.rejected += 1;
        self.line("rejected", at, "", reason, text);
    }

    /// A value that does not parse to its column's type.
    pub(super) fn value(&mut self, at: At<'_>, column: &str, text: &str) {
        match self.unparsed.get_mut(column) {
            Some(count) => *count += 1,
            None => drop(self.unparsed.insert(column.to_owned(), 1)),
        }
        self.line("unparsed", at, column, "does not parse to the column's type", text.as_bytes());
    }

    fn line(&mut self, kind: &str, at: At<'_>, column: &str, reason: &str, text: &[u8]) {
        if !self.keep {
            return;
        }
        let lines = &mut self.lines;
        // Writing to a string does not fail.
        let _ = write!(lines, "{kind}\t{}\t", at.line);
        if let Some(offset) = at.byte_offset {
            let _ = write!(lines, "{offset}");
        }
        lines.push('\t');
        escape(at.gbifid.as_bytes(), lines);
        lines.push('\t');
        escape(column.as_bytes(), lines);
        lines.push('\t');
        lines.push_str(reason);
        lines.push('\t');
        escape(&text[..text.len().min(KEPT_BYTES)], lines);
        lines.push('\n');
    }
}

/// Writes what is kept aside as tab-separated lines, and sums it up.
pub(super) struct Rejects {
    out: Option<Box<dyn Write + Send>>,
    place: Place,
    headed: bool,
    all: Aside,
}

impl Rejects {
    pub(super) fn new(place: Place) -> Self {
        Rejects { out: None, place, headed: false, all: Aside::default() }
    }

    pub(super) fn write_to(&mut self, out: Box<dyn Write + Send>) {
        self.out = Some(out);
        self.headed = false;
    }

    /// Whether somebody wants the texts.
    pub(super) fn keeps_text(&self) -> bool {
        self.out.is_some()
    }

    /// Takes in the next part's.
    pub(super) fn add(&mut self, part: Aside) -> Result<(), OccurrenceError> {
        self.all.rejected += part.rejected;
        for (column, count) in part.unparsed {
            *self.all.unparsed.entry(column).or_default() += count;
        }
        if self.all.lines.is_empty() {
            self.all.lines = part.lines;
        } else {
            self.all.lines.push_str(&part.lines);
        }
        if self.all.lines.len() < BUFFER_BYTES { Ok(()) } else { self.write(false) }
    }

    /// Writes out what is left.
    pub(super) fn finish(&mut self) -> Result<(), OccurrenceError> {
        self.write(true)
    }

    /// How many rows were rejected, and how many values did not parse, by column.
    pub(super) fn counts(self) -> (u64, BTreeMap<String, u64>) {
        (self.all.rejected, self.all.unparsed)
    }

    fn write(&mut self, flush: bool) -> Result<(), OccurrenceError> {
        let Some(out) = &mut self.out else { return Ok(()) };
        let header = if self.headed { "" } else { HEADER };
        self.headed = true;
        out.write_all(header.as_bytes())
            .and_then(|()| out.write_all(self.all.lines.as_bytes()))
            .and_then(|()| if flush { out.flush() } else { Ok(()) })
            .map_err(|error| OccurrenceError::io(self.place.clone(), "writing the rejects", error))?;
        self.all.lines.clear();
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
