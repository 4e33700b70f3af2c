//! The matrix: who was found where, and how often.

use std::num::NonZeroU64;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use rustc_hash::FxHashMap;

use crate::read::{column, texts};
use crate::{SummaryError, SummarySpec};

/// Takes the rows of a species list, in any order, and makes the matrix.
///
/// Memory grows with the distinct sites, species and statuses of a species at a site: 16 bytes for each of the
/// latter, twice that while it grows.
pub struct MatrixBuilder {
    spec: SummarySpec,
    min_count: NonZeroU64,
    sites: Names,
    species: Names,
    cells: Vec<Cell>,
    left_out: LeftOut,
}

/// Occurrences that a matrix does not hold, and why; with those that it holds they are all of the summary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Sites at which no species reaches `min_count`.
    pub sites: u64,
    /// Species that reach `min_count` at no site.
    pub species: u64,
    /// Occurrences of species at sites where they do not reach `min_count`.
    pub occ_below_min_count: u64,
    /// Occurrences at a site, but without a specieskey.
    pub occ_without_species: u64,
    /// Occurrences at no site: outside the layer.
    pub occ_outside: u64,
}

/// Occurrences of a species at a site.
#[derive(Clone, Copy)]
struct Cell {
    at: u64, // site, then species: the order of the rows
    occ: u64,
}

impl Cell {
    fn new(site: u32, species: u32, occ: u64) -> Cell {
        Cell { at: u64::from(site) << 32 | u64::from(species), occ }
    }

    fn site(self) -> u32 {
        (self.at >> 32) as u32
    }

    fn species(self) -> u32 {
        self.at as u32 // the lower half
    }
}

/// Keys, numbered as they come, and their labels.
#[derive(Default)]
struct Names {
    ids: FxHashMap<Box<str>, u32>,
    labels: Vec<Vec<Option<Box<str>>>>,
    last: (String, Option<u32>), // sorted rows ask for the same key again and again
}

impl Names {
    /// The number of a key. Of several labels the least by bytes is kept; null and empty are none.
    fn id<'a>(&mut self, key: &str, labels: impl Iterator<Item = Option<&'a str>>) -> u32 {
        let labels = labels.map(|label| label.filter(|label| !label.is_empty()));
        let known = if self.last.0 == key { self.last.1 } else { self.ids.get(key).copied() };
        let Some(id) = known else {
            let id = u32::try_from(self.labels.len()).expect("fewer keys than u32 can number");
            self.ids.insert(key.into(), id);
            self.labels.push(labels.map(|label| label.map(Box::from)).collect());
            return id;
        };
        for (kept, label) in self.labels[id as usize].iter_mut().zip(labels) {
            if label.is_some() && (kept.is_none() || label < kept.as_deref()) {
                *kept = label.map(Box::from);
            }
        }
        self.last.0.clear();
        self.last.0.push_str(key);
        self.last.1 = Some(id);
        id
    }

    /// The names in the order of the bytes of their keys, and the rank of each number.
    fn sorted(self) -> (Vec<Name>, Vec<u32>) {
        let mut labels = self.labels;
        let mut keys: Vec<(Box<str>, u32)> = self.ids.into_iter().collect();
        keys.sort_unstable();
        let mut ranks = vec![0; keys.len()];
        let name = |(rank, (key, id)): (usize, (Box<str>, u32))| {
            ranks[id as usize] = rank as u32; // as many as there are numbers
            Name { key, labels: std::mem::take(&mut labels[id as usize]) }
        };
        (keys.into_iter().enumerate().map(name).collect(), ranks)
    }
}

/// A key and its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) key: Box<str>,
    pub(super) labels: Vec<Option<Box<str>>>,
}

impl MatrixBuilder {
    /// Begins with no site and no species. A species is present where it has at least `min_count` occurrences.
    pub fn new(spec: SummarySpec, min_count: NonZeroU64) -> Self {
        MatrixBuilder {
            spec,
            min_count,
            sites: Names::default(),
            species: Names::default(),
            cells: Vec::new(),
            left_out: LeftOut::default(),
        }
    }

