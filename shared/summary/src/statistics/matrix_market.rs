//! The matrix as text in the MatrixMarket coordinate format, which R, Python, MATLAB and Julia read.

use std::io::Write;

use crate::statistics::matrix::SiteSpeciesMatrix;

/// What the entries of a matrix say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entries {
    /// The occurrences: a heat map.
    Counts,
    /// Only that there are at least `min_count`: presence and absence.
    Presence,
}

impl Entries {
    /// `counts` or `presence`.
    pub fn as_str(self) -> &'static str {
        match self {
            Entries::Counts => "counts",
            Entries::Presence => "presence",
        }
    }
}

/// How many presences are written at a time.
const LINES: usize = 65_536;

/// The file, in pieces: a header, what it is, its size, then a line per presence, row by row, counted from 1.
/// [`row_labels`](super::tables::row_labels) and [`column_labels`](super::tables::column_labels) say which site
/// and species these are.
pub fn pieces(matrix: &SiteSpeciesMatrix, entries: Entries) -> impl Iterator<Item = Vec<u8>> {
    let field = match entries {
        Entries::Counts => "integer",
        Entries::Presence => "pattern",
    };
    let header = format!(
        "%%MatrixMarket matrix coordinate {field} general\n% rows: {}, columns: specieskey, min_count: {}\n{} {} {}\n",
        matrix.spec().by[0],
        matrix.min_count(),
        matrix.site_count(),
        matrix.species_count(),
        matrix.presence_count()
    );
    let mut triples = matrix.triples().peekable();
    let lines = std::iter::from_fn(move || {
        triples.peek()?;
        let mut lines = Vec::new();
        for (site, species, occ) in triples.by_ref().take(LINES) {
            let (row, column) = (site + 1, species + 1);
            match entries {
                Entries::Counts => writeln!(lines, "{row} {column} {occ}"),
                Entries::Presence => writeln!(lines, "{row} {column}"),
            }
            .expect("a vector takes what is written");
        }
        Some(lines)
    });
    std::iter::once(header.into_bytes()).chain(lines)
}
