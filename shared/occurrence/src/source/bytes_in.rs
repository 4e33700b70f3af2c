//! Bytes of the source: one shared reader with many positions, and the entry that is read, hashed and checked.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bisonflow_contract::document::HashedBytes;
use bytes::Bytes;
use flate2::bufread::DeflateDecoder;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};
use sha2::{Digest, Sha256};

use crate::{OccurrenceError, Place};

/// What [`crate::open`] reads from.
trait Input: Read + Seek + Send {}
impl<T: Read + Seek + Send> Input for T {}

struct Shared {
    input: Box<dyn Input>,
    /// Where the input stands, so that reading on needs no seek; none after an error.
    at: Option<u64>,
    /// The first failure of the input itself, as opposed to content that makes no sense.
    failure: Option<(io::ErrorKind, String)>,
}

/// The source, at a position of its own; clones share the reader.
#[derive(Clone)]
pub(super) struct Source {
    shared: Arc<Mutex<Shared>>,
    position: u64,
    bytes: u64,
}

impl Source {
    /// The source; `bytes` is its length.
    pub(super) fn new(input: impl Read + Seek + Send + 'static, bytes: u64) -> Self {
        let shared = Shared { input: Box::new(input), at: None, failure: None };
        Source { shared: Arc::new(Mutex::new(shared)), position: 0, bytes }
    }

    pub(super) fn length(&self) -> u64 {
        self.bytes
    }

    /// The same source, at `position`.
    pub(super) fn at(&self, position: u64) -> Source {
        Source { shared: Arc::clone(&self.shared), position, bytes: self.bytes }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error of something that went wrong while reading: the input's own failure if it had one, else
    /// damaged content, described by `found`.
    pub(super) fn explain(&self, place: Place, found: impl std::fmt::Display) -> OccurrenceError {
        match &self.lock().failure {
            Some((kind, text)) => OccurrenceError::io(place, "reading", io::Error::new(*kind, text.clone())),
            None => OccurrenceError::corrupt(place, found),
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let left = usize::try_from(self.bytes.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let length = left.min(buffer.len());
        if length == 0 {
            return Ok(0);
        }
        let result = match shared.at.take() {
            Some(at) if at == self.position => Ok(at),
            _ => shared.input.seek(SeekFrom::Start(self.position)),
        }
        .and_then(|_| shared.input.read(&mut buffer[..length]));
        match result {
            Ok(read) => {
                self.position += read as u64;
                shared.at = Some(self.position);
            }
            Err(ref error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(ref error) => {
                shared.failure.get_or_insert((error.kind(), error.to_string()));
            }
        }
        result
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.bytes.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| io::Error::other("seek before the start"))?;
        Ok(self.position)
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Source {
    type T = BufReader<Source>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::new(self.at(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        // A damaged footer may ask for more than there is: never reserve that much.
        if start.checked_add(length as u64).is_none_or(|end| end > self.bytes) {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} of {}", self.bytes)));
        }
        let mut bytes = vec![0; length];
        self.at(start).read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// What the central directory says of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) bytes: u64,
    pub(super) crc32: u32,
}

/// The hashes of bytes read.
#[derive(Default)]
pub(super) struct Hashes {
    bytes: u64,
    crc32: crc32fast::Hasher,
    sha256: Option<Digester>,
}

/// SHA-256 takes longer than all else that is done to a text, so it gets a thread of its own where there is
/// one.
enum Digester {
    Here(Sha256),
    Beside(Beside),
}

impl Hashes {
    /// CRC-32, and SHA-256 if it is wanted, on a thread of its own if there are several.
    pub(super) fn new(sha256: bool, threads: usize) -> Hashes {
        let digester =
            || if threads > 1 { Digester::Beside(Beside::start()) } else { Digester::Here(Sha256::new()) };
        Hashes { bytes: 0, crc32: crc32fast::Hasher::new(), sha256: sha256.then(digester) }
    }

    /// All but CRC-32.
    fn update(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        match &mut self.sha256 {
            None => {}
            Some(Digester::Here(sha256)) => sha256.update(bytes),
            Some(Digester::Beside(beside)) => beside.update(bytes),
        }
    }

    /// What was hashed; SHA-256 only if it was wanted.
    pub(super) fn finish(self) -> HashedBytes {
        let sha256 = self.sha256.map(|digester| match digester {
            Digester::Here(sha256) => sha256,
            Digester::Beside(beside) => beside.finish(),
        });
        let hex = |sha256: Sha256| sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let crc32 = format!("{:08x}", self.crc32.finalize());
        HashedBytes { bytes: self.bytes, sha256: sha256.map(hex), crc32 }
    }
}

/// How much is given to the hashing thread at once, bytes, and how often before it has to catch up.
const PORTION_BYTES: usize = 256 << 10;
const PORTIONS: usize = 16;

/// A thread that hashes what it is given.
struct Beside {
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    portion: Vec<u8>,
    thread: JoinHandle<Sha256>,
}

impl Beside {
    fn start() -> Beside {
        let (full, portions) = sync_channel::<Vec<u8>>(PORTIONS);
        let (give_back, empty) = sync_channel(PORTIONS + 2);
        let thread = std::thread::spawn(move || {
            let mut sha256 = Sha256::new();
            for mut portion in portions {
                sha256.update(&portion);
                portion.clear();
                // Whoever gave it may be gone.
                let _ = give_back.try_send(portion);
            }
            sha256
        });
        Beside { full, empty, portion: Vec::new(), thread }
    }

    fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PORTION_BYTES - self.portion.len()));
            self.portion.extend_from_slice(now);
            bytes = later;
            if self.portion.len() == PORTION_BYTES {
                let next = self.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(PORTION_BYTES));
                let portion = std::mem::replace(&mut self.portion, next);
                self.full.send(portion).expect("the thread ends only when nothing more can come");
            }
        }
    }

    fn finish(self) -> Sha256 {
        self.full.send(self.portion).expect("the thread ends only when nothing more can come");
        drop(self.full);
        self.thread.join().expect("hashing does not panic")
    }
}

/// The bytes of an entry as they stand in the archive, hashed as they are read.
pub(super) struct CompressedBytes {
    inner: io::Take<Source>,
    hashes: Option<Hashes>,
}

impl CompressedBytes {
    /// `bytes` of the source from its position on; hashed only if somebody wants that.
    pub(super) fn new(source: Source, bytes: u64, hashes: Option<Hashes>) -> Self {
        CompressedBytes { inner: source.take(bytes), hashes }
    }
}

impl Read for CompressedBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if let Some(hashes) = &mut self.hashes {
            hashes.crc32.update(&buffer[..read]);
            hashes.update(&buffer[..read]);
        }
        Ok(read)
    }
}

