//! The record path: a batch of landed records in, an annotated batch and counts out.
//!
//! Pure: it knows of readers and writers, but of no service and no clock. A record walks one straight line:
//! filters → regions → status → counts. Records that a filter holds back are counted and do not go on.
//!
//! On the way a record is three numbers: its zone (which regions of all layers it lies in), its taxon (all that it
//! says of its taxon) and its outcome (what the register says of that taxon there). Columns and counts are made of
//! these, so that texts are handled once for each distinct one, not for each record.

mod columns;
mod counting;
mod datasets;
mod distinct;
mod earliest;
mod groups;
mod local_file;
mod one_pass;
mod pass;
mod record_file;
mod regions;
mod row_groups;
mod session;
mod slots;
mod status;
mod taxon;
#[cfg(test)]
mod tests;
mod text;
mod windows;
mod zones;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use bisonflow_contract::StepError;
use bisonflow_contract::document::{LayerCount, Tally};
use bisonflow_occurrence::filter::Filters;
use bisonflow_region::{Index, LayersConfig};
use bisonflow_riis::Register;

pub use columns::Columns;
pub use local_file::{LocalFile, LocalRead};
pub use one_pass::{OnePass, annotate_file};
pub use pass::{Done, Order, Pass};
pub use record_file::{RecordFile, footer_options};
use regions::LayerColumns;
use zones::ZoneTable;

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
    zones: ZoneTable,
    layers: Vec<LayerColumns>,
    register: Option<Register>,
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
        // Layer and field of the state that decides the register's region.
        let state = match &config.riis_region_from {
            None => None,
            Some(column) => Some(
                layers
                    .iter()
                    .enumerate()
                    .find_map(|(place, layer)| Some((place, layer.place(column)?)))
                    .ok_or_else(|| {
                        StepError::BadReferenceData(format!(
                            "layers.toml: riis_region_from names {column}, which no layer writes"
                        ))
                    })?,
            ),
        };
        let zones = ZoneTable::new(&index, &layers, state);
        Ok(Annotator { filters, index, zones, layers, register })
    }

    /// The schema of annotated records: the input's columns, the fields of the layers, [`STATUS_COLUMNS`].
    pub fn schema(&self, input: &Schema) -> SchemaRef {
        let mut fields: Vec<FieldRef> = input.fields().iter().map(without_dictionary).collect();
        let of_layers = self.layers.iter().flat_map(|layer| &layer.columns);
        fields.extend(of_layers.map(|column| Arc::clone(&column.field)));
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
}

fn without_dictionary(field: &FieldRef) -> FieldRef {
    match field.data_type() {
        DataType::Dictionary(_, values) => {
            Arc::new(Field::new(field.name(), (**values).clone(), field.is_nullable()))
        }
        _ => Arc::clone(field),
    }
}

fn wrong_type(column: &str, expected: &DataType, found: &DataType) -> StepError {
    StepError::Internal(format!("column {column} of the records is {found}, expected {expected}"))
}

fn internal(error: arrow::error::ArrowError) -> StepError {
    StepError::Internal(format!("annotating a batch: {error}"))
}
