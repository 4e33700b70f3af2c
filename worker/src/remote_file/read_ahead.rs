//! A remote file as `Read + Seek` that is fetched ahead of its reader.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use bisonflow_contract::StepError;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::{RemoteFile, Trouble};
use crate::stop::Stop;

/// What is asked for first, bytes: enough for a zip's directory, little for who looks at a few places only.
const FIRST_BYTES: u64 = 256 << 10;
/// What is asked for at once by who reads on and on, bytes: one request's latency is small beside it.
const MOST_BYTES: u64 = 8 << 20;
/// Ranges on their way, or here and waiting. More than this and a window is never in memory.
const AHEAD: usize = 4;

/// A range that is fetched.
type Fetching = JoinHandle<Result<Bytes, Trouble>>;

/// Reads a [`RemoteFile`]. Who reads on gets ever longer ranges, several of which are on their way meanwhile; who seeks
/// begins with a short one. Memory is bounded by five ranges of 8 MiB.
///
/// Requests run on a runtime, so that this must not be used on one of its threads.
#[derive(Debug)]
pub struct ReadAhead {
    file: Arc<RemoteFile>,
    handle: Handle,
    stop: Stop,
    position: u64,
    window: Bytes,
    window_start: u64,
    ahead: VecDeque<(Range<u64>, Fetching)>,
    /// How much the next range that is asked for has.
    step: u64,
}

impl ReadAhead {
    /// A reader at the start of the file; waiting for a range ends when it is told to stop.
    pub fn new(file: Arc<RemoteFile>, handle: Handle, stop: Stop) -> Self {
        ReadAhead {
            file,
            handle,
            stop,
            position: 0,
            window: Bytes::new(),
            window_start: 0,
            ahead: VecDeque::new(),
            step: FIRST_BYTES,
        }
    }

    fn window_end(&self) -> u64 {
        self.window_start + self.window.len() as u64
    }

    /// Fetches the window that holds the position, which lies before the end of the file.
    fn fill(&mut self) -> io::Result<()> {
        let reads_on = self.position == self.window_end() && !self.window.is_empty();
        if reads_on {
            self.step = (self.step * 2).min(MOST_BYTES);
        } else {
            self.forget_ahead();
            self.step = FIRST_BYTES;
        }
        if self.ahead.front().is_none_or(|(range, _)| range.start != self.position) {
            self.forget_ahead();
            // Who reads the end of a file will soon want what stands before.
            let last = self.file.bytes().saturating_sub(FIRST_BYTES);
            self.ask_from(if reads_on { self.position } else { self.position.min(last) });
        }
        while reads_on && self.ahead.len() < AHEAD {
            let next = self.ahead.back().map_or(self.position, |(range, _)| range.end);
            if next >= self.file.bytes() {
                break;
            }
            self.ask_from(next);
        }
        let Some((range, mut task)) = self.ahead.pop_front() else { return Ok(()) };
        let content = self.handle.block_on(async {
            tokio::select! {
                why = self.stop.told() => Err(io::Error::other(why)),
                content = &mut task => content.map_err(io::Error::other),
            }
        });
        task.abort();
        let content = content?;
        self.window = content.map_err(|trouble| io::Error::other(StepError::from(trouble)))?;
        self.window_start = range.start;
        Ok(())
    }

    fn ask_from(&mut self, start: u64) {
        let range = start..(start + self.step).min(self.file.bytes());
        let (file, of_file) = (Arc::clone(&self.file), range.clone());
        self.ahead.push_back((range, self.handle.spawn(async move { file.range(of_file).await })));
    }

    fn forget_ahead(&mut self) {
        for (_, task) in self.ahead.drain(..) {
            task.abort();
        }
    }
}

impl Read for ReadAhead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.file.bytes() || buffer.is_empty() {
            return Ok(0);
        }
        if !(self.window_start..self.window_end()).contains(&self.position) {
            self.fill()?;
        }
        let here = &self.window[(self.position - self.window_start) as usize..];
        let count = here.len().min(buffer.len());
        buffer[..count].copy_from_slice(&here[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for ReadAhead {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.file.bytes().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a position before the file's start")
        })?;
        Ok(self.position)
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        self.forget_ahead();
    }
}
