//! The file of an index, which is also its form in memory.
//!
//! ```text
//! line 0      magic (8 bytes), format version (u32), sections (u32), length of the file (u64),
//!             CRC-32 of all that follows line 0 (u32), CRC-32 of the 28 bytes before (u32)
//! then        for each section where it begins and its length in bytes (u64 each)
//! then        sections, each from a multiple of 64 bytes on, the gaps 0
//! sections    description (JSON), roots (u32), nodes (u32), cells (u64), set of each zone by layer (u32);
//!             for each layer: where the regions of each set begin (u32), these regions (u32),
//!             texts of each region, id first (where in the pool, length: u32 each), pool (UTF-8),
//!             boxes (f64: west, south, east, north; not a number for none), 1 for a region with area (u8)
//! ```
//! Numbers are little-endian.

mod head;
mod storage;

use std::ops::Range;
use std::path::Path;

pub use self::head::IndexHead;
pub(crate) use self::head::{Description, LayerDescription, hex, settings_sha256};
pub(crate) use self::storage::Storage;
use self::storage::{LINE, Lines};
use crate::cells::Cells;
use crate::error::RegionError;

#[cfg(target_endian = "big")]
compile_error!("an index is little-endian, in its file and in memory");

/// The form that this version reads and writes.
pub(crate) const FORMAT_VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"BISONIDX";
/// Sections that are not of a layer, and those of each layer.
const COMMON_SECTIONS: usize = 5;
const LAYER_SECTIONS: usize = 6;

