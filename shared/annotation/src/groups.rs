//! From the groups that sessions counted to the counts of the summaries.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions, StringArray, UInt32Array,
};
use arrow::compute::take;
use arrow::datatypes::{Field, Schema};
use bisonflow_contract::StepError;
use bisonflow_contract::document::{LayerCount, Tally};
use bisonflow_occurrence::parquet_file::{NO_TEXT, Texts};
use bisonflow_region::SetId;
use bisonflow_riis::{MatchedKey, Outcome};
use bisonflow_summary::datasets::{DATASET_COUNTS, DatasetCounts};
use bisonflow_summary::riis_matches::{Match, RIIS_MATCHES, RiisMatches};
use bisonflow_summary::{Alike, EarliestDated, PartialCounts, SummaryError, SummarySpec};
use bytes::Bytes;
use rayon::iter::{IntoParallelRefMutIterator, ParallelIterator};
use rustc_hash::FxHashMap;

use crate::counting::Groups;
use crate::earliest::Regions;
use crate::internal;
use crate::regions::SetValues;
use crate::session::{Extras, Session};
use crate::status;
use crate::taxon;

/// What a pass counts of the annotated records.
pub(crate) struct Counts {
    summaries: PartialCounts,
    riis_matches: RiisMatches,
    datasets: Option<DatasetCounts>,
    earliest: Vec<EarliestDated>,
}

impl Counts {
    pub(crate) fn new(summaries: &[SummarySpec], run_year: i16, extras: Extras) -> Counts {
        let by_summary = summaries.iter().map(EarliestDated::new);
        Counts {
            summaries: PartialCounts::new(summaries, run_year),
            riis_matches: RiisMatches::new(),
            datasets: extras.counts_datasets.then(DatasetCounts::new),
            earliest: if extras.finds_earliest { by_summary.collect() } else { Vec::new() },
        }
    }

    /// The Parquet file of each summary, of the matches in the register, of the datasets and of the earliest
    /// records.
    pub(crate) fn finish(self) -> Result<BTreeMap<String, Bytes>, SummaryError> {
        let mut files = self.summaries.finish()?;
        files.insert(RIIS_MATCHES.to_owned(), self.riis_matches.to_parquet()?);
        if let Some(datasets) = &self.datasets {
            files.insert(DATASET_COUNTS.to_owned(), datasets.to_parquet()?);
        }
        for earliest in &self.earliest {
            files.insert(earliest.partial_name(), earliest.to_parquet()?);
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
        let annotator = self.annotator;
        // The zones that were met are the rows of the places.
        let mut zones: Vec<u32> = Vec::new();
        let mut rows = vec![u32::MAX; annotator.index.zone_count()];
        let mut in_zone: Vec<u64> = Vec::new();
        let groups = std::mem::replace(&mut self.groups, Groups::new());
        let mut alike = Vec::new();
        let mut matches: FxHashMap<(u32, u32), u64> = FxHashMap::default();
        for group in groups.iter() {
            let row = &mut rows[group.zone as usize];
            if *row == u32::MAX {
                *row = zones.len() as u32;
                zones.push(group.zone);
                in_zone.push(0);
            }
            in_zone[*row as usize] += group.count.records;
            let standing = annotator.zones.standing(group.zone);
            let status = self.outcomes.of(annotator.register.as_ref(), &self.taxa, group.taxon, standing);
            status::tally(&mut self.tally.riis, self.outcomes.assessment(status), group.count.records);
            if self.outcomes.all[status as usize].matched_key.is_some() {
                *matches.entry((group.taxon, status)).or_default() += group.count.records;
            }
            alike.push(Alike { place: *row, taxon: group.taxon, status, count: group.count });
        }
        drop(groups);
        let statuses: Vec<&str> =
            self.outcomes.all.iter().map(|outcome| outcome.assessment.as_str()).collect();
        let places = self.places(&zones)?;
        let numbered = counts.summaries.number(&places, &self.taxa_met()?, &statuses)?;
        counts.summaries.add_alike(&numbered, &alike);
        for (layer, sets) in annotator.layers.iter().zip(&annotator.zones.sets) {
            let mut count = LayerCount::default();
            for (&zone, records) in zones.iter().zip(&in_zone) {
                let is_outside = sets[zone as usize] as usize == SetId::NONE.index();
                *(if is_outside { &mut count.outside } else { &mut count.inside }) += records;
            }
            self.tally.layers.insert(layer.name.clone(), count);
        }
        for ((taxon, outcome), records) in matches {
            self.add_match(&mut counts.riis_matches, taxon, outcome, records);
        }
        if let Some(earliest) = &self.earliest {
            counts.earliest.par_iter_mut().try_for_each(|found| {
                let regions = Regions::new(&places, found)?;
                earliest.finish(&self.taxa, found, |zone| regions.of(rows[zone as usize] as usize));
                Ok::<_, StepError>(())
            })?;
        }
        if let (Some(datasets), Some(counts)) = (&self.datasets, &mut counts.datasets) {
            datasets.finish(counts);
        }
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

    /// A row for each zone, with the columns of the layers.
    fn places(&self, zones: &[u32]) -> Result<RecordBatch, StepError> {
        let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
        for (layer, sets) in self.annotator.layers.iter().zip(&self.annotator.zones.sets) {
            let sets = zones.iter().map(|&zone| sets[zone as usize]);
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
        batch(zones.len(), columns)
    }

    /// A row for each taxon.
    fn taxa_met(&self) -> Result<RecordBatch, StepError> {
        let columns = taxon::COLUMNS[..taxon::SUMMARIZED].iter().enumerate().map(|(place, name)| {
            let codes = self.taxa.codes[place].iter().copied();
            Ok((*name, coded(codes, &self.taxa.texts[place])?))
        });
        batch(self.taxa.len(), columns.collect::<Result<_, StepError>>()?)
    }
}

fn batch(rows: usize, columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch, StepError> {
    let fields = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, arrays, &options).map_err(internal)
}

/// Texts with their dictionary.
fn coded(codes: impl Iterator<Item = u32>, texts: &Texts) -> Result<ArrayRef, StepError> {
    let keys: Int32Array = codes.map(|code| (code != NO_TEXT).then_some(code as i32)).collect();
    let entries: StringArray = texts.iter().map(Some).collect();
    Ok(Arc::new(DictionaryArray::try_new(keys, Arc::new(entries)).map_err(internal)?))
}