    /// Adds rows of `<name>_x_species_list`: of its columns, those of `by`, `specieskey`, `species` and
    /// `occ_count`. A species may have several rows at a site, one per status; their occurrences are added up.
    ///
    /// # Errors
    /// [`SummaryError::Matrix`] if a column is missing, has another type, or a count is null or below 1.
    pub fn add(&mut self, list: &RecordBatch) -> Result<(), SummaryError> {
        let name = self.spec.name.clone();
        let wrong = |why: String| SummaryError::Matrix { summary: name.clone(), why };
        let text = |name: &str| texts(list, name).map_err(wrong);
        let by = self.spec.by.iter().map(|name| text(name)).collect::<Result<Vec<&StringArray>, _>>()?;
        let (keys, species) = (text("specieskey")?, text("species")?);
        let counts = column(list, "occ_count", &DataType::Int64).map_err(wrong)?;
        let counts: &Int64Array = counts.as_primitive::<Int64Type>();
        for row in 0..list.num_rows() {
            let occ = cell(counts, row, |row| counts.value(row))
                .and_then(|occ| u64::try_from(occ).ok().filter(|&occ| occ > 0))
                .ok_or_else(|| wrong(format!("occ_count of row {row} of the batch is null or below 1")))?;
            let Some(site) = cell(by[0], row, |row| by[0].value(row)) else {
                self.left_out.occ_outside += occ;
                continue;
            };
            let site =
                self.sites.id(site, by[1..].iter().map(|label| cell(label, row, |row| label.value(row))));
            let Some(key) = cell(keys, row, |row| keys.value(row)) else {
                self.left_out.occ_without_species += occ;
                continue;
            };
            let label = cell(species, row, |row| species.value(row));
            self.cells.push(Cell::new(site, self.species.id(key, [label].into_iter()), occ));
        }
        Ok(())
    }

    /// The matrix: what was added up, without what does not reach `min_count`, and then without the sites and
    /// species that have nothing left. The same for the same rows in any order.
    pub fn finish(self) -> SiteSpeciesMatrix {
        let MatrixBuilder { spec, min_count, sites, species, mut cells, mut left_out } = self;
        let (mut sites, site_ranks) = sites.sorted();
        let (mut species, species_ranks) = species.sorted();
        for cell in &mut cells {
            *cell =
                Cell::new(site_ranks[cell.site() as usize], species_ranks[cell.species() as usize], cell.occ);
        }
        cells.sort_unstable_by_key(|cell| cell.at);
        cells.dedup_by(|cell, kept| {
            let same = cell.at == kept.at;
            if same {
                kept.occ = kept.occ.saturating_add(cell.occ);
            }
            same
        });
        cells.retain(|cell| {
            let present = cell.occ >= min_count.get();
            if !present {
                left_out.occ_below_min_count += cell.occ;
            }
            present
        });
        let site_places = places(sites.len(), cells.iter().map(|cell| cell.site()));
        let species_places = places(species.len(), cells.iter().map(|cell| cell.species()));
        left_out.sites = keep(&mut sites, &site_places);
        left_out.species = keep(&mut species, &species_places);

        let site_of = |cell: &Cell| site_places[cell.site() as usize];
        let species_of = |cell: &Cell| species_places[cell.species() as usize];
        let by_site = Lines {
            starts: starts(sites.len(), cells.iter().map(site_of)),
            items: cells.iter().map(species_of).collect(),
        };
        let mut by_species = Lines {
            starts: starts(species.len(), cells.iter().map(species_of)),
            items: vec![0; cells.len()],
        };
        let mut next = by_species.starts.clone();
        for cell in &cells {
            let at = &mut next[species_of(cell) as usize];
            by_species.items[*at] = site_of(cell);
            *at += 1;
        }
        let counts = cells.iter().map(|cell| cell.occ).collect();
        SiteSpeciesMatrix { spec, min_count, sites, species, by_site, by_species, counts, left_out }
    }
}

