//! The record path: a batch of landed records in, an annotated batch and what became of its records out.
//!
//! Pure: no I/O, no clock. A record walks one straight line: filters → regions → status. Records that a filter
//! holds back are counted and do not go on.

mod regions;
mod status;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, StringBuilder};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use bisonflow_contract::StepError;
use bisonflow_contract::document::{LayerCount, RiisCounts, Tally};
use bisonflow_occurrence::filter::Filters;
use bisonflow_region::{Index, LayersConfig};
use bisonflow_riis::Register;

use regions::LayerColumns;

/// The columns that follow the fields of the layers, in order.
pub const STATUS_COLUMNS: [&str; 6] = [
    "riis_region",
    "riis_occurrence_id",
    "riis_assessment",
    "riis_matched_key",
    "riis_reason",
    "taxonkey_species",
];

/// Annotates batches of landed records; may be shared by threads.
pub struct Annotator {
    filters: Filters,
    index: Index,
    layers: Vec<LayerColumns>,
    /// Layer and field of the state that decides the register's region.
    state: Option<(usize, usize)>,
    register: Option<Register>,
}

/// An annotated batch, and what became of the records that were put in.
pub struct Annotated {
    /// The records that passed the filters, with their annotation fields.
    pub batch: RecordBatch,
    /// What became of all of them.
    pub tally: Tally,
}

impl Annotator {
    /// An annotator for these filters, layers (built from `config`) and register.
    ///
    /// # Errors
    /// [`StepError::BadReferenceData`] if index and configuration do not belong together.
    pub fn new(
        filters: Filters,
        config: &LayersConfig,
        index: Index,
        register: Option<Register>,
    ) -> Result<Annotator, StepError> {
        let layers: Vec<_> = config
            .layers
            .iter()
            .enumerate()
            .map(|(place, layer)| LayerColumns::new(layer, &index.layers()[place]))
            .collect();
        let state = match &config.riis_region_from {
            None => None,
            Some(column) => Some(
                layers
                    .iter()
                    .enumerate()
                    .find_map(|(place, layer)| Some((place, layer.field(column)?)))
                    .ok_or_else(|| {
                        StepError::BadReferenceData(format!(
                            "layers.toml: riis_region_from names {column}, which no layer writes"
                        ))
                    })?,
            ),
        };
        Ok(Annotator { filters, index, layers, state, register })
    }

    /// The schema of annotated batches: the input's columns, the fields of the layers, [`STATUS_COLUMNS`].
    pub fn schema(&self, input: &Schema) -> SchemaRef {
        let mut fields: Vec<Arc<Field>> = input.fields().iter().cloned().collect();
        fields.extend(self.layers.iter().flat_map(LayerColumns::fields));
        fields.extend(STATUS_COLUMNS.iter().map(|name| Arc::new(Field::new(*name, DataType::Utf8, true))));
        Arc::new(Schema::new(fields))
    }

    /// A tally of nothing that names every active filter and every layer, so that zeros are said.
    pub fn empty_tally(&self) -> Tally {
        Tally {
            filtered: self.filters.active().into_iter().map(|name| (name, 0)).collect(),
            layers: self.layers.iter().map(|layer| (layer.name.clone(), LayerCount::default())).collect(),
            ..Tally::default()
        }
    }

    /// Annotates a batch with the schema of `occurrences`.
    ///
    /// # Errors
    /// [`StepError::Internal`] if the batch lacks a column that annotating needs.
    pub fn annotate(&self, batch: &RecordBatch) -> Result<Annotated, StepError> {
        let outcome = self.filters.apply(batch);
        let kept = filter_record_batch(batch, &outcome.keep).map_err(internal)?;
        let longitude = column(&kept, "decimallongitude")?.as_primitive::<Float64Type>();
        let latitude = column(&kept, "decimallatitude")?.as_primitive::<Float64Type>();

        let mut columns: Vec<ArrayRef> = kept.columns().to_vec();
        let mut counts = BTreeMap::new();
        let mut state: Option<StringArray> = None;
        for (place, layer) in self.layers.iter().enumerate() {
            let located = layer.locate(&self.index.layers()[place], longitude, latitude);
            counts.insert(layer.name.clone(), located.count);
            let arrays = layer.columns(&located).map_err(internal)?;
            if let Some((_, field)) = self.state.filter(|(of, _)| *of == place) {
                state = arrays[field].as_string_opt::<i32>().cloned();
            }
            columns.extend(arrays);
        }
        let mut riis = RiisCounts::default();
        columns.extend(status::columns(&kept, state.as_ref(), self.register.as_ref(), &mut riis)?);
        columns.push(taxonkey_species(&kept)?);

        let annotated = kept.num_rows() as u64;
        let batch = RecordBatch::try_new(self.schema(&batch.schema()), columns).map_err(internal)?;
        let tally = Tally {
            records: outcome.filtered.values().sum::<u64>() + annotated,
            filtered: outcome.filtered,
            annotated,
            layers: counts,
            riis,
        };
        Ok(Annotated { batch, tally })
    }
}

/// `taxonkey species`; null where either is.
fn taxonkey_species(batch: &RecordBatch) -> Result<ArrayRef, StepError> {
    let (keys, species) = (text(batch, "taxonkey")?, text(batch, "species")?);
    let mut joined = StringBuilder::new();
    for (key, species) in keys.iter().zip(species) {
        joined.append_option(key.zip(species).map(|(key, species)| format!("{key} {species}")));
    }
    Ok(Arc::new(joined.finish()))
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, StepError> {
    batch
        .column_by_name(name)
        .ok_or_else(|| StepError::Internal(format!("column {name} is missing from the landed records")))
}

fn text<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, StepError> {
    column(batch, name)?
        .as_string_opt::<i32>()
        .ok_or_else(|| StepError::Internal(format!("column {name} of the landed records is not text")))
}

fn internal(error: arrow::error::ArrowError) -> StepError {
    StepError::Internal(format!("annotating a batch: {error}"))
}
