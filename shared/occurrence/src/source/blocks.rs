//! A text cut at line ends into blocks, in bounded memory.

use std::io::{self, Read};
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

/// Longest row that is read, bytes. Cells with outlines of areas (`footprintWKT`) do reach megabytes.
pub(super) const MAX_LINE_BYTES: usize = 64 << 20;
/// How much of a longer row is kept, to tell which it was.
pub(super) const KEPT_BYTES: usize = 4096;
/// A block and what is read from it fit into a core's own cache.
pub(super) const BLOCK_BYTES: usize = 256 << 10;
/// Buffers that wait for their next use.
const SPARE_BUFFERS: usize = 64;

/// Whole lines, one after the other as they stand in the text.
#[derive(Debug)]
pub(super) struct Block {
    buffer: Arc<Buffer>,
    start: usize,
    end: usize,
    /// How many lines it holds.
    pub(super) lines: usize,
    /// Of its first line, from 1.
    pub(super) first_line: u64,
    /// Of its first byte, in the text.
    pub(super) byte_offset: u64,
    /// It is the beginning of one line that is longer than the limit.
    pub(super) over_long: bool,
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer.bytes[self.start..self.end]
    }
}

/// Bytes that go back to where they came from once nobody needs them.
#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        // What a very long line needed is not kept.
        if spare.len() < SPARE_BUFFERS && self.bytes.len() <= 2 * BLOCK_BYTES {
            spare.push(std::mem::take(&mut self.bytes));
        }
    }
}

/// Cuts a text at LF.
pub(super) struct Blocks<R> {
    reader: R,
    block_bytes: usize,
    line_limit: usize,
    buffer: Arc<Buffer>,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
    /// What is not yet given out: `buffer[start..end]`, the first `searched` bytes of it without LF.
    start: usize,
    end: usize,
    searched: usize,
    /// Of `buffer[start]`, in the text.
    byte_offset: u64,
    lines_given: u64,
    at_end: bool,
    failure: Option<io::Error>,
}

impl<R: Read> Blocks<R> {
    pub(super) fn new(reader: R, block_bytes: usize, line_limit: usize) -> Self {
        Blocks {
            reader,
            block_bytes: block_bytes.max(1),
            line_limit,
            buffer: Arc::default(),
            spare: Arc::default(),
            start: 0,
            end: 0,
            searched: 0,
            byte_offset: 0,
            lines_given: 0,
            at_end: false,
            failure: None,
        }
    }

    pub(super) fn into_reader(self) -> R {
        self.reader
    }

    /// The number of the line that comes next, from 1.
    pub(super) fn next_line(&self) -> u64 {
        self.lines_given + 1
    }

    /// The next lines, at most `max_lines` (≥ 1) of them; none at the end. An empty line at the very end of the
    /// text is no line.
    ///
    /// Lines that are whole when reading fails are given out before the failure is.
    pub(super) fn next(&mut self, max_lines: usize) -> io::Result<Option<Block>> {
        loop {
            let unread = &self.buffer.bytes[self.start..self.end];
            if let Some((mut length, mut lines)) = whole_lines(unread, self.searched, max_lines) {
                if length == unread.len() && last_is_blank(unread) {
                    if !self.at_end && self.failure.is_none() {
                        self.fill();
                        continue;
                    }
                    if self.at_end {
                        length = unread.strip_suffix(b"\n").map_or(0, last_line_start);
                        lines -= 1;
                        self.end = self.start + length;
                        if lines == 0 {
                            return Ok(None);
                        }
                    }
                }
                return Ok(Some(self.give(length, lines)));
            }
            self.searched = unread.len();
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if self.at_end {
                let last = unread.len();
                return Ok((last > 0 && unread != b"\r").then(|| self.give(last, 1)));
            }
            if unread.len() > self.line_limit {
                return self.give_over_long().map(Some);
            }
            self.fill();
        }
    }

    fn give(&mut self, length: usize, lines: usize) -> Block {
        let block = Block {
            buffer: Arc::clone(&self.buffer),
            start: self.start,
            end: self.start + length,
            lines,
            first_line: self.lines_given + 1,
            byte_offset: self.byte_offset,
            over_long: false,
        };
        self.pass(length);
        self.lines_given += lines as u64;
        block
    }

    fn pass(&mut self, length: usize) {
        self.start += length;
        self.byte_offset += length as u64;
        self.searched = 0;
    }