/// How much of a compressed entry is read at once, bytes.
const BUFFER_BYTES: usize = 1 << 18;

/// How the bytes of an entry stand in the source.
enum Form {
    /// As they are.
    Plain(Box<BufReader<CompressedBytes>>),
    Deflated(Box<DeflateDecoder<BufReader<CompressedBytes>>>),
}

/// The inflated bytes of an entry, or of a plain file; at the end they are checked against the central
/// directory.
pub(super) struct EntryBytes {
    form: Form,
    expected: Option<Expected>,
    read: u64,
    own_crc32: crc32fast::Hasher,
    hashes: Hashes,
}

impl EntryBytes {
    /// A plain file.
    pub(super) fn file(source: Source, hashes: Hashes) -> Self {
        let bytes = CompressedBytes::new(source.at(0), source.length(), None);
        // Who reads texts does so in pieces of their own that are as large.
        EntryBytes::new(Form::Plain(Box::new(BufReader::with_capacity(1, bytes))), None, hashes)
    }

    /// An entry that stands in its archive as it is; `hashes` go on from earlier entries.
    pub(super) fn stored(bytes: CompressedBytes, expected: Expected, hashes: Hashes) -> Self {
        let buffered = BufReader::with_capacity(BUFFER_BYTES, bytes);
        EntryBytes::new(Form::Plain(Box::new(buffered)), Some(expected), hashes)
    }

    /// An entry that has to be inflated; `hashes` go on from earlier entries.
    pub(super) fn deflated(bytes: CompressedBytes, expected: Expected, hashes: Hashes) -> Self {
        let decoder = DeflateDecoder::new(BufReader::with_capacity(BUFFER_BYTES, bytes));
        EntryBytes::new(Form::Deflated(Box::new(decoder)), Some(expected), hashes)
    }

    fn new(form: Form, expected: Option<Expected>, hashes: Hashes) -> Self {
        EntryBytes { form, expected, read: 0, own_crc32: crc32fast::Hasher::new(), hashes }
    }

    /// What was read, and what it was read from, where that was hashed.
    pub(super) fn finish(self) -> (HashedBytes, Option<HashedBytes>) {
        let EntryBytes { form, own_crc32, mut hashes, .. } = self;
        hashes.crc32.combine(&own_crc32);
        let compressed = match form {
            Form::Plain(bytes) => bytes.into_inner(),
            Form::Deflated(decoder) => decoder.into_inner().into_inner(),
        };
        (hashes.finish(), compressed.hashes.map(Hashes::finish))
    }

    /// The hashes of all bytes read.
    pub(super) fn into_hashes(mut self) -> Hashes {
        self.hashes.crc32.combine(&self.own_crc32);
        self.hashes
    }

    fn check_end(&self) -> io::Result<()> {
        let Some(expected) = self.expected else { return Ok(()) };
        let crc32 = self.own_crc32.clone().finalize();
        if self.read != expected.bytes {
            let text = format!("{} bytes where the directory says {}", self.read, expected.bytes);
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        if crc32 != expected.crc32 {
            let text = format!("CRC-32 {crc32:08x} where the directory says {:08x}", expected.crc32);
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(())
    }
}

impl Read for EntryBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.form {
            Form::Plain(bytes) => bytes.read(buffer)?,
            Form::Deflated(decoder) => decoder.read(buffer)?,
        };
        if read == 0 && !buffer.is_empty() {
            self.check_end()?;
            if let Form::Deflated(decoder) = &mut self.form {
                // What stands behind the end of the deflated bytes belongs to the entry, too.
                io::copy(decoder.get_mut(), &mut io::sink())?;
            }
        }
        self.own_crc32.update(&buffer[..read]);
        self.hashes.update(&buffer[..read]);
        self.read += read as u64;
        if self.expected.is_some_and(|expected| self.read > expected.bytes) {
            self.check_end()?;
        }
        Ok(read)
    }
}
