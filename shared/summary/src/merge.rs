//! Adding up what the workers counted.

use arrow::array::{Array, StringArray};
use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::assessment::Assessment;
use crate::intern::{Interner, NONE, Sorted, next_id};
use crate::partial::{self, Count, PartialBatch};
use crate::tables::{self, Labels, Rollups, Row};
use crate::{SummaryError, SummarySpec, SummaryTable};

/// Adds up the partial counts of one summary, whatever their number and order.
///
/// Memory grows with the distinct groups of key, taxon and status, not with the records.
pub struct Merger {
    spec: SummarySpec,
    texts: Interner,
    taxa: FxHashMap<(u32, u32), u32>, // (specieskey, taxonkey)
    groups: FxHashMap<GroupId, Count>,
    place_votes: Vec<Votes>, // for the columns of `by` after the key
    species_votes: Votes,
    taxon_votes: Votes,
    total: Count,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct GroupId {
    key: u32,
    assessment: Assessment,
    taxon: u32,
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
            groups: FxHashMap::default(),
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
            let group = GroupId { key: by[0][row], assessment: assessments[row], taxon };
            self.groups.entry(group).or_insert(Count::ZERO).add(count);
            for (votes, labels) in self.place_votes.iter_mut().zip(&by[1..]) {
                votes.add(by[0][row], labels[row], count.occ);
            }
            // by records, so that a taxon has the same name in every summary
            self.species_votes.add(species_keys[row], species[row], count.records);
            self.taxon_votes.add(taxon_keys[row], scientific_names[row], count.records);
            self.total.add(count);
        }
    }

    fn intern(&mut self, column: &StringArray) -> Vec<u32> {
        (0..column.len())
            .map(|row| if column.is_null(row) { NONE } else { self.texts.id(column.value(row)) })
            .collect()
    }

    /// The tables of the summary, in the order of [`SummarySpec::table_names`].
    ///
    /// Rows are grouped by the key, the first column of `by`; records outside the layer have a row with a null
    /// key. The other columns of `by`, `species` and `scientificname` are labels: of several, the one that most
    /// records bear, then the lowest by bytes; null and empty are none. Sorted by the bytes of the key, then of
    /// specieskey or taxonkey, then of riis_assessment, nulls last.
    ///
    /// # Errors
    /// [`SummaryError::Spec`] if the summary is not as it should be.
    pub fn tables(self) -> Result<Vec<SummaryTable>, SummaryError> {
        self.spec.check()?;
        let sorted = self.texts.sorted();
        let mut taxa = vec![(NONE, NONE); self.taxa.len()];
        for ((species, taxon), id) in self.taxa {
            taxa[id as usize] = (sorted.rank(species), sorted.rank(taxon));
        }
        let row = |group: GroupId, count: Count, item: u32| Row {
            key: sorted.rank(group.key),
            item,
            assessment: group.assessment,
            count,
        };
        let by_species = self.groups.iter().map(|(&id, &count)| row(id, count, taxa[id.taxon as usize].0));
        let by_species = rollup(by_species.collect());
        let by_taxon = self.groups.into_iter().map(|(id, count)| row(id, count, taxa[id.taxon as usize].1));
        let by_taxon = rollup(by_taxon.collect());
        let rollups = Rollups {
            species: by_species,
            taxa: by_taxon,
            places: self.place_votes.iter().map(|votes| votes.winners(&sorted)).collect(),
            species_names: self.species_votes.winners(&sorted),
            scientific_names: self.taxon_votes.winners(&sorted),
            total: self.total,
            texts: sorted,
        };
        tables::lay_out(&self.spec, &rollups)
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

/// Sorts the rows and adds up those of one key, item and status.
fn rollup(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_unstable_by_key(Row::group);
    rows.dedup_by(|row, kept| {
        let same = row.group() == kept.group();
        if same {
            kept.count.add(&row.count);
        }
        same
    });
    rows.shrink_to_fit();
    rows
}
