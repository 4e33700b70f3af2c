//! The columns that a layer writes.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, ListBuilder, StringBuilder, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use bisonflow_contract::document::LayerCount;
use bisonflow_region::{Coordinate, FieldValue, Layer, LayerConfig, Overlap, SetId};

/// The columns of one layer, each as the values of all its region sets, so that a batch is a `take`.
pub(crate) struct LayerColumns {
    pub(crate) name: String,
    fields: Vec<Arc<Field>>,
    values: Vec<ArrayRef>,
}

/// Where the records of a batch lie in one layer.
pub(crate) struct Located {
    /// The region set of each record, as an index into the values of a column.
    sets: UInt32Array,
    pub(crate) count: LayerCount,
}

impl LayerColumns {
    pub(crate) fn new(config: &LayerConfig, layer: &Layer) -> Self {
        let is_list = matches!(config.overlap, Overlap::All);
        let item = Arc::new(Field::new("element", DataType::Utf8, true));
        let data_type = if is_list { DataType::List(item) } else { DataType::Utf8 };
        let names = config.fields.keys();
        LayerColumns {
            name: config.name.clone(),
            fields: names.clone().map(|name| Arc::new(Field::new(name, data_type.clone(), true))).collect(),
            values: (0..names.len()).map(|field| values(layer, field, is_list)).collect(),
        }
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = Arc<Field>> + '_ {
        self.fields.iter().cloned()
    }

    /// The place of the column called `name`.
    pub(crate) fn field(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name() == name)
    }

    /// Looks up each record; one without coordinates is outside.
    pub(crate) fn locate(&self, layer: &Layer, longitude: &Float64Array, latitude: &Float64Array) -> Located {
        let mut count = LayerCount::default();
        let mut locate = |lon: Option<f64>, lat: Option<f64>| {
            let set = match lon.zip(lat).map(|(lon, lat)| Coordinate::new(lon, lat)) {
                Some(Ok(coordinate)) => layer.locate(coordinate),
                _ => SetId::NONE,
            };
            if set == SetId::NONE {
                count.outside += 1
            } else {
                count.inside += 1
            }
            set.index() as u32
        };
        let sets = longitude.iter().zip(latitude).map(|(lon, lat)| locate(lon, lat)).collect::<Vec<u32>>();
        Located { sets: sets.into(), count }
    }

    pub(crate) fn columns(&self, located: &Located) -> Result<Vec<ArrayRef>, ArrowError> {
        self.values.iter().map(|values| take(values, &located.sets, None)).collect()
    }
}

/// What a field says for each region set, in the order of the sets.
fn values(layer: &Layer, field: usize, is_list: bool) -> ArrayRef {
    if is_list {
        let item = Arc::new(Field::new("element", DataType::Utf8, true));
        let mut lists = ListBuilder::new(StringBuilder::new()).with_field(item);
        for set in layer.set_ids() {
            match layer.value(field, set) {
                FieldValue::Null => lists.append(false),
                FieldValue::One(text) => {
                    lists.values().append_value(text);
                    lists.append(true);
                }
                FieldValue::Many(texts) => {
                    for text in texts {
                        lists.values().append_option(text.as_deref());
                    }
                    lists.append(true);
                }
            }
        }
        Arc::new(lists.finish())
    } else {
        let mut texts = StringBuilder::new();
        for set in layer.set_ids() {
            match layer.value(field, set) {
                FieldValue::One(text) => texts.append_value(text),
                FieldValue::Null | FieldValue::Many(_) => texts.append_null(),
            }
        }
        Arc::new(texts.finish())
    }
}
