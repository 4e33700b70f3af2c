//! The site × species matrix of a summary and the statistics of presence and absence.
//!
//! A [`MatrixBuilder`] takes the rows of `<name>_x_species_list` and makes a [`SiteSpeciesMatrix`]: sites are the
//! keys of the summary, species are keys of species, and a species is present at a site where its occurrences,
//! of whatever status in the register, reach `min_count`. [`SiteSpeciesMatrix::statistics`] computes the figures,
//! [`tables`] and [`matrix_market`] lay them out. Every figure is computed from whole numbers and divided once,
//! so that it does not depend on an order of summation; what is not defined is none, never NaN.

pub mod cooccurrence;
pub mod figures;
pub mod matrix;
pub mod matrix_market;
pub mod tables;

pub use cooccurrence::{Axis, Covariance, MAX_SIGMA_SIZE};
pub use figures::{Diversity, SiteFigures, SpeciesFigures, Statistics};
pub use matrix::{LeftOut, MatrixBuilder, SiteSpeciesMatrix};
