//! Adding up what the workers counted.

use arrow::array::{Array, StringArray};
use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::assessment::Assessment;
use crate::intern::{Interner, NONE, Sorted, next_id};
use crate::partial::{self, Count, PartialBatch};
use crate::tables::{Labels, Merged, Rollups, Row};
use crate::{SummaryError, SummarySpec};

/// Rows are added up when they are at least this many, and twice as many as they were afterwards the last time.
const ROLL_UP_ROWS: usize = 1 << 16;

/// Adds up the partial counts of one summary, whatever their number and order.
///
/// Memory grows with the distinct groups of key, taxon and status, not with the records nor with the number of
/// partial counts: 64 bytes a group.
pub struct Merger {
    spec: SummarySpec,
    texts: Interner,
    taxa: FxHashMap<(u32, u32), u32>, // (specieskey, taxonkey)
    rows: Vec<Row>,                   // their items are `taxa`
    roll_up_at: usize,
    place_votes: Vec<Votes>, // for the columns of `by` after the key
    species_votes: Votes,
    taxon_votes: Votes,
    total: Count,
}

/// How often each key bore each label.
#[derive(Default)]
struct Votes {
    votes: FxHashMap<(u32, u32), i64>,
}

impl Merger {
    /// Adds up nothing yet.
    pub fn new(spec: SummarySpec) -> Self {
        Merger {
            place_votes: spec.by.iter().skip(1).map(|_| Votes::default()).collect(),
            spec,
            texts: Interner::default(),
            taxa: FxHashMap::default(),
            rows: Vec::new(),
            roll_up_at: ROLL_UP_ROWS,
            species_votes: Votes::default(),
            taxon_votes: Votes::default(),
            total: Count::ZERO,
        }
    }

    /// Adds the partial counts of a subset, as [`PartialCounts::finish`](crate::PartialCounts::finish) left
    /// them.
    ///
    /// # Errors
    /// [`SummaryError::Partial`] if these are not partial counts of this summary, whole; nothing is added then.
    pub fn add_partial(&mut self, bytes: Bytes) -> Result<(), SummaryError> {
        let batches = partial::read(&self.spec, bytes)?
            .into_iter()
            .map(|batch| Ok((self.assessments(&batch.assessment)?, batch)))
            .collect::<Result<Vec<_>, SummaryError>>()?;
        for (assessments, batch) in batches {
            self.add_batch(&assessments, &batch);
        }
        Ok(())
    }

    fn assessments(&self, column: &StringArray) -> Result<Vec<Assessment>, SummaryError> {
        let parse = |text: Option<&str>| {
            text.and_then(Assessment::parse).ok_or_else(|| SummaryError::Partial {
                summary: self.spec.name.clone(),
                why: format!("found riis_assessment {text:?}"),
            })
        };
        column.iter().map(parse).collect()
    }

    fn add_batch(&mut self, assessments: &[Assessment], batch: &PartialBatch) {
        let by: Vec<Vec<u32>> = batch.by.iter().map(|column| self.intern(column)).collect();
        let [taxon_keys, scientific_names, species_keys, species] =
            [&batch.taxon_key, &batch.scientific_name, &batch.species_key, &batch.species]
                .map(|column| self.intern(column));
        for (row, count) in batch.counts.iter().enumerate() {
            let next = next_id(self.taxa.len());
            let taxon = *self.taxa.entry((species_keys[row], taxon_keys[row])).or_insert(next);
            self.rows.push(Row::new(by[0][row], taxon, assessments[row], count));
            for (votes, labels) in self.place_votes.iter_mut().zip(&by[1..]) {
                votes.add(by[0][row], labels[row], count.occ);
            }
            // by records, so that a taxon has the same name in every summary
            self.species_votes.add(species_keys[row], species[row], count.records);
            self.taxon_votes.add(taxon_keys[row], scientific_names[row], count.records);
            self.total.add(count);
        }
        if self.rows.len() >= self.roll_up_at {
            Row::roll_up(&mut self.rows);
            self.roll_up_at = ROLL_UP_ROWS.max(2 * self.rows.len());
        }
    }

    fn intern(&mut self, column: &StringArray) -> Vec<u32> {
        (0..column.len())
            .map(|row| if column.is_null(row) { NONE } else { self.texts.id(column.value(row)) })
            .collect()
    }

    /// What was added up, from which the tables are made; the merger is empty then.
    ///
    /// # Errors
    /// [`SummaryError::Spec`] if the summary is not as it should be.
    pub fn merged(&mut self) -> Result<Merged<'_>, SummaryError> {
        self.spec.check()?;
        let sorted = self.texts.sorted();
        let mut taxa = vec![(NONE, NONE); self.taxa.len()];
        for (&(species, taxon), &id) in &self.taxa {
            taxa[id as usize] = (sorted.rank(species), sorted.rank(taxon));
        }
        let mut rows = std::mem::take(&mut self.rows);
        Row::roll_up(&mut rows);
        rows.shrink_to_fit();
        let mut by_species = rows.clone();
        for (row, by_species) in rows.iter_mut().zip(&mut by_species) {
            let (species, taxon) = taxa[row.item as usize];
            row.key = sorted.rank(row.key);
            (by_species.key, by_species.item) = (row.key, species);
            row.item = taxon;
        }
        Row::roll_up(&mut by_species);
        Row::roll_up(&mut rows);
        let rollups = Rollups {
            species: by_species,
            taxa: rows,
            places: self.place_votes.iter().map(|votes| votes.winners(&sorted)).collect(),
            species_names: self.species_votes.winners(&sorted),
            scientific_names: self.taxon_votes.winners(&sorted),
            texts: sorted,
        };
        Ok(Merged::new(&self.spec, rollups, &self.total))
    }
}

impl Votes {
    fn add(&mut self, key: u32, label: u32, count: i64) {
        if key != NONE && label != NONE {
            let votes = self.votes.entry((key, label)).or_default();
            *votes = votes.saturating_add(count);
        }
    }

    /// The label of each key, as ranks.
    fn winners(&self, sorted: &Sorted<'_>) -> Labels {
        let mut best: FxHashMap<u32, (i64, u32)> = FxHashMap::default();
        for (&(key, label), &votes) in &self.votes {
            let label = sorted.rank(label);
            if sorted.text(label).is_some_and(str::is_empty) {
                continue;
            }
            let best = best.entry(sorted.rank(key)).or_insert((votes, label));
            if votes > best.0 || (votes == best.0 && label < best.1) {
                *best = (votes, label);
            }
        }
        best.into_iter().map(|(key, (_, label))| (key, label)).collect()
    }
}
