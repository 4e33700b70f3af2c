//! Reading a few column chunks of a file side by side, each in pieces that do not grow with it.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::errors::Result;
use parquet::file::reader::{ChunkReader, Length};

/// Bytes that are read ahead of a chunk: a request's latency is small beside it.
const WINDOW_BYTES: u64 = 4 << 20;

/// A file of which some chunks are read; clones share what was read ahead.
pub(crate) struct Windows<R>(Arc<Inner<R>>);

struct Inner<R> {
    file: Arc<R>,
    chunks: Vec<Window>,
}

/// What is in memory of one chunk.
struct Window {
    range: Range<u64>,
    read: Mutex<(u64, Bytes)>,
}

impl<R: ChunkReader> Windows<R> {
    pub(crate) fn new(file: &Arc<R>, chunks: impl Iterator<Item = (u64, u64)>) -> Self {
        let window =
            |(start, length)| Window { range: start..start + length, read: Mutex::new((0, Bytes::new())) };
        Windows(Arc::new(Inner { file: Arc::clone(file), chunks: chunks.map(window).collect() }))
    }

    fn bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let end = start + length as u64;
        let Inner { file, chunks } = &*self.0;
        let Some(chunk) = chunks.iter().find(|chunk| chunk.range.contains(&start) && end <= chunk.range.end)
        else {
            return file.get_bytes(start, length);
        };
        let mut read = chunk.read.lock().unwrap_or_else(PoisonError::into_inner);
        let (from, bytes) = &*read;
        if start < *from || end > from + bytes.len() as u64 {
            let until = end.max((start + WINDOW_BYTES).min(chunk.range.end));
            *read = (start, file.get_bytes(start, (until - start) as usize)?);
        }
        let (from, bytes) = &*read;
        let at = (start - from) as usize;
        Ok(bytes.slice(at..at + length))
    }
}

impl<R> Clone for Windows<R> {
    fn clone(&self) -> Self {
        Windows(Arc::clone(&self.0))
    }
}

impl<R: ChunkReader> Length for Windows<R> {
    fn len(&self) -> u64 {
        self.0.file.len()
    }
}

impl<R: ChunkReader> ChunkReader for Windows<R> {
    type T = WindowRead<R>;

    fn get_read(&self, start: u64) -> Result<WindowRead<R>> {
        Ok(WindowRead { windows: self.clone(), position: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.bytes(start, length)
    }
}

/// Reads on from a position.
pub(crate) struct WindowRead<R> {
    windows: Windows<R>,
    position: u64,
}

impl<R: ChunkReader> Read for WindowRead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let chunks = &self.windows.0.chunks;
        let chunk = chunks.iter().find(|chunk| chunk.range.contains(&self.position));
        let end = chunk.map_or(self.windows.len(), |chunk| chunk.range.end);
        let count = buffer.len().min(end.saturating_sub(self.position) as usize);
        let bytes = self.windows.bytes(self.position, count).map_err(io::Error::other)?;
        buffer[..count].copy_from_slice(&bytes);
        self.position += count as u64;
        Ok(count)
    }
}
