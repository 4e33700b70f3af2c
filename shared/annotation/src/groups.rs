//! From the groups that sessions counted to the counts of the summaries.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::take;
use bisonflow_contract::StepError;
use bisonflow_contract::document::{LayerCount, Tally};
use bisonflow_occurrence::parquet_file::{NO_TEXT, Texts};
use bisonflow_region::SetId;
use bisonflow_riis::{MatchedKey, Outcome};
use bisonflow_summary::datasets::{DATASET_COUNTS, DatasetCounts};
use bisonflow_summary::riis_matches::{Match, RIIS_MATCHES, RiisMatches};
use bisonflow_summary::{PartialCounts, RecordCount, SummaryError, SummarySpec};
use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::internal;
use crate::regions::SetValues;
use crate::session::{Count, Group, Session};
use crate::status;
use crate::taxon;

/// Groups that are handed on at a time.
const BATCH_GROUPS: usize = 1 << 17;

/// What a pass counts of the annotated records.
pub(crate) struct Counts {
    summaries: PartialCounts,
    riis_matches: RiisMatches,
    datasets: Option<DatasetCounts>,
}

impl Counts {
    pub(crate) fn new(summaries: &[SummarySpec], run_year: i16, counts_datasets: bool) -> Counts {
        Counts {
            summaries: PartialCounts::new(summaries, run_year),
            riis_matches: RiisMatches::new(),
            datasets: counts_datasets.then(DatasetCounts::new),
        }
    }

    /// The Parquet file of each summary, of the matches in the register and of the datasets.
    pub(crate) fn finish(self) -> Result<BTreeMap<String, Bytes>, SummaryError> {
        let mut files = self.summaries.finish()?;
        files.insert(RIIS_MATCHES.to_owned(), self.riis_matches.to_parquet()?);
        if let Some(datasets) = &self.datasets {
            files.insert(DATASET_COUNTS.to_owned(), datasets.to_parquet()?);
        }
        Ok(files)
    }
}

impl Session<'_> {
    /// Adds everything that was counted to `counts`; answers what became of all records.
    ///
    /// # Errors
    /// [`StepError::Internal`] if a summary asks for what no layer writes.
    pub(crate) fn finish(mut self, counts: &mut Counts) -> Result<Tally, StepError> {
        let groups: Vec<(Group, Count)> = self.groups.drain().collect();
        let mut layers = vec![LayerCount::default(); self.annotator.layers.len()];
        let mut matches: FxHashMap<(u32, u32), u64> = FxHashMap::default();
        for groups in groups.chunks(BATCH_GROUPS) {
            let outcomes: Vec<u32> = groups.iter().map(|(group, _)| self.outcome(group)).collect();
            let batch = self.batch(groups, &outcomes)?;
            let record_counts: Vec<RecordCount> = groups.iter().map(|(_, count)| count.into()).collect();
            counts.summaries.add_counted(&batch, &record_counts)?;
            for ((group, Count { records, .. }), &outcome) in groups.iter().zip(&outcomes) {
                for (layer, sets) in layers.iter_mut().zip(&self.annotator.zones.sets) {
                    let is_outside = sets[group.zone as usize] as usize == SetId::NONE.index();
                    *(if is_outside { &mut layer.outside } else { &mut layer.inside }) += records;
                }
                if self.outcomes.all[outcome as usize].matched_key.is_some() {
                    *matches.entry((group.taxon, outcome)).or_default() += records;
                }
                status::tally(&mut self.tally.riis, self.outcomes.assessment(outcome), *records);
            }
        }
        for ((taxon, outcome), records) in matches {
            self.add_match(&mut counts.riis_matches, taxon, outcome, records);
        }
        if let (Some(datasets), Some(counts)) = (&self.datasets, &mut counts.datasets) {
            datasets.finish(counts);
        }
        let names = self.annotator.layers.iter().map(|layer| layer.name.clone());
        self.tally.layers = names.zip(layers).collect();
        Ok(self.tally)
    }

    /// Counts records of a taxon that the register lists.
    fn add_match(&self, matches: &mut RiisMatches, taxon: u32, outcome: u32, records: u64) {
        let Outcome { region, matched_key, .. } = self.outcomes.all[outcome as usize];
        let text = |column| self.taxa.text(taxon, column);
        let key = matched_key.and_then(|matched| {
            text(match matched {
                MatchedKey::Accepted => taxon::ACCEPTEDTAXONKEY,
                MatchedKey::Taxon => taxon::TAXONKEY,
                MatchedKey::Species => taxon::SPECIESKEY,
            })
        });
        let register = self.annotator.register.as_ref();
        let listing =
            register.zip(key).zip(region).and_then(|((register, key), region)| register.listing(key, region));
        let (Some(matched_key), Some(key), Some(listing)) = (matched_key, key, listing) else { return };
        let id = matches.id(&Match {
            riis_occurrence_id: &listing.occurrence_id,
            riis_scientificname: listing.scientific_name.as_deref(),
            acceptedscientificname: text(taxon::ACCEPTEDSCIENTIFICNAME).or(text(taxon::SCIENTIFICNAME)),
            key,
            matched_key: matched_key.as_str(),
            specieskey: text(taxon::SPECIESKEY),
        });
        matches.add(id, records);
    }

    fn outcome(&mut self, group: &Group) -> u32 {
        let standing = self.annotator.zones.standing(group.zone);
        self.outcomes.of(self.annotator.register.as_ref(), &self.taxa, group.taxon, standing)
    }

    /// A row for each group, with the columns that summaries are counted by.
    fn batch(&self, groups: &[(Group, Count)], outcomes: &[u32]) -> Result<RecordBatch, StepError> {
        let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
        for (place, name) in taxon::COLUMNS[..taxon::SUMMARIZED].iter().enumerate() {
            let codes = &self.taxa.codes[place];
            let codes = groups.iter().map(|(group, _)| codes[group.taxon as usize]);
            columns.push((*name, coded(codes, &self.taxa.texts[place])?));
        }
        let assessments: StringArray =
            outcomes.iter().map(|&outcome| Some(self.outcomes.assessment(outcome).as_str())).collect();
        columns.push(("riis_assessment", Arc::new(assessments)));
        for (layer, sets) in self.annotator.layers.iter().zip(&self.annotator.zones.sets) {
            let sets = groups.iter().map(|(group, _)| sets[group.zone as usize]);
            for column in &layer.columns {
                let array: ArrayRef = match &column.values {
                    SetValues::Texts { codes, texts } => {
                        coded(sets.clone().map(|set| codes[set as usize]), texts)?
                    }
                    SetValues::Lists(lists) => {
                        let rows: UInt32Array = sets.clone().map(Some).collect();
                        take(lists, &rows, None).map_err(internal)?
                    }
                };
                columns.push((column.field.name(), array));
            }
        }
        let columns = columns.into_iter().map(|(name, array)| (name, array, true));
        RecordBatch::try_from_iter_with_nullable(columns).map_err(internal)
    }
}

/// Texts with their dictionary.
fn coded(codes: impl Iterator<Item = u32>, texts: &Texts) -> Result<ArrayRef, StepError> {
    let keys: Int32Array = codes.map(|code| (code != NO_TEXT).then_some(code as i32)).collect();
    let entries: StringArray = texts.iter().map(Some).collect();
    Ok(Arc::new(DictionaryArray::try_new(keys, Arc::new(entries)).map_err(internal)?))
}

impl From<&Count> for RecordCount {
    fn from(count: &Count) -> RecordCount {
        let years = (count.first <= count.last).then_some((count.first, count.last));
        RecordCount { records: count.records, undated: count.undated, years }
    }
}
