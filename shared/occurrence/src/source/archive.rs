//! Zip archives as GBIF writes them: sizes come from the central directory only.
//!
//! GBIF streams its large archives: the local headers carry no sizes, and entries over 4 GiB have no zip64
//! field there, so a reader that believes the local header misreads them. Here the directory is read first,
//! the entry is inflated up to deflate's own end mark, and length and CRC-32 are checked at the end.

use std::io::{BufReader, Read};

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::bytes_in::{CompressedBytes, EntryBytes, Expected, Hashes, Source};
use crate::{OccurrenceError, Place};

/// No meta.xml or metadata.xml is nearly as long.
const SMALL_ENTRY_BYTES: u64 = 64 << 20;
/// An entry that is longer than this and inflates to more than so many times its length is no text of occurrences,
/// which deflates to a tenth at best, but meant to do harm.
const HARMLESS_BYTES: u64 = 1 << 30;
const HARMLESS_RATIO: u64 = 200;

/// An archive: its directory, and the source to read entries from.
pub(super) struct Archive {
    source: Source,
    place: Place,
    zip: ZipArchive<BufReader<Source>>,
    /// Names of the files, with their place in the directory.
    names: Vec<(String, usize)>,
}

impl Archive {
    /// Reads the central directory.
    pub(super) fn open(source: Source, place: Place) -> Result<Archive, OccurrenceError> {
        let explain = |error: ZipError| match error {
            ZipError::Io(error) => source.explain(place.clone(), error),
            error => source.explain(place.clone(), format_args!("{error} (is the end of the file missing?)")),
        };
        let zip = ZipArchive::new(BufReader::new(source.clone())).map_err(explain)?;
        if zip.has_duplicate_names() {
            return Err(OccurrenceError::unsupported(
                place,
                "several entries of one name",
                "a name for each entry",
                "use the archive as GBIF wrote it",
            ));
        }
        let mut names = Vec::with_capacity(zip.len());
        for index in 0..zip.len() {
            let entry = zip.by_index_data(index).map_err(explain)?;
            let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
            let outside = name.starts_with(['/', '\\'])
                || name.as_bytes().get(1) == Some(&b':')
                || name.split(['/', '\\']).any(|part| part == "..");
            if outside || name.contains('\0') {
                return Err(OccurrenceError::unsupported(
                    place.entry(&name.replace('\0', "\\0")),
                    "a name that leads out of the archive",
                    "names within it",
                    "use the archive as GBIF wrote it",
                ));
            }
            // What macOS adds to an archive is no part of it.
            if !name.ends_with('/') && !name.starts_with("__MACOSX/") {
                names.push((name, index));
            }
        }
        Ok(Archive { source, place, zip, names })
    }

    /// The names of the files, in the order of the directory.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|(name, _)| name.as_str())
    }

    /// Whether there is a file of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names().any(|other| other == name)
    }

    /// Opens an entry. Its bytes as they stand in the archive are hashed, too, if there are hashes for them.
    pub(super) fn entry(
        &mut self,
        name: &str,
        hashes: Hashes,
        of_compressed: Option<Hashes>,
    ) -> Result<EntryBytes, OccurrenceError> {
        let place = self.place.entry(name);
        let found = self.names.iter().find(|(other, _)| other == name);
        let &(_, index) = found.ok_or_else(|| OccurrenceError::corrupt(place.clone(), "no such entry"))?;
        let entry =
            self.zip.by_index_raw(index).map_err(|error| self.source.explain(place.clone(), error))?;
        if entry.encrypted() {
            return Err(OccurrenceError::unsupported(
                place,
                "an encrypted entry",
                "an entry that needs no password",
                "use the archive as GBIF wrote it",
            ));
        }
        let expected = Expected { bytes: entry.size(), crc32: entry.crc32() };
        if expected.bytes > HARMLESS_BYTES && expected.bytes / HARMLESS_RATIO > entry.compressed_size() {
            let found = format!("{} bytes that inflate to {}", entry.compressed_size(), expected.bytes);
            return Err(OccurrenceError::unsupported(
                place,
                found,
                "a text that inflates to at most 200 times its length",
                "use the archive as GBIF wrote it",
            ));
        }
        let start = entry.data_start().unwrap_or(self.source.length());
        let end = start.saturating_add(entry.compressed_size());
        if end > self.source.length() {
            let found = format!("the entry ends at byte {end}, the file at {}", self.source.length());
            return Err(OccurrenceError::corrupt(place, found));
        }
        let bytes = CompressedBytes::new(self.source.at(start), entry.compressed_size(), of_compressed);
        match entry.compression() {
            CompressionMethod::Stored => Ok(EntryBytes::stored(bytes, expected, hashes)),
            CompressionMethod::Deflated => Ok(EntryBytes::deflated(bytes, expected, hashes)),
            other => Err(OccurrenceError::unsupported(
                place,
                format!("compression {other}"),
                "deflate, or none",
                "use the archive as GBIF wrote it",
            )),
        }
    }

    /// The text of a small entry, if there is one of this name; bytes that are no UTF-8 are replaced.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, OccurrenceError> {
        if !self.has(name) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let read = self.entry(name, Hashes::default(), None)?.take(SMALL_ENTRY_BYTES).read_to_end(&mut bytes);
        read.map_err(|error| self.source.explain(self.place.entry(name), error))?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}
