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

/// Why a blank line is no record, by itself and when others follow it: so a text of nothing but newlines leaves a line,
/// not one for each of them.
pub(super) const BLANK: &str = "blank line";
const BLANKS: &str = "blank lines";

/// Blank lines one after the other.
#[derive(Debug)]
struct BlankLines {
    first: u64,
    byte_offset: Option<u64>,
    count: u64,
}

impl BlankLines {
    /// Whether the other ones begin where these end; if so, they are taken in.
    fn take_in(&mut self, next: &BlankLines) -> bool {
        let follow = self.first + self.count == next.first;
        self.count += if follow { next.count } else { 0 };
        follow
    }

    fn write(self, lines: &mut String) {
        let at = At { line: self.first, byte_offset: self.byte_offset, gbifid: "" };
        match self.count {
            1 => write_line(lines, "rejected", at, "", BLANK, b""),
            count => write_line(lines, "rejected", at, "", BLANKS, count.to_string().as_bytes()),
        }
    }
}

/// What was kept aside of a part of the source, and counted.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// Whether somebody wants the text, too.
    keep: bool,
    /// The first of what was kept, if it is blank lines: they may go on from the part before.
    begins: Option<BlankLines>,
    lines: String,
    /// The last of what was kept, if it is blank lines and not all there is: they may go on in the part after.
    ends: Option<BlankLines>,
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
        if reason == BLANK && self.keep {
            self.blank(BlankLines { first: at.line, byte_offset: at.byte_offset, count: 1 });
        } else {
            self.line("rejected", at, "", reason, text);
        }
    }

    fn blank(&mut self, blank: BlankLines) {
        let nothing_after = self.lines.is_empty() && self.ends.is_none();
        let last = if nothing_after { &mut self.begins } else { &mut self.ends };
        if last.as_mut().is_some_and(|last| last.take_in(&blank)) {
            return;
        }
        if nothing_after && self.begins.is_none() {
            self.begins = Some(blank);
        } else {
            self.end_with(Some(blank));
        }
    }

    /// Writes the blank lines that came last, since others or something else came after them.
    fn end_with(&mut self, next: Option<BlankLines>) {
        if let Some(ended) = std::mem::replace(&mut self.ends, next) {
            ended.write(&mut self.lines);
        }
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
        self.end_with(None);
        write_line(&mut self.lines, kind, at, column, reason, text);
    }
}

fn write_line(lines: &mut String, kind: &str, at: At<'_>, column: &str, reason: &str, text: &[u8]) {
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
        if let Some(blank) = part.begins
            && !self.all.ends.as_mut().is_some_and(|last| last.take_in(&blank))
        {
            self.all.end_with(Some(blank));
        }
        if !part.lines.is_empty() || part.ends.is_some() {
            self.all.end_with(None);
            self.all.lines.push_str(&part.lines);
            self.all.ends = part.ends;
        }
        if self.all.lines.len() < BUFFER_BYTES { Ok(()) } else { self.write(false) }
    }

    /// Writes out what is left.
    pub(super) fn finish(&mut self) -> Result<(), OccurrenceError> {
        self.all.end_with(None);
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
            .map_err(|error| OccurrenceError::write(self.place.clone(), "writing the rejects", error))?;
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