/// A section, before it is written.
pub(crate) enum Section<'a> {
    Bytes(&'a [u8]),
    Words(&'a [u32]),
    Doubles(&'a [f64]),
    /// So many bytes, which are filled in later.
    Later(usize),
}

/// The bytes of an index, checked, and where what is in them.
pub(crate) struct IndexFile {
    storage: Storage,
    sections: Vec<Range<usize>>,
    pub(crate) description: Description,
}

impl IndexFile {
    /// Puts sections together; `fill` is called with those that come [`Section::Later`], in order.
    pub(crate) fn assemble(
        description: Description,
        sections: &[Section<'_>],
        fill: impl FnOnce(Vec<&mut [u8]>),
    ) -> Self {
        let json = serde_json::to_vec(&description).expect("a description has no keys but texts");
        let mut all = vec![Section::Bytes(&json)];
        all.extend(sections.iter().map(|section| match *section {
            Section::Bytes(bytes) => Section::Bytes(bytes),
            Section::Words(words) => Section::Bytes(bytemuck::cast_slice(words)),
            Section::Doubles(doubles) => Section::Bytes(bytemuck::cast_slice(doubles)),
            Section::Later(len) => Section::Later(len),
        }));
        let mut end = LINE + all.len() * 16;
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for section in &all {
            let len = match section {
                Section::Bytes(bytes) => bytes.len(),
                Section::Later(len) => *len,
                Section::Words(_) | Section::Doubles(_) => unreachable!("both are bytes by now"),
            };
            let start = end.next_multiple_of(LINE);
            end = start + len;
            ranges.push(start..end);
        }
        let mut lines = Lines::zeroed(end);
        for (place, range) in ranges.iter().enumerate() {
            let entry = &mut lines[LINE + 16 * place..][..16];
            entry[..8].copy_from_slice(&(range.start as u64).to_le_bytes());
            entry[8..].copy_from_slice(&(range.len() as u64).to_le_bytes());
        }
        let (mut rest, mut at) = (&mut lines[..], 0);
        let mut later = Vec::new();
        for (section, range) in all.iter().zip(&ranges) {
            let (own, others) = rest[range.start - at..].split_at_mut(range.len());
            match section {
                Section::Bytes(bytes) => own.copy_from_slice(bytes),
                _ => later.push(own),
            }
            (rest, at) = (others, range.end);
        }
        fill(later);
        let len = lines.len() as u64;
        let body = crc32fast::hash(&lines[LINE..]);
        let head = &mut lines[..LINE];
        head[..8].copy_from_slice(&MAGIC);
        head[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        head[12..16].copy_from_slice(&(ranges.len() as u32).to_le_bytes());
        head[16..24].copy_from_slice(&len.to_le_bytes());
        head[24..28].copy_from_slice(&body.to_le_bytes());
        let own = crc32fast::hash(&head[..28]);
        head[28..32].copy_from_slice(&own.to_le_bytes());
        IndexFile { storage: Storage::Owned(lines), sections: ranges, description }
    }

    /// Maps the file at `path` and checks it.
    pub(crate) fn open(path: &Path) -> Result<Self, RegionError> {
        IndexFile::check(&path.display().to_string(), Storage::map(path)?)
    }

    /// Copies `bytes`, called `file` in errors, and checks them.
    pub(crate) fn from_bytes(file: &str, bytes: &[u8]) -> Result<Self, RegionError> {
        // Memory of our own is whole lines, and so is an index: what is cut short must stay so.
        if !bytes.len().is_multiple_of(LINE) {
            head(file, bytes, bytes.len() as u64)?;
            return Err(damaged(file, "its length is not that of an index"));
        }
        IndexFile::check(file, Storage::copy(bytes))
    }

    /// All bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.storage
    }

    fn check(file: &str, storage: Storage) -> Result<Self, RegionError> {
        let (count, body) = head(file, &storage, storage.len() as u64)?;
        if crc32fast::hash(&storage[LINE..]) != body {
            return Err(damaged(file, "its bytes do not have its checksum"));
        }
        IndexFile::parse(storage, count).map_err(|reason| damaged(file, reason))
    }

    /// Looks whether the parts fit together, so that no use of them can fail.
    fn parse(storage: Storage, count: usize) -> Result<Self, &'static str> {
        let table = storage.get(LINE..LINE + 16 * count).ok_or("its table of sections is not whole")?;
        let number = |bytes: &[u8]| usize::try_from(le_u64(bytes)).unwrap_or(usize::MAX);
        let mut sections = Vec::new();
        for entry in table.chunks_exact(16) {
            let (start, len) = (number(&entry[..8]), number(&entry[8..]));
            let end = start.checked_add(len).filter(|&end| end <= storage.len());
            let end = end.ok_or("a section lies beyond its end")?;
            if !start.is_multiple_of(LINE) {
                return Err("a section does not begin at a line");
            }
            sections.push(start..end);
        }
        let json = sections.first().ok_or("it has no sections")?.clone();
        let description: Description =
            serde_json::from_slice(&storage[json]).map_err(|_| "its description cannot be read")?;
        if sections.len() != COMMON_SECTIONS + LAYER_SECTIONS * description.layers.len() {
            return Err("its sections are not those of its layers");
        }
        let file = IndexFile { storage, sections, description };
        file.check_sizes()?;
        Ok(file)
    }

    fn check_sizes(&self) -> Result<(), &'static str> {
        let Description { root, zones, layers } = &self.description;
        let is_long = |section: usize, wanted: u64| self.sections[section].len() as u64 == wanted;
        let roots =
            (u64::from(root.columns) * u64::from(root.rows)).checked_add(1).and_then(|n| n.checked_mul(4));
        let zone_words = u64::from(*zones) * 4;
        let are_words = self.sections[2].len().is_multiple_of(4) && self.sections[3].len().is_multiple_of(8);
        if !is_long(1, roots.unwrap_or(u64::MAX))
            || !is_long(4, zone_words * layers.len() as u64)
            || !are_words
            || root.shift > 31
            || *zones == 0
        {
            return Err("its grid is not whole");
        }
        for (place, layer) in layers.iter().enumerate() {
            let first = COMMON_SECTIONS + place * LAYER_SECTIONS;
            let (regions, sets) = (u64::from(layer.regions), u64::from(layer.sets));
            let texts = regions * (u64::from(layer.fields) + 1) * 8;
            let fits = is_long(first, (sets + 1) * 4)
                && self.sections[first + 1].len().is_multiple_of(4)
                && is_long(first + 2, texts)
                && is_long(first + 4, regions * 32)
                && is_long(first + 5, regions);
            if !fits || sets == 0 {
                return Err("the tables of a layer are not whole");
            }
            let of = self.layer(place);
            let starts_fit = of.set_starts.is_sorted()
                && of.set_starts.first() == Some(&0)
                && of.set_starts.last().copied() == u32::try_from(of.set_regions.len()).ok()
                && of.set_starts.get(1) == Some(&0);
            let numbers_fit = of.set_regions.iter().all(|&region| u64::from(region) < regions)
                && of.set_of.iter().all(|&set| u64::from(set) < sets)
                && of.set_of.first() == Some(&0);
            if !starts_fit || !numbers_fit {
                return Err("the sets of a layer do not fit its regions");
            }
        }
        Ok(())
    }

    fn section<T: bytemuck::AnyBitPattern>(&self, place: usize) -> &[T] {
        bytemuck::cast_slice(&self.storage[self.sections[place].clone()])
    }

    /// The geometry.
    pub(crate) fn cells(&self) -> Cells<'_> {
        Cells {
            root: self.description.root,
            roots: self.section(1),
            nodes: self.section(2),
            cells: self.section(3),
        }
    }

    /// The tables of a layer.
    pub(crate) fn layer(&self, place: usize) -> LayerTables<'_> {
        let first = COMMON_SECTIONS + place * LAYER_SECTIONS;
        let zones = self.description.zones as usize;
        LayerTables {
            set_of: &self.section(4)[place * zones..(place + 1) * zones],
            set_starts: self.section(first),
            set_regions: self.section(first + 1),
            texts: self.section(first + 2),
            pool: self.section(first + 3),
            boxes: self.section(first + 4),
            has_area: self.section(first + 5),
        }
    }
}

