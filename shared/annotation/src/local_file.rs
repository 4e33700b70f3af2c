//! A file on this machine that several threads read at once.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// A local Parquet file. Unlike [`File`], whose clones share one position, so that threads which read at the same time
/// get each other's bytes, every read says where it begins.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("file");
/// use bisonflow_annotation::LocalFile;
/// use parquet::file::reader::ChunkReader;
///
/// std::fs::write(&path, b"PAR1....PAR1")?;
/// let file = LocalFile::new(std::fs::File::open(&path)?)?;
/// assert_eq!(&file.get_bytes(8, 4)?[..], b"PAR1");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LocalFile {
    file: Arc<File>,
    bytes: u64,
}

impl LocalFile {
    /// A file that is not to change while it is read.
    ///
    /// # Errors
    /// [`io::Error`] if its length cannot be told.
    pub fn new(file: File) -> io::Result<Self> {
        let bytes = file.metadata()?.len();
        Ok(LocalFile { file: Arc::new(file), bytes })
    }
}

impl Length for LocalFile {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for LocalFile {
    type T = LocalRead;

    fn get_read(&self, start: u64) -> Result<LocalRead> {
        Ok(LocalRead { file: Arc::clone(&self.file), position: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        // A damaged footer may ask for more than there is: never reserve that much.
        if start.checked_add(length as u64).is_none_or(|end| end > self.bytes) {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} of {}", self.bytes)));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// Reads on from a position.
#[derive(Debug)]
pub struct LocalRead {
    file: Arc<File>,
    position: u64,
}

impl Read for LocalRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes at a place of the file are the place itself, eight bytes a number.
    const NUMBERS: u64 = 1 << 17;

    #[test]
    fn threads_do_not_get_each_others_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        std::fs::write(&path, (0..NUMBERS).flat_map(u64::to_le_bytes).collect::<Vec<u8>>()).unwrap();
        let file = LocalFile::new(File::open(&path).unwrap()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let file = file.clone();
                scope.spawn(move || {
                    for turn in 0..2_000 {
                        let first = (thread * 7_919 + turn * 104_729) % (NUMBERS - 64);
                        let expected: Vec<u8> = (first..first + 64).flat_map(u64::to_le_bytes).collect();
                        assert_eq!(file.get_bytes(first * 8, 512).unwrap(), expected);
                        let mut read = vec![0; 512];
                        file.get_read(first * 8).unwrap().read_exact(&mut read).unwrap();
                        assert_eq!(read, expected);
                    }
                });
            }
        });
        assert!(file.get_bytes(NUMBERS * 8 - 1, 2).is_err());
        assert!(file.get_bytes(u64::MAX, 2).is_err());
    }
}
