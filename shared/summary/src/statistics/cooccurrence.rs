//! How many species two sites share, and how many sites two species share.

use crate::SummaryError;
use crate::statistics::matrix::{Lines, SiteSpeciesMatrix};

/// The most sites or species of which there is a covariance matrix: 200 MB.
pub const MAX_SIGMA_SIZE: usize = 5_000;

/// Rows or columns of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// The rows.
    Sites,
    /// The columns.
    Species,
}

impl Axis {
    /// `sites` or `species`.
    pub fn as_str(self) -> &'static str {
        match self {
            Axis::Sites => "sites",
            Axis::Species => "species",
        }
    }
}

/// The covariances of all pairs of sites, or of all pairs of species: symmetric.
#[derive(Clone, Debug, PartialEq)]
pub struct Covariance {
    size: usize,
    values: Vec<f64>, // row by row
}

impl Covariance {
    /// Its rows, and columns.
    pub fn size(&self) -> usize {
        self.size
    }

    /// A row, from 0.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.size..(row + 1) * self.size]
    }
}

impl SiteSpeciesMatrix {
    /// σ of the sites, XXᵀ/S − (α/S)(α/S)ᵀ, or of the species, XᵀX/N − (ω/N)(ω/N)ᵀ (Arita et al. 2008). Every
    /// value is one quotient of whole numbers.
    ///
    /// # Errors
    /// [`SummaryError::SigmaSize`] above [`MAX_SIGMA_SIZE`].
    pub fn sigma(&self, axis: Axis) -> Result<Covariance, SummaryError> {
        let (lines, across) = match axis {
            Axis::Sites => (&self.by_site, &self.by_species),
            Axis::Species => (&self.by_species, &self.by_site),
        };
        let (size, over) = (lines.len(), across.len() as i128);
        if size > MAX_SIGMA_SIZE {
            return Err(SummaryError::SigmaSize {
                summary: self.spec.name.clone(),
                axis: axis.as_str(),
                size,
                allowed: MAX_SIGMA_SIZE,
            });
        }
        let mut values = vec![0.0; size * size];
        let mut shared = vec![0_u32; size];
        for line in 0..size {
            add_shared(lines.line(line), across, 0, &mut shared);
            let row = &mut values[line * size..(line + 1) * size];
            for (other, (value, shared)) in row.iter_mut().zip(&mut shared).enumerate() {
                let product = i128::from(lines.line_len(line)) * i128::from(lines.line_len(other));
                *value = (over * i128::from(*shared) - product) as f64 / (over * over) as f64;
                *shared = 0;
            }
        }
        Ok(Covariance { size, values })
    }
}

/// Adds, for every line from `first` on, how many of the items of a line it shares with that line.
fn add_shared(items: &[u32], across: &Lines, first: u32, shared: &mut [u32]) {
    for &item in items {
        let others = across.line(item as usize);
        let from = if first == 0 { 0 } else { others.partition_point(|&other| other < first) };
        for &other in &others[from..] {
            shared[other as usize] += 1;
        }
    }
}

/// ‖XXᵀ‖²_F = ‖XᵀX‖²_F: over all ordered pairs of sites, the square of the species that they share; or the same
/// with sites and species exchanged, whichever takes fewer steps.
pub(super) fn squared_norm(matrix: &SiteSpeciesMatrix) -> u128 {
    let (by_site, by_species) = (&matrix.by_site, &matrix.by_species);
    if steps(by_species) <= steps(by_site) { norm(by_site, by_species) } else { norm(by_species, by_site) }
}

/// Half the steps of going through the lines across from each of their items.
fn steps(across: &Lines) -> u128 {
    (0..across.len()).map(|line| u128::from(across.line_len(line)).pow(2)).sum()
}

/// Takes each pair of lines once: the diagonal, and twice what lies above it.
fn norm(lines: &Lines, across: &Lines) -> u128 {
    let mut shared = vec![0_u32; lines.len()];
    let mut total = 0_u128;
    for line in 0..lines.len() {
        let items = lines.line(line);
        let next = line as u32 + 1; // lines are numbered by u32
        add_shared(items, across, next, &mut shared);
        let above = &mut shared[line + 1..];
        let reached: u64 = items.iter().map(|&item| across.line_len(item as usize)).sum();
        let squares = if reached < above.len() as u64 / 4 {
            take_reached(items, across, next, &mut shared)
        } else {
            let squares = above.iter().map(|&shared| u64::from(shared).pow(2)).sum::<u64>();
            above.fill(0);
            squares
        };
        total += u128::from(lines.line_len(line)).pow(2) + 2 * u128::from(squares);
    }
    total
}

/// The squares of what [`add_shared`] counted, which is 0 again afterwards; for lines that share with few.
fn take_reached(items: &[u32], across: &Lines, first: u32, shared: &mut [u32]) -> u64 {
    let mut squares = 0;
    for &item in items {
        let others = across.line(item as usize);
        for &other in &others[others.partition_point(|&other| other < first)..] {
            squares += u64::from(std::mem::take(&mut shared[other as usize])).pow(2);
        }
    }
    squares
}