/// The value of a row; none is null.
fn cell<T>(column: &dyn Array, row: usize, value: impl Fn(usize) -> T) -> Option<T> {
    (!column.is_null(row)).then(|| value(row))
}

/// What is at no place any more.
const DROPPED: u32 = u32::MAX;

/// The new places of those of `len` things that are used; they keep their order.
fn places(len: usize, used: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut places = vec![DROPPED; len];
    for thing in used {
        places[thing as usize] = 0;
    }
    let used = places.iter_mut().filter(|place| **place != DROPPED);
    for (place, next) in used.zip(0..) {
        *place = next;
    }
    places
}

/// Keeps the names that have a place, gives how many have none.
fn keep(names: &mut Vec<Name>, places: &[u32]) -> u64 {
    let before = names.len();
    let mut places = places.iter();
    names.retain(|_| places.next().is_some_and(|&place| place != DROPPED));
    (before - names.len()) as u64
}

/// Where the items of each of `len` lines begin, and where the last one ends.
fn starts(len: usize, lines: impl Iterator<Item = u32>) -> Vec<usize> {
    let mut starts = vec![0; len + 1];
    for line in lines {
        starts[line as usize + 1] += 1;
    }
    for line in 1..starts.len() {
        starts[line] += starts[line - 1];
    }
    starts
}

/// The presences of a matrix, line by line: the species of each site, or the sites of each species, ascending.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lines {
    starts: Vec<usize>,
    items: Vec<u32>,
}

impl Lines {
    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub(super) fn line(&self, line: usize) -> &[u32] {
        &self.items[self.starts[line]..self.starts[line + 1]]
    }

    pub(super) fn line_len(&self, line: usize) -> u64 {
        (self.starts[line + 1] - self.starts[line]) as u64
    }

    /// The line of an item, by its place among all.
    pub(super) fn line_of(&self, place: usize) -> usize {
        self.starts.partition_point(|&start| start <= place) - 1
    }

    /// An item, by its place among all.
    pub(super) fn item(&self, place: usize) -> usize {
        self.items[place] as usize
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &[u32]> {
        self.starts.windows(2).map(|ends| &self.items[ends[0]..ends[1]])
    }
}

/// Sites × species, sparse, in the order of rows and of columns: every site and every species has a presence.
///
/// Sites are sorted by the bytes of their key, species by those of specieskey. It takes 16 bytes a presence.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteSpeciesMatrix {
    pub(super) spec: SummarySpec,
    pub(super) min_count: NonZeroU64,
    pub(super) sites: Vec<Name>,
    pub(super) species: Vec<Name>,
    pub(super) by_site: Lines,
    pub(super) by_species: Lines,
    pub(super) counts: Vec<u64>, // in the order of `by_site`
    pub(super) left_out: LeftOut,
}

impl SiteSpeciesMatrix {
    /// The summary.
    pub fn spec(&self) -> &SummarySpec {
        &self.spec
    }

    /// How many occurrences a presence has at least.
    pub fn min_count(&self) -> NonZeroU64 {
        self.min_count
    }

    /// N, the number of sites.
    pub fn site_count(&self) -> usize {
        self.sites.len()
    }

    /// S, the number of species.
    pub fn species_count(&self) -> usize {
        self.species.len()
    }

    /// The number of presences.
    pub fn presence_count(&self) -> usize {
        self.counts.len()
    }

    /// The occurrences that it holds.
    pub fn occurrences(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What it does not hold.
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// The key of a site, by its row from 0.
    pub fn site(&self, row: usize) -> &str {
        &self.sites[row].key
    }

    /// The specieskey of a species, by its column from 0.
    pub fn species(&self, column: usize) -> &str {
        &self.species[column].key
    }

    /// Row, column and occurrences of every presence, both from 0, row by row.
    pub fn triples(&self) -> impl Iterator<Item = (usize, usize, u64)> {
        let lines = self.by_site.lines().enumerate();
        let places = lines.flat_map(|(row, line)| line.iter().map(move |&column| (row, column as usize)));
        places.zip(&self.counts).map(|((row, column), &occ)| (row, column, occ))
    }
}