/// The tables of a layer; see the module.
#[derive(Clone, Copy)]
pub(crate) struct LayerTables<'a> {
    pub(crate) set_of: &'a [u32],
    pub(crate) set_starts: &'a [u32],
    pub(crate) set_regions: &'a [u32],
    pub(crate) texts: &'a [[u32; 2]],
    pub(crate) pool: &'a [u8],
    pub(crate) boxes: &'a [[f64; 4]],
    pub(crate) has_area: &'a [u8],
}

/// Where in the pool a null lies.
pub(crate) const NULL_TEXT: u32 = u32::MAX;

/// Checks the first line of a file of `length` bytes; returns the number of sections and the checksum of the rest.
fn head(file: &str, bytes: &[u8], length: u64) -> Result<(usize, u32), RegionError> {
    if !bytes.starts_with(&MAGIC) {
        return Err(RegionError::NotAnIndex { file: file.to_owned() });
    }
    let truncated = |expected: u64| RegionError::IndexCut {
        file: file.to_owned(),
        expected_bytes: expected,
        found_bytes: length,
    };
    let head = bytes.get(..LINE).ok_or_else(|| truncated(LINE as u64))?;
    let found = le_u32(&head[8..]);
    if found != FORMAT_VERSION {
        return Err(RegionError::IndexVersion { file: file.to_owned(), expected: FORMAT_VERSION, found });
    }
    if le_u32(&head[28..]) != crc32fast::hash(&head[..28]) {
        return Err(damaged(file, "its first line does not have its checksum"));
    }
    let len = le_u64(&head[16..]);
    if length < len {
        return Err(truncated(len));
    }
    if length > len || head[32..].iter().any(|&byte| byte != 0) {
        return Err(damaged(file, "there is something in it that does not belong to it"));
    }
    Ok((le_u32(&head[12..]) as usize, le_u32(&head[24..])))
}

fn damaged(file: &str, reason: &str) -> RegionError {
    RegionError::IndexDamaged { file: file.to_owned(), reason: reason.to_owned() }
}

fn le_u32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn le_u64(bytes: &[u8]) -> u64 {
    u64::from(le_u32(bytes)) | u64::from(le_u32(&bytes[4..])) << 32
}
