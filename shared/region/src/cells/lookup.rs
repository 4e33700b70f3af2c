//! From places to zones.

use super::{cell, fixed};
use crate::coordinate::without_tiny;

/// An index has at most this many layers.
pub(crate) const MOST_LAYERS: usize = cell::LAYER_BITS;
/// Places that are looked up together: their cells are on the way from memory at the same time.
const BATCH: usize = 512;
/// Entries of a node, which are 64 bytes.
pub(super) const NODE: usize = 16;

/// Kinds of entries: the upper two bits.
pub(super) const IS_NODE: u32 = 1 << 30;
pub(super) const IS_CELL: u32 = 2 << 30;
/// The rest: a zone, the number of a node, or where a cell begins.
pub(super) const PAYLOAD: u32 = IS_NODE - 1;

/// The root grid: 2^`shift` units are the side of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Root {
    pub(crate) shift: u32,
    /// The first column and row that the grid has.
    pub(crate) column: u32,
    pub(crate) row: u32,
    pub(crate) columns: u32,
    pub(crate) rows: u32,
}

/// An index whose words lie somewhere in memory. Every lookup ends and answers, whatever the words are.
#[derive(Clone, Copy)]
pub(crate) struct Cells<'a> {
    pub(crate) root: Root,
    /// Zone 0 for what is outside the grid, then row by row from the south-west.
    pub(crate) roots: &'a [u32],
    pub(crate) nodes: &'a [u32],
    pub(crate) cells: &'a [u64],
}

/// What is known of the places of a batch.
struct Batch {
    columns: [u32; BATCH],
    rows: [u32; BATCH],
    /// Places whose entry is a node, and those whose entry is a cell; with the entry.
    nodes: Waiting,
    cells: Waiting,
    heads: [u64; BATCH],
}

struct Waiting {
    places: [u32; BATCH],
    entries: [u32; BATCH],
    len: usize,
}

impl Waiting {
    const EMPTY: Waiting = Waiting { places: [0; BATCH], entries: [0; BATCH], len: 0 };

    /// Writes always, and keeps what is wanted: no branch to guess wrong.
    #[inline(always)]
    fn push_if(&mut self, wanted: bool, place: u32, entry: u32) {
        self.places[self.len & (BATCH - 1)] = place;
        self.entries[self.len & (BATCH - 1)] = entry;
        self.len += usize::from(wanted);
    }
}

impl Root {
    /// The place of the root entry: 0 if the grid does not have it.
    #[inline(always)]
    fn entry(&self, column: u32, row: u32) -> usize {
        let (column, row) =
            ((column >> self.shift).wrapping_sub(self.column), (row >> self.shift).wrapping_sub(self.row));
        let is_inside = (column < self.columns) & (row < self.rows);
        let place = row.wrapping_mul(self.columns).wrapping_add(column).wrapping_add(1);
        if is_inside { place as usize } else { 0 }
    }
}

/// The place of an entry in its node, given the shift of its cells.
#[inline(always)]
fn child(column: u32, row: u32, shift: u32) -> usize {
    (column >> shift & 3 | (row >> shift & 3) << 2) as usize
}

/// (x, y) as the index knows it: 180° is −180°, and what is nearer to 0 than matters is 0. None if it is out of range
/// or not a number.
#[inline(always)]
fn place(lon: f64, lat: f64) -> (f64, f64, bool) {
    let is_place = (lon.abs() <= 180.0) & (lat.abs() <= 90.0);
    let lon = if lon == 180.0 { -180.0 } else { lon };
    (without_tiny(lon), without_tiny(lat), is_place)
}