    /// Keeps the beginning of the line and leaves out the rest, up to and with its end.
    fn give_over_long(&mut self) -> io::Result<Block> {
        let kept = KEPT_BYTES.min(self.line_limit).min(self.end - self.start);
        let bytes = self.buffer.bytes[self.start..self.start + kept].to_vec();
        let block = Block {
            buffer: Arc::new(Buffer { bytes, spare: Arc::default() }),
            start: 0,
            end: kept,
            lines: 1,
            first_line: self.lines_given + 1,
            byte_offset: self.byte_offset,
            over_long: true,
        };
        loop {
            let unread = &self.buffer.bytes[self.start..self.end];
            let found = memchr::memchr(b'\n', unread);
            self.pass(found.map_or(unread.len(), |found| found + 1));
            if found.is_some() || self.at_end {
                break;
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            self.fill();
        }
        self.lines_given += 1;
        Ok(block)
    }

    /// Reads until the buffer is full, behind what is not yet given out.
    fn fill(&mut self) {
        let unread = self.start..self.end;
        let wanted = if unread.len() * 2 > self.block_bytes { unread.len() * 2 } else { self.block_bytes };
        if let Some(buffer) = Arc::get_mut(&mut self.buffer)
            && (1..=wanted).contains(&buffer.bytes.len())
        {
            buffer.bytes.copy_within(unread, 0);
            buffer.bytes.resize(wanted, 0);
        } else {
            let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut bytes = spare.unwrap_or_default();
            if bytes.len() != wanted {
                bytes = vec![0; wanted];
            }
            bytes[..unread.len()].copy_from_slice(&self.buffer.bytes[unread]);
            self.buffer = Arc::new(Buffer { bytes, spare: Arc::clone(&self.spare) });
        }
        (self.start, self.end) = (0, self.end - self.start);
        let buffer = Arc::get_mut(&mut self.buffer).expect("nobody else has the buffer that was just made");
        while self.end < buffer.bytes.len() && !self.at_end {
            match self.reader.read(&mut buffer.bytes[self.end..]) {
                Ok(read) => {
                    self.end += read;
                    self.at_end = read == 0;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure = Some(error);
                    return;
                }
            }
        }
    }
}

/// The length of the whole lines in `text` and their number, at most `max_lines`; none when there is no whole
/// line. The first `searched` bytes hold no LF.
fn whole_lines(text: &[u8], searched: usize, max_lines: usize) -> Option<(usize, usize)> {
    let rest = &text[searched..];
    let last = memchr::memrchr(b'\n', rest)?;
    let lines = memchr::memchr_iter(b'\n', &rest[..last]).count() + 1;
    if lines <= max_lines {
        return Some((searched + last + 1, lines));
    }
    let last = memchr::memchr_iter(b'\n', rest).nth(max_lines.max(1) - 1)?;
    Some((searched + last + 1, max_lines.max(1)))
}

/// Where the last line of a text without its last LF begins.
fn last_line_start(text: &[u8]) -> usize {
    memchr::memrchr(b'\n', text).map_or(0, |end| end + 1)
}

/// Whether the last line, LF and CR left out, is empty.
fn last_is_blank(text: &[u8]) -> bool {
    let Some(text) = text.strip_suffix(b"\n") else { return false };
    matches!(&text[last_line_start(text)..], b"" | b"\r")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

    use super::*;

    /// Gives few bytes at a time, as a network does, and fails at the end when it shall.
    struct Trickle<'a>(&'a [u8], usize, bool);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(buffer.len()).min(self.0.len());
            if length == 0 && self.2 {
                return Err(io::Error::other("gone"));
            }
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    /// Of every line: its number, its offset, whether it is over-long, its bytes without LF.
    type Line = (u64, u64, bool, Vec<u8>);

    fn lines_of(block: &Block) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut offset = block.byte_offset;
        for (number, line) in (block.first_line..).zip(block.split_inclusive(|&byte| byte == b'\n')) {
            let bytes = line.strip_suffix(b"\n").unwrap_or(line);
            lines.push((
                number,
                offset,
                block.over_long,
                bytes.strip_suffix(b"\r").unwrap_or(bytes).to_vec(),
            ));
            offset += line.len() as u64;
        }
        assert_eq!(lines.len(), block.lines);
        lines
    }

    fn read(text: &[u8], step: usize, limit: usize, max_lines: usize) -> Vec<Line> {
        let mut blocks = Blocks::new(Trickle(text, step, false), 16, limit);
        let mut held = Vec::new();
        while let Some(block) = blocks.next(max_lines).unwrap() {
            assert!((1..=max_lines).contains(&block.lines));
            held.push(block);
        }
        held.iter().flat_map(lines_of).collect()
    }

    #[test]
    fn lines_end_with_lf_or_crlf_or_the_text() {
        let found = read(b"ab\ncd\r\n\nlast", 3, 100, 2);
        let expected: Vec<Line> = vec![
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
            let found = read(&text, step, 50, 3);
            assert_eq!(found.len(), 3, "{step}");
            assert_eq!((found[1].0, found[1].1, found[1].2, found[1].3.len()), (2, 2, true, 50));
            assert_eq!(found[2], (3, 1003, false, b"b".to_vec()));
        }
    }

    #[test]
    fn whole_lines_come_before_the_failure() {
        let mut blocks = Blocks::new(Trickle(b"a\nb\nhalf", 3, true), 16, 100);
        assert_eq!(blocks.next(10).unwrap().unwrap().lines, 2);
        assert_eq!(blocks.next_line(), 3);
        assert_eq!(blocks.next(10).unwrap_err().to_string(), "gone");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn any_text_splits_as_str_does(
            text in "[ab\\n\\r\u{e9}]{0,120}",
            step in 1usize..40,
            max_lines in 1usize..9,
        ) {
            let found = read(text.as_bytes(), step, 1000, max_lines);
            let mut expected: Vec<Vec<u8>> = text
                .split_inclusive('\n')
                .map(|line| line.strip_suffix('\n').unwrap_or(line))
                .map(|line| line.strip_suffix('\r').unwrap_or(line).as_bytes().to_vec())
                .collect();
            if expected.last().is_some_and(Vec::is_empty) {
                expected.pop();
            }
            let cells: Vec<Vec<u8>> = found.iter().map(|line| line.3.clone()).collect();
            prop_assert_eq!(cells, expected);
            prop_assert!(found.iter().all(|line| text.as_bytes()[line.1 as usize..].starts_with(&line.3)));
        }
    }
}
