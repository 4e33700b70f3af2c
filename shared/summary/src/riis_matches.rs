//! Which row of the register was given to which taxa of the records, and by which of their keys: how one spots a
//! wrong join.

use bytes::Bytes;

use crate::groups::{Figures, Group, Groups};
use crate::{SummaryError, SummaryTable};

/// The name of the table, and of its partial counts.
pub const RIIS_MATCHES: &str = "riis_matches";

/// What a record and the row of the register that it matched have to say.
#[derive(Clone, Copy, Debug)]
pub struct Match<'a> {
    /// `riis_occurrence_id`, the row of the register.
    pub riis_occurrence_id: &'a str,
    /// The name of the taxon in the register.
    pub riis_scientificname: Option<&'a str>,
    /// The accepted name of the record; its name where the source gives no accepted one.
    pub acceptedscientificname: Option<&'a str>,
    /// The key of the record that the register lists.
    pub key: &'a str,
    /// `riis_matched_key`: accepted, taxon or species.
    pub matched_key: &'a str,
    /// The specieskey of the record.
    pub specieskey: Option<&'a str>,
}

/// The records of each match: of one worker, or of all.
pub struct RiisMatches {
    groups: Groups<6>,
}

/// A match of a [`RiisMatches`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchId(u32);

impl RiisMatches {
    /// Nothing counted yet.
    #[expect(clippy::new_without_default, reason = "an accumulator begins explicitly")]
    pub fn new() -> Self {
        let columns = [
            "riis_occurrence_id",
            "riis_scientificname",
            "acceptedscientificname",
            "key",
            "riis_matched_key",
            "specieskey",
        ];
        RiisMatches { groups: Groups::new(RIIS_MATCHES, columns) }
    }

    /// The number of a match, to be kept by whoever meets it again.
    pub fn id(&mut self, found: &Match<'_>) -> MatchId {
        MatchId(self.groups.id([
            Some(found.riis_occurrence_id),
            found.riis_scientificname,
            found.acceptedscientificname,
            Some(found.key),
            Some(found.matched_key),
            found.specieskey.filter(|key| !key.is_empty() && *key != "0"),
        ]))
    }

    /// Counts annotated records.
    pub fn add(&mut self, id: MatchId, records: u64) {
        self.groups.figures(id.0).add(&Figures::new(records, records, None));
    }

    /// The counts as a Parquet file: the same bytes for the same records in any order.
    ///
    /// # Errors
    /// [`SummaryError::Parquet`] if it cannot be written.
    pub fn to_parquet(&self) -> Result<Bytes, SummaryError> {
        self.groups.to_parquet()
    }

    /// Adds the counts of a worker.
    ///
    /// # Errors
    /// [`SummaryError::Partial`] if it is no such file.
    pub fn add_partial(&mut self, bytes: Bytes) -> Result<(), SummaryError> {
        self.groups.add_partial(bytes)
    }

    /// The rows of the table, sorted by the bytes of their texts, nulls last.
    pub fn rows(&self) -> MatchRows {
        let mut rows: Vec<MatchRow> = Vec::new();
        for (texts, figures) in self.groups.sorted() as Vec<Group<6>> {
            let [id, name, accepted, key, matched, species] = texts;
            let texts = [id, name, accepted, key, matched];
            // The species come last, so those of one match follow each other, each once.
            match rows.last_mut().filter(|last| last.texts == texts) {
                Some(last) => {
                    last.records += figures.annotated;
                    last.species += i64::from(species.is_some());
                }
                None => rows.push(MatchRow {
                    texts,
                    records: figures.annotated,
                    species: i64::from(species.is_some()),
                }),
            }
        }
        MatchRows { rows }
    }
}

struct MatchRow {
    texts: [Option<Box<str>>; 5],
    records: i64,
    species: i64,
}

/// The rows of the table `riis_matches`.
pub struct MatchRows {
    rows: Vec<MatchRow>,
}

impl MatchRows {
    /// How many annotated records matched.
    pub fn records(&self) -> u64 {
        self.rows.iter().map(|row| row.records as u64).sum()
    }

    /// The table: a row per row of the register, accepted name, key and which key of the record that is.
    pub fn table(&self) -> SummaryTable<'_> {
        let rows = &self.rows;
        let mut table = SummaryTable::new(RIIS_MATCHES.to_owned(), rows.len());
        for (place, (name, comment)) in [
            ("riis_occurrence_id", "Row of the register (RIIS)"),
            ("riis_scientificname", "Name of the taxon in the register"),
            (
                "acceptedscientificname",
                "Accepted name of the records, or their name where the source gives no accepted one",
            ),
            ("key", "Key of the records that the register lists"),
            ("riis_matched_key", "Which key that is: accepted, taxon, or species, inherited from it"),
        ]
        .into_iter()
        .enumerate()
        {
            table.text(name, comment, move |row| rows[row].texts[place].as_deref());
        }
        table.bigint("records", "Annotated records that matched", |row| rows[row].records);
        table.bigint("species", "Different specieskey of these records", |row| rows[row].species);
        table
    }
}