impl Cells<'_> {
    /// What `zone` makes of the zones of places. The slices have the same length.
    pub(crate) fn locate<Z>(&self, lon: &[f64], lat: &[f64], zones: &mut [Z], zone: impl Fn(u32) -> Z) {
        let mut batch = Batch {
            columns: [0; BATCH],
            rows: [0; BATCH],
            nodes: Waiting::EMPTY,
            cells: Waiting::EMPTY,
            heads: [0; BATCH],
        };
        let mut found = [0; BATCH];
        let places = lon.chunks(BATCH).zip(lat.chunks(BATCH));
        for ((lon, lat), zones) in places.zip(zones.chunks_mut(BATCH)) {
            self.locate_batch(&mut batch, lon, lat, &mut found[..lon.len()]);
            zones.iter_mut().zip(found).for_each(|(to, found)| *to = zone(found));
        }
    }

    /// The zone of one place.
    pub(crate) fn locate_one(&self, lon: f64, lat: f64) -> u32 {
        let (x, y, entry) = self.entry(lon, lat);
        let offset = (entry & PAYLOAD) as usize;
        let head = || self.cells.get(offset).copied().unwrap_or(0);
        if entry >> 30 == 2 { cell::locate(self.cells, offset, head(), x, y) } else { entry }
    }

    /// The place as the index knows it, and its entry.
    fn entry(&self, lon: f64, lat: f64) -> (f64, f64, u32) {
        let (x, y, is_place) = place(lon, lat);
        let (column, row) = (fixed::column(x), fixed::row(y));
        let at = if is_place { self.root.entry(column, row) } else { 0 };
        let mut entry = self.roots.get(at).copied().unwrap_or(0);
        let mut shift = self.root.shift;
        while entry >> 30 == 1 && shift >= 2 {
            shift -= 2;
            let node = (entry & PAYLOAD) as usize;
            entry = self.nodes.get(node * NODE + child(column, row, shift)).copied().unwrap_or(0);
        }
        (x, y, entry)
    }

    fn locate_batch(&self, batch: &mut Batch, lon: &[f64], lat: &[f64], zones: &mut [u32]) {
        let Batch { columns, rows, nodes, cells, heads } = batch;
        (nodes.len, cells.len) = (0, 0);
        for (number, (&lon, &lat)) in lon.iter().zip(lat).enumerate() {
            let (x, y, is_place) = place(lon, lat);
            let (column, row) = (fixed::column(x), fixed::row(y));
            (columns[number], rows[number]) = (column, row);
            let at = if is_place { self.root.entry(column, row) } else { 0 };
            let entry = self.roots.get(at).copied().unwrap_or(0);
            zones[number] = entry;
            nodes.push_if(entry >> 30 == 1, number as u32, entry);
            cells.push_if(entry >> 30 == 2, number as u32, entry);
        }
        let mut shift = self.root.shift;
        while nodes.len > 0 && shift >= 2 {
            shift -= 2;
            let waiting = std::mem::take(&mut nodes.len);
            for next in 0..waiting {
                let number = nodes.places[next & (BATCH - 1)];
                let at = number as usize & (BATCH - 1);
                let node = (nodes.entries[next & (BATCH - 1)] & PAYLOAD) as usize;
                let entry = self.nodes.get(node * NODE + child(columns[at], rows[at], shift));
                let entry = entry.copied().unwrap_or(0);
                if let Some(zone) = zones.get_mut(at) {
                    *zone = entry;
                }
                nodes.push_if(entry >> 30 == 1, number, entry);
                cells.push_if(entry >> 30 == 2, number, entry);
            }
        }
        // First the heads of all cells: these loads do not wait for each other, nor for what is then worked out.
        for place in 0..cells.len {
            let offset = (cells.entries[place & (BATCH - 1)] & PAYLOAD) as usize;
            heads[place & (BATCH - 1)] = self.cells.get(offset).copied().unwrap_or(0);
        }
        let waiting = cells.places.iter().zip(&cells.entries).zip(heads.iter()).take(cells.len);
        for ((&number, &entry), &head) in waiting {
            let number = number as usize;
            let (x, y, _) = place(lon[number], lat[number]);
            zones[number] = cell::locate(self.cells, (entry & PAYLOAD) as usize, head, x, y);
        }
    }

    /// The layers, a bit each, that have an edge through the place itself.
    pub(crate) fn layers_on(&self, lon: f64, lat: f64) -> u32 {
        // What touches a place touches the cell that holds it, for the place is a part of the cell.
        let (x, y, entry) = self.entry(lon, lat);
        if entry >> 30 == 2 { cell::layers_on(self.cells, (entry & PAYLOAD) as usize, x, y) } else { 0 }
    }
}
