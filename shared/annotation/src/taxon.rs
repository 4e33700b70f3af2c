//! What a record says of its taxon.

use crate::distinct::Distinct;

/// Distinct taxa: records that say the same in all of [`COLUMNS`] are of one.
pub(crate) type Taxa = Distinct<{ COLUMNS.len() }>;

/// The columns that make a taxon, the key first.
pub(crate) const COLUMNS: [&str; 6] =
    ["taxonkey", "scientificname", "specieskey", "species", "acceptedtaxonkey", "acceptedscientificname"];
/// How many of these, from the first, summaries ask for.
pub(crate) const SUMMARIZED: usize = 4;

// Their places.
pub(crate) const TAXONKEY: usize = 0;
pub(crate) const SCIENTIFICNAME: usize = 1;
pub(crate) const SPECIESKEY: usize = 2;
pub(crate) const SPECIES: usize = 3;
pub(crate) const ACCEPTEDTAXONKEY: usize = 4;
pub(crate) const ACCEPTEDSCIENTIFICNAME: usize = 5;
