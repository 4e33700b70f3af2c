//! An object of a store as a file: `Read + Seek` and Parquet's `ChunkReader` for reading, `Write` for writing.
//!
//! Reading asks for ranges, so that a zip's central directory or a Parquet footer is had without the rest.
//! Writing is a multipart upload: the object appears whole or not at all, whatever its length.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, WriteMultipart};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use tokio::runtime::Handle;

/// Bytes asked for at a time when reading on: one request's latency is small beside it.
const READ_AHEAD_BYTES: u64 = 8 << 20;
/// Bytes of one part of an upload; 10,000 parts of it are more than any object we write.
const UPLOAD_PART_BYTES: usize = 16 << 20;
/// Parts of one object on their way at the same time.
const UPLOADS_IN_FLIGHT: usize = 4;
/// So long is spent on clearing away what was not finished.
const ABORT: Duration = Duration::from_secs(20);

/// An object to read. Clones share the object, not the position.
#[derive(Clone, Debug)]
pub struct ObjectReader {
    objects: Arc<dyn ObjectStore>,
    path: Path,
    length: u64,
    e_tag: Option<String>,
    handle: Handle,
    position: u64,
    window: Bytes,
    window_start: u64,
}

impl ObjectReader {
    /// The object at `path` that `meta` tells of; one that has changed since is an error, never a splice of two.
    /// Requests run on `handle`, so that this must not be used on one of its threads.
    pub fn new(objects: Arc<dyn ObjectStore>, path: Path, meta: &ObjectMeta, handle: Handle) -> Self {
        // A weak tag says nothing of bytes.
        let e_tag = meta.e_tag.clone().filter(|tag| !tag.starts_with("W/"));
        let (length, window) = (meta.size, Bytes::new());
        ObjectReader { objects, path, length, e_tag, handle, position: 0, window, window_start: 0 }
    }

    fn range(&self, start: u64, end: u64) -> io::Result<Bytes> {
        let options = GetOptions {
            range: Some((start..end).into()),
            if_match: self.e_tag.clone(),
            ..GetOptions::default()
        };
        let get = async { self.objects.get_opts(&self.path, options).await?.bytes().await };
        self.handle.block_on(get).map_err(io::Error::other)
    }

    /// What of the window lies at the position; filled if it is empty.
    fn window_at_position(&mut self) -> io::Result<Bytes> {
        if self.position >= self.length {
            return Ok(Bytes::new());
        }
        let window_end = self.window_start + self.window.len() as u64;
        if !(self.window_start..window_end).contains(&self.position) {
            self.window_start = self.position;
            self.window = self.range(self.position, (self.position + READ_AHEAD_BYTES).min(self.length))?;
        }
        Ok(self.window.slice((self.position - self.window_start) as usize..))
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let window = self.window_at_position()?;
        let count = window.len().min(buffer.len());
        buffer[..count].copy_from_slice(&window[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for ObjectReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a position before the object's start")
        })?;
        Ok(self.position)
    }
}

impl Length for ObjectReader {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for ObjectReader {
    type T = ObjectReader;

    fn get_read(&self, start: u64) -> Result<ObjectReader, ParquetError> {
        let mut reader = self.clone();
        reader.position = start;
        Ok(reader)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        Ok(self.range(start, start + length as u64)?)
    }
}

/// An object being written; it appears with [`ObjectWriter::finish`]. Dropped before that, nothing is left.
pub struct ObjectWriter {
    upload: Option<WriteMultipart>,
    handle: Handle,
    written_bytes: u64,
}

impl ObjectWriter {
    /// Begins to write the object at `path`; requests run on `handle`, as for [`ObjectReader::new`].
    ///
    /// # Errors
    /// Those of the store.
    pub fn create(
        objects: &Arc<dyn ObjectStore>,
        path: &Path,
        handle: Handle,
    ) -> Result<Self, object_store::Error> {
        let upload = handle.block_on(objects.put_multipart(path))?;
        let upload = WriteMultipart::new_with_chunk_size(upload, UPLOAD_PART_BYTES);
        Ok(ObjectWriter { upload: Some(upload), handle, written_bytes: 0 })
    }

    /// Completes the object; answers its length in bytes.
    ///
    /// # Errors
    /// Those of the store; nothing is left then.
    pub fn finish(mut self) -> Result<u64, object_store::Error> {
        if let Some(upload) = &mut self.upload {
            // What failed of it is told before what may fail of clearing it away.
            self.handle.block_on(upload.wait_for_capacity(0))?;
        }
        if let Some(upload) = self.upload.take() {
            self.handle.block_on(upload.finish())?;
        }
        Ok(self.written_bytes)
    }
}

impl Write for ObjectWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let upload = self.upload.as_mut().ok_or_else(|| io::Error::other("the object is finished"))?;
        self.handle.block_on(upload.wait_for_capacity(UPLOADS_IN_FLIGHT)).map_err(io::Error::other)?;
        let _context = self.handle.enter(); // the upload spawns its requests
        upload.write(buffer);
        self.written_bytes += buffer.len() as u64;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            // A failure to abort leaves parts that the bucket's lifecycle rule removes.
            let _ = self.handle.block_on(async { tokio::time::timeout(ABORT, upload.abort()).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;

    #[test]
    fn an_object_reads_and_writes_like_a_file() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let path = Path::from("a/b");
        let content: Vec<u8> = (0..UPLOAD_PART_BYTES * 2 + 5).map(|i| (i % 251) as u8).collect();
        let mut writer = ObjectWriter::create(&objects, &path, runtime.handle().clone()).unwrap();
        writer.write_all(&content).unwrap();
        assert_eq!(writer.finish().unwrap(), content.len() as u64);

        let meta = runtime.block_on(objects.head(&path)).unwrap();
        let mut reader = ObjectReader::new(objects.clone(), path.clone(), &meta, runtime.handle().clone());
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert!(read == content);
        reader.seek(SeekFrom::End(-3)).unwrap();
        let mut end = [0; 3];
        reader.read_exact(&mut end).unwrap();
        assert_eq!(end, content[content.len() - 3..]);
        assert!(reader.seek(SeekFrom::Current(-(content.len() as i64) - 1)).is_err());
        assert_eq!(&reader.get_bytes(7, 4).unwrap()[..], &content[7..11]);
        // Another object under the same name is not read on with.
        runtime.block_on(objects.put(&path, "other".into())).unwrap();
        assert!(reader.get_bytes(0, 4).is_err());
    }

    #[test]
    fn an_object_given_up_is_not_there() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let local = object_store::local::LocalFileSystem::new_with_prefix(folder.path()).unwrap();
        let objects: Arc<dyn ObjectStore> = Arc::new(local);
        let mut writer =
            ObjectWriter::create(&objects, &Path::from("x/part"), runtime.handle().clone()).unwrap();
        writer.write_all(&vec![1; UPLOAD_PART_BYTES + 1]).unwrap();
        drop(writer);
        let left: Vec<_> =
            std::fs::read_dir(folder.path().join("x")).map(Iterator::collect).unwrap_or_default();
        assert!(left.is_empty(), "{left:?}");
    }
}
