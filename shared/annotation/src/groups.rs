//! From the groups that sessions counted to the counts of the summaries.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::take;
use bisonflow_contract::StepError;
use bisonflow_contract::document::{LayerCount, Tally};
use bisonflow_occurrence::parquet_file::{NO_TEXT, Texts};
use bisonflow_region::SetId;
use bisonflow_summary::{PartialCounts, RecordCount};

use crate::internal;
use crate::regions::SetValues;
use crate::session::{Count, Group, Session};
use crate::status;
use crate::taxa::TAXON_COLUMNS;

/// Groups that are handed on at a time.
const BATCH_GROUPS: usize = 1 << 17;

impl Session<'_> {
    /// Adds everything that was counted to `counts`; answers what became of all records.
    ///
    /// # Errors
    /// [`StepError::Internal`] if a summary asks for what no layer writes.
    pub fn finish(mut self, counts: &mut PartialCounts) -> Result<Tally, StepError> {
        let groups: Vec<(Group, Count)> = self.groups.drain().collect();
        let mut layers = vec![LayerCount::default(); self.annotator.layers.len()];
        for groups in groups.chunks(BATCH_GROUPS) {
            let outcomes: Vec<u32> = groups.iter().map(|(group, _)| self.outcome(group)).collect();
            let batch = self.batch(groups, &outcomes)?;
            let record_counts: Vec<RecordCount> = groups.iter().map(|(_, count)| count.into()).collect();
            counts.add_counted(&batch, &record_counts)?;
            for ((group, Count { records, .. }), &outcome) in groups.iter().zip(&outcomes) {
                for (layer, sets) in layers.iter_mut().zip(&self.annotator.zones.sets) {
                    let is_outside = sets[group.zone as usize] as usize == SetId::NONE.index();
                    *(if is_outside { &mut layer.outside } else { &mut layer.inside }) += records;
                }
                status::tally(&mut self.tally.riis, self.outcomes.assessment(outcome), *records);
            }
        }
        let names = self.annotator.layers.iter().map(|layer| layer.name.clone());
        self.tally.layers = names.zip(layers).collect();
        Ok(self.tally)
    }

    fn outcome(&mut self, group: &Group) -> u32 {
        let standing = self.annotator.zones.standing(group.zone);
        self.outcomes.of(self.annotator.register.as_ref(), &self.taxa, group.taxon, standing)
    }

    /// A row for each group, with the columns that summaries are counted by.
    fn batch(&self, groups: &[(Group, Count)], outcomes: &[u32]) -> Result<RecordBatch, StepError> {
        let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
        for (place, name) in TAXON_COLUMNS.into_iter().enumerate() {
            let codes = &self.taxa.codes[place];
            let codes = groups.iter().map(|(group, _)| codes[group.taxon as usize]);
            columns.push((name, coded(codes, &self.taxa.texts[place])?));
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
