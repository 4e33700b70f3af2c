//! Lines of a text of any length, in bounded memory.

use std::io::{self, Read};

/// Longest row that is read, bytes. Cells with outlines of areas (`footprintWKT`) do reach megabytes.
pub(super) const MAX_LINE_BYTES: usize = 64 << 20;
/// How much of a longer row is kept, to tell which it was.
const KEPT_BYTES: usize = 4096;
const BUFFER_BYTES: usize = 1 << 20;

/// A line, without its end; the bytes are in [`Lines::bytes`] until the next one is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    start: usize,
    end: usize,
    /// From 1.
    pub(super) number: u64,
    /// Of its first byte, in the text.
    pub(super) byte_offset: u64,
    /// Longer than the limit: only its beginning is there.
    pub(super) over_long: bool,
}

/// Splits a text at LF; a CR before it is taken off.
pub(super) struct Lines<R> {
    reader: R,
    limit: usize,
    buffer: Vec<u8>,
    /// What is not yet given out: `buffer[start..end]`, the first `searched` bytes of it without LF.
    start: usize,
    end: usize,
    searched: usize,
    /// Of `buffer[start]`, in the text.
    byte_offset: u64,
    number: u64,
    at_end: bool,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Lines::with_limit(reader, BUFFER_BYTES, MAX_LINE_BYTES)
    }

    fn with_limit(reader: R, buffer: usize, limit: usize) -> Self {
        Lines {
            reader,
            limit,
            buffer: vec![0; buffer],
            start: 0,
            end: 0,
            searched: 0,
            byte_offset: 0,
            number: 0,
            at_end: false,
        }
    }

    pub(super) fn reader(&self) -> &R {
        &self.reader
    }

    /// The bytes of the line given out last.
    pub(super) fn bytes(&self, line: &Line) -> &[u8] {
        &self.buffer[line.start..line.end]
    }

    /// Whether nothing follows the line given out last.
    pub(super) fn is_last(&mut self) -> io::Result<bool> {
        // Reading on would move the line's bytes; an empty line has none.
        while self.start == self.end && !self.at_end {
            self.start = 0;
            self.end = 0;
            self.fill()?;
        }
        Ok(self.start == self.end)
    }

    /// The next line.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(found) = memchr::memchr(b'\n', &unread[self.searched..]) {
                let length = self.searched + found;
                return Ok(Some(self.give(length, 1)));
            }
            let length = unread.len();
            self.searched = length;
            if self.at_end {
                return Ok((length > 0).then(|| self.give(length, 0)));
            }
            if length > self.limit {
                return self.give_over_long().map(Some);
            }
            self.make_room();
            self.fill()?;
        }
    }

    fn give(&mut self, length: usize, end_bytes: usize) -> Line {
        let (start, mut end) = (self.start, self.start + length);
        if end > start && self.buffer[end - 1] == b'\r' {
            end -= 1;
        }
        self.number += 1;
        let over_long = length > self.limit;
        if over_long {
            end = start + KEPT_BYTES.min(self.limit);
        }
        let line = Line { start, end, number: self.number, byte_offset: self.byte_offset, over_long };
        self.start += length + end_bytes;
        self.byte_offset += (length + end_bytes) as u64;
        self.searched = 0;
        line
    }

    /// Keeps the beginning of the line and leaves out the rest, up to and with its end.
    fn give_over_long(&mut self) -> io::Result<Line> {
        let kept = KEPT_BYTES.min(self.limit).min(self.end - self.start);
        self.buffer.copy_within(self.start..self.start + kept, 0);
        let byte_offset = self.byte_offset;
        let mut passed = (self.end - self.start) as u64;
        loop {
            (self.start, self.end) = (kept, kept);
            self.fill()?;
            let unread = &self.buffer[kept..self.end];
            if let Some(found) = memchr::memchr(b'\n', unread) {
                self.start = kept + found + 1;
                passed += found as u64 + 1;
                break;
            }
            passed += unread.len() as u64;
            if self.at_end {
                self.start = self.end;
                break;
            }
        }
        self.number += 1;
        self.byte_offset += passed;
        self.searched = 0;
        Ok(Line { start: 0, end: kept, number: self.number, byte_offset, over_long: true })
    }

    fn make_room(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let read = loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.end += read;
        self.at_end = read == 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};

    use super::*;

    /// Gives few bytes at a time, as a network does.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(buffer.len()).min(self.0.len());
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    fn read(text: &[u8], step: usize, limit: usize) -> Vec<(u64, u64, bool, Vec<u8>)> {
        let mut lines = Lines::with_limit(Trickle(text, step), 16, limit);
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push((line.number, line.byte_offset, line.over_long, lines.bytes(&line).to_vec()));
        }
        found
    }

    #[test]
    fn lines_end_with_lf_or_crlf_or_the_text() {
        let found = read(b"ab\ncd\r\n\nlast", 3, 100);
        let expected: Vec<(u64, u64, bool, Vec<u8>)> = vec![
            (1, 0, false, b"ab".into()),
            (2, 3, false, b"cd".into()),
            (3, 7, false, b"".into()),
            (4, 8, false, b"last".into()),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_over_long_line_is_cut_and_the_next_is_found() {
        let text = [&b"a\n"[..], &[b'x'; 1000], b"\nb\n"].concat();
        for step in [1, 7, 5000] {
            let found = read(&text, step, 50);
            assert_eq!(found.len(), 3, "{step}");
            assert_eq!((found[1].0, found[1].1, found[1].2, found[1].3.len()), (2, 2, true, 50));
            assert_eq!(found[2], (3, 1003, false, b"b".to_vec()));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_splits_as_str_does(text in "[ab\\n\u{e9}]{0,120}", step in 1usize..40) {
            let found: Vec<Vec<u8>> = read(text.as_bytes(), step, 1000).into_iter().map(|line| line.3).collect();
            let expected: Vec<Vec<u8>> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
