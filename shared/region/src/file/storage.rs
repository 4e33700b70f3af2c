//! Bytes of an index: in memory of our own, or a file that is mapped.

use std::fs::File;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use memmap2::Mmap;

use crate::error::RegionError;

/// A cache line: what begins at a multiple of 64 bytes may be seen as numbers of any width.
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line([u64; 8]);

/// Bytes of a line.
pub(super) const LINE: usize = size_of::<Line>();

/// Bytes whose first lies at a multiple of 64.
pub(crate) enum Storage {
    Owned(Lines),
    Mapped(Mmap),
}

/// Memory of our own, whole lines.
pub(crate) struct Lines(Vec<Line>);

impl Lines {
    /// So many bytes, all 0, rounded up to lines.
    pub(super) fn zeroed(len: usize) -> Self {
        Lines(bytemuck::zeroed_vec(len.div_ceil(LINE)))
    }
}

impl Deref for Lines {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

impl DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.0)
    }
}

impl Storage {
    /// Maps a file.
    pub(super) fn map(path: &Path) -> Result<Self, RegionError> {
        let unreadable = |error: std::io::Error| RegionError::load(path.display().to_string(), error);
        let file = File::open(path).map_err(unreadable)?;
        // SAFETY: memory under a shared reference must not change. The map is read only and private to this value; the
        // file is an index, which `bisonflow` puts in place by a rename and nobody changes afterwards, so a new
        // index is a new file and this map keeps the old one. Should somebody cut the file short all the
        // same, a read ends in SIGBUS, not in a wrong answer; should bytes change, lookups stay within their
        // slices, since they check every place they read (`flipped_bytes_never_panic` tests this).
        #[allow(unsafe_code, reason = "the only way to map a file")]
        let map = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
        Ok(Storage::Mapped(map))
    }

    /// A copy of `bytes`.
    pub(super) fn copy(bytes: &[u8]) -> Self {
        let mut lines = Lines::zeroed(bytes.len());
        lines[..bytes.len()].copy_from_slice(bytes);
        Storage::Owned(lines)
    }
}

impl Deref for Storage {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Storage::Owned(lines) => lines,
            Storage::Mapped(map) => map,
        }
    }
}
